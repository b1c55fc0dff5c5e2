// SPDX-License-Identifier: MIT
// U1: what a guest program finds below -L PREFIX. prefix.sh makes the files; no host has a directory /grus-prefix.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed;
static void check(int ok, const char* what) {
  if (ok) return;
  printf("FAILED: %s (%s)\n", what, strerror(errno));
  failed = 1;
}
static int holds(int fd, const char* text) {
  char b[64] = "";
  long n = read(fd, b, sizeof b - 1);
  close(fd);
  return fd >= 0 && n > 0 && !strcmp(b, text);
}
#define FILE_OF_PREFIX "/grus-prefix/file"

int main(int argc, char** argv) {
  if (argc > 1 && !strcmp(argv[1], "child")) {  // the prefix survives an exec
    printf("%s in %s\n", argv[0], holds(open(FILE_OF_PREFIX, O_RDONLY), "of the prefix\n") ? "the prefix" : "FAILED");
    return 0;
  }
  if (argc > 1 && argv[1][0] == '/') {  // as a script's interpreter
    printf("script %s\n", argv[1]);
    return 0;
  }
  struct stat st, other;
  struct statx x;
  struct open_how how = {.flags = O_RDONLY};
  char link[64] = "";
  check(holds(open(FILE_OF_PREFIX, O_RDONLY), "of the prefix\n"), "open");
  check(holds(openat(5, FILE_OF_PREFIX, O_RDONLY), "of the prefix\n"), "openat, the descriptor does not matter");
  check(holds(syscall(SYS_openat2, AT_FDCWD, FILE_OF_PREFIX, &how, sizeof how), "of the prefix\n"), "openat2");
  how.resolve = RESOLVE_BENEATH;
  check(syscall(SYS_openat2, AT_FDCWD, FILE_OF_PREFIX, &how, sizeof how) == -1 && errno == EXDEV, "openat2 that must stay beneath");
  check(!stat(FILE_OF_PREFIX, &st) && st.st_size == 14, "stat");
  check(!statx(AT_FDCWD, FILE_OF_PREFIX, 0, STATX_BASIC_STATS, &x) && x.stx_ino == st.st_ino, "statx");
  check(!access(FILE_OF_PREFIX, R_OK), "access");
  check(access(FILE_OF_PREFIX, X_OK) && errno == EACCES, "access tells the permission of the file below the prefix");
  check(!faccessat(AT_FDCWD, FILE_OF_PREFIX, R_OK, AT_EACCESS), "faccessat2");
  // Links lead where they would if the prefix were the root.
  check(holds(open("/grus-prefix/absolute", O_RDONLY), "of the prefix\n"), "an absolute link");
  check(holds(open("/grus-prefix/directory/file", O_RDONLY), "of the prefix\n"), "an absolute link to a directory");
  check(readlink("/grus-prefix/absolute", link, sizeof link) == 17 && !strcmp(link, FILE_OF_PREFIX), "readlink");
  check(!lstat("/grus-prefix/absolute", &other) && S_ISLNK(other.st_mode), "lstat");
  check(!stat("/grus-prefix/absolute", &other) && other.st_ino == st.st_ino, "stat of a link");
  check(open("/grus-prefix/absolute", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP, "O_NOFOLLOW");
  check(open("/grus-prefix/absolute", O_RDWR | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST, "O_EXCL");
  DIR* list = opendir("/grus-prefix/");
  int entries = 0;
  while (list && readdir(list)) entries++;
  check(entries >= 6, "a directory");
  // What the prefix lacks is the host's, and so is what is not to be found below it.
  check(!access("/etc/passwd", R_OK), "the host's");
  check(open("/grus-prefix/none", O_RDONLY) == -1 && errno == ENOENT, "none");
  check(!access("/dev/null", R_OK | W_OK) && !stat("/dev/null", &st) && S_ISCHR(st.st_mode), "/dev is the kernel's");
  check(open("/proc/only-below", O_RDONLY) == -1 && errno == ENOENT, "/proc is the kernel's");
  check(open((const char*)8, O_RDONLY) == -1 && errno == EFAULT, "a bad name");
  check(open("", O_RDONLY) == -1 && errno == ENOENT, "no name");
  check(!access(argv[2], R_OK), "a name in the prefix itself");
  fflush(stdout);
  char* const child[] = {"renamed", "child", 0};
  char* const none[] = {0};
  if (!vfork()) _exit((execve("/grus-prefix/prog", child, none), 1));
  wait(0);
  if (!vfork()) _exit((execl("/grus-prefix/script", "x", (char*)0), 1));
  wait(0);
  check(execl(FILE_OF_PREFIX, "x", (char*)0) && errno == EACCES, "exec of what is not executable");
  return failed;
}
