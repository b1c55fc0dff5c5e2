// SPDX-License-Identifier: MIT
// Text in engine memory, and the header lines of maps and smaps: what the files of proc/ are made with.
#pragma once
#include <asm/errno.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/memory.h"

namespace grus::linux {

struct Text {
  char* data = nullptr;
  size_t size = 0, capacity = 0;
  bool ok = true;

  ~Text() {
    if (data) unmap_engine_pages(data, capacity);
  }
  bool reserve(size_t more) {
    if (size + more <= capacity) return true;
    size_t wanted = capacity ? capacity * 2 : 256 * 1024;
    while (wanted < size + more) wanted *= 2;
    char* bigger = static_cast<char*>(map_engine_pages(wanted));
    if (!bigger) return ok = false;
    __builtin_memcpy(bigger, data, size);
    if (data) unmap_engine_pages(data, capacity);
    data = bigger;
    capacity = wanted;
    return true;
  }
  void append(const char* s, size_t n) {
    if (!reserve(n)) return;
    __builtin_memcpy(data + size, s, n);
    size += n;
  }
  void append(const char* s) { append(s, __builtin_strlen(s)); }
  void append_guest(u64 from, size_t n) {
    if (!reserve(n) || copy_from_guest(data + size, GuestAddr(from), n)) return;
    size += n;
  }
  bool read_all(int fd) {
    for (;;) {
      if (!reserve(64 * 1024)) return false;
      i64 n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(data + size), capacity - size);
      if (n == -EINTR) continue;
      if (n < 0) return false;
      if (n == 0) return true;
      size += static_cast<size_t>(n);
    }
  }
};

inline bool same(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
inline bool starts(const char* s, const char* prefix) {
  while (*prefix)
    if (*s++ != *prefix++) return false;
  return true;
}

// One header line of maps or smaps.
struct MapsLine {
  u64 begin, end;
  u64 dev, inode;
  const char* name;  // up to `stop`; empty when there is none
  const char* stop;
};
bool parse_line(const char* s, const char* stop, MapsLine* m);
// The engine's? Of another process than our own (which runs the engine) as far as fixed addresses tell.
bool is_hidden(const MapsLine& m, bool own);

}  // namespace grus::linux
