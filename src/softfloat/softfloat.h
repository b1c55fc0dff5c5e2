// SPDX-License-Identifier: MIT
// Exact IEEE arithmetic as the Arm ARM's shared pseudocode defines it (shared/functions/float), on bit
// patterns.
//
// F is u16, u32 or u64: the format is the width of the pattern. `Env` carries FPCR in and the cumulative FPSR
// bits out. Integer code only. Names and argument order are the pseudocode's, so that a reviewer can hold the
// manual beside it. Deliberately not here: alternative NaN handling of FEAT_AFP, bfloat16, trapping
// exceptions.
#pragma once
#include "base/types.h"

namespace grus::fp {

// The first four as FPCR.RMode encodes them.
enum class Rounding : u8 { TieEven, PosInf, NegInf, Zero, TieAway, Odd };

struct Env {
  u32 fpcr = 0;
  u32 fpsr = 0;  // cumulative bits raised by the operations made with this Env
  Rounding rounding() const { return static_cast<Rounding>((fpcr >> 22) & 3); }
};

template <typename F>
F FPAdd(F a, F b, Env& env);
template <typename F>
F FPSub(F a, F b, Env& env);
template <typename F>
F FPMul(F a, F b, Env& env);
template <typename F>
F FPMulX(F a, F b, Env& env);
template <typename F>
F FPDiv(F a, F b, Env& env);
template <typename F>
F FPMulAdd(F addend, F a, F b, Env& env);  // addend + a * b, fused
template <typename F>
F FPSqrt(F a, Env& env);
template <typename F>
F FPMax(F a, F b, Env& env);
template <typename F>
F FPMin(F a, F b, Env& env);
template <typename F>
F FPMaxNum(F a, F b, Env& env);
template <typename F>
F FPMinNum(F a, F b, Env& env);
template <typename F>
F FPAbs(F a);
template <typename F>
F FPNeg(F a);
template <typename F>
unsigned FPCompare(F a, F b, bool signal_nans, Env& env);  // NZCV
template <typename F>
bool FPCompareEQ(F a, F b, Env& env);
template <typename F>
bool FPCompareGE(F a, F b, Env& env);
template <typename F>
bool FPCompareGT(F a, F b, Env& env);
template <typename F>
F FPRoundInt(F a, Rounding r, bool exact, Env& env);
template <typename F>
u64 FPToFixed(F a, unsigned fbits, bool is_unsigned, Rounding r, unsigned int_bits, Env& env);
template <typename F>
F FixedToFP(u64 value, unsigned int_bits, unsigned fbits, bool is_unsigned, Rounding r, Env& env);
template <typename To, typename From>
To FPConvert(From a, Rounding r, Env& env);
template <typename F>
F FPRecipEstimate(F a, Env& env);
template <typename F>
F FPRSqrtEstimate(F a, Env& env);
template <typename F>
F FPRecipStepFused(F a, F b, Env& env);
template <typename F>
F FPRSqrtStepFused(F a, F b, Env& env);
template <typename F>
F FPRecpX(F a, Env& env);
u32 UnsignedRecipEstimate(u32 a);
u32 UnsignedRSqrtEstimate(u32 a);

}  // namespace grus::fp
