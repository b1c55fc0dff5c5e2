// SPDX-License-Identifier: MIT
// Integer Advanced SIMD on equal element sizes (Arm ARM C7.2): logical, sums and differences, halving and
// saturating forms, products, minima and maxima, pairwise, absolute values, counts, across lanes.
//
// A function here is one row of the table: the lane operation and the shape it is applied to. Sizes that are
// not allocated never arrive (the rows' `when`).
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

template <typename F>  // the logical operations see no elements: f(Vd, Vn, Vm) on 64 bits at a time
void logical(CpuState& cpu, Insn i, F f) {
  const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()];
  cpu.v[i.Rd()] = Vec{{f(d.d[0], n.d[0], m.d[0]), i.Q() ? f(d.d[1], n.d[1], m.d[1]) : 0}};
}

// Sums and differences halved: exact, so the carry or the sign is not lost. Shifting rounds towards minus
// infinity.
constexpr auto kHalvingAdd = [](auto a, auto b) { return (Exact<decltype(a)>{a} + b) >> 1; };
constexpr auto kRoundingHalvingAdd = [](auto a, auto b) { return (Exact<decltype(a)>{a} + b + 1) >> 1; };
constexpr auto kHalvingSub = [](auto a, auto b) { return (Exact<decltype(a)>{a} - b) >> 1; };

constexpr auto kSaturatingAdd = [](CpuState& cpu, auto a, auto b) {
  return saturate<decltype(a)>(cpu, Exact<decltype(a)>{a} + b);
};
constexpr auto kSaturatingSub = [](CpuState& cpu, auto a, auto b) {
  return saturate<decltype(a)>(cpu, Exact<decltype(a)>{a} - b);
};

constexpr auto kMax = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kMin = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kAbsDiffAccumulate = [](auto d, auto a, auto b) {
  return static_cast<u64>(d) + kAbsDiff(a, b);
};

constexpr auto kNegate = [](auto a) { return u64{0} - static_cast<u64>(a); };
constexpr auto kAbs = [](auto a) { return a < 0 ? kNegate(a) : static_cast<u64>(a); };
constexpr auto kSaturatingNegate = [](CpuState& cpu, auto a) {
  return saturate<decltype(a)>(cpu, -Exact<decltype(a)>{a});
};
constexpr auto kSaturatingAbs = [](CpuState& cpu, auto a) {
  const Exact<decltype(a)> exact = a;
  return saturate<decltype(a)>(cpu, exact < 0 ? -exact : exact);
};

// CountLeadingZeroBits(x); x is the element zero-extended.
template <typename T>
unsigned leading_zeros(T x) {
  return x == 0 ? kBits<T> : static_cast<unsigned>(__builtin_clzll(x)) - (64 - kBits<T>);
}

// Vd +/- mixed: the accumulator and the operand differ in signedness, the result is like the accumulator.
template <Sign kAccumulator>
void saturating_accumulate(CpuState& cpu, Insn i, unsigned bytes) {
  with_element<kAccumulator>(i.size(), [&](auto tag) {
    using D = decltype(tag);
    using N = std::conditional_t<kAccumulator == kSigned, std::make_unsigned_t<D>, std::make_signed_t<D>>;
    const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(D); e++) {
      r.set<D>(e, saturate<D>(cpu, Exact<D>{d.get<D>(e)} + n.get<N>(e)));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // f(so far, element) over all elements, the result of the element's size
void reduce(CpuState& cpu, Insn i, F f) {
  with_narrow_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()];
    T result = n.get<T>(0);
    for (unsigned e = 1; e < vector_bytes(i) / sizeof(T); e++)
      result = static_cast<T>(f(result, n.get<T>(e)));
    Vec r{};
    r.set<T>(0, result);
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign>
void add_long_across(CpuState& cpu, Insn i) {
  with_narrow_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()];
    i64 sum = 0;
    for (unsigned e = 0; e < vector_bytes(i) / sizeof(T); e++) sum += n.get<T>(e);
    Vec r{};
    r.set<Twice<T>>(0, static_cast<Twice<T>>(sum));
    cpu.v[i.Rd()] = r;
  });
}

}  // namespace

// --- logical
// --------------------------------------------------------------------------------------------------- The
// pseudocode of EOR, BSL, BIT and BIF is operand1 EOR ((operand2 EOR operand4) AND operand3); written out.

void AND_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64, u64 n, u64 m) { return n & m; });
}
void BIC_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64, u64 n, u64 m) { return n & ~m; });
}
void ORR_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64, u64 n, u64 m) { return n | m; });
}
void ORN_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64, u64 n, u64 m) { return n | ~m; });
}
void EOR_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64, u64 n, u64 m) { return n ^ m; });
}
void BSL_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64 d, u64 n, u64 m) { return m ^ ((m ^ n) & d); });
}
void BIT_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64 d, u64 n, u64 m) { return d ^ ((d ^ n) & m); });
}
void BIF_v(CpuState& cpu, Insn i) {
  logical(cpu, i, [](u64 d, u64 n, u64 m) { return d ^ ((d ^ n) & ~m); });
}

// --- sums and differences
// --------------------------------------------------------------------------------------

void ADD_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kAdd); }
void ADD_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kAdd); }
void SUB_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kSub); }
void SUB_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kSub); }

void SHADD_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kHalvingAdd); }
void UHADD_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kHalvingAdd); }
void SRHADD_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kRoundingHalvingAdd); }
void URHADD_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kRoundingHalvingAdd); }
void SHSUB_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kHalvingSub); }
void UHSUB_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kHalvingSub); }

void SQADD_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingAdd)); }
void SQADD_s(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingAdd)); }
void UQADD_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingAdd)); }
void UQADD_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingAdd)); }
void SQSUB_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingSub)); }
void SQSUB_s(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingSub)); }
void UQSUB_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingSub)); }
void UQSUB_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingSub)); }

void SUQADD_v(CpuState& cpu, Insn i) { saturating_accumulate<kSigned>(cpu, i, vector_bytes(i)); }
void SUQADD_s(CpuState& cpu, Insn i) { saturating_accumulate<kSigned>(cpu, i, scalar_bytes(i)); }
void USQADD_v(CpuState& cpu, Insn i) { saturating_accumulate<kUnsigned>(cpu, i, vector_bytes(i)); }
void USQADD_s(CpuState& cpu, Insn i) { saturating_accumulate<kUnsigned>(cpu, i, scalar_bytes(i)); }

// --- minima, maxima, absolute differences
// ----------------------------------------------------------------------

void SMAX_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kMax); }
void UMAX_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kMax); }
void SMIN_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kMin); }
void UMIN_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kMin); }
void SABD_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kAbsDiff); }
void UABD_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kAbsDiff); }
void SABA_v(CpuState& cpu, Insn i) { accumulate<kSigned>(cpu, i, vector_bytes(i), kAbsDiffAccumulate); }
void UABA_v(CpuState& cpu, Insn i) { accumulate<kUnsigned>(cpu, i, vector_bytes(i), kAbsDiffAccumulate); }

// --- products
// --------------------------------------------------------------------------------------------------

void MUL_v(CpuState& cpu, Insn i) { accumulate<kUnsigned>(cpu, i, vector_bytes(i), kMul); }
void MLA_v(CpuState& cpu, Insn i) { accumulate<kUnsigned>(cpu, i, vector_bytes(i), kMulAdd); }
void MLS_v(CpuState& cpu, Insn i) { accumulate<kUnsigned>(cpu, i, vector_bytes(i), kMulSub); }

// PolynomialMult over {0,1}, the low 8 of 15 bits.
void PMUL_v(CpuState& cpu, Insn i) {
  binary<kUnsigned>(cpu, i, vector_bytes(i), [](auto a, auto b) {
    u64 result = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
      if (a >> bit & 1) result ^= static_cast<u64>(b) << bit;
    }
    return result;
  });
}

void SQDMULH_v(CpuState& cpu, Insn i) { doubling(cpu, i, vector_bytes(i), with(cpu, kMulHigh<false>)); }
void SQDMULH_s(CpuState& cpu, Insn i) { doubling(cpu, i, scalar_bytes(i), with(cpu, kMulHigh<false>)); }
void SQRDMULH_v(CpuState& cpu, Insn i) { doubling(cpu, i, vector_bytes(i), with(cpu, kMulHigh<true>)); }
void SQRDMULH_s(CpuState& cpu, Insn i) { doubling(cpu, i, scalar_bytes(i), with(cpu, kMulHigh<true>)); }

void SQRDMLAH_v(CpuState& cpu, Insn i) {
  doubling(cpu, i, vector_bytes(i), with(cpu, kMulHighAccumulate<false>));
}
void SQRDMLAH_s(CpuState& cpu, Insn i) {
  doubling(cpu, i, scalar_bytes(i), with(cpu, kMulHighAccumulate<false>));
}
void SQRDMLSH_v(CpuState& cpu, Insn i) {
  doubling(cpu, i, vector_bytes(i), with(cpu, kMulHighAccumulate<true>));
}
void SQRDMLSH_s(CpuState& cpu, Insn i) {
  doubling(cpu, i, scalar_bytes(i), with(cpu, kMulHighAccumulate<true>));
}

// --- pairwise and across lanes
// ---------------------------------------------------------------------------------

void ADDP_v(CpuState& cpu, Insn i) { pairwise<kUnsigned>(cpu, i, kAdd); }
void SMAXP_v(CpuState& cpu, Insn i) { pairwise<kSigned>(cpu, i, kMax); }
void UMAXP_v(CpuState& cpu, Insn i) { pairwise<kUnsigned>(cpu, i, kMax); }
void SMINP_v(CpuState& cpu, Insn i) { pairwise<kSigned>(cpu, i, kMin); }
void UMINP_v(CpuState& cpu, Insn i) { pairwise<kUnsigned>(cpu, i, kMin); }

void ADDP_s(CpuState& cpu, Insn i) {
  const Vec n = cpu.v[i.Rn()];
  cpu.v[i.Rd()] = Vec{{n.d[0] + n.d[1], 0}};
}

void ADDV(CpuState& cpu, Insn i) { reduce<kUnsigned>(cpu, i, kAdd); }
void SMAXV(CpuState& cpu, Insn i) { reduce<kSigned>(cpu, i, kMax); }
void UMAXV(CpuState& cpu, Insn i) { reduce<kUnsigned>(cpu, i, kMax); }
void SMINV(CpuState& cpu, Insn i) { reduce<kSigned>(cpu, i, kMin); }
void UMINV(CpuState& cpu, Insn i) { reduce<kUnsigned>(cpu, i, kMin); }
void SADDLV(CpuState& cpu, Insn i) { add_long_across<kSigned>(cpu, i); }
void UADDLV(CpuState& cpu, Insn i) { add_long_across<kUnsigned>(cpu, i); }

// --- one operand
// -----------------------------------------------------------------------------------------------

void ABS_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kAbs); }
void ABS_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kAbs); }
void NEG_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kNegate); }
void NEG_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kNegate); }
void SQABS_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingAbs)); }
void SQABS_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingAbs)); }
void SQNEG_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), with(cpu, kSaturatingNegate)); }
void SQNEG_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kSaturatingNegate)); }

void CLZ_v(CpuState& cpu, Insn i) {
  unary<kUnsigned>(cpu, i, vector_bytes(i), [](auto a) { return leading_zeros(a); });
}

// CountLeadingSignBits(x) = CountLeadingZeroBits(x<N-1:1> EOR x<N-2:0>), over N - 1 bits.
void CLS_v(CpuState& cpu, Insn i) {
  unary<kUnsigned>(cpu, i, vector_bytes(i), [](auto a) {
    using T = decltype(a);
    const T changes = static_cast<T>((a ^ (a >> 1)) & (kMaxOf<T> >> 1));
    return leading_zeros(changes) - 1;
  });
}

void CNT_v(CpuState& cpu, Insn i) {
  unary<kUnsigned>(cpu, i, vector_bytes(i), [](auto a) {
    unsigned count = 0;  // __builtin_popcount may become a library call
    for (u64 rest = a; rest != 0; rest &= rest - 1) count++;
    return count;
  });
}

void NOT_v(CpuState& cpu, Insn i) {
  const Vec n = cpu.v[i.Rn()];
  cpu.v[i.Rd()] = Vec{{~n.d[0], i.Q() ? ~n.d[1] : 0}};
}

}  // namespace grus::a64::semantics
