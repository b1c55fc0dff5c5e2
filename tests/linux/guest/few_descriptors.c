// SPDX-License-Identifier: MIT
// M7, M10: as many descriptors as natively under every limit, and exec that needs none of its own.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static char g_self[4096], g_script[4200], g_data[4200], g_gone[4200];

static void limit(int n) {
  struct rlimit r = {(rlim_t)n, (rlim_t)n};
  if (setrlimit(RLIMIT_NOFILE, &r)) perror("setrlimit");
}

static int fill(int flags) {
  int n = 0;
  while (open("/dev/null", O_RDONLY | flags) >= 0) n++;
  return n;
}

// In a child, so that each begins with all that it may have.
#define CHILD(body)                                      \
  do {                                                   \
    fflush(stdout);                                      \
    pid_t child = fork();                                \
    if (!child) {                                        \
      body;                                              \
      fflush(stdout);                                    \
      _exit(0);                                          \
    }                                                    \
    int status;                                          \
    waitpid(child, &status, 0);                          \
    if (status) printf("status %x\n", (unsigned)status); \
  } while (0)

static void identity(const char* when) {
  char link[4096] = "";
  ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
  struct stat a, b;
  int same = !stat("/proc/self/exe", &a) && !stat(g_self, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
  printf("%s: link %s, %s, access %d, long %d\n", when, n > 0 && !strcmp(link, g_self) ? "right" : link, same ? "same file" : "other file",
         access("/proc/self/exe", X_OK), (int)readlink("/proc/self/exe", link, 3));
}

static void count(void) {
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  printf("limit %d %d: %d\n", (int)r.rlim_cur, (int)r.rlim_max, fill(0));
  for (int fd = 3; fd < (int)r.rlim_cur; fd++) {
    struct stat st;
    if (fstat(fd, &st)) printf("%d: %s\n", fd, strerror(errno));
  }
  printf("socket: %s\n", socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? strerror(errno) : "there");
  printf("dup: %s\n", dup(0) < 0 ? strerror(errno) : "there");
  close(3);
  identity("one is free");
  int fd = open("/proc/self/exe", O_RDONLY);
  char head[4] = "";
  printf("exe opens at %d, %zd\n", fd, read(fd, head, 4));
  printf("full again: %s\n", dup(0) < 0 ? strerror(errno) : "there");
}

static void exec_self(const char* what) {
  execl("/proc/self/exe", g_self, what, (char*)0);
  printf("exec: %s\n", strerror(errno));
}

static int spawn(const char* path, const char* what) {
  char* argv[] = {(char*)path, (char*)what, 0};
  pid_t pid;
  int error = posix_spawn(&pid, path, 0, 0, argv, environ);
  if (error) return error;
  int status;
  waitpid(pid, &status, 0);
  return status;
}

static void prepare(void) {
  snprintf(g_script, sizeof g_script, "%s.script", g_self);
  snprintf(g_data, sizeof g_data, "%s.data", g_self);
  snprintf(g_gone, sizeof g_gone, "%s.gone", g_self);
  FILE* f = fopen(g_script, "w");
  fprintf(f, "#!%s hello\n", g_self);
  fclose(f);
  chmod(g_script, 0755);
  f = fopen(g_data, "w");
  fprintf(f, "no program\n");
  fclose(f);
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  g_self[readlink("/proc/self/exe", g_self, sizeof g_self - 100)] = 0;
  for (int fd = 3; fd < 100 && !*what; fd++) close(fd);
  if (!strcmp(what, "hello")) return puts("hello") < 0;
  if (!strcmp(what, "count")) return count(), 0;
  if (!strcmp(what, "identity")) return identity("at start"), 0;
  prepare();

  static const int limits[] = {4, 5, 6, 8, 16, 63, 64, 65, 70, 100, 1023, 1024, 1025, 1026, 1027, 1028, 1029, 1030, 1100};
  for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
    CHILD(limit(limits[i]); exec_self("count"));  // the program begins under it
    CHILD(limit(limits[i]); count());             // it comes later
    for (int flags = 0; flags <= O_CLOEXEC; flags += O_CLOEXEC) {
      CHILD(limit(limits[i]); fill(flags); exec_self("hello"));
      CHILD(limit(limits[i]); fill(flags); exec_self("identity"));
      CHILD(limit(limits[i]); fill(flags); execl(g_script, g_script, (char*)0); perror("script"));
      CHILD(limit(limits[i]); fill(flags); printf("spawn %d\n", spawn(g_self, "hello")));
    }
    CHILD(limit(limits[i]); int fd = open(g_self, O_RDONLY | O_CLOEXEC); fill(0);
          syscall(SYS_execveat, fd, "", ((char*[]){g_self, "hello", 0}), environ, 0x1000); perror("execveat"));
    CHILD(limit(limits[i]); int fd = open(g_self, O_RDONLY); fill(0);
          syscall(SYS_execveat, fd, "", ((char*[]){g_self, "hello", 0}), environ, 0x1000); perror("execveat"));
  }
  CHILD(limit(20); fill(0); errno = 0; execl("/nowhere", "x", (char*)0); perror("nowhere"); execl(g_data, "x", (char*)0); perror("data");
        execl("/tmp", "x", (char*)0); perror("directory"); execl("/dev/null", "x", (char*)0); perror("device"); printf("%d\n", fill(0));
        printf("still full: %s\n", dup(0) < 0 ? strerror(errno) : "no"));
  // The soft limit alone, raised again later.
  CHILD(struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = 10; setrlimit(RLIMIT_NOFILE, &r); printf("%d\n", fill(0)); r.rlim_cur = 1029;
        setrlimit(RLIMIT_NOFILE, &r); printf("%d\n", fill(0)); exec_self("hello"));
  // Onto the engine's numbers.
  CHILD(limit(1030); fill(0); for (int fd = 1020; fd < 1032; fd++) printf("%d ", dup2(0, fd)); puts(""); exec_self("identity"));
  CHILD(limit(1026); for (int fd = 1000; fd < 1028; fd++) if (dup2(0, fd) < 0) printf("%d: %s\n", fd, strerror(errno)); exec_self("identity"));
  // Away while it runs, with nothing but a path for it.
  CHILD(limit(10); fill(0); close(9); rename(g_self, g_gone); printf("%d\n", (int)readlink("/proc/self/exe", g_data, 1));
        rename(g_gone, g_self); identity("back again"));
  unlink(g_script);
  unlink(g_data);
  return 0;
}
