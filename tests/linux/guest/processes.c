// SPDX-License-Identifier: MIT
// fork, vfork, posix_spawn, clone in its forms, wait. Built for AArch64 and for the host; both must print the same.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;
#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s (errno %d)\n", __LINE__, #c, errno); } } while (0)
#define TEST(f) do { fflush(stdout); f(); printf("%s done\n", #f); } while (0)
extern char **environ;
static const char *self;

static int wait_status(pid_t c) {
  int st = -1;
  CHECK(waitpid(c, &st, 0) == c);
  return st;
}

static void forks(void) {
  int here = 1;
  for (int i = 0; i < 20; i++) {
    pid_t c = fork();
    if (!c) {
      here = 2;
      _exit(i);
    }
    CHECK(wait_status(c) == i << 8);
  }
  CHECK(here == 1);
  pid_t c = fork();
  if (!c) {
    pid_t d = fork();
    if (!d) _exit(4);
    _exit(WEXITSTATUS(wait_status(d)) + 1);
  }
  CHECK(wait_status(c) == 5 << 8);
  struct rusage u;
  c = fork();
  if (!c) {
    for (volatile int i = 0; i < 3000000; i++) {}
    _exit(0);
  }
  memset(&u, 0xff, sizeof u);
  int st;
  CHECK(wait4(c, &st, 0, &u) == c && st == 0 && u.ru_utime.tv_sec < 100 && u.ru_maxrss > 0);
  c = fork();
  if (!c) _exit(6);
  siginfo_t si;
  CHECK(waitid(P_PID, c, &si, WEXITED | WNOWAIT) == 0 && si.si_pid == c && si.si_status == 6 && si.si_code == CLD_EXITED);
  CHECK(wait_status(c) == 6 << 8);
  errno = 0;
  CHECK(waitpid(-1, &st, 0) == -1 && errno == ECHILD);
}

static volatile int vfork_value;
static void vforks(void) {
  for (int i = 0; i < 50; i++) {
    pid_t c = vfork();
    if (!c) {
      vfork_value = i + 1;
      _exit(3);
    }
    CHECK(c > 0 && vfork_value == i + 1);
    CHECK(wait_status(c) == 3 << 8);
  }
  pid_t c = vfork();
  if (!c) {
    execl("/no/such", "x", (char *)0);
    vfork_value = errno;
    _exit(9);
  }
  CHECK(vfork_value == ENOENT && wait_status(c) == 9 << 8);
  c = vfork();
  if (!c) {
    struct rlimit z = {0, 0};
    setrlimit(RLIMIT_CORE, &z);
    kill(getpid(), SIGKILL);
    for (;;) {}
  }
  int st = wait_status(c);
  CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
}

static void on_usr(int sig) { (void)sig; }
static void spawns(void) {
  pid_t c;
  char *argv[] = {(char *)self, "child", "7", 0};
  CHECK(posix_spawn(&c, "/no/such", 0, 0, argv, environ) == ENOENT);
  CHECK(posix_spawn(&c, "/", 0, 0, argv, environ) == EACCES);
  // The child resets handlers; the parent keeps them.
  struct sigaction a = {.sa_handler = on_usr}, now;
  sigaction(SIGUSR1, &a, 0);
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  posix_spawnattr_setsigdefault(&attr, &s);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
  CHECK(posix_spawn(&c, "/no/such", 0, &attr, argv, environ) == ENOENT);
  sigaction(SIGUSR1, 0, &now);
  CHECK(now.sa_handler == on_usr);
  raise(SIGUSR1);
  for (int i = 0; i < 5; i++) {
    CHECK(posix_spawn(&c, self, 0, &attr, argv, environ) == 0);
    CHECK(wait_status(c) == 7 << 8);
  }
  FILE *p = popen("echo from a shell; exit 5", "r");
  char line[64] = "";
  CHECK(p && fgets(line, sizeof line, p) && !strcmp(line, "from a shell\n"));
  CHECK(pclose(p) == 5 << 8);
  CHECK(system("exit 3") == 3 << 8);
}

static char stack[65536] __attribute__((aligned(16)));
static volatile int shared, flag;
static int in_clone(void *p) {
  shared = (int)(long)p;
  return 12;
}
static int files_and_fs(void *p) {
  (void)p;
  close(100);
  CHECK(chdir("/") == 0);
  umask(077);
  return 0;
}
static void on_child(int sig) { (void)sig; flag++; }
static void clones(void) {
  pid_t c = clone(in_clone, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)77);
  CHECK(c > 0 && wait_status(c) == 12 << 8 && shared == 77);
  c = clone(in_clone, stack + sizeof stack, SIGCHLD, (void *)88);
  CHECK(c > 0 && wait_status(c) == 12 << 8 && shared == 77);
  CHECK(dup2(1, 100) == 100);
  CHECK(chdir("/tmp") == 0);
  c = clone(files_and_fs, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, 0);
  CHECK(wait_status(c) == 0 && fcntl(100, F_GETFD) == -1);
  char cwd[64];
  CHECK(getcwd(cwd, sizeof cwd) && !strcmp(cwd, "/") && umask(022) == 077);
  // Another exit signal, and tids where they are asked for.
  struct sigaction a = {.sa_handler = on_child};
  sigaction(SIGUSR2, &a, 0);
  pid_t parent_tid = 0, child_tid = 0;
  c = clone(in_clone, stack + sizeof stack, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGUSR2, (void *)99,
            &parent_tid, 0, &child_tid);
  int st;
  CHECK(waitpid(c, &st, __WCLONE) == c && st == 12 << 8 && shared == 99);
  CHECK(parent_tid == c && child_tid == c && flag == 1);
}

struct args3 { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };
static void clone3s(void) {
  struct args3 a;
  memset(&a, 0, sizeof a);
  a.exit_signal = SIGCHLD;
  long c = syscall(435, &a, sizeof a);
  if (!c) _exit(21);
  CHECK(c > 0 && wait_status((pid_t)c) == 21 << 8);
  int fd = -1;
  a.flags = CLONE_PIDFD;
  a.pidfd = (uintptr_t)&fd;
  c = syscall(435, &a, 64);
  if (!c) _exit(22);
  siginfo_t si;
  CHECK(fd >= 0 && waitid(3 /* P_PIDFD */, (id_t)fd, &si, WEXITED) == 0 && si.si_status == 22);
  close(fd);
  memset(&a, 0, sizeof a);
  a.exit_signal = SIGCHLD;
  a.stack = (uintptr_t)stack;
  CHECK(syscall(435, &a, sizeof a) == -1 && errno == EINVAL);
  CHECK(syscall(435, &a, 8) == -1 && errno == EINVAL);
  CHECK(syscall(435, 8, sizeof a) == -1 && errno == EFAULT);
  CHECK(syscall(435, &a, 100000) == -1 && errno == E2BIG);
  memset(&a, 0, sizeof a);
  a.flags = 1ull << 32;  // CLONE_CLEAR_SIGHAND
  a.exit_signal = SIGCHLD;
  signal(SIGUSR1, on_usr);
  signal(SIGTERM, SIG_IGN);
  c = syscall(435, &a, sizeof a);
  if (!c) {
    struct sigaction u, t;
    sigaction(SIGUSR1, 0, &u);
    sigaction(SIGTERM, 0, &t);
    _exit(u.sa_handler == SIG_DFL && t.sa_handler == SIG_IGN ? 23 : 1);
  }
  CHECK(wait_status((pid_t)c) == 23 << 8);
  signal(SIGTERM, SIG_DFL);
}

static void pidfds(void) {
  pid_t c = fork();
  if (!c) for (;;) pause();
  int fd = (int)syscall(SYS_pidfd_open, c, 0);
  CHECK(fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0) == 0);
  int st = wait_status(c);
  CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
  close(fd);
}

static void sigchld(void) {
  flag = 0;
  struct sigaction a = {.sa_handler = on_child};
  sigaction(SIGCHLD, &a, 0);
  pid_t c = fork();
  if (!c) _exit(0);
  CHECK(wait_status(c) == 0 || flag);
  while (!flag) usleep(1000);
  CHECK(flag == 1);
  a.sa_flags = SA_NOCLDWAIT;
  sigaction(SIGCHLD, &a, 0);
  c = fork();
  if (!c) _exit(0);
  while (flag < 2) usleep(1000);
  int st;
  CHECK(waitpid(c, &st, 0) == -1 && errno == ECHILD);
  signal(SIGCHLD, SIG_DFL);
}

static void inherited(void) {  // masks, ignored signals and pending ones across exec
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  sigaddset(&s, SIGSEGV);
  sigaddset(&s, 40);
  pid_t c = fork();
  if (!c) {
    sigprocmask(SIG_BLOCK, &s, 0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGBUS, SIG_IGN);
    signal(SIGUSR2, on_usr);
    raise(SIGUSR1);
    execl(self, self, "signals", (char *)0);
    _exit(99);
  }
  CHECK(wait_status(c) == 0);
}
static int exec_child(void) {
  sigset_t m, p;
  struct sigaction t, b, u;
  sigprocmask(SIG_BLOCK, 0, &m);
  sigpending(&p);
  sigaction(SIGTERM, 0, &t);
  sigaction(SIGBUS, 0, &b);
  sigaction(SIGUSR2, 0, &u);
  CHECK(sigismember(&m, SIGUSR1) && sigismember(&m, SIGSEGV) && sigismember(&m, 40) && !sigismember(&m, SIGUSR2));
  CHECK(sigismember(&p, SIGUSR1) && !sigismember(&p, 40));
  CHECK(t.sa_handler == SIG_IGN && b.sa_handler == SIG_IGN && u.sa_handler == SIG_DFL);
  return failures != 0;
}

int main(int argc, char **argv) {
  self = realpath(argv[0], 0);
  if (argc > 2 && !strcmp(argv[1], "child")) return atoi(argv[2]);
  if (argc > 1 && !strcmp(argv[1], "signals")) return exec_child();
  TEST(forks);
  TEST(vforks);
  TEST(spawns);
  TEST(clones);
  TEST(clone3s);
  TEST(pidfds);
  TEST(sigchld);
  TEST(inherited);
  printf("%d failures\n", failures);
  return failures != 0;
}
