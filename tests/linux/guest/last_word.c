// SPDX-License-Identifier: MIT
// Code that runs over the end of its mapping, and is rewritten afterwards: the end is where an emulator's tables end too.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf back;
static volatile uintptr_t where;

static void fault(int sig, siginfo_t* info, void* context) {
  (void)sig, (void)context;
  where = (uintptr_t)info->si_addr;
  siglongjmp(back, 1);
}

int main(void) {
#ifdef __aarch64__
  static const uint32_t nop = 0xd503201f;
#else
  static const uint32_t nop = 0x90909090;
#endif
  enum { kBlock = 1 << 20 };
  // Ends at a multiple of 1 MiB; nothing behind it.
  char* room = mmap(NULL, 4 * kBlock, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return 2;
  char* end = (char*)(((uintptr_t)room + 3 * kBlock) & ~(uintptr_t)(kBlock - 1));
  char* page = end - 4096;
  if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) return 2;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  for (volatile int round = 0; round < 3; round++) {
    memcpy(end - 4, &nop, 4);
    memcpy(end - 8, &nop, 4);
    __builtin___clear_cache(end - 64, end);
    if (!sigsetjmp(back, 1)) ((void (*)(void))(uintptr_t)(end - 8))();
    printf("round %d: %s\n", round, where == (uintptr_t)end ? "left at the end" : "left elsewhere");
  }
  return 0;
}
