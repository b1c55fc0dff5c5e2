// SPDX-License-Identifier: MIT
// M13: the vDSO's clocks agree with the system calls, after fork and in threads too, and say no as the kernel does. Its HVC is
// UNDEFINED anywhere else.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long ns(struct timespec t) { return t.tv_sec * 1000000000ll + t.tv_nsec; }

// The vDSO's between two system calls.
static int clocks(void) {
  const int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
                     CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
  int wrong = 0;
  for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++)
    for (int k = 0; k < 1000; k++) {
      struct timespec before, between, after;
      syscall(SYS_clock_gettime, ids[i], &before);
      wrong |= clock_gettime(ids[i], &between);
      syscall(SYS_clock_gettime, ids[i], &after);
      if (between.tv_nsec < 0 || between.tv_nsec >= 1000000000 || ns(before) > ns(between) || ns(between) > ns(after)) wrong |= 2 << i;
    }
  for (int k = 0; k < 1000; k++) {
    struct timespec before, after;
    struct timeval between;
    clock_gettime(CLOCK_REALTIME, &before);
    wrong |= gettimeofday(&between, 0);
    clock_gettime(CLOCK_REALTIME, &after);
    const long long us = between.tv_sec * 1000000ll + between.tv_usec;
    if (between.tv_usec < 0 || between.tv_usec >= 1000000 || ns(before) / 1000 > us || us > ns(after) / 1000) wrong |= 1 << 20;
  }
  return wrong;
}
static void *in_thread(void *argument) {
  (void)argument;
  return (void *)(long)clocks();
}
static void on_illegal(int sig, siginfo_t *info, void *context) {
  (void)context;
  static const char text[] = "SIGILL ILL_ILLOPC\n";
  if (sig == SIGILL && info->si_code == ILL_ILLOPC) write(1, text, sizeof text - 1);
  _exit(0);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  printf("clocks: %#x\n", clocks());
  pthread_t thread;
  void *result;
  pthread_create(&thread, 0, in_thread, 0);
  pthread_join(thread, &result);
  printf("in a thread: %#lx\n", (long)result);
  int status;
  pid_t child = fork();
  if (!child) _exit(clocks() != 0);
  waitpid(child, &status, 0);
  printf("in a child: %d\n", status);
  struct timespec t;
  errno = 0;
  printf("no clock: %d", clock_gettime(77, &t));
  printf(" %d\n", errno);
  clockid_t other;
  printf("another's: %d %d\n", clock_getcpuclockid(getppid(), &other), clock_gettime(other, &t));
  struct timezone zone;
  struct timeval now;
  printf("zone: %d %d\n", gettimeofday(&now, &zone), clock_getres(CLOCK_MONOTONIC, &t));
  fflush(stdout);
  struct sigaction a = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &a, 0);
#ifdef __aarch64__
  __asm__ volatile("mov w0, #0\n hvc #1" ::: "x0", "x2", "x3");
  puts("executed");
#else
  puts("SIGILL ILL_ILLOPC");
#endif
  return 0;
}
