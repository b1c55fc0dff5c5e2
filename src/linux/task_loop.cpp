// SPDX-License-Identifier: MIT
// The loop of every guest thread: run until something needs the kernel, do it, deliver signals.
//
// No host call is made between a system call and the guest's next instruction unless a signal is pending.
#include <asm/siginfo.h>

#include "base/log.h"
#include "linux/address_space.h"
#include "linux/shared_code.h"
#include "linux/signal.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

// ESR_EL1 as the guest's handlers see it in esr_context (Arm ARM D17.2.37): exception class, IL, and the
// fault's ISS.
constexpr u64 kEsrIl = u64{1} << 25, kEcInstructionAbort = u64{0x20} << 26, kEcPcAlignment = u64{0x22} << 26, kEcSpAlignment = u64{0x26} << 26,
              kEcDataAbort = u64{0x24} << 26, kEsrWnr = u64{1} << 6, kFscTranslation0 = 4,
              kFscTranslation3 = 7, kFscPermission3 = 15, kFscAlignment = 0x21;

// set_thread_esr in arch/arm64/mm/fault.c: of a kernel address the guest only learns that it is not mapped.
void record_abort(Task& task, u64 exception_class, const a64::Exception& e) {
  u64 fsc = kFscTranslation3;
  if (e.sig == kSigsegv && e.code == SEGV_ACCERR) fsc = kFscPermission3;
  if (e.sig == kSigbus && e.code == BUS_ADRALN) fsc = kFscAlignment;
  u64 address = GuestAddr(e.addr).untagged().v;
  if (address >> 55) fsc = kFscTranslation0;
  task.fault_address = address;
  task.fault_esr = exception_class | kEsrIl | (e.write ? kEsrWnr : 0) | fsc;
}

// A page that the tables do not know may be executable: what mprotect(PROT_GROWSDOWN) reached below its range, a stack that grew
// since, what a personality with READ_IMPLIES_EXEC maps. The host's mapping has it from the same calls.
bool is_executable_after_all(Task& task, const a64::Exception& e) {
  if (e.sig != kSigsegv || e.code != SEGV_ACCERR) return false;
  const u64 page = page_down(e.addr);
  LockGuard guard(task.mm->lock);
  if (touches_executable(page, page + kGuestPageSize)) return false;
  ask_what_is_executable(page, page + kGuestPageSize);
  return touches_executable(page, page + kGuestPageSize);
}

void handle_exception(Task& task) {
  a64::CpuState& cpu = task.thread.cpu;
  const a64::Exception e = cpu.exception;
  const u64 before[2] = {task.fault_address, task.fault_esr};
  bool done = true;
  switch (e.kind) {
    case a64::ExceptionKind::None:
    case a64::ExceptionKind::FpContextChange:
    case a64::ExceptionKind::Supervisor:
      break;
    case a64::ExceptionKind::DataAbort:
      if (e.imm) {  // do_sp_pc_abort
        task.fault_address = 0;
        task.fault_esr = kEcSpAlignment | kEsrIl;
      } else {
        record_abort(task, kEcDataAbort, e);
      }
      done = force_signal(task, e.sig, e.code, e.addr);
      break;
    case a64::ExceptionKind::InstructionAbort:
      if (is_executable_after_all(task, e)) return;
      record_abort(task, kEcInstructionAbort, e);
      done = force_signal(task, e.sig, e.code, e.addr);
      break;
    case a64::ExceptionKind::Undefined:
      // force_signal_inject passes no syndrome: the frame has no esr_context.
      task.fault_address = task.fault_esr = 0;
      done = force_signal(task, kSigill, ILL_ILLOPC, cpu.pc);
      break;
    case a64::ExceptionKind::Breakpoint:
      done = force_signal(task, kSigtrap, TRAP_BRKPT, cpu.pc);
      break;
    case a64::ExceptionKind::PcAlignment:
      task.fault_address = 0;
      task.fault_esr = kEcPcAlignment | kEsrIl;
      done = force_signal(task, kSigbus, BUS_ADRALN, cpu.pc);
      break;
    case a64::ExceptionKind::CacheInvalidate: {
      u64 line = GuestAddr(e.addr).untagged().v & ~u64{63};
      LockGuard guard(task.mm->lock);
      code_modified(line, line + 64);
      break;
    }
  }
  if (!done) {  // the instruction has not been executed yet
    task.fault_address = before[0];
    task.fault_esr = before[1];
  }
}

}  // namespace

void run_task(Task& task) {
  for (;;) {
    if (__builtin_expect(task.thread.interrupt, 0)) deliver_signals(task);
    run::execute(task.thread);
    if (task.thread.cpu.exception.kind == a64::ExceptionKind::Supervisor) [[likely]]
      handle_syscall(task);
    else
      handle_exception(task);
  }
}

}  // namespace grus::linux
