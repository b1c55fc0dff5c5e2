// SPDX-License-Identifier: MIT
// The engine's own fault: one line that says so, with what is needed to look for it and where to send it; the registers; then death
// by the same signal.
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/version.h"
#include "linux/signal.h"
#include "run/execute.h"

extern "C" [[gnu::visibility("hidden")]] char __ehdr_start[];

namespace grus::linux {

void die_of_engine_fault(Task* task, int sig, const SignalInfo& info, void* host_context) {
  // A fault in here must not come back.
  set_host_default(sig);
  const sigcontext& mc = static_cast<ucontext*>(host_context)->uc_mcontext;
  run::HostRegisters host{};
  host.rip = mc.rip;
  host.rax = mc.rax, host.rcx = mc.rcx, host.rdx = mc.rdx, host.rbx = mc.rbx, host.rsp = mc.rsp, host.rbp = mc.rbp;
  host.rsi = mc.rsi, host.rdi = mc.rdi, host.r8 = mc.r8, host.r9 = mc.r9, host.r10 = mc.r10, host.r11 = mc.r11;
  host.r12 = mc.r12, host.r13 = mc.r13, host.r14 = mc.r14, host.r15 = mc.r15, host.eflags = mc.eflags;
  a64::CpuState cpu;
  run::registers_of(task->thread, host, &cpu);
  u64 guest_pc = run::guest_pc_of(mc.rip);
  bool translated = guest_pc != 0;
  if (!translated) guest_pc = cpu.pc;
  u32 word = 0;
  bool readable = !load_guest(GuestAddr(guest_pc), &word);
  log_line("engine fault: signal %d code %d address 0x%lx, host pc 0x%lx (image+0x%lx)%s, guest pc 0x%lx instruction %s%08x; grus %s; %s",
           sig, info.code, info.addr, static_cast<u64>(mc.rip), static_cast<u64>(mc.rip) - ptr(__ehdr_start),
           translated ? " in translated code" : "", guest_pc, readable ? "" : "unreadable ", word, kVersion, kReportIt);
  log_raw("  nzcv %x fpcr %x tid %d pid %d\n", cpu.nzcv(), cpu.fpcr, task->tid, task->pid);
  for (unsigned i = 0; i < 31; i++) log_raw("  x%02u=%016lx%s", i, cpu.x[i], i % 4 == 3 ? "\n" : "");
  log_raw("  sp=%016lx\n", cpu.sp);
  log_raw("  host rax=%016lx rcx=%016lx rdx=%016lx rbx=%016lx rsp=%016lx rbp=%016lx\n",
          static_cast<u64>(mc.rax), static_cast<u64>(mc.rcx), static_cast<u64>(mc.rdx),
          static_cast<u64>(mc.rbx), static_cast<u64>(mc.rsp), static_cast<u64>(mc.rbp));
  log_raw("  host rsi=%016lx rdi=%016lx r8=%016lx r9=%016lx r10=%016lx r11=%016lx\n",
          static_cast<u64>(mc.rsi), static_cast<u64>(mc.rdi), static_cast<u64>(mc.r8),
          static_cast<u64>(mc.r9), static_cast<u64>(mc.r10), static_cast<u64>(mc.r11));
  log_raw("  host r12=%016lx r13=%016lx r14=%016lx r15=%016lx\n", static_cast<u64>(mc.r12),
          static_cast<u64>(mc.r13), static_cast<u64>(mc.r14), static_cast<u64>(mc.r15));
  default_action(*task, info);
  for (;;) host_syscall(__NR_exit_group, static_cast<u64>(128 + sig));
}

}  // namespace grus::linux
