// SPDX-License-Identifier: MIT
// Four threads of atomics: additions and compare-and-swap loops on a line of each thread's own, and every 64 rounds
// additions, a spin lock and a mutex on lines that all share. Were all of it shared, CPU time would depend on how often two
// threads happen to run at once: five times more natively on one machine from run to run.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { kThreads = 4, kRounds = 20000000 };
static struct {
  _Alignas(64) atomic_ulong count;
  _Atomic uint64_t mixed;
} own[kThreads];
static _Alignas(64) atomic_ulong total;
static _Alignas(64) atomic_flag flag = ATOMIC_FLAG_INIT;
static _Alignas(64) pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t under_flag, under_mutex;

static void* work(void* number) {
  uintptr_t n = (uintptr_t)number;
  for (uint64_t i = 0; i < kRounds; i++) {
    atomic_fetch_add_explicit(&own[n].count, n + 1, memory_order_relaxed);
    uint64_t old = atomic_load(&own[n].mixed);
    while (!atomic_compare_exchange_weak(&own[n].mixed, &old, old + (i ^ n))) {
    }
    if (i % 64 == 0) {
      atomic_fetch_add(&total, n);
      while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire)) sched_yield();
      under_flag += n;
      atomic_flag_clear_explicit(&flag, memory_order_release);
      pthread_mutex_lock(&mutex);
      under_mutex += n;
      pthread_mutex_unlock(&mutex);
    }
  }
  return 0;
}

int main(void) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; i++) pthread_create(&threads[i], 0, work, (void*)i);
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], 0);
  for (int i = 0; i < kThreads; i++) printf("%lu %llu ", own[i].count, (unsigned long long)own[i].mixed);
  printf("%lu %llu %llu\n", total, (unsigned long long)under_flag, (unsigned long long)under_mutex);
  return 0;
}
