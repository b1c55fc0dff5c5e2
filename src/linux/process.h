// SPDX-License-Identifier: MIT
// What the files about tasks and processes share among themselves.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// include/uapi/linux/sched.h
inline constexpr u64 kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSighand = 0x800,
                     kClonePidfd = 0x1000, kCloneVfork = 0x4000, kCloneThread = 0x10000,
                     kCloneSettls = 0x80000, kCloneParentSettid = 0x100000, kCloneChildCleartid = 0x200000,
                     kCloneChildSettid = 0x1000000, kCloneClearSighand = 0x100000000;

// Frees everything of the calling thread, its stack last, and exits. All signals must be blocked.
[[noreturn]] void exit_task(Task& task, int status, bool group);
void* stack_top(Task& task);
// In the child of a fork.
void forget_kept_tasks();

}  // namespace grus::linux
