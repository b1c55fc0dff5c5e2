// SPDX-License-Identifier: MIT
// Random system calls: arguments are sound ones, wild ones, and addresses and descriptors where an emulator keeps things of its own.
// Whatever they do, the process goes on or dies of its own fault: no line of the engine's on stderr, no hang, and memory that was
// never named stays as it was. A child that waits for ever is killed, and must die of it. Natively nothing of this can fail. Children run one seed each, so that a failure names its seed.
//   fuzz_syscalls [SECONDS [FIRST_SEED]]      without arguments: 120 seeds from 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
static uint64_t below(uint64_t n) { return next() % n; }

static char *page, *canary;
static int pair[2], file;

// Where engines keep their image, arena, stacks and code windows (docs/address-map.md), and the ends of things.
static uint64_t wild_address(void) {
  static const uint64_t bases[] = {0x7d0000000000, 0x7d0000000000, 0x7d0000400000, 0x7d0010000000, 0x7dfffffff000, 0x550040000000,
                                   0x5500c0000000, 0x540000000000, 0x40000000, 0x40400000, 0x7ffffffff000, 0x7fffffffe000, 0, 0x1000,
                                   0x800000000000, 0xffff800000000000, ~0ull - 4095};
  uint64_t a = bases[below(sizeof bases / sizeof bases[0])];
  switch (below(4)) {
    case 0: return a;
    case 1: return a + below(1 << 21);
    case 2: return a + (below(512) << 12);
    default: return a + below(1 << 30) - below(1 << 16);
  }
}
static uint64_t pointer(void) {
  switch (below(6)) {
    case 0: return (uint64_t)page + below(4096);
    case 1: return (uint64_t)page;
    case 2: return (uint64_t)page + 4096 - below(64);  // its end: the next page is not there
    default: return wild_address();
  }
}
static uint64_t size(void) {
  static const uint64_t some[] = {0, 1, 8, 16, 100, 4096, 8192, 65536, 1 << 20, 1ull << 31, 1ull << 40, ~0ull};
  return below(3) ? some[below(6)] : some[below(sizeof some / sizeof some[0])];
}
static uint64_t descriptor(void) {
  switch (below(8)) {
    case 0: return pair[0];
    case 1: return pair[1];
    case 2: return file;
    case 3: return 1000 + below(100);
    case 4: return below(64) + 8;
    case 5: return (uint64_t)-100;
    case 6: return below(1 << 20) + 8;
    default: return ~0ull;
  }
}
static uint64_t flag_bits(void) { return below(2) ? below(8) : below(3) ? 1ull << below(32) : next(); }

// d descriptor, p pointer, n size, x bits, r range of pages, z zero, i small number, s signal, o own process, v vector of iovecs, m msghdr, t short timeout
static const struct {
  int number;
  const char *arguments;
} calls[] = {
    {SYS_read, "dpn"}, {SYS_write, "dpn"}, {SYS_readv, "dvi"}, {SYS_writev, "dvi"}, {SYS_pread64, "dpni"}, {SYS_pwrite64, "dpni"},
    {SYS_preadv, "dvii"}, {SYS_pwritev2, "dviix"}, {SYS_sendto, "dpnxpn"}, {SYS_recvfrom, "dpnxpp"}, {SYS_sendmsg, "dmx"},
    {SYS_recvmsg, "dmx"}, {SYS_getsockname, "dpp"}, {SYS_getsockopt, "diipp"}, {SYS_setsockopt, "diipn"}, {SYS_bind, "dpn"},
    {SYS_connect, "dpn"}, {SYS_accept4, "dppx"}, {SYS_socketpair, "iiip"}, {SYS_pipe2, "px"}, {SYS_getcwd, "pn"},
    {SYS_openat, "dpxx"}, {SYS_newfstatat, "dppx"}, {SYS_statx, "dpxxp"}, {SYS_readlinkat, "dppn"}, {SYS_faccessat, "dpxx"},
    {SYS_getdents64, "dpn"}, {SYS_fstatfs, "dp"}, {SYS_utimensat, "dppx"}, {SYS_fcntl, "dxp"}, {SYS_fcntl, "dxi"}, {SYS_ioctl, "dxp"},
    {SYS_dup3, "ddx"}, {SYS_close, "d"}, {SYS_dup, "d"}, {SYS_close_range, "ddz"}, {SYS_lseek, "dii"}, {SYS_ppoll, "pitpn"},
    {SYS_pselect6, "ippptp"}, {SYS_epoll_ctl, "didp"}, {SYS_epoll_pwait, "dpiipn"}, {SYS_sendfile, "ddpn"}, {SYS_splice, "dpdpnx"},
    {SYS_vmsplice, "dvix"}, {SYS_copy_file_range, "dpdpnx"}, {SYS_munmap, "rn"}, {SYS_mprotect, "rnx"}, {SYS_madvise, "rni"},
    {SYS_mincore, "rnp"}, {SYS_msync, "rnx"}, {SYS_mlock, "rn"}, {SYS_munlock, "rn"}, {SYS_mremap, "rnnxr"}, {SYS_mmap, "rnxxdi"},
    {SYS_mmap, "rnxxzz"}, {SYS_mbind, "rnipnx"}, {SYS_get_mempolicy, "ppnrx"}, {SYS_process_vm_readv, "ovivix"},
    {SYS_process_vm_writev, "ovivix"}, {SYS_futex, "piitpi"}, {SYS_set_robust_list, "pn"}, {SYS_get_robust_list, "zpp"},
    {SYS_rt_sigaction, "sppi"}, {SYS_rt_sigprocmask, "ippi"}, {SYS_rt_sigpending, "pi"}, {SYS_rt_sigtimedwait, "pptn"},
    {SYS_rt_sigqueueinfo, "osp"}, {SYS_sigaltstack, "pp"}, {SYS_clock_gettime, "ip"}, {SYS_clock_getres, "ip"},
    {SYS_clock_nanosleep, "iitp"}, {SYS_nanosleep, "tp"}, {SYS_getitimer, "ip"}, {SYS_timer_create, "ipp"}, {SYS_timer_settime, "ixpp"},
    {SYS_getrusage, "ip"}, {SYS_prlimit64, "oizp"}, {SYS_times, "p"}, {SYS_uname, "p"}, {SYS_sysinfo, "p"}, {SYS_getrandom, "pnz"},
    {SYS_getgroups, "ip"}, {SYS_getresuid, "ppp"}, {SYS_capget, "pp"}, {SYS_sched_getaffinity, "znp"}, {SYS_sched_getparam, "zp"},
    {SYS_prctl, "ipppp"}, {SYS_set_tid_address, "p"}, {SYS_memfd_create, "px"}, {SYS_eventfd2, "ix"}, {SYS_signalfd4, "dpnx"},
    {SYS_timerfd_settime, "dxpp"}, {SYS_inotify_add_watch, "dpx"}, {SYS_getxattr, "pppn"}, {SYS_execve, "ppp"}, {SYS_execveat, "dpppx"},
    {SYS_waitid, "iipxp"}, {SYS_clone3, "pn"}, {440 /* process_madvise */, "dviix"}, {462 /* mseal */, "rnz"}, {SYS_userfaultfd, "x"},
    {SYS_bpf, "ipn"}, {SYS_kcmp, "ooidd"}, {SYS_pidfd_open, "oz"}, {438 /* pidfd_getfd */, "ddz"}, {449 /* futex_waitv */, "pizti"},
    {SYS_membarrier, "iii"}, {SYS_io_setup, "ip"}, {SYS_name_to_handle_at, "dpppx"}, {SYS_quotactl, "xpip"}, {SYS_mount, "pppxp"},
};

static uint64_t argument(char kind, unsigned slot) {
  static struct iovec vectors[2][8];
  static struct msghdr message;
  static struct timespec soon;
  switch (kind) {
    case 'd': return descriptor();
    case 'p': return pointer();
    case 'n': return size();
    case 'x': return flag_bits();
    case 'r': return below(3) ? wild_address() & -4096 : pointer();
    case 'i': return below(12);
    case 's': return below(70);
    case 'o': return below(4) ? (uint64_t)getpid() : below(3) - 1;
    case 't': soon = (struct timespec){0, below(1000)}; return below(4) ? (uint64_t)&soon : wild_address();
    case 'v':
      for (int k = 0; k < 8; k++) vectors[slot & 1][k] = (struct iovec){(void *)pointer(), size()};
      return below(6) ? (uint64_t)vectors[slot & 1] : wild_address();
    case 'm':
      message = (struct msghdr){(void *)pointer(), below(128), (void *)argument('v', 0), below(9), (void *)pointer(), below(200), 0};
      return below(6) ? (uint64_t)&message : wild_address();
    default: return 0;
  }
}

// What the seed must not reach: our own processes and stdout.
static int allowed(int number, const uint64_t *a) {
  if (number == SYS_prctl && (a[0] == 1 || a[0] == 4)) return 0;                      // dying with the parent is how hangs are ended
  if (number == SYS_rt_sigqueueinfo && (a[1] == SIGSTOP || a[1] == SIGKILL)) return 0;  // parents wait for an end
  if (number == SYS_rt_sigqueueinfo && (int)a[0] <= 0) return 0;
  if (number == SYS_clone3 && a[1] >= 64) return 0;  // a sound one makes processes that go on here
  if ((number == SYS_close_range) && a[0] < 8) return 0;
  if (number == SYS_dup3 && a[1] < 8) return 0;
  return 1;
}

static void child(uint64_t seed) {
  state = seed * 0x9e3779b97f4a7c15 + 1;
  for (int n = 0; n < 8; n++) next();
  struct rlimit few = {1 << 30, 1 << 30}, none = {0, 0};
  setrlimit(RLIMIT_FSIZE, &few);
  setrlimit(RLIMIT_CORE, &none);
  for (int n = 0; n < 400; n++) {
    unsigned k = below(sizeof calls / sizeof calls[0]);
    uint64_t a[6] = {0};
    for (unsigned i = 0; calls[k].arguments[i]; i++) a[i] = argument(calls[k].arguments[i], i);
    if (!allowed(calls[k].number, a)) continue;
    if (getenv("FUZZ_SHOW")) fprintf(stderr, "%d: %d(%lx, %lx, %lx, %lx, %lx, %lx)\n", n, calls[k].number, a[0], a[1], a[2], a[3], a[4], a[5]);
    syscall(calls[k].number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (next() % 16 == 0)
      for (int i = 0; i < 4096; i++)
        if (canary[i] != 0x5a) _exit(99);
  }
  _exit(0);
}

// What the child wrote on stderr, and how it ended.
static int run(uint64_t seed, char *text, size_t room) {
  int out[2];
  if (pipe(out)) exit(2);
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    dup2(out[1], 2);
    dup2(file, 1);
    close(0);
    close(out[0]), close(out[1]);
    child(seed);
  }
  close(out[1]);
  size_t got = 0;
  struct pollfd p = {out[0], POLLIN, 0};
  for (;;) {
    int ready = poll(&p, 1, 250);
    if (ready == 0) break;
    ssize_t n = read(out[0], text + got, room - 1 - got);
    if (n <= 0) break;
    got += n;
    if (got >= room - 1) got = room / 2;
  }
  text[got] = 0;
  close(out[0]);
  kill(pid, SIGKILL);
  kill(-pid, SIGKILL);  // what it started, as its group
  int status;
  for (int n = 0; n < 20000; n++) {
    if (waitpid(pid, &status, WNOHANG) == pid) return status;
    usleep(1000);
  }
  return -1;
}

int main(int argc, char **argv) {
  time_t end = argc > 1 ? time(0) + atol(argv[1]) : 0;
  uint64_t first = argc > 2 ? strtoull(argv[2], 0, 0) : 1, seed;
  char *low = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page = low + 4096;
  canary = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  canary += 1 << 19;
  memset(canary, 0x5a, 4096);
  munmap(low + 8192, 4096);
  file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  if (file < 0) file = memfd_create("file", 0);
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
  static char text[1 << 16];
  int failures = 0;
  for (seed = first; end ? time(0) < end : seed < first + 120; seed++) {
    int status = run(seed, text, sizeof text);
    char *line = strstr(text, "grus");
    if (status == -1) printf("seed %lu: does not die\n", seed), failures++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 99) printf("seed %lu: memory that nobody named has changed\n", seed), failures++;
    else if (line) printf("seed %lu: %.300s\n", seed, line), failures++;
  }
  if (end) fprintf(stderr, "%lu seeds\n", seed - first);
  printf("%d failures\n", failures);
  return failures != 0;
}
