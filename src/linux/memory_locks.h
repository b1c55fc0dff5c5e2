// SPDX-License-Identifier: MIT
// mlockall for a process half of whose mappings are the engine's: those are never locked, for a lock would read in every cache file
// and every table as a whole, make private copies of pages that are to be shared, and count against the guest's limit.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// [at, at + bytes) is a new mapping of the guest's: locked when mlockall(MCL_FUTURE) is in force. False: RLIMIT_MEMLOCK forbids
// it. With mm.lock held.
bool lock_new_mapping(const Mm& mm, u64 at, u64 bytes);

}  // namespace grus::linux
