// SPDX-License-Identifier: MIT
// A program sees its own descriptors and no others, and cannot lose the emulator's.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "print.h"

static void list(const char* path) {
  DIR* d = opendir(path);
  int n = 0, high = 0;
  for (struct dirent* e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    n++;
    high += atoi(e->d_name) > 100;
  }
  closedir(d);
  printf("%s: %d entries, %d above 100\n", path, n, high);
}

static int open_count(void) {
  int n = 0;
  for (int i = 0; i < 5000; i++) n += fcntl(i, F_GETFD) != -1;
  return n;
}

int main(int argc, char** argv) {
  if (argc > 1) return 7;
  syscall(SYS_close_range, 3, ~0u, 0);
  list("/proc/self/fd");
  list("/proc/self/fdinfo");
  list("/proc/thread-self/fd");
  SHOW(open_count());
  for (int i = 3; i < 5000; i++) close(i);
  SHOW(open("/dev/null", O_RDONLY));
  for (int i = 64; i < 1024; i++)  // every number can be the guest's
    if (dup2(0, i) != i) printf("dup2 to %d: %s\n", i, strerrorname_np(errno));
  SHOW(open_count());
  TRY(syscall(SYS_close_range, 10, 5, 0));
  TRY(syscall(SYS_close_range, 0, 1, 64));
  TRY(syscall(SYS_close_range, 500, 700, 4));  // CLOEXEC
  SHOW(fcntl(500, F_GETFD));
  SHOW(fcntl(499, F_GETFD));
  TRY(syscall(SYS_close_range, 600, 10000, 0));
  SHOW(open_count());
  TRY(syscall(SYS_close_range, 64, ~0u, 2));  // UNSHARE
  SHOW(open_count());
  struct rlimit limit = {5000, 5000};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int i = limit.rlim_cur < 5000 ? (int)limit.rlim_cur - 20 : 4070;
       i < (limit.rlim_cur < 5000 ? (int)limit.rlim_cur : 4100); i++)
    if (dup2(0, i) != i) printf("dup2 high: %s\n", strerrorname_np(errno));
  TRY(syscall(SYS_close_range, 64, ~0u, 0));
  TRY(unshare(CLONE_FILES));
  TRY(close(77));
  TRY(dup3(1, 1, 0));
  TRY(dup3(1, 5, 1));
  TRY(dup2(1, 1));
  TRY(fcntl(0, F_DUPFD, 40));
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    execl("/proc/self/exe", argv[0], "again", (char*)0);
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  SHOW(WEXITSTATUS(status));
  return 0;
}
