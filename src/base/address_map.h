// SPDX-License-Identifier: MIT
// The constants of docs/address-map.md, which explains them.
#pragma once
#include "base/types.h"

namespace grus::address_map {

inline constexpr u64 kBrkZone = 0x5400'0000'0000;
inline constexpr u64 kGuestVdso = kBrkZone;  // shares the heap's page tables
inline constexpr u64 kBrkStart = kBrkZone + 64 * 1024;
inline constexpr u64 kModuleZones = 0x5500'0000'0000;
inline constexpr u64 kModuleZoneStride = u64{2} << 30;
inline constexpr u64 kModuleZoneSize = u64{1} << 30;
inline constexpr unsigned kModuleZoneCount = 64;
inline constexpr u64 kWindowDelta = u64{1} << 30;  // from a module to its code window
inline constexpr u64 kEngineArena = 0x7d00'0000'0000;
inline constexpr u64 kEngineArenaSize = u64{1} << 40;
// The arena's last page is never mapped. The host kernel is given it for a pointer of the guest's into the arena, which natively leads
// nowhere too: so EFAULT comes where the kernel would find it, after whatever else it looks at first.
inline constexpr u64 kNeverMapped = kEngineArena + kEngineArenaSize - 4096;
static_assert(kEngineArena % kEngineArenaSize == 0);
constexpr bool in_arena(u64 a) { return a / kEngineArenaSize == kEngineArena / kEngineArenaSize; }

}  // namespace grus::address_map
