// SPDX-License-Identifier: MIT
// Integer Advanced SIMD whose results are half as wide as the operands: high halves of sums, extraction,
// right shifts.
//
// The unsigned-saturating forms of signed operands (SQXTUN, SQSHRUN, SQRSHRUN) read signed lanes and saturate
// to the unsigned type of half the size; the lane's bits are what is stored.
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

// The high half of Vn +- Vm, element by element; rounding adds half a unit of the result first. The sum
// wraps.
template <bool kRound, typename F>
void high_narrow(CpuState& cpu, Insn i, F f) {
  with_narrow_element<kUnsigned>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
    narrow_lanes<T>(cpu, i, false, [&](unsigned e) {
      const u64 sum = f(n.get<W>(e), m.get<W>(e)) + (kRound ? u64{1} << (kBits<T> - 1) : 0);
      return static_cast<T>(sum >> kBits<T>);
    });
  });
}

enum class Result { Truncate, Saturate, SaturateUnsigned };

template <Result kResult, typename T, typename Value>
T narrowed(CpuState& cpu, Value value) {
  if constexpr (kResult == Result::Saturate) return saturate<T>(cpu, value);
  if constexpr (kResult == Result::SaturateUnsigned) {
    return static_cast<T>(saturate<std::make_unsigned_t<T>>(cpu, value));
  }
  return static_cast<T>(value);
}

template <Sign kSign, Result kResult>
void extract(CpuState& cpu, Insn i, bool scalar) {
  narrow<kSign>(cpu, i, i.size(), scalar, [&](auto wide, auto tag) {
    return narrowed<kResult, decltype(tag)>(cpu, Exact<decltype(wide)>{wide});
  });
}

// element = (Int(operand) + round_const) >> shift, then to half the size. 1 <= shift <= esize of the result.
template <Sign kSign, bool kRound, Result kResult>
void shift_narrow(CpuState& cpu, Insn i, bool scalar) {
  narrow<kSign>(cpu, i, immh_size(i), scalar, [&](auto wide, auto tag) {
    using T = decltype(tag);
    using E = Exact<decltype(wide)>;
    const unsigned shift = 2 * kBits<T> - immh_immb(i);
    const E value = (E{wide} + (kRound ? E{1} << (shift - 1) : 0)) >> shift;
    return narrowed<kResult, T>(cpu, value);
  });
}

}  // namespace

void ADDHN_v(CpuState& cpu, Insn i) { high_narrow<false>(cpu, i, kAdd); }
void RADDHN_v(CpuState& cpu, Insn i) { high_narrow<true>(cpu, i, kAdd); }
void SUBHN_v(CpuState& cpu, Insn i) { high_narrow<false>(cpu, i, kSub); }
void RSUBHN_v(CpuState& cpu, Insn i) { high_narrow<true>(cpu, i, kSub); }

void XTN_v(CpuState& cpu, Insn i) { extract<kUnsigned, Result::Truncate>(cpu, i, false); }
void SQXTN_v(CpuState& cpu, Insn i) { extract<kSigned, Result::Saturate>(cpu, i, false); }
void SQXTN_s(CpuState& cpu, Insn i) { extract<kSigned, Result::Saturate>(cpu, i, true); }
void UQXTN_v(CpuState& cpu, Insn i) { extract<kUnsigned, Result::Saturate>(cpu, i, false); }
void UQXTN_s(CpuState& cpu, Insn i) { extract<kUnsigned, Result::Saturate>(cpu, i, true); }
void SQXTUN_v(CpuState& cpu, Insn i) { extract<kSigned, Result::SaturateUnsigned>(cpu, i, false); }
void SQXTUN_s(CpuState& cpu, Insn i) { extract<kSigned, Result::SaturateUnsigned>(cpu, i, true); }

void SHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, false, Result::Truncate>(cpu, i, false); }
void RSHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, true, Result::Truncate>(cpu, i, false); }
void SQSHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kSigned, false, Result::Saturate>(cpu, i, false); }
void SQSHRN_s_imm(CpuState& cpu, Insn i) { shift_narrow<kSigned, false, Result::Saturate>(cpu, i, true); }
void UQSHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, false, Result::Saturate>(cpu, i, false); }
void UQSHRN_s_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, false, Result::Saturate>(cpu, i, true); }
void SQRSHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kSigned, true, Result::Saturate>(cpu, i, false); }
void SQRSHRN_s_imm(CpuState& cpu, Insn i) { shift_narrow<kSigned, true, Result::Saturate>(cpu, i, true); }
void UQRSHRN_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, true, Result::Saturate>(cpu, i, false); }
void UQRSHRN_s_imm(CpuState& cpu, Insn i) { shift_narrow<kUnsigned, true, Result::Saturate>(cpu, i, true); }
void SQSHRUN_imm(CpuState& cpu, Insn i) {
  shift_narrow<kSigned, false, Result::SaturateUnsigned>(cpu, i, false);
}
void SQSHRUN_s_imm(CpuState& cpu, Insn i) {
  shift_narrow<kSigned, false, Result::SaturateUnsigned>(cpu, i, true);
}
void SQRSHRUN_imm(CpuState& cpu, Insn i) {
  shift_narrow<kSigned, true, Result::SaturateUnsigned>(cpu, i, false);
}
void SQRSHRUN_s_imm(CpuState& cpu, Insn i) {
  shift_narrow<kSigned, true, Result::SaturateUnsigned>(cpu, i, true);
}

}  // namespace grus::a64::semantics
