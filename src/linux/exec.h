// SPDX-License-Identifier: MIT
// exec, and what one engine hands to the engine that it executes.
//
// A guest program is started by executing the engine itself through its hidden descriptor: no /proc and no
// binfmt_misc are needed, argv is exact, and everything that the kernel does at exec (other threads,
// close-on-exec, timers, signals) is done by the kernel. The hand-over is one environment variable, the last;
// the new engine removes it before the guest sees its environment. All errors of a native execve are found
// before.
#pragma once
#include "linux/task.h"

namespace grus::linux {

struct Handover {
  int exe_fd, engine_fd, log_fd;  // -1: none
  int cache_fd;
  int seccomp_fd;                 // a memfd with the saved filter chain, or -1
  u32 flags;                      // kHandover*
  u32 features;                   // EngineOptions::features
  const char* prefix;             // not terminated
  size_t prefix_length;
  const char* strace;  // EngineOptions::strace, not terminated
  size_t strace_length;
  const char* program;  // to be opened, when exe_fd is -1; not terminated
  size_t program_length;
  const char* execfn;  // the rest of the variable: AT_EXECFN points here
};
inline constexpr u32 kHandoverStats = 2, kHandoverInterpret = 4, kHandoverCacheReadOnly = 8;
inline constexpr u32 kHandoverKeepProgram = 16;  // exe_fd is the guest's and stays open
inline constexpr u32 kHandoverLockstepShift = 8;  // --lockstep's number in the bits from here
// What executes the engine when it has no descriptor of itself.
inline constexpr char kEngineLink[] = "/proc/self/exe";
inline constexpr char kHandoverName[] = "GRUS_HANDOVER=";

// Writes the whole variable, NUL-terminated; 0 when it does not fit, else its length.
size_t format_handover(char* out, size_t size, const Handover& h);
// From the text behind the name. false: not ours.
bool parse_handover(const char* text, Handover* h);

// execveat(dirfd, path, argv, envp, flags) for `task`: returns only with -errno. argv and envp are arrays as
// the guest has them (may be bad, may be 0).
i64 exec_program(Task& task, int dirfd, u64 path, u64 argv, u64 envp, u64 flags);

}  // namespace grus::linux
