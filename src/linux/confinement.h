// SPDX-License-Identifier: MIT
// What takes rights from a process takes them from the engine's share of it too: the descriptor of the translation cache's
// directory, and the views through which translations are published, which others execute.
//
// Guarantees: both are gone (or lead nowhere but to the cache) before the host's call takes effect, and stay gone if it fails:
// slower, never wider. Deliberately not here: the engine's other descriptors are regular files, from which no path leads on.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// Before the root, the mounts or the user namespace change. The directory becomes a detached mount, whose root has no parent
// (fs/namei.c, choose_mountpoint); who may not make one leaves the cache.
void confine_cache(Task& task);
// Before an identity, capabilities or system calls are given up: nothing is published any more, in no thread of this memory.
void leave_cache(Task& task);
// Before unshare or clone with these flags.
void before_namespaces(Task& task, u64 flags);

}  // namespace grus::linux
