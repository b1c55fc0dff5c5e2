// SPDX-License-Identifier: MIT
// Addition, multiplication, division, square root and the fused operations, each rounded once from the exact
// result.
//
// Guarantees: freestanding; no 128-bit division (libgcc's is not there at run time). Deliberately not here: a
// fast path. The translator runs these on the host's FPU and comes here for what the host does differently.
#include "softfloat/format.h"

namespace grus::fp {
namespace {

// A finite number, possibly zero (sig == 0), with room for an exact product.
struct Wide {
  bool sign;
  int exp;
  u128 sig;  // value = sig * 2^(exp-126), bit 126 set: one bit of headroom for a sum
};

inline u64 jam(u64 v, unsigned shift) {
  if (shift == 0) return v;
  if (shift > 63) return v != 0;
  return v >> shift | ((v << (64 - shift)) != 0);
}
inline u128 jam(u128 v, unsigned shift) {
  if (shift == 0) return v;
  if (shift > 127) return v != 0;
  return v >> shift | ((v << (128 - shift)) != 0);
}

// a + b for numbers with bit 62 set (or zero). Result normalised to bit 63, sticky in bit 0; sig 0 when it
// cancels.
struct Sum {
  bool sign;
  int exp;
  u64 sig;
};

Sum add_exact(const Unpacked& a, const Unpacked& b) {
  if (a.zero()) return {b.sign, b.exp, b.sig};
  if (b.zero()) return {a.sign, a.exp, a.sig};
  // Every format leaves the low 11 bits of sig clear, so one bit of headroom costs nothing.
  bool a_first = a.exp > b.exp || (a.exp == b.exp && a.sig >= b.sig);
  const Unpacked& hi = a_first ? a : b;
  const Unpacked& lo = a_first ? b : a;
  u64 x = hi.sig >> 1, y = jam(lo.sig >> 1, static_cast<unsigned>(hi.exp - lo.exp));
  u64 s = hi.sign == lo.sign ? x + y : x - y;
  if (s == 0) return {false, 0, 0};
  int shift = __builtin_clzll(s);
  return {hi.sign, hi.exp + 1 - shift, s << shift};
}

// addend + a * b, a and b nonzero.
Sum mul_add_exact(const Unpacked& addend, const Unpacked& a, const Unpacked& b) {
  u128 p = static_cast<u128>(a.sig) * b.sig;  // bit 127 or 126
  Wide product{a.sign != b.sign, a.exp + b.exp, p};
  if (p >> 127) {
    product.sig = p >> 1;  // at most 106 significant bits: nothing is lost
    product.exp++;
  }
  u128 s;
  bool sign = product.sign;
  int exp = product.exp;
  if (addend.zero()) {
    s = product.sig;
  } else {
    Wide c{addend.sign, addend.exp, static_cast<u128>(addend.sig) << 63};
    bool c_first = c.exp > product.exp || (c.exp == product.exp && c.sig >= product.sig);
    const Wide& hi = c_first ? c : product;
    const Wide& lo = c_first ? product : c;
    u128 y = jam(lo.sig, static_cast<unsigned>(hi.exp - lo.exp));
    s = hi.sign == lo.sign ? hi.sig + y : hi.sig - y;
    sign = hi.sign;
    exp = hi.exp;
    if (s == 0) return {false, 0, 0};
  }
  u64 high = static_cast<u64>(s >> 64);
  int shift = high ? __builtin_clzll(high) : 64 + __builtin_clzll(static_cast<u64>(s));
  s <<= shift;
  return {sign, exp + 1 - shift, static_cast<u64>(s >> 64) | (static_cast<u64>(s) != 0)};
}

// The exact zero of a sum or difference is positive except when rounding towards minus infinity.
template <typename F>
F round_sum(const Sum& s, Env& env) {
  Rounding r = env.rounding();
  if (s.sig == 0) return FPZero<F>(r == Rounding::NegInf);
  return FPRound<F>(s.sign, s.exp, s.sig, r, env);
}

// (high:0) / d for high < d, d with bit 63 set: two digits of 32 bits (Knuth, TAOCP 4.3.1, algorithm D).
u64 divide_128_by_64(u64 high, u64 d, u64* remainder) {
  u64 d1 = d >> 32, d0 = d & 0xffffffff;
  auto digit = [&](u64 n, u64* rest) {  // (n << 32) / d for n < d
    u64 q = n / d1, r = n % d1;
    while (q >> 32 || q * d0 > r << 32) {
      q--;
      r += d1;
      if (r >> 32) break;
    }
    *rest = (n << 32) - q * d;  // modulo 2^64, exact
    return q;
  };
  u64 rest;
  u64 q1 = digit(high, &rest);
  u64 q0 = digit(rest, remainder);
  return q1 << 32 | q0;
}

template <typename F>
F add(F a, F b, bool negate_b, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  u2.sign ^= negate_b;
  if (u1.inf() && u2.inf() && u1.sign != u2.sign) return invalid<F>(env);
  if (u1.inf()) return FPInfinity<F>(u1.sign);
  if (u2.inf()) return FPInfinity<F>(u2.sign);
  if (u1.zero() && u2.zero() && u1.sign == u2.sign) return FPZero<F>(u1.sign);
  if (u1.zero() && u2.zero()) return round_sum<F>({false, 0, 0}, env);
  return round_sum<F>(add_exact(u1, u2), env);
}

// The product of two finite nonzero numbers.
template <typename F>
F multiply(const Unpacked& u1, const Unpacked& u2, Env& env) {
  u128 p = static_cast<u128>(u1.sig) * u2.sig;
  int exp = u1.exp + u2.exp + 1;
  if (!(p >> 127)) {
    p <<= 1;
    exp--;
  }
  u64 sig = static_cast<u64>(p >> 64) | (static_cast<u64>(p) != 0);
  return FPRound<F>(u1.sign != u2.sign, exp, sig, env.rounding(), env);
}

}  // namespace

template <typename F>
F FPAbs(F a) {
  return static_cast<F>(a & ~kSignBit<F>);
}
template <typename F>
F FPNeg(F a) {
  return static_cast<F>(a ^ kSignBit<F>);
}

template <typename F>
F FPAdd(F a, F b, Env& env) {
  return add(a, b, false, env);
}
template <typename F>
F FPSub(F a, F b, Env& env) {
  return add(a, b, true, env);
}

template <typename F>
F FPMul(F a, F b, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  bool sign = u1.sign != u2.sign;
  if ((u1.inf() && u2.zero()) || (u1.zero() && u2.inf())) return invalid<F>(env);
  if (u1.inf() || u2.inf()) return FPInfinity<F>(sign);
  if (u1.zero() || u2.zero()) return FPZero<F>(sign);
  return multiply<F>(u1, u2, env);
}

template <typename F>
F FPMulX(F a, F b, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  bool sign = u1.sign != u2.sign;
  if ((u1.inf() && u2.zero()) || (u1.zero() && u2.inf())) return FPTwo<F>(sign);
  if (u1.inf() || u2.inf()) return FPInfinity<F>(sign);
  if (u1.zero() || u2.zero()) return FPZero<F>(sign);
  return multiply<F>(u1, u2, env);
}

template <typename F>
F FPDiv(F a, F b, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  bool sign = u1.sign != u2.sign;
  if ((u1.inf() && u2.inf()) || (u1.zero() && u2.zero())) return invalid<F>(env);
  if (u1.inf() || u2.zero()) {
    if (!u1.inf()) env.fpsr |= kDZC;
    return FPInfinity<F>(sign);
  }
  if (u1.zero() || u2.inf()) return FPZero<F>(sign);
  int exp = u1.exp - u2.exp;
  u64 n = u1.sig, remainder, q;
  if (n >= u2.sig) {  // quotient in [1, 2): halve it, so that it has 64 bits exactly
    q = divide_128_by_64(n >> 1, u2.sig, &remainder);
  } else {
    exp--;
    q = divide_128_by_64(n, u2.sig, &remainder);
  }
  return FPRound<F>(sign, exp, q | (remainder != 0), env.rounding(), env);
}

template <typename F>
F FPSqrt(F a, Env& env) {
  Unpacked u = FPUnpack(a, env);
  if (u.nan()) return FPProcessNaN(u.type, a, env);
  if (u.zero()) return FPZero<F>(u.sign);
  if (u.sign) return invalid<F>(env);
  if (u.inf()) return FPInfinity<F>(false);
  // Digit by digit. The radicand is sig * 2^-63 (in [1, 2)) for an even exponent and twice that for an odd
  // one; each step brings down two bits of it and appends one to the root, which starts with its integer
  // digit.
  constexpr int digits = Format<F>::kFracBits + 3;
  bool odd = u.exp & 1;
  int exp = (u.exp - odd) / 2;
  u128 radicand = static_cast<u128>(u.sig) << (odd ? 64 : 63);  // two integer bits on top
  u64 root = 0, rest = 0;
  for (int n = 0; n < digits; n++) {
    rest = rest << 2 | static_cast<u64>(radicand >> 126);
    radicand <<= 2;
    u64 trial = root << 2 | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  // All bits of the radicand were consumed: digits * 2 > significant bits + 2.
  return FPRound<F>(false, exp, root << (64 - digits) | (rest != 0), env.rounding(), env);
}

template <typename F>
F FPMulAdd(F addend, F a, F b, Env& env) {
  Unpacked ua = FPUnpack(addend, env), u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  bool inf_times_zero = (u1.inf() && u2.zero()) || (u1.zero() && u2.inf());
  F result;
  if (FPProcessNaNs3(ua, u1, u2, addend, a, b, &result, env))
    return ua.type == Type::QNaN && inf_times_zero ? invalid<F>(env) : result;
  bool sign = u1.sign != u2.sign, inf = u1.inf() || u2.inf(), zero = u1.zero() || u2.zero();
  if (inf_times_zero || (ua.inf() && inf && ua.sign != sign)) return invalid<F>(env);
  if (ua.inf()) return FPInfinity<F>(ua.sign);
  if (inf) return FPInfinity<F>(sign);
  if (zero) {
    if (!ua.zero()) return FPRound<F>(ua.sign, ua.exp, ua.sig, env.rounding(), env);
    if (ua.sign == sign) return FPZero<F>(sign);
    return round_sum<F>({false, 0, 0}, env);
  }
  return round_sum<F>(mul_add_exact(ua, u1, u2), env);
}

namespace {

// constant - a * b, halved when `halve`: the Newton steps. `special` is the result for infinity times zero.
template <typename F>
F newton_step(F a, F b, unsigned constant, bool halve, F special, Env& env) {
  a = FPNeg(a);  // before the NaNs are looked at: a propagated one comes out negated
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  if ((u1.inf() && u2.zero()) || (u1.zero() && u2.inf())) return special;
  if (u1.inf() || u2.inf()) return FPInfinity<F>(u1.sign != u2.sign);
  Unpacked c{Type::Nonzero, false, 1, static_cast<u64>(constant) << 62};  // 2 or 3
  Sum s{false, c.exp, c.sig};
  if (!u1.zero() && !u2.zero()) s = mul_add_exact(c, u1, u2);
  s.exp -= halve;
  return round_sum<F>(s, env);
}

}  // namespace

template <typename F>
F FPRecipStepFused(F a, F b, Env& env) {
  return newton_step(a, b, 2, false, FPTwo<F>(false), env);
}
template <typename F>
F FPRSqrtStepFused(F a, F b, Env& env) {
  return newton_step(a, b, 3, true, FPOnePointFive<F>(false), env);
}

#define INSTANTIATE(F)                        \
  template F FPAbs<F>(F);                     \
  template F FPNeg<F>(F);                     \
  template F FPAdd<F>(F, F, Env&);            \
  template F FPSub<F>(F, F, Env&);            \
  template F FPMul<F>(F, F, Env&);            \
  template F FPMulX<F>(F, F, Env&);           \
  template F FPDiv<F>(F, F, Env&);            \
  template F FPSqrt<F>(F, Env&);              \
  template F FPMulAdd<F>(F, F, F, Env&);      \
  template F FPRecipStepFused<F>(F, F, Env&); \
  template F FPRSqrtStepFused<F>(F, F, Env&);
INSTANTIATE(u16)
INSTANTIATE(u32)
INSTANTIATE(u64)
#undef INSTANTIATE

}  // namespace grus::fp
