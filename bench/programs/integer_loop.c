// SPDX-License-Identifier: MIT
// Integer arithmetic with data-dependent branches: Collatz lengths and a xorshift.
#include <stdint.h>
#include <stdio.h>

int main(void) {
  uint64_t x = 88172645463325252, sum = 0;
  unsigned longest = 0;
  for (unsigned i = 1; i < 2600000; i++) {
    unsigned length = 0;
    for (uint64_t n = i; n != 1; length++) n = n & 1 ? 3 * n + 1 : n >> 1;
    if (length > longest) longest = length;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    sum += x % 1000 + length;
  }
  printf("%u %llu\n", longest, (unsigned long long)sum);
  return 0;
}
