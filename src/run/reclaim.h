// SPDX-License-Identifier: MIT
// When memory of translated code may be given back while other threads live: epochs.
//
// Guarantees: once `passed(e)`, no thread runs in code that was retired before epoch `e` began, and none holds an address in there.
// A thread notes the epoch before it looks for code, and 0 when it has left; when a new epoch has begun since it last looked, it forgets
// what it holds: its lookup table, its return-prediction stack, the exit that it wanted linked. A thread in a system call is outside.
// One that stays in translated code is made to leave by a signal (`hurry`).
// The note is a plain store, since translated code is entered at every system call: membarrier(2) orders it when an epoch begins.
// Deliberately not here: what is retired (code_map.h). All but enter_code and leave_code is called with translator_lock held.
#pragma once
#include "run/thread_state.h"

namespace grus::run {

extern volatile u64 g_epoch;

void forget_code(ThreadState& t);
void keep_only_thread(ThreadState& t);  // in a child after fork

inline void enter_code(ThreadState& t) {
  u64 now;
  do {
    now = g_epoch;
    t.epoch = now;
    asm volatile("" ::: "memory");
  } while (now != g_epoch);  // or begin_epoch has looked before the note was there
  if (t.known_epoch == now) [[likely]]
    return;
  forget_code(t);
  t.known_epoch = now;
}
inline void leave_code(ThreadState& t) { __atomic_store_n(&t.epoch, 0, __ATOMIC_RELEASE); }

// Can a new epoch be waited for at all? Not without membarrier in a process of several threads, nor in lock-step, which keeps all.
bool can_reclaim();
// What was retired before is of the old epochs.
u64 begin_epoch();
bool passed(u64 epoch);
// Makes the threads leave translated code that are in it since before `epoch`.
void hurry(u64 epoch);

}  // namespace grus::run
