// SPDX-License-Identifier: MIT
// The cache's limit where nobody calls the tool: who makes a file looks at all of them now and then, and removes those that were
// used least recently until a tenth is free. The tool's rule (tool/cache_files.cpp), without what needs time.
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "base/hash.h"
#include "base/host_syscall.h"
#include "base/memory.h"
#include "cache/file.h"

namespace grus::cache {
namespace {

u64 g_limit = kDefaultSizeLimit;

constexpr u64 kOneIn = 8;  // looking costs 2 us per file
constexpr u64 kListBytes = 32 * 1024;
constexpr unsigned kBatch = 64, kNameLength = kContentDigits + 1 + kTranslatorDigits;

struct Entry {
  u64 mtime_ns, bytes;
  char name[kNameLength + 1];
};
struct HostDirent {  // linux_dirent64
  u64 inode, offset;
  u16 length;
  u8 type;
  char name[];
};

// The digits of a content, a dash, those of a translator: nothing else is touched.
bool is_cache_name(const char* s) {
  unsigned n = 0, dash = 0;
  for (; s[n]; n++) {
    bool digit = (s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'f');
    if (n >= kNameLength || (!digit && (s[n] != '-' || dash))) return false;
    if (!digit) dash = n;
  }
  return (dash == kContentDigits || dash == kOldContentDigits) && n == dash + 1 + kTranslatorDigits;
}

// Bytes on the disk of all cache files; the `*count` oldest of them, oldest first.
u64 survey(u64 fd, u8* list, Entry* oldest, unsigned* count) {
  u64 total = 0;
  *count = 0;
  host_syscall(__NR_lseek, fd, 0, 0);
  for (i64 n; (n = host_syscall(__NR_getdents64, fd, ptr(list), kListBytes)) > 0;) {
    for (u8* at = list; at < list + n;) {
      auto* entry = reinterpret_cast<HostDirent*>(at);
      at += entry->length;
      struct stat st;
      if (!is_cache_name(entry->name) || host_syscall(__NR_newfstatat, fd, ptr(entry->name), ptr(&st), AT_SYMLINK_NOFOLLOW) ||
          (st.st_mode & 0170000) != 0100000)
        continue;
      u64 bytes = static_cast<u64>(st.st_blocks) * 512, mtime = st.st_mtime * u64{1'000'000'000} + st.st_mtime_nsec;
      total += bytes;
      if (*count == kBatch && oldest[kBatch - 1].mtime_ns <= mtime) continue;
      unsigned i = *count < kBatch ? (*count)++ : kBatch - 1;
      for (; i > 0 && oldest[i - 1].mtime_ns > mtime; i--) oldest[i] = oldest[i - 1];
      oldest[i] = Entry{mtime, bytes, {}};
      for (unsigned c = 0; c <= kNameLength && (c == 0 || entry->name[c - 1]); c++) oldest[i].name[c] = entry->name[c];
    }
  }
  return total;
}

}  // namespace

void set_size_limit(u64 bytes) { g_limit = bytes; }

void trim_now_and_then() {
  u64 now = realtime_ns();
  if (hash64(&now, sizeof now) % kOneIn) return;
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(directory()), ptr("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (is_error(fd)) return;
  constexpr u64 kBytes = kListBytes + kBatch * sizeof(Entry);
  u8* memory = static_cast<u8*>(map_engine_pages(kBytes));
  auto* oldest = reinterpret_cast<Entry*>(memory + kListBytes);
  u64 goal = g_limit;
  for (int round = 0; memory && round < 100; round++) {
    unsigned count;
    u64 total = survey(static_cast<u64>(fd), memory, oldest, &count);
    if (total <= goal || !count) break;
    goal = g_limit - g_limit / 10;
    for (unsigned i = 0; i < count && total > goal; i++) {
      host_syscall(__NR_unlinkat, static_cast<u64>(fd), ptr(oldest[i].name), 0);
      total -= oldest[i].bytes < total ? oldest[i].bytes : total;
    }
  }
  if (memory) unmap_engine_pages(memory, kBytes);
  host_syscall(__NR_close, static_cast<u64>(fd));
}

}  // namespace grus::cache
