// SPDX-License-Identifier: MIT
// poll, select, epoll, eventfd, timerfd, signalfd, inotify; masks and timeouts of those that wait.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "print.h"

static volatile int handled;
static volatile int blocked_in_handler;
static void handler(int sig) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  blocked_in_handler = sigismember(&now, SIGUSR2);
  handled = sig;
}

int main(void) {
  int ep = epoll_create1(EPOLL_CLOEXEC), ev[3];
  for (int i = 0; i < 3; i++) {
    ev[i] = eventfd(0, EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | (i == 2 ? EPOLLONESHOT : 0),
                            .data.u64 = 0x1122334455667700 + i};
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ev[i], &e));
  }
  struct epoll_event got[8];
  memset(got, 0xff, sizeof got);
  TRY(epoll_wait(ep, got, 8, 0));
  for (int i = 0; i < 3; i++) printf("%x %lx\n", got[i].events, (unsigned long)got[i].data.u64);
  SHOW(got[3].events == ~0u && got[3].data.u64 == ~0ul);
  TRY(eventfd_write(ev[0], 5));
  TRY(epoll_wait(ep, got, 2, 0));
  TRY(epoll_pwait2(ep, got, 8, &(struct timespec){0, 0}, 0));
  TRY(epoll_ctl(ep, EPOLL_CTL_MOD, ev[0], &(struct epoll_event){EPOLLIN, {.u64 = 77}}));
  TRY(epoll_ctl(ep, EPOLL_CTL_DEL, ev[1], 0));
  TRY(epoll_ctl(ep, EPOLL_CTL_DEL, ev[1], 0));
  TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ev[0], 0));
  TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep, got));
  TRY(epoll_wait(ep, got, 8, 0));
  SHOW(got[0].data.u64);
  TRY(epoll_wait(ep, got, 0, 0));
  TRY(epoll_wait(ep, got, 0x10000000, 0));
  TRY(epoll_wait(ep, (void*)8, 8, 0));

  struct pollfd p[2] = {{ev[0], POLLIN, 0}, {ev[1], POLLIN, 0}};
  TRY(poll(p, 2, 0));
  printf("%x %x\n", p[0].revents, p[1].revents);
  TRY(poll(p + 1, 1, 10));
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ev[0], &set);
  FD_SET(ev[1], &set);
  TRY(select(ev[2] + 1, &set, 0, 0, &(struct timeval){0, 0}));
  SHOW(FD_ISSET(ev[0], &set) != 0);
  SHOW(FD_ISSET(ev[1], &set) != 0);
  struct timespec left = {0, 20000000};
  FD_ZERO(&set);
  TRY(syscall(SYS_pselect6, 1, &set, 0, 0, &left, 0));
  SHOW(left.tv_nsec);

  // A blocked signal is let in by the temporary mask, and only during the call.
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, 0);
  sigset_t block, none, two;
  sigemptyset(&none), sigemptyset(&block), sigaddset(&block, SIGUSR1);
  sigemptyset(&two), sigaddset(&two, SIGUSR2);
  sigprocmask(SIG_BLOCK, &block, 0);
  raise(SIGUSR1);
  SHOW(handled);
  TRY(ppoll(p + 1, 1, &(struct timespec){5, 0}, &two));
  SHOW(handled);
  SHOW(blocked_in_handler);
  sigset_t after;
  sigprocmask(SIG_BLOCK, 0, &after);
  SHOW(sigismember(&after, SIGUSR1));
  SHOW(sigismember(&after, SIGUSR2));
  handled = 0;
  raise(SIGUSR1);
  TRY(epoll_pwait(ep, got, 8, 0, &none));  // ready at once: no signal needed
  SHOW(handled);
  int only = epoll_create1(0);
  TRY(epoll_pwait(only, got, 8, 5000, &none));
  SHOW(handled);
  handled = 0;
  raise(SIGUSR1);
  TRY(pselect(0, 0, 0, 0, &(struct timespec){5, 0}, &none));
  SHOW(handled);
  handled = 0;
  raise(SIGUSR1);
  TRY(sigsuspend(&none));
  SHOW(handled);
  TRY(syscall(SYS_ppoll, p, 1, 0, &none, 4));

  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec when = {{0, 5000000}, {0, 5000000}};
  TRY(timerfd_settime(timer, 0, &when, 0));
  TRY(poll(&(struct pollfd){timer, POLLIN, 0}, 1, 5000));
  uint64_t ticks = 0;
  TRY(read(timer, &ticks, 8));
  SHOW(ticks > 0);

  int sfd = signalfd(-1, &block, SFD_NONBLOCK);
  union sigval value = {.sival_int = 1234};
  sigqueue(getpid(), SIGUSR1, value);
  struct signalfd_siginfo si;
  TRY(read(sfd, &si, sizeof si));
  SHOW(si.ssi_signo);
  SHOW(si.ssi_int);
  TRY(read(sfd, &si, sizeof si));

  char dir[] = "/tmp/grus-waiting.XXXXXX", file[64];
  if (!mkdtemp(dir)) return 1;
  int in = inotify_init1(IN_NONBLOCK);
  WORKS(inotify_add_watch(in, dir, IN_CREATE | IN_DELETE));
  snprintf(file, sizeof file, "%s/f", dir);
  close(open(file, O_CREAT | O_WRONLY, 0600));
  unlink(file);
  union {
    struct inotify_event e;
    char bytes[512];
  } buffer;
  TRY(read(in, buffer.bytes, sizeof buffer));
  printf("%x %s\n", buffer.e.mask, buffer.e.name);
  rmdir(dir);

  // An interval that a signal cuts short reports what is left.
  sigprocmask(SIG_UNBLOCK, &block, 0);
  struct itimerspec ring = {{0, 0}, {0, 20000000}};
  struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t t;
  TRY(timer_create(CLOCK_MONOTONIC, &how, &t));
  TRY(timer_settime(t, 0, &ring, 0));
  struct timespec long_time = {3, 0}, rest = {0, 0};
  TRY(nanosleep(&long_time, &rest));
  SHOW(rest.tv_sec);
  TRY(timer_settime(t, 0, &ring, 0));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &rest));
  // A read goes on after a handler with SA_RESTART, and fails after one without.
  int pipe_fd[2];
  if (pipe(pipe_fd)) return 1;
  char c;
  TRY(timer_settime(t, 0, &ring, 0));
  TRY(read(pipe_fd[0], &c, 1));
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, 0);
  handled = 0;
  TRY(timer_settime(t, 0, &ring, 0));
  if (!fork()) {
    usleep(80000);
    if (write(pipe_fd[1], "x", 1) != 1) _exit(1);
    _exit(0);
  }
  TRY(read(pipe_fd[0], &c, 1));
  SHOW(handled);
  return 0;
}
