// SPDX-License-Identifier: MIT
// What compilers spend their time with: sorting through a comparison that is called by pointer, hashing, walking over strings,
// switches, and some floating point. The same code runs in the probe and natively in the tool, which compares the two times;
// the results must be equal.
#pragma once

typedef int (*speed_order)(unsigned, unsigned);
static int speed_by_value(unsigned a, unsigned b) { return a < b; }
static int speed_by_low_bits(unsigned a, unsigned b) { return (a & 0xffff) < (b & 0xffff); }
static const speed_order speed_orders[] = {speed_by_value, speed_by_low_bits};

static __attribute__((noinline)) void speed_sort(unsigned* v, unsigned n, speed_order less) {
  for (unsigned gap = n / 2; gap; gap /= 2)
    for (unsigned i = gap; i < n; i++) {
      unsigned x = v[i], j = i;
      for (; j >= gap && less(x, v[j - gap]); j -= gap) v[j] = v[j - gap];
      v[j] = x;
    }
}

static __attribute__((noinline)) unsigned speed_step(unsigned op, unsigned a, unsigned b) {
  switch (op & 7) {
    case 0: return a + b;
    case 1: return a ^ (b << 3);
    case 2: return a * 33 + b;
    case 3: return (a >> 5) | b;
    case 4: return a - (b & 0xff);
    case 5: return a < b ? a : b;
    case 6: return ~a + (b >> 1);
    default: return (a << 7) ^ (a >> 9) ^ b;
  }
}

static unsigned speed_work(unsigned rounds) {
  unsigned v[512], result = 0, seed = 12345;
  unsigned char text[2048];
  double d[64];
  for (unsigned r = 0; r < rounds; r++) {
    for (unsigned i = 0; i < 512; i++) v[i] = seed = seed * 1664525 + 1013904223;
    speed_sort(v, 512, speed_orders[r & 1]);
    for (unsigned i = 0; i < 2048; i++) text[i] = (unsigned char)(v[i & 511] >> 8 & 63);
    unsigned words = 0, hash = 5381;
    for (unsigned i = 0; i < 2048; i++) {
      if (text[i] < 8) words++, hash = 5381;
      hash = hash * 33 ^ text[i];
    }
    for (unsigned i = 0; i < 512; i++) result = speed_step(v[i], result, hash + i);
    for (unsigned i = 0; i < 64; i++) d[i] = (double)v[i] * 0.5 + 1;
    for (unsigned k = 1; k < 16; k++)
      for (unsigned i = k; i < 64; i++) d[i] = (d[i] + d[i - k]) * 0.75;
    result += words + (unsigned)(d[63] / 4096);
  }
  return result;
}
