// SPDX-License-Identifier: MIT
// Limits on address space that the guest set for itself, for those who map memory.
//
// RLIMIT_AS and RLIMIT_DATA must not bite the engine (its windows alone are larger than most limits), yet
// must survive fork, exec and native programs in between. So the host gets the guest's value plus kLimitBias,
// and what the guest reads has the bias removed: the kernel carries the number for us and never enforces it.
// A limit that somebody set before Grus was started is below the bias and is the kernel's own affair.
#pragma once
#include "linux/task.h"

namespace grus::linux {

inline constexpr u64 kLimitBias = u64{1} << 46;
inline constexpr u64 kUnlimited = ~u64{0};

constexpr u64 limit_to_host(u64 guest, u64 host_maximum) {
  return guest == kUnlimited || host_maximum < kLimitBias ? guest
         : guest >= kUnlimited - kLimitBias               ? kUnlimited
                                                          : guest + kLimitBias;
}
constexpr u64 limit_to_guest(u64 host) {
  return host == kUnlimited || host < kLimitBias ? host : host - kLimitBias;
}

// True when the guest may not map `bytes` more under its own RLIMIT_AS (may_expand_vm in mm/mmap.c). What
// lies in [replaced, replaced + bytes) now is not counted when `replaced` is not 0. Costs one load while no
// limit is set; with one, the guest's mappings are counted anew each time. Out of spec: a limit that another
// process sets by prlimit64 is noticed at the next exec, and RLIMIT_DATA is kept but not enforced.
bool exceeds_address_space_limit(u64 bytes, u64 replaced = 0);

}  // namespace grus::linux
