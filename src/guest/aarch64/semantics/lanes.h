// SPDX-License-Identifier: MIT
// The shapes of integer Advanced SIMD: which lanes of which registers meet, and where the results go.
//
// Every helper reads its operands whole before it writes Rd, so Rd may be any of them, and writes Rd whole,
// so what the instruction does not produce becomes zero. An operation is a lambda over lane values of the
// element type that the helper picked from the instruction's size; what it returns is truncated to the lane.
// Operations that may saturate take the CpuState first (FPSR.QC) and are bound to it by `with`.
//
// The pseudocode's integers are unbounded. Here a result that wraps is computed in u64, every other in
// Exact<T>, which holds sums, differences and shifts of two T without overflow; exact products need
// Exact<Twice<T>>.
//
// Not here: floating point, and anything that depends on the shape of a host vector.
#pragma once
#include <type_traits>

#include "access.h"

namespace grus::a64::semantics {

template <typename T>
using Exact = std::conditional_t<sizeof(T) == 8, i128, i64>;

template <typename T>
struct TwiceOf;
template <>
struct TwiceOf<i8> {
  using Type = i16;
};
template <>
struct TwiceOf<i16> {
  using Type = i32;
};
template <>
struct TwiceOf<i32> {
  using Type = i64;
};
template <>
struct TwiceOf<u8> {
  using Type = u16;
};
template <>
struct TwiceOf<u16> {
  using Type = u32;
};
template <>
struct TwiceOf<u32> {
  using Type = u64;
};
template <typename T>
using Twice = typename TwiceOf<T>::Type;

template <typename T>
inline constexpr unsigned kBits = 8 * sizeof(T);

// <limits> is no use here: clang refuses its long double under -mgeneral-regs-only.
template <typename T>
inline constexpr T kMaxOf = static_cast<T>(ones(kBits<T> - std::is_signed_v<T>));
template <typename T>
inline constexpr T kMinOf = static_cast<T>(std::is_signed_v<T> ? u64{1} << (kBits<T> - 1) : 0);

// Pseudocode's SignedSatQ and UnsignedSatQ.
template <typename T, typename Value>
inline T saturate(CpuState& cpu, Value value) {
  if (value > static_cast<Value>(kMaxOf<T>)) {
    cpu.fpsr |= kFpsrQC;
    return kMaxOf<T>;
  }
  if (value < static_cast<Value>(kMinOf<T>)) {
    cpu.fpsr |= kFpsrQC;
    return kMinOf<T>;
  }
  return static_cast<T>(value);
}

template <typename Op>
inline auto with(CpuState& cpu, Op op) {
  return [&cpu, op](auto... lanes) { return op(cpu, lanes...); };
}

// --- choice of the element type: f is called with a value of it
// ------------------------------------------------

enum Sign : bool { kUnsigned, kSigned };

template <Sign kSign, typename F>
inline void with_element(unsigned size, F f) {
  switch (size) {
    case 0:
      return f(std::conditional_t<kSign, i8, u8>{});
    case 1:
      return f(std::conditional_t<kSign, i16, u16>{});
    case 2:
      return f(std::conditional_t<kSign, i32, u32>{});
    default:
      return f(std::conditional_t<kSign, i64, u64>{});
  }
}

// Elements that have one of twice their size; the table lets no other size through.
template <Sign kSign, typename F>
inline void with_narrow_element(unsigned size, F f) {
  switch (size) {
    case 0:
      return f(std::conditional_t<kSign, i8, u8>{});
    case 1:
      return f(std::conditional_t<kSign, i16, u16>{});
    default:
      return f(std::conditional_t<kSign, i32, u32>{});
  }
}

// By element and doubling multiplications exist for 16 and 32 bits.
template <Sign kSign, typename F>
inline void with_h_or_s(unsigned size, F f) {
  if (size == 1) return f(std::conditional_t<kSign, i16, u16>{});
  return f(std::conditional_t<kSign, i32, u32>{});
}

// Shifts by immediate: HighestSetBit(immh) is log2 of the element's bytes.
inline unsigned immh_size(Insn i) { return 31 - static_cast<unsigned>(__builtin_clz(i.immh())); }
inline unsigned immh_immb(Insn i) { return i.immh() << 3 | i.immb(); }

// --- equal sizes
// ----------------------------------------------------------------------------------------------- `bytes` is
// how much of the register takes part; a scalar form is one element.

inline unsigned vector_bytes(Insn i) { return i.Q() ? 16 : 8; }
inline unsigned scalar_bytes(Insn i) { return 1u << i.size(); }

template <Sign kSign, typename F>  // Vd = f(Vn)
inline void unary(CpuState& cpu, Insn i, unsigned bytes, F f) {
  with_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()];
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(T); e++) r.set<T>(e, static_cast<T>(f(n.get<T>(e))));
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // Vd = f(Vn, Vm)
inline void binary(CpuState& cpu, Insn i, unsigned bytes, F f) {
  with_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(T); e++) {
      r.set<T>(e, static_cast<T>(f(n.get<T>(e), m.get<T>(e))));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // Vd = f(Vd, Vn, Vm)
inline void accumulate(CpuState& cpu, Insn i, unsigned bytes, F f) {
  with_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()];
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(T); e++) {
      r.set<T>(e, static_cast<T>(f(d.get<T>(e), n.get<T>(e), m.get<T>(e))));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <typename F>  // 16 and 32 bits only, signed: the doubling multiplications
inline void doubling(CpuState& cpu, Insn i, unsigned bytes, F f) {
  with_h_or_s<kSigned>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()];
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(T); e++) {
      r.set<T>(e, static_cast<T>(f(d.get<T>(e), n.get<T>(e), m.get<T>(e))));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // element e is f of elements 2e and 2e + 1 of Vm:Vn
inline void pairwise(CpuState& cpu, Insn i, F f) {
  with_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
    const unsigned half = vector_bytes(i) / sizeof(T) / 2;
    Vec r{};
    for (unsigned e = 0; e < half; e++) {
      r.set<T>(e, static_cast<T>(f(n.get<T>(2 * e), n.get<T>(2 * e + 1))));
      r.set<T>(half + e, static_cast<T>(f(m.get<T>(2 * e), m.get<T>(2 * e + 1))));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // the element size comes from immh; Vd = f(Vd, Vn)
inline void shift_by_immediate(CpuState& cpu, Insn i, bool scalar, F f) {
  with_element<kSign>(immh_size(i), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
    const unsigned lanes = scalar ? 1 : vector_bytes(i) / sizeof(T);
    Vec r{};
    for (unsigned e = 0; e < lanes; e++) r.set<T>(e, static_cast<T>(f(d.get<T>(e), n.get<T>(e))));
    cpu.v[i.Rd()] = r;
  });
}

// --- results of twice the size
// --------------------------------------------------------------------------------- Vpart[n, part]: the
// vector forms take the low (Q = 0) or the high (Q = 1) 64 bits of the narrow operands.

struct Part {
  unsigned offset, bytes;
};
inline Part vector_part(Insn i) { return {i.Q() * 8, 8}; }
inline Part scalar_part(Insn i) { return {0, 1u << i.size()}; }

template <Sign kSign, typename F>  // wide Vd = f(wide Vd, Vn, Vm), the operands extended first
inline void lengthen(CpuState& cpu, Insn i, Part part, F f) {
  with_narrow_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()], d = cpu.v[i.Rd()];
    const unsigned first = part.offset / sizeof(T);
    Vec r{};
    for (unsigned e = 0; e < part.bytes / sizeof(T); e++) {
      r.set<W>(e, static_cast<W>(f(d.get<W>(e), W{n.get<T>(first + e)}, W{m.get<T>(first + e)})));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // wide Vd = f(wide Vn, Vm)
inline void widen(CpuState& cpu, Insn i, F f) {
  with_narrow_element<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
    const unsigned first = i.Q() * 8 / sizeof(T);
    Vec r{};
    for (unsigned e = 0; e < 8 / sizeof(T); e++) {
      r.set<W>(e, static_cast<W>(f(n.get<W>(e), W{m.get<T>(first + e)})));
    }
    cpu.v[i.Rd()] = r;
  });
}

// --- results of half the size
// ---------------------------------------------------------------------------------- Vpart[d, part] = result:
// the low half with the high half cleared, or (the "2" forms) the high half with the low half kept.

template <typename T, typename F>
inline void narrow_lanes(CpuState& cpu, Insn i, bool scalar, F lane) {
  const unsigned lanes = scalar ? 1 : 8 / sizeof(T);
  u64 packed = 0;
  for (unsigned e = 0; e < lanes; e++) {
    packed |= static_cast<u64>(static_cast<std::make_unsigned_t<T>>(lane(e))) << (e * kBits<T>);
  }
  Vec& d = cpu.v[i.Rd()];
  if (!scalar && i.Q()) {
    d.d[1] = packed;
  } else {
    d = Vec{{packed, 0}};
  }
}

template <Sign kSign, typename F>  // f gets the wide lane and a value of the narrow type
inline void narrow(CpuState& cpu, Insn i, unsigned size, bool scalar, F f) {
  with_narrow_element<kSign>(size, [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()];
    narrow_lanes<T>(cpu, i, scalar, [&](unsigned e) { return static_cast<T>(f(n.get<Twice<T>>(e), tag)); });
  });
}

// --- operations that several shapes share
// ----------------------------------------------------------------------

inline constexpr auto kAdd = [](auto a, auto b) { return static_cast<u64>(a) + static_cast<u64>(b); };
inline constexpr auto kSub = [](auto a, auto b) { return static_cast<u64>(a) - static_cast<u64>(b); };
inline constexpr auto kMul = [](auto, auto a, auto b) { return static_cast<u64>(a) * static_cast<u64>(b); };
inline constexpr auto kMulAdd = [](auto d, auto a, auto b) {
  return static_cast<u64>(d) + static_cast<u64>(a) * static_cast<u64>(b);
};
inline constexpr auto kMulSub = [](auto d, auto a, auto b) {
  return static_cast<u64>(d) - static_cast<u64>(a) * static_cast<u64>(b);
};
inline constexpr auto kAbsDiff = [](auto a, auto b) {
  return a > b ? static_cast<u64>(a) - static_cast<u64>(b) : static_cast<u64>(b) - static_cast<u64>(a);
};

// (2 * a * b + round) >> esize
template <bool kRound>
inline constexpr auto kMulHigh = [](CpuState& cpu, auto, auto a, auto b) {
  using T = decltype(a);
  using E = Exact<Twice<T>>;
  const E product = 2 * E{a} * E{b} + (kRound ? E{1} << (kBits<T> - 1) : 0);
  return saturate<T>(cpu, product >> kBits<T>);
};

// ((d << esize) +- 2 * a * b + round) >> esize: one saturation of the whole sum.
template <bool kSubtract>
inline constexpr auto kMulHighAccumulate = [](CpuState& cpu, auto d, auto a, auto b) {
  using T = decltype(a);
  using E = Exact<Twice<T>>;
  const E product = 2 * E{a} * E{b};
  const E sum = (E{d} << kBits<T>)+(kSubtract ? -product : product) + (E{1} << (kBits<T> - 1));
  return saturate<T>(cpu, sum >> kBits<T>);
};

// The operands are already extended to the result's type W, which holds a * b but not always its double.
inline constexpr auto kDoubleLong = [](CpuState& cpu, auto, auto a, auto b) {
  using W = decltype(a);
  return saturate<W>(cpu, 2 * Exact<i64>{a} * Exact<i64>{b});
};

// The product saturates before the sum does.
template <bool kSubtract>
inline constexpr auto kDoubleLongAccumulate = [](CpuState& cpu, auto d, auto a, auto b) {
  using W = decltype(d);
  const Exact<i64> product = kDoubleLong(cpu, d, a, b);
  return saturate<W>(cpu, kSubtract ? d - product : d + product);
};

// Four products of bytes into one 32-bit element; the sum wraps (it cannot exceed 32 bits by itself).
template <typename Byte>
inline u32 dot_product(u32 accumulator, u32 n, u32 m) {
  for (unsigned k = 0; k < 32; k += 8) {
    const int a = static_cast<Byte>(n >> k), b = static_cast<Byte>(m >> k);
    accumulator += static_cast<u32>(a * b);
  }
  return accumulator;
}

}  // namespace grus::a64::semantics
