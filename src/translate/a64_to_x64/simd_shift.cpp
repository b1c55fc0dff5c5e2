// SPDX-License-Identifier: MIT
// Shifts with results not narrower than the operands. Without templates: saturating shifts by register or to the left, shifts by
// register of bytes; without AVX2, those of words and doubles; without AVX-512, rounding ones of halves and of doubles with a sign.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

struct Immediate {
  unsigned size, value;  // value: immh:immb
  unsigned right() const { return 2 * bits_of(size) - value; }
  unsigned left() const { return value - bits_of(size); }
};
Immediate immediate(Insn i) {
  unsigned size = 31 - static_cast<unsigned>(__builtin_clz(i.immh()));
  return {size, i.immh() << 3 | i.immb()};
}

void right(Emitter& e, Insn i, bool is_signed, bool accumulate, bool scalar) {
  Immediate s = immediate(i);
  unsigned n = i.Rn();
  bool direct = !accumulate && (e.vex || s.size == 1 || s.size == 2 || !is_signed) && s.size != 0;
  Xmm x = direct ? e.vdef(i.Rd(), kA) : kA;
  shift_right_any(e, s.size, is_signed, x, e.vuse(n, kB), s.right(), kC);
  if (accumulate) op(e, kAdd[s.size], x, x, i.Rd());
  finish(e, i, x, scalar);
}

// (n + (1 << (shift - 1))) >> shift = (n >> shift) + bit (shift - 1) of n.
void right_rounded(Emitter& e, Insn i, bool is_signed, bool accumulate, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), shift = s.right();
  Xmm n = e.vuse(i.Rn(), kB);
  if (is_signed || shift < bits)
    shift_right_any(e, s.size, is_signed, kA, n, shift, kC);
  else
    zero(e, kA);
  shift_left_any(e, s.size, kC, n, bits - shift);
  shift_right_any(e, s.size, false, kC, kC, bits - 1, kB);
  op(e, kAdd[s.size], kA, kA, kC);
  if (accumulate) op(e, kAdd[s.size], kA, kA, i.Rd());
  finish(e, i, kA, scalar);
}

void left(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  Xmm x = e.vdef(i.Rd(), kA);
  shift_left_any(e, s.size, x, e.vuse(i.Rn(), kA), s.left());
  finish(e, i, x, scalar);
}

void left_insert(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), n = s.left();
  shift_left_any(e, s.size, kA, e.vuse(i.Rn(), kA), n);
  if (n) {
    // The low n bits of Vd.
    shift_left_any(e, s.size, kB, e.vuse(i.Rd(), kB), bits - n);
    shift_right_any(e, s.size, false, kB, kB, bits - n, kC);
    op(e, kOr, kA, kA, kB);
  }
  finish(e, i, kA, scalar);
}

void right_insert(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), n = s.right();
  if (n == bits) {
    e.vload(kA, i.Rd());
  } else {
    shift_right_any(e, s.size, false, kA, e.vuse(i.Rn(), kA), n, kC);
    // The high n bits of Vd.
    shift_right_any(e, s.size, false, kB, e.vuse(i.Rd(), kB), bits - n, kC);
    shift_left_any(e, s.size, kB, kB, bits - n);
    op(e, kOr, kA, kA, kB);
  }
  finish(e, i, kA, scalar);
}

void left_long(Emitter& e, Insn i, unsigned size, bool is_signed, unsigned n) {
  Xmm x = e.vdef(i.Rd(), kA);
  widen(e, size, is_signed, i.Q(), x, i.Rn());
  if (n) shift_left(e, size + 1, x, x, n);
  e.vcommit(i.Rd(), x);
}

/* -- By register -------------------------------------------------------------------------------------------------------
 * The count is a signed byte. To the left it is count and to the right -count, both modulo 256, one of which is 0 to 127 and the
 * other 0 or 128 to 255.
 *
 * A signed right shift of a negative lane is an unsigned one of the inverted lane, inverted again. So lanes where both lane and count
 * are negative are inverted before and behind ("flipped"); all others do not differ from unsigned ones.
 */

// dst = ones in lanes of Vn to be flipped; t is used for bytes and doubles.
void flipped(Emitter& e, Insn i, unsigned size, Xmm dst, Xmm t) {
  Xmm x = size == 0 || size == 3 ? t : dst;
  e.vload(x, i.Rm());
  shift_left_any(e, size, x, x, bits_of(size) - 8);
  op(e, kAnd, x, x, i.Rn());
  if (x == dst) return shift_right_signed(e, size, x, x, bits_of(size) - 1);
  zero(e, dst);
  op(e, kGreater[size], dst, dst, t);
}

// kA = Vn, flipped for signed shifts; flip_back for the result in kB. Changes kA and kC.
void load_flipped(Emitter& e, Insn i, unsigned size, bool is_signed) {
  if (!is_signed) return e.vload(kA, i.Rn());
  flipped(e, i, size, kA, kB);
  op(e, kXor, kA, kA, i.Rn());
}
void flip_back(Emitter& e, Insn i, unsigned size, bool is_signed) {
  if (!is_signed) return;
  flipped(e, i, size, kA, kC);
  op(e, kXor, kB, kB, kA);
}

// VPSLLV and VPSRLV give zero for counts beyond the lane.
void by_register_variable(Emitter& e, Insn i, unsigned size, bool is_signed, bool scalar) {
  Constant byte = size == 1 ? Constant::LowByteOfHalf : size == 2 ? Constant::LowByteOfWord : Constant::LowByteOfDouble;
  auto variable = [&](u8 code, Xmm counts) {
    if (size == 1)
      e.evex(0x66, 2, code == 0x47 ? 0x12 : 0x10, counts, kA, counts, true);
    else
      e.sse3(0x66, 2, code, counts, kA, counts, size == 3);
  };
  load_flipped(e, i, size, is_signed);
  e.vload(kB, i.Rm());
  op(e, kAnd, kB, kB, byte);
  variable(0x47, kB);
  zero(e, kC);
  op(e, kSub[size], kC, kC, i.Rm());
  op(e, kAnd, kC, kC, byte);
  variable(0x45, kC);
  op(e, kOr, kB, kB, kC);
  flip_back(e, i, size, is_signed);
  finish(e, i, kB, scalar);
}

// VPSRAVD fills with the sign beyond 31. Right shifts are taken where the count is negative.
void by_register_words(Emitter& e, Insn i) {
  Xmm n = e.vuse(i.Rn(), kC);
  e.vload(kB, i.Rm());
  op(e, kAnd, kA, kB, Constant::LowByteOfWord);
  e.sse3(0x66, 2, 0x47, kA, n, kA);  // VPSLLVD
  zero(e, kB);
  op(e, kSub[2], kB, kB, i.Rm());
  op(e, kAnd, kB, kB, Constant::LowByteOfWord);
  e.sse3(0x66, 2, 0x46, kC, n, kB);
  e.vload(kB, i.Rm());
  shift_left(e, 2, kB, kB, 24);
  e.sse3(0x66, 3, 0x4a, kA, kA, kC);  // VBLENDVPS by the sign of the count in kB
  e.byte(static_cast<u8>(static_cast<unsigned>(kB) << 4));
  finish(e, i, kA);
}

// The low and high half of the product with 2^(count mod 16) are the lane shifted left by that and right by 16 minus that: all
// counts from -16 to 15. Others give zero.
void by_register_halves(Emitter& e, Insn i, bool is_signed) {
  load_flipped(e, i, 1, is_signed);
  e.vload(kC, i.Rm());
  op(e, kShuffleBytes, kC, kC, Constant::LowByteTwice);
  op(e, kAdd[0], kC, kC, Constant::TableStep + 1);      // 0 to 31
  op(e, {1, 0xdc}, kC, kC, Constant::SaturateIndex32);  // PADDUSB
  op(e, kXor, kC, kC, Constant::EightInHighByte);
  load_constant(e, kB, Constant::PowersOfTwo);
  op(e, kShuffleBytes, kB, kB, kC);
  op(e, {1, 0xe4}, kC, kA, kB);  // PMULHUW
  op(e, kMul16, kA, kA, kB);
  e.vload(kB, i.Rm());
  shift_left(e, 1, kB, kB, 8);
  shift_right_signed(e, 1, kB, kB, 15);
  op(e, kAnd, kC, kC, kB);
  op(e, kAndNot, kB, kB, kA);
  op(e, kOr, kB, kB, kC);
  flip_back(e, i, 1, is_signed);
  finish(e, i, kB);
}

// t = Vn >> (-count - 1), and half of that rounded up. Where the count is not negative t is zero or all sign, either of which makes
// zero.
void by_register_rounded(Emitter& e, Insn i, bool is_signed, bool scalar) {
  unsigned size = scalar ? 3 : i.size();
  bool wide = e.host().avx512vl;
  if (size == 0 || !e.host().avx2 || (!wide && (size == 1 || (size == 3 && is_signed)))) return e.call_semantics();
  Constant byte = size == 1 ? Constant::LowByteOfHalf : size == 2 ? Constant::LowByteOfWord : Constant::LowByteOfDouble;
  Xmm n = e.vuse(i.Rn(), kC);
  auto variable = [&](u8 halves, u8 code, Xmm counts) {  // VPSLLVW and its kin
    if (size == 1 || (size == 3 && is_signed))
      e.evex(0x66, 2, size == 1 ? halves : code, counts, n, counts, true);
    else
      e.sse3(0x66, 2, code, counts, n, counts, size == 3);
  };
  e.vload(kB, i.Rm());
  op(e, kAnd, kA, kB, byte);
  variable(0x12, 0x47, kA);
  op(e, kAndNot, kB, kB, byte);
  is_signed ? variable(0x11, 0x46, kB) : variable(0x10, 0x45, kB);
  if (!is_signed) {
    shift_right(e, size, kC, kB, 1);
  } else if (size < 3) {
    shift_right_signed(e, size, kC, kB, 1);
  } else {
    e.evex(0x66, 1, 0x72, Xmm(4), kC, kB, true);  // VPSRAQ
    e.byte(1);
  }
  op(e, kSub[size], kB, kB, kC);
  op(e, kOr, kA, kA, kB);
  finish(e, i, kA, scalar);
}

void by_register(Emitter& e, Insn i, bool is_signed, bool scalar) {
  unsigned size = scalar ? 3 : i.size();
  if (size == 0 || (size > 1 && !e.host().avx2)) return e.call_semantics();
  if (size == 1 && !e.host().avx512vl) return by_register_halves(e, i, is_signed);
  if (size == 2 && is_signed) return by_register_words(e, i);
  by_register_variable(e, i, size, is_signed, scalar);
}

}  // namespace

void SSHR_imm(Emitter& e, Insn i) { right(e, i, true, false, false); }
void USHR_imm(Emitter& e, Insn i) { right(e, i, false, false, false); }
void SSRA_imm(Emitter& e, Insn i) { right(e, i, true, true, false); }
void USRA_imm(Emitter& e, Insn i) { right(e, i, false, true, false); }
void SSHR_s_imm(Emitter& e, Insn i) { right(e, i, true, false, true); }
void USHR_s_imm(Emitter& e, Insn i) { right(e, i, false, false, true); }
void SSRA_s_imm(Emitter& e, Insn i) { right(e, i, true, true, true); }
void USRA_s_imm(Emitter& e, Insn i) { right(e, i, false, true, true); }
void SRSHR_imm(Emitter& e, Insn i) { right_rounded(e, i, true, false, false); }
void URSHR_imm(Emitter& e, Insn i) { right_rounded(e, i, false, false, false); }
void SRSRA_imm(Emitter& e, Insn i) { right_rounded(e, i, true, true, false); }
void URSRA_imm(Emitter& e, Insn i) { right_rounded(e, i, false, true, false); }
void SRSHR_s_imm(Emitter& e, Insn i) { right_rounded(e, i, true, false, true); }
void URSHR_s_imm(Emitter& e, Insn i) { right_rounded(e, i, false, false, true); }
void SRSRA_s_imm(Emitter& e, Insn i) { right_rounded(e, i, true, true, true); }
void URSRA_s_imm(Emitter& e, Insn i) { right_rounded(e, i, false, true, true); }

void SHL_imm(Emitter& e, Insn i) { left(e, i, false); }
void SHL_s_imm(Emitter& e, Insn i) { left(e, i, true); }
void SLI_imm(Emitter& e, Insn i) { left_insert(e, i, false); }
void SLI_s_imm(Emitter& e, Insn i) { left_insert(e, i, true); }
void SRI_imm(Emitter& e, Insn i) { right_insert(e, i, false); }
void SRI_s_imm(Emitter& e, Insn i) { right_insert(e, i, true); }

void SSHLL_imm(Emitter& e, Insn i) { left_long(e, i, immediate(i).size, true, immediate(i).left()); }
void USHLL_imm(Emitter& e, Insn i) { left_long(e, i, immediate(i).size, false, immediate(i).left()); }
void SHLL_v(Emitter& e, Insn i) { left_long(e, i, i.size(), false, bits_of(i.size())); }

void SSHL_v(Emitter& e, Insn i) { by_register(e, i, true, false); }
void USHL_v(Emitter& e, Insn i) { by_register(e, i, false, false); }
void SSHL_s(Emitter& e, Insn i) { by_register(e, i, true, true); }
void USHL_s(Emitter& e, Insn i) { by_register(e, i, false, true); }
void SRSHL_v(Emitter& e, Insn i) { by_register_rounded(e, i, true, false); }
void URSHL_v(Emitter& e, Insn i) { by_register_rounded(e, i, false, false); }
void SRSHL_s(Emitter& e, Insn i) { by_register_rounded(e, i, true, true); }
void URSHL_s(Emitter& e, Insn i) { by_register_rounded(e, i, false, true); }

}  // namespace grus::a64_to_x64::templates
