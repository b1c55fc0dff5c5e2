// SPDX-License-Identifier: MIT
// What the floating-point families share: FPCR into softfloat and its flags back into FPSR, lanes of vectors,
// scalars.
//
// An operation is a generic lambda over bit patterns, [](auto a, auto b, fp::Env& env); the width of a
// pattern is its format, so one text serves half, single and double precision.
#pragma once
#include "access.h"
#include "softfloat/softfloat.h"

namespace grus::a64::semantics {

using fp::Env;
using fp::Rounding;

// Collects the flags of one instruction; FPSR gets them when it ends.
struct FpEnv : Env {
  CpuState& cpu;
  explicit FpEnv(CpuState& c) : Env{c.fpcr, 0}, cpu(c) {}
  ~FpEnv() { cpu.fpsr |= fpsr; }
  FpEnv(const FpEnv&) = delete;
  FpEnv& operator=(const FpEnv&) = delete;
};

template <typename F>
inline unsigned lane_count(Insn i) {
  return (i.Q() ? 16 : 8) / sizeof(F);
}

// A scalar result clears the rest of its register.
template <typename F>
inline void set_scalar(CpuState& cpu, unsigned n, F value) {
  cpu.v[n] = Vec{{value, 0}};
}

// All ones where a vector compare holds.
template <typename F>
inline F all_ones_if(bool condition) {
  return static_cast<F>(condition ? ~F{0} : F{0});
}

template <typename F, typename Fn>
inline void scalar1(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  set_scalar<F>(cpu, i.Rd(), fn(cpu.v[i.Rn()].get<F>(0), env));
}
template <typename F, typename Fn>
inline void scalar2(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  set_scalar<F>(cpu, i.Rd(), fn(cpu.v[i.Rn()].get<F>(0), cpu.v[i.Rm()].get<F>(0), env));
}
template <typename F, typename Fn>
inline void vector1(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], r{};
  for (unsigned e = 0; e < lane_count<F>(i); e++) r.set<F>(e, fn(n.get<F>(e), env));
  cpu.v[i.Rd()] = r;
}
template <typename F, typename Fn>
inline void vector2(CpuState& cpu, Insn i, Fn fn) {
  FpEnv env(cpu);
  Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], r{};
  for (unsigned e = 0; e < lane_count<F>(i); e++) r.set<F>(e, fn(n.get<F>(e), m.get<F>(e), env));
  cpu.v[i.Rd()] = r;
}

// NAME is single and double precision by sz, NAME_h half precision: every arithmetic row comes as such a
// pair.
#define GRUS_FP_PAIR(NAME, HELPER, ...)                         \
  void NAME(CpuState& cpu, Insn i) {                            \
    auto fn = __VA_ARGS__;                                      \
    i.sz() ? HELPER<u64>(cpu, i, fn) : HELPER<u32>(cpu, i, fn); \
  }                                                             \
  void NAME##_h(CpuState& cpu, Insn i) { HELPER<u16>(cpu, i, __VA_ARGS__); }

}  // namespace grus::a64::semantics
