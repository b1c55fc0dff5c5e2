// SPDX-License-Identifier: MIT
// The host's side of signals: one handler for all of them, on its own stack, which never runs guest code.
//
// It sorts what comes: a fault of an instruction goes to run/ (translated code, or C++ on guest memory);
// everything else is recorded in the Task, the interrupted context gets a mask that blocks all further
// signals (so that one place is enough), and guest code or a blocking system call is made to leave. All
// vector state is safe: the kernel saves it in the frame, and this code is compiled for general registers
// only.
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "linux/blocking_syscall.h"
#include "linux/signal.h"
#include "linux/vdso/vdso.h"
#include "run/execute.h"

asm(R"(
  .text
  .globl grus_signal_restorer
  .hidden grus_signal_restorer
  .type grus_signal_restorer, @function
grus_signal_restorer:
  mov $15, %eax
  syscall
  .size grus_signal_restorer, . - grus_signal_restorer
)");
static_assert(__NR_rt_sigreturn == 15);
extern "C" [[gnu::visibility("hidden")]] void grus_signal_restorer();

namespace grus::linux {
namespace {

// Blocked inside of the handler: everything, or fault signals that others send in quick succession would stack frame on frame
// until the alternate stack is full. But SIGBUS: the tables that the handler reads may be those of a cache file that somebody
// has truncated (cache::replace_lost_page).
constexpr u64 kHandlerMask = ~signal_bit(kSigbus);

void open_faults(u64 faults) { host_syscall(__NR_rt_sigprocmask, SIG_UNBLOCK, ptr(&faults), 0, 8); }

Task* task_of_handler_stack() {
  u64 here = ptr(__builtin_frame_address(0));
  return reinterpret_cast<Task*>((here & ~u64{kHostAltStackSize - 1}) + kTaskOffset);
}

void leave_guest_code(Task& task, ucontext* context) {
  u64 rip = context->uc_mcontext.rip;
  if (leave_syscall_window(&rip))
    context->uc_mcontext.rip = rip;
  else
    run::interrupt(task.thread, context);
}

// Did the interrupted instruction raise it? A positive si_code does not say so: an exit signal comes with CLD_EXITED,
// F_SETSIG's with POLL_IN, and a process may send itself anything (do_notify_parent, send_sigio_to_task,
// do_rt_tgsigqueueinfo in the kernel). Of a page fault the kernel notes the address in the frame too, of an undefined
// instruction, a floating-point exception and a single step si_addr is the pc (arch/x86/mm/fault.c, kernel/traps.c). The
// frame's address may be an old one: then a signal to oneself, which comes as the system call returns, tells by that.
bool raised_by_instruction(int sig, const SignalInfo& info, const sigcontext& c) {
  constexpr int kSiKernel = 0x80;  // INT3 and general protection; nobody sends it
  if (info.code <= 0 || run::behind_system_call(c.rip)) return false;
  if (info.code == kSiKernel) return true;
  return info.addr == (sig == kSigsegv || sig == kSigbus ? c.cr2 : c.rip);
}

void take_signal(Task& task, int sig, const SignalInfo& info, ucontext* context) {
  const bool in_call = interrupted_syscall(context->uc_mcontext.rip, context->uc_mcontext.rax);
  if (run::take_hurry(task.thread, sig, info.code, info.addr)) {
    if (in_call) {
      context->uc_mcontext.rax = static_cast<u64>(kRepeatSyscall);
    } else if (task.thread.epoch) {
      task.thread.interrupt = 1;
    }
    return;
  }
  if (kFaultSignals & signal_bit(sig)) {
    const bool ignored = task.sighand->action[sig].handler == kSigIgn;
    if (!ignored) keep_pending_fault(task, info);
    const u64 blocked = in_call && task.has_call_mask ? task.call_mask : task.blocked;
    if (ignored || (blocked & signal_bit(sig))) {
      // The kernel would not have waked the guest.
      if (in_call) context->uc_mcontext.rax = static_cast<u64>(kRepeatSyscall);
      // A call is about to begin whose mask lets it through: not without having looked again.
      const bool waited_for = task.has_call_mask && !(task.call_mask & signal_bit(sig));
      if (ignored || !waited_for) return;
    }
  } else {
    __builtin_memcpy(task.signal_info, &info, sizeof info);
    task.signal_taken = 1;
  }
  // Nothing more arrives until this one is delivered; of the faults those come that are blocked already.
  context->uc_sigmask = kHostBlockAll;
  if (in_call) task.taken_in_call = true;
  task.thread.interrupt = 1;
}

// A SIGBUS that came while this handler ran, on the same stack (the Task's page in front of it is not the stack's).
bool interrupted_handler(const Task& task, const ucontext& context) {
  const u64 block = ptr(&task) & ~u64{kHostAltStackSize - 1}, rsp = context.uc_mcontext.rsp;
  return rsp - block >= kTaskPage && rsp - block < kHostAltStackSize;
}

void host_handler(int sig, const SignalInfo* info, void* raw_context) {
  Task* task = task_of_handler_stack();
  auto* context = static_cast<ucontext*>(raw_context);
  const bool nested = interrupted_handler(*task, *context);
  const auto mask = context->uc_sigmask;
  if ((kFaultSignals & signal_bit(sig)) && raised_by_instruction(sig, *info, context->uc_mcontext)) {
    if (sig == kSigbus) open_faults(signal_bit(kSigbus));
    u64 rip = context->uc_mcontext.rip, rsp = context->uc_mcontext.rsp;
    if (leave_host_vdso(&rip, &rsp, task->host_block.outside_sp)) {
      context->uc_mcontext.rip = rip;
      context->uc_mcontext.rsp = rsp;
    } else if (!run::handle_host_fault(task->thread, sig, info, raw_context)) {
      open_faults(kFaultSignals);  // the report reads guest memory
      die_of_engine_fault(task, sig, *info, raw_context);
    }
  } else {
    if (sig == kSigtrap) run::undo_lost_trap(raw_context);
    take_signal(*task, sig, *info, context);
  }
  // The outer handler makes guest code leave, after what it does about its own signal: a single step's trap is one only while
  // `stepping` says so. (A SIGBUS sent between its look and its return waits for the next exit from translated code.)
  if (nested) {
    context->uc_sigmask = mask;
  } else if (task->thread.interrupt) {
    if (task->pending_faults & ~task->blocked) context->uc_sigmask = kHostBlockAll;
    leave_guest_code(*task, context);
  }
}

i64 host_sigaction(int sig, const HostSigaction* act, HostSigaction* old) {
  return host_syscall(__NR_rt_sigaction, static_cast<u64>(sig), ptr(act), ptr(old), 8);
}

constexpr int kFaults[] = {kSigsegv, kSigbus, kSigill, kSigtrap, kSigfpe};

}  // namespace

unsigned fault_slot(int sig) {
  unsigned i = 0;
  while (i < 4 && kFaults[i] != sig) i++;
  return i;
}

void install_fault_handlers(Sighand* inherited) {
  for (int sig : kFaults) {
    HostSigaction act{ptr(reinterpret_cast<void*>(host_handler)),
                      kSaSiginfo | kSaOnstack | kSaRestorer | kSaRestart,
                      ptr(reinterpret_cast<void*>(grus_signal_restorer)), kHandlerMask};
    HostSigaction old{};
    CHECK(host_sigaction(sig, &act, &old) == 0);
    if (inherited) {
      inherited->action[sig] = {old.handler == kSigIgn ? kSigIgn : kSigDfl, 0, 0, 0};
      inherited->known |= signal_bit(sig);
    }
  }
}

void set_host_altstack(Task& task) {
  stack_t stack{};
  stack.ss_sp = reinterpret_cast<u8*>(&task) - kTaskOffset + kTaskPage;
  stack.ss_size = kHostAltStackSize - kTaskPage;
  CHECK(host_syscall(__NR_sigaltstack, ptr(&stack), 0) == 0);
}

i64 set_host_action(int sig, const GuestSigaction& action, HostSigaction* old) {
  // SA_RESTART: the kernel decides which interrupted calls are restarted. SA_RESETHAND: it takes the action
  // away in the same moment as the signal. SA_NODEFER only concerns the guest's mask.
  HostSigaction act{action.handler, action.flags & (kSaNocldstop | kSaNocldwait | kSaRestart | kSaResethand),
                    0, 0};
  act.flags |= kSaRestorer | kSaSiginfo | kSaOnstack;
  act.restorer = ptr(reinterpret_cast<void*>(grus_signal_restorer));
  act.mask = kHandlerMask;
  if (action.handler != kSigDfl && action.handler != kSigIgn)
    act.handler = ptr(reinterpret_cast<void*>(host_handler));
  return host_sigaction(sig, &act, old);
}

void set_host_default(int sig) {
  HostSigaction act{};
  host_sigaction(sig, &act, nullptr);
}

bool set_host_mask(Task& task, u64 guest_mask) {
  // In the window: what was taken under the old mask is delivered under it, and until then everything stays blocked, or
  // the next one would overwrite it.
  u64 mask = guest_mask & ~kFaultSignals;
  const u64 args[6] = {SIG_SETMASK, ptr(&mask), 0, 8, 0, 0};
  return grus_windowed_syscall(&task.thread.interrupt, __NR_rt_sigprocmask, args) != kRestartSyscall;
}

void keep_pending_fault(Task& task, const SignalInfo& info) {
  const int sig = info.signo;
  if (task.pending_faults & signal_bit(sig)) return;  // legacy_queue() in kernel/signal.c: one of a number
  __builtin_memcpy(task.pending_fault_info[fault_slot(sig)], &info, sizeof info);
  __atomic_or_fetch(&task.pending_faults, signal_bit(sig), __ATOMIC_RELAXED);
}

bool change_mask(Task& task, u64 mask) {
  // A fault signal that gets through is delivered before the others of the new mask (dequeue_synchronous_signal): they
  // stay outside until then.
  const bool fault_first = task.pending_faults & ~mask;
  if (!set_host_mask(task, fault_first ? kHostBlockAll : mask)) return false;
  task.blocked = mask;
  if (task.pending_faults & ~mask) task.thread.interrupt = 1;
  return true;
}

bool open_host_mask(Task& task) {
  if (task.pending_faults & ~task.blocked) {  // first
    task.thread.interrupt = 1;
    return false;
  }
  return set_host_mask(task, task.blocked);
}

}  // namespace grus::linux
