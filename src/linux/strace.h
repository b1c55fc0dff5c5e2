// SPDX-License-Identifier: MIT
// One line per system call to the log descriptor, `PID name(arguments) = result`, from the same table as the dispatch. Costs one
// predicted branch when off. A line is made before the call (buffers change, exec does not return) as far as it can be; what the call
// fills and its result follow, and it is written then. Calls that do not come back are written first.
#pragma once
#include "linux/task.h"

namespace grus::linux {

struct SignalInfo;

extern bool strace_enabled;

// Switches it on. `what` is --strace's value, words with commas between them: system calls or file, process, memory, network, signal
// (none: all), "times", and as the last a file, which is what has a '/' in it. False: `*wrong` begins with a word that is none of these.
bool strace_wants(const char* what, const char** wrong, const char** file);

struct StraceLine {
  char text[1024];
  size_t length;
  u64 began;  // by the clock, when times were asked for
  u32 number;
  unsigned next;  // argument to be printed
  bool written;
};
void strace_begin(StraceLine& line, const Task& task, u32 number, const u64 (&a)[6]);
void strace_end(StraceLine& line, const u64 (&a)[6], i64 result);

// "EINTR" for 4, nullptr for numbers without a name.
const char* errno_name(unsigned error);

// "SIGSEGV" for 11, "signal 40" for those without a name (in `buffer`).
const char* signal_name(int sig, char (&buffer)[16]);

// A signal that the engine delivers: to a handler, or as the guest's death. (What the host delivers by default is not seen.)
void strace_signal(const Task& task, const SignalInfo& info);

}  // namespace grus::linux
