// SPDX-License-Identifier: MIT
// Exclusives, load-acquire and store-release, LSE.
//
// Guarantees: each read-modify-write is one locked host operation on guest memory (a compare-and-exchange,
// repeated while other threads interfere), so it is atomic against translated code, other processes and the
// kernel. The host is TSO: loads acquire and stores release by themselves, locked operations are full
// barriers; only STLR needs more (see there).
//
// Exclusives: LDXR remembers address, size, value and version (exclusive_version.h); STXR succeeds when the same address and
// size come again, no thread of the process has stored there exclusively and memory still holds that value. STXR always opens the
// monitor, as on hardware. Whoever delivers a signal must open it too (exclusive_size = 0), as the kernel's
// ERET does. CONSTRAINED UNPREDICTABLE: STXR whose status register is its source or base uses the old value,
// then writes the status.
#include "address.h"
#include "guest/aarch64/exclusive_version.h"

namespace grus::a64::semantics {
namespace {

bool read_bytes(CpuState& cpu, u64 addr, unsigned bytes, void* out) {
  if (MemoryFault f = load_guest_bytes(GuestAddr(addr), bytes, out)) return fault(cpu, f, false);
  return true;
}

bool write_bytes(CpuState& cpu, u64 addr, unsigned bytes, const void* in) {
  if (MemoryFault f = store_guest_bytes(GuestAddr(addr), bytes, in)) return fault(cpu, f, true);
  return true;
}

// --- exclusives

bool load_exclusive(CpuState& cpu, Insn i, unsigned bytes, u64* value) {
  u64 addr;
  if (!aligned_address(cpu, i.Rn(), bytes, false, &addr)) return false;
  // A 16-byte load is two loads here. When they tear, the STXP that follows compares all 16 bytes and fails.
  value[0] = value[1] = 0;
  u32 version = __atomic_load_n(&version_of(GuestAddr(addr).untagged().v), __ATOMIC_ACQUIRE);
  if (!read_bytes(cpu, addr, bytes, value)) return false;
  cpu.exclusive_version = version;
  cpu.exclusive_addr = addr;
  cpu.exclusive_size = bytes;
  cpu.exclusive_value[0] = value[0];
  cpu.exclusive_value[1] = value[1];
  return true;
}

// Makes the version odd if it is what LDXR saw.
bool take_version(CpuState& cpu, u32& version) {
  if (guest_store_hook) guest_store_hook(reinterpret_cast<u64>(&version), sizeof version);  // lock-step runs it twice
  u32 seen = cpu.exclusive_version;
  if (seen & 1 || !__atomic_compare_exchange_n(&version, &seen, seen + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return false;
  cpu.exclusive_held = 1;
  return true;
}

void store_exclusive(CpuState& cpu, Insn i, unsigned bytes, const u64* value) {
  u64 addr;
  if (!aligned_address(cpu, i.Rn(), bytes, true, &addr)) return;
  bool stored = false;
  if (cpu.exclusive_size == bytes && GuestAddr(cpu.exclusive_addr).untagged() == GuestAddr(addr).untagged()) {
    u64 seen[2] = {cpu.exclusive_value[0], cpu.exclusive_value[1]};
    u32& version = version_of(GuestAddr(addr).untagged().v);
    // Held already: translated code faulted when it was about to store.
    if (cpu.exclusive_held || take_version(cpu, version)) {
      MemoryFault f = compare_exchange_guest(GuestAddr(addr), bytes, seen, value);
      __atomic_add_fetch(&version, 1, __ATOMIC_RELEASE);
      cpu.exclusive_held = 0;
      if (f) {
        fault(cpu, f, true);
        return;
      }
      // Smaller exchanges leave the other bytes of `seen` as they were.
      stored = seen[0] == cpu.exclusive_value[0] && seen[1] == cpu.exclusive_value[1];
    }
  }
  cpu.exclusive_size = 0;
  cpu.set_X(i.Rs(), stored ? 0 : 1);
}

// --- LSE

// Replaces the value at `addr` by operation(value), atomically; *old is what was there.
template <typename T, typename Operation>
bool modify(CpuState& cpu, u64 addr, T* old, Operation operation) {
  T seen;
  if (!read_bytes(cpu, addr, sizeof(T), &seen)) {
    cpu.exception.write = true;
    return false;
  }
  for (;;) {
    T expected = seen, desired = operation(seen);
    if (MemoryFault f = compare_exchange_guest(GuestAddr(addr), sizeof(T), &seen, &desired))
      return fault(cpu, f, true);
    if (seen == expected) break;
  }
  *old = seen;
  return true;
}

template <typename T, typename Operation>
void atomic_sized(CpuState& cpu, Insn i, Operation operation) {
  u64 addr;
  T old, operand = static_cast<T>(cpu.X(i.Rs()));
  if (!aligned_address(cpu, i.Rn(), sizeof(T), true, &addr)) return;
  if (!modify<T>(cpu, addr, &old, [&](T value) { return static_cast<T>(operation(value, operand)); })) return;
  cpu.set_X(i.Rt(), old);
}

template <typename Operation>
void atomic(CpuState& cpu, Insn i, Operation operation) {
  switch (i.lsize()) {
    case 0:
      return atomic_sized<u8>(cpu, i, operation);
    case 1:
      return atomic_sized<u16>(cpu, i, operation);
    case 2:
      return atomic_sized<u32>(cpu, i, operation);
    default:
      return atomic_sized<u64>(cpu, i, operation);
  }
}

// T is unsigned: whether a < b when both are read as signed.
template <typename T>
bool signed_less(T a, T b) {
  constexpr T kSign = static_cast<T>(T{1} << (sizeof(T) * 8 - 1));
  return static_cast<T>(a ^ kSign) < static_cast<T>(b ^ kSign);
}

}  // namespace

}  // namespace grus::a64::semantics

namespace grus::a64 {

[[gnu::section(".bss.tables")]] alignas(4096) ExclusiveVersion exclusive_versions[kVersions];

void free_exclusive_versions() {
  for (ExclusiveVersion& version : exclusive_versions)
    if (version.count & 1) version.count++;
}

void free_exclusive_version(u64 untagged) {
  u32& version = version_of(untagged);
  if (version & 1) __atomic_add_fetch(&version, 1, __ATOMIC_RELEASE);
}

}  // namespace grus::a64

namespace grus::a64::semantics {

void LDXR(CpuState& cpu, Insn i) {
  u64 value[2];
  if (load_exclusive(cpu, i, 1u << i.lsize(), value)) cpu.set_X(i.Rt(), value[0]);
}

void LDXP(CpuState& cpu, Insn i) {
  u64 value[2];
  if (!load_exclusive(cpu, i, i.Q() ? 16 : 8, value)) return;
  if (!i.Q()) {
    value[1] = value[0] >> 32;
    value[0] = static_cast<u32>(value[0]);
  }
  cpu.set_X(i.Rt(), value[0]);
  cpu.set_X(i.Rt2(), value[1]);
}

void STXR(CpuState& cpu, Insn i) {
  u64 value[2] = {cpu.X(i.Rt()), 0};
  store_exclusive(cpu, i, 1u << i.lsize(), value);
}

void STXP(CpuState& cpu, Insn i) {
  u64 value[2] = {cpu.X(i.Rt()), cpu.X(i.Rt2())};
  if (!i.Q()) {
    value[0] = static_cast<u32>(value[0]) | value[1] << 32;
    value[1] = 0;
  }
  store_exclusive(cpu, i, i.Q() ? 16 : 8, value);
}

void LDAR(CpuState& cpu, Insn i) {
  u64 addr, value = 0;
  if (!aligned_address(cpu, i.Rn(), 1u << i.lsize(), false, &addr)) return;
  if (!read_bytes(cpu, addr, 1u << i.lsize(), &value)) return;
  cpu.set_X(i.Rt(), value);
}

void LDAPR(CpuState& cpu, Insn i) { LDAR(cpu, i); }

void STLR(CpuState& cpu, Insn i) {
  u64 addr, value = cpu.X(i.Rt());
  if (!aligned_address(cpu, i.Rn(), 1u << i.lsize(), true, &addr)) return;
  if (!write_bytes(cpu, addr, 1u << i.lsize(), &value)) return;
  // A later LDAR of this thread must not be satisfied before the store is visible (RCsc); x86 lets loads pass
  // stores.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void CAS(CpuState& cpu, Insn i) {
  u64 addr, value = cpu.X(i.Rt());
  unsigned bytes = 1u << i.lsize();
  u64 seen = cpu.X(i.Rs()) & ones(bytes * 8);
  if (!aligned_address(cpu, i.Rn(), bytes, true, &addr)) return;
  if (MemoryFault f = compare_exchange_guest(GuestAddr(addr), bytes, &seen, &value)) {
    fault(cpu, f, true);
    return;
  }
  cpu.set_X(i.Rs(), seen);
}

void CASP(CpuState& cpu, Insn i) {
  u64 addr;
  unsigned s = i.Rs(), t = i.Rt();
  u64 seen[2] = {cpu.X(s), cpu.X(s + 1)}, value[2] = {cpu.X(t), cpu.X(t + 1)};
  if (!i.Q()) {
    seen[0] = static_cast<u32>(seen[0]) | seen[1] << 32;
    value[0] = static_cast<u32>(value[0]) | value[1] << 32;
  }
  if (!aligned_address(cpu, i.Rn(), i.Q() ? 16 : 8, true, &addr)) return;
  if (MemoryFault f = compare_exchange_guest(GuestAddr(addr), i.Q() ? 16 : 8, seen, value)) {
    fault(cpu, f, true);
    return;
  }
  if (!i.Q()) {
    seen[1] = seen[0] >> 32;
    seen[0] = static_cast<u32>(seen[0]);
  }
  cpu.set_X(s, seen[0]);
  cpu.set_X(s + 1, seen[1]);
}

// `old` and `operand` are unsigned and of the access's width.
void SWP(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto, auto operand) { return operand; });
}
void LDADD(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return old + operand; });
}
void LDCLR(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return old & ~operand; });
}
void LDEOR(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return old ^ operand; });
}
void LDSET(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return old | operand; });
}
void LDSMAX(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return signed_less(old, operand) ? operand : old; });
}
void LDSMIN(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return signed_less(operand, old) ? operand : old; });
}
void LDUMAX(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return old < operand ? operand : old; });
}
void LDUMIN(CpuState& cpu, Insn i) {
  atomic(cpu, i, [](auto old, auto operand) { return operand < old ? operand : old; });
}

}  // namespace grus::a64::semantics
