// SPDX-License-Identifier: MIT
// confined STEP...: takes one step after the other, says so, waits for a byte, and ends.
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int filter(int by_prctl) {
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {1, allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
                  : (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int landlock(void) {
  struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE};
  int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
  if (fd < 0) return fd;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}

static int capabilities(unsigned keep) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data)) return -1;
  data[0].effective &= keep;
  return (int)syscall(SYS_capset, &header, data);
}

static int pivot(void) {
  if (unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) return -1;
  if (mount("/tmp", "/tmp", 0, MS_BIND, 0) || chdir("/tmp")) return -1;
  return (int)syscall(SYS_pivot_root, ".", ".");
}

static void* other_thread(void* step);
static int g_pid;  // asked for before strict seccomp, which forbids it

static int take(const char* step) {
  if (!strcmp(step, "nothing")) return 0;
  if (!strcmp(step, "chroot")) return chroot("/");
  if (!strcmp(step, "chroot-fails")) return !chroot("/nowhere/at/all");
  if (!strcmp(step, "pivot_root")) return pivot();
  if (!strcmp(step, "mounts")) return unshare(CLONE_NEWNS);
  if (!strcmp(step, "users")) return unshare(CLONE_NEWUSER);
  if (!strcmp(step, "both")) return unshare(CLONE_NEWUSER | CLONE_NEWNS);
  if (!strcmp(step, "setns")) return setns((int)syscall(SYS_pidfd_open, getpid(), 0), CLONE_NEWNS);
  if (!strcmp(step, "filter")) return filter(0);
  if (!strcmp(step, "filter-by-prctl")) return filter(1);
  if (!strcmp(step, "strict")) return g_pid = getpid(), prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
  if (!strcmp(step, "landlock")) return landlock();
  if (!strcmp(step, "capset")) return capabilities(0);
  if (!strcmp(step, "capset-same")) return capabilities(~0u);
  // The system calls themselves: libc's call them in every thread.
  if (!strcmp(step, "setuid")) return (int)syscall(SYS_setuid, 61001);
  if (!strcmp(step, "setreuid")) return (int)syscall(SYS_setreuid, -1, 61001);
  if (!strcmp(step, "setresuid")) return (int)syscall(SYS_setresuid, 61001, 61001, 61001);
  if (!strcmp(step, "seteuid")) return (int)syscall(SYS_setresuid, -1, 61001, -1);
  if (!strcmp(step, "setfsuid")) return setfsuid(61001) < 0;
  if (!strcmp(step, "setuid-same")) return (int)(syscall(SYS_setuid, geteuid()) | syscall(SYS_setresuid, -1, -1, -1));
  if (!strcmp(step, "libc-setuid")) return setuid(61001);
  if (!strcmp(step, "fork")) {  // goes on in the child; the parent waits for it
    pid_t child = fork();
    if (child > 0) {
      int status;
      waitpid(child, &status, 0);
      _exit(status != 0);
    }
    return child;
  }
  if (!strcmp(step, "clone-mounts")) {
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (child > 0) {
      int status;
      waitpid(child, &status, 0);
      _exit(status != 0);
    }
    return child;
  }
  if (!strcmp(step, "exec")) return execl("/proc/self/exe", "confined", "nothing", (char*)0);
  if (!strncmp(step, "thread-", 7)) {  // one thread takes it, the others stay as they are
    pthread_t thread;
    void* result;
    if (pthread_create(&thread, 0, other_thread, (void*)(step + 7)) || pthread_join(thread, &result)) return -1;
    return (int)(long)result;
  }
  return -1;
}

static void* other_thread(void* step) { return (void*)(long)take(step); }

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    if (take(argv[i])) {
      printf("%s: %s\n", argv[i], strerror(errno));
      fflush(stdout);
      return 1;
    }
  }
  // Under strict seccomp there is nothing but write, read and exit.
  char line[32];
  int n = sprintf(line, "done %d\n", g_pid ? g_pid : getpid());
  write(1, line, (size_t)n);
  char byte;
  read(0, &byte, 1);
  syscall(SYS_exit, 0);
}
