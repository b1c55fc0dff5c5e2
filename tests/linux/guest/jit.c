// SPDX-License-Identifier: MIT
// Code that programs write themselves: one mapping, two mappings of one memory (flushed by either address), code that is
// made writable and executable by turns, code replaced by another mapping, results that are returned in flags.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

typedef int (*function)(void);

// "return value" for a value below 65536.
static size_t write_return(void* at, unsigned value) {
#ifdef __aarch64__
  uint32_t code[2] = {0x52800000u | value << 5, 0xd65f03c0u};
#else
  uint8_t code[6] = {0xb8, (uint8_t)value, (uint8_t)(value >> 8), 0, 0, 0xc3};
#endif
  memcpy(at, code, sizeof code);
  return sizeof code;
}

static void flush(void* at, size_t n) { __builtin___clear_cache((char*)at, (char*)at + n); }
static int call(void* at) { return ((function)at)(); }

// kB of memory.
static long resident(void) {
  char line[256];
  long kilobytes = 0;
  FILE* f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f)) sscanf(line, "VmRSS: %ld", &kilobytes);
  fclose(f);
  return kilobytes;
}

// a < b, by a fragment that only compares: its result is in the flags when it returns (Erlang's JIT does so).
static void write_less(char* at) {
#ifdef __aarch64__
  static const uint32_t caller[] = {0xa9bf7bfdu, 0x94000000u | 15, 0x1a9fa7e0u, 0xa8c17bfdu, 0xd65f03c0u};
  static const uint32_t compare[] = {0xeb01001fu, 0xd65f03c0u};
#else
  static const uint8_t caller[] = {0xe8, 59, 0, 0, 0, 0x0f, 0x9c, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3};
  static const uint8_t compare[] = {0x48, 0x39, 0xf7, 0xc3};
#endif
  memcpy(at, caller, sizeof caller);
  memcpy(at + 64, compare, sizeof compare);
  flush(at, 128);
}

int main(void) {
  const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
  char* one = mmap(0, 65536, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 1; i < 300; i += 99) {
    flush(one, write_return(one, i));
    printf("one mapping %d\n", call(one));
  }

  int fd = memfd_create("code", 0);
  if (fd < 0 || ftruncate(fd, 65536)) return 1;
  char* rw = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* rx = mmap(0, 32768, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 16384);
  char* w = rw + 16384 + 128;
  for (unsigned i = 1; i < 300; i += 99) {
    size_t n = write_return(w, i);
    flush(i & 1 ? w : rx + 128, n);
    printf("two mappings %d\n", call(rx + 128));
  }
  munmap(rw, 65536);
  rw = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 16384);
  flush(rw + 128, write_return(rw + 128, 7));
  printf("a new second mapping %d\n", call(rx + 128));

  char* turns = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 1; i < 300; i += 99) {
    mprotect(turns, 4096, PROT_READ | PROT_WRITE);
    size_t n = write_return(turns, i);
    mprotect(turns, 4096, PROT_READ | PROT_EXEC);
    flush(turns, n);
    printf("by turns %d\n", call(turns));
  }

  write_return(rw + 4096 - 128, 11);
  char* replaced = mmap(turns, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 16384);
  printf("replaced %d %d\n", replaced == turns, call(turns + 4096 - 128));

  // Hot code that changes: callers that were linked to it must find the new one.
  int sum = 0;
  for (unsigned i = 0; i < 2000; i++) {
    if (i % 100 == 0) flush(one, write_return(one, i));
    sum += call(one);
  }
  printf("hot %d\n", sum);

  // A System V segment that is attached twice.
  int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0700);
  char *sw = shmat(id, 0, 0), *sx = shmat(id, 0, SHM_EXEC);
  shmctl(id, IPC_RMID, 0);
  for (unsigned i = 1; i < 300; i += 99) {
    size_t n = write_return(sw, i);
    flush(sw, n);
    printf("a segment twice %d\n", call(sx));
  }
  shmdt(sw);
  shmdt(sx);

  write_less(one + 4096);
  int (*less)(long, long) = (int (*)(long, long))(one + 4096);
  for (long a = -1; a <= 1; a++) printf("less than 0: %d\n", less(a, 0));

  // More executable mappings than anybody counts on.
  enum { kMany = 17000 };
  char* many = mmap(0, kMany * 8192ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  unsigned ran = 0;
  for (unsigned i = 0; i < kMany; i++) {
    char* page = many + i * 8192ul;
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE)) break;
    size_t n = write_return(page, i);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC)) break;
    flush(page, n);
    ran += call(page) == (int)i;
  }
  printf("many %u\n", ran);

  // Code that comes and goes takes no more and more memory.
  long before = resident(), wrong = 0;
  for (unsigned i = 0; i < 12000; i++) {
    char* at = mmap(0, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t n = 0;
#ifdef __aarch64__
    for (; n < 800; n += 4) memcpy(at + n, &(uint32_t){0x91000400}, 4);  // add x0, x0, #1
#endif
    n += write_return(at + n, i);
    flush(at, n);
    wrong += call(at) != (int)i;
    munmap(at, 4096);
  }
  printf("come and gone: wrong %ld, grown by much %d\n", wrong, resident() - before > 8000);
  return 0;
}
