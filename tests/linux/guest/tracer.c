// SPDX-License-Identifier: MIT
// What LeakSanitizer does at a program's end: a process that shares the memory attaches to every thread, finds its stack
// pointer and what only a register holds, and lets it go.
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 5 };
#define MARK 0x1234567800000000ul

static volatile pid_t tids[kThreads];
static char* volatile stacks[kThreads];
static volatile unsigned long beats[kThreads];
static volatile int found_stack[kThreads], found_mark[kThreads], errors;

static void enter(long n) {
  stacks[n] = __builtin_frame_address(0);
  tids[n] = syscall(SYS_gettid);
}
static void* computing(void* p) {
  long n = (long)p;
  enter(n);
#ifdef __aarch64__
  register unsigned long mark asm("x20") = MARK + n, count asm("x5") = 0;
#else
  register unsigned long mark asm("r12") = MARK + n, count asm("r8") = 0;
#endif
  for (;;) {
    asm volatile("" : "+r"(mark), "+r"(count));
    beats[n] = ++count;
  }
  return 0;
}
static void* sleeping(void* p) {
  enter((long)p);
  for (;;) {
    usleep(1000);
    beats[(long)p]++;
  }
  return 0;
}
static void* calling(void* p) {
  enter((long)p);
  for (;;) beats[(long)p] += getppid() > 0;
  return 0;
}
static void* allocating(void* p) {
  enter((long)p);
  for (;;) {
    free(malloc(100 + beats[(long)p]++ % 500));
  }
  return 0;
}

static int tracer(void* p) {
  (void)p;
  for (int n = 0; n < kThreads; n++) {
    int status = 0;
    if (ptrace(PTRACE_ATTACH, tids[n], 0, 0)) errors |= 1;
    if (syscall(SYS_wait4, tids[n], &status, __WALL, 0) != tids[n] || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) errors |= 2;
  }
  unsigned long before[kThreads];
  for (int n = 0; n < kThreads; n++) before[n] = beats[n];
  for (int n = 0; n < kThreads; n++) {
    unsigned long regs[sizeof(struct user_regs_struct) / 8] = {0};
    struct iovec v = {regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, tids[n], (void*)NT_PRSTATUS, &v) || v.iov_len != sizeof regs) errors |= 4;
    struct user_regs_struct* r = (struct user_regs_struct*)regs;
#ifdef __aarch64__
    char* sp = (char*)r->sp;
#else
    char* sp = (char*)r->rsp;
#endif
    found_stack[n] += labs(stacks[n] - sp) < 65536;
    for (unsigned i = 0; i < sizeof regs / 8; i++) found_mark[n] += regs[i] == MARK + n;
  }
  for (int n = 0; n < kThreads; n++)
    if (before[n] != beats[n]) errors |= 8;
  for (int n = 0; n < kThreads; n++)
    if (ptrace(PTRACE_DETACH, tids[n], 0, 0)) errors |= 16;
  return 0;
}

int main(void) {
  void* (*const work[kThreads - 1])(void*) = {computing, sleeping, calling, allocating};
  enter(0);
  for (long n = 1; n < kThreads; n++) {
    pthread_t t;
    pthread_create(&t, 0, work[n - 1], (void*)n);
  }
  for (int n = 1; n < kThreads; n++)
    while (beats[n] < 3) usleep(100);
  static char stack[65536];
  for (int round = 0; round < 20; round++) {
    pid_t pid = clone(tracer, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED, 0);
    prctl(PR_SET_PTRACER, pid, 0, 0, 0);
    int status = -1;
    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {
    }
    if (status) errors |= 32;
    for (int n = 1; n < kThreads; n++)
      for (unsigned long now = beats[n]; beats[n] == now;) usleep(100);
  }
  printf("errors %d, stacks %d %d %d %d %d, marks %d\n", errors, found_stack[0], found_stack[1], found_stack[2], found_stack[3],
         found_stack[4], found_mark[1]);
  return 0;
}
