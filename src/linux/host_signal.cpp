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

// Blocked inside of the handler: everything but faults, which its own accesses to guest memory may raise.
constexpr u64 kHandlerMask = kHostBlockAll;

Task* task_of_handler_stack() {
  u64 here = ptr(__builtin_frame_address(0));
  return reinterpret_cast<Task*>((here & ~u64{kHostAltStackSize - 1}) + kTaskOffset);
}

void take_signal(Task& task, int sig, const SignalInfo& info, ucontext* context) {
  if (kFaultSignals & signal_bit(sig)) {
    if (task.sighand->action[sig].handler == kSigIgn) return;
    if (!(task.pending_faults & signal_bit(sig))) {
      __builtin_memcpy(task.pending_fault_info[fault_slot(sig)], &info, sizeof info);
      __atomic_or_fetch(&task.pending_faults, signal_bit(sig), __ATOMIC_RELAXED);
    }
    if (task.blocked & signal_bit(sig)) return;
  } else {
    __builtin_memcpy(task.signal_info, &info, sizeof info);
    task.signal_taken = 1;
    context->uc_sigmask = kHostBlockAll;
  }
  task.thread.interrupt = 1;
  u64 rip = context->uc_mcontext.rip;
  if (leave_syscall_window(&rip))
    context->uc_mcontext.rip = rip;
  else
    run::interrupt(task.thread, context);
}

void host_handler(int sig, const SignalInfo* info, void* raw_context) {
  Task* task = task_of_handler_stack();
  auto* context = static_cast<ucontext*>(raw_context);
  // si_code > 0: the kernel sent it because of an instruction; kill, sigqueue and timers have 0 or less.
  if ((kFaultSignals & signal_bit(sig)) && info->code > 0) {
    if (run::handle_host_fault(task->thread, sig, info, raw_context)) return;
    die_of_engine_fault(task, sig, *info, raw_context);
  }
  take_signal(*task, sig, *info, context);
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
                      kSaSiginfo | kSaOnstack | kSaRestorer | kSaRestart | kSaNodefer,
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

void set_host_mask(u64 guest_mask) {
  u64 mask = guest_mask & ~kFaultSignals;
  host_syscall(__NR_rt_sigprocmask, SIG_SETMASK, ptr(&mask), 0, 8);
}

void sync_host_mask(Task& task) {
  // In the window: once a signal is taken everything must stay blocked, or the next one would overwrite it.
  u64 mask = task.blocked & ~kFaultSignals;
  const u64 args[6] = {SIG_SETMASK, ptr(&mask), 0, 8, 0, 0};
  while (!task.signal_taken)
    if (grus_windowed_syscall(&task.signal_taken, __NR_rt_sigprocmask, args) != kRestartSyscall) break;
}

}  // namespace grus::linux
