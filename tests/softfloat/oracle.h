// SPDX-License-Identifier: MIT
// What qemu_oracle.cpp (x86-64) and oracle.c (AArch64) say to each other: both are little endian and share
// the layout.
#ifndef GRUS_TESTS_SOFTFLOAT_ORACLE_H
#define GRUS_TESTS_SOFTFLOAT_ORACLE_H
#include <stdint.h>

// A batch: one instruction and the states it starts from. Its registers are Rd = 0, Rn = 1, Rm = 2 or 18, Ra
// = 3.
struct OracleBatch {
  uint32_t word, count;
};
struct OracleIn {
  uint32_t fpcr, nzcv;
  uint64_t x1;
  uint64_t v[4][2];  // V0 to V3; V18 equals V2
};
struct OracleOut {
  uint32_t fpsr, nzcv;
  uint64_t x0;
  uint64_t v0[2];
};
#endif
