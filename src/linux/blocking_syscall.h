// SPDX-License-Identifier: MIT
// The one place from which guests block in the host kernel.
//
// A guest signal that arrives just before the host call would be recorded by our handler and then slept over.
// So the test of the flag and the `syscall` instruction form a window: a handler that interrupts inside of it
// - also when the kernel has moved rip back to restart the call, which it decides by the SA_RESTART that the
// host's action has from the guest's - moves rip to the exit that returns kRestartSyscall. Behind the
// instruction the result stands.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// The window itself: tests *flag, then makes the host call n with args. Nothing was done when it returns
// kRestartSyscall.
extern "C" i64 grus_windowed_syscall(const volatile u32* flag, i64 n, const u64* args);

// blocking_syscall (task.h) with all six arguments.
i64 blocking_syscall(Task& task, i64 n, const u64 (&args)[6]);

// For the host's handler: true when it was in the window; then *rip was moved.
bool leave_syscall_window(u64* rip);
// For the host's handler: the host's call has ended, and this signal is why it did not sleep on.
bool interrupted_syscall(u64 rip, u64 rax);

}  // namespace grus::linux
