// SPDX-License-Identifier: MIT
// What the floating-point templates share: operands without the rest of their registers, and how a host result is made to be
// the guest's.
//
// Host arithmetic runs under the guest's rounding mode and MXCSR's sticky bits become FPSR's, so an operation may execute only
// on lanes the guest asks for and only once, or exactly. Where host and guest differ:
//  * Invalid operations: the default NaN's sign, signalling NaNs beside quiet ones, integers out of range, minima and maxima with
//    a NaN. In context Trapping the host's invalid-operation exception is unmasked: it is raised before anything is written,
//    exactly in these cases, and run/fault.cpp has the instruction executed by its semantics. In context Checked a check
//    behind the operation sends the instruction there before anything is committed.
//  * Which of two quiet NaNs becomes the result: the first operand on both sides, as long as a template keeps their order. Fused
//    multiply-add takes the addend first, the host last: there a NaN is made to trap by a comparison, or looked for.
//  * A result of exactly the smallest normal magnitude: Arm detects tininess before rounding, x86 after it with an unbounded
//    exponent, so FPSR.UFC is missing when a result less than half a unit below was rounded up. The result is right, so only
//    Checked looks for it (products and sums with products; addition and subtraction have no inexact results there, and a
//    quotient of two significands of p bits is at least 2^-p away from 1).
// A thread begins in Trapping. It goes to Checked for good when it first reads or writes FPSR, and when many operations were
// invalid: a trap costs some microseconds. So FPSR is exact for all who look at it, but for UFC when somebody reads it who has
// never written it (docs/limits.md).
// All of this is for FPCR with FZ, DN, AHP and FZ16 clear (`host_arithmetic`); other contexts run the semantics.
#pragma once
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::fp {

using simd::kA;
using simd::kB;
using simd::kC;

// Opcodes in map 0f; the prefix chooses ss, sd, ps or pd.
inline constexpr u8 kAdd = 0x58, kMul = 0x59, kSub = 0x5c, kMin = 0x5d, kDiv = 0x5e, kMax = 0x5f,
                    kSqrt = 0x51, kAnd = 0x54, kAndNot = 0x55, kOr = 0x56, kXor = 0x57, kUcomi = 0x2e,
                    kComi = 0x2f, kCompare = 0xc2, kMoveMask = 0x50;
// Predicates of CMPPS and its kin that SSE has too.
inline constexpr u8 kEqual = 0, kLess = 1, kLessEqual = 2, kUnordered = 3;

inline u8 scalar_prefix(bool is_double) { return is_double ? 0xf2 : 0xf3; }
inline u8 packed_prefix(bool is_double) { return is_double ? 0x66 : 0; }

// Which results a check behind the operation looks for in context Checked. Fused: of multiply-add, whose NaNs are made to trap in the
// other one.
enum class Check : u8 { Nan, NanAndTiny, Fused };

// false: the template has called the semantics and is done.
inline bool host_arithmetic(Emitter& e) {
  if (e.fp_context() != a64::FpContext::Semantics) return true;
  e.call_semantics();
  return false;
}
// Do invalid operations trap?
inline bool traps(const Emitter& e) { return e.fp_context() == a64::FpContext::Trapping; }

/* -- Scalars
 * ---------------------------------------------------------------------------------------------------------
 */

// x = Vn's low element, zero above. x is not Vn's home.
inline void load_scalar(Emitter& e, bool is_double, Xmm x, unsigned n) {
  Xmm home = Emitter::vhome(n);
  if (home == Xmm::none) {
    is_double ? e.movq(x, Emitter::vslot(n)) : e.movd(x, Emitter::vslot(n));
  } else if (e.zero_above(n, is_double ? 64 : 32)) {
    e.movaps(x, home);
  } else if (is_double) {
    e.movq(x, home);
  } else {
    // INSERTPS: element 0, zeroing 1 to 3.
    e.vex ? e.sse3(0x66, 3, 0x21, x, home, home) : e.sse(0x66, 3, 0x21, x, home);
    e.byte(0x0e);
  }
}
// As load_scalar, but where nothing needs clearing Vn is used where it is.
inline Xmm scalar_operand(Emitter& e, bool is_double, Xmm scratch, unsigned n) {
  if (Emitter::vhome(n) != Xmm::none && e.zero_above(n, is_double ? 64 : 32)) return Emitter::vhome(n);
  load_scalar(e, is_double, scratch, n);
  return scratch;
}
// Vd = x, which is zero above its low element.
inline void commit_scalar(Emitter& e, bool is_double, unsigned d, Xmm x) {
  e.vcommit(d, x);
  e.set_zero_above(d, is_double ? 64 : 32);
}
// Clears x above its low element.
inline void clear_above(Emitter& e, bool is_double, Xmm x) {
  if (is_double) return e.movq(x, x);
  e.sse3(0x66, 3, 0x21, x, x, x);
  e.byte(0x0e);
}

// Where a result may be made: not in an operand that the semantics would read when a check behind the operation fails.
inline Xmm result_register(Emitter& e, unsigned d, bool is_operand) {
  return is_operand && (!traps(e) || !e.vex) ? kA : e.vdef(d, kA);
}

// CMPLTPS and its kin call a quiet NaN invalid too: where that traps nothing needs to be tested. Changes kB or k1.
inline void trap_nan(Emitter& e, u8 prefix, Xmm x) { e.compare_only(prefix, kB, x, x, kLess); }

// A multiply-add that negates nothing differs for a NaN in the addend only, next to another one or to infinity times zero. Where
// that can trap it does so beforehand, and the result is made in the addend's place. `vector_opcode`: of VFMADD231PS and its kin.
inline bool addend_traps(Emitter& e, u8 vector_opcode) { return traps(e) && (vector_opcode & ~1) == 0xb8; }

// Changes kB, and EFLAGS with care for what they hold.
inline void check_scalar(Emitter& e, bool is_double, Xmm x, Check check) {
  if (traps(e)) {
    if (check == Check::Fused) trap_nan(e, scalar_prefix(is_double), x);
    return;
  }
  u8 p = packed_prefix(is_double);
  e.clobber_flags();
  if (check == Check::Nan) {
    e.sse(p, 1, kUcomi, x, x);
    return e.semantics_if(CC::p);
  }
  // "Equal" is also what unordered operands give.
  e.sse3(0, 1, kAnd, kB, x, e.constant(is_double ? Constant::Magnitude64 : Constant::Magnitude32));
  e.sse(p, 1, kUcomi, kB, e.constant(is_double ? Constant::SmallestNormal64 : Constant::SmallestNormal32));
  e.semantics_if(CC::e);
}

/* -- Vectors
 * ---------------------------------------------------------------------------------------------------------
 */

// Changes kB, rax, and EFLAGS with care for what they hold. Every lane is looked at.
inline void check_vector(Emitter& e, bool is_double, Xmm x, Check check) {
  if (traps(e)) {
    if (check == Check::Fused) trap_nan(e, packed_prefix(is_double), x);
    return;
  }
  u8 p = packed_prefix(is_double);
  e.clobber_flags();
  if (check == Check::Nan) {
    e.compare(p, kB, x, x, kUnordered);
  } else {
    Mem tiny = e.constant(is_double ? Constant::SmallestNormal64 : Constant::SmallestNormal32);
    e.sse3(0, 1, kAnd, kB, x, e.constant(is_double ? Constant::Magnitude64 : Constant::Magnitude32));
    if (e.vex) {
      e.sse3(p, 1, kCompare, kB, kB, tiny, 1);
      e.byte(8);  // EQ_UQ
    } else {
      // Without it: compare bit patterns for the one, unordered for the other.
      e.sse3(0x66, is_double ? 2 : 1, is_double ? 0x29 : 0x76, kB, kB, tiny);
      e.movaps(kC, x);
      e.sse(p, 1, kCompare, kC, kC);
      e.byte(kUnordered);
      e.sse(0, 1, kOr, kB, kC);
    }
  }
  e.sse(p, 1, kMoveMask, Xmm(Reg::rax), kB);
  e.test(32, Reg::rax, Reg::rax);
  e.semantics_if(CC::ne);
}

// A register with Vn, zero above the low half when Q is clear: lanes that do not exist must raise nothing.
inline Xmm vector_operand(Emitter& e, Insn i, unsigned n, Xmm scratch) {
  if (i.Q()) return e.vuse(n, scratch);
  load_scalar(e, true, scratch, n);
  return scratch;
}
inline void load_vector(Emitter& e, Insn i, Xmm x, unsigned n) {
  if (i.Q())
    e.vload(x, n);
  else
    load_scalar(e, true, x, n);
}

/* -- Conversions to and from integers
 * -------------------------------------------------------------------------------- */

inline constexpr unsigned bias(bool is_double) { return is_double ? 1023 : 127; }
inline constexpr unsigned fraction_bits(bool is_double) { return is_double ? 52 : 23; }

// dst = Vn's low element, zero-extended.
inline void load_bits(Emitter& e, bool is_double, Reg dst, unsigned n) {
  if (Emitter::vhome(n) == Xmm::none)
    e.mov(is_double ? 64 : 32, dst, Emitter::vslot(n));
  else if (is_double)
    e.movq(dst, Emitter::vhome(n));
  else
    e.movd(dst, Emitter::vhome(n));
}

// To the semantics unless |x| (or x, which then is not negative) is below 2^limit. Changes rax and EFLAGS.
inline void require_below(Emitter& e, bool is_double, unsigned n, unsigned limit, bool magnitude) {
  unsigned size = is_double ? 64 : 32;
  load_bits(e, is_double, Reg::rax, n);
  if (magnitude) e.alu(Alu::add, size, Reg::rax, Reg::rax);
  e.shift_imm(Shift::shr, size, Reg::rax, static_cast<u8>(fraction_bits(is_double) + magnitude));
  e.alu_imm(Alu::cmp, 32, Reg::rax, static_cast<i32>(bias(is_double) + limit));
  e.semantics_if(CC::ae);
}

// CVTTSD2SI and its kin.
inline void truncate_to_general(Emitter& e, Reg dst, bool is_double, bool wide, Xmm x) {
  e.sse(scalar_prefix(is_double), 1, 0x2c, Xmm(dst), x, wide);
}

// x = x * 2^exponent, exactly: far from either end of the range. Changes rax and kB.
inline void scale(Emitter& e, bool is_double, Xmm x, int exponent) {
  if (exponent == 0) return;
  u64 biased = static_cast<u64>(static_cast<int>(bias(is_double)) + exponent);
  e.mov_imm(Reg::rax, biased << fraction_bits(is_double));
  e.movq(kB, Reg::rax);
  e.sse3(scalar_prefix(is_double), 1, kMul, x, x, kB);
}

// kB = kA rounded to an integral value, ties away from zero; |kA| is below 2^62. ROUNDSD's `quiet` (8) or 0
// says whether that raises inexact. Changes kC; kA keeps its sign bit only.
//
// What truncation cut off is exact, and so is its double, which truncates to the 1 to add or to a zero.
// Zeros' signs depend on the rounding mode on the way; the result's sign is the operand's.
inline void round_away(Emitter& e, bool is_double, bool packed, u8 quiet) {
  u8 prefix = packed ? packed_prefix(is_double) : scalar_prefix(is_double);
  u8 opcode = static_cast<u8>((packed ? 0x08 : 0x0a) + is_double);
  auto truncate = [&](Xmm dst, Xmm src, u8 mode) {
    packed ? e.sse(0x66, 3, opcode, dst, src) : e.sse3(0x66, 3, opcode, dst, dst, src);
    e.byte(mode);
  };
  truncate(kB, kA, 3 | quiet);
  e.sse3(prefix, 1, kSub, kC, kA, kB);
  e.sse3(prefix, 1, kAdd, kC, kC, kC);
  truncate(kC, kC, 3 | 8);
  e.sse3(prefix, 1, kAdd, kB, kB, kC);
  Constant magnitude = is_double ? Constant::Magnitude64 : Constant::Magnitude32;
  Constant sign = is_double ? Constant::Sign64 : Constant::Sign32;
  if (!packed) {
    magnitude = is_double ? Constant::MagnitudeLow64 : Constant::MagnitudeLow32;
    sign = is_double ? Constant::SignLow64 : Constant::SignLow32;
  }
  e.sse3(0, 1, kAnd, kA, kA, e.constant(sign));
  e.sse3(0, 1, kAnd, kB, kB, e.constant(magnitude));
  e.sse3(0, 1, kOr, kB, kB, kA);
}

}  // namespace grus::a64_to_x64::fp
