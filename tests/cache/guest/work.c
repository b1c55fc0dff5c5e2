// SPDX-License-Identifier: MIT
// 256 functions that are all different. `work A B` runs those from A up to B, `work fork N` lets N children at once run
// different ones and prints what each came to, `work wait A B` reads a byte from its input before it begins, `work exec N A B` executes itself N
// times before it works.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define F(n)                                                                 \
  static __attribute__((noinline)) uint32_t f##n(uint32_t x) {               \
    for (unsigned i = 0; i < 5; i++) {                                       \
      x = x * (2 * n + 1664525u) + (n ^ 1013904223u);                        \
      if (x & (1u << n % 31)) x ^= x >> (n % 13 + 1);                        \
      else x += (x << (n % 7 + 1)) | n;                                      \
      asm volatile("" : "+r"(x));                                            \
    }                                                                        \
    return x ^ n;                                                            \
  }
#define F4(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
#define F8(n) F4(n##0) F4(n##1) F4(n##2) F4(n##3) F4(n##4) F4(n##5) F4(n##6) F4(n##7)
F8(01) F8(02) F8(03) F8(04)
#define P(n) f##n,
#define P4(n) P(n##0) P(n##1) P(n##2) P(n##3) P(n##4) P(n##5) P(n##6) P(n##7)
#define P8(n) P4(n##0) P4(n##1) P4(n##2) P4(n##3) P4(n##4) P4(n##5) P4(n##6) P4(n##7)
static uint32_t (*const all[])(uint32_t) = {P8(01) P8(02) P8(03) P8(04)};
enum { kAll = sizeof all / sizeof all[0] };

// The test rewrites this constant: another program of the same size.
static __attribute__((noinline)) uint32_t version(void) {
  uint32_t v;
  asm volatile("movz %w0, #0x1234" : "=r"(v));
  return v;
}

static uint32_t run(unsigned from, unsigned to) {
  uint32_t x = 1;
  for (unsigned i = from; i < to; i++) x = all[i % kAll](x);
  return x;
}

int main(int argc, char** argv) {
  if (argc == 5 && !strcmp(argv[1], "exec")) {
    int n = atoi(argv[2]);
    if (n > 0) {
      char left[16];
      snprintf(left, sizeof left, "%d", n - 1);
      execl("/proc/self/exe", "work", "exec", left, argv[3], argv[4], (char*)0);
      return 98;
    }
    argv += 2;
    argc = 3;
  }
  if (argc == 4 && !strcmp(argv[1], "wait")) {
    char c;
    printf("%x\n", run(0, 1));
    fflush(stdout);
    if (read(0, &c, 1) < 0) return 2;
    argv++;
    argc--;
  }
  if (argc == 3 && !strcmp(argv[1], "fork")) {
    int n = atoi(argv[2]), pipes[2], go[2];
    uint32_t results[256] = {0}, pair[2];
    if (n > 256 || pipe(pipes) || pipe(go)) return 2;
    for (int i = 0; i < n; i++) {
      if (fork()) continue;
      char c;
      close(go[1]);
      if (read(go[0], &c, 1) != 0) _exit(3);  // everybody starts when the parent closes its end
      pair[0] = i;
      pair[1] = run(i * 7, i * 7 + 40);
      if (write(pipes[1], pair, 8) != 8) _exit(3);
      _exit(0);
    }
    close(go[1]);
    for (int i = 0; i < n; i++) {
      if (read(pipes[0], pair, 8) != 8) return 4;
      results[pair[0]] = pair[1];
    }
    uint32_t x = 0;
    for (int i = 0; i < n; i++) x = x * 31 + results[i];
    int status, bad = 0;
    while (wait(&status) > 0) bad += status != 0;
    printf("%x %d %x\n", x, bad, version());
    return 0;
  }
  if (argc != 3) return 2;
  printf("%x %x\n", run(atoi(argv[1]), atoi(argv[2])), version());
  return 0;
}
