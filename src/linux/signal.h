// SPDX-License-Identifier: MIT
// Guest signals inside linux/: from the host's handler (host_signal.cpp) through the choice of action
// (signal.cpp) to the frame (frame_aarch64.cpp). docs/signals.md is the story.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// signal numbers and flags that are the same on arm64 and x86-64 (include/uapi/asm-generic/signal.h)
inline constexpr int kSigill = 4, kSigtrap = 5, kSigbus = 7, kSigfpe = 8, kSigkill = 9, kSigsegv = 11,
                     kSigchld = 17, kSigcont = 18, kSigstop = 19, kSigtstp = 20, kSigttin = 21, kSigttou = 22,
                     kSigurg = 23, kSigwinch = 28;
inline constexpr u64 kSaNocldstop = 1, kSaNocldwait = 2, kSaSiginfo = 4, kSaExposeTagbits = 0x800,
                     kSaRestorer = 0x04000000, kSaOnstack = 0x08000000, kSaRestart = 0x10000000,
                     kSaNodefer = 0x40000000, kSaResethand = 0x80000000;
inline constexpr u64 kSigDfl = 0, kSigIgn = 1;

constexpr u64 signal_bit(int sig) { return u64{1} << (sig - 1); }
inline constexpr u64 kUnblockable = signal_bit(kSigkill) | signal_bit(kSigstop);
// Raised by instructions, ours too; on the host never blocked and always caught.
inline constexpr u64 kFaultSignals = signal_bit(kSigill) | signal_bit(kSigtrap) | signal_bit(kSigbus) |
                                     signal_bit(kSigfpe) | signal_bit(kSigsegv);
inline constexpr u64 kHostBlockAll = ~kFaultSignals;

// siginfo_t: the layout is the same on both architectures.
struct SignalInfo {
  i32 signo, error, code, pad;
  u64 addr;  // of faults; else the first bytes of the union
  u8 rest[104];
};
static_assert(sizeof(SignalInfo) == 128);
unsigned fault_slot(int sig);  // 0-4 among pending_fault_info

// --- host_signal.cpp ---
void install_fault_handlers(Sighand* inherited);  // records inherited SIG_IGN there when not null
void set_host_altstack(Task& task);
// Brings the host's action in line with the guest's; for a signal whose action was not known returns the old
// one.
struct HostSigaction {
  u64 handler, flags, restorer, mask;
};
i64 set_host_action(int sig, const GuestSigaction& action, HostSigaction* old);
void set_host_default(int sig);
// All below: when a signal was taken (task.thread.interrupt) and is to be delivered first, false, and nothing has changed.
bool set_host_mask(Task& task, u64 guest_mask);
bool change_mask(Task& task, u64 mask);  // the guest's and the host's
// The host's mask from task.blocked, unless something is to be delivered first: its delivery does it.
bool open_host_mask(Task& task);
// A fault signal that was sent, not raised.
void keep_pending_fault(Task& task, const SignalInfo& info);

// --- crash_report.cpp ---
[[noreturn]] void die_of_engine_fault(Task* task, int sig, const SignalInfo& info, void* host_context);

// --- death_report.cpp ---
// Before default_action(), of a signal that the guest brought upon itself. Prints where somebody wants to see it.
void report_death(const Task& task, const SignalInfo& info);

// --- signal.cpp ---
// Delivers what was taken, until nothing more is to be delivered. Called before guest code runs.
void deliver_signals(Task& task);
// A signal that the current instruction raised: cannot be blocked or ignored (force_sig_fault in
// kernel/signal.c). False: another one, which was there before the instruction, is delivered first. Nothing has happened
// then, and the instruction is to be executed again.
[[nodiscard]] bool force_signal(Task& task, int sig, int code, u64 addr);
[[nodiscard]] bool force_signal(Task& task, const SignalInfo& info);
// Dies of `info.signo` with the host's default action. Returns only for stop signals that were continued.
void default_action(Task& task, const SignalInfo& info);

// --- frame_aarch64.cpp ---
// Pushes the frame and sets the registers to run the handler; false: the stack cannot be written.
bool push_signal_frame(Task& task, const GuestSigaction& action, const SignalInfo& info, u64 saved_mask);
// rt_sigreturn. Again: a signal that came before it is to be delivered first, under the mask of before; nothing was done.
enum class PoppedFrame : u8 { Good, Bad, Again };
PoppedFrame pop_signal_frame(Task& task);
i64 set_guest_altstack(Task& task, u64 sp, u64 flags, u64 size);
u64 altstack_flags(const Task& task, u64 sp);  // SS_ONSTACK, SS_DISABLE or 0

}  // namespace grus::linux
