// SPDX-License-Identifier: MIT
// Advanced SIMD floating-point conversions and roundings to integral values, vector and scalar.
//
// Guarantees: as fp_convert: saturating, NaN becomes 0. The narrowing forms with 2 keep the lower half of the
// destination.
#include "fp.h"

namespace grus::a64::semantics {
namespace {

using namespace fp;

// The lane's integer has the width of the lane.
template <typename F>
F to_fixed(F a, unsigned fbits, bool is_unsigned, Rounding r, Env& env) {
  return static_cast<F>(FPToFixed(a, fbits, is_unsigned, r, sizeof(F) * 8, env));
}
template <typename F>
F from_fixed(F a, unsigned fbits, bool is_unsigned, Env& env) {
  return FixedToFP<F>(a, sizeof(F) * 8, fbits, is_unsigned, env.rounding(), env);
}

// Narrow lanes into the half of the destination that Q names; Q clear clears the upper half.
template <typename To, typename From>
void narrow(CpuState& cpu, Insn i, Rounding rounding) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], r{};
  constexpr unsigned lanes = 16 / sizeof(From);
  if (i.Q()) r.d[0] = cpu.v[i.Rd()].d[0];
  for (unsigned e = 0; e < lanes; e++)
    r.set<To>(e + (i.Q() ? lanes : 0), FPConvert<To, From>(n.get<From>(e), rounding, env));
  cpu.v[i.Rd()] = r;
}
template <typename To, typename From>
void widen(CpuState& cpu, Insn i) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], r{};
  constexpr unsigned lanes = 16 / sizeof(To);
  for (unsigned e = 0; e < lanes; e++)
    r.set<To>(e, FPConvert<To, From>(n.get<From>(e + (i.Q() ? lanes : 0)), env.rounding(), env));
  cpu.v[i.Rd()] = r;
}

}  // namespace

// ---- rounding to integral values
// -------------------------------------------------------------------------------

GRUS_FP_PAIR(FRINTN_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::TieEven, false, env); })
GRUS_FP_PAIR(FRINTP_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::PosInf, false, env); })
GRUS_FP_PAIR(FRINTM_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::NegInf, false, env); })
GRUS_FP_PAIR(FRINTZ_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::Zero, false, env); })
GRUS_FP_PAIR(FRINTA_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, Rounding::TieAway, false, env); })
GRUS_FP_PAIR(FRINTX_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, env.rounding(), true, env); })
GRUS_FP_PAIR(FRINTI_v, vector1, [](auto a, Env& env) { return FPRoundInt(a, env.rounding(), false, env); })

// ---- to and from integers
// --------------------------------------------------------------------------------------

#define VECTOR_AND_SCALAR(NAME, ...)           \
  GRUS_FP_PAIR(NAME##_v, vector1, __VA_ARGS__) \
  GRUS_FP_PAIR(NAME##_s, scalar1, __VA_ARGS__)
VECTOR_AND_SCALAR(FCVTNS, [](auto a, Env& env) { return to_fixed(a, 0, false, Rounding::TieEven, env); })
VECTOR_AND_SCALAR(FCVTNU, [](auto a, Env& env) { return to_fixed(a, 0, true, Rounding::TieEven, env); })
VECTOR_AND_SCALAR(FCVTPS, [](auto a, Env& env) { return to_fixed(a, 0, false, Rounding::PosInf, env); })
VECTOR_AND_SCALAR(FCVTPU, [](auto a, Env& env) { return to_fixed(a, 0, true, Rounding::PosInf, env); })
VECTOR_AND_SCALAR(FCVTMS, [](auto a, Env& env) { return to_fixed(a, 0, false, Rounding::NegInf, env); })
VECTOR_AND_SCALAR(FCVTMU, [](auto a, Env& env) { return to_fixed(a, 0, true, Rounding::NegInf, env); })
VECTOR_AND_SCALAR(FCVTZS, [](auto a, Env& env) { return to_fixed(a, 0, false, Rounding::Zero, env); })
VECTOR_AND_SCALAR(FCVTZU, [](auto a, Env& env) { return to_fixed(a, 0, true, Rounding::Zero, env); })
VECTOR_AND_SCALAR(FCVTAS, [](auto a, Env& env) { return to_fixed(a, 0, false, Rounding::TieAway, env); })
VECTOR_AND_SCALAR(FCVTAU, [](auto a, Env& env) { return to_fixed(a, 0, true, Rounding::TieAway, env); })
VECTOR_AND_SCALAR(SCVTF, [](auto a, Env& env) { return from_fixed(a, 0, false, env); })
VECTOR_AND_SCALAR(UCVTF, [](auto a, Env& env) { return from_fixed(a, 0, true, env); })
#undef VECTOR_AND_SCALAR

// ---- to and from fixed point
// -----------------------------------------------------------------------------------

// fbits = 2 * esize - immh:immb; the highest set bit of immh names esize.
#define FIXED_FORM(NAME, HELPER, EXPRESSION)                                  \
  void NAME(CpuState& cpu, Insn i) {                                          \
    unsigned fbits = (i.immh() >= 8 ? 128 : 64) - (i.immh() << 3 | i.immb()); \
    auto fn = [=](auto a, Env& env) { return EXPRESSION; };                   \
    i.immh() >= 8 ? HELPER<u64>(cpu, i, fn) : HELPER<u32>(cpu, i, fn);        \
  }                                                                           \
  void NAME##_h(CpuState& cpu, Insn i) {                                      \
    unsigned fbits = 32 - (i.immh() << 3 | i.immb());                         \
    HELPER<u16>(cpu, i, [=](auto a, Env& env) { return EXPRESSION; });        \
  }
#define FIXED(NAME, EXPRESSION)                \
  FIXED_FORM(NAME##_vfix, vector1, EXPRESSION) \
  FIXED_FORM(NAME##_sfix, scalar1, EXPRESSION)
FIXED(SCVTF, from_fixed(a, fbits, false, env))
FIXED(UCVTF, from_fixed(a, fbits, true, env))
FIXED(FCVTZS, to_fixed(a, fbits, false, Rounding::Zero, env))
FIXED(FCVTZU, to_fixed(a, fbits, true, Rounding::Zero, env))
#undef FIXED
#undef FIXED_FORM

// ---- between formats
// -------------------------------------------------------------------------------------------

void FCVTN(CpuState& cpu, Insn i) {
  Rounding rounding = Env{cpu.fpcr, 0}.rounding();
  i.sz() ? narrow<u32, u64>(cpu, i, rounding) : narrow<u16, u32>(cpu, i, rounding);
}
void FCVTL(CpuState& cpu, Insn i) { i.sz() ? widen<u64, u32>(cpu, i) : widen<u32, u16>(cpu, i); }
void FCVTXN_v(CpuState& cpu, Insn i) { narrow<u32, u64>(cpu, i, Rounding::Odd); }
void FCVTXN_s(CpuState& cpu, Insn i) {
  FpEnv env(cpu);
  set_scalar<u32>(cpu, i.Rd(), FPConvert<u32, u64>(cpu.v[i.Rn()].d[0], Rounding::Odd, env));
}

}  // namespace grus::a64::semantics
