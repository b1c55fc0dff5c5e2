// SPDX-License-Identifier: MIT
// M5, W7: all fault signals are sent in quick succession to a thread that faults for real, and to one whose code is rewritten while
// it runs (the engine's own traps are SIGTRAPs). Each real fault is seen once, and no sent signal is taken for one.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int stop;
static _Atomic long sent_ones, real_ones, strange;
static pid_t faulting, calling;
static char *page;
static int fd;

static void on_signal(int sig, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code <= 0) {
    sent_ones++;
    return;
  }
  real_ones++;
  if (gettid() != faulting) strange++;
  if (sig == SIGBUS)
    ftruncate(fd, 4096);
  else if (sig == SIGSEGV)
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
  else
    strange++;
}
static void *shoot(void *argument) {
  const int sig = (int)(intptr_t)argument;
  while (!stop) {
    syscall(SYS_tgkill, getpid(), faulting, sig);
    if (calling) syscall(SYS_tgkill, getpid(), calling, sig);
  }
  return 0;
}

static int (*volatile function)(void);
static volatile uint32_t *constant;
static void write_constant(int n) {
#ifdef __aarch64__
  constant[0] = 0x52800000u | (uint32_t)n << 5;  // mov w0, #n
#else
  constant[0] = (uint32_t)n;
#endif
  __builtin___clear_cache((char *)constant, (char *)constant + 8);
}
static void make_function(void) {
  char *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef __aarch64__
  constant = (uint32_t *)code;
  constant[1] = 0xd65f03c0;  // ret
  function = (int (*)(void))code;
#else
  code[3] = '\xb8';  // mov $n, %eax; the constant is aligned
  code[8] = '\xc3';
  constant = (uint32_t *)(code + 4);
  function = (int (*)(void))(code + 3);
#endif
  write_constant(1);
}
static void *call(void *argument) {
  (void)argument;
  calling = gettid();
  while (!stop) {
    const int n = function();
    if (n < 1 || n > 100) strange++;
  }
  return 0;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(void) {
  faulting = gettid();
  fd = memfd_create("shared", 0);
  ftruncate(fd, 4096);
  char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  make_function();
  const int sigs[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
  pthread_t threads[6];
  for (int i = 0; i < 5; i++) {
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(sigs[i], &a, 0);
  }
  pthread_create(&threads[5], 0, call, 0);
  for (int i = 0; i < 5; i++) pthread_create(&threads[i], 0, shoot, (void *)(intptr_t)sigs[i]);
  long loops = 0;
  const double end = now() + 2;
  while (now() < end) {
    ftruncate(fd, 0);
    *(volatile char *)shared = 1;
    mprotect(page, 4096, PROT_READ);
    *(volatile char *)page = 1;
    write_constant((int)(loops % 100) + 1);
    loops++;
  }
  stop = 1;
  for (int i = 0; i < 6; i++) pthread_join(threads[i], 0);
  printf("real faults: %s, some sent: %d, strange: %ld\n", real_ones == 2 * loops ? "each once" : "wrong", sent_ones > 0, strange);
  return real_ones != 2 * loops || strange;
}
