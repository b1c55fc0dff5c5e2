// SPDX-License-Identifier: MIT
// Calls of and returns to addresses that are nowhere, among them those with which the engine marks unused places: 0, 8
// in the lookup table, ~0 on the return-prediction stack.
#include <setjmp.h>
#include <signal.h>

#include "print.h"

static sigjmp_buf out;
static void on_fault(int sig) { siglongjmp(out, sig); }

static void return_to(unsigned long address) {
#if defined(__aarch64__)
  asm volatile("mov x30, %0\n ret" : : "r"(address) : "x30");
#else
  asm volatile("push %0\n ret" : : "r"(address));
#endif
  __builtin_unreachable();
}

int main(void) {
  const unsigned long addresses[] = {0, 1, 2, 3, 4, 7, 8, 12, 0x4000, 0x4008, ~0ul, ~0ul - 1, ~0ul - 3};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL};
  for (int i = 0; i < 3; i++) signal(signals[i], on_fault);
  for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    // Twice: the second time the engine knows what it met.
    for (volatile int n = 0; n < 2; n++) {
      if (sigsetjmp(out, 1) == 0) ((void (*)(void))addresses[i])();
      if (sigsetjmp(out, 1) == 0) return_to(addresses[i]);
    }
    printf("%lx caught\n", addresses[i]);
  }
  return 0;
}
