// SPDX-License-Identifier: MIT
// The only way C++ touches guest memory: every access can fault and says so, instead of crashing the engine.
//
// Guarantees: an access of 1, 2, 4 or 8 bytes that is aligned is one host access (single-copy atomic); 16-byte loads and
// stores are two of 8. Loads acquire and stores are ordinary x86 (TSO) accesses. A fault leaves guest memory as far written
// as the host wrote it. Addresses are untagged here, by each function; callers pass what the guest computed.
// Works by a fixup: the host's signal handler calls `guest_memory_fixup`, which moves the interrupted access to its
// failure exit. Deliberately not here: protection checks (the host MMU does them), address translation (identity).
#pragma once
#include "base/types.h"

namespace grus {

// sig == 0: done. Else the host signal (SIGSEGV or SIGBUS), its si_code, and the faulting address.
struct MemoryFault {
  u64 status = 0;  // sig | code << 8
  u64 addr = 0;
  explicit operator bool() const { return status != 0; }
  u8 sig() const { return static_cast<u8>(status); }
  u8 code() const { return static_cast<u8>(status >> 8); }
};

[[nodiscard]] MemoryFault copy_from_guest(void* dst, GuestAddr src, size_t n);
[[nodiscard]] MemoryFault copy_to_guest(GuestAddr dst, const void* src, size_t n);
// values[i] to the word a[at[i]], in this order. Not the guest's stores: the hook below is not called.
[[nodiscard]] MemoryFault store_guest_words(GuestAddr a, const u32* at, const i32* values, size_t n);
// Is guest memory what is at `own`? Both aligned to 8 bytes, n a multiple of 32.
[[nodiscard]] MemoryFault compare_with_guest(const void* own, GuestAddr a, size_t n, bool* same);
// Length of the string at `s` without its NUL, at most max; fault set when it runs into unreadable memory.
[[nodiscard]] MemoryFault string_length_guest(GuestAddr s, size_t max, size_t* length);

[[nodiscard]] MemoryFault load_guest_bytes(GuestAddr a, unsigned size, void* out);        // 1, 2, 4, 8, 16
[[nodiscard]] MemoryFault store_guest_bytes(GuestAddr a, unsigned size, const void* in);  // 1, 2, 4, 8, 16
// One locked compare-and-exchange of 1, 2, 4, 8 or 16 bytes; *expected receives what was there. A 16-byte one must be
// aligned (checked by the caller: the architecture faults otherwise).
[[nodiscard]] MemoryFault compare_exchange_guest(GuestAddr a, unsigned size, void* expected, const void* desired);

template <typename T>
[[nodiscard]] MemoryFault load_guest(GuestAddr a, T* out) {
  static_assert(__is_trivially_copyable(T));
  if constexpr (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16)
    return load_guest_bytes(a, sizeof(T), out);
  else
    return copy_from_guest(out, a, sizeof(T));
}
template <typename T>
[[nodiscard]] MemoryFault store_guest(GuestAddr a, const T& in) {
  static_assert(__is_trivially_copyable(T));
  if constexpr (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16)
    return store_guest_bytes(a, sizeof(T), &in);
  else
    return copy_to_guest(a, &in, sizeof(T));
}

// While set, called before every store of C++ to guest memory: run/lockstep.cpp takes them back.
extern void (*guest_store_hook)(u64 untagged, size_t size);

// For the signal handler: true when `rip` was inside one of the accesses above; then *rip, *rax and *rdx are what the
// interrupted context must continue with. `sig` and `code` come from the siginfo, `addr` is si_addr.
bool guest_memory_fixup(u64* rip, u64* rax, u64* rdx, int sig, int code, u64 addr);

}  // namespace grus
