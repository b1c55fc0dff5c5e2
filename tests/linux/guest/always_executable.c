// SPDX-License-Identifier: MIT
// W5: while threads run in a page, others change protections, advice and mappings of it and around it so that it is executable before
// and after: nobody faults. Calls that fail half-way, and shmdt, change what they change, and nothing beside it.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

typedef int (*code_fn)(void);
enum { kPage = 4096, kR = PROT_READ, kRX = PROT_READ | PROT_EXEC, kRWX = 7, kRW = 3 };

static void make_code(unsigned char *to, unsigned value) {
#ifdef __aarch64__
  uint32_t code[2] = {0x52800000 | (value & 0x7fff) << 5, 0xd65f03c0};  // movz w0, #value; ret
  memcpy(to, code, 8);
#else
  unsigned char code[6] = {0xb8, value, value >> 8, 0, 0, 0xc3};
  memcpy(to, code, 6);
#endif
  __builtin___clear_cache((char *)to, (char *)to + 8);
}
static int run(void *p) { return ((code_fn)p)(); }

static sigjmp_buf back;
static volatile int guarded;
static void on_fault(int sig) {
  if (guarded) siglongjmp(back, sig);
  static const char text[] = "a thread faulted in code that is always executable\n";
  write(1, text, sizeof text - 1);
  _exit(1);
}
static const char *runs(void *p) {
  guarded = 1;
  int sig = sigsetjmp(back, 1);
  int value = sig ? 0 : run(p);
  guarded = 0;
  return sig == SIGSEGV ? "SIGSEGV" : value == 42 ? "runs" : "WRONG";
}

static unsigned char *p;  // four pages: code in each, 42
static int file, stop;
static volatile long rounds;
static void *runner(void *unused) {
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    for (int i = 0; i < 100; i++)
      if (run(p + kPage) != 42) abort();
    rounds++;
  }
  return unused;
}

static void change(int kind, int i) {
  switch (kind) {
    case 0: mprotect(p, 4 * kPage, i & 1 ? kRX : kRWX); break;
    case 1: mprotect(p, 4 * kPage, kRWX); break;
    case 2: mprotect(p + kPage, kPage, i & 1 ? kRX : kRWX); break;
    case 3: mprotect(p + kPage * (i % 2), 2 * kPage, kRX); break;
    case 4: mprotect(p, kPage, i & 1 ? kR : kRX); break;
    case 5: mprotect(p + 2 * kPage, kPage, i & 1 ? kRW : kRWX); break;
    case 6: mprotect(p + 3 * kPage, 2 * kPage, i & 1 ? kRX : kRWX); break;  // fails with ENOMEM: behind it nothing is mapped
    case 7: mprotect(p + kPage, 6 * kPage, i & 1 ? kRX : kRWX); break;      // the same, from the page on
    case 8: mremap(p, 4 * kPage, 4 * kPage, 0); break;
    case 9: madvise(p, 4 * kPage, i & 1 ? MADV_WILLNEED : MADV_NORMAL); break;
    case 10: mmap(p + kPage, kPage, i & 1 ? kRX : kRWX, MAP_PRIVATE | MAP_FIXED, file, kPage); break;
    case 11: mmap(p, 3 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0); break;
    case 12: madvise(p + kPage, kPage, MADV_DONTNEED); break;  // of a file: it is read again
    case 13: mlock(p, 3 * kPage), munlock(p, 3 * kPage); break;
    case 14: munmap(p + 3 * kPage, kPage), mmap(p + 3 * kPage, kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0); break;
    default: mmap(p, 3 * kPage, kRX, MAP_SHARED | MAP_FIXED, -1, 0);  // fails
  }
}

// Code in the stack's frames, `depth` pages below.
static __attribute__((noinline)) const char *run_in_stack(int depth) {
  volatile unsigned char frame[kPage];
  frame[0] = (unsigned char)depth;
  if (depth) {
    const char *result = run_in_stack(depth - 1);
    return frame[0] == (unsigned char)depth ? result : "WRONG";
  }
  make_code((unsigned char *)frame, 42);
  return runs((void *)frame);
}

int main(void) {
  unsigned char *all = mmap(0, 16 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p = all + 4 * kPage;
  munmap(p + 4 * kPage, 8 * kPage);
  file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  static unsigned char pages[4 * kPage];
  for (int i = 0; i < 4; i++) make_code(pages + i * kPage, 42);
  if (write(file, pages, sizeof pages) != sizeof pages) return 1;
  signal(SIGSEGV, on_fault);

  for (int of_file = 0; of_file < 2; of_file++) {
    if (of_file) {
      mmap(p, 4 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0);
    } else {
      mmap(p, 4 * kPage, kRWX, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
      for (int i = 0; i < 4; i++) make_code(p + i * kPage, 42);
    }
    pthread_t t[2];
    for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, runner, 0);
    for (int kind = 0; kind < 16; kind++) {
      if (kind == 12 && !of_file) continue;
      long before = rounds;
      for (int i = 0; i < 300; i++) change(kind, i);
      while (rounds < before + 2) usleep(100);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
    stop = 0;
    printf("%s: nobody faulted\n", of_file ? "file" : "memory");
  }

  // Up to the hole, and not behind it.
  mmap(p, 4 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0);
  for (int i = 0; i < 4; i++) run(p + i * kPage);
  munmap(p + 2 * kPage, kPage);
  int r = mprotect(p, 4 * kPage, kR), e = errno;
  printf("%d %s: %s %s - %s\n", r, strerror(e), runs(p), runs(p + kPage), runs(p + 3 * kPage));
  r = mprotect(p + kPage, 3 * kPage, kRX), e = errno;
  printf("%d %s: %s %s - %s\n", r, strerror(e), runs(p), runs(p + kPage), runs(p + 3 * kPage));

  // Two mappings side by side: the one that goes is not the other.
  int id = shmget(IPC_PRIVATE, kPage, 0700);
  mmap(p, 4 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0);
  unsigned char *shm = shmat(id, p + kPage, SHM_REMAP | SHM_EXEC);
  if (shm != p + kPage) return 1;
  make_code(shm, 42);
  printf("%s %s %s\n", runs(p), runs(shm), runs(p + 2 * kPage));
  shmdt(shm);
  shmctl(id, IPC_RMID, 0);
  printf("%s %s %s\n", runs(p), runs(shm), runs(p + 2 * kPage));

  // Moved, overmapped, moved away and left.
  mmap(p, 4 * kPage, kRX, MAP_PRIVATE | MAP_FIXED, file, 0);
  run(p);
  run(p + 2 * kPage);
  mmap(p + 2 * kPage, kPage, kR, MAP_PRIVATE | MAP_FIXED, file, 0);
  printf("%s %s %s\n", runs(p + kPage), runs(p + 2 * kPage), runs(p + 3 * kPage));
  void *moved = mremap(p, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * kPage);
  printf("%s %s %s\n", runs(p), runs(moved), runs(p + 3 * kPage));
  unsigned char *q = mmap(0, 2 * kPage, kRWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  make_code(q, 42);
  run(q);
  moved = mremap(q, kPage, kPage, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, 0);
  printf("%s %d\n", runs(moved), q[0]);
  make_code(q, 43);
  printf("%d\n", run(q));

  // Below the range, and what grows later.
  printf("%s %s\n", run_in_stack(1), run_in_stack(60));
  printf("%d\n", mprotect((void *)((uintptr_t)&q & -(uintptr_t)kPage), kPage, kRWX | PROT_GROWSDOWN));
  printf("%s %s %s\n", run_in_stack(1), run_in_stack(60), run_in_stack(300));
  return 0;
}
