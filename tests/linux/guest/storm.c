// SPDX-License-Identifier: MIT
// Every kind of code under a storm of signals: each result must be that of an undisturbed run. Signals arrive between any two
// instructions: in loads and stores with writeback, pairs, vector structures, exclusives, calls, returns, system calls.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#pragma GCC optimize("O3")

static volatile long count;
static volatile double disturb = 1.5;
static uint8_t scratch[256];

// Uses registers of every kind itself.
static void on_tick(int sig, siginfo_t *si, void *uc) {
  (void)sig, (void)si, (void)uc;
  double d = disturb;
  for (int i = 0; i < 8; i++) d = d * 1.25 + scratch[i];
  disturb = d > 1e9 ? 1.5 : d;
  for (int i = 0; i < 256; i++) scratch[i] = (uint8_t)(scratch[i] * 3 + i);
  count++;
}

static uint64_t hash(const void *p, size_t n) {
  const uint8_t *b = p;
  uint64_t h = 14695981039346656037ull;
  for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 1099511628211ull;
  return h;
}

static uint64_t integers(void) {
  uint64_t a[64], x = 1;
  for (int i = 0; i < 64; i++) a[i] = x = x * 6364136223846793005ull + 1;
  for (int r = 0; r < 400; r++)
    for (int i = 0; i < 63; i++) {
      a[i] = (a[i] << 13 | a[i] >> 51) + a[i + 1] / ((a[i] & 255) + 1);
      if ((int64_t)a[i] < 0) a[i + 1] ^= a[i] % 1000003;
      a[i] += (uint64_t)__builtin_clzll(a[i] | 1) + (uint64_t)__builtin_popcountll(a[i + 1]);
    }
  return hash(a, sizeof a);
}

static uint64_t vectors(void) {
  static float a[512], b[512];
  static int16_t s[512];
  static uint8_t rgb[512 * 3], out[512 * 3];
  for (int i = 0; i < 512; i++) a[i] = (float)i * 0.5f, b[i] = (float)(512 - i), s[i] = (int16_t)(i * 77);
  for (int i = 0; i < 512 * 3; i++) rgb[i] = (uint8_t)(i * 7);
  for (int r = 0; r < 30; r++) {
    for (int i = 0; i < 512; i++) a[i] = a[i] * 0.99f + b[i] * 0.01f;
    for (int i = 0; i < 512; i++) s[i] = (int16_t)((s[i] >> 1) + (s[i] > 1000 ? -3 : 5));
    for (int i = 0; i < 512; i++) {  // structure loads and stores
      out[i * 3] = (uint8_t)(rgb[i * 3 + 2] + r), out[i * 3 + 1] = rgb[i * 3], out[i * 3 + 2] = (uint8_t)(rgb[i * 3 + 1] ^ r);
    }
    memcpy(rgb, out, sizeof rgb);
  }
  return hash(a, sizeof a) ^ hash(s, sizeof s) ^ hash(rgb, sizeof rgb);
}

static int compare(const void *x, const void *y) {
  int a = *(const int *)x, b = *(const int *)y;
  return (a > b) - (a < b);
}
static uint64_t calls(void) {
  int v[600];
  for (int i = 0; i < 600; i++) v[i] = (i * 7919) % 1009;
  qsort(v, 600, sizeof v[0], compare);
  uint64_t h = hash(v, sizeof v);
  char text[64];
  for (int i = 0; i < 60; i++) {
    snprintf(text, sizeof text, "%d %.9g %s %lx", i, sqrt(i) * 1.1, "text", h);
    h ^= hash(text, strlen(text)) + (uint64_t)(strtod(text + 3, 0) * 1000);
    char *p = malloc((size_t)i * 40 + 1);
    memset(p, i, (size_t)i * 40 + 1);
    h += (uint8_t)p[i];
    free(p);
  }
  return h;
}

static __attribute__((noinline)) uint64_t deep(int n, jmp_buf *out) {
  if (n == 0) {
    if (out) longjmp(*out, 7);
    return 3;
  }
  return deep(n - 1, out) * 5 + (uint64_t)n;
}
static uint64_t returns(void) {
  volatile uint64_t h = 0;
  jmp_buf b;
  for (volatile int i = 1; i < 200; i++) {
    h = h * 31 + deep(i % 50, 0);
    if (setjmp(b) == 0) deep(i % 70, &b);
    h = h + 1;
  }
  return h;
}

static uint64_t shared_counter, shared_pair[2];
static uint64_t atomics(void) {
  shared_counter = shared_pair[0] = 0;
  for (int i = 0; i < 6000; i++) {
    __atomic_add_fetch(&shared_counter, 3, __ATOMIC_SEQ_CST);
    uint64_t old = __atomic_load_n(&shared_pair[0], __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&shared_pair[0], &old, old + 5, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {}
    __atomic_fetch_xor(&shared_counter, (uint64_t)i << 32, __ATOMIC_RELAXED);
    if (i % 3 == 0) __atomic_exchange_n(&shared_pair[1], (uint64_t)i, __ATOMIC_SEQ_CST);
  }
  return shared_counter ^ shared_pair[0] ^ shared_pair[1];
}

static uint64_t system_calls(void) {
  int p[2];
  uint64_t h = 0;
  if (pipe(p)) return 1;
  char b[40];
  for (int i = 0; i < 150; i++) {
    memset(b, i, sizeof b);
    for (ssize_t n = 0; n < (ssize_t)sizeof b;) {
      ssize_t r = write(p[1], b + n, sizeof b - (size_t)n);
      if (r > 0) n += r;
    }
    memset(b, 0, sizeof b);
    for (ssize_t n = 0; n < (ssize_t)sizeof b;) {
      ssize_t r = read(p[0], b + n, sizeof b - (size_t)n);
      if (r > 0) n += r;
    }
    h = h * 3 + hash(b, sizeof b);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    h += t.tv_nsec < 1000000000 && getppid() > 0;
  }
  close(p[0]);
  close(p[1]);
  return h;
}

static const struct {
  const char *name;
  uint64_t (*run)(void);
} kinds[] = {{"integers", integers}, {"vectors", vectors}, {"calls", calls}, {"returns", returns}, {"atomics", atomics}, {"system calls", system_calls}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

int main(void) {
  int failures = 0;
  uint64_t want[KINDS];
  for (int k = 0; k < KINDS; k++) want[k] = kinds[k].run();
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = on_tick;
  a.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
  for (int k = 0; k < KINDS; k++) {
    count = 0;
    setitimer(ITIMER_REAL, &t, 0);
    int wrong = 0;
    for (int r = 0; r < 20 || (count < 400 && r < 20000); r++)
      if (kinds[k].run() != want[k]) wrong++;
    setitimer(ITIMER_REAL, &off, 0);
    printf("%s: %s\n", kinds[k].name, wrong ? "disturbed" : "as without signals");
    failures += wrong;
    if (count < 400) printf("%s: too few signals\n", kinds[k].name);
  }
  return failures != 0;
}
