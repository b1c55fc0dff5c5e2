// SPDX-License-Identifier: MIT
// The guest's signal state: dispositions, masks, delivery, and the system calls about them. Follows
// kernel/signal.c.
//
// Default and ignored dispositions are the host's own, so stopping, continuing, dying with the right status,
// SIGCHLD bookkeeping and permissions are the kernel's work. Emulated here: frames, the guest's alternate
// stack, and the five fault signals, which the host never blocks (task.h). Not exact: a fault signal sent to
// a whole process while the receiving thread blocks it waits for that thread alone.
#include "linux/signal.h"

#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "engine/statistics.h"
#include "linux/blocking_syscall.h"
#include "linux/handlers.h"
#include "linux/strace.h"
#include "linux/user_memory.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

// What the kernel keeps of sa_flags (UAPI_SA_FLAGS, include/linux/signal_types.h).
constexpr u64 kKnownSaFlags = kSaNocldstop | kSaNocldwait | kSaSiginfo | kSaExposeTagbits | kSaRestorer |
                              kSaOnstack | kSaRestart | kSaNodefer | kSaResethand;

constexpr int kSiKernel = 0x80;  // sent by the kernel from somewhere (include/uapi/asm-generic/siginfo.h)

bool is_handler(u64 handler) { return handler != kSigDfl && handler != kSigIgn; }

bool ignored_by_default(int sig) {
  return sig == kSigchld || sig == kSigcont || sig == kSigurg || sig == kSigwinch;
}

// The action to run now; SA_RESETHAND takes it out of the table.
GuestSigaction take_action(Task& task, int sig) {
  LockGuard guard(task.sighand->lock);
  GuestSigaction& entry = task.sighand->action[sig];
  GuestSigaction action = entry;
  if (is_handler(action.handler) && (action.flags & kSaResethand)) entry.handler = kSigDfl;
  return action;
}

u64 mask_in_handler(const Task& task, const GuestSigaction& action, int sig) {
  u64 mask = task.blocked | action.mask;
  if (!(action.flags & kSaNodefer)) mask |= signal_bit(sig);
  return mask & ~kUnblockable;
}

void run_handler(Task& task, const GuestSigaction& action, const SignalInfo& info) {
  int sig = info.signo;
  u64 saved = task.has_restore_blocked ? task.restore_blocked : task.blocked;
  if (!push_signal_frame(task, action, info, saved)) {
    // force_sigsegv: a SIGSEGV that cannot get its frame is fatal.
    if (sig == kSigsegv) {
      LockGuard guard(task.sighand->lock);
      task.sighand->action[sig].handler = kSigDfl;
    }
    // Not delivered when one was taken meanwhile: that comes first, and what raised `info` is executed again.
    (void)force_signal(task, kSigsegv, kSiKernel, 0);
    return;
  }
  task.has_restore_blocked = false;
  task.blocked = mask_in_handler(task, action, sig);
}

void deliver_one(Task& task, const SignalInfo& info) {
  if (strace_enabled) strace_signal(task, info);
  GuestSigaction action = take_action(task, info.signo);
  if (is_handler(action.handler)) {
    run_handler(task, action, info);
  } else {
    // The action changed after the host's handler had taken the signal, or it is a fault signal, which it
    // always takes.
    if (action.handler == kSigDfl && !ignored_by_default(info.signo)) {
      if (kFaultSignals & signal_bit(info.signo)) {
        report_death(task, info);
        report_statistics();
      }
      default_action(task, info);
    }
    if (task.has_restore_blocked) {
      task.blocked = task.restore_blocked;
      task.has_restore_blocked = false;
    }
  }
}

}  // namespace

void default_action(Task& task, const SignalInfo& info) {
  // The host's default action with the signal's own siginfo, so that status, core dump and job control are
  // real. Faults are unblocked already; the others are while they are sent.
  int sig = info.signo;
  if (kFaultSignals & signal_bit(sig)) set_host_default(sig);
  u64 only = ~signal_bit(sig), before = 0;
  host_syscall(__NR_rt_sigprocmask, SIG_SETMASK, ptr(&only), ptr(&before), 8);
  SignalInfo copy = info;
  host_syscall(__NR_rt_tgsigqueueinfo, static_cast<u64>(host_syscall(__NR_getpid)),
               static_cast<u64>(host_syscall(__NR_gettid)), static_cast<u64>(sig), ptr(&copy));
  host_syscall(__NR_rt_sigprocmask, SIG_SETMASK, ptr(&before), 0, 8);
  if (sig == kSigtstp || sig == kSigttin || sig == kSigttou) return;  // was stopped, now continued
  // Still here: the init of a pid namespace does not get signals from inside of it; by force_sig it would
  // die.
  for (;;) host_syscall(__NR_exit_group, static_cast<u64>(128 + sig));
}

bool force_signal(Task& task, int sig, int code, u64 addr) {
  SignalInfo info{};
  info.signo = sig;
  info.code = code;
  info.addr = addr;
  return force_signal(task, info);
}

bool force_signal(Task& task, const SignalInfo& raised) {
  if (task.thread.interrupt) return false;
  SignalInfo info = raised;
  const int sig = info.signo;
  bool fatal;
  u64 mask;
  {
    LockGuard guard(task.sighand->lock);
    GuestSigaction& action = task.sighand->action[sig];
    fatal = (task.blocked & signal_bit(sig)) || !is_handler(action.handler);
    if (fatal) action.handler = kSigDfl;
    mask = mask_in_handler(task, action, sig);
    // get_signal hides the tag unless asked to expose it; arch_untagged_si_addr excepts breakpoints.
    constexpr u64 kHaveAddress = kFaultSignals & ~signal_bit(kSigtrap);
    if ((kHaveAddress & signal_bit(sig)) && !(action.flags & kSaExposeTagbits) && info.code != kSiKernel)
      info.addr = GuestAddr(info.addr).untagged().v;
  }
  if (fatal) {
    if (strace_enabled) strace_signal(task, info);
    report_death(task, info);
    report_statistics();
    default_action(task, info);
  }
  // First the handler's mask, then the handler: what comes from now on may come inside of it.
  if (!set_host_mask(task, mask)) return false;
  deliver_one(task, info);
  if (task.blocked != mask || (task.pending_faults & ~mask)) open_host_mask(task);  // the action has changed
  return true;
}

void deliver_signals(Task& task) {
  for (bool open = false;;) {
    // First the flag, then the look: what comes in between sets it again.
    task.thread.interrupt = 0;
    SignalInfo info;
    if (task.signal_taken) {
      __builtin_memcpy(&info, task.signal_info, sizeof info);
      task.signal_taken = 0;
    } else if (u64 faults = task.pending_faults & ~task.blocked) {
      int sig = __builtin_ctzll(faults) + 1;
      __builtin_memcpy(&info, task.pending_fault_info[fault_slot(sig)], sizeof info);
      __atomic_and_fetch(&task.pending_faults, ~signal_bit(sig), __ATOMIC_RELAXED);
    } else {
      // What was taken may not be there any more: sigtimedwait has it, or it waits for a call's own mask.
      if (open) return;
      open = open_host_mask(task);
      continue;
    }
    deliver_one(task, info);
    // Unblocks: the next pending signal comes right here and is stacked on top, as Linux stacks frames.
    open = open_host_mask(task);
  }
}

void signals_before_exec(Task& task) {
  run::await_hurry(task.thread);
  // Ours and blocked faults: exec turns caught into default and keeps the mask.
  for (u64 rest = kFaultSignals; rest; rest &= rest - 1) {
    int sig = __builtin_ctzll(rest) + 1;
    if (task.sighand->action[sig].handler != kSigIgn) continue;
    HostSigaction ignore{kSigIgn, 0, 0, 0};
    host_syscall(__NR_rt_sigaction, static_cast<u64>(sig), ptr(&ignore), 0, 8);
  }
  u64 faults = task.blocked & kFaultSignals;
  if (!faults) return;
  host_syscall(__NR_rt_sigprocmask, SIG_BLOCK, ptr(&faults), 0, 8);
  // Pending ones are kept by exec: back to the kernel, or to our handler when exec fails.
  for (u64 rest = task.pending_faults & faults; rest; rest &= rest - 1) {
    const int sig = __builtin_ctzll(rest) + 1;
    host_syscall(__NR_rt_tgsigqueueinfo, static_cast<u64>(task.pid), static_cast<u64>(task.tid), static_cast<u64>(sig),
                 ptr(task.pending_fault_info[fault_slot(sig)]));
  }
  __atomic_and_fetch(&task.pending_faults, ~faults, __ATOMIC_RELAXED);
}

void signals_after_failed_exec(Task& task) {
  u64 faults = kFaultSignals;
  bool ignored = false;
  for (u64 rest = kFaultSignals; rest; rest &= rest - 1)
    ignored |= task.sighand->action[__builtin_ctzll(rest) + 1].handler == kSigIgn;
  if (ignored) install_fault_handlers(nullptr);
  if (task.blocked & kFaultSignals) host_syscall(__NR_rt_sigprocmask, SIG_UNBLOCK, ptr(&faults), 0, 8);
}

// --- system calls
// ----------------------------------------------------------------------------------------------------

i64 sys_rt_sigaction(Task& task, const u64 (&a)[6]) {
  int sig = static_cast<int>(a[0]);
  if (a[3] != 8) return -EINVAL;
  GuestSigaction act{};
  if (a[1] && get_user(&act, a[1])) return -EFAULT;
  if (sig < 1 || sig > static_cast<int>(kSignals) || (a[1] && (kUnblockable & signal_bit(sig))))
    return -EINVAL;
  act.flags &= kKnownSaFlags;
  act.mask &= ~kUnblockable;

  GuestSigaction old;
  {
    LockGuard guard(task.sighand->lock);
    GuestSigaction& entry = task.sighand->action[sig];
    bool known = task.sighand->known & signal_bit(sig);
    HostSigaction host_old{};
    if (kFaultSignals & signal_bit(sig)) {
      if (a[1] && act.handler == kSigIgn)
        __atomic_and_fetch(&task.pending_faults, ~signal_bit(sig), __ATOMIC_RELAXED);
    } else if (a[1]) {
      i64 error = set_host_action(sig, act, &host_old);
      if (error) return error;
    } else if (!known) {
      host_syscall(__NR_rt_sigaction, static_cast<u64>(sig), 0, ptr(&host_old), 8);
    }
    if (!known) {
      entry = {host_old.handler == kSigIgn ? kSigIgn : kSigDfl, 0, 0, 0};
      task.sighand->known |= signal_bit(sig);
    }
    old = entry;
    if (a[1]) entry = act;
  }
  return a[2] ? put_user(a[2], old) : 0;
}

i64 sys_rt_sigprocmask(Task& task, const u64 (&a)[6]) {
  if (a[3] != 8) return -EINVAL;
  u64 old = task.blocked;
  if (a[1]) {
    u64 set, mask;
    if (get_user(&set, a[1])) return -EFAULT;
    switch (static_cast<int>(a[0])) {
      case SIG_BLOCK:
        mask = old | set;
        break;
      case SIG_UNBLOCK:
        mask = old & ~set;
        break;
      case SIG_SETMASK:
        mask = set;
        break;
      default:
        return -EINVAL;
    }
    // After blocking returns no handler runs: what was taken before is delivered before.
    mask &= ~kUnblockable;
    if (mask != old && !change_mask(task, mask)) return kRestartSyscall;
  }
  return a[2] ? put_user(a[2], old) : 0;
}

i64 sys_rt_sigpending(Task& task, const u64 (&a)[6]) {
  if (a[1] > 8) return -EINVAL;
  u64 set = 0;
  i64 r = host_syscall(__NR_rt_sigpending, ptr(&set), 8);
  if (r) return r;
  set |= task.pending_faults & task.blocked;
  return copy_to_guest(GuestAddr(a[0]), &set, a[1]) ? -EFAULT : 0;
}

i64 sys_rt_sigsuspend(Task& task, const u64 (&a)[6]) {
  if (a[1] != 8) return -EINVAL;
  u64 mask;
  if (get_user(&mask, a[0])) return -EFAULT;
  return blocking_syscall(task, __NR_rt_sigsuspend, a[0], a[1]);
}

i64 sys_rt_sigtimedwait(Task& task, const u64 (&a)[6]) {
  if (a[3] != 8) return -EINVAL;
  if (task.pending_faults) {
    u64 set;
    if (get_user(&set, a[0])) return -EFAULT;
    if (u64 ready = task.pending_faults & set) {
      int sig = __builtin_ctzll(ready) + 1;
      SignalInfo info;
      __builtin_memcpy(&info, task.pending_fault_info[fault_slot(sig)], sizeof info);
      __atomic_and_fetch(&task.pending_faults, ~signal_bit(sig), __ATOMIC_RELAXED);
      return a[1] && put_user(a[1], info) ? -EFAULT : sig;
    }
  }
  return blocking_syscall(task, __NR_rt_sigtimedwait, a[0], a[1], a[2], a[3]);
}

i64 sys_sigaltstack(Task& task, const u64 (&a)[6]) {
  struct GuestStack {
    u64 sp;
    i32 flags, pad;
    u64 size;
  } old{}, wanted;
  if (a[0] && get_user(&wanted, a[0])) return -EFAULT;
  constexpr u32 kAutodisarm = 1u << 31;
  old.sp = task.altstack_sp;
  old.flags =
      static_cast<i32>(altstack_flags(task, task.thread.cpu.sp) | (task.altstack_flags & kAutodisarm));
  old.size = task.altstack_size;
  if (a[0]) {
    i64 error = set_guest_altstack(task, wanted.sp, static_cast<u32>(wanted.flags), wanted.size);
    if (error) return error;
  }
  return a[1] ? put_user(a[1], old) : 0;
}

i64 sys_rt_sigreturn(Task& task, const u64 (&)[6]) {
  switch (pop_signal_frame(task)) {
    case PoppedFrame::Again:
      return kRestartSyscall;
    case PoppedFrame::Bad: {
      // arm64_notify_segfault. Everything is blocked since before the frame was popped: nothing comes first.
      const bool forced = force_signal(task, kSigsegv, SEGV_ACCERR, task.thread.cpu.sp);
      CHECK(forced);
      break;
    }
    case PoppedFrame::Good:
      break;
  }
  return kNoResult;
}

}  // namespace grus::linux
