// SPDX-License-Identifier: MIT
// S6: descriptors that the guest has not opened are closed ones, in every call that can name them. The engine's lie among them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* g_call;
static long g_wrong;

static void is(int fd, long result, int error, long wanted, int wanted_error) {
  if (result == wanted && (result >= 0 || error == wanted_error)) return;
  if (g_wrong++ < 20) printf("%s, %d: %ld, %s\n", g_call, fd, result, result < 0 ? strerror(error) : "");
}
#define CALL(fd, call, wanted_error)    \
  do {                                  \
    g_call = #call;                     \
    errno = 0;                          \
    long result = (long)(call);         \
    is(fd, result, errno, -1, wanted_error); \
  } while (0)

static void* g_two_pages;

static void polls(int fd) {
  struct timespec none = {0, 0};
  for (int n = 1; n < 40; n += 13) {
    struct pollfd set[40];
    for (int i = 0; i < n; i++) set[i] = (struct pollfd){-1, POLLIN, 77};
    set[n - 1] = (struct pollfd){fd, POLLIN | POLLOUT, 77};
    g_call = "poll";
    int result = poll(set, (nfds_t)n, -1);
    is(fd, result, errno, 1, 0);
    is(fd, set[n - 1].revents, 0, POLLNVAL, 0);
    is(fd, set[n - 1].fd, 0, fd, 0);
    if (n > 1) is(fd, set[0].revents, 0, 0, 0);
  }
  // With one that is ready, and one that cannot be read from the array.
  int ends[2];
  pipe(ends);
  write(ends[1], "x", 1);
  struct pollfd both[2] = {{ends[0], POLLIN, 0}, {fd, POLLIN, 0}};
  g_call = "ppoll of two";
  is(fd, ppoll(both, 2, &none, 0), errno, 2, 0);
  is(fd, both[0].revents, 0, POLLIN, 0);
  is(fd, both[1].revents, 0, POLLNVAL, 0);
  CALL(fd, ppoll((struct pollfd*)((char*)g_two_pages + 4096), 1, &none, 0), EFAULT);
  close(ends[0]);
  close(ends[1]);
}

static void selects(int fd) {
  unsigned long set[64];
  for (int which = 0; which < 3; which++) {
    memset(set, 0, sizeof set);
    set[fd / 64] |= 1ul << fd % 64;
    struct timespec none = {0, 0};
    CALL(fd, syscall(SYS_pselect6, fd + 1, which == 0 ? set : 0, which == 1 ? set : 0, which == 2 ? set : 0, &none, 0), EBADF);
  }
}

static void messages(int fd) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
  for (int n = 1; n <= 3; n++) {
    char control[CMSG_SPACE(12)] = {0};
    struct iovec part = {"x", 1};
    struct mmsghdr two[2] = {{{0, 0, &part, 1, 0, 0, 0}, 0}, {{0, 0, &part, 1, control, CMSG_SPACE((size_t)n * 4), 0}, 0}};
    struct cmsghdr* c = CMSG_FIRSTHDR(&two[1].msg_hdr);
    *c = (struct cmsghdr){CMSG_LEN((size_t)n * 4), SOL_SOCKET, SCM_RIGHTS};
    int fds[3] = {0, 1, 2};
    fds[n - 1] = fd;
    memcpy(CMSG_DATA(c), fds, (size_t)n * 4);
    CALL(fd, sendmsg(pair[0], &two[1].msg_hdr, MSG_DONTWAIT), EBADF);
    CALL(fd, sendmmsg(pair[0], two + 1, 1, MSG_DONTWAIT), EBADF);
    g_call = "sendmmsg of two";
    is(fd, sendmmsg(pair[0], two, 2, MSG_DONTWAIT), errno, 1, 0);
  }
  close(pair[0]);
  close(pair[1]);
}

static void names(int fd, int pid) {
  static const char* const places[] = {"/proc/self/fd/%d", "/proc/self/fdinfo/%d", "/dev/fd/%d", "/proc/thread-self/fd/%d", "/proc//self/./fd//%d"};
  char path[128], buffer[64];
  struct stat st;
  for (unsigned i = 0; i < sizeof places / sizeof *places + 2; i++) {
    if (i < sizeof places / sizeof *places)
      snprintf(path, sizeof path, places[i], fd);
    else
      snprintf(path, sizeof path, i & 1 ? "/proc/%1$d/fd/%2$d" : "/proc/%1$d/task/%1$d/fd/%2$d", pid, fd);
    CALL(fd, open(path, O_RDONLY), ENOENT);
    CALL(fd, open(path, O_PATH), ENOENT);
    CALL(fd, stat(path, &st), ENOENT);
    CALL(fd, lstat(path, &st), ENOENT);
    CALL(fd, access(path, F_OK), ENOENT);
    CALL(fd, readlink(path, buffer, sizeof buffer), ENOENT);
    CALL(fd, chdir(path), ENOENT);
    CALL(fd, execl(path, "x", (char*)0), ENOENT);
    CALL(fd, truncate(path, 0), ENOENT);
    strcat(path, "/..");
    CALL(fd, open(path, O_RDONLY), ENOENT);
    CALL(fd, chdir(path), ENOENT);
  }
  int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  snprintf(path, sizeof path, "%d", fd);
  CALL(fd, openat(list, path, O_RDONLY), ENOENT);
  CALL(fd, fstatat(list, path, &st, 0), ENOENT);
  CALL(fd, readlinkat(list, path, buffer, sizeof buffer), ENOENT);
  // A link may name what is not there.
  g_call = "symlink";
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  snprintf(buffer, sizeof buffer, "/tmp/nobodys-%d", getpid());
  is(fd, symlink(path, buffer), errno, 0, 0);
  unlink(buffer);
  close(list);
}

static void listed(const char* directory, const char* call) {
  DIR* d = opendir(directory);
  g_call = call;
  for (struct dirent* e; d && (e = readdir(d));)
    if (e->d_name[0] != '.' && atoi(e->d_name) > 900) is(atoi(e->d_name), 0, 0, -1, 0);
  if (d) closedir(d);
}

int main(void) {
  dup2(0, 1999);  // select looks no further than the table of descriptors has room
  for (int fd = 3; fd < 2000; fd++) close(fd);
  g_two_pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap((char*)g_two_pages + 4096, 4096);
  int pair[2];
  pipe(pair);
  pid_t child = fork();
  if (!child) {
    char byte;
    read(pair[0], &byte, 1);
    _exit(0);
  }
  const int pid = getpid();
  int own = (int)syscall(SYS_pidfd_open, pid, 0), other = (int)syscall(SYS_pidfd_open, child, 0), poll_fd = epoll_create1(0);
  for (int fd = 1000; fd < 1040; fd++) {
    struct epoll_event event = {EPOLLIN, {0}};
    CALL(fd, fcntl(fd, F_GETFD), EBADF);
    CALL(fd, dup(fd), EBADF);
    CALL(fd, dup2(fd, 900), EBADF);
    CALL(fd, fcntl(fd, F_DUPFD, 900), EBADF);
    CALL(fd, epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event), EBADF);
    CALL(fd, syscall(SYS_pidfd_getfd, own, fd, 0), EBADF);
    CALL(fd, syscall(SYS_pidfd_getfd, other, fd, 0), EBADF);
    CALL(fd, syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, 0), EBADF);
    CALL(fd, syscall(SYS_kcmp, pid, child, KCMP_FILE, 0, fd), EBADF);
    CALL(fd, syscall(SYS_kcmp, child, pid, KCMP_FILE, fd, 0), EBADF);
    CALL(fd, mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
    CALL(fd, sendfile(1, fd, 0, 1), EBADF);
    CALL(fd, openat(fd, "..", O_RDONLY), EBADF);
    polls(fd);
    selects(fd);
    messages(fd);
    names(fd, pid);
    names(fd, child);
  }
  char path[64];
  listed("/proc/self/fd", "own list");
  listed("/proc/self/fdinfo", "own fdinfo");
  snprintf(path, sizeof path, "/proc/%d/fd", child);
  listed(path, "the child's list");
  snprintf(path, sizeof path, "/proc/%d/fdinfo", child);
  listed(path, "the child's fdinfo");
  kill(child, SIGKILL);
  wait(0);
  // What the guest has there itself is seen.
  for (int fd = 1000; fd < 1040; fd++) {
    if (dup2(0, fd) != fd) printf("dup2 %d: %s\n", fd, strerror(errno));
    struct pollfd one = {fd, 0, 0};
    struct stat st;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = (int)syscall(SYS_pidfd_getfd, own, fd, 0);
    g_call = "its own";
    is(fd, stat(path, &st) | poll(&one, 1, 0) | (copy < 0) | (int)syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, 0), errno, 0, 0);
    close(copy);
  }
  printf("%ld wrong\n", g_wrong);
  return g_wrong != 0;
}
