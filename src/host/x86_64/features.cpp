// SPDX-License-Identifier: MIT
#include "host/x86_64/features.h"

namespace grus::x64 {

Features g_features;

namespace {
struct Cpuid {
  u32 a, b, c, d;
};
Cpuid cpuid(u32 leaf, u32 sub = 0) {
  Cpuid r;
  asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
  return r;
}
bool bit(u32 v, unsigned n) { return v >> n & 1; }
}  // namespace

bool detect_features(Features* out) {
  Features f{};
  u32 max = cpuid(0).a;
  Cpuid one = cpuid(1);
  Cpuid ext = cpuid(0x80000001);
  // SSE4.2, POPCNT, CMPXCHG16B; LAHF/SAHF in 64-bit mode.
  if (!bit(one.c, 20) || !bit(one.c, 23) || !bit(one.c, 13) || !bit(ext.c, 0)) return false;
  f.aes = bit(one.c, 25);
  f.pclmul = bit(one.c, 1);
  f.movbe = bit(one.c, 22);
  f.lzcnt = bit(ext.c, 5);
  u32 xcr0 = 0;
  if (bit(one.c, 27)) {
    u32 hi;
    asm volatile("xgetbv" : "=a"(xcr0), "=d"(hi) : "c"(0));
  }
  bool ymm = (xcr0 & 6) == 6, zmm = (xcr0 & 0xe6) == 0xe6;
  Cpuid seven = max >= 7 ? cpuid(7) : Cpuid{};
  f.sha = bit(seven.b, 29);
  f.avx = ymm && bit(one.c, 28);
  f.avx2 = f.avx && bit(seven.b, 5);
  f.fma = f.avx && bit(one.c, 12);
  f.f16c = f.avx && bit(one.c, 29);
  f.bmi2 = bit(seven.b, 8) && bit(seven.b, 3);
  f.avx512vl = f.avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
  f.flavour = f.avx512vl                                     ? Flavour::Avx512
              : f.avx2 && f.fma && f.f16c && f.bmi2 && f.lzcnt ? Flavour::Avx2
                                                             : Flavour::Sse42;
  restrict_features(&f, f.flavour);
  *out = f;
  return true;
}

void restrict_features(Features* f, Flavour flavour) {
  if (flavour > f->flavour) return;
  f->flavour = flavour;
  if (flavour < Flavour::Avx512) f->avx512vl = false;
  if (flavour < Flavour::Avx2) f->avx = f->avx2 = f->bmi2 = f->fma = f->f16c = f->lzcnt = f->sha = false;
}

}  // namespace grus::x64
