// SPDX-License-Identifier: MIT
// What makes an exclusive store fail after another one to the same address, though memory has the same value again (ABA).
//
// Lines of 64 bytes share kVersions counters, each in a line of its own: what is not shared by the guest's threads is not shared
// here (four threads on lines of their own take five times longer with counters side by side). A counter is odd while a thread of this process is inside of a store exclusive to one of its
// addresses, and is two more after it. LDXR remembers the counter before it loads; STXR makes it odd, which fails when it is, looks
// whether it is what LDXR remembered, compares and exchanges memory, and makes it even again. So of the stores of a process's
// threads none that is exclusive goes unseen. STXR may fail for a store to another address of the same counter, as hardware's may
// (Arm ARM B2.9). Deliberately not seen: plain stores, LSE's atomics and stores of other processes that bring the same value back;
// every store of the process would have to count.
#pragma once
#include "base/types.h"

namespace grus::a64 {

inline constexpr unsigned kVersions = 256;
struct alignas(64) ExclusiveVersion {
  u32 count;
};
extern ExclusiveVersion exclusive_versions[kVersions];
inline constexpr u32 kVersionMask = sizeof exclusive_versions - sizeof exclusive_versions[0];  // of an address: its counter's offset

inline u32& version_of(u64 untagged) { return exclusive_versions[(untagged & kVersionMask) / sizeof exclusive_versions[0]].count; }

// In a child after fork of a process with more threads: those that were inside of a store are not here.
void free_exclusive_versions();
// A thread that died inside of a store to `untagged`.
void free_exclusive_version(u64 untagged);

}  // namespace grus::a64
