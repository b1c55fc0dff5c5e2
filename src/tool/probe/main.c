// SPDX-License-Identifier: MIT
// The probe: an AArch64 program without libc that the doctor runs through whatever handles AArch64 here.
//
// It prints one line per finding, `name=ok` or `name=bad DETAIL`, and `probe=ok` as the last. Each answer is
// what native Linux gives. It deliberately does not know which emulator runs it.
//   probe argv0      prints argv[0]
//   probe wait       prints a line, and exits with 47 at the end of its standard input
//   probe child      exits with 47 (what every self-execution is told to do)
//   probe speed N    `speed=NANOSECONDS RESULT`: CPU time of N rounds of speed.h
//   probe [all]      everything else
#include "speed.h"

typedef unsigned long u64;
typedef long i64;
typedef unsigned int u32;
typedef unsigned char u8;

enum {
  SYS_openat = 56,
  SYS_close = 57,
  SYS_read = 63,
  SYS_write = 64,
  SYS_readlinkat = 78,
  SYS_exit_group = 94,
  SYS_getpid = 172,
  SYS_unlinkat = 35,
  SYS_clone = 220,
  SYS_execve = 221,
  SYS_wait4 = 260,
  SYS_execveat = 281,
  SYS_symlinkat = 36,
  SYS_pread64 = 67,
  SYS_nanosleep = 101,
  SYS_clock_gettime = 113,
  SYS_uname = 160,
  SYS_kill = 129,
  SYS_memfd_create = 279
};
enum {
  AT_FDCWD = -100,
  AT_EMPTY_PATH = 0x1000,
  O_CLOEXEC = 02000000,
  SIGCHLD = 17,
  CLONE_VM = 0x100,
  CLONE_VFORK = 0x4000
};
enum { ENOENT = 2, kChildStatus = 47 };

static i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e) {
  register i64 x8 __asm__("x8") = n;
  register i64 x0 __asm__("x0") = a;
  register i64 x1 __asm__("x1") = b;
  register i64 x2 __asm__("x2") = c;
  register i64 x3 __asm__("x3") = d;
  register i64 x4 __asm__("x4") = e;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

static char line[512];
static u64 used;
static void put(const char* s) {
  while (*s && used < sizeof line) line[used++] = *s++;
}
static void put_number(u64 value, u32 base) {
  char digits[24];
  u32 n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  while (n && used < sizeof line) line[used++] = digits[--n];
}
static void end_line(void) {
  put("\n");
  call(SYS_write, 1, (i64)line, (i64)used, 0, 0);
  used = 0;
}
static void report(const char* name, int good, const char* what, u64 value, u32 base) {
  put(name);
  put(good ? "=ok" : "=bad ");
  if (!good) {
    put(what);
    put_number(value, base);
  }
  end_line();
}

// --- instructions
// -----------------------------------------------------------------------------------------------------
#define SEQUENCE(name, ...)                                        \
  void name(const void* operands, void* results);                  \
  static void test_##name(void) {                                  \
    static const u64 expected[] = __VA_ARGS__;                     \
    u64 got[sizeof expected / 8];                                  \
    for (u64 i = 0; i < sizeof expected / 8; i++) got[i] = 0xa5a5; \
    name(operands_##name, got);                                    \
    for (u64 i = 0; i < sizeof expected / 8; i++)                  \
      if (*(volatile u64*)&got[i] != expected[i]) {                \
        put("isa." #name "=bad word ");                            \
        put_number(i, 10);                                         \
        put(" is 0x");                                             \
        put_number(got[i], 16);                                    \
        end_line();                                                \
        return;                                                    \
      }                                                            \
    report("isa." #name, 1, "", 0, 10);                            \
  }
#include "answers.h"

// --- processes
// --------------------------------------------------------------------------------------------------------
static char* child_argv[] = {"probe", "child", 0};
static char* empty_environment[] = {0};

static int wait_status(i64 pid) {
  int status = -1;
  if (call(SYS_wait4, pid, (i64)&status, 0, 0, 0) != pid) return -1;
  return status;
}

// Executes `path` (below `dirfd`) in a child; it must turn out to be this very program.
static void self_exec(const char* name, int dirfd, const char* path, int flags) {
  i64 pid = call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    i64 error = flags < 0
                    ? call(SYS_execve, (i64)path, (i64)child_argv, (i64)empty_environment, 0, 0)
                    : call(SYS_execveat, dirfd, (i64)path, (i64)child_argv, (i64)empty_environment, flags);
    call(SYS_exit_group, error == -kChildStatus ? 1 : -error & 127, 0, 0, 0, 0);
  }
  int status = pid < 0 ? -1 : wait_status(pid);
  report(name, status == kChildStatus << 8, "status 0x", (u32)status, 16);
}

static void number_path(char* out, const char* before, u64 number, const char* after) {
  u64 kept = used;
  u64 start = used = 0;
  put(before);
  put_number(number, 10);
  put(after);
  for (u64 i = start; i < used; i++) out[i] = line[i];
  out[used] = 0;
  used = kept;
}

static void test_self_exec(const char* execfn) {
  char path[256], link[256];
  i64 length = call(SYS_readlinkat, AT_FDCWD, (i64) "/proc/self/exe", (i64)link, sizeof link - 1, 0);
  if (length < 0) {
    report("proc", 0, "errno ", (u64)-length, 10);
    return;
  }
  link[length] = 0;
  self_exec("self.proc-self-exe", 0, "/proc/self/exe", -1);
  self_exec("self.proc-thread-self-exe", 0, "/proc/thread-self/exe", -1);
  number_path(path, "/proc/", (u64)call(SYS_getpid, 0, 0, 0, 0, 0), "/exe");
  self_exec("self.proc-parent-exe", 0, path, -1);  // the child executes its parent's: another process
  self_exec("self.readlink", 0, link, -1);
  self_exec("self.execfn", 0, execfn, -1);
  i64 fd = call(SYS_openat, AT_FDCWD, (i64) "/proc/self/exe", O_CLOEXEC, 0, 0);
  self_exec("self.execveat-cloexec", (int)fd, "", AT_EMPTY_PATH);
  fd = call(SYS_openat, AT_FDCWD, (i64) "/proc/self/exe", 0, 0, 0);
  number_path(path, "/proc/self/fd/", (u64)fd, "");
  self_exec("self.proc-self-fd", 0, path, -1);
  // What is opened there has to be an AArch64 program, not the emulator.
  u8 header[20] = {0};
  call(SYS_pread64, fd, (i64)header, sizeof header, 0, 0);
  report("self.open", header[0] == 0x7f && header[18] == 0xb7, "machine ", header[18], 10);
  u8 other[20] = {0};
  i64 fd2 = call(SYS_openat, AT_FDCWD, (i64) "/proc/thread-self/exe", O_CLOEXEC, 0, 0);
  call(SYS_pread64, fd2, (i64)other, sizeof other, 0, 0);
  report("self.open-thread-self", other[18] == 0xb7, "machine ", other[18], 10);
}

static volatile int shared;
static u8 vfork_stack[8192] __attribute__((aligned(16)));

static void exec_missing(void) {
  i64 error = call(SYS_execve, (i64) "/no/such/program", (i64)child_argv, (i64)empty_environment, 0, 0);
  shared = (int)-error;
}

static void write_late(void) {
  i64 time[2] = {0, 2000000};
  call(SYS_nanosleep, (i64)time, 0, 0, 0, 0);
  shared = 1;
}

// posix_spawn's way: the child runs in the parent's memory, on a stack of its own, and the parent waits for its exec or exit.
static void as_posix_spawn(void (*work)(void)) {
  register i64 x8 __asm__("x8") = SYS_clone;
  register i64 x0 __asm__("x0") = CLONE_VM | CLONE_VFORK | SIGCHLD;
  register i64 x1 __asm__("x1") = (i64)(vfork_stack + sizeof vfork_stack);
  register i64 x2 __asm__("x2") = 0;
  register i64 x3 __asm__("x3") = 0;
  register i64 x4 __asm__("x4") = 0;
  register void (*in_child)(void) __asm__("x19") = work;
  shared = -1;
  __asm__ volatile(
      "svc #0\n"
      "cbnz x0, 1f\n"
      "blr x19\n mov x0, #0\n mov x8, #94\n svc #0\n"
      "1:\n"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(in_child)
      : "memory", "x30");
  int seen = shared;  // before the child is waited for
  if (x0 > 0) wait_status(x0);
  shared = seen;
}

static void test_spawn(void) {
  as_posix_spawn(exec_missing);
  report("spawn.missing-program", shared == ENOENT, "errno seen by the parent: ", (u64)(shared < 0 ? 0 : shared), 10);
  as_posix_spawn(write_late);
  report("spawn.parent-waits", shared == 1, "of what the child writes before its end, the parent sees ", (u64)(shared < 0 ? 0 : shared), 10);
}

static u64 cpu_time(void) {
  i64 time[2] = {0, 0};
  call(SYS_clock_gettime, 2 /* CLOCK_PROCESS_CPUTIME_ID */, (i64)time, 0, 0, 0);
  return (u64)time[0] * 1000000000 + (u64)time[1];
}

static void speed(u32 rounds) {
  u64 begin = cpu_time();
  u32 result = speed_work(rounds);
  put("speed=");
  put_number(cpu_time() - begin, 10);
  put(" ");
  put_number(result, 10);
  end_line();
}

static void test_uname(void) {
  char name[6 * 65];
  call(SYS_uname, (i64)name, 0, 0, 0, 0);
  const char* want = "aarch64";
  const char* machine = name + 4 * 65;
  int same = 1;
  for (int i = 0; i < 8; i++) same &= machine[i] == want[i];
  report("uname", same, "length ", (u64)machine[0], 10);
}

static int equal(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static u32 number_of(const char* s) {
  u32 n = 0;
  while (*s >= '0' && *s <= '9') n = n * 10 + (u32)(*s++ - '0');
  return n;
}

__attribute__((used)) int probe_main(u64* stack) {
  u64 argc = stack[0];
  char** argv = (char**)(stack + 1);
  u64* auxv = stack + argc + 2;
  while (*auxv) auxv++;
  const char* execfn = "";
  for (auxv++; auxv[0]; auxv += 2)
    if (auxv[0] == 31) execfn = (const char*)auxv[1];
  const char* mode = argc > 1 ? argv[1] : "all";
  if (equal(mode, "child")) return kChildStatus;
  if (equal(mode, "wait")) {
    put("waiting");
    end_line();
    while (call(SYS_read, 0, (i64)line, sizeof line, 0, 0) > 0) {}
    return kChildStatus;
  }
  if (equal(mode, "argv0")) {
    put(argc ? argv[0] : "");
    end_line();
    return 0;
  }
  if (equal(mode, "speed")) {
    speed(argc > 2 ? number_of(argv[2]) : 1);
    return 0;
  }
  test_uname();
  test_compare_with_zero();
  test_shift_then_extend();
  test_shift_by_register();
  test_flags();
  test_integers();
  test_vectors();
  test_floats();
  test_spawn();
  test_self_exec(execfn);
  report("probe", 1, "", 0, 10);
  return 0;
}

__asm__(
    ".globl _start\n_start:\n mov x29, xzr\n mov x30, xzr\n mov x0, sp\n bl probe_main\n mov x8, #94\n svc "
    "#0\n");
