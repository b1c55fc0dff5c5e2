// SPDX-License-Identifier: MIT
// What the templates of integer Advanced SIMD share: tables of host operations by element size, and operands
// that are guest registers or scratch.
//
// Conventions: a function that ends with `finish` writes Vd and clears its upper half when Q is 0. Scratch
// registers are kA, kB and kC; kA is where a result is made when Vd cannot be written at once (Vd is still to
// be read, or lives in memory). Host operations are three-operand with AVX, else a copy comes first, so a
// destination must not be the second source. None of these changes EFLAGS except where said.
#pragma once
#include "translate/a64_to_x64/constants.h"
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::simd {

inline constexpr Xmm kA = Xmm::x0, kB = Xmm::x1, kC = Xmm::x2;

struct HostOp {
  u8 map, code;  // prefix 66
  constexpr bool exists() const { return map != 0; }
};
inline constexpr HostOp kNone{0, 0};

// By element size: 8, 16, 32, 64 bits.
inline constexpr HostOp kAdd[4] = {{1, 0xfc}, {1, 0xfd}, {1, 0xfe}, {1, 0xd4}};
inline constexpr HostOp kSub[4] = {{1, 0xf8}, {1, 0xf9}, {1, 0xfa}, {1, 0xfb}};
inline constexpr HostOp kMinU[4] = {{1, 0xda}, {2, 0x3a}, {2, 0x3b}, kNone};
inline constexpr HostOp kMaxU[4] = {{1, 0xde}, {2, 0x3e}, {2, 0x3f}, kNone};
inline constexpr HostOp kMinS[4] = {{2, 0x38}, {1, 0xea}, {2, 0x39}, kNone};
inline constexpr HostOp kMaxS[4] = {{2, 0x3c}, {1, 0xee}, {2, 0x3d}, kNone};
inline constexpr HostOp kEqual[4] = {{1, 0x74}, {1, 0x75}, {1, 0x76}, {2, 0x29}};
inline constexpr HostOp kGreater[4] = {{1, 0x64}, {1, 0x65}, {1, 0x66}, {2, 0x37}};
inline constexpr HostOp kUnpackLow[4] = {{1, 0x60}, {1, 0x61}, {1, 0x62}, {1, 0x6c}};
inline constexpr HostOp kUnpackHigh[4] = {{1, 0x68}, {1, 0x69}, {1, 0x6a}, {1, 0x6d}};
inline constexpr HostOp kAbs[4] = {{2, 0x1c}, {2, 0x1d}, {2, 0x1e}, kNone};
inline constexpr HostOp kWidenU[3] = {{2, 0x30}, {2, 0x33}, {2, 0x35}};
inline constexpr HostOp kWidenS[3] = {{2, 0x20}, {2, 0x23}, {2, 0x25}};
inline constexpr HostOp kAnd{1, 0xdb}, kAndNot{1, 0xdf}, kOr{1, 0xeb}, kXor{1, 0xef};
inline constexpr HostOp kMul16{1, 0xd5}, kMul32{2, 0x40}, kMulU32{1, 0xf4}, kMulS32{2, 0x28},
    kMulAddPairs16{1, 0xf5},
    kMulAddPairs8{2, 0x04};  // PMADDUBSW: the first operand's bytes are unsigned, the second's signed
inline constexpr HostOp kShuffleBytes{2, 0x00}, kPackU16{1, 0x67}, kPackU32{2, 0x2b}, kPackS16{1, 0x63},
    kPackS32{1, 0x6b};
inline constexpr HostOp kSumBytes{1, 0xf6};
inline constexpr HostOp kShuffleWords{1, 0x70}, kAlign{3, 0x0f}, kBlend16{3, 0x0e};

inline unsigned bits_of(unsigned size) { return 8u << size; }

/* -- dst = a op b
 * ---------------------------------------------------------------------------------------------------- */

inline void op(Emitter& e, HostOp o, Xmm dst, Xmm a, Xmm b) { e.sse3(0x66, o.map, o.code, dst, a, b); }
// b is a guest register.
inline void op(Emitter& e, HostOp o, Xmm dst, Xmm a, unsigned b) { e.vop(0x66, o.map, o.code, dst, a, b); }
inline void op(Emitter& e, HostOp o, Xmm dst, Xmm a, Constant c) {
  e.sse3(0x66, o.map, o.code, dst, a, e.constant(c));
}
// With an immediate.
inline void op_imm(Emitter& e, HostOp o, Xmm dst, Xmm a, Xmm b, u8 imm) {
  op(e, o, dst, a, b);
  e.byte(imm);
}
inline void op_imm(Emitter& e, HostOp o, Xmm dst, Xmm a, unsigned b, u8 imm) {
  if (Emitter::vhome(b) != Xmm::none)
    op(e, o, dst, a, Emitter::vhome(b));
  else
    e.sse3(0x66, o.map, o.code, dst, a, Emitter::vslot(b), 1);
  e.byte(imm);
}

/* -- dst = op(a)
 * ----------------------------------------------------------------------------------------------------- */

inline void op1(Emitter& e, HostOp o, Xmm dst, Xmm a) { e.sse(0x66, o.map, o.code, dst, a); }
inline void op1(Emitter& e, HostOp o, Xmm dst, unsigned a) {
  if (Emitter::vhome(a) != Xmm::none)
    op1(e, o, dst, Emitter::vhome(a));
  else
    e.sse(0x66, o.map, o.code, dst, Emitter::vslot(a));
}
inline void shuffle_words(Emitter& e, Xmm dst, Xmm a, u8 imm) {
  op1(e, kShuffleWords, dst, a);
  e.byte(imm);
}
inline void shuffle_words(Emitter& e, Xmm dst, unsigned a, u8 imm) {
  if (Emitter::vhome(a) != Xmm::none)
    op1(e, kShuffleWords, dst, Emitter::vhome(a));
  else
    e.sse(0x66, 1, 0x70, dst, Emitter::vslot(a), false, 1);
  e.byte(imm);
}

/* -- Shifts by immediate
 * --------------------------------------------------------------------------------------------- */

inline void shift_group(Emitter& e, u8 code, unsigned digit, Xmm dst, Xmm a, unsigned n) {
  if (e.vex) {
    e.sse3(0x66, 1, code, Xmm(digit), dst, a);
  } else {
    e.movaps(dst, a);
    e.sse(0x66, 1, code, Xmm(digit), dst);
  }
  e.byte(static_cast<u8>(n));
}
// The whole register, by bytes.
inline void shift_bytes_left(Emitter& e, Xmm dst, Xmm a, unsigned n) { shift_group(e, 0x73, 7, dst, a, n); }
inline void shift_bytes_right(Emitter& e, Xmm dst, Xmm a, unsigned n) { shift_group(e, 0x73, 3, dst, a, n); }
// Lanes of 16, 32 or 64 bits (size 1 to 3); n up to the lane's size.
inline void shift_left(Emitter& e, unsigned size, Xmm dst, Xmm a, unsigned n) {
  shift_group(e, static_cast<u8>(0x70 + size), 6, dst, a, n);
}
inline void shift_right(Emitter& e, unsigned size, Xmm dst, Xmm a, unsigned n) {
  shift_group(e, static_cast<u8>(0x70 + size), 2, dst, a, n);
}
inline void shift_right_signed(Emitter& e, unsigned size, Xmm dst, Xmm a, unsigned n) {  // size 1 or 2
  shift_group(e, static_cast<u8>(0x70 + size), 4, dst, a, n);
}
// Any size, bytes too. `a` is preserved when it is not dst; `scratch` is neither of them and only used for
// signed shifts.
void shift_left_any(Emitter& e, unsigned size, Xmm dst, Xmm a, unsigned n);
void shift_right_any(Emitter& e, unsigned size, bool is_signed, Xmm dst, Xmm a, unsigned n, Xmm scratch);

/* -- Constants
 * ------------------------------------------------------------------------------------------------------- */

inline void zero(Emitter& e, Xmm x) { op(e, kXor, x, x, x); }
inline void ones(Emitter& e, Xmm x) { op(e, kEqual[2], x, x, x); }
inline void load_constant(Emitter& e, Xmm x, Constant c) { e.movaps(x, e.constant(c)); }
// x = low and high half; changes rax.
void load_halves(Emitter& e, Xmm x, u64 low, u64 high);

/* -- Results
 * ---------------------------------------------------------------------------------------------------------
 */

inline void finish(Emitter& e, Insn i, Xmm x) {
  if (i.Q())
    e.vcommit(i.Rd(), x);
  else
    e.vcommit64(i.Rd(), x);
}
inline void finish(Emitter& e, Insn i, Xmm x, bool scalar) {
  if (!scalar)
    finish(e, i, x);
  else
    e.vcommit64(i.Rd(), x);
}

// Vd's high half = the low half of x, which is not kC; changes kC.
void set_high_half(Emitter& e, unsigned d, Xmm x);

// Vd = Vn op Vm.
void binary(Emitter& e, Insn i, HostOp o, unsigned n, unsigned m, bool commutative, bool scalar = false);

// x = n * m, lanes of `size` (0 to 2). x, s and t are different; x must not be n or m. Changes s, t for bytes
// only.
void multiply(Emitter& e, unsigned size, Xmm x, unsigned n, unsigned m, Xmm s, Xmm t);
// kA is the saturated result, kB the wrapped one. Sets FPSR.QC where they differ (in the low half only when Q is 0). Changes
// EFLAGS, kB, rax and rcx.
void note_saturation(Emitter& e, Insn i);
// kA = the high halves of 2 * Vn * m, signed and saturated (size 1 and 2), with QC; m may be kC. Changes everything.
void doubling_high(Emitter& e, Insn i, unsigned size, bool round, Xmm m);
// dst = the low or high half of Vn's lanes, twice as wide.
void widen(Emitter& e, unsigned size, bool is_signed, bool high, Xmm dst, unsigned n);
// x's lanes of 2 << size bytes narrowed to Vd's low half, or its high half when Q.
void finish_narrow(Emitter& e, Insn i, unsigned size, Xmm x);

}  // namespace grus::a64_to_x64::simd
