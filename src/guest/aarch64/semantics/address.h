// SPDX-License-Identifier: MIT
// Base addresses and alignment, the checks that precede an access.
//
// Guarantees: the exceptions are those that Linux reports with SCTLR_EL1.SA0 = 1 (the stack pointer must be
// aligned to 16 bytes when it is the base) and A = 0 (ordinary accesses may be unaligned), on a core without
// FEAT_LSE2.
#pragma once
#include "access.h"

namespace grus::a64 {

inline constexpr u8 kSigbus = 7, kBusAdraln = 1;
inline constexpr u32 kBySp = 1;  // Exception::imm of an SP alignment fault

// si_addr comes without the tag (arch/arm64/mm/fault.c, do_mem_abort).
inline bool alignment_fault(CpuState& cpu, u64 addr, bool write) {
  cpu.exception =
      Exception{ExceptionKind::DataAbort, write, kSigbus, kBusAdraln, 0, GuestAddr(addr).untagged().v};
  return false;
}

// if n == 31 then CheckSPAlignment(); address = SP[]; else address = X[n, 64];
// arch/arm64/mm/fault.c, do_sp_pc_abort: SIGBUS, BUS_ADRALN, and the address is the stack pointer, tag and
// all.
[[nodiscard]] inline bool base_address(CpuState& cpu, unsigned n, bool write, u64* base) {
  *base = cpu.XSP(n);
  if (n == 31 && *base % 16 != 0) {
    cpu.exception = Exception{ExceptionKind::DataAbort, write, kSigbus, kBusAdraln, kBySp, *base};
    return false;
  }
  return true;
}

// Exclusives, acquire/release and LSE accesses are single-copy atomic as a whole. Without FEAT_LSE2 an
// unaligned one is an alignment fault whatever SCTLR_EL1.A says (AArch64.CheckAlignment), before any
// translation fault.
[[nodiscard]] inline bool aligned_address(CpuState& cpu, unsigned n, unsigned bytes, bool write, u64* addr) {
  if (!base_address(cpu, n, write, addr)) return false;
  if (*addr % bytes != 0) return alignment_fault(cpu, *addr, write);
  return true;
}

}  // namespace grus::a64
