// SPDX-License-Identifier: MIT
// Where each guest register lives while translated code runs, for ever (docs/DESIGN: measured register skew).
// rbp = &cpu.x[16], rsp = return-prediction stack, rax rcx rdx and xmm0-2 are scratch within one template.
#pragma once
#include "host/x86_64/assembler.h"
#include "host/x86_64/features.h"
#include "run/thread_state.h"

namespace grus::a64_to_x64 {

using x64::Mem;
using x64::Reg;
using x64::Xmm;

// Guest register numbers as templates use them: 0-30, 31 = zero register, 32 = sp.
inline constexpr unsigned kZero = 31, kSP = 32;

inline constexpr Reg kHomes[33] = {
    Reg::rdi,  Reg::rsi,  Reg::rbx,  Reg::r8,   Reg::r9,   Reg::none, Reg::none, Reg::none, Reg::r10,
    Reg::none, Reg::none, Reg::none, Reg::none, Reg::none, Reg::none, Reg::none, Reg::none, Reg::none,
    Reg::none, Reg::r14,  Reg::r15,  Reg::r12,  Reg::r11,  Reg::none, Reg::none, Reg::none, Reg::none,
    Reg::none, Reg::none, Reg::none, Reg::none, Reg::none, Reg::r13};

// V8-V15 and V21-V28 live in xmm16-xmm31 where the host has them (AVX-512VL), else in memory, from where a vector takes 10 cycles
// to come back when it was just stored.
inline Xmm vector_home(unsigned n) {
  constexpr Xmm kLow[32] = {Xmm::x3,   Xmm::x4,   Xmm::x5,   Xmm::x6,   Xmm::x7,   Xmm::x8,   Xmm::x9,   Xmm::x10,
                            Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none,
                            Xmm::x11,  Xmm::x12,  Xmm::x13,  Xmm::x14,  Xmm::x15,  Xmm::none, Xmm::none, Xmm::none,
                            Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none};
  if (kLow[n] != Xmm::none || !x64::g_features.avx512vl || n >= 29) return kLow[n];
  return Xmm(n < 16 ? n + 8 : n + 3);
}

inline constexpr Mem state(size_t offset) { return Mem(Reg::rbp, static_cast<i32>(offset) - run::kStateBias); }

}  // namespace grus::a64_to_x64
