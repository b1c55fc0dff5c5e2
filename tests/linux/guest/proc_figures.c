// SPDX-License-Identifier: MIT
// M13: what /proc says in numbers is the guest's: open flags in fdinfo, and how much memory there is in status, stat and statm,
// also of other processes and in files that stay open.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_file(const char *path, char *out, size_t size) {
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
  out[n > 0 ? n : 0] = 0;
  if (fd >= 0) close(fd);
}

// --- fdinfo
static unsigned flags_in(const char *path) {
  char text[1024];
  unsigned flags = ~0u;
  read_file(path, text, sizeof text);
  char *at = strstr(text, "flags:\t");
  if (at) sscanf(at + 7, "%o", &flags);
  return flags;
}
static int wrong_flags(int fd, const char *what) {
  const int mask = O_ACCMODE | O_DIRECTORY | O_NOFOLLOW | O_DIRECT | O_APPEND | O_NONBLOCK | O_PATH | O_SYNC;
  char path[96];
  const unsigned want = fcntl(fd, F_GETFL) & mask;
  int wrong = 0;
  const char *const forms[] = {"/proc/self/fdinfo/%d", "/proc/thread-self/fdinfo/%d"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, forms[i], fd);
    wrong |= (flags_in(path) & mask) != want;
  }
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", getpid(), fd);
  wrong |= (flags_in(path) & mask) != want;
  snprintf(path, sizeof path, "/proc/%d/task/%ld/fdinfo/%d", getpid(), (long)gettid(), fd);
  wrong |= (flags_in(path) & mask) != want;
  snprintf(path, sizeof path, "self/fdinfo/%d", fd);
  int proc = open("/proc", O_PATH), f = openat(proc, path, O_RDONLY);
  char text[1024] = "";
  if (read(f, text, sizeof text - 1) <= 0 || !strstr(text, "pos:\t") || !strstr(text, "mnt_id:\t")) wrong = 1;
  close(proc);
  close(f);
  // Another process looks.
  int status;
  pid_t child = fork();
  if (!child) {
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", getppid(), fd);
    _exit((flags_in(path) & mask) != want);
  }
  waitpid(child, &status, 0);
  printf("%s: wrong %d, seen by a child: wrong %d\n", what, wrong, status);
  close(fd);
  return wrong | status;
}

// --- memory
struct figures {
  long size, peak, resident, highest, data;  // kB, status
  long rollup_resident, rollup_anonymous, rollup_share, rollup_parts, stat_size, stat_resident, statm_size, statm_resident, statm_shared, statm_data;  // kB
};
static long line_of(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at ? atol(at + strlen(name)) : -1;
}
static void parse_stat(const char *text, struct figures *f) {
  const char *at = strrchr(text, ')');
  unsigned long size = 0, resident = 0;
  if (at) sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %lu %lu", &size, &resident);
  f->stat_size = size / 1024;
  f->stat_resident = resident * 4;
}
static struct figures figures_of(const char *process) {
  struct figures f;
  char path[96], text[8192];
  snprintf(path, sizeof path, "/proc/%s/status", process);
  read_file(path, text, sizeof text);
  f.size = line_of(text, "VmSize:");
  f.peak = line_of(text, "VmPeak:");
  f.resident = line_of(text, "VmRSS:");
  f.highest = line_of(text, "VmHWM:");
  f.data = line_of(text, "VmData:");
  snprintf(path, sizeof path, "/proc/%s/smaps_rollup", process);
  read_file(path, text, sizeof text);
  f.rollup_resident = line_of(text, "\nRss:");
  f.rollup_anonymous = line_of(text, "\nAnonymous:");
  f.rollup_share = line_of(text, "\nPss:");
  f.rollup_parts = line_of(text, "\nPss_Anon:") + line_of(text, "\nPss_File:") + line_of(text, "\nPss_Shmem:");
  snprintf(path, sizeof path, "/proc/%s/stat", process);
  read_file(path, text, sizeof text);
  parse_stat(text, &f);
  snprintf(path, sizeof path, "/proc/%s/statm", process);
  read_file(path, text, sizeof text);
  long n[6] = {0};
  sscanf(text, "%ld %ld %ld %ld %ld %ld", n, n + 1, n + 2, n + 3, n + 4, n + 5);
  f.statm_size = n[0] * 4;
  f.statm_resident = n[1] * 4;
  f.statm_shared = n[2] * 4;
  f.statm_data = n[5] * 4;
  return f;
}
static int near(long a, long b, long kib) { return labs(a - b) <= kib; }
static int show(const char *what, const char *process, struct figures *out) {
  struct figures f = *out = figures_of(process);
  // A small program: natively 1 to 12 MB, the engine alone more than 12.
  int good[] = {f.size > 0 && f.size < 12500, f.size == f.stat_size && f.size == f.statm_size,
                f.peak >= f.size, f.highest >= f.resident, f.resident > 0 && f.resident <= f.size, f.data > 0 && f.data < f.size,
                near(f.resident, f.stat_resident, 512) && near(f.resident, f.statm_resident, 512), f.statm_shared <= f.statm_resident, f.statm_data <= f.size,
                strstr(process, "thread") || (near(f.resident, f.rollup_resident, 512) && f.rollup_anonymous > 0 && f.rollup_anonymous <= f.rollup_resident && near(f.rollup_share, f.rollup_parts, 8))};
  int wrong = 0;
  printf("%s:", what);
  for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
    printf(" %d", good[i]);
    wrong |= !good[i];
  }
  putchar('\n');
  if (wrong)
    fprintf(stderr, "size %ld peak %ld resident %ld highest %ld data %ld stat %ld %ld statm %ld %ld %ld %ld\n", f.size, f.peak, f.resident, f.highest, f.data,
            f.stat_size, f.stat_resident, f.statm_size, f.statm_resident, f.statm_shared, f.statm_data);
  return wrong;
}

static void *wait_for_it(void *argument) {
  pthread_barrier_wait(argument);
  pthread_barrier_wait(argument);
  return 0;
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  int wrong = 0;
  char file[] = "/tmp/grus_proc_figures_XXXXXX";
  int fd = mkstemp(file);
  wrong |= wrong_flags(open("/tmp", O_RDONLY | O_DIRECTORY), "directory");
  wrong |= wrong_flags(open(file, O_RDONLY | O_NOFOLLOW), "no links");
  wrong |= wrong_flags(open("/tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW), "path");
  wrong |= wrong_flags(open(file, O_RDWR | O_APPEND | O_NONBLOCK), "append");
  int direct = open(file, O_RDWR | O_DIRECT);
  if (direct >= 0) wrong |= wrong_flags(direct, "direct");
  wrong |= wrong_flags(dup(1), "dup");
  close(fd);
  unlink(file);

  struct figures before, after;
  wrong |= show("self", "self", &before);
  wrong |= show("thread-self", "thread-self", &before);
  // Files that stay open.
  int statm = open("/proc/self/statm", O_RDONLY);
  FILE *stat = fopen("/proc/self/stat", "r");
  char text[4096];
  fgets(text, sizeof text, stat);
  parse_stat(text, &before);
  before.statm_size = (pread(statm, text, sizeof text - 1, 0), atol(text) * 4);
  printf("opened: %d\n", before.stat_size == before.size && before.statm_size == before.size);
  // What is mapped counts, and what is touched.
  const long kib = 64 * 1024;
  char *p = mmap(0, kib * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(p, 1, kib * 1024);
  after = figures_of("self");
  int grown = after.size - before.size == kib && after.stat_size - before.stat_size == kib && after.data - before.data == kib && near(after.resident - before.resident, kib, 1024);
  printf("grown: %d\n", grown);
  struct figures again;
  rewind(stat);
  fgets(text, sizeof text, stat);
  parse_stat(text, &again);
  again.statm_size = (pread(statm, text, sizeof text - 1, 0), atol(text) * 4);
  printf("read again: %d %d\n", again.stat_size == after.size, again.statm_size == after.size);
  lseek(statm, 0, SEEK_SET);
  printf("sought: %d\n", (int)(read(statm, text, sizeof text - 1), atol(text) * 4 == after.size));
  munmap(p, kib * 1024);
  after = figures_of("self");
  int shrunk = after.size == before.size && after.peak >= before.size + kib && after.highest >= kib;
  printf("shrunk: %d\n", shrunk);
  wrong |= !grown || !shrunk || again.stat_size == before.size;
  // Threads share it all; another process's are its own.
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, 0, 2);
  pthread_t thread;
  pthread_create(&thread, 0, wait_for_it, &barrier);
  pthread_barrier_wait(&barrier);
  struct figures threads = figures_of("self");
  printf("a thread's stack: %d\n", threads.size - before.size >= 8192 && threads.size - before.size < 200 * 1024);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, 0);
  int pipes[2];
  pipe(pipes);
  pid_t child = fork();
  if (!child) {
    read(pipes[0], text, 1);
    _exit(0);
  }
  char name[16];
  snprintf(name, sizeof name, "%d", child);
  struct figures others = figures_of(name);
  printf("a child's: %d %d\n", others.size > 0 && others.size == others.stat_size && others.size == others.statm_size, others.size < 200 * 1024 && others.resident <= others.size);
  write(pipes[1], "x", 1);
  waitpid(child, 0, 0);
  return wrong;
}
