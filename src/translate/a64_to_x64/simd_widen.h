// SPDX-License-Identifier: MIT
// What simd_widen (both operands vectors) and simd_element (one element everywhere) share.
#pragma once
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::simd {

enum class Accumulate { No, Add, Subtract };

// Vd = kA, Vd + kA or Vd - kA in lanes of 8 << size bits; the upper half is kept when `whole` or Q. Changes kB.
void finish_accumulated(Emitter& e, Insn i, unsigned size, Accumulate what, bool whole);
// kA = in each word, the sum of four products of Vn's bytes by kC's. Changes kB and kC.
void dot(Emitter& e, bool is_signed, unsigned n);

}  // namespace grus::a64_to_x64::simd
