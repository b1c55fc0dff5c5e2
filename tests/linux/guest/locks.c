// SPDX-License-Identifier: MIT
// mlockall and munlockall: what is resident and locked after each, limits and errors. tests/cache runs this with a cache.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "print.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

static long locked_kib(void) {
  FILE* f = fopen("/proc/self/status", "r");
  char line[256];
  long kib = -1;
  while (fgets(line, sizeof line, f)) sscanf(line, "VmLck: %ld", &kib);
  fclose(f);
  return kib;
}
static int resident(void* p) {
  unsigned char vec = 0;
  return mincore(p, 4096, &vec) ? -1 : vec & 1;
}
static void* room(void) { return mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

int main(void) {
  char* before = room();
  SHOW(resident(before));
  TRY(mlockall(MCL_CURRENT));
  SHOW(resident(before));
  SHOW(locked_kib() >= 1024 && locked_kib() < 16 << 10);  // not the engine's terabytes
  char* later = room();
  SHOW(resident(later));
  SHOW(munlockall());
  SHOW(locked_kib());
  TRY(mlockall(MCL_FUTURE));
  SHOW(locked_kib());
  char* future = room();
  SHOW(resident(future));
  SHOW(locked_kib());
  SHOW(munmap(future, 1 << 20));
  SHOW(locked_kib());
  TRY(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
  char* onfault = room();
  SHOW(resident(onfault));
  SHOW(munlockall());
  SHOW(resident(room()));
  SHOW(locked_kib());
  TRY(mlockall(0));
  TRY(mlockall(MCL_ONFAULT));
  TRY(mlockall(64));
  fflush(stdout);
  if (fork() == 0) {
    struct rlimit small = {64 << 10, 64 << 10};
    TRY(mlockall(MCL_FUTURE));
    setrlimit(RLIMIT_MEMLOCK, &small);
    if (setresuid(65534, 65534, 65534)) printf("no other user\n");
    SHOW(munlockall());
    TRY(mlockall(MCL_CURRENT));
    TRY(mlockall(MCL_FUTURE));
    void* p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW(p == MAP_FAILED ? errno : 0);
    small.rlim_cur = 0;
    setrlimit(RLIMIT_MEMLOCK, &small);
    TRY(mlockall(MCL_CURRENT));
    fflush(stdout);
    _exit(0);
  }
  int status;
  wait(&status);
  SHOW(status);
  return 0;
}
