// SPDX-License-Identifier: MIT
// W3: conditional branches to themselves that are not taken, which tests/whole runs under --lockstep too. AArch64 only; says "40"
// elsewhere.
#include <stdio.h>

int main(void) {
  unsigned long n = 0;
  for (int k = 0; k < 10; k++) {
#ifdef __aarch64__
    __asm__ volatile(
        "cmp xzr, xzr\n1: b.ne 1b\n add %0, %0, #1\n2: cbnz xzr, 2b\n add %0, %0, #1\n"
        "3: tbnz xzr, #3, 3b\n add %0, %0, #1\n mov x9, #0\n4: cbnz x9, 4b\n add %0, %0, #1"
        : "+r"(n)::"x9", "cc");
#else
    n += 4;
#endif
  }
  printf("%lu\n", n);
}
