// SPDX-License-Identifier: MIT
// soak SECONDS: makes code and throws it away in every way, in several threads at once, and checks each result. soak.py looks at the
// memory meanwhile. Prints nothing but what is wrong, and how much of each was done.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef int (*code_fn)(void);
enum { kPage = 4096, kRX = PROT_READ | PROT_EXEC, kRW = PROT_READ | PROT_WRITE };

static volatile int stop, wrong;
static const char *names[] = {"mapped", "library", "rewritten", "write xor execute", "seen twice", "allocated", "processes"};
static long done[sizeof names / sizeof *names];

static size_t make_code(unsigned char *to, unsigned value, int n) {
  value &= 0x7fff;
#ifdef __aarch64__
  uint32_t *p = (uint32_t *)to;
  for (int i = 0; i < n; i++) *p++ = 0x11000421;  // add w1, w1, #1
  *p++ = 0x52800000 | value << 5;                 // movz w0, #value
  *p++ = 0xd65f03c0;                              // ret
  return (unsigned char *)p - to;
#else
  unsigned char *p = to;
  for (int i = 0; i < n; i++) *p++ = 0x90;
  *p++ = 0xb8;
  memcpy(p, &value, 4);
  p[4] = 0xc3;
  return p + 5 - to;
#endif
}
static void flush(unsigned char *p, size_t n) { __builtin___clear_cache((char *)p, (char *)p + n); }
static void expect(int kind, void *p, unsigned value) {
  int got = ((code_fn)p)();
  if (got != (int)(value & 0x7fff) && __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) < 10) printf("%s: %d, not %d\n", names[kind], got, value & 0x7fff);
  __atomic_fetch_add(&done[kind], 1, __ATOMIC_RELAXED);
}

// A file with `pages` pages of functions: at each 256 bytes one that returns seed + its number.
static int make_file(unsigned seed, int pages) {
  int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  unsigned char page[kPage];
  for (int i = 0; i < pages; i++) {
    for (int k = 0; k < 16; k++) make_code(page + k * 256, seed + (unsigned)(i * 16 + k), k);
    if (write(fd, page, kPage) != kPage) abort();
  }
  return fd;
}

static void *mapped(void *unused) {
  int fd = make_file(500, 2);
  for (unsigned n = 0; !stop; n++) {
    int own = n % 50 ? fd : make_file(n, 2);
    unsigned char *p = mmap(0, 2 * kPage, kRX, MAP_PRIVATE, own, 0);
    expect(0, p + n % 32 * 256, (own == fd ? 500 : n) + n % 32);
    if (n % 3 == 0) mprotect(p, kPage, PROT_READ);
    if (n % 3 == 1) munmap(p + kPage, kPage);
    munmap(p, n % 3 == 1 ? kPage : 2 * kPage);
    if (own != fd) close(own);
  }
  return unused;
}

// As a dynamic linker: the whole module first, then its parts over it.
static void *library(void *unused) {
  int text = make_file(1000, 24);
  for (unsigned n = 0; !stop; n++) {
    unsigned char *p = mmap(0, 32 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mmap(p, 24 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, text, 0);
    unsigned char *data = mmap(p + 24 * kPage, 8 * kPage, kRW, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    data[0] = 1;
    for (unsigned i = 0; i < 40; i++) {
      unsigned k = (n * 7 + i * 13) % (24 * 16);
      expect(1, p + k * 256, 1000 + k);
    }
    munmap(p, 32 * kPage);
  }
  return unused;
}

static void *rewritten(void *unused) {
  size_t bytes = 8 << 20;
  unsigned char *p = mmap(0, bytes, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned n = 0; !stop; n++) {
    unsigned char *at = p + (n & 1 ? n % 4096 * 64 % (256 * 1024) : 0);
    size_t size = make_code(at, n, n % 10);
    flush(at, size);
    expect(2, at, n);
  }
  return unused;
}

static void *write_xor_execute(void *unused) {
  unsigned char *p = mmap(0, 16 * kPage, kRW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned n = 0; !stop; n++) {
    mprotect(p, 16 * kPage, kRW);
    unsigned char *at = p + n % 60 * 1024;
    flush(at, make_code(at, n, n % 40));
    mprotect(p, 16 * kPage, kRX);
    expect(3, at, n);
  }
  return unused;
}

static void *seen_twice(void *unused) {
  int fd = memfd_create("code", 0);
  if (ftruncate(fd, 4 * kPage)) abort();
  unsigned char *w = mmap(0, 4 * kPage, kRW, MAP_SHARED, fd, 0), *x = mmap(0, 4 * kPage, kRX, MAP_SHARED, fd, 0);
  for (unsigned n = 0; !stop; n++) {
    size_t at = n % 64 * 256;
    flush(x + at, make_code(w + at, n, n % 30));
    expect(4, x + at, n);
  }
  return unused;
}

static void *allocated(void *unused) {
  for (unsigned n = 0; !stop; n++) {
    size_t bytes = (1 + n % 40) * kPage;
    unsigned char *p = mmap(0, bytes, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 1 + n % 3; i++) {
      unsigned char *at = p + (n * 5 + i) % (bytes / 1024) * 1024;
      flush(at, make_code(at, n + i, 3));
      expect(5, at, n + i);
    }
    munmap(p, bytes);
  }
  return unused;
}

static void *processes(void *unused) {
  int fd = make_file(2000, 1);
  for (unsigned n = 0; !stop; n++) {
    pid_t child = n & 1 ? fork() : vfork();
    if (!child) {
      unsigned char *p = mmap(0, kPage, kRX, MAP_PRIVATE, fd, 0);
      int good = ((code_fn)p)() == 2000;
      munmap(p, kPage);
      p = mmap(0, kPage, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      flush(p, make_code(p, n, 5));
      good &= ((code_fn)p)() == (int)(n & 0x7fff);
      munmap(p, kPage);
      _exit(!good);
    }
    int status;
    if ((waitpid(child, &status, 0) != child || status) && __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) < 10)
      printf("%s: child %d, status 0x%x\n", n & 1 ? "fork" : "vfork", child, status);
    done[6]++;
  }
  return unused;
}

// Stays in its code.
static void *compute(void *unused) {
  volatile unsigned x = 1;
  for (;;) x = x * 1664525 + 1013904223;
  return unused;
}

int main(int argc, char **argv) {
  void *(*const threads[])(void *) = {mapped, library, rewritten, write_xor_execute, seen_twice, allocated, processes, compute};
  pthread_t t;
  for (unsigned i = 0; i < sizeof threads / sizeof *threads; i++) pthread_create(&t, 0, threads[i], 0);
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    usleep(20000);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - begin.tv_sec < (argc > 1 ? atoi(argv[1]) : 10));
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) printf("%s %ld\n", names[i], done[i]);
  printf("%d wrong\n", wrong);
  fflush(stdout);
  _exit(wrong != 0);
}
