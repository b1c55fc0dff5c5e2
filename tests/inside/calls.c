// SPDX-License-Identifier: MIT
// Known system calls, for what --strace makes of them. Between two calls of getpid(); with an argument only the last.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc > 1) _exit(3);
  char buffer[64];
  int pair[2];
  struct stat st;
  struct sockaddr_un name = {AF_UNIX, "./socket"};
  struct sockaddr_in address = {AF_INET, htons(8080), {htonl(0x7f000001)}, {0}};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGCHLD);
  syscall(SYS_getpid);
  int fd = openat(AT_FDCWD, "./file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  write(fd, "a \"b\"\n\1", 7);
  lseek(fd, 2, SEEK_SET);
  read(fd, buffer, 60);
  fstat(fd, &st);
  fcntl(fd, F_DUPFD_CLOEXEC, 100);
  fcntl(fd, F_GETFL);
  flock(fd, LOCK_EX | LOCK_NB);
  void* p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  mprotect(p, 4096, PROT_NONE);
  madvise(p, 4096, MADV_DONTNEED);
  openat(fd, "x", O_RDONLY | O_DIRECTORY);
  unlinkat(AT_FDCWD, "./nothing", AT_REMOVEDIR);
  faccessat(AT_FDCWD, "/", R_OK | X_OK, 0);
  pipe2(pair, O_NONBLOCK);
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect(s, (void*)&name, sizeof name.sun_family + 9);
  s = socket(AF_INET, SOCK_DGRAM, 0);
  connect(s, (void*)&address, sizeof address);
  socklen_t length = sizeof buffer;
  getsockopt(s, 99, 99, buffer, &length);
  sigprocmask(SIG_BLOCK, &set, 0);
  signal(SIGUSR1, SIG_IGN);
  kill(getpid(), SIGUSR1);
  struct rlimit limit;
  getrlimit(RLIMIT_CORE, &limit);
  char* arguments[] = {"calls", "again", 0};
  pid_t child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (!child) syscall(SYS_execve, argv[0], arguments, 0);
  int status;
  wait4(child, &status, WUNTRACED, 0);
  syscall(SYS_getpid);
  return 0;
}
