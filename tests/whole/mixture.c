// SPDX-License-Identifier: MIT
// A bit of everything that programs do, deterministic, with output that is the same on every machine:
// integers, flags, strings, floating point, vectorised loops, atomics between threads, faults and signals in
// the middle of translated code.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

static uint64_t state = 88172645463325252;
static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static int by_value(const void* a, const void* b) {
  int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

static void integers(void) {
  static int64_t v[500];
  for (int i = 0; i < 500; i++) v[i] = (int64_t)next_random();
  qsort(v, 500, sizeof *v, by_value);
  uint64_t h = 0;
  for (int i = 0; i < 500; i++) h = (h << 9 | h >> 55) * 31 + (uint64_t)v[i];
  for (int i = 1; i < 500; i++) {
    h += (uint64_t)(v[i] / (v[i - 1] % 1000 | 1));
    h ^= (uint64_t)((unsigned __int128)h * (uint64_t)v[i] >> 64);
    h += (uint64_t)(__builtin_clzll((uint64_t)v[i] | 1) + __builtin_ctzll((uint64_t)v[i] | 1 << 20));
    int64_t sum;
    if (__builtin_add_overflow(v[i], v[i - 1], &sum)) h++;
    h = h + __builtin_bswap64((uint64_t)sum) + (uint64_t)__builtin_popcountll(h);
  }
  printf("integers %016llx\n", (unsigned long long)h);
}

// Chains of comparisons that decide one branch: all conditions, some NZCV. Only lock-step looks at the results.
static void comparisons(void) {
#ifdef __aarch64__
  for (int i = 0; i < 24; i++) {
    uint64_t r = next_random(), h = 0;
    int64_t a = (int64_t)(r & 3), b = (int64_t)(r >> 8 & 3), c = (int64_t)(r >> 16 & 3) - 1;
    __asm__ volatile(
        ".irp one, eq, ne, hs, lo, mi, pl, vs, vc, hi, ls, ge, lt, gt, le\n"
        ".irp two, eq, ne, hs, lo, mi, pl, vs, vc, hi, ls, ge, lt, gt, le\n"
        "cmp %1, %2\n ccmp %2, %3, #4, \\one\n b.\\two 1f\n add %0, %0, #1\n 1:\n"
        "cmp %w3, %w1\n ccmn %w2, %w3, #11, \\one\n ccmp %w1, #1, #2, \\two\n b.\\one 1f\n eor %0, %0, %0, lsl #5\n 1:\n"
        "subs x9, %1, %3\n ccmp x9, %2, #8, \\two\n ccmp %1, x9, #0, \\one\n b.\\two 1f\n add %0, %0, x9\n 1:\n"
        ".endr\n .endr\n"
        : "+r"(h)
        : "r"(a), "r"(b), "r"(c)
        : "x9", "cc");
  }
#else
  for (int i = 0; i < 24; i++) next_random();
#endif
}

static void strings(void) {
  char text[4096] = "";
  for (int i = 0; i < 60; i++) {
    char one[64];
    snprintf(one, sizeof one, "%d:%08x:%s;", i * i, (unsigned)next_random(), i % 3 ? "odd" : "third");
    strcat(text, one);
  }
  unsigned sum = 0, fields = 0;
  for (char* s = strtok(text, ";"); s; s = strtok(NULL, ";"), fields++)
    sum = sum * 33 + (unsigned)strtoul(strchr(s, ':') + 1, NULL, 16) + (strstr(s, "third") != NULL);
  printf("strings %u %08x\n", fields, sum);
}

static void floats(void) {
  double x = 0.1, sum = 0;
  for (int i = 1; i < 400; i++) {
    x = x * 3.9 * (1 - x);
    sum += sqrt(x) / i + (double)(float)x + floor(x * 100) + fmax(x, 0.5);
    if (x < 0.25) sum -= (double)(int)(x * 1000);
  }
  printf("floats %a %.17g\n", sum, strtod("123456789.123456789e-5", NULL));
  float single = 1e-38f;
  for (int i = 0; i < 30; i++) single *= 0.5f;
  printf("subnormals %a %d\n", (double)single, (int)lrint(-2.5));
}

static void vectors(void) {
  enum { kN = 24 };
  static float a[kN][kN], b[kN][kN], c[kN][kN];
  static int16_t p[512], q[512];
  static uint8_t bytes[512];
  for (int i = 0; i < kN; i++)
    for (int j = 0; j < kN; j++) a[i][j] = (float)(i - j) / 8, b[i][j] = (float)(i * j % 7);
  for (int i = 0; i < kN; i++)
    for (int k = 0; k < kN; k++)
      for (int j = 0; j < kN; j++) c[i][j] += a[i][k] * b[k][j];
  float corner = c[0][kN - 1] + c[kN - 1][1];
  for (int i = 0; i < 512; i++)
    p[i] = (int16_t)next_random(), q[i] = (int16_t)(i * 97), bytes[i] = (uint8_t)next_random();
  int dot = 0, most = 0;
  unsigned sum = 0;
  for (int i = 0; i < 512; i++) dot += p[i] * q[i] >> 4;
  for (int i = 0; i < 512; i++) most = p[i] > most ? p[i] : most;
  for (int i = 0; i < 512; i++) sum += bytes[i], bytes[i] = (uint8_t)(bytes[i] > 200 ? 255 : bytes[i] + 7);
  unsigned after = 0;
  for (int i = 0; i < 512; i++) after = after * 31 + bytes[i];
  printf("vectors %a %d %d %u %u\n", (double)corner, dot, most, sum, after);
}

static atomic_long counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long guarded;
static void* worker(void* argument) {
  for (int i = 0; i < 200; i++) {
    atomic_fetch_add(&counter, (long)(intptr_t)argument);
    pthread_mutex_lock(&mutex);
    guarded++;
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}
static void threads(void) {
  pthread_t t[3];
  for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, worker, (void*)(intptr_t)(i + 1));
  for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
  printf("threads %ld %ld\n", atomic_load(&counter), guarded);
}

static sigjmp_buf back;
static volatile sig_atomic_t faults;
static void on_fault(int sig) {
  (void)sig;
  faults++;
  siglongjmp(back, 1);
}
static void faulting(void) {
  signal(SIGSEGV, on_fault);
  char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page + 4096, 4096, PROT_NONE);
  for (volatile int i = 0; i < 8; i++) {
    // Byte by byte: how much memset writes before it faults is the C library's business.
    if (!sigsetjmp(back, 1))
      for (volatile char* p = page + 4096 - 512 * (i + 1);; p++) *p = (char)(*p + i + 1);
  }
  unsigned sum = 0;
  for (int i = 0; i < 4096; i++) sum = sum * 7 + (unsigned char)page[i];
  printf("faults %d %08x\n", (int)faults, sum);
}

static volatile sig_atomic_t ticks;
static void on_tick(int sig) {
  (void)sig;
  ticks++;
}
static void signals(void) {
  signal(SIGALRM, on_tick);
  struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &every, NULL);
  uint64_t h = 1, rounds = 0;
  while (ticks < 5 || rounds % 1000) {
    h = h * 6364136223846793005 + 1442695040888963407;
    if (++rounds % 1000 == 0) h = 1;
  }
  setitimer(ITIMER_REAL, &never, NULL);
  printf("signals %d %llu\n", ticks >= 5, (unsigned long long)h);
}

int main(void) {
  integers();
  comparisons();
  strings();
  floats();
  vectors();
  threads();
  faulting();
  signals();
  return 0;
}
