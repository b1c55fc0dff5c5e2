// SPDX-License-Identifier: MIT
// Encoded operands decoded as the Arm ARM's shared pseudocode does: what semantics, translator and
// disassembler share.
//
// Guarantees: constexpr, no state. Each function is total; for encodings that decode() calls unallocated the
// result is meaningless but defined.
#pragma once
#include "insn.h"

namespace grus::a64 {

inline constexpr u64 rotate_right(u64 value, unsigned amount, unsigned bits) {
  amount &= bits - 1;
  u64 mask = bits == 64 ? ~u64{0} : (u64{1} << bits) - 1;
  value &= mask;
  return amount == 0 ? value : (value >> amount | value << (bits - amount)) & mask;
}

// DecodeBitMasks() for logical immediates: imms+1 ones rotated right by immr in an element of 2..64 bits,
// replicated.
inline constexpr u64 bitmask_immediate(bool sf, unsigned n, unsigned imms, unsigned immr) {
  unsigned selector = n << 6 | (imms ^ 63);
  unsigned len = 0;
  while (selector >> (len + 1)) len++;
  unsigned esize = 1u << len, levels = esize - 1;
  unsigned s = imms & levels, r = immr & levels;
  u64 element = s == 63 ? ~u64{0} : (u64{1} << (s + 1)) - 1;
  if (esize > 1) element = rotate_right(element, r, esize);
  u64 result = 0;
  for (unsigned at = 0; at < 64; at += esize) result |= element << at;
  return sf ? result : static_cast<u32>(result);
}

inline u64 bitmask_immediate(Insn i) { return bitmask_immediate(i.sf(), i.N(), i.imms(), i.immr()); }

// Byte offsets of direct branches and pc-relative addresses.
inline i64 branch_offset26(Insn i) { return static_cast<i64>(static_cast<u64>(i.imm26()) << 38) >> 36; }
inline i64 branch_offset19(Insn i) { return static_cast<i64>(static_cast<u64>(i.imm19()) << 45) >> 43; }
inline i64 branch_offset14(Insn i) { return static_cast<i64>(static_cast<u64>(i.imm14()) << 50) >> 48; }
inline u64 adr_target(Insn i, u64 pc) {
  return pc + static_cast<u64>(static_cast<i64>(static_cast<u64>(i.immhi() << 2 | i.immlo()) << 43) >> 43);
}
inline u64 adrp_target(Insn i, u64 pc) {
  return (pc & ~u64{0xfff}) +
         static_cast<u64>(static_cast<i64>(static_cast<u64>(i.immhi() << 2 | i.immlo()) << 43) >> 31);
}
inline unsigned tested_bit(Insn i) { return i.b5() << 5 | i.b40(); }

// ConditionHolds(), nzcv with N highest. 0b1111 means always, as 0b1110.
inline constexpr bool condition_holds(unsigned cond, unsigned nzcv) {
  bool n = nzcv & 8, z = nzcv & 4, c = nzcv & 2, v = nzcv & 1, result = true;
  switch (cond >> 1) {
    case 0:
      result = z;
      break;
    case 1:
      result = c;
      break;
    case 2:
      result = n;
      break;
    case 3:
      result = v;
      break;
    case 4:
      result = c && !z;
      break;
    case 5:
      result = n == v;
      break;
    case 6:
      result = n == v && !z;
      break;
    default:
      return true;
  }
  return cond & 1 ? !result : result;
}

}  // namespace grus::a64
