// SPDX-License-Identifier: MIT
// M1, M2: code that is mapped, run and unmapped, and code that is written, run and written again, takes no more memory in the end
// than at the begin, also while another thread stays in its code for ever; and who runs in what is unmapped faults, soon.
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*code_fn)(void);

// `n` instructions and a return of `value`; natively the same in x86-64's.
static size_t make_code(unsigned char *to, unsigned value, int n) {
#ifdef __aarch64__
  uint32_t *p = (uint32_t *)to;
  for (int i = 0; i < n; i++) *p++ = 0x11000421;  // add w1, w1, #1
  *p++ = 0x52800000 | (value & 0xffff) << 5;      // movz w0, #value
  *p++ = 0xd65f03c0;
  return (unsigned char *)p - to;
#else
  unsigned char *p = to;
  for (int i = 0; i < n; i++) *p++ = 0x90;
  *p++ = 0xb8;
  value &= 0xffff;
  memcpy(p, &value, 4);
  p += 4;
  *p++ = 0xc3;
  return p - to;
#endif
}
static void make_endless(unsigned char *to) {
#ifdef __aarch64__
  ((uint32_t *)to)[0] = 0x11000421;
  ((uint32_t *)to)[1] = 0x17ffffff;  // b .-4
#else
  memcpy(to, "\x90\xeb\xfd", 3);
#endif
}

// The most that it ever was: the host's own count, which the engine's memory is part of (/proc shows the guest's).
static long most_kb(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

static int file_with_code(unsigned value) {
  static unsigned char page[4096];
  char name[] = "/tmp/unused-code-XXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  make_code(page, value, 1);
  memcpy(page + 4092, &value, 4);
  if (write(fd, page, sizeof page) != sizeof page) abort();
  return fd;
}

// The same file again and again, at addresses that change (0) or do not (1); other files (2); memory without a file (3).
static int map_run_unmap(int kind, int times) {
  int wrong = 0, fd = kind == 2 ? -1 : file_with_code(7);
  void *place = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < times; i++) {
    unsigned value = kind >= 2 ? (unsigned)i & 0x7fff : 7;
    if (kind == 2) fd = file_with_code(value);
    code_fn f = mmap(kind == 1 ? place : 0, 4096, kind == 3 ? 7 : PROT_READ | PROT_EXEC,
                     MAP_PRIVATE | (kind == 1 ? MAP_FIXED : 0) | (kind == 3 ? MAP_ANONYMOUS : 0), kind == 3 ? -1 : fd, 0);
    if (f == MAP_FAILED) return -1;
    if (kind == 3) {
      size_t n = make_code((unsigned char *)f, value, 1);
      __builtin___clear_cache((char *)f, (char *)f + n);
    }
    wrong += f() != (int)value;
    munmap((void *)f, 4096);
    if (kind == 2) close(fd);
  }
  return wrong;
}

// Writes and runs: one page (0), by turns writable and executable (1), all over a large area (2).
static int rewrite(int kind, int times) {
  size_t bytes = kind == 2 ? 32 << 20 : 4096, size;
  unsigned char *p = mmap(0, bytes, kind == 1 ? PROT_READ | PROT_WRITE : 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int wrong = 0;
  for (int i = 0; i < times; i++) {
    unsigned char *at = kind == 2 ? p + (size_t)(i % 64) * 512 : p;
    if (kind == 1) mprotect(p, bytes, PROT_READ | PROT_WRITE);
    size = make_code(at, (unsigned)i & 0x7fff, i % 50);
    __builtin___clear_cache((char *)at, (char *)at + size);
    if (kind == 1) mprotect(p, bytes, PROT_READ | PROT_EXEC);
    wrong += ((code_fn)at)() != (i & 0x7fff);
  }
  munmap(p, bytes);
  return wrong;
}

static void measure(const char *what, int (*f)(int, int), int kind, int times) {
  int wrong = f(kind, times / 10);  // what is needed once
  long before = most_kb();
  wrong += f(kind, times);
  long grown = most_kb() - before;
  printf("%s %d: %d wrong, %s\n", what, kind, wrong, grown < 6000 ? "flat" : "GROWN");
  if (grown >= 6000) printf("by %ld kB\n", grown);
}

static void *stay(void *code) {
  ((code_fn)code)();
  return 0;
}

static __thread sigjmp_buf back;
static void on_fault(int sig) { siglongjmp(back, sig); }
static volatile int faults, inside;
static void *stay_until_it_faults(void *code) {
  int sig = sigsetjmp(back, 1);
  if (!sig) {
    inside = 1;
    ((code_fn)code)();
  }
  faults += sig == SIGSEGV;
  return 0;
}

int main(void) {
  for (int threads = 0; threads < 2; threads++) {
    if (threads) {
      unsigned char *p = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      make_endless(p);
      __builtin___clear_cache((char *)p, (char *)p + 16);
      pthread_t t;
      pthread_create(&t, 0, stay, p);
      usleep(20000);
    }
    printf("%s\n", threads ? "with a thread that never leaves its code" : "alone");
    measure("file", map_run_unmap, 0, 1000);
    measure("file", map_run_unmap, 1, 1000);
    measure("file", map_run_unmap, 2, 300);
    measure("memory", map_run_unmap, 3, 3000);
    measure("rewritten", rewrite, 0, 60000);
    measure("rewritten", rewrite, 1, 30000);
    measure("rewritten", rewrite, 2, 60000);
  }
  signal(SIGSEGV, on_fault);
  static unsigned char page[4096];
  make_endless(page);
  int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  if (write(fd, page, sizeof page) != sizeof page) return 1;
  for (int i = 0; i < 100; i++) {
    void *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    pthread_t t;
    inside = 0;
    pthread_create(&t, 0, stay_until_it_faults, code);
    while (!inside) {}
    usleep(i * 5);
    if (i % 3 == 0) munmap(code, 4096);
    if (i % 3 == 1) mprotect(code, 4096, PROT_READ);
    if (i % 3 == 2) mmap(code, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    pthread_join(t, 0);
  }
  printf("%d faults\n", faults);
  fflush(stdout);
  _exit(0);
}
