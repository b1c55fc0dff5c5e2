// SPDX-License-Identifier: MIT
// Without arguments: a function with known instructions, once. With "fault": then a store to address 8. Else: for ever.
#include <unistd.h>

// At an address that the test can ask for.
__attribute__((noinline, used)) static long known(long a) {
  __asm__ volatile("add %0, %0, #0x123\n\tcrc32x w1, w2, %0" : "+r"(a) : : "x1");
  return a;
}

int main(int argc, char** argv) {
  volatile long v = known(1);
  write(1, "up\n", 3);
  if (argc > 1 && argv[1][0] == 'f' && argv[1][1] == 'a') *(volatile int*)8 = 1;
  while (argc > 1) v = known(v);
  return v != 0x124;
}
