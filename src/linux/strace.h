// SPDX-License-Identifier: MIT
// One line per system call to the log descriptor, `PID name(arguments) = result`, from the same table as the
// dispatch. Costs one predicted branch when off. The line is made before the call (buffers change, exec does
// not return) and written after it; calls that do not come back are written first.
#pragma once
#include "linux/task.h"

namespace grus::linux {

struct SignalInfo;

extern bool strace_enabled;

struct StraceLine {
  char text[1024];
  size_t length;
  u32 number;
  bool written;
};
void strace_begin(StraceLine& line, const Task& task, u32 number, const u64 (&a)[6]);
void strace_end(StraceLine& line, i64 result);

// "EINTR" for 4, nullptr for numbers without a name.
const char* errno_name(unsigned error);

// "SIGSEGV" for 11, "signal 40" for those without a name (in `buffer`).
const char* signal_name(int sig, char (&buffer)[16]);

// A signal that the engine delivers: to a handler, or as the guest's death. (What the host delivers by default is not seen.)
void strace_signal(const Task& task, const SignalInfo& info);

}  // namespace grus::linux
