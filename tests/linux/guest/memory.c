// SPDX-License-Identifier: MIT
// The mmap family: errors, placement, what /proc/self/maps says, the program break.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "print.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define KIB 1024ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static sigjmp_buf back;
static void on_fault(int s, siginfo_t* i, void* c) { siglongjmp(back, s * 16 + i->si_code); }
static int touch(volatile char* p, int write) {
  int r = sigsetjmp(back, 1);
  if (r) return r;
  if (write)
    *p = 1;
  else
    (void)*p;
  return 0;
}

// Permissions and name of the mapping that holds p.
static void show_mapping(const char* what, const void* p) {
  FILE* f = fopen("/proc/self/maps", "r");
  char line[4096];
  while (fgets(line, sizeof line, f)) {
    unsigned long b, e;
    char perms[8], name[256] = "";
    sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &b, &e, perms, name);
    if ((unsigned long)p >= b && (unsigned long)p < e) printf("%s: %s %s\n", what, perms, name[0] == '[' ? name : *name ? "file" : "");
  }
  fclose(f);
}

int main(void) {
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, 0);
  sigaction(SIGBUS, &sa, 0);
  int fd = open("/proc/self/exe", O_RDONLY);
  char* big = mmap(0, 1024 * KIB, PROT_NONE, ANON, -1, 0);

  TRY(mmap(0, 0, RW, ANON, -1, 0));
  TRY(mmap(0, 4096, RW, MAP_ANONYMOUS, -1, 0));
  TRY(mmap(0, 4096, RW, ANON, -1, 1));
  TRY(mmap(0, 4096, RW, MAP_PRIVATE, -1, 0));
  TRY(mmap(0, 4096, RW, MAP_PRIVATE, 99, 0));
  TRY(mmap(0, 4096, RW, MAP_SHARED, fd, 0));
  TRY(mmap(0, ~0ul, RW, ANON, -1, 0));
  TRY(mmap(0, 1ul << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  TRY(mmap(big + 1, 4096, RW, ANON | MAP_FIXED, -1, 0));
  TRY(mmap((void*)(~0ul << 12), 4096, RW, ANON | MAP_FIXED, -1, 0));
  TRY(mmap((void*)(1ul << 47), 4096, RW, ANON | MAP_FIXED, -1, 0));
  TRY(mmap((void*)((1ul << 47) - 4096), 8192, RW, ANON | MAP_FIXED, -1, 0));
  WORKS(mmap((void*)(1ul << 60), 4096, RW, ANON, -1, 0));
  TRY(mmap(big, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  SHOW(mmap(big, 4096, RW, ANON | MAP_FIXED, -1, 0) == big);
  SHOW((uintptr_t)mmap(big, 4096, RW, ANON, -1, 0) != (uintptr_t)big);
  TRY(mmap(0, 4096, RW, MAP_SHARED_VALIDATE | 0x400000, fd, 0));
  // Executable at any address: bit 0x40 means nothing here.
#ifdef __aarch64__
  void* high = mmap(0, 4096, RW, ANON | 0x40, -1, 0);
#else
  void* high = mmap(0, 4096, RW, ANON, -1, 0);
#endif
  SHOW((uintptr_t)high > 0xffffffffu);

  TRY(munmap(big + 1, 4096));
  TRY(munmap(big, 0));
  TRY(munmap((void*)(1ul << 47), 4096));
  TRY(munmap((void*)(1ul << 50), 4096));  // not in the top byte: that is a tag on arm64
  TRY(munmap(big + 512 * KIB, 4 * KIB));
  TRY(munmap(big + 512 * KIB, 4 * KIB));
  TRY(munmap(big + 508 * KIB, 16 * KIB));
  TRY(mprotect(big + 1, 4096, RW));
  TRY(mprotect(big, 0, RW));
  TRY(mprotect(big + 500 * KIB, 32 * KIB, RW));
  TRY(mprotect(big, 4096, 0x100));
  TRY(mprotect((void*)(1ul << 47), 4096, RW));
  TRY(mprotect((void*)4096, 4096, RW));
  TRY(mprotect(big, 64 * KIB, RW));
  TRY(mprotect(big + 16 * KIB, 4 * KIB, PROT_READ));
  TRY(mprotect(big + 32 * KIB, 4 * KIB, PROT_READ | PROT_EXEC));
  SHOW(touch(big, 1));
  SHOW(touch(big + 16 * KIB, 0));
  SHOW(touch(big + 16 * KIB, 1));
  SHOW(touch(big + 128 * KIB, 0));
  SHOW(touch(big + 512 * KIB, 0));
  show_mapping("rw", big);
  show_mapping("r", big + 16 * KIB);
  show_mapping("rx", big + 32 * KIB);
  show_mapping("none", big + 128 * KIB);

  char* move = mmap(0, 64 * KIB, RW, ANON, -1, 0);
  strcpy(move, "content");
  TRY(mremap(move + 1, 4096, 8192, MREMAP_MAYMOVE));
  TRY(mremap(move, 64 * KIB, 0, 0));
  TRY(mremap((void*)(1ul << 50), 4096, 4096, 0));
  TRY(mremap(move, 4096, 4096, MREMAP_FIXED));
  TRY(mremap(move, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void*)(1ul << 50)));
  char* moved = mremap(move, 64 * KIB, 512 * KIB, MREMAP_MAYMOVE);
  SHOW(strcmp(moved, "content"));
  char* target = big + 256 * KIB;
  SHOW(mremap(moved, 4 * KIB, 4 * KIB, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
  SHOW(strcmp(target, "content"));
  SHOW(touch(moved, 0));

  TRY(madvise(big + 1, 4096, MADV_DONTNEED));
  TRY(madvise(big, 4096, 1234));
  TRY(madvise((void*)(1ul << 47), 4096, MADV_DONTNEED));
  TRY(madvise(target, 4096, MADV_DONTNEED));
  SHOW(target[0]);
  TRY(msync(target, 4096, MS_SYNC));
  TRY(msync(target, 4096, MS_SYNC | MS_ASYNC));
  TRY(msync((void*)4096, 4096, MS_SYNC));
  unsigned char vector[4];
  TRY(mincore(target, 4096, vector));
  TRY(mincore(target + 1, 4096, vector));
  TRY(mincore((void*)4096, 4096, vector));
  TRY(mlock(target, 4096));
  TRY(munlock(target, 4096));
  TRY(mlock((void*)4096, 4096));

  // Files: behind the end is SIGBUS; sharing is seen.
  char name[] = "/tmp/memory-XXXXXX";
  int tmp = mkstemp(name);
  unlink(name);
  ftruncate(tmp, 5000);
  char* shared = mmap(0, 16 * KIB, RW, MAP_SHARED, tmp, 0);
  char* private = mmap(0, 16 * KIB, RW, MAP_PRIVATE, tmp, 0);
  shared[0] = 'x';
  SHOW(private[0]);
  private[1] = 'y';
  SHOW(shared[1]);
  SHOW(touch(shared + 4999, 1));
  SHOW(touch(shared + 8191, 1));
  SHOW(touch(shared + 8192, 0));
  char byte = 0;
  SHOW(pread(tmp, &byte, 1, 0));
  SHOW(byte);

  // The break.
  char* low = sbrk(0);
  SHOW(brk(low + 100 * KIB));
  SHOW((char*)sbrk(0) - low);
  low[100 * KIB - 1] = 1;
  show_mapping("break", low + 50 * KIB);
  SHOW(brk(low));
  SHOW((char*)sbrk(0) - low);
  SHOW(touch(low + 50 * KIB, 0));
  SHOW(brk(low + 100 * KIB));
  SHOW(low[100 * KIB - 1]);
  SHOW(syscall(SYS_brk, 0) == (long)sbrk(0));
  SHOW(syscall(SYS_brk, 1) == (long)sbrk(0));
  SHOW(syscall(SYS_brk, 1ul << 46) == (long)sbrk(0));

  int id = shmget(IPC_PRIVATE, 3 * 4096 + 1, IPC_CREAT | 0600);
  char* seg = shmat(id, 0, 0);
  SHOW(seg[0]);
  char* again = shmat(id, 0, SHM_RDONLY);
  seg[5] = 9;
  SHOW(again[5]);
  SHOW(touch(again, 1));
  TRY(shmat(id, seg + 1, 0));
  TRY(shmat(id, seg, 0));
  SHOW(shmat(id, seg, SHM_REMAP) == seg);
  struct shmid_ds ds;
  TRY(shmctl(id, IPC_STAT, &ds));
  SHOW(ds.shm_segsz);
  SHOW(ds.shm_nattch);
  SHOW(ds.shm_perm.mode);
  TRY(shmdt(seg));
  TRY(shmdt(seg));
  TRY(shmdt(again));
  TRY(shmctl(id, IPC_RMID, 0));

  int local;
  show_mapping("stack", &local);
  show_mapping("text", (void*)main);

  if (!fork()) {
    struct rlimit limit = {256 * 1024 * KIB, RLIM_INFINITY};
    SHOW(setrlimit(RLIMIT_AS, &limit));
    TRY(mmap(0, 300 * 1024 * KIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    WORKS(mmap(0, 100 * 1024 * KIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    TRY(mmap(0, 200 * 1024 * KIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    TRY((long)sbrk(200 * 1024 * KIB));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  return 0;
}
