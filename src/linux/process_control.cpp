// SPDX-License-Identifier: MIT
// What a process says about itself and its machine: uname, personality, prctl.
//
// prctl is a list of what passes, not of what does not: an option that nobody looked at is EINVAL, as on an
// older kernel, since many of them change the rules for the code that runs - which is the engine's.
#include <asm/errno.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/utsname.h>

#include "base/host_syscall.h"
#include "linux/handlers.h"
#include "linux/memory_ranges.h"
#include "linux/seccomp_filter.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

// Options newer than the build machine's headers may know.
constexpr u32 kPrGetAuxv = 0x41555856, kPrSetMemoryMerge = 67, kPrGetMemoryMerge = 68,
              kPrTimerCreateRestoreIds = 77, kPrFutexHash = 78;

i64 get_auxv(const Task& task, const u64 (&a)[6]) {
  if (a[3] || a[4]) return -EINVAL;
  u8 buffer[512];
  const u64 have = task.mm->auxv_size < sizeof buffer ? task.mm->auxv_size : sizeof buffer;
  const u64 n = a[2] < have ? a[2] : have;
  if (copy_from_guest(buffer, GuestAddr(task.mm->auxv_addr), n)) return -EFAULT;
  if (copy_to_guest(GuestAddr(a[1]), buffer, n)) return -EFAULT;
  return static_cast<i64>(have);
}

// The kernel shows arguments and environment from the guest's own stack, so moving those works as natively
// (setproctitle, systemd). The rest describes the engine's image.
i64 set_mm(const u64 (&a)[6]) {
  switch (static_cast<u32>(a[1])) {
    case PR_SET_MM_ARG_START:
    case PR_SET_MM_ARG_END:
    case PR_SET_MM_ENV_START:
    case PR_SET_MM_ENV_END:
      return host_syscall(__NR_prctl, a[0], a[1], a[2], a[3], a[4]);
    default:
      return -EPERM;
  }
}

// Without MTE only the one bit exists (set_tagged_addr_ctrl in arch/arm64/kernel/process.c).
i64 set_tagged_addresses(Task& task, const u64 (&a)[6]) {
  if (a[2] || a[3] || a[4] || a[1] & ~u64{PR_TAGGED_ADDR_ENABLE}) return -EINVAL;
  task.tagged_addresses = a[1] & PR_TAGGED_ADDR_ENABLE;
  return 0;
}

}  // namespace

i64 sys_uname(Task&, const u64 (&a)[6]) {
  struct ::new_utsname name;
  const i64 r = host_syscall(__NR_uname, ptr(&name));
  if (r < 0) return r;
  static constexpr char machine[sizeof name.machine] = "aarch64";
  __builtin_memcpy(name.machine, machine, sizeof machine);
  return put_user(a[0], name);
}

i64 sys_personality(Task& task, const u64 (&a)[6]) {
  const u32 wanted = static_cast<u32>(a[0]);
  // As an arm64 kernel on a machine without AArch32 (arch/arm64/kernel/sys.c).
  if (wanted != 0xffffffff && (wanted & PER_MASK) == PER_LINUX32) return -EINVAL;
  const i64 r = host_syscall(__NR_personality, wanted);
  if (r >= 0) task.process->personality = wanted == 0xffffffff ? static_cast<u64>(r) : wanted;
  return r;
}

i64 sys_prctl(Task& task, const u64 (&a)[6]) {
  switch (static_cast<u32>(a[0])) {
    case PR_SET_PDEATHSIG:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_SET_KEEPCAPS:
    case PR_GET_TIMING:
    case PR_SET_TIMING:
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_GET_SECUREBITS:
    case PR_SET_SECUREBITS:
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
    case PR_MCE_KILL:
    case PR_MCE_KILL_GET:
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_CHILD_SUBREAPER:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE:
    case PR_CAP_AMBIENT:
    case PR_GET_SPECULATION_CTRL:
    case PR_SET_SPECULATION_CTRL:
    case PR_SET_IO_FLUSHER:
    case PR_GET_IO_FLUSHER:
    case PR_SCHED_CORE:
    case PR_SET_PTRACER:
    case kPrSetMemoryMerge:
    case kPrGetMemoryMerge:
    case kPrTimerCreateRestoreIds:
    case kPrFutexHash:
      return host_syscall(__NR_prctl, a[0], a[1], a[2], a[3], a[4]);

    case PR_SET_VMA:
      return name_memory(a);
    case PR_SET_MM:
      return set_mm(a);
    case kPrGetAuxv:
      return get_auxv(task, a);
    case PR_GET_TID_ADDRESS:
      return put_user(a[1], task.clear_child_tid);
    case PR_SET_TAGGED_ADDR_CTRL:
      return set_tagged_addresses(task, a);
    case PR_GET_TAGGED_ADDR_CTRL:
      if (a[1] || a[2] || a[3] || a[4]) return -EINVAL;
      return task.tagged_addresses ? PR_TAGGED_ADDR_ENABLE : 0;

    case PR_GET_SECCOMP:
      return task.seccomp_mode;
    case PR_SET_SECCOMP:
      // Modes 1 and 2 are seccomp(2)'s operations 0 and 1.
      if (a[1] == 1) return seccomp_operation(task, 0, 0, 0);
      if (a[1] == 2) return seccomp_operation(task, 1, 0, a[2]);
      return -EINVAL;

    // Refused on purpose: PR_SET_TSC and PR_SET_SYSCALL_USER_DISPATCH would kill the engine, PR_SET_MDWE
    // forbids the translator's code pages; arm64 without the extensions says EINVAL to PR_SVE_*, PR_SME_* and
    // PR_PAC_*; PR_GET_UNALIGN and PR_GET_FPEMU and the like belong to other machines.
    default:
      return -EINVAL;
  }
}

}  // namespace grus::linux
