// SPDX-License-Identifier: MIT
// Signals as a guest sees them. Built for AArch64 and for the host; both must print the same.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int count, last_sig, last_code, last_value, masked_inside;
static volatile void *last_addr;
static sigjmp_buf escape;
static int failures;

#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s\n", __LINE__, #c); } } while (0)
#define TEST(f) do { fflush(stdout); f(); printf("%s done\n", #f); } while (0)

static void on_info(int sig, siginfo_t *si, void *uc) {
  (void)uc;
  count++, last_sig = sig, last_code = si->si_code, last_value = si->si_value.sival_int, last_addr = si->si_addr;
}
static void on_plain(int sig) { count++, last_sig = sig; }
static void hook(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = f;
  a.sa_flags = SA_SIGINFO | flags;
  CHECK(sigaction(sig, &a, 0) == 0);
}
static void unhook(int sig) { signal(sig, SIG_DFL); }
static sigset_t set_of(int sig) { sigset_t s; sigemptyset(&s); sigaddset(&s, sig); return s; }

static void delivery(void) {
  for (int sig = 1; sig <= 64; sig++) {
    if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33) continue;
    hook(sig, on_info, 0);
    count = 0;
    CHECK(kill(getpid(), sig) == 0);
    CHECK(count == 1 && last_sig == sig && last_code == SI_USER);
    count = 0;
    raise(sig);
    CHECK(count == 1 && last_code == SI_TKILL);
    struct sigaction old;
    CHECK(sigaction(sig, 0, &old) == 0 && old.sa_sigaction == on_info && (old.sa_flags & SA_SIGINFO));
    unhook(sig);
  }
  errno = 0;
  CHECK(sigaction(SIGKILL, &(struct sigaction){.sa_handler = on_plain}, 0) == -1 && errno == EINVAL);
}

static void blocking(void) {
  hook(SIGUSR1, on_info, 0);
  hook(SIGSEGV, on_info, 0);
  int sigs[] = {SIGUSR1, SIGSEGV};
  for (int i = 0; i < 2; i++) {
    sigset_t s = set_of(sigs[i]), p, old;
    sigprocmask(SIG_BLOCK, &s, &old);
    CHECK(!sigismember(&old, sigs[i]));
    count = 0;
    raise(sigs[i]);
    raise(sigs[i]);
    CHECK(count == 0);
    sigpending(&p);
    CHECK(sigismember(&p, sigs[i]));
    // A bad pointer while everything is blocked is EFAULT, nothing else.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    errno = 0;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, 0, 8) == -1 && errno == EFAULT);
    errno = 0;
    CHECK(syscall(SYS_write, 1, 8, 1) == -1 && errno == EFAULT);
    sigprocmask(SIG_SETMASK, &before, 0);
    sigprocmask(SIG_UNBLOCK, &s, 0);
    CHECK(count == 1);
    sigpending(&p);
    CHECK(!sigismember(&p, sigs[i]));
  }
  unhook(SIGSEGV);
}

static void on_mask(int sig, siginfo_t *si, void *uc) {
  (void)si;
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  masked_inside = 0;
  for (int s = 1; s < 32; s++)
    if (sigismember(&now, s)) masked_inside |= 1 << s;
  last_value = sigismember(&((ucontext_t *)uc)->uc_sigmask, SIGUSR2);
  count++, last_sig = sig;
}

static void masks(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = on_mask;
  a.sa_flags = SA_SIGINFO;
  sigaddset(&a.sa_mask, SIGTERM);
  sigaddset(&a.sa_mask, SIGKILL);
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  CHECK(masked_inside == (1 << SIGUSR1 | 1 << SIGTERM));
  a.sa_flags |= SA_NODEFER;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  CHECK(masked_inside == 1 << SIGTERM);
  // sigsuspend: the handler runs under the temporary mask, the frame restores the old one.
  a.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &a, 0);
  sigset_t both = set_of(SIGUSR1), only = set_of(SIGALRM), now;
  sigaddset(&both, SIGUSR2);
  sigprocmask(SIG_BLOCK, &both, 0);
  raise(SIGUSR1);
  count = 0;
  CHECK(sigsuspend(&only) == -1 && errno == EINTR);
  CHECK(count == 1 && last_value == 1);
  CHECK(masked_inside == (1 << SIGUSR1 | 1 << SIGTERM | 1 << SIGALRM));
  sigprocmask(SIG_BLOCK, 0, &now);
  CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2) && !sigismember(&now, SIGALRM));
  // ppoll, pselect, epoll_pwait: the same.
  struct timespec one = {5, 0};
  raise(SIGUSR1);
  count = 0;
  CHECK(ppoll(0, 0, &one, &only) == -1 && errno == EINTR && count == 1 && last_value == 1);
  CHECK(masked_inside == (1 << SIGUSR1 | 1 << SIGTERM | 1 << SIGALRM));
  raise(SIGUSR1);
  count = 0;
  CHECK(pselect(0, 0, 0, 0, &one, &only) == -1 && errno == EINTR && count == 1 && last_value == 1);
  CHECK(masked_inside == (1 << SIGUSR1 | 1 << SIGTERM | 1 << SIGALRM));
  int ep = epoll_create1(0);
  struct epoll_event ev;
  raise(SIGUSR1);
  count = 0;
  CHECK(epoll_pwait(ep, &ev, 1, 5000, &only) == -1 && errno == EINTR && count == 1 && last_value == 1);
  CHECK(masked_inside == (1 << SIGUSR1 | 1 << SIGTERM | 1 << SIGALRM));
  close(ep);
  sigprocmask(SIG_BLOCK, 0, &now);
  CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2) && !sigismember(&now, SIGALRM));
  sigprocmask(SIG_UNBLOCK, &both, 0);
}

static void queueing(void) {
  sigset_t s = set_of(SIGRTMIN + 3);
  sigaddset(&s, SIGUSR2);
  sigprocmask(SIG_BLOCK, &s, 0);
  for (int i = 0; i < 8; i++) CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}) == 0);
  struct timespec zero = {0, 0};
  siginfo_t si;
  for (int i = 0; i < 4; i++)
    CHECK(sigtimedwait(&s, &si, &zero) == SIGRTMIN + 3 && si.si_value.sival_int == i && si.si_pid == getpid() &&
          si.si_code == SI_QUEUE);
  hook(SIGRTMIN + 3, on_info, 0);
  count = 0;
  sigprocmask(SIG_UNBLOCK, &s, 0);
  CHECK(count == 4 && last_code == SI_QUEUE);
  sigprocmask(SIG_BLOCK, &s, 0);
  errno = 0;
  CHECK(sigtimedwait(&s, &si, &zero) == -1 && errno == EAGAIN);
  pid_t me = getpid(), c = fork();
  if (!c) {
    usleep(20000);
    kill(me, SIGUSR2);
    _exit(0);
  }
  CHECK(sigwaitinfo(&s, &si) == SIGUSR2 && si.si_pid == c);
  waitpid(c, 0, 0);
  sigprocmask(SIG_UNBLOCK, &s, 0);
}

static void resethand(void) {
  hook(SIGUSR1, on_info, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, 0, &now);
  CHECK(now.sa_handler == SIG_DFL);
  pid_t c = fork();
  if (!c) {
    hook(SIGUSR1, on_info, SA_RESETHAND);
    raise(SIGUSR1);
    raise(SIGUSR1);
    _exit(0);
  }
  int st;
  waitpid(c, &st, 0);
  CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGUSR1);
}

static void restart(void) {
  int p[2];
  char b;
  CHECK(pipe(p) == 0);
  struct itimerval t = {{0, 0}, {0, 30000}};
  hook(SIGALRM, on_info, 0);
  count = 0;
  setitimer(ITIMER_REAL, &t, 0);
  errno = 0;
  CHECK(read(p[0], &b, 1) == -1 && errno == EINTR && count == 1);
  hook(SIGALRM, on_info, SA_RESTART);
  count = 0;
  pid_t c = fork();
  if (!c) {
    usleep(90000);
    CHECK(write(p[1], "x", 1) == 1);
    _exit(0);
  }
  setitimer(ITIMER_REAL, &t, 0);
  CHECK(read(p[0], &b, 1) == 1 && b == 'x' && count == 1);
  waitpid(c, 0, 0);
  // nanosleep is never restarted after a handler, and says how much is left.
  struct timespec long_time = {2, 0}, left = {0, 0};
  setitimer(ITIMER_REAL, &t, 0);
  errno = 0;
  CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR && left.tv_sec == 1);
  close(p[0]);
  close(p[1]);
  // Ignored: the call goes on.
  signal(SIGALRM, SIG_IGN);
  setitimer(ITIMER_REAL, &t, 0);
  struct timespec some = {0, 60000000};
  CHECK(nanosleep(&some, 0) == 0);
  unhook(SIGALRM);
}

static void on_fault(int sig, siginfo_t *si, void *uc) {
  on_info(sig, si, uc);
  siglongjmp(escape, 1);
}

static void faults(void) {
  hook(SIGSEGV, on_fault, 0);
  hook(SIGBUS, on_fault, 0);
  char *page = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!sigsetjmp(escape, 1)) *(volatile int *)8 = 1;
  CHECK(last_sig == SIGSEGV && last_code == SEGV_MAPERR && last_addr == (void *)8);
  if (!sigsetjmp(escape, 1)) *(volatile char *)(page + 5) = 1;
  CHECK(last_sig == SIGSEGV && last_code == SEGV_ACCERR && last_addr == page + 5);
  munmap(page + 4096, 4096);
  if (!sigsetjmp(escape, 1)) count = *(volatile char *)(page + 4096);
  CHECK(last_sig == SIGSEGV && last_code == SEGV_MAPERR && last_addr == page + 4096);
  if (!sigsetjmp(escape, 1)) ((void (*)(void))page)();
  CHECK(last_sig == SIGSEGV && last_code == SEGV_ACCERR && last_addr == page);
  int fd = memfd_create("x", 0);
  CHECK(ftruncate(fd, 100) == 0);
  char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!sigsetjmp(escape, 1)) m[5000] = 1;
  CHECK(last_sig == SIGBUS && last_code == BUS_ADRERR && last_addr == m + 5000);
  close(fd);
  for (volatile int i = 0; i < 1000; i++)
    if (!sigsetjmp(escape, 1)) *(volatile int *)(uintptr_t)(16 + i * 4) = 1;
  CHECK(last_addr == (void *)(16 + 999 * 4));
  unhook(SIGSEGV);
  unhook(SIGBUS);
}

static int death_of(void (*f)(void)) {
  fflush(stdout);
  pid_t c = fork();
  if (!c) {
    struct rlimit z = {0, 0};
    setrlimit(RLIMIT_CORE, &z);
    f();
    _exit(0);
  }
  int st;
  waitpid(c, &st, 0);
  return st;
}
static void die_null(void) { *(volatile int *)8 = 1; }
static void die_blocked(void) {
  sigset_t s;
  sigfillset(&s);
  hook(SIGSEGV, on_info, 0);
  sigprocmask(SIG_BLOCK, &s, 0);
  *(volatile int *)8 = 1;
}
static void die_ignored(void) { signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1; }
static void die_trap(void) { __builtin_trap(); }
static void die_abort(void) { abort(); }
static void die_kill_segv(void) { kill(getpid(), SIGSEGV); usleep(500000); }
static void live_kill_ignored(void) { signal(SIGSEGV, SIG_IGN); kill(getpid(), SIGSEGV); signal(SIGCHLD, SIG_DFL); kill(getpid(), SIGCHLD); _exit(3); }
static void die_64(void) { kill(getpid(), 64); usleep(500000); }
static void die_no_frame(void) {  // no room for the frame: SIGSEGV whatever the signal was
  stack_t ss = {.ss_sp = (void *)0x10000, .ss_size = 65536};
  sigaltstack(&ss, 0);
  hook(SIGUSR1, on_info, SA_ONSTACK);
  raise(SIGUSR1);
}
static void stop_and_go(void) {
  int go[2];
  CHECK(!pipe(go));
  pid_t c = fork();
  if (!c) {
    char byte;
    kill(getpid(), SIGSTOP);
    read(go[0], &byte, 1);  // stopping again too early would take the "continued" away
    raise(SIGTSTP);
    _exit(9);
  }
  int st;
  CHECK(waitpid(c, &st, WUNTRACED) == c && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
  kill(c, SIGCONT);
  CHECK(waitpid(c, &st, WCONTINUED) == c && WIFCONTINUED(st));
  write(go[1], "", 1);
  CHECK(waitpid(c, &st, WUNTRACED) == c && ((WIFSTOPPED(st) && WSTOPSIG(st) == SIGTSTP) || WIFEXITED(st)));
  if (!WIFEXITED(st)) {
    kill(c, SIGCONT);
    waitpid(c, &st, 0);
  }
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 9);
}
static void deaths(void) {
  printf("  null %x\n", death_of(die_null));
  printf("  blocked %x\n", death_of(die_blocked));
  printf("  ignored %x\n", death_of(die_ignored));
  CHECK(WIFSIGNALED(death_of(die_trap)));  // SIGTRAP or SIGILL by architecture
  printf("  abort %x\n", death_of(die_abort));
  printf("  kill segv %x\n", death_of(die_kill_segv));
  printf("  kill ignored %x\n", death_of(live_kill_ignored));
  printf("  64 %x\n", death_of(die_64));
  printf("  no frame %x\n", death_of(die_no_frame));
}

static volatile int on_alt;
static char alt[65536];
static void on_altstack(int sig, siginfo_t *si, void *uc) {
  char here;
  (void)si;
  on_alt = &here >= alt && &here < alt + sizeof alt;
  last_sig = sig;
  stack_t now;
  sigaltstack(0, &now);
  last_code = now.ss_flags;
  last_value = ((ucontext_t *)uc)->uc_stack.ss_size;
  errno = 0;
  last_addr = (void *)(intptr_t)(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof alt}, 0) ? errno : 0);
}
static int eat(int n) {
  volatile char b[4096];
  memset((void *)b, n, sizeof b);
  return n > 1 << 24 ? 0 : eat(n + 1) + b[5];
}
static void on_overflow(int sig, siginfo_t *si, void *uc) {
  on_altstack(sig, si, uc);
  siglongjmp(escape, 1);
}
static void altstack(void) {
  stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt}, old;
  CHECK(sigaltstack(&ss, &old) == 0 && old.ss_flags == SS_DISABLE);
  CHECK(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = 100}, 0) == -1 && errno == ENOMEM);
  CHECK(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = 65536, .ss_flags = 64}, 0) == -1 && errno == EINVAL);
  hook(SIGUSR1, on_altstack, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(on_alt && last_code == SS_ONSTACK && last_value == sizeof alt && last_addr == (void *)EPERM);
  hook(SIGUSR1, on_altstack, 0);
  raise(SIGUSR1);
  CHECK(!on_alt && last_code == 0);
  hook(SIGSEGV, on_overflow, SA_ONSTACK);
  if (!sigsetjmp(escape, 1)) eat(0);
  CHECK(last_sig == SIGSEGV && on_alt);
  unhook(SIGSEGV);
  ss.ss_flags = 1 << 31;  // SS_AUTODISARM
  CHECK(sigaltstack(&ss, 0) == 0);
  hook(SIGUSR1, on_altstack, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(on_alt && last_code == SS_DISABLE && last_addr == 0);
  sigaltstack(0, &old);
#ifdef __aarch64__  // rt_sigreturn restores the registers before the stack; x86 asks with sp still on it: EPERM, ignored
  CHECK(old.ss_flags == (1 << 31));
#endif
  CHECK(old.ss_size == sizeof alt);
  CHECK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, 0) == 0);
  sigaltstack(0, &old);
  CHECK(old.ss_flags == SS_DISABLE);
}

// A computation that timers interrupt must not notice.
static uint64_t work(int rounds) {
  uint64_t x = 88172645463325252ull;
  double d = 1.0;
  for (int i = 0; i < rounds; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    if (x & 1) d = d * 1.0000001 + (double)(x & 255);
    if (d > 1e15) d *= 1e-15;
  }
  uint64_t bits;
  memcpy(&bits, &d, 8);
  return x ^ bits;
}
static void storm(void) {
  uint64_t want = work(300000);
  hook(SIGALRM, on_info, SA_RESTART);
  count = 0;
  struct itimerval t = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &t, 0);
  for (int i = 0; i < 20 || count < 20; i++) CHECK(work(300000) == want);
  setitimer(ITIMER_REAL, &off, 0);
  unhook(SIGALRM);
}

static void raw_signals(void) {  // 32 and 33, which libc keeps for itself
  struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } a = {0}, old;
  for (int sig = 32; sig <= 33; sig++) {
    a.handler = SIG_IGN;
    CHECK(syscall(SYS_rt_sigaction, sig, &a, 0, 8) == 0);
    CHECK(syscall(SYS_tgkill, getpid(), getpid(), sig) == 0);
    a.handler = SIG_DFL;
    CHECK(syscall(SYS_rt_sigaction, sig, &a, &old, 8) == 0 && old.handler == (void *)SIG_IGN);
  }
  errno = 0;
  CHECK(syscall(SYS_rt_sigaction, 65, 0, &old, 8) == -1 && errno == EINVAL);
  errno = 0;
  CHECK(syscall(SYS_rt_sigaction, 1, 0, &old, 16) == -1 && errno == EINVAL);
  errno = 0;
  CHECK(syscall(SYS_rt_sigaction, 1, 8, &old, 8) == -1 && errno == EFAULT);
}

static void reraised(void) {  // a crash handler passes its siginfo on
  hook(SIGSEGV, on_info, 0);
  siginfo_t si;
  memset(&si, 0, sizeof si);
  si.si_signo = SIGSEGV, si.si_code = SEGV_MAPERR, si.si_addr = (void *)0x1234;
  count = 0;
  CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGSEGV, &si) == 0);
  CHECK(count == 1 && last_code == SEGV_MAPERR && last_addr == (void *)0x1234);
  unhook(SIGSEGV);
}

int main(void) {
  TEST(delivery);
  TEST(blocking);
  TEST(masks);
  TEST(queueing);
  TEST(resethand);
  TEST(restart);
  TEST(faults);
  TEST(deaths);
  TEST(stop_and_go);
  TEST(altstack);
  TEST(raw_signals);
  TEST(reraised);
  TEST(storm);
  printf("%d failures\n", failures);
  return failures != 0;
}
