// SPDX-License-Identifier: MIT
// What a process says about itself: prctl, personality, limits, uname, scheduling, ids; seccomp.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "print.h"

#ifdef __aarch64__
#define AUDIT_HERE AUDIT_ARCH_AARCH64
#else
#define AUDIT_HERE AUDIT_ARCH_X86_64
#endif

static volatile int trapped, trap_code, trap_errno, trap_arch_ok, trap_number_ok;
static void on_sys(int sig, siginfo_t* si, void* context) {
  (void)context;
  trapped = sig, trap_code = si->si_code, trap_errno = si->si_errno;
  trap_arch_ok = si->si_arch == AUDIT_HERE, trap_number_ok = si->si_syscall == SYS_getppid;
}

static int install(int number, unsigned verdict, unsigned flags) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_HERE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, verdict),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void* other_thread(void* go) {
  while (!*(volatile int*)go) sched_yield();
  errno = 0;
  long r = syscall(SYS_getpgid, 0);
  return (void*)(r == -1 ? (long)errno : 0);
}

static void child(const char* name, void (*body)(void)) {
  fflush(stdout);
  pid_t c = fork();
  if (!c) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    body();
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(c, &status, 0);
  printf("%s: status %x\n", name, status & ~0x80);
}

static void filter_errno(void) {
  TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  TRY(install(SYS_getppid, SECCOMP_RET_ERRNO | 99, 0));
  TRY(syscall(SYS_getppid));
  SHOW(prctl(PR_GET_SECCOMP));
  fflush(stdout);
  if (!fork()) {
    TRY(syscall(SYS_getppid));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  TRY(install(SYS_getppid, SECCOMP_RET_ERRNO | 5000, 0));
  TRY(syscall(SYS_getppid));
  TRY(install(SYS_getppid, SECCOMP_RET_TRACE, 0));  // more permissive than ERRNO? No: TRACE is weaker
  TRY(syscall(SYS_getppid));
  TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0));
}
static void filter_trap(void) {
  struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  TRY(install(SYS_getppid, SECCOMP_RET_TRAP | 42, 0));
  syscall(SYS_getppid);
  printf("signal %d code %d errno %d arch %d number %d\n", trapped, trap_code, trap_errno, trap_arch_ok,
         trap_number_ok);
}
static void filter_trap_unhandled(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  install(SYS_getppid, SECCOMP_RET_TRAP, 0);
  syscall(SYS_getppid);
}
static void filter_kill(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  install(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
  syscall(SYS_getppid);
}
static void filter_strict(void) {
  TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  if (write(1, "still writing\n", 14) != 14) syscall(SYS_exit, 3);
  syscall(SYS_exit, 4);
}
static void filter_strict_kills(void) {
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  syscall(SYS_getppid);
}
static void filter_threads(void) {
  static volatile int go;
  pthread_t t;
  pthread_create(&t, 0, other_thread, (void*)&go);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  TRY(install(SYS_getpgid, SECCOMP_RET_ERRNO | 77, SECCOMP_FILTER_FLAG_TSYNC));
  go = 1;
  void* result;
  pthread_join(t, &result);
  SHOW(result);
}
static void filter_exec(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  install(SYS_getppid, SECCOMP_RET_ERRNO | 33, 0);
  fflush(stdout);
  execl("/proc/self/exe", "itself", "filtered", (char*)0);
}
static void filter_refused(void) {
  struct sock_fprog none = {0, 0};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none));
  TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8));
  TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, 8));
  TRY(syscall(SYS_seccomp, 99, 0, 0));
  unsigned action = SECCOMP_RET_ERRNO;
  TRY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  action = 0x12340000;
  TRY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}

static void limits(void) {
  struct rlimit l = {1ul << 30, 2ul << 30}, back;
  TRY(setrlimit(RLIMIT_AS, &l));
  TRY(getrlimit(RLIMIT_AS, &back));
  SHOW(back.rlim_cur);
  SHOW(back.rlim_max);
  TRY(mmap(0, 2ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  WORKS(mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  fflush(stdout);
  if (!fork()) execl("/proc/self/exe", "itself", "limited", (char*)0);
  int status;
  wait(&status);
  SHOW(status);
  l.rlim_cur = 3ul << 30;
  TRY(setrlimit(RLIMIT_AS, &l));
  l.rlim_cur = 512 << 20, l.rlim_max = 512 << 20;
  TRY(prlimit(0, RLIMIT_DATA, &l, &back));
  TRY(prlimit(0, RLIMIT_DATA, 0, &back));
  SHOW(back.rlim_cur);
  TRY(getrlimit(99, &back));
  TRY(getrlimit(RLIMIT_AS, (void*)8));
}

int main(int argc, char** argv) {
  if (argc > 1 && !strcmp(argv[1], "filtered")) {
    TRY(syscall(SYS_getppid));
    return 0;
  }
  if (argc > 1) {
    struct rlimit l;
    getrlimit(RLIMIT_AS, &l);
    SHOW(l.rlim_cur);
    return 0;
  }
  struct utsname u;
  uname(&u);
  puts(u.sysname);
  puts(u.release);
  SHOW(strlen(u.machine) > 0);
  TRY(uname((void*)8));
  char name[16];
  TRY(prctl(PR_SET_NAME, "a new long name beyond", 0, 0, 0));
  TRY(prctl(PR_GET_NAME, name, 0, 0, 0));
  puts(name);
  TRY(prctl(PR_SET_PDEATHSIG, SIGTERM));
  int sig = 0;
  TRY(prctl(PR_GET_PDEATHSIG, &sig));
  SHOW(sig);
  TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
  TRY(prctl(PR_GET_DUMPABLE));
  TRY(prctl(PR_CAPBSET_READ, 1));
  TRY(prctl(9999, 0, 0, 0, 0));
  TRY(prctl(PR_SET_TIMERSLACK, 12345));
  TRY(prctl(PR_GET_TIMERSLACK));
  TRY(personality(0xffffffff));
  TRY(personality(ADDR_NO_RANDOMIZE));
  TRY(personality(0xffffffff));
  TRY(personality(0));
  cpu_set_t cpus;
  SHOW(sched_getaffinity(0, sizeof cpus, &cpus));
  SHOW(CPU_COUNT(&cpus) > 0);
  TRY(sched_setaffinity(0, sizeof cpus, &cpus));
  SHOW(sched_getscheduler(0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  TRY(getpgid(0) > 0);
  unsigned cpu, node;
  TRY(syscall(SYS_getcpu, &cpu, &node, 0));
  SHOW(CPU_ISSET(cpu, &cpus) != 0);
  struct sysinfo si;
  TRY(sysinfo(&si));
  SHOW(si.mem_unit);
  SHOW(si.totalram > 0);
  char random[64] = "";
  TRY(getrandom(random, sizeof random, 0));
  TRY(getrandom((void*)8, 16, 0));
  struct rusage usage;
  TRY(getrusage(RUSAGE_SELF, &usage));
  SHOW(times(0) != -1);
  TRY(syscall(SYS_membarrier, 0, 0, 0) > 0);
  TRY(memfd_create("x", 0x8000));
  TRY(syscall(9999, 0));
  TRY(syscall(-1, 0));

  child("limits", limits);
  child("refused", filter_refused);
  child("errno", filter_errno);
  child("trap", filter_trap);
  child("trap unhandled", filter_trap_unhandled);
  child("kill", filter_kill);
  child("strict", filter_strict);
  child("strict kills", filter_strict_kills);
  child("threads", filter_threads);
  child("exec", filter_exec);
  return 0;
}
