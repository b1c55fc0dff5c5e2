/* SPDX-License-Identifier: MIT
 * What the host asks the AArch64 program to execute, and what it answers. Plain C, the same layout on both sides.
 *
 * One record is one instruction on one state. Memory is at the same fixed addresses in both programs and has the same
 * pseudo-random content; each record names a window of it, which comes back as the instruction left it.
 */
#pragma once
#include <stdint.h>

enum {
  kDataBase = 0x10000000,
  kDataSize = 256 << 10, /* followed by a page without access */
  kCodeBase = 0x14000000,
  kCodeSize = 4 << 20, /* all readable: literal loads reach 1 MiB to both sides */
  kCodeAt = kCodeBase + kCodeSize / 2,
  kWindow = 256,
};

struct Record {
  uint64_t x[31], sp, pc;
  uint64_t v[64];
  uint32_t nzcv, fpcr, fpsr;
  uint32_t prefix; /* an instruction to run before: a load exclusive, or 0 */
  uint32_t word;
  uint32_t sig, code; /* 0: completed */
  uint32_t unused;
  uint64_t address; /* si_addr */
  uint64_t window;
  uint8_t memory[kWindow];
};

static inline uint64_t next_random(uint64_t* s) {
  *s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
  return *s * 0x2545F4914F6CDD1Dull;
}

static inline void fill(void* memory, uint64_t size, uint64_t seed) {
  for (uint64_t n = 0; n < size / 8; n++) ((uint64_t*)memory)[n] = next_random(&seed);
}
