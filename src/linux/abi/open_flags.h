// SPDX-License-Identifier: MIT
// Open flags: arm64 (arch/arm64/include/uapi/asm/fcntl.h) numbers four of them differently than asm-generic,
// which x86 uses: its O_DIRECTORY is x86's O_DIRECT. All others, and every fcntl command, are the same.
#pragma once
#include "base/types.h"

namespace grus::linux {

inline constexpr u64 kGuestODirectory = 040000, kGuestONofollow = 0100000, kGuestODirect = 0200000,
                     kGuestOLargefile = 0400000;
inline constexpr u64 kHostODirect = 040000, kHostOLargefile = 0100000, kHostODirectory = 0200000,
                     kHostONofollow = 0400000;

// The difference is that two pairs of bits change places, so one function serves both directions. Unknown
// bits stay.
constexpr u64 swap_open_flags(u64 flags) {
  constexpr u64 low = 3u << 14, high = 3u << 16;
  return (flags & ~(low | high)) | (flags & low) << 2 | (flags & high) >> 2;
}
constexpr u64 open_flags_to_host(u64 guest) { return swap_open_flags(guest); }
constexpr u64 open_flags_to_guest(u64 host) { return swap_open_flags(host); }

static_assert(open_flags_to_host(kGuestODirectory) == kHostODirectory);
static_assert(open_flags_to_host(kGuestONofollow) == kHostONofollow);
static_assert(open_flags_to_host(kGuestODirect) == kHostODirect);
static_assert(open_flags_to_host(kGuestOLargefile) == kHostOLargefile);
static_assert(open_flags_to_guest(open_flags_to_host(~u64{0x8001})) == ~u64{0x8001});

}  // namespace grus::linux
