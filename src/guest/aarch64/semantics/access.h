// SPDX-License-Identifier: MIT
// Memory access for semantics functions: guest_memory with the fault turned into the CPU's exception.
#pragma once
#include "base/guest_memory.h"
#include "guest/aarch64/registers.h"
#include "insn.h"

namespace grus::a64 {

inline bool fault(CpuState& cpu, MemoryFault f, bool write) {
  cpu.exception = Exception{ExceptionKind::DataAbort, write, f.sig(), f.code(), 0, f.addr};
  return false;
}

template <typename T>
[[nodiscard]] inline bool read_memory(CpuState& cpu, u64 addr, T* out) {
  if (MemoryFault f = load_guest(GuestAddr(addr), out)) return fault(cpu, f, false);
  return true;
}

template <typename T>
[[nodiscard]] inline bool write_memory(CpuState& cpu, u64 addr, const T& value) {
  if (MemoryFault f = store_guest(GuestAddr(addr), value)) return fault(cpu, f, true);
  return true;
}

inline constexpr u64 ones(unsigned n) { return n >= 64 ? ~u64{0} : (u64{1} << n) - 1; }
inline constexpr i64 sign_extend(u64 v, unsigned bits) {
  return static_cast<i64>(v << (64 - bits)) >> (64 - bits);
}

}  // namespace grus::a64
