// SPDX-License-Identifier: MIT
// Threads, futexes, cancellation, robust locks. Built for AArch64 and for the host; both must print the same.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;
#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s\n", __LINE__, #c); } } while (0)
#define TEST(f) do { fflush(stdout); f(); printf("%s done\n", #f); } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile long counter;
static long atomic_counter;
static __thread int tls = 42;

static void *add(void *arg) {
  long n = (long)arg;
  CHECK(tls == 42);
  tls = (int)n;
  for (long i = 0; i < n; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
    __atomic_add_fetch(&atomic_counter, 1, __ATOMIC_SEQ_CST);
  }
  CHECK(tls == (int)n);
  return (void *)(n + 1);
}
static void mutexes(void) {
  pthread_t t[8];
  for (int i = 0; i < 8; i++) CHECK(pthread_create(&t[i], 0, add, (void *)20000) == 0);
  for (int i = 0; i < 8; i++) {
    void *r;
    CHECK(pthread_join(t[i], &r) == 0 && (long)r == 20001);
  }
  CHECK(counter == 160000 && atomic_counter == 160000);
}

static void *nothing(void *p) { return p; }
static void many(void) {
  for (int i = 0; i < 300; i++) {
    pthread_t t;
    CHECK(pthread_create(&t, 0, nothing, 0) == 0);
    pthread_join(t, 0);
  }
  for (int i = 0; i < 100; i++) {
    pthread_t t;
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&a, 65536);
    CHECK(pthread_create(&t, &a, nothing, 0) == 0);
  }
}

static volatile int turn;
static void *pong(void *p) {
  for (int i = 0; i < 2000; i++) {
    pthread_mutex_lock(&lock);
    while (turn != 1) pthread_cond_wait(&cond, &lock);
    turn = 0;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
  }
  return p;
}
static void conditions(void) {
  pthread_t t;
  pthread_create(&t, 0, pong, 0);
  for (int i = 0; i < 2000; i++) {
    pthread_mutex_lock(&lock);
    while (turn != 0) pthread_cond_wait(&cond, &lock);
    turn = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
  }
  pthread_join(t, 0);
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_nsec += 20000000;
  if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
  pthread_mutex_lock(&lock);
  CHECK(pthread_cond_timedwait(&cond, &lock, &soon) == ETIMEDOUT);
  pthread_mutex_unlock(&lock);
}

static void cleanup(void *p) { ++*(int *)p; }
static void *sleeper(void *p) {
  pthread_cleanup_push(cleanup, p);
  for (;;) pause();
  pthread_cleanup_pop(0);
}
static void *spinner(void *p) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
  pthread_cleanup_push(cleanup, p);
  for (volatile long i = 0;; i++) {}
  pthread_cleanup_pop(0);
}
static void cancellation(void) {
  int cleaned = 0;
  void *(*f[])(void *) = {sleeper, spinner};
  for (int i = 0; i < 20; i++) {
    pthread_t t;
    void *r;
    pthread_create(&t, 0, f[i % 2], &cleaned);
    if (i & 4) usleep(2000);
    CHECK(pthread_cancel(t) == 0);
    CHECK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED);
  }
  CHECK(cleaned >= 10);  // a thread cancelled before it begins has nothing to clean
}

static pthread_mutex_t robust;
static void *die_holding(void *p) {
  pthread_mutex_lock(&robust);
  return p;
}
static void robust_lists(void) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &a);
  pthread_t t;
  pthread_create(&t, 0, die_holding, 0);
  pthread_join(t, 0);
  CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
  CHECK(pthread_mutex_consistent(&robust) == 0);
  pthread_mutex_unlock(&robust);
  CHECK(pthread_mutex_lock(&robust) == 0);
  pthread_mutex_unlock(&robust);
}

static volatile int hits;
static __thread int own_hits;
static void on_usr(int sig) { (void)sig; hits++, own_hits++; }
static void *wait_hit(void *p) {
  sem_post(p);
  while (!own_hits) usleep(1000);
  return (void *)(long)own_hits;
}
static void directed(void) {
  struct sigaction a = {.sa_handler = on_usr};
  sigaction(SIGUSR1, &a, 0);
  for (int i = 0; i < 20; i++) {
    pthread_t t;
    sem_t s;
    sem_init(&s, 0, 0);
    pthread_create(&t, 0, wait_hit, &s);
    while (sem_wait(&s)) {}
    CHECK(pthread_kill(t, SIGUSR1) == 0);
    void *r;
    pthread_join(t, &r);
    CHECK((long)r == 1);
  }
  CHECK(hits == 20 && own_hits == 0);
}

static uint64_t mix(long rounds) {
  uint64_t x = 1;
  double d = 0.5;
  for (long i = 0; i < rounds; i++) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    d = d * 3.75 * (1 - d);
  }
  uint64_t b;
  memcpy(&b, &d, 8);
  return x ^ b;
}
static volatile int stop;
static void *compute(void *p) {
  while (!stop)
    if (mix(20000) != *(uint64_t *)p) CHECK(!"computation disturbed");
  return 0;
}
static void storm(void) {  // signals to threads that compute
  uint64_t want = mix(20000);
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, compute, &want);
  for (int i = 0; i < 2000; i++) {
    pthread_kill(t[i % 4], SIGUSR1);
    if (i % 50 == 0) usleep(500);
  }
  stop = 1;
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
}

static void *set_ids(void *p) {
  CHECK(setresgid(-1, getegid(), -1) == 0);  // broadcast to every thread by signal 33
  return p;
}
static void broadcast(void) {
  stop = 0;
  uint64_t want = mix(20000);
  pthread_t t[3], s;
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, compute, &want);
  for (int i = 0; i < 10; i++) {
    pthread_create(&s, 0, set_ids, 0);
    pthread_join(s, 0);
  }
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
}

static void futexes(void) {
  int word = 1;
  struct timespec t = {0, 10000000};
  errno = 0;
  CHECK(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, 0, 0) == -1 && errno == EAGAIN);
  errno = 0;
  CHECK(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &t, 0, 0) == -1 && errno == ETIMEDOUT);
  errno = 0;
  CHECK(syscall(SYS_futex, 16, FUTEX_WAIT, 1, &t, 0, 0) == -1 && errno == EFAULT);
  CHECK(syscall(SYS_futex, &word, FUTEX_WAKE, 1, 0, 0, 0) == 0);
  CHECK(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &word, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 9)) == 0);
  CHECK(word == 6);
}

static void *leave_group(void *p) { usleep(5000); _exit(17); return p; }
static void *fork_here(void *p) {
  pid_t c = fork();
  if (!c) {
    CHECK(getpid() == syscall(SYS_gettid));
    pthread_t t;
    void *r;
    CHECK(pthread_create(&t, 0, nothing, (void *)5) == 0 && pthread_join(t, &r) == 0 && r == (void *)5);
    _exit(failures ? 1 : 33);
  }
  int st;
  waitpid(c, &st, 0);
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 33);
  return p;
}
static void *outlive(void *p) { usleep(20000); exit(21); return p; }
static void exits(void) {
  int st;
  pid_t c = fork();
  if (!c) {
    pthread_t t;
    pthread_create(&t, 0, leave_group, 0);
    for (;;) pause();
  }
  waitpid(c, &st, 0);
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 17);
  c = fork();
  if (!c) {  // the first thread ends before the others
    pthread_t t;
    pthread_create(&t, 0, outlive, 0);
    pthread_exit(0);
  }
  waitpid(c, &st, 0);
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 21);
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, fork_here, 0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
}

int main(void) {
  TEST(mutexes);
  TEST(many);
  TEST(conditions);
  TEST(futexes);
  TEST(robust_lists);
  TEST(directed);
  TEST(cancellation);
  TEST(storm);
  TEST(broadcast);
  TEST(exits);
  printf("%d failures\n", failures);
  return failures != 0;
}
