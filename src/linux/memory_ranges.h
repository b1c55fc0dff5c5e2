// SPDX-License-Identifier: MIT
// What the range calls of other system calls need: prctl(PR_SET_VMA) and userfaultfd's ioctls. See memory_ranges.cpp.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, begin, length, name)
i64 name_memory(const u64 (&a)[6]);
// An ioctl of userfaultfd whose range touches the engine's memory: true when *result is its answer.
bool userfaultfd_operation(Task& task, const u64 (&a)[6], i64* result);

}  // namespace grus::linux
