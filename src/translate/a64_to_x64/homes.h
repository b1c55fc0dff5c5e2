// SPDX-License-Identifier: MIT
// Where each guest register lives while translated code runs, for ever (docs/DESIGN: measured register skew).
// rbp = &cpu.x[16], rsp = return-prediction stack, rax rcx rdx and xmm0-2 are scratch within one template.
#pragma once
#include "host/x86_64/assembler.h"
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

inline constexpr Xmm kVectorHomes[32] = {
    Xmm::x3,   Xmm::x4,   Xmm::x5,   Xmm::x6,   Xmm::x7,   Xmm::x8,   Xmm::x9,   Xmm::x10,
    Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none,
    Xmm::x11,  Xmm::x12,  Xmm::x13,  Xmm::x14,  Xmm::x15,  Xmm::none, Xmm::none, Xmm::none,
    Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none, Xmm::none};

// With AVX-512VL, what a block has written to the memory home of V8-V15 or V21-V28 is also in xmm16-xmm31 until the block ends: a
// vector that was just stored takes 10 cycles to come back. No home: nobody but the block's own templates looks there.
inline constexpr Xmm vector_copy(unsigned n) {
  return n >= 8 && n < 16 ? Xmm(n + 8) : n >= 21 && n < 29 ? Xmm(n + 3) : Xmm::none;
}

inline constexpr Mem state(size_t offset) { return Mem(Reg::rbp, static_cast<i32>(offset) - run::kStateBias); }

}  // namespace grus::a64_to_x64
