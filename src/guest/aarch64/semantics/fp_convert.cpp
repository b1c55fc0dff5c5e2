// SPDX-License-Identifier: MIT
// Scalar floating-point conversions: between formats, to and from general registers as integers or fixed
// point.
//
// Guarantees: out of range and infinite values saturate, NaN becomes 0, both raise IOC; a W result clears the
// upper half.
#include "fp.h"

namespace grus::a64::semantics {
namespace {

using namespace fp;

template <typename To, typename From>
void convert_format(CpuState& cpu, Insn i) {
  FpEnv env(cpu);
  set_scalar<To>(cpu, i.Rd(), FPConvert<To, From>(cpu.v[i.Rn()].get<From>(0), env.rounding(), env));
}

template <typename F>
void to_register(CpuState& cpu, Insn i, unsigned fbits, bool is_unsigned, Rounding rounding) {
  FpEnv env(cpu);
  cpu.set_X(i.Rd(), FPToFixed(cpu.v[i.Rn()].get<F>(0), fbits, is_unsigned, rounding, i.sf() ? 64 : 32, env));
}

template <typename F>
void from_register(CpuState& cpu, Insn i, unsigned fbits, bool is_unsigned) {
  FpEnv env(cpu);
  set_scalar<F>(cpu, i.Rd(),
                FixedToFP<F>(cpu.X(i.Rn()), i.sf() ? 64 : 32, fbits, is_unsigned, env.rounding(), env));
}

}  // namespace

void FCVT_s_to_d(CpuState& cpu, Insn i) { convert_format<u64, u32>(cpu, i); }
void FCVT_s_to_h(CpuState& cpu, Insn i) { convert_format<u16, u32>(cpu, i); }
void FCVT_d_to_s(CpuState& cpu, Insn i) { convert_format<u32, u64>(cpu, i); }
void FCVT_d_to_h(CpuState& cpu, Insn i) { convert_format<u16, u64>(cpu, i); }
void FCVT_h_to_s(CpuState& cpu, Insn i) { convert_format<u32, u16>(cpu, i); }
void FCVT_h_to_d(CpuState& cpu, Insn i) { convert_format<u64, u16>(cpu, i); }

#define TO_REGISTER(NAME, FBITS, UNSIGNED, ROUNDING)                        \
  void NAME(CpuState& cpu, Insn i) {                                        \
    i.sz() ? to_register<u64>(cpu, i, FBITS, UNSIGNED, Rounding::ROUNDING)  \
           : to_register<u32>(cpu, i, FBITS, UNSIGNED, Rounding::ROUNDING); \
  }                                                                         \
  void NAME##_h(CpuState& cpu, Insn i) { to_register<u16>(cpu, i, FBITS, UNSIGNED, Rounding::ROUNDING); }
TO_REGISTER(FCVTNS_r, 0, false, TieEven)
TO_REGISTER(FCVTNU_r, 0, true, TieEven)
TO_REGISTER(FCVTPS_r, 0, false, PosInf)
TO_REGISTER(FCVTPU_r, 0, true, PosInf)
TO_REGISTER(FCVTMS_r, 0, false, NegInf)
TO_REGISTER(FCVTMU_r, 0, true, NegInf)
TO_REGISTER(FCVTZS_r, 0, false, Zero)
TO_REGISTER(FCVTZU_r, 0, true, Zero)
TO_REGISTER(FCVTAS_r, 0, false, TieAway)
TO_REGISTER(FCVTAU_r, 0, true, TieAway)
TO_REGISTER(FCVTZS_fix, 64 - i.scale(), false, Zero)
TO_REGISTER(FCVTZU_fix, 64 - i.scale(), true, Zero)
#undef TO_REGISTER

#define FROM_REGISTER(NAME, FBITS, UNSIGNED)                                                            \
  void NAME(CpuState& cpu, Insn i) {                                                                    \
    i.sz() ? from_register<u64>(cpu, i, FBITS, UNSIGNED) : from_register<u32>(cpu, i, FBITS, UNSIGNED); \
  }                                                                                                     \
  void NAME##_h(CpuState& cpu, Insn i) { from_register<u16>(cpu, i, FBITS, UNSIGNED); }
FROM_REGISTER(SCVTF_r, 0, false)
FROM_REGISTER(UCVTF_r, 0, true)
FROM_REGISTER(SCVTF_fix, 64 - i.scale(), false)
FROM_REGISTER(UCVTF_fix, 64 - i.scale(), true)
#undef FROM_REGISTER

}  // namespace grus::a64::semantics
