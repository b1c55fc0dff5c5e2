// SPDX-License-Identifier: MIT
// Which addresses name the same memory: JITs that keep code writable at one address and executable at another (V8,
// HotSpot, .NET, Erlang, LuaJIT) may announce new code with IC IVAU by either, and on hardware it acts on the physical line.
//
// Shared mappings of files (memfd, /dev/shm) and System V segments are known here; they are few. Private mappings have no aliases.
// Deliberately not here: what other processes write. All functions expect mm->lock to be held.
#pragma once
#include "base/types.h"

namespace grus::linux {

// [begin, end) is a new shared mapping of fd from `offset` on. What was there before must have been forgotten.
void note_shared(u64 begin, u64 end, int fd, u64 offset);
// The same for a System V segment; and it was detached.
void note_segment(u64 begin, u64 end, u64 id);
void forget_segment(u64 begin);
// The mapping of [begin, end) is gone.
void forget_shared(u64 begin, u64 end);
// The guest announced new code in [begin, end), within one page: translations under every alias die.
void code_modified(u64 begin, u64 end);

}  // namespace grus::linux
