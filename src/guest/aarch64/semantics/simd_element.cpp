// SPDX-License-Identifier: MIT
// Integer Advanced SIMD with one operand taken from one element (Arm ARM C4.1.96, C4.1.87).
//
// The element's number and register share bits: H:L:M of V(Rm4), only v0 to v15, for 16 bits; H:L of V(M:Rm4)
// for 32 bits. Floating-point forms are in simd_fp.
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

template <typename T>
T chosen_element(const CpuState& cpu, Insn i) {
  if constexpr (sizeof(T) == 2) {
    return cpu.v[i.Rm4()].get<T>(i.H() << 2 | i.L() << 1 | i.M());
  } else {
    return cpu.v[i.M() << 4 | i.Rm4()].get<T>(i.H() << 1 | i.L());
  }
}

template <Sign kSign, typename F>  // Vd = f(Vd, Vn, element)
void by_element(CpuState& cpu, Insn i, unsigned bytes, F f) {
  with_h_or_s<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
    const T m = chosen_element<T>(cpu, i);
    Vec r{};
    for (unsigned e = 0; e < bytes / sizeof(T); e++) {
      r.set<T>(e, static_cast<T>(f(d.get<T>(e), n.get<T>(e), m)));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <Sign kSign, typename F>  // wide Vd = f(wide Vd, Vn, element), the operands extended first
void by_element_long(CpuState& cpu, Insn i, Part part, F f) {
  with_h_or_s<kSign>(i.size(), [&](auto tag) {
    using T = decltype(tag);
    using W = Twice<T>;
    const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
    const W m = chosen_element<T>(cpu, i);
    const unsigned first = part.offset / sizeof(T);
    Vec r{};
    for (unsigned e = 0; e < part.bytes / sizeof(T); e++) {
      r.set<W>(e, static_cast<W>(f(d.get<W>(e), W{n.get<T>(first + e)}, m)));
    }
    cpu.v[i.Rd()] = r;
  });
}

template <typename Byte>  // the element is a group of four bytes
void dot_by_element(CpuState& cpu, Insn i) {
  const Vec n = cpu.v[i.Rn()], d = cpu.v[i.Rd()];
  const u32 m = chosen_element<u32>(cpu, i);
  Vec r{};
  for (unsigned e = 0; e < vector_bytes(i) / 4; e++) {
    r.set<u32>(e, dot_product<Byte>(d.get<u32>(e), n.get<u32>(e), m));
  }
  cpu.v[i.Rd()] = r;
}

}  // namespace

void MUL_elem(CpuState& cpu, Insn i) { by_element<kUnsigned>(cpu, i, vector_bytes(i), kMul); }
void MLA_elem(CpuState& cpu, Insn i) { by_element<kUnsigned>(cpu, i, vector_bytes(i), kMulAdd); }
void MLS_elem(CpuState& cpu, Insn i) { by_element<kUnsigned>(cpu, i, vector_bytes(i), kMulSub); }

void SMULL_elem(CpuState& cpu, Insn i) { by_element_long<kSigned>(cpu, i, vector_part(i), kMul); }
void UMULL_elem(CpuState& cpu, Insn i) { by_element_long<kUnsigned>(cpu, i, vector_part(i), kMul); }
void SMLAL_elem(CpuState& cpu, Insn i) { by_element_long<kSigned>(cpu, i, vector_part(i), kMulAdd); }
void UMLAL_elem(CpuState& cpu, Insn i) { by_element_long<kUnsigned>(cpu, i, vector_part(i), kMulAdd); }
void SMLSL_elem(CpuState& cpu, Insn i) { by_element_long<kSigned>(cpu, i, vector_part(i), kMulSub); }
void UMLSL_elem(CpuState& cpu, Insn i) { by_element_long<kUnsigned>(cpu, i, vector_part(i), kMulSub); }

void SQDMULL_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLong));
}
void SQDMULL_s_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLong));
}
void SQDMLAL_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLongAccumulate<false>));
}
void SQDMLAL_s_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLongAccumulate<false>));
}
void SQDMLSL_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, vector_part(i), with(cpu, kDoubleLongAccumulate<true>));
}
void SQDMLSL_s_elem(CpuState& cpu, Insn i) {
  by_element_long<kSigned>(cpu, i, scalar_part(i), with(cpu, kDoubleLongAccumulate<true>));
}

void SQDMULH_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, vector_bytes(i), with(cpu, kMulHigh<false>));
}
void SQDMULH_s_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kMulHigh<false>));
}
void SQRDMULH_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, vector_bytes(i), with(cpu, kMulHigh<true>));
}
void SQRDMULH_s_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kMulHigh<true>));
}
void SQRDMLAH_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, vector_bytes(i), with(cpu, kMulHighAccumulate<false>));
}
void SQRDMLAH_s_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kMulHighAccumulate<false>));
}
void SQRDMLSH_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, vector_bytes(i), with(cpu, kMulHighAccumulate<true>));
}
void SQRDMLSH_s_elem(CpuState& cpu, Insn i) {
  by_element<kSigned>(cpu, i, scalar_bytes(i), with(cpu, kMulHighAccumulate<true>));
}

void SDOT_elem(CpuState& cpu, Insn i) { dot_by_element<i8>(cpu, i); }
void UDOT_elem(CpuState& cpu, Insn i) { dot_by_element<u8>(cpu, i); }

}  // namespace grus::a64::semantics
