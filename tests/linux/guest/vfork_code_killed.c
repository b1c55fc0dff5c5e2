// SPDX-License-Identifier: MIT
// M6: vfork children map, run, rewrite, protect and unmap code, in memory that is their parent's, and are killed at any moment. The
// parent's own code, what it writes there next, and what it maps next must run right each time. An argument is how many.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*code_fn)(void);

static size_t make_code(unsigned char *to, unsigned value) {
#ifdef __aarch64__
  uint32_t code[2] = {0x52800000 | (value & 0x7fff) << 5, 0xd65f03c0};  // movz w0, #value; ret
  memcpy(to, code, 8);
  return 8;
#else
  value &= 0x7fff;
  to[0] = 0xb8;
  memcpy(to + 1, &value, 4);
  to[5] = 0xc3;
  return 6;
#endif
}
static void write_code(unsigned char *to, unsigned value) {
  size_t n = make_code(to, value);
  __builtin___clear_cache((char *)to, (char *)to + n);
}
static int run(void *p) { return ((code_fn)p)(); }

static int files[4];
static unsigned char *own;  // the parent's: pages 0 and 1 are written and run by both, page 2 is always executable

static __attribute__((noinline)) int work(unsigned seed) {
  int sum = 0;
  for (unsigned n = seed;; n++) {
    unsigned char *p;
    switch (n * 2654435761u >> 29) {
      case 0:
      case 1:
        p = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, files[n % 4], 0);
        sum += run(p);
        munmap(p, 4096);
        break;
      case 2:
        p = mmap(0, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        write_code(p + n % 16 * 4096, n);
        sum += run(p + n % 16 * 4096);
        munmap(p, 65536);
        break;
      case 3:
        mprotect(own + 8192, 4096, n & 1 ? 7 : PROT_READ | PROT_EXEC);
        sum += run(own + 8192);
        break;
      case 4:
        mprotect(own, 4096, PROT_READ | PROT_WRITE);
        make_code(own, n);
        mprotect(own, 4096, 7);
        break;
      case 5:
        write_code(own + 4096 + n % 64 * 64, n);
        sum += run(own + 4096 + n % 64 * 64);
        break;
      case 6:
        p = mmap(own + 3 * 4096, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, files[n % 4], 0);
        sum += run(p);
        break;
      default:
        p = mmap(0, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        write_code(p, n);
        sum += run(p);
        p = mremap(p, 8192, 16384, MREMAP_MAYMOVE);
        sum += run(p);
        munmap(p, 16384);
    }
  }
  return sum;
}

static int wrong;
static void expect(const char *what, int got, int value) {
  if (got == value) return;
  if (wrong++ < 10) printf("%s: %d, not %d\n", what, got, value);
}

int main(int argc, char **argv) {
  int times = argc > 1 ? atoi(argv[1]) : 400, killed = 0;
  static unsigned char page[4096];
  for (int i = 0; i < 4; i++) {
    char name[] = "/tmp/vfork-code-XXXXXX";
    files[i] = mkstemp(name);
    unlink(name);
    make_code(page, 100 + i);
    page[4095] = i;
    if (write(files[i], page, sizeof page) != sizeof page) return 1;
  }
  own = mmap(0, 4 * 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  write_code(own + 8192, 4711);
  volatile pid_t *target = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t killer = fork();
  if (!killer) {
    for (unsigned n = 0;; n++) {
      while (!*target)
        if (getppid() == 1) _exit(0);
      pid_t p = *target;
      for (volatile unsigned i = 0; i < n * 7919 % 60000; i++) {}
      kill(p, SIGKILL);
      *target = 0;
    }
  }
  for (int i = 0; i < times; i++) {
    pid_t c = vfork();
    if (!c) {
      *target = getpid();
      work((unsigned)i * 40503);
    }
    int st;
    if (waitpid(c, &st, 0) == c && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL) killed++;
    else if (wrong++ < 10) printf("child: status %x\n", st);
    while (*target) usleep(50);
    expect("always executable", run(own + 8192), 4711);
    for (int k = 0; k < 3; k++) {
      mprotect(own, 8192, 7);
      write_code(own + k % 2 * 4096, (unsigned)(i + k) & 0x7fff);
      expect("written", run(own + k % 2 * 4096), (i + k) & 0x7fff);
    }
    void *p = mmap(i & 1 ? own + 3 * 4096 : 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | (i & 1 ? MAP_FIXED : 0), files[i % 4], 0);
    expect("mapped", run(p), 100 + i % 4);
    if (!(i & 1)) munmap(p, 4096);
  }
  kill(killer, SIGKILL);
  waitpid(killer, 0, 0);
  printf("%d killed, %d wrong\n", killed, wrong);
  return 0;
}
