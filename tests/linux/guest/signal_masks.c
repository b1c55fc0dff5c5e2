// SPDX-License-Identifier: MIT
// W7, M5: what is blocked does not arrive. A signal that was on its way when the mask changed - by a fault's handler, by a
// sent fault signal's, by sigreturn, by sigprocmask, for the time of a call - is delivered before the change or waits; none
// is lost, queued ones keep their order, and none that is blocked or ignored interrupts a call. Fault signals that the kernel
// sends with a positive si_code (exit signals, F_SETSIG) or that a process sends itself are no faults.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int failures;
#define CHECK(condition) \
  do \
    if (!(condition)) { \
      printf("line %d: %s\n", __LINE__, #condition); \
      failures = 1; \
    } \
  while (0)

static char *page;
static pid_t tid;
static _Atomic int stop;
static _Atomic long blocked_arrivals, inside, taken, out_of_order, queued, last_value;
static volatile sig_atomic_t in_handler;

static void set_handler(int sig, void (*f)(int, siginfo_t *, void *), int flags, int also_blocked, int also_blocked2) {
  struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&a.sa_mask);
  if (also_blocked) sigaddset(&a.sa_mask, also_blocked);
  if (also_blocked2) sigaddset(&a.sa_mask, also_blocked2);
  sigaction(sig, &a, 0);
}
static sigset_t set_of(int a, int b) {
  sigset_t s;
  sigemptyset(&s);
  if (a) sigaddset(&s, a);
  if (b) sigaddset(&s, b);
  return s;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// What it interrupted had it unblocked.
static void on_usr1(int sig, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  (void)info;
  taken++;
  if (sigismember(&u->uc_sigmask, sig)) blocked_arrivals++;
  if (in_handler) inside++;
}
static void on_queued(int sig, siginfo_t *info, void *context) {
  on_usr1(sig, info, context);
  if (info->si_value.sival_int != last_value + 1) out_of_order++;
  last_value = info->si_value.sival_int;
  queued++;
}
static void on_fault(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  in_handler = 1;
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  in_handler = 0;
}
static void on_trap(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  in_handler = 1;
  for (volatile int i = 0; i < 300; i++);
  in_handler = 0;
}
// Lets SIGUSR1 in for a moment; its return blocks it again.
static void on_usr2(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  sigset_t usr1 = set_of(SIGUSR1, 0);
  pthread_sigmask(SIG_UNBLOCK, &usr1, 0);
  for (volatile int i = 0; i < 50; i++);
}

static void *shoot(void *argument) {
  const int also = *(int *)argument;
  int value = 0;
  while (!stop) {
    syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
    if (also == SIGTRAP || also == SIGUSR2) syscall(SYS_tgkill, getpid(), tid, also);
    if (also == SIGRTMIN && value - queued < 20) {
      siginfo_t info = {.si_signo = also, .si_code = SI_QUEUE};
      info.si_value.sival_int = ++value;
      if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, also, &info)) value--;
    }
    for (volatile int k = 0; k < 60; k++);
  }
  return 0;
}

static void storm(const char *name, int also, void (*work)(void), double seconds) {
  pthread_t thread;
  stop = 0;
  blocked_arrivals = inside = taken = out_of_order = queued = last_value = 0;
  pthread_create(&thread, 0, shoot, &also);
  const double end = now() + seconds;
  do
    for (int i = 0; i < 100; i++) work();
  while (now() < end);
  stop = 1;
  pthread_join(thread, 0);
  printf("%s: %ld arrived although blocked, %ld inside, %ld out of order, some taken: %d\n", name, blocked_arrivals, inside, out_of_order, taken > 0);
  if (blocked_arrivals || inside || out_of_order) failures = 1;
}

static void fault(void) {
  mprotect(page, 4096, PROT_READ);
  *(volatile char *)(page + 8) = 1;
}
static void compute(void) {
  for (volatile int i = 0; i < 100; i++);
}
static void blocked_compute(void) {
  sigset_t usr1 = set_of(SIGUSR1, 0), old;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  in_handler = 1;
  for (volatile int i = 0; i < 30; i++);
  in_handler = 0;
  pthread_sigmask(SIG_SETMASK, &old, 0);
}

static void storms(void) {
  page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tid = syscall(SYS_gettid);
  set_handler(SIGUSR1, on_usr1, SA_RESTART, 0, 0);
  set_handler(SIGUSR2, on_usr2, SA_RESTART, 0, 0);
  set_handler(SIGSEGV, on_fault, SA_RESTART, SIGUSR1, SIGRTMIN);
  set_handler(SIGTRAP, on_trap, SA_RESTART, SIGUSR1, 0);
  set_handler(SIGRTMIN, on_queued, SA_RESTART, 0, 0);
  storm("faults", 0, fault, 2);
  storm("faults and a queue", SIGRTMIN, fault, 1.5);
  storm("sent fault signals", SIGTRAP, compute, 1);
  storm("sigprocmask", 0, blocked_compute, 1);
  sigset_t usr1 = set_of(SIGUSR1, 0);
  sigprocmask(SIG_BLOCK, &usr1, 0);
  storm("sigreturn", SIGUSR2, compute, 1);
  signal(SIGUSR1, SIG_IGN);
  sigprocmask(SIG_UNBLOCK, &usr1, 0);
  munmap(page, 4096);
}

// --- order: a fault signal's frame is made first, the other's is stacked on top unless it is masked
static char order[16];
static volatile int position;
static void note(int sig, siginfo_t *info, void *context) {
  (void)info, (void)context;
  order[position++] = sig == SIGSEGV ? 'S' : sig == SIGUSR1 ? 'U' : sig == SIGBUS ? 'B' : '?';
}
static void orders(void) {
  sigset_t both = set_of(SIGSEGV, SIGUSR1), none = set_of(0, 0), pending;
  sigaddset(&both, SIGBUS);
  for (int masked = 0; masked < 2; masked++)
    for (int way = 0; way < 4; way++) {
      memset(order, 0, sizeof order);
      position = 0;
      set_handler(SIGSEGV, note, 0, masked ? SIGUSR1 : 0, masked ? SIGBUS : 0);
      set_handler(SIGBUS, note, 0, masked ? SIGUSR1 : 0, masked ? SIGSEGV : 0);
      set_handler(SIGUSR1, note, 0, 0, 0);
      sigprocmask(SIG_BLOCK, &both, 0);
      raise(SIGUSR1);
      raise(SIGSEGV);
      raise(SIGBUS);
      sigpending(&pending);
      CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGSEGV) && sigismember(&pending, SIGBUS));
      struct timespec second = {1, 0};
      int error = 0;
      if (way == 1) error = sigsuspend(&none);
      if (way == 2) error = ppoll(0, 0, &second, &none);
      if (way == 3) error = pselect(0, 0, 0, 0, &second, &none);
      sigpending(&pending);
      sigprocmask(SIG_UNBLOCK, &both, 0);
      printf("masked %d, way %d: %s, %d, left %d\n", masked, way, order, error, !sigisemptyset(&pending));
    }
  // What is ready is told, and the signal waits on.
  int pipes[2];
  CHECK(!pipe(pipes) && write(pipes[1], "x", 1) == 1);
  position = 0;
  memset(order, 0, sizeof order);
  sigprocmask(SIG_BLOCK, &both, 0);
  raise(SIGSEGV);
  struct pollfd p = {pipes[0], POLLIN, 0};
  CHECK(ppoll(&p, 1, 0, &none) == 1);
  printf("ready: '%s'\n", order);
  sigprocmask(SIG_UNBLOCK, &both, 0);
  printf("then: '%s'\n", order);
}

// --- what is blocked or ignored does not interrupt
static void *send_some(void *argument) {
  for (int i = 0; i < 5; i++) {
    usleep(10000);
    syscall(SYS_tgkill, getpid(), tid, *(int *)argument);
  }
  return 0;
}
static void quiet(int sig) {
  struct timespec some = {0, 80000000};
  struct pollfd none = {-1, 0, 0};
  struct epoll_event event;
  int e = epoll_create1(0);
  sigset_t all;
  sigfillset(&all);
  for (int way = 0; way < 5; way++) {
    pthread_t thread;
    pthread_create(&thread, 0, send_some, &sig);
    int r = -2;
    const double start = now();
    if (way == 0) r = nanosleep(&some, 0);
    if (way == 1) r = ppoll(&none, 1, &some, 0);
    if (way == 2) r = epoll_wait(e, &event, 1, 80);
    if (way == 3) r = select(0, 0, 0, 0, &(struct timeval){0, 80000});
    if (way == 4) r = ppoll(&none, 1, &some, &all);
    CHECK(r == 0);
    CHECK(now() - start > 0.079);
    pthread_join(thread, 0);
  }
  close(e);
}
static volatile int seen, seen_code;
static volatile long seen_first;
static void see(int sig, siginfo_t *info, void *context) {
  (void)context;
  seen = sig;
  seen_code = info->si_code;
  seen_first = info->si_pid;
}
static void quiet_ones(void) {
  tid = syscall(SYS_gettid);
  const int sigs[] = {SIGTRAP, SIGSEGV};
  for (int i = 0; i < 2; i++) {
    set_handler(sigs[i], see, 0, 0, 0);
    sigset_t one = set_of(sigs[i], 0);
    sigprocmask(SIG_BLOCK, &one, 0);
    seen = 0;
    quiet(sigs[i]);
    CHECK(seen == 0);
    // It waited. A call's own mask lets it through.
    struct timespec second = {1, 0};
    sigset_t none = set_of(0, 0);
    CHECK(ppoll(0, 0, &second, &none) == -1);
    CHECK(seen == sigs[i]);
    sigprocmask(SIG_UNBLOCK, &one, 0);
    signal(sigs[i], SIG_IGN);
    quiet(sigs[i]);
    signal(sigs[i], SIG_DFL);
  }
}

// --- M5: positive si_code without a fault
static volatile int spin_stop;
static void see_and_stop(int sig, siginfo_t *info, void *context) {
  see(sig, info, context);
  spin_stop = 1;
}
static void *exit_later(void *argument) {
  usleep(30000);
  pid_t child = syscall(SYS_clone, (long)*(int *)argument, 0, 0, 0, 0);
  if (!child) _exit(0);
  return 0;
}
static void sent_by_the_kernel(void) {
  const int sigs[] = {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP};
  for (int i = 0; i < 5; i++) {
    int sig = sigs[i], sockets[2], status;
    set_handler(sig, see_and_stop, SA_RESTART, 0, 0);
    // The exit signal of a child; it arrives in computation, in a system call, while it is blocked.
    seen = seen_code = 0;
    pid_t child = syscall(SYS_clone, (long)sig, 0, 0, 0, 0);
    if (!child) _exit(7);
    CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 7);
    CHECK(seen == sig && seen_code == CLD_EXITED && seen_first == child);
    seen = seen_code = spin_stop = 0;
    pthread_t thread;
    pthread_create(&thread, 0, exit_later, &sig);
    while (!spin_stop);
    CHECK(seen == sig && seen_code == CLD_EXITED);
    pthread_join(thread, 0);
    while (waitpid(-1, 0, __WALL) > 0);
    sigset_t one = set_of(sig, 0);
    siginfo_t info;
    seen = 0;
    sigprocmask(SIG_BLOCK, &one, 0);
    child = syscall(SYS_clone, (long)sig, 0, 0, 0, 0);
    if (!child) kill(getpid(), SIGKILL);
    waitpid(child, &status, __WALL);
    CHECK(seen == 0);
    CHECK(sigwaitinfo(&one, &info) == sig && info.si_code == CLD_KILLED && info.si_pid == child && info.si_status == SIGKILL);
    sigprocmask(SIG_UNBLOCK, &one, 0);
    CHECK(seen == 0);
    // F_SETSIG
    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    fcntl(sockets[0], F_SETOWN, getpid());
    fcntl(sockets[0], F_SETSIG, sig);
    fcntl(sockets[0], F_SETFL, O_ASYNC);
    CHECK(write(sockets[1], "x", 1) == 1);
    for (int k = 0; k < 100 && !seen; k++) usleep(1000);
    CHECK(seen == sig && (seen_code == SI_SIGIO || seen_code == POLL_IN));
    close(sockets[0]);
    close(sockets[1]);
    // A timer.
    seen = 0;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
    CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    timer_settime(timer, 0, &soon, 0);
    for (int k = 0; k < 100 && !seen; k++) usleep(1000);
    CHECK(seen == sig && seen_code == SI_TIMER);
    timer_delete(timer);
    // By itself, with any siginfo: also the one of a fault that it has just had.
    int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    for (int way = 0; way < 4; way++)
      for (int code = -2; code <= 6; code++) {
        siginfo_t own = {.si_signo = sig, .si_code = code};
        own.si_addr = (void *)0x1008;
        seen = 0;
        seen_code = 99;
        long r = 0;
        if (way == 0) r = syscall(SYS_rt_sigqueueinfo, getpid(), sig, &own);
        if (way == 1) r = syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), sig, &own);
        if (way == 2) r = syscall(SYS_pidfd_send_signal, pidfd, sig, &own, 0);
        if (way == 3) r = syscall(SYS_tgkill, getpid(), gettid(), sig);
        CHECK(r == 0 && seen == sig && seen_code == (way == 3 ? SI_TKILL : code));
      }
    close(pidfd);
    set_handler(sig, see_and_stop, SA_RESETHAND, 0, 0);
    raise(sig);
    signal(sig, SIG_DFL);
  }
}
static void *volatile fault_at;
static void step_over(int sig, siginfo_t *info, void *context) {
  see(sig, info, context);
  fault_at = info->si_addr;
  ucontext_t *u = context;
#ifdef __aarch64__
  u->uc_mcontext.pc += 4;
#else
  u->uc_mcontext.gregs[REG_RIP] += 2;
#endif
}
static void again_by_oneself(void) {
  set_handler(SIGSEGV, step_over, 0, 0, 0);
#ifdef __aarch64__
  __asm__ volatile("str wzr, [%0]" ::"r"(0x1008ul) : "memory");
#else
  __asm__ volatile("mov %%al, (%0)" ::"b"(0x1008ul) : "memory");
#endif
  CHECK(seen == SIGSEGV && fault_at == (void *)0x1008);
  set_handler(SIGSEGV, see, 0, 0, 0);
  for (int way = 0; way < 3; way++) {
    siginfo_t own = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
    own.si_addr = (void *)0x1008;
    seen = 0;
    int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    if (way == 0) syscall(SYS_rt_sigqueueinfo, getpid(), SIGSEGV, &own);
    if (way == 1) syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV, &own);
    if (way == 2) syscall(SYS_pidfd_send_signal, pidfd, SIGSEGV, &own, 0);
    close(pidfd);
    CHECK(seen == SIGSEGV && seen_code == SEGV_MAPERR);
  }
  signal(SIGSEGV, SIG_DFL);
}

// A blocked fault signal that is pending stays so over exec.
static int after_exec(void) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTRAP) && sigismember(&pending, SIGUSR1) ? 0 : 1;
}
static void over_exec(char *self) {
  int status;
  pid_t child = fork();
  if (!child) {
    sigset_t both = set_of(SIGTRAP, SIGUSR1);
    sigprocmask(SIG_BLOCK, &both, 0);
    raise(SIGTRAP);
    raise(SIGUSR1);
    execl(self, self, "after exec", (char *)0);
    _exit(2);
  }
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

int main(int argc, char **argv) {
  if (argc > 1) return after_exec();
  setvbuf(stdout, 0, _IOLBF, 0);
  alarm(60);
  storms();
  orders();
  quiet_ones();
  sent_by_the_kernel();
  again_by_oneself();
  over_exec(argv[0]);
  return failures;
}
