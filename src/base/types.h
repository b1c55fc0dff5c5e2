// SPDX-License-Identifier: MIT
// The value types that keep apart what the machine calls "a 64-bit number": an address in the guest's address
// space, an address of host code, an offset into a code window. No implicit conversion between them: the two
// address spaces are numerically identical here (identity mapping), which makes mixing them up easy to write
// and hard to see.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>

namespace grus {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
using u128 = unsigned __int128;
using i128 = __int128;

// An address as the guest sees it. Data accesses ignore the top byte (TBI, always on for EL0 under Linux:
// Documentation/arch/arm64/tagged-pointers.rst), so use `untagged()` before touching memory.
struct GuestAddr {
  u64 v = 0;
  constexpr GuestAddr() = default;
  constexpr explicit GuestAddr(u64 value) : v(value) {}
  constexpr GuestAddr operator+(u64 n) const { return GuestAddr(v + n); }
  constexpr GuestAddr operator-(u64 n) const { return GuestAddr(v - n); }
  constexpr u64 operator-(GuestAddr o) const { return v - o.v; }
  constexpr auto operator<=>(const GuestAddr&) const = default;
  // Bit 55 selects the translation table; user addresses have it clear and the tag removed. With it set the
  // address is a kernel one and stays non-canonical for the host, so it faults as it must.
  constexpr GuestAddr untagged() const { return GuestAddr(static_cast<u64>(static_cast<i64>(v << 8) >> 8)); }
};

inline constexpr u64 kGuestPageSize = 4096;
inline constexpr u64 page_down(u64 a) { return a & ~(kGuestPageSize - 1); }
inline constexpr u64 page_up(u64 a) { return (a + kGuestPageSize - 1) & ~(kGuestPageSize - 1); }

}  // namespace grus
