// SPDX-License-Identifier: MIT
// Random floating-point operands that meet the boundaries: NaNs, infinities, denormals, powers of two and
// their neighbours, halves of the last place, integers, operands close to one another. Reproducible from the
// seed.
#pragma once
#include "guest/aarch64/registers.h"

namespace grus::test {

struct Random {
  u64 s;
  u64 next() {  // xorshift64*
    s ^= s >> 12, s ^= s << 25, s ^= s >> 27;
    return s * 0x2545F4914F6CDD1Dull;
  }
  unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) * n >> 32); }
  bool one_in(unsigned n) { return below(n) == 0; }
};

// `bits` is 16, 32 or 64.
u64 float_operand(Random& r, unsigned bits);
// One of a family: `related` is near a, or its exponent is.
u64 related_operand(Random& r, unsigned bits, u64 a);
// An addend that nearly or exactly cancels a * b, or lies within its precision.
u64 addend_for(Random& r, unsigned bits, u64 a, u64 b);

}  // namespace grus::test
