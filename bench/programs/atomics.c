// SPDX-License-Identifier: MIT
// Four threads on the same atomics: additions, compare-and-swap loops, a spin lock and a mutex around plain memory.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { kThreads = 4, kRounds = 3000000 };
static _Alignas(64) atomic_ulong total;
static _Alignas(64) _Atomic uint64_t mixed;
static _Alignas(64) atomic_flag flag = ATOMIC_FLAG_INIT;
static _Alignas(64) pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t under_flag, under_mutex;

static void* work(void* number) {
  uint64_t me = (uintptr_t)number + 1;
  for (uint64_t i = 0; i < kRounds; i++) {
    atomic_fetch_add_explicit(&total, me, memory_order_relaxed);
    uint64_t old = atomic_load(&mixed);
    while (!atomic_compare_exchange_weak(&mixed, &old, old + (i ^ me))) {
    }
    if (i % 16 == 0) {
      while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire)) sched_yield();
      under_flag += me;
      atomic_flag_clear_explicit(&flag, memory_order_release);
      pthread_mutex_lock(&mutex);
      under_mutex += me;
      pthread_mutex_unlock(&mutex);
    }
  }
  return 0;
}

int main(void) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; i++) pthread_create(&threads[i], 0, work, (void*)i);
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], 0);
  printf("%lu %llu %llu %llu\n", total, (unsigned long long)mixed, (unsigned long long)under_flag,
         (unsigned long long)under_mutex);
  return 0;
}
