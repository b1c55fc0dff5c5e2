// SPDX-License-Identifier: MIT
// A futex lock that knows its owner. Engine locks are short; they are held with guest signals only marked
// pending. The long-lived ones are registered: all of them are taken around fork, so that the child finds them
// free and what they guard whole, and a parent resumed after its vfork child was killed inside of the engine
// frees what the child held. (Locks of objects - Mm, Files - are handled with their objects.)
//
// The tid comes from the thread's block at %fs:0 (the engine has no libc, so fs is its own): no system call
// per lock.
#pragma once
#include "base/types.h"

namespace grus {

// What the host's fs base points to in every engine thread.
struct HostThreadBlock {
  u32 tid;
  u32 unused;
  u64 outside_sp;  // while the host's vDSO runs: where to go on when it faults (linux/vdso/host_clock.cpp)
};
// Makes `block` the calling thread's (arch_prctl); threads made later get theirs by CLONE_SETTLS. Until the
// first call the process is single threaded and locks are owned by "1".
void set_host_thread_block(HostThreadBlock* block);
bool have_host_thread_block();

class Lock {
 public:
  void acquire();
  bool try_acquire();
  void release();
  // In a child after fork, or when the owner is known to be dead: makes the lock free.
  void reset() { word_ = 0; }
  u32 owner() const { return word_ & ~kContended; }
  // Does the calling thread hold it? For signal handlers, which must not wait for themselves.
  bool is_mine() const;

 private:
  static constexpr u32 kContended = 1u << 31;
  volatile u32 word_ = 0;  // 0 free, else the owner's tid, with kContended when somebody sleeps
};

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.acquire(); }
  ~LockGuard() { lock_.release(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

// Every lock of static storage, in the order in which they may be taken one inside of the other. tests/structure looks that
// none is missing. Each is registered once, before the first guest instruction.
enum class LockOrder : u8 { Lockstep, Translator, KeptTasks, RewrittenFiles, Objects, Pages, kCount };
void register_lock(LockOrder place, Lock& lock);
void acquire_registered_locks();
void release_registered_locks(bool in_fork_child);  // in the child they are nobody's
void release_locks_of_dead_thread(u32 tid);
bool owns_registered_lock(u32 tid);

}  // namespace grus
