// SPDX-License-Identifier: MIT
// Running guest code: the only face that linux/ sees of translation.
//
// `execute` runs from cpu.pc until something needs the kernel's attention and returns with cpu.exception saying what
// (None: interrupted, deliver signals and call again). Registers are exact at that point: for faults as before the
// faulting instruction, for SVC as after it.
#pragma once
#include "cache/file.h"
#include "run/thread_state.h"

namespace grus::run {

// Gives a new thread its runtime entries and its memory, which is zero: a lookup table of kLookupBytes at kLookupOffset, and a
// return stack from `return_limit`, below which a page is inaccessible, to `return_end`.
void prepare_thread(ThreadState& t, u64 return_limit, u64 return_end);
inline constexpr u64 kReturnStackBytes = 256 << 10;
// Forgets all that the thread's lookup table knows.
void clear_lookup(ThreadState& t);
// The threads that share this memory, each from before it runs; who it is; and until it has left, or is known to be dead.
void add_thread(ThreadState& t);
void identify_thread(ThreadState& t, i32 process, i32 thread);
void remove_thread(ThreadState& t);
// A vfork child was killed that held locks: after they were freed.
void recover_translations();
// A new address space was built or copied (exec start, fork child): forget what belonged to other threads.
void after_fork(ThreadState& t);
void register_locks();

// Translations come from, and go to, this directory (cache/file.h) from now on; and its descriptor has a new number.
void use_translation_cache(int directory, cache::Access access);
void move_translation_cache(int from, int to);
// Nothing in this memory leads to where others' translations could be changed, from now on; what is mapped stays in use. The
// descriptor is the caller's.
void leave_translation_cache();

// The process ends by exit_group; other threads may still run.
void finish();

// Everything by the semantics from now on (--interpret).
void set_interpret(bool on);

void execute(ThreadState& t);

// Host signals. `host_context` is the kernel's ucontext_t of the handler.
// A synchronous fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP raised by an instruction): true when it was handled by
// changing the context - an access of C++ to guest memory, or translated code that now leaves with an exception.
// False: it is the engine's own fault (report and die).
bool handle_host_fault(ThreadState& t, int sig, const void* siginfo, void* host_context);
// Does the engine's code at `rip` follow a SYSCALL instruction? What arrives there comes from the kernel, not from an instruction.
bool behind_system_call(u64 rip);
// A SIGTRAP that was sent: the kernel drops the INT3's when one is pending already (legacy_queue). Back to the INT3 then.
void undo_lost_trap(void* host_context);
// An asynchronous signal was recorded for this thread: make translated code leave at the next instruction boundary.
void interrupt(ThreadState& t, void* host_context);

// The guest's mappings changed in [begin, end): code translated from there is dead. Executable ranges are announced
// so that a fetch outside of one faults as on hardware. Replaced: executable, but something else.
void guest_range_unmapped(u64 begin, u64 end);
void guest_range_executable(u64 begin, u64 end);
void guest_code_replaced(u64 begin, u64 end);
// [begin, end), executable, is an unwritable private mapping of that file.
void guest_file_mapped(u64 begin, u64 end, const cache::GuestFile& file);
// IC IVAU by any alias: translations of [begin, end) and of every other mapping of the same physical memory die.
void guest_code_modified(u64 begin, u64 end);

// Is this host signal the engine's own, by which one thread makes another leave translated code (reclaim.h)? `sender`: the first
// bytes of its siginfo's union.
bool take_hurry(ThreadState& t, int sig, int code, u64 sender);
// Before exec: such a signal would reach the new program.
void await_hurry(ThreadState& t);

// Statistics include the time that translation takes, from now on (--stats).
void time_translation();
struct Statistics {
  u64 translated_insns, distinct_insns, translated_bytes, regions, translate_ns, lookups, semantics_calls, fixups,
      return_misses, invalidations, published_regions, cached_windows, checked_threads;
};
const Statistics& statistics();
// What the semantics executed (with set_interpret, what the guest did), by row: the one that comes after `last` when the most
// frequent ones come first. calls 0: there is no other.
struct RowCount {
  unsigned row;
  u64 calls;
  const char* name;
  bool has_template;
};
RowCount next_row(const RowCount* last);

// A thread that another one has stopped by the host's ptrace: PTRACE_GETREGS of it (user_regs_struct).
struct HostRegisters {
  u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
// Is what `rip` belongs to finished or not begun? In C++ it is: the guest's registers are in memory then.
bool is_between_instructions(u64 rip);
// The guest's general registers, SP, pc and NZCV of such a thread.
void registers_of(const ThreadState& t, const HostRegisters& host, a64::CpuState* out);

// For the crash report and --dump: guest pc of a host address in translated code, or 0.
u64 guest_pc_of(u64 host_pc);

}  // namespace grus::run
