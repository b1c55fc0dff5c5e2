// SPDX-License-Identifier: MIT
// ptrace between tasks that share their memory: what LeakSanitizer does at the end of every program built with
// -fsanitize=address. Its tracer (a CLONE_VM process) attaches to each thread, reads its registers and detaches.
//
// The tracee is stopped by the host's own ptrace; its guest registers are where this process can see them: in its Task, or in the
// host's registers while it is in translated code. Deliberately not here: debuggers. Another memory's Task cannot be read, and
// what else a debugger asks for would show the engine; both are EPERM.
#include <asm/errno.h>
#include <asm/ptrace-abi.h>
#include <linux/ptrace.h>
#include <linux/wait.h>

#include "base/host_syscall.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

constexpr u64 kPrStatus = 1;  // NT_PRSTATUS
constexpr int kSigStop = 19;

struct GuestRegisters {  // user_pt_regs (arch/arm64/include/uapi/asm/ptrace.h)
  u64 regs[31], sp, pc, pstate;
};

i64 host_ptrace(u64 request, i32 tid, u64 address, u64 data) {
  return host_syscall(__NR_ptrace, request, static_cast<u64>(tid), address, data);
}

bool shares_memory(const Task& task, i32 tid) {
  constexpr u64 kMemory = 1;  // KCMP_VM
  return host_syscall(__NR_kcmp, static_cast<u64>(task.tid), static_cast<u64>(tid), kMemory, 0, 0) == 0;
}

// The Task of a stopped thread that shares our memory, by its fs base; nullptr: it is about to begin or to end.
Task* task_of(i32 tid, const run::HostRegisters& host) {
  u32 owner;
  if (load_guest(GuestAddr(host.fs_base), &owner) || owner != static_cast<u32>(tid)) return nullptr;
  return reinterpret_cast<Task*>(host.fs_base - offsetof(Task, host_block));
}

bool holds_a_lock(const Task& task, u32 tid) {
  return owns_registered_lock(tid) || task.mm->lock.owner() == tid || task.files->lock.owner() == tid || task.process->lock.owner() == tid;
}

// A thread that is stopped while it holds a lock of the engine's would stop the tracer too; and inside of an instruction its
// registers are nowhere whole. It takes single steps until neither is so.
void settle(i32 tid) {
  run::HostRegisters host;
  i32 process = 0;
  bool stepped = false;
  for (int steps = 0; steps < 1'000'000; steps++) {
    if (host_ptrace(PTRACE_GETREGS, tid, 0, ptr(&host))) return;
    const Task* other = task_of(tid, host);
    if (!other) return;
    process = other->pid;
    if (!holds_a_lock(*other, static_cast<u32>(tid)) && run::is_between_instructions(host.rip)) break;
    host_syscall(__NR_wait4, static_cast<u64>(tid), 0, WNOHANG | __WALL, 0);  // the stop that was seen
    if (host_ptrace(PTRACE_SINGLESTEP, tid, 0, 0)) return;
    stepped = true;
    u8 info[128];
    while (host_syscall(__NR_waitid, 1 /* P_PID */, static_cast<u64>(tid), ptr(info), WSTOPPED | WEXITED | WNOWAIT | __WALL, 0) == -EINTR) {
    }
  }
  if (!stepped) return;
  // Stopped as it was: the tracer has not yet waited for that.
  host_syscall(__NR_wait4, static_cast<u64>(tid), 0, WNOHANG | __WALL, 0);
  host_syscall(__NR_tgkill, static_cast<u64>(process), static_cast<u64>(tid), kSigStop);
  host_ptrace(PTRACE_CONT, tid, 0, 0);
}

i64 attach(i32 tid) {
  if (i64 error = host_ptrace(PTRACE_ATTACH, tid, 0, 0)) return error;
  struct {
    i32 signo, error, code, pad;
    i32 pid, uid, status;
    u8 rest[100];
  } info{};
  i64 r;
  do r = host_syscall(__NR_waitid, 1 /* P_PID */, static_cast<u64>(tid), ptr(&info), WSTOPPED | WEXITED | WNOWAIT | __WALL, 0);
  while (r == -EINTR);
  if (!r && info.status == kSigStop) settle(tid);
  return 0;
}

i64 read_registers(i32 tid, u64 kind, u64 guest_vector) {
  if (kind != kPrStatus) return -EINVAL;
  struct {
    u64 base, size;
  } vector;
  if (get_user(&vector, guest_vector)) return -EFAULT;
  run::HostRegisters host;
  if (i64 error = host_ptrace(PTRACE_GETREGS, tid, 0, ptr(&host))) return error;
  Task* other = task_of(tid, host);
  if (!other) return -ESRCH;
  a64::CpuState cpu;
  run::registers_of(other->thread, host, &cpu);
  GuestRegisters guest;
  __builtin_memcpy(guest.regs, cpu.x, sizeof guest.regs);
  guest.sp = cpu.sp;
  guest.pc = cpu.pc;
  guest.pstate = u64{cpu.nzcv()} << 28;
  vector.size = vector.size < sizeof guest ? vector.size : sizeof guest;
  if (copy_to_guest(GuestAddr(vector.base), &guest, vector.size)) return -EFAULT;
  return put_user(guest_vector, vector);
}

}  // namespace

i64 sys_ptrace(Task& task, const u64 (&a)[6]) {
  const i32 tid = static_cast<i32>(a[1]);
  switch (a[0]) {
    case PTRACE_ATTACH:
    case PTRACE_DETACH:
    case PTRACE_CONT:
    case PTRACE_KILL:
    case PTRACE_GETREGSET:
      if (shares_memory(task, tid)) break;
      [[fallthrough]];
    default:
      return -EPERM;  // as in a sandbox
  }
  if (a[0] == PTRACE_ATTACH) return attach(tid);
  if (a[0] == PTRACE_GETREGSET) return read_registers(tid, a[2], a[3]);
  return host_ptrace(a[0], tid, 0, a[3]);
}

}  // namespace grus::linux
