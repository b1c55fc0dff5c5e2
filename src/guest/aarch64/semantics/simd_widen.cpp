// SPDX-License-Identifier: MIT
// Integer Advanced SIMD whose results are wider than the operands: three different, pairwise long sums, dot
// products.
//
// In the long forms both operands are extended first, so every operation is one on the result's type; what
// exceeds that type wraps, except in the saturating doubling products.
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

constexpr auto kAddLong = [](auto, auto a, auto b) { return kAdd(a, b); };
constexpr auto kSubLong = [](auto, auto a, auto b) { return kSub(a, b); };
constexpr auto kAbsDiffLong = [](auto, auto a, auto b) { return kAbsDiff(a, b); };
constexpr auto kAbsDiffLongAccumulate = [](auto d, auto a, auto b) { return kAdd(d, kAbsDiff(a, b)); };

template <Sign kSign, bool kAccumulate>
void add_long_pairwise(CpuState& cpu, Insn i) {
  with_narrow_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
    Vec r{};
    for (unsigned e = 0; e < vector_bytes(i) / sizeof(W); e++) {
      const u64 sum = kAdd(n.get<T>(2 * e), n.get<T>(2 * e + 1));
      r.set<W>(e, static_cast<W>(kAccumulate ? kAdd(d.get<W>(e), sum) : sum));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <typename Byte>
void dot(CpuState& cpu, Insn i) {
  const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()];
  Vec r{};
  for (unsigned e = 0; e < vector_bytes(i) / 4; e++) {
    r.set<u32>(e, dot_product<Byte>(d.get<u32>(e), n.get<u32>(e), m.get<u32>(e)));
  }
  cpu.v[i.Rd()] = r;
}

}  // namespace

void SADDL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kAddLong); }
void UADDL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kAddLong); }
void SSUBL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kSubLong); }
void USUBL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kSubLong); }
void SADDW_v(CpuState& cpu, Insn i) { widen<kSigned>(cpu, i, kAdd); }
void UADDW_v(CpuState& cpu, Insn i) { widen<kUnsigned>(cpu, i, kAdd); }
void SSUBW_v(CpuState& cpu, Insn i) { widen<kSigned>(cpu, i, kSub); }
void USUBW_v(CpuState& cpu, Insn i) { widen<kUnsigned>(cpu, i, kSub); }

void SABDL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kAbsDiffLong); }
void UABDL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kAbsDiffLong); }
void SABAL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kAbsDiffLongAccumulate); }
void UABAL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kAbsDiffLongAccumulate); }

void SMULL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kMul); }
void UMULL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kMul); }
void SMLAL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kMulAdd); }
void UMLAL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kMulAdd); }
void SMLSL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), kMulSub); }
void UMLSL_v(CpuState& cpu, Insn i) { lengthen<kUnsigned>(cpu, i, vector_part(i), kMulSub); }

void SQDMULL_v(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLong)); }
void SQDMULL_s(CpuState& cpu, Insn i) { lengthen<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLong)); }
void SQDMLAL_v(CpuState& cpu, Insn i) {
  lengthen<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLongAccumulate<false>));
}
void SQDMLAL_s(CpuState& cpu, Insn i) {
  lengthen<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLongAccumulate<false>));
}
void SQDMLSL_v(CpuState& cpu, Insn i) {
  lengthen<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLongAccumulate<true>));
}
void SQDMLSL_s(CpuState& cpu, Insn i) {
  lengthen<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLongAccumulate<true>));
}

void SADDLP_v(CpuState& cpu, Insn i) { add_long_pairwise<kSigned, false>(cpu, i); }
void UADDLP_v(CpuState& cpu, Insn i) { add_long_pairwise<kUnsigned, false>(cpu, i); }
void SADALP_v(CpuState& cpu, Insn i) { add_long_pairwise<kSigned, true>(cpu, i); }
void UADALP_v(CpuState& cpu, Insn i) { add_long_pairwise<kUnsigned, true>(cpu, i); }

void SDOT_v(CpuState& cpu, Insn i) { dot<i8>(cpu, i); }
void UDOT_v(CpuState& cpu, Insn i) { dot<u8>(cpu, i); }

}  // namespace grus::a64::semantics
