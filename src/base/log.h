// SPDX-License-Identifier: MIT
// The engine's voice: short lines to stderr (the real one: a duplicate kept high, since guests close and reuse 2), and the
// end of the process when an invariant is broken. Formats: %s string, %d i64, %u u64, %x hex u64, %c char, %%. No floats,
// no allocation, one write(2) per line.
#pragma once
#include "base/types.h"

namespace grus {

void set_log_fd(int fd);
int log_fd();
// Writes "grus: " and the line, control characters as "?": names in it are the guest's. Only for what a user must see; the engine is silent by default.
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...);
// The same without prefix and newline handling: strace, dumps, reports.
[[gnu::format(printf, 1, 2)]] void log_raw(const char* format, ...);
// Formats into a buffer, always NUL-terminated; returns the length written.
[[gnu::format(printf, 3, 4)]] size_t format_to(char* out, size_t size, const char* format, ...);
// The status of a failure that is the engine's own: no program gives it by itself, and env, timeout and docker use it so. What
// concerns the program is 126 (it cannot be executed) and 127 (it is not there).
constexpr int kOwnFailure = 125;
// A user's error: one line, exit status. Never used once the guest runs.
[[noreturn, gnu::format(printf, 2, 3)]] void fatal(int status, const char* format, ...);

// The end of a line about a mistake of the engine's own.
inline constexpr char kReportIt[] = "report it with this line to the Grus issue tracker";

[[noreturn]] void check_failed(const char* what, const char* file, int line);
#define CHECK(condition) \
  do {                   \
    if (__builtin_expect(!(condition), 0)) ::grus::check_failed(#condition, __FILE__, __LINE__); \
  } while (0)
#ifdef GRUS_CHECKED
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif

}  // namespace grus
