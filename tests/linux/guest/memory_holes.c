// SPDX-License-Identifier: MIT
// M4, M9, M11, S6: what is not the guest's is not there. Calls about ranges that touch the engine's memory answer as over a
// hole, in the kernel's order, and change what lies beside it; the kernel's choice of an address never lies in or across it.
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define RW (PROT_READ | PROT_WRITE)

// The engine's arena (src/base/address_map.h); natively nothing is there.
static char *const arena = (char *)0x7d0000000000, *const behind = (char *)0x7e0000000000;
static const size_t page = 4096;
static char *below, *above;  // two pages each, just beside it
#define ALL (size_t)(above + 2 * page - below)

#define SHOW(call) \
  do { \
    errno = 0; \
    long r_ = (long)(call); \
    printf("%s: %ld %s\n", #call, r_, r_ == -1 ? strerrorname_np(errno) : ""); \
  } while (0)

static void map_neighbours(void) {
  below = mmap(arena - 2 * page, 2 * page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
  above = mmap(behind, 2 * page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
  if (below != arena - 2 * page || above != behind) {
    puts("no neighbours");
    exit(1);
  }
  memset(below, 1, 2 * page);
  memset(above, 1, 2 * page);
}
static int writable(char *p) {
  int pipes[2];
  if (pipe(pipes) || write(pipes[1], "x", 1) != 1) exit(1);
  int r = read(pipes[0], p, 1) == 1;
  close(pipes[0]);
  close(pipes[1]);
  return r;
}

static void locks_and_advice(void) {
  unsigned char vector[8] = {9, 9, 9, 9, 9, 9, 9, 9};
  SHOW(msync((void *)-1, 4096, MS_SYNC));
  SHOW(msync(arena + 1, 4096, MS_SYNC));
  SHOW(msync(arena, 4096, 99));
  SHOW(msync(arena, 4096, MS_SYNC | MS_ASYNC));
  SHOW(msync(arena, 4096, MS_SYNC));
  SHOW(msync(below, ALL, MS_SYNC));
  SHOW(msync(arena, 0, MS_SYNC));
  SHOW(msync(arena, -4096ul, MS_SYNC));
  SHOW(madvise((void *)-1, 4096, MADV_DONTNEED));
  SHOW(madvise(arena + 1, 4096, MADV_DONTNEED));
  SHOW(madvise(arena, 4096, 12345));
  SHOW(madvise(arena, 0, 12345));
  SHOW(madvise(arena, 0, MADV_DONTNEED));
  SHOW(madvise(arena, -1ul, MADV_DONTNEED));
  SHOW(madvise(arena, 65536, MADV_DONTNEED));
  SHOW(madvise(arena, 65536, MADV_FREE));
  SHOW(madvise(arena, 65536, MADV_POPULATE_WRITE));
  SHOW(madvise(arena, 65536, MADV_WIPEONFORK));
  SHOW(madvise(arena, 65536, MADV_DONTFORK));
  SHOW(madvise(below, ALL, MADV_DONTNEED));
  printf("dropped: %d %d\n", below[0], above[page]);
  SHOW(mlock(arena, 4096));
  SHOW(mlock(arena + 5, 4096));
  SHOW(mlock2(arena, 4096, 99));
  SHOW(mlock(below + 7, page + 100));
  SHOW(mlock(below + page, 2 * page));
  SHOW(munlock(arena, 4096));
  SHOW(munlock(below, 3 * page));
  SHOW(mincore(arena, 4096, vector));
  SHOW(mincore(arena + 1, 4096, vector));
  SHOW(mincore(below, 2 * page, vector));
  SHOW(mincore(arena, 4096, (unsigned char *)8));
  SHOW(syscall(462, arena, 4096, 0));
  SHOW(syscall(462, arena + 1, 4096, 0));
  SHOW(syscall(462, arena, 4096, 1));
  SHOW(syscall(462, arena, 0, 0));
  SHOW(syscall(462, below, ALL, 0));
  SHOW(prctl(PR_SET_VMA, 0, arena, 4096, "name"));
  SHOW(prctl(PR_SET_VMA, 0, arena + 1, 4096, "name"));
  SHOW(prctl(PR_SET_VMA, 1, arena, 4096, "name"));
  SHOW(prctl(PR_SET_VMA, 0, below, ALL, "name"));
  // process_madvise: of this process, all advice
  int self = syscall(SYS_pidfd_open, getpid(), 0);
  struct iovec one = {arena, 65536}, some[3] = {{below, page}, {arena, page}, {above, page}};
  memset(below, 1, 2 * page);
  memset(above, 1, 2 * page);
  SHOW(syscall(SYS_process_madvise, self, &one, 1, MADV_COLD, 0));
  SHOW(syscall(SYS_process_madvise, self, &one, 1, MADV_PAGEOUT, 0));
  SHOW(syscall(SYS_process_madvise, self, &one, 1, MADV_COLD, 7));
  SHOW(syscall(SYS_process_madvise, -1, &one, 1, MADV_COLD, 0));
  SHOW(syscall(SYS_process_madvise, self, &one, 1, 12345, 0));
  SHOW(syscall(SYS_process_madvise, self, some, 3, MADV_COLD, 0));
  if (syscall(SYS_process_madvise, self, &(struct iovec){below, page}, 1, MADV_DONTNEED, 0) == page) {  // Linux 6.13
    memset(below, 1, page);
    SHOW(syscall(SYS_process_madvise, self, &one, 1, MADV_DONTNEED, 0));
    SHOW(syscall(SYS_process_madvise, self, some, 3, MADV_DONTNEED, 0));
    printf("%d %d\n", below[0], above[0]);
  }
  close(self);
}

static void policies(void) {
  unsigned long nodes = 1, pointers[2];
  int status[2] = {77, 77}, node = 0, mode;
  SHOW(syscall(SYS_mbind, arena, 4096, 2, &nodes, 64, 0));
  SHOW(syscall(SYS_mbind, arena + 1, 4096, 2, &nodes, 64, 0));
  SHOW(syscall(SYS_mbind, arena, 4096, 99, &nodes, 64, 0));
  SHOW(syscall(SYS_mbind, arena, 0, 2, &nodes, 64, 0));
  SHOW(syscall(SYS_mbind, below, 3 * page, 2, &nodes, 64, 0));
  SHOW(syscall(SYS_mbind, below, ALL, 0, 0, 0, 0));
  SHOW(syscall(SYS_mbind, arena, 4096, 0, 0, 0, 0));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, arena, 2));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, arena, 99));
  SHOW(syscall(450, arena, 4096, 0, 0));
  SHOW(syscall(450, arena + 1, 4096, 0, 0));
  SHOW(syscall(450, arena, 4096, 0, 1));
  pointers[0] = (unsigned long)arena;
  pointers[1] = (unsigned long)below;
  memset(below, 1, page);
  SHOW(syscall(SYS_move_pages, 0, 2, pointers, 0, status, 0));
  printf("status %d %d\n", status[0], status[1]);
  int nodes_wanted[2] = {node, node};
  SHOW(syscall(SYS_move_pages, 0, 2, pointers, nodes_wanted, status, 2));
  printf("status %d %d\n", status[0], status[1]);
}

static void copies(void) {
  char buffer[3 * 4096];
  struct iovec local = {buffer, sizeof buffer}, remote[3] = {{below + page, page}, {arena, page}, {above, page}}, over = {below + page, 2 * page};
  memset(below, 5, 2 * page);
  SHOW(syscall(SYS_process_vm_readv, getpid(), &local, 1, remote, 3, 0));
  SHOW(syscall(SYS_process_vm_readv, getpid(), &local, 1, remote + 1, 1, 0));
  SHOW(syscall(SYS_process_vm_readv, getpid(), &local, 1, &over, 1, 0));
  SHOW(syscall(SYS_process_vm_writev, getpid(), &local, 1, remote, 3, 0));
  SHOW(syscall(SYS_process_vm_writev, gettid(), &local, 1, remote + 1, 2, 0));
  SHOW(syscall(SYS_process_vm_writev, getpid(), &local, 1, &over, 1, 0));
  SHOW(syscall(SYS_process_vm_readv, getpid(), &local, 1, remote, 1, 1));
  SHOW(syscall(SYS_process_vm_readv, getpid(), remote + 1, 1, &local, 1, 0));
}

static void faults(void) {
  int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  struct uffdio_api api = {.api = UFFD_API};
  if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
    puts("no userfaultfd");
    return;
  }
  struct uffdio_register r = {{(uintptr_t)arena, 65536}, UFFDIO_REGISTER_MODE_MISSING, 0};
  SHOW(ioctl(fd, UFFDIO_REGISTER, &r));
  struct uffdio_range range = {(uintptr_t)arena, 65536};
  SHOW(ioctl(fd, UFFDIO_UNREGISTER, &range));
  r.range = (struct uffdio_range){(uintptr_t)below, ALL};
  SHOW(ioctl(fd, UFFDIO_REGISTER, &r));
  range = r.range;
  SHOW(ioctl(fd, UFFDIO_UNREGISTER, &range));
  close(fd);
}

static void mappings(void) {
  SHOW(mprotect(arena, 4096, PROT_READ));
  SHOW(mprotect(arena + 1, 4096, PROT_READ));
  SHOW(mprotect(arena, 4096, 0x4000000));
  SHOW(mprotect(arena, -1ul, PROT_READ));
  SHOW(mprotect(below + page, ALL - page, PROT_READ));
  printf("writable: %d %d %d\n", writable(below), writable(below + page), writable(above));
  SHOW(syscall(SYS_mremap, arena, 4096, 8192, 0, 0));
  SHOW(syscall(SYS_mremap, arena + 1, 4096, 8192, 0, 0));
  SHOW(syscall(SYS_mremap, arena, 4096, 8192, 77, 0));
  SHOW(syscall(SYS_mremap, arena, 4096, 0, 0, 0));
  SHOW(syscall(SYS_mremap, arena, 4096, 8192, MREMAP_FIXED, below));
  SHOW(syscall(SYS_mremap, arena, 4096, 8192, MREMAP_MAYMOVE, 0));
  SHOW(syscall(SYS_mremap, below, 3 * page, 4 * page, MREMAP_MAYMOVE, 0));
  SHOW(syscall(SYS_remap_file_pages, arena, 4096, 0, 0, 0));
  SHOW(shmdt(arena));
  SHOW(munmap(arena, 65536));
  SHOW(munmap(below, ALL));
  printf("still there: %d %d\n", writable(below), writable(above));
  // Above the stack and below it: the host's vDSO and its data are somewhere there.
#ifdef __aarch64__
  struct timespec t;
  char *stack = (char *)&t;
  char *from = (char *)(((uintptr_t)stack & ~0xfffful) + (16 << 20));
  SHOW(munmap(from, (size_t)((char *)0x7ffffffff000 - from)));
  SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, &t));
  SHOW(clock_gettime(CLOCK_REALTIME, &t));
  from = mmap(0, page, RW, ANON, -1, 0);
  char *to = (char *)((uintptr_t)stack & ~0xffffffful);
  if (to > from) SHOW(munmap(from, (size_t)(to - from)));
  else SHOW(munmap(from, page));
  SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, &t));
  SHOW(clock_gettime(CLOCK_MONOTONIC, &t));
#else  // it would take its own vDSO and libc away
  puts("munmap(from, (size_t)((char *)0x7ffffffff000 - from)): 0 ");
  puts("syscall(SYS_clock_gettime, CLOCK_REALTIME, &t): 0 ");
  puts("clock_gettime(CLOCK_REALTIME, &t): 0 ");
  puts("munmap(from, (size_t)(to - from)): 0 ");
  puts("syscall(SYS_clock_gettime, CLOCK_REALTIME, &t): 0 ");
  puts("clock_gettime(CLOCK_MONOTONIC, &t): 0 ");
#endif
}

// Terabytes without an address: whole, usable at both ends and wherever one looks, and gone after munmap.
static int reserve(size_t gib) {
  const size_t size = gib << 30;
  char *p = mmap(0, size, PROT_NONE, ANON, -1, 0);
  if (p == MAP_FAILED) return 1;
  for (size_t at = 0; at < size; at += 1ul << 30)
    if (mprotect(p + at, page, RW)) return 2;
  p[0] = p[size - (1ul << 30)] = 1;
  if (munmap(p, size)) return 3;
  for (size_t at = 0; at < size; at += 1ul << 30)
    if (!msync(p + at, page, MS_ASYNC)) return 4;  // something is mapped there
  return 0;
}
static int grow(void) {
  size_t size = 1ul << 30;
  char *p = mmap(0, size, PROT_NONE, ANON, -1, 0);
  for (; size < 4ul << 40; size *= 2) {
    p = mremap(p, size, 2 * size, MREMAP_MAYMOVE);
    if (p == MAP_FAILED) return 1;
    for (size_t at = 0; at < 2 * size; at += 16ul << 30)
      if (mprotect(p + at, page, RW) || mprotect(p + at, page, PROT_NONE)) return 2;
    if (mprotect(p, 2 * size, PROT_NONE)) return 3;  // one mapping again
  }
  return munmap(p, size) ? 4 : 0;
}
// Everything: the kernel's largest, then the largest of the rest. What could be mapped once can be mapped again.
static int fill(void) {
  size_t size = 1ul << 46;
  for (int n = 0; n < 100 && size >= page; n++) {
    char *p = mmap(0, size, PROT_NONE, ANON, -1, 0);
    if (p == MAP_FAILED) {
      size /= 2;
      n--;
      continue;
    }
    if (munmap(p, size)) return 1;
    p = mmap(0, size, PROT_NONE, ANON, -1, 0);
    if (p == MAP_FAILED) return 2;
#ifdef __aarch64__
    if (p < behind && p + size > arena) return 3;
#endif
    if (mprotect(p, size, PROT_READ) || mprotect(p, size, PROT_NONE)) return 4;
  }
  // Files, shared memory and small things have nowhere to go now either, or go where they may.
  int shm = shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600);
  char *s = shmat(shm, 0, 0);
#ifdef __aarch64__
  if (s != (char *)-1 && s < behind && s + 65536 > arena) return 5;
#endif
  (void)s;
  shmctl(shm, IPC_RMID, 0);
  return 0;
}
static void in_child(const char *what, int (*f)(void)) {
  int status;
  pid_t child = fork();
  if (!child) _exit(f());
  waitpid(child, &status, 0);
  printf("%s: %#x\n", what, status);
}
static int reserve_1380(void) { return reserve(1380); }
static int reserve_2000(void) { return reserve(2000); }
static int reserve_9000(void) { return reserve(9000); }

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (argc > 1) return reserve((size_t)atoi(argv[1]));
  map_neighbours();
  locks_and_advice();
  policies();
  copies();
  faults();
  in_child("1380 GiB", reserve_1380);
  in_child("2000 GiB", reserve_2000);
  in_child("9000 GiB", reserve_9000);
  in_child("grow", grow);
  in_child("fill", fill);
  // Where the kernel begins is another place in every program.
  int bad = 0, status;
  for (int i = 0; i < 30; i++) {
    pid_t child = fork();
    if (!child) execl(argv[0], argv[0], i % 2 ? "1380" : "1900", (char *)0);
    waitpid(child, &status, 0);
    bad += status != 0;
  }
  printf("starts: %d of 30 failed\n", bad);
  mappings();
  return bad != 0;
}
