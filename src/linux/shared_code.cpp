// SPDX-License-Identifier: MIT
#include "linux/shared_code.h"

#include <asm/stat.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

struct SharedMapping {
  u64 begin, end, device, inode, offset;
};
// A process with more shared mappings than this is no JIT; the ones beyond are taken for aliases of each other.
constexpr unsigned kMost = 1024;
[[gnu::section(".bss.tables")]] SharedMapping g_mappings[kMost];
unsigned g_count;
constexpr u64 kUnknown = ~u64{0}, kSystemV = ~u64{0} - 1;  // as device: the inode is a segment's number

void add(const SharedMapping& m) {
  if (g_count == kMost) {
    // One entry that stands for everything that found no place.
    SharedMapping& last = g_mappings[kMost - 1];
    last.device = last.inode = kUnknown;
    if (m.begin < last.begin) last.begin = m.begin;
    if (m.end > last.end) last.end = m.end;
    return;
  }
  g_mappings[g_count] = m;
  __atomic_store_n(&g_count, g_count + 1, __ATOMIC_RELEASE);  // a vfork child may be killed anywhere
}

void forget(SharedMapping& m) {
  m = g_mappings[g_count - 1];
  __atomic_store_n(&g_count, g_count - 1, __ATOMIC_RELEASE);
}

}  // namespace

void note_shared(u64 begin, u64 end, int fd, u64 offset) {
  struct stat st;
  if (host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) return;
  add(SharedMapping{begin, end, st.st_dev, st.st_ino, offset});
}

void note_segment(u64 begin, u64 end, u64 id) { add(SharedMapping{begin, end, kSystemV, id, 0}); }

void forget_segment(u64 begin) {
  for (unsigned i = 0; i < g_count; i++)
    if (g_mappings[i].begin == begin && g_mappings[i].device == kSystemV) return forget_shared(begin, g_mappings[i].end);
}

void forget_shared(u64 begin, u64 end) {
  for (unsigned i = 0; i < g_count;) {
    SharedMapping& m = g_mappings[i];
    if (m.end <= begin || m.begin >= end || m.inode == kUnknown) {
      i++;
    } else if (m.begin >= begin && m.end <= end) {
      forget(m);
    } else if (m.begin < begin && m.end > end) {
      SharedMapping tail{end, m.end, m.device, m.inode, m.offset + (end - m.begin)};
      m.end = begin;
      add(tail);
      i++;
    } else if (m.begin < begin) {
      m.end = begin;
      i++;
    } else {
      m.offset += end - m.begin;
      m.begin = end;
      i++;
    }
  }
}

void code_modified(u64 begin, u64 end) {
  run::guest_code_modified(begin, end);
  for (unsigned i = 0; i < g_count; i++) {
    const SharedMapping& at = g_mappings[i];
    if (begin < at.begin || begin >= at.end) continue;
    u64 offset = begin - at.begin + at.offset;
    for (unsigned k = 0; k < g_count; k++) {
      const SharedMapping& m = g_mappings[k];
      if (k == i && m.inode != kUnknown) continue;
      if (at.inode == kUnknown || m.inode == kUnknown) {
        run::guest_code_modified(m.begin, m.end);
      } else if (m.device == at.device && m.inode == at.inode && offset >= m.offset &&
                 offset < m.offset + (m.end - m.begin)) {
        u64 alias = offset - m.offset + m.begin;
        run::guest_code_modified(alias, alias + (end - begin));
      }
    }
  }
}

}  // namespace grus::linux
