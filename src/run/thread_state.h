// SPDX-License-Identifier: MIT
// What one guest thread needs while it executes: the registers, and the engine's pointers that translated code reaches
// through its state pointer (rbp = &cpu.x[16]). linux::Task begins with one of these.
#pragma once
#include "guest/aarch64/registers.h"

namespace grus::run {

// One entry of the per-thread table that resolves indirect branches inline; the table leads to code of one FP context. The second
// place of a pc is the entry beside its own. An unused entry is all zero: pc 0 would be looked for in entries 0 and 1 only,
// where an unused one has a pc that would be looked for elsewhere. So the pages of a new table are only touched as they are used.
struct LookupEntry {
  u64 pc;
  u64 host;
};
inline constexpr unsigned kLookupBits = 12;
inline constexpr u64 kLookupBytes = sizeof(LookupEntry) << kLookupBits;
inline constexpr u64 kLookupEmptyFirst = 8;  // belongs to entry 2

// Addresses of the runtime's entry points, called through [rbp + offset]: cached code holds no absolute address.
struct RuntimeEntries {
  u64 exit_exception;   // leave translated code; cpu.exception tells why
  u64 exit_lookup;      // leave; cpu.pc is where to go on
  u64 exit_direct;      // leave through an unresolved direct exit: rax = guest pc, rcx = address of its slot
  u64 exit_indirect;    // inline lookup missed: rax = guest pc
  u64 call_semantics;   // execute one instruction by its semantics: eax = word, [cpu.pc] set; returns behind the call
  u64 return_miss;      // RET that did not match its prediction: rax = guest pc
};

struct ThreadState {
  a64::CpuState cpu;

  RuntimeEntries runtime;
  LookupEntry* lookup;  // kLookupOffset bytes from here

  u64 engine_sp;     // host stack pointer of run::execute while translated code runs
  u64 return_sp;     // the return-prediction stack's pointer while C++ runs
  u64 return_base;   // where it is empty; kReturnBottom bytes that no return can match lie above
  u64 return_limit;  // its lowest address; the page below is inaccessible

  u64 exit_site;         // of exit_direct: address of the displacement to patch
  u64 semantics_return;  // where call_semantics goes back to
  u32 exit_reason;       // ExitReason, set by the stubs

  // Set by the host's signal handler, cleared by the loop that delivers: translated code is left at the next boundary.
  volatile u32 interrupt;
  // After rt_sigreturn and the like the pc may lie inside a block: interpret up to the next known entry instead of
  // translating from a pc that nobody will come to again.
  bool resume_by_interpretation;
  // Single-stepping (EFLAGS.TF) towards a boundary.
  bool stepping;

  bool wide_homes;  // V8-V15 and V21-V28 live in xmm16-31
  // cpu's NZCV may not be what the architecture says: the code from cpu.pc on overwrites them before it reads them.
  bool nzcv_unknown;
  u16 lookup_used;  // bit n: entries of the lookup table's page n were filled
  a64::FpContext predicted_context;  // what the lookup table and the return-prediction stack lead to

  u32 invalid_operations;  // that trapped
  a64::ExclusiveVersion* exclusive_versions;  // guest/aarch64/exclusive_version.h

  // reclaim.h
  volatile u64 epoch;         // that it looked for code in; 0: it is outside, and holds no address of code that it goes to
  u64 known_epoch;            // that the lookup table and the return-prediction stack are of
  volatile u32 hurried;       // a signal is on its way that makes it leave
  i32 process_id, thread_id;  // 0: it does not run yet
  ThreadState *next_thread, *previous_thread;
};

enum class ExitReason : u32 {
  Interrupted,  // registers exact at cpu.pc
  Lookup,       // go on at cpu.pc
  Exception,    // cpu.exception
  Direct,       // go on at cpu.pc, and patch exit_site to get there
  Indirect,     // go on at cpu.pc, and enter it in the lookup table
  Reexecute,    // the host faulted in the code of cpu.pc: its semantics decide what that means
};

// Translated code reaches the lookup table from its state pointer: no load before the one that may be mispredicted.
inline constexpr i32 kLookupOffset = 63 << 10;

inline constexpr i32 kStateBias = offsetof(a64::CpuState, x) + 16 * 8;

}  // namespace grus::run
