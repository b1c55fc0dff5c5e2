// SPDX-License-Identifier: MIT
// The reciprocal and reciprocal square root estimates. The architecture fixes every bit of them (8 bits of
// precision; FEAT_RPRES, which doubles it, is not offered).
#include "softfloat/format.h"

namespace grus::fp {
namespace {

// shared/functions/float/fprecipestimate/RecipEstimate: 256 <= a < 512, as does the result.
unsigned RecipEstimate(unsigned a) {
  a = a * 2 + 1;
  unsigned b = (1u << 19) / a;
  return (b + 1) / 2;
}

// shared/functions/float/fprsqrtestimate/RecipSqrtEstimate: 128 <= a < 512, 256 <= result < 512.
unsigned RecipSqrtEstimate(unsigned a) {
  if (a < 256) {
    a = a * 2 + 1;
  } else {
    a = (a >> 1) << 1;
    a = (a + 1) * 2;
  }
  unsigned b = 512;
  while (a * (b + 1) * (b + 1) < (1u << 28)) b++;
  return (b + 1) / 2;
}

template <typename F>
int biased_exponent(F a) {
  return static_cast<int>(a >> Format<F>::kFracBits) & kExpOnes<F>;
}
// The fraction in 52 bits, whatever the format.
template <typename F>
u64 fraction52(F a) {
  return static_cast<u64>(a & kFracMask<F>) << (52 - Format<F>::kFracBits);
}
template <typename F>
F pack52(bool sign, int exp, u64 fraction) {
  return pack<F>(sign, exp, fraction >> (52 - Format<F>::kFracBits));
}
constexpr u64 kTop = u64{1} << 51, kMask52 = (u64{1} << 52) - 1;

}  // namespace

template <typename F>
F FPRecipEstimate(F a, Env& env) {
  Unpacked u = FPUnpack(a, env);
  if (u.nan()) return FPProcessNaN(u.type, a, env);
  if (u.inf()) return FPZero<F>(u.sign);
  if (u.zero()) {
    env.fpsr |= kDZC;
    return FPInfinity<F>(u.sign);
  }
  if (u.exp < kMinExp<F> - 2) {  // |value| < 2^-16, 2^-128, 2^-1024: the result is out of range
    env.fpsr |= kOFC | kIXC;
    Rounding r = env.rounding();
    bool to_inf =
        r == Rounding::TieEven || (r == Rounding::PosInf && !u.sign) || (r == Rounding::NegInf && u.sign);
    return to_inf ? FPInfinity<F>(u.sign) : FPMaxNormal<F>(u.sign);
  }
  if ((env.fpcr & (sizeof(F) == 2 ? kFZ16 : kFZ)) && u.exp >= -kMinExp<F>) {  // 2^14, 2^126, 2^1022
    env.fpsr |= kUFC;
    return FPZero<F>(u.sign);
  }
  u64 fraction = fraction52(a);
  int exp = biased_exponent(a);
  if (exp == 0) {
    if (!(fraction & kTop)) {
      exp = -1;
      fraction = fraction << 2 & kMask52;
    } else {
      fraction = fraction << 1 & kMask52;
    }
  }
  int result_exp = (kExpOnes<F> - 2) - exp;  // 29, 253, 2045
  u64 estimate = RecipEstimate(256 | static_cast<unsigned>(fraction >> 44));
  fraction = (estimate & 0xff) << 44;
  if (result_exp == 0) {
    fraction = kTop | fraction >> 1;
  } else if (result_exp == -1) {
    fraction = kTop >> 1 | fraction >> 2;
    result_exp = 0;
  }
  return pack52<F>(u.sign, result_exp, fraction);
}

template <typename F>
F FPRSqrtEstimate(F a, Env& env) {
  Unpacked u = FPUnpack(a, env);
  if (u.nan()) return FPProcessNaN(u.type, a, env);
  if (u.zero()) {
    env.fpsr |= kDZC;
    return FPInfinity<F>(u.sign);
  }
  if (u.sign) return invalid<F>(env);
  if (u.inf()) return FPZero<F>(false);
  u64 fraction = fraction52(a);
  int exp = biased_exponent(a);
  if (exp == 0) {
    while (!(fraction & kTop)) {
      fraction = fraction << 1 & kMask52;
      exp--;
    }
    fraction = fraction << 1 & kMask52;
  }
  unsigned scaled =
      (exp & 1) ? 128 | static_cast<unsigned>(fraction >> 45) : 256 | static_cast<unsigned>(fraction >> 44);
  constexpr int base = 3 * kBias<F> - 1;  // 44, 380, 3068
  int result_exp = (base - exp) / 2;
  return pack52<F>(false, result_exp, static_cast<u64>(RecipSqrtEstimate(scaled) & 0xff) << 44);
}

template <typename F>
F FPRecpX(F a, Env& env) {
  Unpacked u = FPUnpack(a, env);
  if (u.nan()) return FPProcessNaN(u.type, a, env);
  int exp = biased_exponent(a);
  return pack<F>(u.sign, exp == 0 ? kExpOnes<F> - 1 : ~exp & kExpOnes<F>, 0);
}

u32 UnsignedRecipEstimate(u32 a) { return (a >> 31) == 0 ? ~u32{0} : RecipEstimate(a >> 23) << 23; }
u32 UnsignedRSqrtEstimate(u32 a) { return (a >> 30) == 0 ? ~u32{0} : RecipSqrtEstimate(a >> 23) << 23; }

#define INSTANTIATE(F)                    \
  template F FPRecipEstimate<F>(F, Env&); \
  template F FPRSqrtEstimate<F>(F, Env&); \
  template F FPRecpX<F>(F, Env&);
INSTANTIATE(u16)
INSTANTIATE(u32)
INSTANTIATE(u64)
#undef INSTANTIATE

}  // namespace grus::fp
