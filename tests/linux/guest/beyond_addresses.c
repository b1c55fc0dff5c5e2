// SPDX-License-Identifier: MIT
// Accesses of all kinds to addresses that no user has: SIGSEGV each, never SIGBUS, whatever register the engine has the address in.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf back;
static void on_signal(int sig, siginfo_t* info, void* context) { siglongjmp(back, sig); }

int main(void) {
  struct sigaction act;
  memset(&act, 0, sizeof act);
  act.sa_sigaction = on_signal;
  act.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &act, NULL);
  sigaction(SIGBUS, &act, NULL);
  // Bits 63 to 56 are a tag on AArch64 alone: what is below them is out of reach on both.
  static const unsigned long kAddresses[] = {0xdead000000000000, 0x00ad000000000000, 0x0001000000000000, 0xffff000000000000,
                                             0x0000900000000000, 0x5600800000000000};
  int faults = 0;
  for (unsigned i = 0; i < sizeof kAddresses / sizeof kAddresses[0]; i++)
    for (volatile int kind = 0; kind < 8; kind++) {
      volatile unsigned long address = kAddresses[i];
      int sig = sigsetjmp(back, 1);
      if (!sig) switch (kind) {
          case 0: (void)*(volatile char*)address; break;
          case 1: (void)*(volatile int*)address; break;
          case 2: (void)*(volatile double*)address; break;
          case 3: *(volatile char*)address = 1; break;
          case 4: *(volatile long*)address = 1; break;
          case 5: *(volatile double*)address = 1; break;
          case 6: __atomic_fetch_add((int*)address, 1, __ATOMIC_SEQ_CST); break;
          case 7: memset((void*)address, 1, 100); break;
        }
      if (sig != SIGSEGV) printf("%lx kind %d: signal %d\n", kAddresses[i], kind, sig);
      faults += sig == SIGSEGV;
    }
  printf("%d\n", faults);
  return faults != 48;
}
