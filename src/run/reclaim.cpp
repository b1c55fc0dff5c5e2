// SPDX-License-Identifier: MIT
#include "run/reclaim.h"

#include <linux/errno.h>
#include <linux/membarrier.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "run/code_map.h"
#include "run/execute.h"
#include "run/lockstep.h"

namespace grus::run {

volatile u64 g_epoch = 1;

namespace {

ThreadState* g_threads;    // of this memory, those of other processes (CLONE_VM) too
ThreadState* g_straggler;  // was found behind the last time

// SIGILL is open on the host at all times, and no translated code raises it. Negative: the kernel gives no such code.
constexpr int kSigIll = 4, kHurryCode = -0x6772;

i64 membarrier(u64 command) { return host_syscall(__NR_membarrier, command, 0, 0); }

bool barrier() {
  i64 r = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  if (r == -EPERM && !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) r = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  return !r;
}

bool alone() { return !g_threads || !g_threads->next_thread; }

bool is_behind(const ThreadState& t, u64 epoch) {
  const u64 noted = __atomic_load_n(&t.epoch, __ATOMIC_ACQUIRE);
  if (!noted || noted >= epoch) return false;
  // Of a process that shares this memory and was killed nobody takes the thread away. (A vfork child's parent does.)
  return host_syscall(__NR_kill, static_cast<u64>(t.process_id), 0) != -ESRCH;
}

}  // namespace

void forget_code(ThreadState& t) {
  t.return_sp = t.return_base;
  clear_lookup(t);
  if (static_cast<ExitReason>(t.exit_reason) == ExitReason::Direct) t.exit_reason = static_cast<u32>(ExitReason::Lookup);
}

void add_thread(ThreadState& t) {
  LockGuard guard(translator_lock);
  t.epoch = 0;
  t.hurried = 0;
  t.process_id = t.thread_id = 0;
  t.previous_thread = nullptr;
  t.next_thread = g_threads;
  if (g_threads) g_threads->previous_thread = &t;
  g_threads = &t;
}

void identify_thread(ThreadState& t, i32 process, i32 thread) {
  t.process_id = process;
  t.thread_id = thread;
}

// A vfork child may be killed in between: the list is always whole forwards, the way back only saves the search.
void remove_thread(ThreadState& t) {
  LockGuard guard(translator_lock);
  if (g_straggler == &t) g_straggler = nullptr;
  ThreadState** at = &g_threads;
  if (t.previous_thread && t.previous_thread->next_thread == &t) at = &t.previous_thread->next_thread;
  while (*at && *at != &t) at = &(*at)->next_thread;
  if (!*at) return;
  if (t.next_thread) t.next_thread->previous_thread = t.previous_thread;
  *at = t.next_thread;
}

void keep_only_thread(ThreadState& t) {
  t.epoch = 0;
  t.hurried = 0;
  t.next_thread = t.previous_thread = nullptr;
  g_threads = &t;
  g_straggler = nullptr;
}

bool can_reclaim() {
  if (lockstep()) return false;
  if (alone()) return true;
  static bool asked, works;
  if (!asked) works = barrier();
  asked = true;
  return works;
}

u64 begin_epoch() {
  const u64 epoch = g_epoch + 1;
  __atomic_store_n(&g_epoch, epoch, __ATOMIC_SEQ_CST);
  if (!alone()) CHECK(barrier());  // can_reclaim() said that it works
  return epoch;
}

bool passed(u64 epoch) {
  if (g_straggler && is_behind(*g_straggler, epoch)) return false;
  for (ThreadState* t = g_threads; t; t = t->next_thread) {
    if (!is_behind(*t, epoch)) continue;
    g_straggler = t;
    return false;
  }
  g_straggler = nullptr;
  return true;
}

// Only threads of this process: they are in the list as long as they live, so that nobody else has their number.
void hurry(u64 epoch) {
  const i32 process = static_cast<i32>(host_syscall(__NR_getpid));
  for (ThreadState* t = g_threads; t; t = t->next_thread) {
    if (t->process_id != process || !is_behind(*t, epoch)) continue;
    // First the mark, then the look: whoever execs waits for the signal (await_hurry), which would reach the new program.
    if (__atomic_exchange_n(&t->hurried, 1, __ATOMIC_SEQ_CST)) continue;
    struct {
      i32 signo, error, code;
      u8 rest[116];
    } info{kSigIll, 0, kHurryCode, {}};
    if (!is_behind(*t, epoch) || host_syscall(__NR_rt_tgsigqueueinfo, static_cast<u64>(process), static_cast<u64>(t->thread_id), kSigIll, ptr(&info)))
      __atomic_store_n(&t->hurried, 0, __ATOMIC_RELEASE);
  }
}

bool take_hurry(ThreadState& t, int sig, int code, u64 sender) {
  if (sig != kSigIll || !t.hurried) return false;
  // Beyond RLIMIT_SIGPENDING the kernel forgets who sent it (__send_signal_locked).
  constexpr int kSiUser = 0;
  if (code != kHurryCode && !(code == kSiUser && !sender)) return false;
  __atomic_store_n(&t.hurried, 0, __ATOMIC_RELEASE);
  return true;
}

void await_hurry(ThreadState& t) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  for (int n = 0; n < 10'000 && t.hurried; n++) host_syscall(__NR_sched_yield);
}

}  // namespace grus::run
