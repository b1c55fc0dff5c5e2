// SPDX-License-Identifier: MIT
// Vector floating point of single and double precision on host SSE arithmetic: three same, by element,
// pairwise, across lanes, and the Advanced SIMD scalar forms. Half precision runs its semantics.
//
// See fp.h for why a host result is the guest's. Comparisons need no check: the host's predicates raise
// invalid as the guest's do.
#include "translate/a64_to_x64/fp.h"

namespace grus::a64_to_x64::templates {

using namespace fp;

namespace {

void finish(Emitter& e, Insn i, Xmm x) { simd::finish(e, i, x); }

/* -- Arithmetic, lane by lane
 * ------------------------------------------------------------------------------------------- */

void three_same(Emitter& e, Insn i, u8 opcode, Check check, bool absolute = false) {
  if (!host_arithmetic(e)) return;
  unsigned n = i.Rn(), m = i.Rm(), d = i.Rd();
  u8 prefix = packed_prefix(i.sz());
  Xmm x = kA;
  if (i.Q()) {
    x = result_register(e, d, d == n || d == m);
    e.vop(prefix, 1, opcode, x, e.vuse(n, kA), m);
  } else {
    load_vector(e, i, kA, n);
    load_vector(e, i, kB, m);
    // Lanes that do not exist divide zero by one.
    if (opcode == kDiv) e.sse3(0, 1, kOr, kB, kB, e.constant(Constant::OnesAboveLow64));
    e.sse3(prefix, 1, opcode, kA, kA, kB);
  }
  check_vector(e, i.sz(), x, check);
  if (absolute) e.sse3(0, 1, kAnd, x, x, e.constant(i.sz() ? Constant::Magnitude64 : Constant::Magnitude32));
  finish(e, i, x);
}

void one_source(Emitter& e, Insn i, u8 map, u8 prefix, u8 opcode, int immediate = -1) {
  if (!host_arithmetic(e)) return;
  load_vector(e, i, kA, i.Rn());
  e.sse(prefix, map, opcode, kA, kA);
  if (immediate >= 0) e.byte(static_cast<u8>(immediate));
  check_vector(e, i.sz(), kA, Check::Nan);
  finish(e, i, kA);
}

// Vd where a multiply-add may be made. Changes kB.
Xmm load_addend(Emitter& e, Insn i, u8 opcode) {
  bool in_place = addend_traps(e, opcode);
  Xmm x = in_place && i.Q() ? e.vuse(i.Rd(), kA) : kA;
  if (x == kA) load_vector(e, i, kA, i.Rd());
  if (in_place) trap_nan(e, packed_prefix(i.sz()), x);
  return x;
}

// VFMADD231PS and its kin, with the addend in Vd.
void multiply_add(Emitter& e, Insn i, u8 opcode) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  Xmm x = load_addend(e, i, opcode);
  Xmm left = vector_operand(e, i, i.Rn(), kB);
  if (!i.Q())
    e.sse3(0x66, 2, opcode, x, left, vector_operand(e, i, i.Rm(), kC), i.sz());
  else if (Emitter::vhome(i.Rm()) != Xmm::none)
    e.sse3(0x66, 2, opcode, x, left, Emitter::vhome(i.Rm()), i.sz());
  else
    e.sse3(0x66, 2, opcode, x, left, Emitter::vslot(i.Rm()), 0, i.sz());
  if (!addend_traps(e, opcode)) check_vector(e, i.sz(), x, Check::Fused);
  finish(e, i, x);
}

/* -- By element
 * ----------------------------------------------------------------------------------------------------------
 */

// kC = the element everywhere, or in the low half when Q is clear.
void load_element(Emitter& e, Insn i, bool low_half) {
  unsigned m = i.M() << 4 | i.Rm4();
  u8 shuffle = i.sz() ? (i.H() ? 0xee : 0x44) : static_cast<u8>((i.H() << 1 | i.L()) * 0x55);
  simd::shuffle_words(e, kC, m, shuffle);
  if (low_half) e.movq(kC, kC);
}

void multiply_element(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_element(e, i, !i.Q());
  load_vector(e, i, kA, i.Rn());
  e.sse3(packed_prefix(i.sz()), 1, kMul, kA, kA, kC);
  check_vector(e, i.sz(), kA, Check::NanAndTiny);
  finish(e, i, kA);
}
void multiply_add_element(Emitter& e, Insn i, u8 opcode) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  load_element(e, i, !i.Q());
  Xmm x = load_addend(e, i, opcode);
  e.sse3(0x66, 2, opcode, x, vector_operand(e, i, i.Rn(), kB), kC, i.sz());
  if (!addend_traps(e, opcode)) check_vector(e, i.sz(), x, Check::Fused);
  finish(e, i, x);
}
void scalar_multiply_element(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_element(e, i, false);
  load_scalar(e, i.sz(), kA, i.Rn());
  e.sse3(scalar_prefix(i.sz()), 1, kMul, kA, kA, kC);
  check_scalar(e, i.sz(), kA, Check::NanAndTiny);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}
void scalar_multiply_add_element(Emitter& e, Insn i, u8 opcode) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  load_element(e, i, false);
  Xmm left = e.vuse(i.Rn(), kB);
  load_scalar(e, i.sz(), kA, i.Rd());
  e.sse3(0x66, 2, opcode, kA, left, kC, i.sz());
  check_scalar(e, i.sz(), kA, Check::Fused);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

/* -- FMULX, and Newton's steps: 2 - Vn * Vm, (3 - Vn * Vm) / 2, rounded once
 * -------------------------------------------------------------------------------------------------------
 * Infinity times zero is no invalid operation for them, so it must trap or not be tried. NaNs are left to the semantics too.
 * No step is tiny: a product near 2 or 3 is a multiple of 2^-46 (2^-104).
 */

void splat(Emitter& e, bool is_double, bool scalar, Xmm x, u64 bits) {
  if (!is_double) bits |= scalar ? 0 : bits << 32;
  simd::load_halves(e, x, bits, scalar ? 0 : bits);
}

// To the semantics unless Vn and Vm are below 2^limit in magnitude. Changes kA, kB, rax and EFLAGS.
void require_operands_below(Emitter& e, Insn i, bool scalar, unsigned limit) {
  bool is_double = i.sz();
  e.clobber_flags();
  Mem magnitude = e.constant(is_double ? Constant::Magnitude64 : Constant::Magnitude32);
  auto load = [&](Xmm x, unsigned n) { scalar ? load_scalar(e, is_double, x, n) : load_vector(e, i, x, n); };
  load(kA, i.Rn());
  load(kB, i.Rm());
  e.sse3(0, 1, kAnd, kA, kA, magnitude);
  e.sse3(0, 1, kAnd, kB, kB, magnitude);
  e.sse3(0x66, 2, 0x3d, kA, kA, kB);  // PMAXSD; the upper words of doubles count
  splat(e, false, false, kB, u64{bias(is_double) + limit} << (is_double ? 20 : 23));
  e.sse3(0x66, 1, 0x66, kB, kB, kA);  // PCMPGTD
  e.sse(packed_prefix(is_double), 1, kMoveMask, Xmm(Reg::rax), kB);
  e.alu_imm(Alu::cmp, 32, Reg::rax, is_double ? 3 : 15);
  e.semantics_if(CC::ne);
}
void require_numbers(Emitter& e, Insn i, bool scalar) {
  if (!traps(e)) require_operands_below(e, i, scalar, bias(i.sz()) + 1);
}

void extended_multiply(Emitter& e, Insn i, bool scalar) {
  if (!host_arithmetic(e)) return;
  require_numbers(e, i, scalar);
  if (!scalar) return three_same(e, i, kMul, Check::NanAndTiny);
  load_scalar(e, i.sz(), kA, i.Rn());
  e.vop(scalar_prefix(i.sz()), 1, kMul, kA, kA, i.Rm());
  check_scalar(e, i.sz(), kA, Check::NanAndTiny);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}
void extended_multiply_element(Emitter& e, Insn i, bool scalar) {
  if (!traps(e)) return e.call_semantics();
  scalar ? scalar_multiply_element(e, i) : multiply_element(e, i);
}

// x = x - Vn * Vm; x is not kB. Changes kB and kC.
void subtract_product(Emitter& e, Insn i, bool scalar, Xmm x) {
  u8 opcode = scalar ? 0xbd : 0xbc;  // VFNMADD231SS, VFNMADD231PS
  if (scalar)
    e.sse3(0x66, 2, opcode, x, e.vuse(i.Rn(), kB), e.vuse(i.Rm(), kC), i.sz());
  else
    e.sse3(0x66, 2, opcode, x, vector_operand(e, i, i.Rn(), kB), vector_operand(e, i, i.Rm(), kC), i.sz());
}

void reciprocal_step(Emitter& e, Insn i, bool scalar) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  require_numbers(e, i, scalar);
  splat(e, i.sz(), scalar, kA, i.sz() ? u64{0x400} << 52 : u64{0x80} << 23);
  subtract_product(e, i, scalar, kA);
  if (traps(e)) trap_nan(e, scalar ? scalar_prefix(i.sz()) : packed_prefix(i.sz()), kA);
  scalar ? commit_scalar(e, i.sz(), i.Rd(), kA) : finish(e, i, kA);
}

// Halving is exact, but must not come behind an overflow.
void square_root_step(Emitter& e, Insn i, bool scalar) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  require_operands_below(e, i, scalar, i.sz() ? 511 : 63);
  splat(e, i.sz(), scalar, kA, i.sz() ? u64{0x4008} << 48 : u64{0x4040} << 16);
  subtract_product(e, i, scalar, kA);
  splat(e, i.sz(), scalar, kB, i.sz() ? u64{0x3fe} << 52 : u64{0x7e} << 23);
  e.sse3(packed_prefix(i.sz()), 1, kMul, kA, kA, kB);
  scalar ? commit_scalar(e, i.sz(), i.Rd(), kA) : finish(e, i, kA);
}

/* -- Estimates
 * -------------------------------------------------------------------------------------------------------
 * The architecture fixes every bit of them. RCPPS and RSQRTPS, which raise nothing, give at least 11 bits and differ from CPU to CPU;
 * what the 9 bits are follows from a multiplication. Only normal numbers with normal results; of doubles the upper words are used.
 */

// kA = Vn as it is; to the semantics unless smallest normal <= Vn <= smallest normal + limit (|Vn| for `magnitude`).
void load_estimated(Emitter& e, Insn i, bool scalar, bool magnitude, Constant limit) {
  bool is_double = i.sz();
  e.clobber_flags();
  e.vload(kA, i.Rn());
  e.movaps(kB, kA);
  if (magnitude) simd::op(e, simd::kAnd, kB, kB, is_double ? Constant::Magnitude64 : Constant::Magnitude32);
  simd::op(e, simd::kSub[2], kB, kB, is_double ? Constant::SmallestNormal64 : Constant::SmallestNormal32);
  simd::op(e, simd::kMinU[2], kC, kB, limit);
  simd::op(e, simd::kEqual[2], kC, kC, kB);
  e.sse(packed_prefix(is_double), 1, kMoveMask, Xmm(Reg::rax), kC);
  e.not_(32, Reg::rax);
  e.alu_imm(Alu::and_, 32, Reg::rax, scalar ? 1 : is_double || !i.Q() ? 3 : 15);
  e.semantics_if(CC::ne);
  if (is_double) simd::shift_left(e, 2, kA, kA, 3);  // fractions begin where those of floats do
}

// Vd = kA, which is exponents, with the low 8 bits of kC's words as fractions.
void finish_estimate(Emitter& e, Insn i, bool scalar) {
  if (i.sz()) {
    simd::shift_right(e, 3, kC, kC, 32);
    simd::shift_left(e, 3, kC, kC, 56);
    simd::shift_right(e, 3, kC, kC, 12);
  } else {
    simd::shift_left(e, 2, kC, kC, 24);
    simd::shift_right(e, 2, kC, kC, 9);
  }
  simd::op(e, simd::kOr, kA, kA, kC);
  if (!scalar) return finish(e, i, kA);
  clear_above(e, i.sz(), kA);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

// x = the fraction's 8 bits and a half, 513 to 1023; r = 2^18 / x, to nearest. What RCPPS gives for r is at most 0.19 off: with a
// quarter added and the rest cut off it is r or 1 less, which is when 2^18 - r x exceeds half of x.
void reciprocal_estimate(Emitter& e, Insn i, bool scalar) {
  if (!host_arithmetic(e)) return;
  bool is_double = i.sz();
  load_estimated(e, i, scalar, true, is_double ? Constant::ReciprocalLimit64 : Constant::ReciprocalLimit32);
  simd::op(e, simd::kAnd, kA, kA, Constant::ReciprocalFraction);
  simd::op(e, simd::kOr, kA, kA, Constant::ReciprocalOperand);
  e.sse(0, 1, 0x53, kC, kA);     // RCPPS
  e.sse(0x66, 1, 0x5b, kB, kA);  // CVTPS2DQ: x, exactly
  simd::op(e, simd::kAdd[2], kC, kC, Constant::ReciprocalBias);
  simd::shift_right(e, 2, kC, kC, 15);
  simd::op(e, simd::kMulAddPairs16, kA, kB, kC);
  simd::op(e, simd::kSub[2], kA, kA, Constant::ReciprocalOne);
  simd::shift_right(e, 2, kB, kB, 1);
  simd::op(e, simd::kAdd[2], kA, kA, kB);
  simd::shift_right_signed(e, 2, kA, kA, 31);
  simd::op(e, simd::kSub[2], kC, kC, kA);
  // The exponent is 253 (2045) minus the operand's; the sign stays.
  e.vload(kB, i.Rn());
  simd::op(e, simd::kAnd, kB, kB, is_double ? Constant::SignAndExponent64 : Constant::SignAndExponent32);
  simd::load_constant(e, kA, is_double ? Constant::ReciprocalExponent64 : Constant::ReciprocalExponent32);
  simd::op(e, simd::kSub[2], kA, kA, kB);
  finish_estimate(e, i, scalar);
}

// x = the fraction's 7 bits and a half, 257 to 511 for odd exponents and twice that for even ones; c = 2^14 / sqrt(x) rounded up, of
// which the last bit is dropped. RSQRTPS is at most 0.37 off: with 0.4 added and the rest cut off it is c or 1 less, which is when
// x c^2 is below 2^28.
void square_root_estimate(Emitter& e, Insn i, bool scalar) {
  if (!host_arithmetic(e)) return;
  bool is_double = i.sz();
  load_estimated(e, i, scalar, false, is_double ? Constant::RootLimit64 : Constant::RootLimit32);
  simd::op(e, simd::kAnd, kA, kA, Constant::RootFraction);
  simd::op(e, simd::kXor, kA, kA, Constant::RootParity);
  simd::op(e, simd::kAdd[2], kA, kA, Constant::RootOperand);
  e.sse(0, 1, 0x52, kC, kA);     // RSQRTPS
  e.sse(0x66, 1, 0x5b, kB, kA);  // CVTPS2DQ: x, exactly
  simd::op(e, simd::kAdd[2], kC, kC, Constant::RootBias);
  simd::shift_right(e, 2, kC, kC, 14);
  simd::op(e, simd::kMulAddPairs16, kA, kC, kC);
  simd::op(e, simd::kMul32, kA, kA, kB);
  simd::load_constant(e, kB, Constant::RootOne);
  simd::op(e, simd::kGreater[2], kB, kB, kA);
  simd::op(e, simd::kSub[2], kC, kC, kB);
  simd::shift_right(e, 2, kC, kC, 1);
  // Half of 380 (3068) minus the operand's exponent.
  e.vload(kB, i.Rn());
  Constant exponent = is_double ? Constant::SignAndExponent64 : Constant::SignAndExponent32;
  simd::op(e, simd::kAnd, kB, kB, exponent);
  simd::load_constant(e, kA, is_double ? Constant::RootExponent64 : Constant::RootExponent32);
  simd::op(e, simd::kSub[2], kA, kA, kB);
  simd::shift_right(e, is_double ? 3 : 2, kA, kA, 1);
  simd::op(e, simd::kAnd, kA, kA, exponent);
  finish_estimate(e, i, scalar);
}

/* -- Scalar three same
 * --------------------------------------------------------------------------------------------------- */

void absolute_difference(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_scalar(e, i.sz(), kA, i.Rn());
  e.vop(scalar_prefix(i.sz()), 1, kSub, kA, kA, i.Rm());
  check_scalar(e, i.sz(), kA, Check::Nan);
  e.sse3(0, 1, kAnd, kA, kA, e.constant(i.sz() ? Constant::Magnitude64 : Constant::Magnitude32));
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

/* -- Minimum, maximum
 * ---------------------------------------------------------------------------------------------------- */

// kA = the minima or maxima of kA and kB; changes kC. No NaNs: MINPS would raise invalid for quiet ones.
void combine(Emitter& e, bool is_double, bool is_maximum) {
  u8 prefix = packed_prefix(is_double), opcode = is_maximum ? kMax : kMin;
  // Both orders, for when both are zero.
  e.movaps(kC, kA);
  e.sse3(prefix, 1, opcode, kA, kA, kB);
  e.sse3(prefix, 1, opcode, kB, kB, kC);
  e.sse3(0, 1, is_maximum ? kAnd : kOr, kA, kA, kB);
}
// To the semantics when a lane of kA or kB is a NaN: by a trap of `combine`, or here. Changes rax, kC, and EFLAGS with care for
// what they hold.
void require_ordered(Emitter& e, bool is_double) {
  if (traps(e)) return;
  e.clobber_flags();
  u8 prefix = packed_prefix(is_double);
  e.sse3(prefix, 1, kCompare, kC, kA, kB);
  e.byte(kUnordered);
  e.sse(prefix, 1, kMoveMask, Xmm(Reg::rax), kC);
  e.test(32, Reg::rax, Reg::rax);
  e.semantics_if(CC::ne);
}

void minimum_maximum(Emitter& e, Insn i, bool is_maximum) {
  if (!host_arithmetic(e)) return;
  load_vector(e, i, kA, i.Rn());
  load_vector(e, i, kB, i.Rm());
  require_ordered(e, i.sz());
  combine(e, i.sz(), is_maximum);
  finish(e, i, kA);
}

// kA, kB = first and second of each pair of Vm:Vn.
void load_pairs(Emitter& e, Insn i) {
  if (i.sz()) {
    e.vload(kC, i.Rn());
    e.vop(0x66, 1, 0x14, kA, kC, i.Rm());  // UNPCKLPD
    e.vop(0x66, 1, 0x15, kB, kC, i.Rm());
    return;
  }
  if (i.Q()) {
    e.vload(kB, i.Rn());
    e.vload(kC, i.Rm());
  } else {
    load_vector(e, i, kB, i.Rn());
    e.vop(0x66, 1, 0x14, kB, kB, i.Rm());
    e.movaps(kC, kB);  // twice: the same values raise the same flags
  }
  e.sse3(0, 1, 0xc6, kA, kB, kC);  // SHUFPS
  e.byte(0x88);
  e.sse3(0, 1, 0xc6, kB, kB, kC);
  e.byte(0xdd);
}
void pairwise(Emitter& e, Insn i, bool is_maximum) {
  if (!host_arithmetic(e)) return;
  load_pairs(e, i);
  require_ordered(e, i.sz());
  combine(e, i.sz(), is_maximum);
  finish(e, i, kA);
}
void scalar_pairwise(Emitter& e, Insn i, bool is_maximum) {
  if (!host_arithmetic(e)) return;
  load_scalar(e, i.sz(), kA, i.Rn());
  simd::shuffle_words(e, kB, i.Rn(), i.sz() ? 0xee : 0x55);
  clear_above(e, i.sz(), kB);
  require_ordered(e, i.sz());
  combine(e, i.sz(), is_maximum);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}
void across(Emitter& e, Insn i, bool is_maximum) {
  if (!host_arithmetic(e)) return;
  e.vload(kA, i.Rn());
  simd::shuffle_words(e, kB, kA, 0x4e);
  require_ordered(e, false);
  combine(e, false, is_maximum);
  simd::shuffle_words(e, kB, kA, 0xb1);
  combine(e, false, is_maximum);
  clear_above(e, false, kA);
  commit_scalar(e, false, i.Rd(), kA);
}

/* -- Comparisons
 * ---------------------------------------------------------------------------------------------------------
 */

enum class Order : u8 { Straight, Swapped };

// Straight: Vn op Vm.
void compare(Emitter& e, Insn i, u8 predicate, Order order, bool scalar, bool magnitudes = false) {
  if (!host_arithmetic(e)) return;
  unsigned left = order == Order::Straight ? i.Rn() : i.Rm(),
           right = order == Order::Straight ? i.Rm() : i.Rn();
  Mem magnitude = e.constant(i.sz() ? Constant::Magnitude64 : Constant::Magnitude32);
  auto operand = [&](Xmm x, unsigned n) {
    scalar ? load_scalar(e, i.sz(), x, n) : load_vector(e, i, x, n);
    if (magnitudes) e.sse3(0, 1, kAnd, x, x, magnitude);
  };
  operand(kA, left);
  operand(kB, right);
  e.sse3(scalar ? scalar_prefix(i.sz()) : packed_prefix(i.sz()), 1, kCompare, kA, kA, kB);
  e.byte(predicate);
  scalar ? commit_scalar(e, i.sz(), i.Rd(), kA) : finish(e, i, kA);
}
// Straight: Vn op 0.
void compare_zero(Emitter& e, Insn i, u8 predicate, Order order, bool scalar) {
  if (!host_arithmetic(e)) return;
  Xmm n = order == Order::Straight ? kA : kB;
  scalar ? load_scalar(e, i.sz(), n, i.Rn()) : load_vector(e, i, n, i.Rn());
  e.xorps_self(order == Order::Straight ? kB : kA);
  e.sse3(scalar ? scalar_prefix(i.sz()) : packed_prefix(i.sz()), 1, kCompare, kA, kA, kB);
  e.byte(predicate);
  scalar ? commit_scalar(e, i.sz(), i.Rd(), kA) : finish(e, i, kA);
}

}  // namespace

void FADD_v(Emitter& e, Insn i) { three_same(e, i, kAdd, Check::Nan); }
void FSUB_v(Emitter& e, Insn i) { three_same(e, i, kSub, Check::Nan); }
void FMUL_v(Emitter& e, Insn i) { three_same(e, i, kMul, Check::NanAndTiny); }
void FDIV_v(Emitter& e, Insn i) { three_same(e, i, kDiv, Check::Nan); }
void FABD_v(Emitter& e, Insn i) { three_same(e, i, kSub, Check::Nan, true); }
void FMLA_v(Emitter& e, Insn i) { multiply_add(e, i, 0xb8); }
void FMLS_v(Emitter& e, Insn i) { multiply_add(e, i, 0xbc); }
void FABD_s(Emitter& e, Insn i) { absolute_difference(e, i); }

void FMUL_elem(Emitter& e, Insn i) { multiply_element(e, i); }
void FMLA_elem(Emitter& e, Insn i) { multiply_add_element(e, i, 0xb8); }
void FMLS_elem(Emitter& e, Insn i) { multiply_add_element(e, i, 0xbc); }
void FMUL_s_elem(Emitter& e, Insn i) { scalar_multiply_element(e, i); }
void FMLA_s_elem(Emitter& e, Insn i) { scalar_multiply_add_element(e, i, 0xb9); }
void FMLS_s_elem(Emitter& e, Insn i) { scalar_multiply_add_element(e, i, 0xbd); }

void FMULX_v(Emitter& e, Insn i) { extended_multiply(e, i, false); }
void FMULX_s(Emitter& e, Insn i) { extended_multiply(e, i, true); }
void FMULX_elem(Emitter& e, Insn i) { extended_multiply_element(e, i, false); }
void FMULX_s_elem(Emitter& e, Insn i) { extended_multiply_element(e, i, true); }
void FRECPE_v(Emitter& e, Insn i) { reciprocal_estimate(e, i, false); }
void FRECPE_s(Emitter& e, Insn i) { reciprocal_estimate(e, i, true); }
void FRSQRTE_v(Emitter& e, Insn i) { square_root_estimate(e, i, false); }
void FRSQRTE_s(Emitter& e, Insn i) { square_root_estimate(e, i, true); }
void FRECPS_v(Emitter& e, Insn i) { reciprocal_step(e, i, false); }
void FRECPS_s(Emitter& e, Insn i) { reciprocal_step(e, i, true); }
void FRSQRTS_v(Emitter& e, Insn i) { square_root_step(e, i, false); }
void FRSQRTS_s(Emitter& e, Insn i) { square_root_step(e, i, true); }

void FSQRT_v(Emitter& e, Insn i) { one_source(e, i, 1, packed_prefix(i.sz()), kSqrt); }
void FABS_v(Emitter& e, Insn i) {
  e.sse3(0, 1, kAnd, kA, e.vuse(i.Rn(), kA),
         e.constant(i.sz() ? Constant::Magnitude64 : Constant::Magnitude32));
  finish(e, i, kA);
}
void FNEG_v(Emitter& e, Insn i) {
  e.sse3(0, 1, kXor, kA, e.vuse(i.Rn(), kA), e.constant(i.sz() ? Constant::Sign64 : Constant::Sign32));
  finish(e, i, kA);
}

// The numeric forms differ for NaNs only.
#define EXTREME(NAME, IS_MAXIMUM)                                           \
  void NAME##_v(Emitter& e, Insn i) { minimum_maximum(e, i, IS_MAXIMUM); }  \
  void NAME##P_v(Emitter& e, Insn i) { pairwise(e, i, IS_MAXIMUM); }        \
  void NAME##P_s(Emitter& e, Insn i) { scalar_pairwise(e, i, IS_MAXIMUM); } \
  void NAME##V(Emitter& e, Insn i) { across(e, i, IS_MAXIMUM); }
EXTREME(FMAX, true)
EXTREME(FMIN, false)
EXTREME(FMAXNM, true)
EXTREME(FMINNM, false)
#undef EXTREME

// Not HADDPS: nobody says which operand it takes for the first.
void FADDP_v(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_pairs(e, i);
  e.sse3(packed_prefix(i.sz()), 1, kAdd, kA, kA, kB);
  check_vector(e, i.sz(), kA, Check::Nan);
  finish(e, i, kA);
}
void FADDP_s(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_scalar(e, i.sz(), kA, i.Rn());
  simd::shuffle_words(e, kB, i.Rn(), i.sz() ? 0xee : 0x55);
  e.sse3(scalar_prefix(i.sz()), 1, kAdd, kA, kA, kB);
  check_scalar(e, i.sz(), kA, Check::Nan);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

#define COMPARISON(NAME, PREDICATE, ORDER, MAGNITUDES)                                             \
  void NAME##_v(Emitter& e, Insn i) { compare(e, i, PREDICATE, Order::ORDER, false, MAGNITUDES); } \
  void NAME##_s(Emitter& e, Insn i) { compare(e, i, PREDICATE, Order::ORDER, true, MAGNITUDES); }
COMPARISON(FCMEQ, kEqual, Straight, false)
COMPARISON(FCMGE, kLessEqual, Swapped, false)
COMPARISON(FCMGT, kLess, Swapped, false)
COMPARISON(FACGE, kLessEqual, Swapped, true)
COMPARISON(FACGT, kLess, Swapped, true)
#undef COMPARISON
#define COMPARISON(NAME, PREDICATE, ORDER)                                                       \
  void NAME##_zero_v(Emitter& e, Insn i) { compare_zero(e, i, PREDICATE, Order::ORDER, false); } \
  void NAME##_zero_s(Emitter& e, Insn i) { compare_zero(e, i, PREDICATE, Order::ORDER, true); }
COMPARISON(FCMEQ, kEqual, Straight)
COMPARISON(FCMGE, kLessEqual, Swapped)
COMPARISON(FCMGT, kLess, Swapped)
COMPARISON(FCMLE, kLessEqual, Straight)
COMPARISON(FCMLT, kLess, Straight)
#undef COMPARISON

}  // namespace grus::a64_to_x64::templates
