// SPDX-License-Identifier: MIT
// The two ends of every floating-point operation: bit pattern -> exact number (FPUnpack) and exact number ->
// bit pattern (FPRound), and the NaN rules between them. Private to softfloat/.
//
// Guarantees: a finite nonzero number is held exactly as sig * 2^(exp-63) with bit 63 of sig set; an
// operation whose exact result needs more bits folds the rest into bit 0 ("sticky"), which every format
// leaves far below its own last place, so that rounding sees the truth. Deliberately not here: FEAT_AFP,
// traps, bfloat16.
#pragma once
#include "softfloat/softfloat.h"

namespace grus::fp {

inline constexpr u32 kIOC = 1, kDZC = 2, kOFC = 4, kUFC = 8, kIXC = 16, kIDC = 128;
inline constexpr u32 kAHP = 1u << 26, kDN = 1u << 25, kFZ = 1u << 24, kFZ16 = 1u << 19;

template <typename F>
struct Format;
template <>
struct Format<u16> {
  static constexpr int kExpBits = 5, kFracBits = 10;
};
template <>
struct Format<u32> {
  static constexpr int kExpBits = 8, kFracBits = 23;
};
template <>
struct Format<u64> {
  static constexpr int kExpBits = 11, kFracBits = 52;
};

template <typename F>
inline constexpr int kExpOnes = (1 << Format<F>::kExpBits) - 1;
template <typename F>
inline constexpr int kBias = kExpOnes<F> / 2;
template <typename F>
inline constexpr int kMinExp = 1 - kBias<F>;  // the exponent of the smallest normal number
template <typename F>
inline constexpr F kFracMask = static_cast<F>((F{1} << Format<F>::kFracBits) - 1);
template <typename F>
inline constexpr F kQuietBit = static_cast<F>(F{1} << (Format<F>::kFracBits - 1));
template <typename F>
inline constexpr F kSignBit = static_cast<F>(F{1} << (sizeof(F) * 8 - 1));

template <typename F>
inline constexpr F pack(bool sign, int biased_exp, u64 frac) {
  return static_cast<F>((sign ? kSignBit<F> : F{0}) | static_cast<u64>(biased_exp) << Format<F>::kFracBits |
                        (frac & kFracMask<F>));
}
template <typename F>
inline constexpr F FPZero(bool sign) {
  return pack<F>(sign, 0, 0);
}
template <typename F>
inline constexpr F FPInfinity(bool sign) {
  return pack<F>(sign, kExpOnes<F>, 0);
}
template <typename F>
inline constexpr F FPMaxNormal(bool sign) {
  return pack<F>(sign, kExpOnes<F> - 1, kFracMask<F>);
}
template <typename F>
inline constexpr F FPDefaultNaN() {
  return pack<F>(false, kExpOnes<F>, kQuietBit<F>);
}
template <typename F>
inline constexpr F FPTwo(bool sign) {
  return pack<F>(sign, kBias<F> + 1, 0);
}
template <typename F>
inline constexpr F FPOnePointFive(bool sign) {
  return pack<F>(sign, kBias<F>, kQuietBit<F>);
}

enum class Type : u8 { Zero, Nonzero, Infinity, QNaN, SNaN };

struct Unpacked {
  Type type;
  bool sign;
  int exp;  // exp and sig are meaningful for Nonzero only
  u64 sig;
  bool nan() const { return type >= Type::QNaN; }
  bool inf() const { return type == Type::Infinity; }
  bool zero() const { return type == Type::Zero; }
};

// Conversions between formats (FPUnpackCV, FPRoundCV) look at AHP and ignore FZ16; everything else does the
// reverse.
enum class Purpose : bool { Arithmetic, Conversion };

template <typename F>
inline Unpacked FPUnpack(F a, Env& env, Purpose purpose = Purpose::Arithmetic) {
  constexpr int frac_bits = Format<F>::kFracBits;
  Unpacked u;
  u.sign = (a & kSignBit<F>) != 0;
  int exp = static_cast<int>(a >> frac_bits) & kExpOnes<F>;
  u64 frac = a & kFracMask<F>;
  u.exp = 0;
  u.sig = 0;
  if (exp == 0) {
    if (frac == 0) {
      u.type = Type::Zero;
      return u;
    }
    if constexpr (sizeof(F) == 2) {
      // FPUnpackBase raises no Input Denormal for half precision.
      if (purpose == Purpose::Arithmetic && (env.fpcr & kFZ16)) {
        u.type = Type::Zero;
        return u;
      }
    } else if (env.fpcr & kFZ) {
      env.fpsr |= kIDC;
      u.type = Type::Zero;
      return u;
    }
    int shift = __builtin_clzll(frac);
    u.type = Type::Nonzero;
    u.sig = frac << shift;
    u.exp = kMinExp<F> + (63 - frac_bits) - shift;
    return u;
  }
  bool alternative_half = sizeof(F) == 2 && purpose == Purpose::Conversion && (env.fpcr & kAHP);
  if (exp == kExpOnes<F> && !alternative_half) {
    u.type = frac == 0 ? Type::Infinity : (frac & kQuietBit<F>) ? Type::QNaN : Type::SNaN;
    return u;
  }
  u.type = Type::Nonzero;
  u.exp = exp - 1 + kMinExp<F>;
  u.sig = u64{1} << 63 | frac << (63 - frac_bits);
  return u;
}

// FPRoundBase: sig has bit 63 set; the value is sig * 2^(exp-63), bit 0 being sticky.
template <typename F>
inline F FPRound(bool sign, int exp, u64 sig, Rounding rounding, Env& env,
                 Purpose purpose = Purpose::Arithmetic) {
  constexpr int frac_bits = Format<F>::kFracBits;
  bool flush = sizeof(F) == 2 ? purpose == Purpose::Arithmetic && (env.fpcr & kFZ16) : (env.fpcr & kFZ) != 0;
  if (flush && exp < kMinExp<F>) {
    env.fpsr |= kUFC;  // and no Inexact
    return FPZero<F>(sign);
  }
  int biased_exp = exp - kMinExp<F> + 1;
  unsigned shift = 63 - frac_bits;
  if (biased_exp <= 0) {
    shift += static_cast<unsigned>(kMinExp<F> - exp);
    biased_exp = 0;
  }
  // The mantissa as an integer and the rest as a fraction of its last place, scaled by 2^64.
  u64 int_mant, error;
  if (shift < 64) {
    int_mant = sig >> shift;
    error = sig << (64 - shift);
  } else {
    int_mant = 0;
    error = shift == 64 ? sig : 1;
  }
  // Arm detects tininess before rounding.
  if (biased_exp == 0 && error != 0) env.fpsr |= kUFC;

  constexpr u64 half = u64{1} << 63;
  bool round_up, overflow_to_inf;
  switch (rounding) {
    case Rounding::PosInf:
      round_up = error != 0 && !sign;
      overflow_to_inf = !sign;
      break;
    case Rounding::NegInf:
      round_up = error != 0 && sign;
      overflow_to_inf = sign;
      break;
    case Rounding::Zero:
    case Rounding::Odd:
      round_up = false;
      overflow_to_inf = false;
      break;
    default:
      round_up = error > half || (error == half && (int_mant & 1));
      overflow_to_inf = true;
      break;
  }
  if (round_up) {
    int_mant++;
    if (int_mant == u64{1} << frac_bits) biased_exp = 1;  // from denormal to normal
    if (int_mant == u64{1} << (frac_bits + 1)) {
      biased_exp++;
      int_mant >>= 1;
    }
  }
  if (error != 0 && rounding == Rounding::Odd) int_mant |= 1;

  if (sizeof(F) == 2 && purpose == Purpose::Conversion && (env.fpcr & kAHP)) {
    if (biased_exp > kExpOnes<F>) {
      env.fpsr |= kIOC;  // and no Inexact
      return static_cast<F>((sign ? kSignBit<F> : F{0}) | static_cast<F>(kSignBit<F> - 1));
    }
  } else if (biased_exp >= kExpOnes<F>) {
    env.fpsr |= kOFC | kIXC;
    return overflow_to_inf ? FPInfinity<F>(sign) : FPMaxNormal<F>(sign);
  }
  if (error != 0) env.fpsr |= kIXC;
  return pack<F>(sign, biased_exp, int_mant);
}

template <typename F>
inline F invalid(Env& env) {
  env.fpsr |= kIOC;
  return FPDefaultNaN<F>();
}

template <typename F>
inline F FPProcessNaN(Type type, F a, Env& env) {
  if (type == Type::SNaN) {
    a = static_cast<F>(a | kQuietBit<F>);
    env.fpsr |= kIOC;
  }
  return (env.fpcr & kDN) ? FPDefaultNaN<F>() : a;
}

// True when an operand is a NaN; *result is then the one that wins: signalling before quiet, first before
// second.
template <typename F>
inline bool FPProcessNaNs(const Unpacked& u1, const Unpacked& u2, F a, F b, F* result, Env& env) {
  if (!u1.nan() && !u2.nan()) return false;
  if (u1.type == Type::SNaN)
    *result = FPProcessNaN(u1.type, a, env);
  else if (u2.type == Type::SNaN)
    *result = FPProcessNaN(u2.type, b, env);
  else if (u1.type == Type::QNaN)
    *result = FPProcessNaN(u1.type, a, env);
  else
    *result = FPProcessNaN(u2.type, b, env);
  return true;
}

template <typename F>
inline bool FPProcessNaNs3(const Unpacked& u1, const Unpacked& u2, const Unpacked& u3, F a, F b, F c,
                           F* result, Env& env) {
  if (!u1.nan() && !u2.nan() && !u3.nan()) return false;
  if (u1.type == Type::SNaN)
    *result = FPProcessNaN(u1.type, a, env);
  else if (u2.type == Type::SNaN)
    *result = FPProcessNaN(u2.type, b, env);
  else if (u3.type == Type::SNaN)
    *result = FPProcessNaN(u3.type, c, env);
  else if (u1.type == Type::QNaN)
    *result = FPProcessNaN(u1.type, a, env);
  else if (u2.type == Type::QNaN)
    *result = FPProcessNaN(u2.type, b, env);
  else
    *result = FPProcessNaN(u3.type, c, env);
  return true;
}

}  // namespace grus::fp
