// SPDX-License-Identifier: MIT
// Conversions between formats, to and from fixed point, and to integral values.
#include "softfloat/format.h"

namespace grus::fp {
namespace {

// The pseudocode's RoundDown(value) plus round_up, on magnitude and sign: int_part is the magnitude's integer
// part, error what is behind the point, scaled by 2^64. True when the magnitude grows by one.
bool magnitude_rounds_up(bool sign, u64 int_part, u64 error, Rounding r) {
  constexpr u64 half = u64{1} << 63;
  switch (r) {
    case Rounding::TieEven:
      return error > half || (error == half && (int_part & 1));
    case Rounding::PosInf:
      return error != 0 && !sign;
    case Rounding::NegInf:
      return error != 0 && sign;
    case Rounding::Zero:
      return false;
    case Rounding::TieAway:
      return error >= half;
    case Rounding::Odd:
      return error != 0 && !(int_part & 1);
  }
  return false;
}

// Splits sig * 2^(exp-63), exp < 64, at the binary point.
void split(int exp, u64 sig, u64* int_part, u64* error) {
  if (exp == 63) {
    *int_part = sig;
    *error = 0;
  } else if (exp >= 0) {
    *int_part = sig >> (63 - exp);
    *error = sig << (exp + 1);
  } else {
    *int_part = 0;
    *error = exp == -1 ? sig : 1;  // below a half only "not zero" matters
  }
}

}  // namespace

template <typename F>
F FPRoundInt(F a, Rounding r, bool exact, Env& env) {
  Unpacked u = FPUnpack(a, env);
  if (u.nan()) return FPProcessNaN(u.type, a, env);
  if (u.inf()) return FPInfinity<F>(u.sign);
  if (u.zero()) return FPZero<F>(u.sign);
  if (u.exp >= Format<F>::kFracBits) return a;
  u64 int_part, error;
  split(u.exp, u.sig, &int_part, &error);
  if (magnitude_rounds_up(u.sign, int_part, error, r)) int_part++;
  if (error != 0 && exact) env.fpsr |= kIXC;
  if (int_part == 0) return FPZero<F>(u.sign);
  int shift = __builtin_clzll(int_part);
  return FPRound<F>(u.sign, 63 - shift, int_part << shift, Rounding::Zero, env);
}

template <typename F>
u64 FPToFixed(F a, unsigned fbits, bool is_unsigned, Rounding r, unsigned int_bits, Env& env) {
  Unpacked u = FPUnpack(a, env);
  u64 mask = int_bits == 64 ? ~u64{0} : (u64{1} << int_bits) - 1;
  if (u.nan()) {
    env.fpsr |= kIOC;
    return 0;
  }
  if (u.zero()) return 0;
  u64 highest = is_unsigned ? mask : mask >> 1;              // largest result
  u64 lowest_magnitude = is_unsigned ? 0 : (mask >> 1) + 1;  // magnitude of the smallest
  u64 saturated = (u.sign ? (is_unsigned ? 0 : ~highest) : highest) & mask;
  int exp = u.exp + static_cast<int>(fbits);
  if (u.inf() || exp > 63) {
    env.fpsr |= kIOC;
    return saturated;
  }
  u64 int_part, error;
  split(exp, u.sig, &int_part, &error);
  if (magnitude_rounds_up(u.sign, int_part, error, r)) {
    // A carry out of 64 bits is impossible: with exp == 63 there is no error.
    int_part++;
  }
  if (int_part > (u.sign ? lowest_magnitude : highest)) {
    env.fpsr |= kIOC;
    return saturated;
  }
  if (error != 0) env.fpsr |= kIXC;
  return (u.sign ? 0 - int_part : int_part) & mask;
}

template <typename F>
F FixedToFP(u64 value, unsigned int_bits, unsigned fbits, bool is_unsigned, Rounding r, Env& env) {
  value <<= 64 - int_bits;
  bool sign = !is_unsigned && (value >> 63);
  if (sign) value = 0 - value;
  if (value == 0) return FPZero<F>(false);
  int shift = __builtin_clzll(value);
  int exp = static_cast<int>(int_bits) - 1 - shift - static_cast<int>(fbits);
  return FPRound<F>(sign, exp, value << shift, r, env);
}

template <typename To, typename From>
To FPConvert(From a, Rounding r, Env& env) {
  Unpacked u = FPUnpack(a, env, Purpose::Conversion);
  bool alternative_half = sizeof(To) == 2 && (env.fpcr & kAHP);
  switch (u.type) {
    case Type::SNaN:
    case Type::QNaN: {
      if (u.type == Type::SNaN || alternative_half) env.fpsr |= kIOC;
      if (alternative_half) return FPZero<To>(u.sign);
      if (env.fpcr & kDN) return FPDefaultNaN<To>();
      // FPConvertNaN: fractions aligned at the top, made quiet.
      u64 frac = static_cast<u64>(a & kFracMask<From>) << (63 - Format<From>::kFracBits);
      return pack<To>(u.sign, kExpOnes<To>, frac >> (63 - Format<To>::kFracBits) | kQuietBit<To>);
    }
    case Type::Infinity:
      if (alternative_half) {
        env.fpsr |= kIOC;
        return static_cast<To>((u.sign ? kSignBit<To> : To{0}) | static_cast<To>(kSignBit<To> - 1));
      }
      return FPInfinity<To>(u.sign);
    case Type::Zero:
      return FPZero<To>(u.sign);
    case Type::Nonzero:
      break;
  }
  return FPRound<To>(u.sign, u.exp, u.sig, r, env, Purpose::Conversion);
}

#define INSTANTIATE(F)                                                    \
  template F FPRoundInt<F>(F, Rounding, bool, Env&);                      \
  template u64 FPToFixed<F>(F, unsigned, bool, Rounding, unsigned, Env&); \
  template F FixedToFP<F>(u64, unsigned, unsigned, bool, Rounding, Env&);
INSTANTIATE(u16)
INSTANTIATE(u32)
INSTANTIATE(u64)
#undef INSTANTIATE
template u16 FPConvert<u16, u32>(u32, Rounding, Env&);
template u16 FPConvert<u16, u64>(u64, Rounding, Env&);
template u32 FPConvert<u32, u16>(u16, Rounding, Env&);
template u32 FPConvert<u32, u64>(u64, Rounding, Env&);
template u64 FPConvert<u64, u16>(u16, Rounding, Env&);
template u64 FPConvert<u64, u32>(u32, Rounding, Env&);

}  // namespace grus::fp
