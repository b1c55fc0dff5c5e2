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
inline constexpr u64 kNeverMapped = kEngineArena + kEngineArenaSize - 4096;  // the arena's last page

}  // namespace grus::address_map
