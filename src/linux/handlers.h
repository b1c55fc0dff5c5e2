// SPDX-License-Identifier: MIT
// Declares sys_NAME for every HANDLE line of syscalls.def, and the agreement between handlers and dispatch.
//
// A handler gets x0-x5, with tags already removed from the arguments that are pointers (see the letters in
// syscalls.def), and returns the result or -errno. kRestartSyscall: handle_syscall leaves x0 as the guest
// passed it and moves the pc back to the SVC, with task.syscall_pc non-zero; signal delivery decides: to run
// a handler without SA_RESTART it sets x0 = -EINTR and pc = syscall_pc + 4. After every other result
// syscall_pc is 0. kNoResult: the handler has set pc and registers.
#pragma once
#include "linux/task.h"

namespace grus::linux {

#define PASS(number, name, arguments)
#define BLOCK(number, name, arguments)
#define HANDLE(number, name, arguments) i64 sys_##name(Task& task, const u64(&a)[6]);
#define REFUSE(number, name, error, arguments)
#define HOLE(first, last)
#include "linux/syscalls.def"
#undef PASS
#undef BLOCK
#undef HANDLE
#undef REFUSE
#undef HOLE

// Numbers that the engine itself cares about.
inline constexpr u64 kNewestSyscall = 471;

}  // namespace grus::linux
