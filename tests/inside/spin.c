// SPDX-License-Identifier: MIT
// Without arguments: a function with known instructions, once. With "fault": then a store to address 8, two calls deep; with
// "jump": a call of address 0x123450; with "abort": abort() with standard error closed. Else: for ever.
#include <stdlib.h>
#include <unistd.h>

// At an address that the test can ask for.
__attribute__((noinline, used)) static long known(long a) {
  __asm__ volatile("add %0, %0, #0x123\n\tcrc32x w1, w2, %0" : "+r"(a) : : "x1");
  return a;
}

__attribute__((noinline)) static int store(volatile int* p) { return *p = 1; }
__attribute__((noinline)) static int caller(volatile int* p) { return store(p) + 1; }

int main(int argc, char** argv) {
  volatile long v = known(1);
  write(1, "up\n", 3);
  if (argc > 1 && argv[1][0] == 'f' && argv[1][1] == 'a') return caller((volatile int*)8) + 1;
  if (argc > 1 && argv[1][0] == 'j') return ((int (*)(void))0x123450)() + 1;
  if (argc > 1 && argv[1][0] == 'a') {
    close(2);
    abort();
  }
  while (argc > 1) v = known(v);
  return v != 0x124;
}
