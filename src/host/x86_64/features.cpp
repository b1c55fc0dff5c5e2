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

// In a virtual machine each CPUID is an exit to its monitor, some 4 us: two are enough.
bool detect_features(Features* out) {
  Features f{};
  Cpuid one = cpuid(1);
  // SSE4.2, POPCNT, CMPXCHG16B. No CPU with SSE4.2 lacks LAHF in 64-bit mode.
  if (!bit(one.c, 20) || !bit(one.c, 23) || !bit(one.c, 13)) return false;
  f.aes = bit(one.c, 25);
  f.pclmul = bit(one.c, 1);
  f.movbe = bit(one.c, 22);
  u32 xcr0 = 0;
  if (bit(one.c, 27)) {
    u32 hi;
    asm volatile("xgetbv" : "=a"(xcr0), "=d"(hi) : "c"(0));
  }
  bool ymm = (xcr0 & 6) == 6, zmm = (xcr0 & 0xe6) == 0xe6;
  // What leaf 7 has is of use only with AVX, and whoever has XSAVE has leaf 0xD (SDM volume 1, 13.2).
  Cpuid seven = ymm ? cpuid(7) : Cpuid{};
  f.sha = bit(seven.b, 29);
  f.avx = ymm && bit(one.c, 28);
  f.avx2 = f.avx && bit(seven.b, 5);
  f.fma = f.avx && bit(one.c, 12);
  f.f16c = f.avx && bit(one.c, 29);
  f.bmi2 = bit(seven.b, 8) && bit(seven.b, 3);
  // LZCNT is in leaf 0x80000001; a CPU without it executes BSR.
  u64 zeros;
  asm("lzcnt %1, %0" : "=r"(zeros) : "r"(u64{1}) : "cc");
  f.lzcnt = zeros == 63;
  f.avx512vl = f.avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 28) && bit(seven.b, 30) && bit(seven.b, 31);
  f.flavour = f.avx512vl                                     ? Flavour::Avx512
              : f.avx2 && f.fma && f.f16c && f.bmi2 && f.lzcnt ? Flavour::Avx2
                                                             : Flavour::Sse42;
  restrict_features(&f, f.flavour);
  *out = f;
  return true;
}

// Only those need it who are interrupted: not asked for at start.
u32 high_vectors_offset() {
  static u32 offset;
  if (!offset) offset = cpuid(0xd, 7).b;
  return offset;
}

u32 pack_features(const Features& f) {
  const bool bits[] = {f.avx, f.avx2, f.bmi2, f.fma, f.f16c, f.lzcnt, f.avx512vl, f.aes, f.pclmul, f.sha, f.movbe};
  u32 packed = 1 | static_cast<u32>(f.flavour) << 1;
  for (unsigned i = 0; i < sizeof bits; i++) packed |= u32{bits[i]} << (3 + i);
  return packed;
}

Features unpack_features(u32 packed) {
  Features f{};
  f.flavour = static_cast<Flavour>(packed >> 1 & 3);
  bool* const bits[] = {&f.avx, &f.avx2, &f.bmi2, &f.fma, &f.f16c, &f.lzcnt, &f.avx512vl, &f.aes, &f.pclmul, &f.sha, &f.movbe};
  for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) *bits[i] = bit(packed, 3 + i);
  return f;
}

void restrict_features(Features* f, Flavour flavour) {
  if (flavour > f->flavour) return;
  f->flavour = flavour;
  if (flavour < Flavour::Avx512) f->avx512vl = false;
  if (flavour < Flavour::Avx2) f->avx = f->avx2 = f->bmi2 = f->fma = f->f16c = f->lzcnt = f->sha = false;
}

}  // namespace grus::x64
