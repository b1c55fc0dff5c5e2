// SPDX-License-Identifier: MIT
// Comparison, minimum and maximum: exact by nature; what matters is NaNs, signed zeros and flushed inputs.
#include "softfloat/format.h"

namespace grus::fp {
namespace {

// The order of two numbers that are not NaN, as after FPUnpack (so flushed inputs are zeros): -1, 0, 1.
int order(const Unpacked& a, const Unpacked& b) {
  if (a.zero() && b.zero()) return 0;
  if (a.zero()) return b.sign ? 1 : -1;
  if (b.zero()) return a.sign ? -1 : 1;
  if (a.sign != b.sign) return a.sign ? -1 : 1;
  int magnitude;
  if (a.inf() || b.inf())
    magnitude = static_cast<int>(a.inf()) - static_cast<int>(b.inf());
  else if (a.exp != b.exp)
    magnitude = a.exp < b.exp ? -1 : 1;
  else
    magnitude = a.sig == b.sig ? 0 : a.sig < b.sig ? -1 : 1;
  return a.sign ? -magnitude : magnitude;
}

// -1, 0, 1, or 2 for unordered.
template <typename F>
int compare(F a, F b, bool signal_quiet_nans, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  if (u1.nan() || u2.nan()) {
    if (u1.type == Type::SNaN || u2.type == Type::SNaN || signal_quiet_nans) env.fpsr |= kIOC;
    return 2;
  }
  return order(u1, u2);
}

template <typename F>
F extremum(F a, F b, bool max, Env& env) {
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  F result;
  if (FPProcessNaNs(u1, u2, a, b, &result, env)) return result;
  int o = order(u1, u2);
  bool first = max ? o > 0 : o < 0;
  // A winner that is zero takes the AND (maximum) or OR (minimum) of both signs.
  if ((first ? u1 : u2).zero()) return FPZero<F>(max ? u1.sign && u2.sign : u1.sign || u2.sign);
  return first ? a : b;
}

template <typename F>
F extremum_number(F a, F b, bool max, Env& env) {
  // Only the types count here; flags of the unpacking (IDC) are raised again below.
  Unpacked u1 = FPUnpack(a, env), u2 = FPUnpack(b, env);
  if (u1.type == Type::QNaN && u2.type != Type::QNaN)
    a = FPInfinity<F>(max);
  else if (u1.type != Type::QNaN && u2.type == Type::QNaN)
    b = FPInfinity<F>(max);
  return extremum(a, b, max, env);
}

}  // namespace

template <typename F>
unsigned FPCompare(F a, F b, bool signal_nans, Env& env) {
  switch (compare(a, b, signal_nans, env)) {
    case -1:
      return 0b1000;
    case 0:
      return 0b0110;
    case 1:
      return 0b0010;
    default:
      return 0b0011;
  }
}
template <typename F>
bool FPCompareEQ(F a, F b, Env& env) {
  return compare(a, b, false, env) == 0;
}
template <typename F>
bool FPCompareGE(F a, F b, Env& env) {
  int o = compare(a, b, true, env);
  return o == 0 || o == 1;
}
template <typename F>
bool FPCompareGT(F a, F b, Env& env) {
  return compare(a, b, true, env) == 1;
}

template <typename F>
F FPMax(F a, F b, Env& env) {
  return extremum(a, b, true, env);
}
template <typename F>
F FPMin(F a, F b, Env& env) {
  return extremum(a, b, false, env);
}
template <typename F>
F FPMaxNum(F a, F b, Env& env) {
  return extremum_number(a, b, true, env);
}
template <typename F>
F FPMinNum(F a, F b, Env& env) {
  return extremum_number(a, b, false, env);
}

#define INSTANTIATE(F)                              \
  template unsigned FPCompare<F>(F, F, bool, Env&); \
  template bool FPCompareEQ<F>(F, F, Env&);         \
  template bool FPCompareGE<F>(F, F, Env&);         \
  template bool FPCompareGT<F>(F, F, Env&);         \
  template F FPMax<F>(F, F, Env&);                  \
  template F FPMin<F>(F, F, Env&);                  \
  template F FPMaxNum<F>(F, F, Env&);               \
  template F FPMinNum<F>(F, F, Env&);
INSTANTIATE(u16)
INSTANTIATE(u32)
INSTANTIATE(u64)
#undef INSTANTIATE

}  // namespace grus::fp
