// SPDX-License-Identifier: MIT
// Integer Advanced SIMD shifts whose results are not narrower than the operands: by register, by immediate,
// long.
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

// shift = SInt(operand2<7:0>), -128 to 127; element = (Int(operand1) + round_const) << shift over unbounded
// integers, round_const = 2^(-shift-1) when rounding to the right. The distances at which the result no
// longer depends on the operand's bits are taken first, so that what remains fits Exact<T>.
template <bool kRound, bool kSaturate>
constexpr auto kShiftByRegister = [](CpuState& cpu, auto a, auto b) -> decltype(a) {
  using T = decltype(a);
  using E = Exact<T>;
  const int shift = static_cast<i8>(b);
  if (shift >= static_cast<int>(kBits<T>)) {
    if (!kSaturate || a == 0) return 0;
    cpu.fpsr |= kFpsrQC;
    return a < 0 ? kMinOf<T> : kMaxOf<T>;
  }
  if (shift >= 0) {
    const E value = E{a} << shift;
    return kSaturate ? saturate<T>(cpu, value) : static_cast<T>(value);
  }
  const unsigned right = static_cast<unsigned>(-shift);
  if (right > kBits<T>) return static_cast<T>(!kRound && a < 0 ? -1 : 0);
  return static_cast<T>((E{a} + (kRound ? E{1} << (right - 1) : 0)) >> right);
};

// A shift by esize is allowed, so the shift happens in Exact<T>.
template <Sign kSign, bool kRound, bool kAccumulate>
void shift_right(CpuState& cpu, Insn i, bool scalar) {
  shift_by_immediate<kSign>(cpu, i, scalar, [&](auto d, auto n) {
    using T = decltype(n);
    using E = Exact<T>;
    const unsigned shift = 2 * kBits<T> - immh_immb(i);
    const E value = (E{n} + (kRound ? E{1} << (shift - 1) : 0)) >> shift;
    return kAccumulate ? kAdd(d, value) : static_cast<u64>(value);
  });
}

template <bool kInsert>
void shift_left(CpuState& cpu, Insn i, bool scalar) {
  shift_by_immediate<kUnsigned>(cpu, i, scalar, [&](auto d, auto n) {
    const unsigned shift = immh_immb(i) - kBits<decltype(n)>;
    return static_cast<u64>(n) << shift | (kInsert ? d & ones(shift) : 0);
  });
}

// The high `shift` bits of the destination stay; all of them for a shift by esize.
void shift_right_insert(CpuState& cpu, Insn i, bool scalar) {
  shift_by_immediate<kUnsigned>(cpu, i, scalar, [&](auto d, auto n) {
    using T = decltype(n);
    const unsigned shift = 2 * kBits<T> - immh_immb(i);
    const u64 kept = d & ~ones(kBits<T> - shift);
    return shift == kBits<T> ? kept : kept | static_cast<u64>(n) >> shift;
  });
}

// To the operand's type, or (SQSHLU) from a signed operand to the unsigned type.
template <Sign kSign, bool kToUnsigned>
void saturating_shift_left(CpuState& cpu, Insn i, bool scalar) {
  shift_by_immediate<kSign>(cpu, i, scalar, [&](auto, auto n) {
    using T = decltype(n);
    using Result = std::conditional_t<kToUnsigned, std::make_unsigned_t<T>, T>;
    return saturate<Result>(cpu, Exact<T>{n} << (immh_immb(i) - kBits<T>));
  });
}

template <Sign kSign>
void shift_left_long(CpuState& cpu, Insn i, unsigned size, bool by_esize) {
  with_narrow_element<kSign>(size, [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()];
    const unsigned shift = by_esize ? kBits<T> : immh_immb(i) - kBits<T>;
    const unsigned first = i.Q() * 8 / sizeof(T);
    Vec r{};
    for (unsigned e = 0; e < 8 / sizeof(T); e++) {
      r.set<W>(e, static_cast<W>(static_cast<u64>(n.get<T>(first + e)) << shift));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, bool kRound, bool kSaturate>
void by_register(CpuState& cpu, Insn i, unsigned bytes) {
  binary<kSign>(cpu, i, bytes, with(cpu, kShiftByRegister<kRound, kSaturate>));
}

}  // namespace

// --- by register
// -----------------------------------------------------------------------------------------------

void SSHL_v(CpuState& cpu, Insn i) { by_register<kSigned, false, false>(cpu, i, vector_bytes(i)); }
void SSHL_s(CpuState& cpu, Insn i) { by_register<kSigned, false, false>(cpu, i, scalar_bytes(i)); }
void USHL_v(CpuState& cpu, Insn i) { by_register<kUnsigned, false, false>(cpu, i, vector_bytes(i)); }
void USHL_s(CpuState& cpu, Insn i) { by_register<kUnsigned, false, false>(cpu, i, scalar_bytes(i)); }
void SRSHL_v(CpuState& cpu, Insn i) { by_register<kSigned, true, false>(cpu, i, vector_bytes(i)); }
void SRSHL_s(CpuState& cpu, Insn i) { by_register<kSigned, true, false>(cpu, i, scalar_bytes(i)); }
void URSHL_v(CpuState& cpu, Insn i) { by_register<kUnsigned, true, false>(cpu, i, vector_bytes(i)); }
void URSHL_s(CpuState& cpu, Insn i) { by_register<kUnsigned, true, false>(cpu, i, scalar_bytes(i)); }
void SQSHL_v(CpuState& cpu, Insn i) { by_register<kSigned, false, true>(cpu, i, vector_bytes(i)); }
void SQSHL_s(CpuState& cpu, Insn i) { by_register<kSigned, false, true>(cpu, i, scalar_bytes(i)); }
void UQSHL_v(CpuState& cpu, Insn i) { by_register<kUnsigned, false, true>(cpu, i, vector_bytes(i)); }
void UQSHL_s(CpuState& cpu, Insn i) { by_register<kUnsigned, false, true>(cpu, i, scalar_bytes(i)); }
void SQRSHL_v(CpuState& cpu, Insn i) { by_register<kSigned, true, true>(cpu, i, vector_bytes(i)); }
void SQRSHL_s(CpuState& cpu, Insn i) { by_register<kSigned, true, true>(cpu, i, scalar_bytes(i)); }
void UQRSHL_v(CpuState& cpu, Insn i) { by_register<kUnsigned, true, true>(cpu, i, vector_bytes(i)); }
void UQRSHL_s(CpuState& cpu, Insn i) { by_register<kUnsigned, true, true>(cpu, i, scalar_bytes(i)); }

// --- right by immediate
// ----------------------------------------------------------------------------------------

void SSHR_imm(CpuState& cpu, Insn i) { shift_right<kSigned, false, false>(cpu, i, false); }
void SSHR_s_imm(CpuState& cpu, Insn i) { shift_right<kSigned, false, false>(cpu, i, true); }
void USHR_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, false, false>(cpu, i, false); }
void USHR_s_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, false, false>(cpu, i, true); }
void SSRA_imm(CpuState& cpu, Insn i) { shift_right<kSigned, false, true>(cpu, i, false); }
void SSRA_s_imm(CpuState& cpu, Insn i) { shift_right<kSigned, false, true>(cpu, i, true); }
void USRA_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, false, true>(cpu, i, false); }
void USRA_s_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, false, true>(cpu, i, true); }
void SRSHR_imm(CpuState& cpu, Insn i) { shift_right<kSigned, true, false>(cpu, i, false); }
void SRSHR_s_imm(CpuState& cpu, Insn i) { shift_right<kSigned, true, false>(cpu, i, true); }
void URSHR_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, true, false>(cpu, i, false); }
void URSHR_s_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, true, false>(cpu, i, true); }
void SRSRA_imm(CpuState& cpu, Insn i) { shift_right<kSigned, true, true>(cpu, i, false); }
void SRSRA_s_imm(CpuState& cpu, Insn i) { shift_right<kSigned, true, true>(cpu, i, true); }
void URSRA_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, true, true>(cpu, i, false); }
void URSRA_s_imm(CpuState& cpu, Insn i) { shift_right<kUnsigned, true, true>(cpu, i, true); }
void SRI_imm(CpuState& cpu, Insn i) { shift_right_insert(cpu, i, false); }
void SRI_s_imm(CpuState& cpu, Insn i) { shift_right_insert(cpu, i, true); }

// --- left by immediate
// -----------------------------------------------------------------------------------------

void SHL_imm(CpuState& cpu, Insn i) { shift_left<false>(cpu, i, false); }
void SHL_s_imm(CpuState& cpu, Insn i) { shift_left<false>(cpu, i, true); }
void SLI_imm(CpuState& cpu, Insn i) { shift_left<true>(cpu, i, false); }
void SLI_s_imm(CpuState& cpu, Insn i) { shift_left<true>(cpu, i, true); }
void SQSHL_imm(CpuState& cpu, Insn i) { saturating_shift_left<kSigned, false>(cpu, i, false); }
void SQSHL_s_imm(CpuState& cpu, Insn i) { saturating_shift_left<kSigned, false>(cpu, i, true); }
void UQSHL_imm(CpuState& cpu, Insn i) { saturating_shift_left<kUnsigned, false>(cpu, i, false); }
void UQSHL_s_imm(CpuState& cpu, Insn i) { saturating_shift_left<kUnsigned, false>(cpu, i, true); }
void SQSHLU_imm(CpuState& cpu, Insn i) { saturating_shift_left<kSigned, true>(cpu, i, false); }
void SQSHLU_s_imm(CpuState& cpu, Insn i) { saturating_shift_left<kSigned, true>(cpu, i, true); }

// --- long
// ------------------------------------------------------------------------------------------------------

void SSHLL_imm(CpuState& cpu, Insn i) { shift_left_long<kSigned>(cpu, i, immh_size(i), false); }
void USHLL_imm(CpuState& cpu, Insn i) { shift_left_long<kUnsigned>(cpu, i, immh_size(i), false); }
void SHLL_v(CpuState& cpu, Insn i) { shift_left_long<kUnsigned>(cpu, i, i.size(), true); }

}  // namespace grus::a64::semantics
