// SPDX-License-Identifier: MIT
// Advanced SIMD floating point except conversions and roundings: lane by lane what softfloat/ does with one
// number.
//
// Guarantees: lanes are computed from the operands as they were, whatever registers coincide; flags of all
// lanes are ORed. Complex numbers (FCMLA, FCADD) and FMLAL decode only.
#include "fp.h"

namespace grus::a64::semantics {
namespace {

using namespace fp;

// fn(addend, a, b): the destination is an operand.
template <typename F, typename Fn>
void vector_accumulate(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()], r{};
  for (unsigned e = 0; e < lane_count<F>(i); e++) r.set<F>(e, fn(d.get<F>(e), n.get<F>(e), m.get<F>(e), env));
  cpu.v[i.Rd()] = r;
}

// Neighbours of the concatenation Vm:Vn.
template <typename F, typename Fn>
void vector_pairwise(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], r{};
  unsigned half = lane_count<F>(i) / 2;
  for (unsigned e = 0; e < half; e++) {
    r.set<F>(e, fn(n.get<F>(2 * e), n.get<F>(2 * e + 1), env));
    r.set<F>(half + e, fn(m.get<F>(2 * e), m.get<F>(2 * e + 1), env));
  }
  cpu.v[i.Rd()] = r;
}

template <typename F, typename Fn>
void scalar_pairwise(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()];
  set_scalar<F>(cpu, i.Rd(), fn(n.get<F>(0), n.get<F>(1), env));
}

// aarch64/functions/reduceop/Reduce: a tree of halves, the lower half as the first operand.
template <typename F, typename Fn>
F reduce(const Vec& v, unsigned first, unsigned count, Fn fn, Env& env) {
  if (count == 1) return v.get<F>(first);
  F low = reduce<F>(v, first, count / 2, fn, env);
  F high = reduce<F>(v, first + count / 2, count / 2, fn, env);
  return fn(low, high, env);
}
template <typename F, typename Fn>
void across(CpuState& cpu, Insn i, unsigned lanes, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()];
  set_scalar<F>(cpu, i.Rd(), reduce<F>(n, 0, lanes, fn, env));
}

template <typename F>
F indexed_element(const CpuState& cpu, Insn i) {
  if constexpr (sizeof(F) == 2) return cpu.v[i.Rm4()].get<F>(i.H() << 2 | i.L() << 1 | i.M());
  unsigned m = i.M() << 4 | i.Rm4();
  return cpu.v[m].get<F>(sizeof(F) == 4 ? i.H() << 1 | i.L() : i.H());
}
template <typename F, typename Fn>
void vector_element(CpuState& cpu, Insn i, Fn fn) {
  F m = indexed_element<F>(cpu, i);
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()], r{};
  for (unsigned e = 0; e < lane_count<F>(i); e++) r.set<F>(e, fn(d.get<F>(e), n.get<F>(e), m, env));
  cpu.v[i.Rd()] = r;
}
template <typename F, typename Fn>
void scalar_element(CpuState& cpu, Insn i, Fn fn) {
  F m = indexed_element<F>(cpu, i);
  FpEnv env(cpu);
  set_scalar<F>(cpu, i.Rd(), fn(cpu.v[i.Rd()].get<F>(0), cpu.v[i.Rn()].get<F>(0), m, env));
}

}  // namespace

// ---- three same
// ------------------------------------------------------------------------------------------------

// Vector, and scalar where the architecture has it as Advanced SIMD scalar.
#define VECTOR(NAME, ...) GRUS_FP_PAIR(NAME##_v, vector2, __VA_ARGS__)
#define VECTOR_AND_SCALAR(NAME, ...)           \
  GRUS_FP_PAIR(NAME##_v, vector2, __VA_ARGS__) \
  GRUS_FP_PAIR(NAME##_s, scalar2, __VA_ARGS__)

VECTOR(FADD, [](auto a, auto b, Env& env) { return FPAdd(a, b, env); })
VECTOR(FSUB, [](auto a, auto b, Env& env) { return FPSub(a, b, env); })
VECTOR(FMUL, [](auto a, auto b, Env& env) { return FPMul(a, b, env); })
VECTOR(FDIV, [](auto a, auto b, Env& env) { return FPDiv(a, b, env); })
VECTOR(FMAX, [](auto a, auto b, Env& env) { return FPMax(a, b, env); })
VECTOR(FMIN, [](auto a, auto b, Env& env) { return FPMin(a, b, env); })
VECTOR(FMAXNM, [](auto a, auto b, Env& env) { return FPMaxNum(a, b, env); })
VECTOR(FMINNM, [](auto a, auto b, Env& env) { return FPMinNum(a, b, env); })
VECTOR_AND_SCALAR(FMULX, [](auto a, auto b, Env& env) { return FPMulX(a, b, env); })
VECTOR_AND_SCALAR(FABD, [](auto a, auto b, Env& env) { return FPAbs(FPSub(a, b, env)); })
VECTOR_AND_SCALAR(FRECPS, [](auto a, auto b, Env& env) { return FPRecipStepFused(a, b, env); })
VECTOR_AND_SCALAR(FRSQRTS, [](auto a, auto b, Env& env) { return FPRSqrtStepFused(a, b, env); })
VECTOR_AND_SCALAR(FCMEQ,
                  [](auto a, auto b, Env& env) { return all_ones_if<decltype(a)>(FPCompareEQ(a, b, env)); })
VECTOR_AND_SCALAR(FCMGE,
                  [](auto a, auto b, Env& env) { return all_ones_if<decltype(a)>(FPCompareGE(a, b, env)); })
VECTOR_AND_SCALAR(FCMGT,
                  [](auto a, auto b, Env& env) { return all_ones_if<decltype(a)>(FPCompareGT(a, b, env)); })
VECTOR_AND_SCALAR(FACGE, [](auto a, auto b, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGE(FPAbs(a), FPAbs(b), env));
})
VECTOR_AND_SCALAR(FACGT, [](auto a, auto b, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGT(FPAbs(a), FPAbs(b), env));
})
#undef VECTOR
#undef VECTOR_AND_SCALAR

GRUS_FP_PAIR(FMLA_v, vector_accumulate,
             [](auto d, auto a, auto b, Env& env) { return FPMulAdd(d, a, b, env); })
GRUS_FP_PAIR(FMLS_v, vector_accumulate,
             [](auto d, auto a, auto b, Env& env) { return FPMulAdd(d, FPNeg(a), b, env); })

// ---- pairwise and across lanes
// ---------------------------------------------------------------------------------

#define PAIRWISE(NAME, ...)                            \
  GRUS_FP_PAIR(NAME##_v, vector_pairwise, __VA_ARGS__) \
  GRUS_FP_PAIR(NAME##_s, scalar_pairwise, __VA_ARGS__)
PAIRWISE(FADDP, [](auto a, auto b, Env& env) { return FPAdd(a, b, env); })
PAIRWISE(FMAXP, [](auto a, auto b, Env& env) { return FPMax(a, b, env); })
PAIRWISE(FMINP, [](auto a, auto b, Env& env) { return FPMin(a, b, env); })
PAIRWISE(FMAXNMP, [](auto a, auto b, Env& env) { return FPMaxNum(a, b, env); })
PAIRWISE(FMINNMP, [](auto a, auto b, Env& env) { return FPMinNum(a, b, env); })
#undef PAIRWISE

#define ACROSS(NAME, ...)                                                   \
  void NAME(CpuState& cpu, Insn i) { across<u32>(cpu, i, 4, __VA_ARGS__); } \
  void NAME##_h(CpuState& cpu, Insn i) { across<u16>(cpu, i, i.Q() ? 8 : 4, __VA_ARGS__); }
ACROSS(FMAXV, [](auto a, auto b, Env& env) { return FPMax(a, b, env); })
ACROSS(FMINV, [](auto a, auto b, Env& env) { return FPMin(a, b, env); })
ACROSS(FMAXNMV, [](auto a, auto b, Env& env) { return FPMaxNum(a, b, env); })
ACROSS(FMINNMV, [](auto a, auto b, Env& env) { return FPMinNum(a, b, env); })
#undef ACROSS

// ---- two-register miscellaneous
// --------------------------------------------------------------------------------

GRUS_FP_PAIR(FABS_v, vector1, [](auto a, Env&) { return FPAbs(a); })
GRUS_FP_PAIR(FNEG_v, vector1, [](auto a, Env&) { return FPNeg(a); })
GRUS_FP_PAIR(FSQRT_v, vector1, [](auto a, Env& env) { return FPSqrt(a, env); })

#define VECTOR_AND_SCALAR(NAME, ...)           \
  GRUS_FP_PAIR(NAME##_v, vector1, __VA_ARGS__) \
  GRUS_FP_PAIR(NAME##_s, scalar1, __VA_ARGS__)
VECTOR_AND_SCALAR(FRECPE, [](auto a, Env& env) { return FPRecipEstimate(a, env); })
VECTOR_AND_SCALAR(FRSQRTE, [](auto a, Env& env) { return FPRSqrtEstimate(a, env); })
VECTOR_AND_SCALAR(FCMEQ_zero, [](auto a, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareEQ(a, decltype(a){0}, env));
})
VECTOR_AND_SCALAR(FCMGE_zero, [](auto a, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGE(a, decltype(a){0}, env));
})
VECTOR_AND_SCALAR(FCMGT_zero, [](auto a, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGT(a, decltype(a){0}, env));
})
VECTOR_AND_SCALAR(FCMLE_zero, [](auto a, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGE(decltype(a){0}, a, env));
})
VECTOR_AND_SCALAR(FCMLT_zero, [](auto a, Env& env) {
  return all_ones_if<decltype(a)>(FPCompareGT(decltype(a){0}, a, env));
})
#undef VECTOR_AND_SCALAR
GRUS_FP_PAIR(FRECPX_s, scalar1, [](auto a, Env& env) { return FPRecpX(a, env); })

void URECPE(CpuState& cpu, Insn i) {
  vector1<u32>(cpu, i, [](u32 a, Env&) { return UnsignedRecipEstimate(a); });
}
void URSQRTE(CpuState& cpu, Insn i) {
  vector1<u32>(cpu, i, [](u32 a, Env&) { return UnsignedRSqrtEstimate(a); });
}

// ---- by element
// ------------------------------------------------------------------------------------------------

#define ELEMENT(NAME, ...)                               \
  GRUS_FP_PAIR(NAME##_elem, vector_element, __VA_ARGS__) \
  GRUS_FP_PAIR(NAME##_s_elem, scalar_element, __VA_ARGS__)
ELEMENT(FMLA, [](auto d, auto a, auto b, Env& env) { return FPMulAdd(d, a, b, env); })
ELEMENT(FMLS, [](auto d, auto a, auto b, Env& env) { return FPMulAdd(d, FPNeg(a), b, env); })
ELEMENT(FMUL, [](auto, auto a, auto b, Env& env) { return FPMul(a, b, env); })
ELEMENT(FMULX, [](auto, auto a, auto b, Env& env) { return FPMulX(a, b, env); })
#undef ELEMENT

}  // namespace grus::a64::semantics
