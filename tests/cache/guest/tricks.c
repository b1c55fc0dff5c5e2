// SPDX-License-Identifier: MIT
// One thing per command line that a program may do and that a translation cache must neither break nor be broken by.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOW(e) printf("%s = %ld\n", #e, (long)(e))

typedef uint32_t Function(uint32_t);

// Pages of its own, so that its neighbours are not changed with it.
__attribute__((noinline, aligned(4096))) static uint32_t patched(uint32_t x) {
  uint32_t v;
  asm volatile("movz %w0, #0x1234" : "=r"(v));
  return x + v;
}
__attribute__((noinline, aligned(4096))) static uint32_t neighbour(uint32_t x) { return patched(x) * 3 + 1; }

// The first instruction of `f` that is movz w?, #0x1234.
static uint32_t* constant_in(Function* f) {
  uint32_t* p = (uint32_t*)f;
  while ((*p & 0xffffffe0) != (0x52800000 | 0x1234 << 5)) p++;
  return p;
}

static int patch(const char* how) {
  uint32_t* at = constant_in(patched);
  printf("%x %x\n", patched(1), neighbour(1));
  uint32_t changed = (*at & ~(0xffffu << 5)) | 0x4321u << 5;
  if (!strcmp(how, "mem")) {  // as a debugger does: the kernel looks after the caches
    int fd = open("/proc/self/mem", O_RDWR);
    if (pwrite(fd, &changed, 4, (off_t)(uintptr_t)at) != 4) return 3;
    __builtin___clear_cache((char*)at, (char*)(at + 1));
  } else {
    void* page = (void*)((uintptr_t)at & ~4095ul);
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE | (!strcmp(how, "rwx") ? PROT_EXEC : 0))) return 3;
    *at = changed;
    __builtin___clear_cache((char*)at, (char*)(at + 1));
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC)) return 3;
  }
  printf("%x %x\n", patched(1), neighbour(1));
  return 0;
}

// Files of code at one address, one after the other.
static int overlay(int n, char** files) {
  char* place = mmap(0, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < n; i++) {
      int fd = open(files[i], O_RDONLY);
      void* p = mmap(place, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
      close(fd);
      if (p != place) return 3;
      printf("%x ", ((Function*)p)(5));
      if (round == 1) munmap(p, 4096);
    }
    puts("");
  }
  return 0;
}

// Functions each on pages of their own, and a call in each that is made or not: `steps` calls what its input says, "a0" the first
// one without, "b1" the second one with that call, and so on.
#define STEP(n)                                                                                         \
  __attribute__((noinline, aligned(4096))) static uint32_t callee##n(uint32_t x) {                      \
    asm volatile("" : "+r"(x));                                                                         \
    return x * 7 + n;                                                                                   \
  }                                                                                                     \
  __attribute__((noinline, aligned(4096))) static uint32_t step##n(uint32_t x, int call) {              \
    asm volatile("" : "+r"(x));                                                                         \
    if (call) x = callee##n(x) + 1;                                                                     \
    asm volatile("" : "+r"(x));                                                                         \
    return x * 5 + n;                                                                                   \
  }
STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8)
STEP(9) STEP(10) STEP(11) STEP(12) STEP(13) STEP(14) STEP(15) STEP(16)
static uint32_t (*const all_steps[])(uint32_t, int) = {step1, step2,  step3,  step4,  step5,  step6,  step7,  step8,
                                                       step9, step10, step11, step12, step13, step14, step15, step16};
static int steps(void) {
  char c[2];
  while (read(0, c, 2) == 2) {
    char line[16];
    int n = snprintf(line, sizeof line, "%08x\n", all_steps[(c[0] - 'a') % 16](c[0], c[1] == '1'));
    if (write(1, line, n) != n) return 3;
  }
  return 0;
}

// Code in a file's second page, changed through the file after it was mapped and before it first ran.
static int late(const char* path, const char* value) {
  int fd = open(path, O_RDWR);
  char* p = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) return 3;
  if (value) {
    uint32_t word = 0x52800000 | (uint32_t)atoi(value) << 5;  // movz w0, #value
    if (pwrite(fd, &word, 4, 4096) != 4) return 3;
    __builtin___clear_cache(p + 4096, p + 4100);
  }
  printf("%x\n", ((Function*)(p + 4096))(0));
  return 0;
}

// Closes everything, puts files where the engine may have its own, and goes on in a new program.
static int descriptors(char** argv) {
  for (int fd = 3; fd < 1100; fd++) close(fd);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  int null = open("/dev/null", O_RDWR);
  for (int fd = 1000; fd < 1060; fd++)
    if (dup2(null, fd) != fd) return 3;
  int seen = 0;
  DIR* d = opendir("/proc/self/fd");
  while (d && readdir(d)) seen++;
  if (d) closedir(d);
  printf("%d listed\n", seen);
  for (int fd = 1000; fd < 1060; fd++) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode)) printf("%d is something else\n", fd);
  }
  for (int fd = 1000; fd < 1060; fd++)
    if (close(fd)) printf("%d was closed\n", fd);
  fflush(stdout);
  close(null);
  char* const none[] = {0};
  if (argv[0]) execve(argv[0], argv, none);
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "patch") && argc == 3) return patch(argv[2]);
  if (!strcmp(what, "overlay")) return overlay(argc - 2, argv + 2);
  if (!strcmp(what, "late")) return late(argv[2], argc > 3 ? argv[3] : 0);
  if (!strcmp(what, "steps")) return steps();
  if (!strcmp(what, "descriptors")) return descriptors(argv + 2);
  if (!strcmp(what, "mdwe")) {
    SHOW(prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) ? errno : 0);
    printf("%x\n", patched(1));
    return 0;
  }
  if (!strcmp(what, "chroot") && argc > 3) {
    if (chroot(argv[2]) || chdir("/")) return 3;
    execv(argv[3], argv + 3);
    return 4;
  }
  if (!strcmp(what, "end")) {
    puts("end");
    fflush(stdout);
    fclose(stdout);
    syscall(SYS_exit_group, 7);
  }
  return 2;
}
