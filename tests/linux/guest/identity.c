// SPDX-License-Identifier: MIT
// Whatever way a program asks for /proc/PID/exe, it finds itself; a link of another name, another process, a deleted file.
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "print.h"

static struct stat me;
static char self[PATH_MAX];

static int is_me(const struct stat* s) { return s->st_dev == me.st_dev && s->st_ino == me.st_ino; }
static int opens_me(int fd) {
  struct stat s;
  if (fd < 0) return -errno;
  int r = fstat(fd, &s) ? -errno : is_me(&s);
  close(fd);
  return r;
}
static int link_is(int dirfd, const char* path, const char* want) {
  char b[PATH_MAX];
  ssize_t n = readlinkat(dirfd, path, b, sizeof b - 1);
  if (n < 0) return -errno;
  b[n] = 0;
  return !strcmp(b, want);
}
static int stats_me(int dirfd, const char* path, int flags) {
  struct stat s;
  return fstatat(dirfd, path, &s, flags) ? -errno : is_me(&s);
}
static int statx_me(int dirfd, const char* path, int flags) {
  struct statx x;
  return statx(dirfd, path, flags, STATX_ALL, &x) ? -errno : x.stx_ino == me.st_ino && x.stx_size == me.st_size;
}

// All questions about one spelling.
static void ask(const char* what, int dirfd, const char* path) {
  struct stat s;
  struct open_how how = {.flags = O_RDONLY};
  printf("%s: link %d open %d path-only %d openat2 %d stat %d statx %d lstat-is-link %d access %d %d %d\n", what,
         link_is(dirfd, path, self), opens_me(openat(dirfd, path, O_RDONLY)), opens_me(openat(dirfd, path, O_PATH)),
         opens_me((int)syscall(SYS_openat2, dirfd, path, &how, sizeof how)), stats_me(dirfd, path, 0), statx_me(dirfd, path, 0),
         fstatat(dirfd, path, &s, AT_SYMLINK_NOFOLLOW) ? -errno : S_ISLNK(s.st_mode), faccessat(dirfd, path, R_OK, 0),
         faccessat(dirfd, path, X_OK, 0), faccessat(dirfd, path, F_OK, AT_EACCESS));
}

static int open_descriptors(void) {
  DIR* d = opendir("/proc/self/fd");
  int count = 0;
  for (struct dirent* e; (e = readdir(d));) count += e->d_name[0] != '.';
  closedir(d);
  return count;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    for (;;) pause();
  }
  int inherited = open_descriptors();
  readlink("/proc/self/exe", self, sizeof self - 1);
  stat(self, &me);
  char b[PATH_MAX], directory[] = "/tmp/identity-XXXXXX";
  mkdtemp(directory);
  SHOW(access(self, X_OK));

  ask("self", AT_FDCWD, "/proc/self/exe");
  ask("thread-self", AT_FDCWD, "/proc/thread-self/exe");
  snprintf(b, sizeof b, "/proc/%d/exe", getpid());
  ask("pid", AT_FDCWD, b);
  snprintf(b, sizeof b, "/proc/%d/task/%d/exe", getpid(), getpid());
  ask("task", AT_FDCWD, b);
  ask("dots", AT_FDCWD, "/proc/../proc//self/./exe");
  int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
  ask("dirfd", proc, "exe");
  ask("dirfd and dots", proc, "../self/exe");
  chdir("/proc/self");
  ask("cwd", AT_FDCWD, "exe");
  chdir(directory);
  symlink("/proc/self/exe", "exe");
  symlink("exe", "again");
  symlink("/proc/self", "proc");
  ask("own link named exe", AT_FDCWD, "exe");
  ask("link to a link", AT_FDCWD, "again");
  ask("through a link to the directory", AT_FDCWD, "proc/exe");
  ask("the file itself", AT_FDCWD, self);
  ask("nothing", AT_FDCWD, "/proc/self/exe/x");
  ask("trailing slash", AT_FDCWD, "/proc/self/exe/");
  TRY(open("/proc/self/exe", O_WRONLY));
  TRY(open("/proc/self/exe", O_RDONLY | O_DIRECTORY));
  TRY(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW));
  TRY(open("/proc/self/exe", O_RDWR | O_CREAT | O_EXCL, 0600));
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS};
  TRY(syscall(SYS_openat2, AT_FDCWD, "/proc/self/exe", &how, sizeof how));
  SHOW(readlink("/proc/self/exe", b, 3));
  SHOW(memcmp(b, self, 3));
  TRY(readlink("/proc/self/exe", b, 0));
  TRY(readlink("/proc/self/exe", (char*)16, 10));
  SHOW(realpath("/proc/self/exe", b) && !strcmp(b, self));

  // What the descriptor of it says.
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
  SHOW(link_is(AT_FDCWD, b, self));
  SHOW(fcntl(fd, F_GETFD));
  SHOW(stats_me(fd, "", AT_EMPTY_PATH));
  SHOW(statx_me(fd, "", AT_EMPTY_PATH));
  unsigned char magic[20];
  SHOW(read(fd, magic, 20));
  SHOW(magic[0] == 0x7f && magic[1] == 'E' && magic[4] == 2);
  close(fd);

  // A copy of the program under another name, alive as a child; then without its name.
  char command[PATH_MAX + 16];
  snprintf(command, sizeof command, "cp %s copy", self);
  system(command);
  pid_t child = fork();
  if (!child) {
    execl("./copy", "copy", "wait", (char*)0);
    _exit(1);
  }
  usleep(300000);
  char copy[PATH_MAX], child_exe[64];
  snprintf(copy, sizeof copy, "%s/copy", directory);
  snprintf(child_exe, sizeof child_exe, "/proc/%d/exe", child);
  struct stat s, t;
  stat("copy", &s);
  SHOW(link_is(AT_FDCWD, child_exe, copy));
  SHOW(stat(child_exe, &t) == 0 && s.st_ino == t.st_ino);
  unlink("copy");
  strcat(copy, " (deleted)");
  SHOW(link_is(AT_FDCWD, child_exe, copy));
  SHOW(stat(child_exe, &t) == 0 && s.st_ino == t.st_ino && t.st_nlink == 0);
  fd = open(child_exe, O_RDONLY);
  SHOW(fstat(fd, &t) == 0 && s.st_ino == t.st_ino);
  close(fd);
  snprintf(child_exe, sizeof child_exe, "/proc/%d/comm", child);
  fd = open(child_exe, O_RDONLY);
  int n = (int)read(fd, b, sizeof b);
  printf("comm %.*s", n, b);
  close(fd);
  snprintf(child_exe, sizeof child_exe, "/proc/%d/cmdline", child);
  fd = open(child_exe, O_RDONLY);
  n = (int)read(fd, b, sizeof b);
  for (int i = 0; i < n; i++)
    if (!b[i]) b[i] = '|';
  printf("cmdline %.*s\n", n, b);
  close(fd);
  kill(child, SIGKILL);
  wait(0);

  // Rewritten files of procfs are still themselves for stat: cp(1) compares.
  const char* files[] = {"/proc/self/maps", "/proc/self/smaps", "/proc/cpuinfo", "/proc/self/cmdline", "/proc/self/status"};
  for (int i = 0; i < 5; i++) {
    fd = open(files[i], O_RDONLY);
    stat(files[i], &s);
    fstat(fd, &t);
    ssize_t size = 0, r;
    while ((r = read(fd, b, sizeof b)) > 0) size += r;
    printf("%s: same %d size %ld mode %o read some %d\n", files[i], s.st_dev == t.st_dev && s.st_ino == t.st_ino,
           (long)t.st_size, t.st_mode, size > 0);
    close(fd);
  }

  // Descriptors: nothing but what the program opened.
  close(proc);
  SHOW(open_descriptors() - inherited);
  chdir("/");
  snprintf(b, sizeof b, "rm -r %s", directory);
  return system(b);
}
