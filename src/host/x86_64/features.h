// SPDX-License-Identifier: MIT
// What the host CPU offers, as far as templates choose by it. Read once with CPUID and XGETBV; `GRUS_HOST` can only take
// away (tests run the whole instruction suite under every flavour; a famous emulator bug corrupted rustc's object files
// only on hosts without AVX).
#pragma once
#include "base/types.h"

namespace grus::x64 {

enum class Flavour : u8 { Sse42, Avx2, Avx512 };

struct Features {
  Flavour flavour;
  bool avx, avx2, bmi2, fma, f16c, lzcnt, avx512vl;  // lzcnt: ABM; avx512vl: and F, CD, DQ, BW
  bool aes, pclmul, sha, movbe;
};

// Minimum: SSE4.2, POPCNT, CMPXCHG16B (x86-64-v2). false: this host is below it.
bool detect_features(Features* out);
// Restricts `f` to a flavour that it has; larger ones leave it as it is.
void restrict_features(Features* f, Flavour flavour);

// Where xmm16-31 (64 bytes each) are in an XSAVE image: Intel and AMD put them in different places.
u32 high_vectors_offset();

// As a number for the next engine, which then need not ask the CPU; never 0.
u32 pack_features(const Features& f);
Features unpack_features(u32 packed);

extern Features g_features;

}  // namespace grus::x64
