// SPDX-License-Identifier: MIT
// See operands.h.
#include "operands.h"

namespace grus::test {
namespace {

struct Layout {
  unsigned bits, frac;
  u64 exp_max, frac_mask, bias;
  explicit Layout(unsigned b)
      : bits(b),
        frac(b == 16   ? 10
             : b == 32 ? 23
                       : 52),
        exp_max((1ull << (b - 1 - frac)) - 1),
        frac_mask((1ull << frac) - 1),
        bias(exp_max >> 1) {}
  u64 make(u64 sign, i64 exp, u64 f) const {
    if (exp < 0) exp = 0;
    if (static_cast<u64>(exp) > exp_max) exp = static_cast<i64>(exp_max);
    return (sign & 1) << (bits - 1) | static_cast<u64>(exp) << frac | (f & frac_mask);
  }
};

// Few bits set, at either end; or anything.
u64 fraction(Random& r, const Layout& l) {
  switch (r.below(6)) {
    case 0:
      return 0;
    case 1:
      return l.frac_mask;
    case 2:
      return 1ull << r.below(l.frac);
    case 3:
      return l.frac_mask & ~(1ull << r.below(l.frac));
    case 4:
      return l.frac_mask & ~(l.frac_mask >> r.below(l.frac + 1));
    default:
      return r.next() & l.frac_mask;
  }
}

}  // namespace

u64 float_operand(Random& r, unsigned bits) {
  Layout l(bits);
  u64 sign = r.next() >> 63;
  i64 bias = static_cast<i64>(l.bias);
  switch (r.below(12)) {
    case 0:
      return l.make(sign, 0, 0);
    case 1:
      return l.make(sign, 0, fraction(r, l));  // denormal
    case 2:
      return l.make(sign, static_cast<i64>(l.exp_max),
                    r.one_in(2) ? 0 : r.next() >> r.below(64));  // inf, NaN
    case 3:
      return l.make(sign, 1 + r.below(3), fraction(r, l));  // smallest normals
    case 4:
      return l.make(sign, static_cast<i64>(l.exp_max) - 1 - r.below(3), fraction(r, l));
    case 5:
      return l.make(sign, bias + r.below(5) - 2, fraction(r, l));  // around one
    case 6:
      return l.make(sign, bias + r.below(70) - 3, fraction(r, l));  // around the integers
    case 7:
      return l.make(sign, bias + r.below(l.frac + 2), l.frac_mask & ~(l.frac_mask >> r.below(l.frac + 1)));
    case 8:
      return l.make(sign, bias / 2 + r.below(7) - 3, fraction(r, l));  // products near the underflow
    case 9:
      return l.make(sign, bias + bias / 2 + r.below(7) - 3, fraction(r, l));  // and near the overflow
    case 10:
      return l.make(sign, static_cast<i64>(r.below(static_cast<unsigned>(l.exp_max))), fraction(r, l));
    default:
      return r.next() & (bits == 64 ? ~0ull : (1ull << bits) - 1);
  }
}

u64 related_operand(Random& r, unsigned bits, u64 a) {
  Layout l(bits);
  i64 exp = static_cast<i64>(a >> l.frac & l.exp_max);
  switch (r.below(8)) {
    case 0:
      return a;
    case 1:
      return a ^ 1ull << (bits - 1);
    case 2:
      return a ^ 1ull << r.below(bits);
    case 3:
      return l.make(r.next(), exp + r.below(3) - 1, fraction(r, l));
    case 4:
      return l.make(r.next(), exp + r.below(2 * l.frac + 6) - l.frac - 3, fraction(r, l));
    default:
      return float_operand(r, bits);
  }
}

u64 addend_for(Random& r, unsigned bits, u64 a, u64 b) {
  Layout l(bits);
  i64 exp = static_cast<i64>(a >> l.frac & l.exp_max) + static_cast<i64>(b >> l.frac & l.exp_max) -
            static_cast<i64>(l.bias);
  switch (r.below(5)) {
    case 0:
      return l.make(r.next(), exp + r.below(4) - 1, fraction(r, l));
    case 1:
      return l.make(r.next(), exp + r.below(4 * l.frac) - 2 * l.frac, fraction(r, l));
    case 2: {
      // The leading bits of the product, with the other sign.
      unsigned __int128 p = static_cast<unsigned __int128>((a & l.frac_mask) | 1ull << l.frac) *
                            ((b & l.frac_mask) | 1ull << l.frac);
      unsigned shift = l.frac;
      if (p >> (2 * l.frac + 1)) shift++, exp++;
      return l.make(~(a ^ b) >> (bits - 1), exp, static_cast<u64>(p >> shift));
    }
    default:
      return float_operand(r, bits);
  }
}

}  // namespace grus::test
