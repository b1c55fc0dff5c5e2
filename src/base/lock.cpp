// SPDX-License-Identifier: MIT
// The futex lock: one compare-and-exchange when free, a short spin, then sleep. Not fair, not recursive.
#include "base/lock.h"

#include <linux/futex.h>

#include "base/host_syscall.h"
#include "base/log.h"

namespace grus {
namespace {

bool g_have_thread_block;
constexpr unsigned kRegistered = static_cast<unsigned>(LockOrder::kCount);
Lock* g_registered[kRegistered];

u32 current_tid() {
  if (!g_have_thread_block) return 1;
  u32 tid;
  asm volatile("mov %%fs:0, %0" : "=r"(tid));  // volatile: not before the test above
  return tid;
}

bool compare_exchange(volatile u32* p, u32 expected, u32 desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

}  // namespace

void set_host_thread_block(HostThreadBlock* block) {
  constexpr u64 kArchSetFs = 0x1002;
  CHECK(host_syscall(__NR_arch_prctl, kArchSetFs, ptr(block)) == 0);
  g_have_thread_block = true;
}

bool have_host_thread_block() { return g_have_thread_block; }

bool Lock::is_mine() const { return owner() == current_tid(); }

bool Lock::try_acquire() { return compare_exchange(&word_, 0, current_tid()); }

void Lock::acquire() {
  u32 tid = current_tid();
  if (compare_exchange(&word_, 0, tid)) return;
  DCHECK(owner() != tid);
  for (int i = 0; i < 100; i++) {
    asm volatile("pause");
    if (word_ == 0 && compare_exchange(&word_, 0, tid)) return;
  }
  // Whoever slept takes the lock with the mark set: it cannot know whether others still sleep.
  for (;;) {
    u32 w = word_;
    if (w == 0) {
      if (compare_exchange(&word_, 0, tid | kContended)) return;
      continue;
    }
    if (!(w & kContended)) {
      if (!compare_exchange(&word_, w, w | kContended)) continue;
      w |= kContended;
    }
    host_syscall(__NR_futex, ptr(const_cast<u32*>(&word_)), FUTEX_WAIT_PRIVATE, w, 0);
  }
}

void Lock::release() {
  u32 old = __atomic_exchange_n(&word_, 0, __ATOMIC_RELEASE);
  if (old & kContended) host_syscall(__NR_futex, ptr(const_cast<u32*>(&word_)), FUTEX_WAKE_PRIVATE, 1);
}

void register_lock(LockOrder place, Lock& lock) { g_registered[static_cast<unsigned>(place)] = &lock; }

void acquire_registered_locks() {
  for (Lock* lock : g_registered) {
    CHECK(lock);
    lock->acquire();
  }
}

void release_registered_locks(bool in_fork_child) {
  for (unsigned i = kRegistered; i--;) {
    if (in_fork_child)
      g_registered[i]->reset();  // the owner was the parent's thread, and nobody waits here
    else
      g_registered[i]->release();
  }
}

void release_locks_of_dead_thread(u32 tid) {
  for (Lock* lock : g_registered)
    if (lock->owner() == tid) lock->release();
}

bool owns_registered_lock(u32 tid) {
  for (const Lock* lock : g_registered)
    if (lock->owner() == tid) return true;
  return false;
}

}  // namespace grus
