// SPDX-License-Identifier: MIT
// Raw host system calls. The engine has no libc: results are the kernel's, -errno on failure, and nothing touches errno.
// These are not interruptible in the guest's sense; calls that may block for a guest go through
// linux/blocking_syscall.h, which can be restarted around a guest signal.
#pragma once
#include <asm/unistd_64.h>

#include "base/types.h"

namespace grus {

inline i64 host_syscall(i64 n, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0) {
  i64 result;
  register u64 r10 asm("r10") = d;
  register u64 r8 asm("r8") = e;
  register u64 r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

inline u64 ptr(const void* p) { return reinterpret_cast<u64>(p); }
inline bool is_error(i64 result) { return static_cast<u64>(result) > static_cast<u64>(-4096); }

}  // namespace grus
