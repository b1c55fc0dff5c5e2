// SPDX-License-Identifier: MIT
// Scalar floating point: arithmetic, compare, select, moves. The arithmetic itself is softfloat/.
//
// Guarantees: a result clears the rest of the vector register, except FMOV to the top half, which keeps the
// low half.
#include "fp.h"
#include "guest/aarch64/operands.h"

namespace grus::a64::semantics {
namespace {

using namespace fp;

template <typename F, typename Fn>
void scalar3(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  F a = cpu.v[i.Ra()].get<F>(0), n = cpu.v[i.Rn()].get<F>(0), m = cpu.v[i.Rm()].get<F>(0);
  set_scalar<F>(cpu, i.Rd(), fn(a, n, m, env));
}

enum class Against { Register, Zero };
template <typename F, Against against, bool signal_nans>
void compare(CpuState& cpu, Insn i) {
  FpEnv env(cpu);
  F n = cpu.v[i.Rn()].get<F>(0), m = 0;
  if constexpr (against == Against::Register) m = cpu.v[i.Rm()].get<F>(0);
  cpu.set_nzcv(FPCompare(n, m, signal_nans, env));
}

template <typename F, bool signal_nans>
void conditional_compare(CpuState& cpu, Insn i) {
  if (!condition_holds(i.cond(), cpu.nzcv())) {
    cpu.set_nzcv(i.nzcv());
    return;
  }
  compare<F, Against::Register, signal_nans>(cpu, i);
}

template <typename F>
void select(CpuState& cpu, Insn i) {
  set_scalar<F>(cpu, i.Rd(), cpu.v[condition_holds(i.cond(), cpu.nzcv()) ? i.Rn() : i.Rm()].get<F>(0));
}

// shared/functions/float/vfpexpandimm/VFPExpandImm: sign, then a 3-bit exponent around zero, then 4 bits of
// fraction.
template <typename F>
void move_immediate(CpuState& cpu, Insn i) {
  constexpr unsigned bits = sizeof(F) * 8,
                     exp_bits = bits == 16   ? 5
                                : bits == 32 ? 8
                                             : 11,
                     frac_bits = bits - 1 - exp_bits;
  u64 imm = i.fimm8(), b = imm >> 6 & 1;
  u64 exp = (b ^ 1) << (exp_bits - 1) | (b ? ones(exp_bits - 3) << 2 : 0) | (imm >> 4 & 3);
  set_scalar<F>(cpu, i.Rd(),
                static_cast<F>((imm >> 7) << (bits - 1) | exp << frac_bits | (imm & 15) << (frac_bits - 4)));
}

}  // namespace

// ---- one source
// ------------------------------------------------------------------------------------------------

GRUS_FP_PAIR(FMOV_s, scalar1, [](auto a, Env&) { return a; })
GRUS_FP_PAIR(FABS_s, scalar1, [](auto a, Env&) { return FPAbs(a); })
GRUS_FP_PAIR(FNEG_s, scalar1, [](auto a, Env&) { return FPNeg(a); })
GRUS_FP_PAIR(FSQRT_s, scalar1, [](auto a, Env& env) { return FPSqrt(a, env); })
GRUS_FP_PAIR(FRINTN_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::TieEven, false, env); })
GRUS_FP_PAIR(FRINTP_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::PosInf, false, env); })
GRUS_FP_PAIR(FRINTM_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::NegInf, false, env); })
GRUS_FP_PAIR(FRINTZ_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::Zero, false, env); })
GRUS_FP_PAIR(FRINTA_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::TieAway, false, env); })
GRUS_FP_PAIR(FRINTX_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, env.rounding(), true, env); })
GRUS_FP_PAIR(FRINTI_s, scalar1, [](auto a, Env& env) { return FPRoundInt(a, env.rounding(), false, env); })

// ---- two sources
// -----------------------------------------------------------------------------------------------

GRUS_FP_PAIR(FADD_s, scalar2, [](auto a, auto b, Env& env) { return FPAdd(a, b, env); })
GRUS_FP_PAIR(FSUB_s, scalar2, [](auto a, auto b, Env& env) { return FPSub(a, b, env); })
GRUS_FP_PAIR(FMUL_s, scalar2, [](auto a, auto b, Env& env) { return FPMul(a, b, env); })
GRUS_FP_PAIR(FDIV_s, scalar2, [](auto a, auto b, Env& env) { return FPDiv(a, b, env); })
GRUS_FP_PAIR(FMAX_s, scalar2, [](auto a, auto b, Env& env) { return FPMax(a, b, env); })
GRUS_FP_PAIR(FMIN_s, scalar2, [](auto a, auto b, Env& env) { return FPMin(a, b, env); })
GRUS_FP_PAIR(FMAXNM_s, scalar2, [](auto a, auto b, Env& env) { return FPMaxNum(a, b, env); })
GRUS_FP_PAIR(FMINNM_s, scalar2, [](auto a, auto b, Env& env) { return FPMinNum(a, b, env); })
// The sign of the product is inverted whatever it is, NaNs included.
GRUS_FP_PAIR(FNMUL_s, scalar2, [](auto a, auto b, Env& env) { return FPNeg(FPMul(a, b, env)); })

// ---- three sources
// ---------------------------------------------------------------------------------------------

// Operands are negated before anything looks at them, so that a NaN comes out with its sign inverted.
GRUS_FP_PAIR(FMADD_s, scalar3, [](auto a, auto n, auto m, Env& env) { return FPMulAdd(a, n, m, env); })
GRUS_FP_PAIR(FMSUB_s, scalar3, [](auto a, auto n, auto m, Env& env) { return FPMulAdd(a, FPNeg(n), m, env); })
GRUS_FP_PAIR(FNMADD_s, scalar3,
             [](auto a, auto n, auto m, Env& env) { return FPMulAdd(FPNeg(a), FPNeg(n), m, env); })
GRUS_FP_PAIR(FNMSUB_s, scalar3,
             [](auto a, auto n, auto m, Env& env) { return FPMulAdd(FPNeg(a), n, m, env); })

// ---- compare and select
// ----------------------------------------------------------------------------------------

#define COMPARE(NAME, AGAINST, SIGNAL)                       \
  void NAME(CpuState& cpu, Insn i) {                         \
    i.sz() ? compare<u64, Against::AGAINST, SIGNAL>(cpu, i)  \
           : compare<u32, Against::AGAINST, SIGNAL>(cpu, i); \
  }                                                          \
  void NAME##_h(CpuState& cpu, Insn i) { compare<u16, Against::AGAINST, SIGNAL>(cpu, i); }
COMPARE(FCMP_s, Register, false)
COMPARE(FCMP_zero_s, Zero, false)
COMPARE(FCMPE_s, Register, true)
COMPARE(FCMPE_zero_s, Zero, true)
#undef COMPARE

void FCCMP_s(CpuState& cpu, Insn i) {
  i.sz() ? conditional_compare<u64, false>(cpu, i) : conditional_compare<u32, false>(cpu, i);
}
void FCCMP_s_h(CpuState& cpu, Insn i) { conditional_compare<u16, false>(cpu, i); }
void FCCMPE_s(CpuState& cpu, Insn i) {
  i.sz() ? conditional_compare<u64, true>(cpu, i) : conditional_compare<u32, true>(cpu, i);
}
void FCCMPE_s_h(CpuState& cpu, Insn i) { conditional_compare<u16, true>(cpu, i); }

void FCSEL_s(CpuState& cpu, Insn i) { i.sz() ? select<u64>(cpu, i) : select<u32>(cpu, i); }
void FCSEL_s_h(CpuState& cpu, Insn i) { select<u16>(cpu, i); }

// ---- moves
// -----------------------------------------------------------------------------------------------------

void FMOV_imm_s(CpuState& cpu, Insn i) { i.sz() ? move_immediate<u64>(cpu, i) : move_immediate<u32>(cpu, i); }
void FMOV_imm_s_h(CpuState& cpu, Insn i) { move_immediate<u16>(cpu, i); }

void FMOV_s_to_w(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), cpu.v[i.Rn()].get<u32>(0)); }
void FMOV_w_to_s(CpuState& cpu, Insn i) { set_scalar<u32>(cpu, i.Rd(), cpu.W(i.Rn())); }
void FMOV_d_to_x(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), cpu.v[i.Rn()].d[0]); }
void FMOV_x_to_d(CpuState& cpu, Insn i) { set_scalar<u64>(cpu, i.Rd(), cpu.X(i.Rn())); }
void FMOV_top_to_x(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), cpu.v[i.Rn()].d[1]); }
void FMOV_x_to_top(CpuState& cpu, Insn i) { cpu.v[i.Rd()].d[1] = cpu.X(i.Rn()); }
void FMOV_h_to_r(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), cpu.v[i.Rn()].get<u16>(0)); }
void FMOV_r_to_h(CpuState& cpu, Insn i) { set_scalar<u16>(cpu, i.Rd(), static_cast<u16>(cpu.X(i.Rn()))); }

}  // namespace grus::a64::semantics
