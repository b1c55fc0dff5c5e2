// SPDX-License-Identifier: MIT
// W4: an exclusive store fails when another thread has stored exclusively since the load, though the value is the same again (ABA);
// and a lock-free stack that relies on it keeps its elements. AArch64 only; says "0 failures" elsewhere.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static int failures;
#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s\n", __LINE__, #c); } } while (0)

#ifdef __aarch64__
static uint64_t load(volatile uint64_t *p) {
  uint64_t v;
  __asm__ volatile("ldaxr %0, [%1]" : "=r"(v) : "r"(p) : "memory");
  return v;
}
static int store(volatile uint64_t *p, uint64_t v) {  // 0: stored
  uint32_t failed;
  __asm__ volatile("stlxr %w0, %1, [%2]" : "=&r"(failed) : "r"(v), "r"(p) : "memory");
  return failed;
}
static int store_pair(volatile __uint128_t *p, uint64_t a, uint64_t b) {
  uint64_t x, y;
  uint32_t failed;
  do __asm__ volatile("ldxp %1, %2, [%3]\n stxp %w0, %4, %5, [%3]" : "=&r"(failed), "=&r"(x), "=&r"(y) : "r"(p), "r"(a), "r"(b) : "memory");
  while (failed);
  return 0;
}
static void set(volatile uint64_t *p, uint64_t v) {
  do load(p);
  while (store(p, v));
}

/* -- One thread loads, another stores B and A, the first stores ------------------------------------------------------ */
static _Alignas(64) volatile uint64_t word;
static _Alignas(64) volatile __uint128_t wide;
static _Alignas(64) volatile int turn;
static int width;
static void *changes_and_back(void *unused) {
  (void)unused;
  for (;;) {
    while (turn == 0) {}
    if (turn == 2) return 0;
    if (width == 8) set(&word, 2), set(&word, 1);
    if (width == 4) {
      for (uint32_t v = 2; v >= 1; v--) {
        uint32_t old, failed;
        do __asm__ volatile("ldaxr %w1, [%2]\n stlxr %w0, %w3, [%2]" : "=&r"(failed), "=&r"(old) : "r"(&word), "r"(v) : "memory");
        while (failed);
      }
    }
    if (width == 16) store_pair(&wide, 2, 0), store_pair(&wide, 1, 0);
    turn = 0;
  }
}
static void aba(void) {
  pthread_t t;
  pthread_create(&t, 0, changes_and_back, 0);
  for (width = 4; width <= 16; width *= 2) {
    word = 1, wide = 1;
    int stored = 0;
    for (int n = 0; n < 2000; n++) {
      uint32_t failed;
      uint64_t x, y;
      // The other thread's turn lies between the load and the store.
      if (width == 8)
        __asm__ volatile("ldaxr %1, [%2]\n str %w4, [%3]\n1: ldr %w1, [%3]\n cbnz %w1, 1b\n stlxr %w0, %5, [%2]"
                         : "=&r"(failed), "=&r"(x) : "r"(&word), "r"(&turn), "r"(1), "r"(7ul) : "memory");
      else if (width == 4)
        __asm__ volatile("ldaxr %w1, [%2]\n str %w4, [%3]\n1: ldr %w1, [%3]\n cbnz %w1, 1b\n stlxr %w0, %w5, [%2]"
                         : "=&r"(failed), "=&r"(x) : "r"(&word), "r"(&turn), "r"(1), "r"(7) : "memory");
      else
        __asm__ volatile("ldxp %1, %2, [%3]\n str %w5, [%4]\n1: ldr %w1, [%4]\n cbnz %w1, 1b\n stxp %w0, %6, xzr, [%3]"
                         : "=&r"(failed), "=&r"(x), "=&r"(y) : "r"(&wide), "r"(&turn), "r"(1), "r"(7ul) : "memory");
      stored += !failed;
    }
    if (stored) printf("  %d bytes: %d of 2000 stores after A, B, A\n", width, stored), failures++;
    // With nothing in between it succeeds.
    int good = 0;
    for (int n = 0; n < 100; n++) load(&word), good += !store(&word, 1);
    CHECK(good == 100);
  }
  turn = 2;
  pthread_join(t, 0);
}

/* -- A stack without counters --------------------------------------------------------------------------------------- */
enum { kNodes = 8, kThreads = 3, kRounds = 150000 };
struct node { struct node *next; volatile int taken; };
static struct node nodes[kNodes];
static volatile uint64_t head;
static volatile int lost;
static void push(struct node *n) {
  do n->next = (struct node *)load(&head);
  while (store(&head, (uint64_t)n));
}
static struct node *pop(void) {
  struct node *n;
  do {
    n = (struct node *)load(&head);
    if (!n) return 0;
  } while (store(&head, (uint64_t)n->next));
  return n;
}
static void *works(void *unused) {
  (void)unused;
  for (int i = 0; i < kRounds && !lost; i++) {
    struct node *a = pop(), *b = pop();
    if (a && __atomic_exchange_n(&a->taken, 1, __ATOMIC_ACQ_REL)) lost = 1;
    if (b && __atomic_exchange_n(&b->taken, 1, __ATOMIC_ACQ_REL)) lost = 1;
    if (a) __atomic_store_n(&a->taken, 0, __ATOMIC_RELEASE), push(a);
    if (b) __atomic_store_n(&b->taken, 0, __ATOMIC_RELEASE), push(b);
  }
  return 0;
}
static void stack(void) {
  for (int i = 0; i < kNodes; i++) push(&nodes[i]);
  pthread_t t[kThreads];
  for (int i = 0; i < kThreads; i++) pthread_create(&t[i], 0, works, 0);
  for (int i = 0; i < kThreads; i++) pthread_join(t[i], 0);
  CHECK(!lost);
  int left = 0;
  for (struct node *n = (struct node *)head; n && left <= kNodes; n = n->next) left++;
  CHECK(left == kNodes);
}

/* -- Around faults, forks and kills ----------------------------------------------------------------------------------- */
static char *page;
static volatile int faults;
static void on_fault(int sig) {
  (void)sig;
  faults++;
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
}
static void faulting(void) {
  page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  signal(SIGSEGV, on_fault);
  for (int n = 0; n < 50; n++) {
    mprotect(page, 4096, PROT_READ);
    set((volatile uint64_t *)page, n);
    CHECK(*(volatile uint64_t *)page == (uint64_t)n);
  }
  CHECK(faults == 50);
  munmap(page, 4096);
}
static volatile int stop;
static void *stores(void *p) {
  while (!stop) set(p, 1);
  return 0;
}
static void forking(void) {
  pthread_t t;
  pthread_create(&t, 0, stores, (void *)&word);
  for (int n = 0; n < 200; n++) {
    pid_t c = fork();
    if (!c) {
      alarm(5);
      set(&word, 5);
      _exit(word != 5);
    }
    int status;
    waitpid(c, &status, 0);
    CHECK(status == 0);
  }
  stop = 1;
  pthread_join(t, 0);
}
static void all(void) {
  aba();
  stack();
  faulting();
  forking();
}
#else
static void all(void) {}
#endif

int main(void) {
  all();
  printf("%d failures\n", failures);
  return failures != 0;
}
