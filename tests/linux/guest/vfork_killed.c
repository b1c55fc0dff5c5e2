// SPDX-License-Identifier: MIT
// vfork children that are killed at any moment, in particular while the engine works for them: the parent must go on.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// Code that nobody has executed yet keeps a translator busy, with its locks held.
#define F(n) __attribute__((noinline)) static int f##n(int x) { for (int i = 0; i < (x & 3) + 1; i++) x = x * (2 * n + 3) ^ (x >> (n % 13 + 1)); return x; }
#define F10(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
F10(1) F10(2) F10(3) F10(4) F10(5) F10(6) F10(7) F10(8) F10(9)
#define N(n) f##n,
#define N10(n) N(n##0) N(n##1) N(n##2) N(n##3) N(n##4) N(n##5) N(n##6) N(n##7) N(n##8) N(n##9)
static int (*const all[])(int) = {N10(1) N10(2) N10(3) N10(4) N10(5) N10(6) N10(7) N10(8) N10(9)};

static volatile int sink;

int main(void) {
  int killed = 0;
  // Somebody outside kills whatever pid is written here, after a while that grows.
  volatile pid_t *target = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t killer = fork();
  if (!killer) {
    for (unsigned n = 0;; n++) {
      while (!*target) {}
      pid_t p = *target;
      for (volatile unsigned i = 0; i < n * 37 % 20000; i++) {}
      kill(p, SIGKILL);
      *target = 0;
    }
  }
  for (int i = 0; i < 300; i++) {
    pid_t c = vfork();
    if (!c) {
      *target = getpid();
      for (unsigned n = 0;; n++) {
        sink = all[n % (sizeof all / sizeof all[0])](sink + (int)n);
        // New code again: mappings of engine memory and of the guest's come and go.
        if (n % 8 == 0) munmap(mmap(0, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536);
      }
    }
    int st;
    if (waitpid(c, &st, 0) == c && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL) killed++;
    while (*target) usleep(100);
    sink = all[i % (sizeof all / sizeof all[0])](i);
  }
  kill(killer, SIGKILL);
  waitpid(killer, 0, 0);
  printf("%d killed\n", killed);
  return 0;
}
