// SPDX-License-Identifier: MIT
// Without arguments: a function with known instructions, once. With one: for ever.
#include <unistd.h>

// At an address that the test can ask for.
__attribute__((noinline, used)) static long known(long a) {
  __asm__ volatile("add %0, %0, #0x123\n\tcrc32x w1, w2, %0" : "+r"(a) : : "x1");
  return a;
}

int main(int argc, char** argv) {
  (void)argv;
  volatile long v = known(1);
  write(1, "up\n", 3);
  while (argc > 1) v = known(v);
  return v != 0x124;
}
