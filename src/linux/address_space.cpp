// SPDX-License-Identifier: MIT
// See address_space.h.
#include "linux/address_space.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/loader/elf.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

struct Range {
  u64 begin, end;
};

// Sorted, disjoint, not adjacent.
Range g_first[48];
Range* g_ranges = g_first;
size_t g_count, g_capacity = 48;

size_t first_ending_after(u64 a) {
  size_t low = 0, high = g_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (g_ranges[middle].end > a)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

void insert_at(size_t i, Range r) {
  if (g_count == g_capacity) {
    Range* bigger = static_cast<Range*>(map_engine_pages(g_capacity * 2 * sizeof(Range)));
    if (!bigger) fatal(kOwnFailure, "out of memory");
    __builtin_memcpy(bigger, g_ranges, g_count * sizeof(Range));
    if (g_ranges != g_first) unmap_engine_pages(g_ranges, g_capacity * sizeof(Range));
    g_ranges = bigger;
    g_capacity *= 2;
  }
  __builtin_memmove(g_ranges + i + 1, g_ranges + i, (g_count - i) * sizeof(Range));
  g_ranges[i] = r;
  g_count++;
}

void erase_at(size_t i, size_t n) {
  __builtin_memmove(g_ranges + i, g_ranges + i + n, (g_count - i - n) * sizeof(Range));
  g_count -= n;
}

void remove_range(u64 begin, u64 end) {
  size_t i = first_ending_after(begin);
  if (i == g_count || g_ranges[i].begin >= end) return;
  if (g_ranges[i].begin < begin && g_ranges[i].end > end) {
    Range right{end, g_ranges[i].end};
    g_ranges[i].end = begin;
    insert_at(i + 1, right);
    return;
  }
  if (g_ranges[i].begin < begin) g_ranges[i++].end = begin;
  size_t n = 0;
  while (i + n < g_count && g_ranges[i + n].end <= end) n++;
  erase_at(i, n);
  if (i < g_count && g_ranges[i].begin < end) g_ranges[i].begin = end;
}

u64 g_module_next = address_map::kModuleZones;

bool g_kernel_break;

}  // namespace

bool touches_executable(u64 begin, u64 end) {
  size_t i = first_ending_after(begin);
  return i < g_count && g_ranges[i].begin < end;
}

bool executable_range_of(u64 a, u64* begin, u64* end) {
  size_t i = first_ending_after(a);
  if (i == g_count || g_ranges[i].begin > a) return false;
  *begin = g_ranges[i].begin;
  *end = g_ranges[i].end;
  return true;
}

void note_executable(u64 begin, u64 end) {
  if (begin >= end) return;
  remove_range(begin, end);
  size_t i = first_ending_after(begin);
  Range r{begin, end};
  if (i < g_count && g_ranges[i].begin == end) {
    r.end = g_ranges[i].end;
    erase_at(i, 1);
  }
  if (i > 0 && g_ranges[i - 1].end == begin) {
    r.begin = g_ranges[i - 1].begin;
    erase_at(--i, 1);
  }
  insert_at(i, r);
  run::guest_range_executable(begin, end, true);
}

void note_guest_file(u64 begin, u64 end, int fd, u64 offset) {
  struct stat st;
  if (begin >= end || host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) return;
  constexpr u64 kSecond = 1'000'000'000;
  run::guest_file_mapped(begin, end,
                         cache::GuestFile{st.st_dev, st.st_ino, static_cast<u64>(st.st_size), st.st_mtime * kSecond + st.st_mtime_nsec,
                                          st.st_ctime * kSecond + st.st_ctime_nsec, offset,
                                          cache::mount_of(fd, st.st_dev)});
}

void forget_range(u64 begin, u64 end) {
  if (!touches_executable(begin, end)) return;
  remove_range(begin, end);
  run::guest_range_executable(begin, end, false);
  run::guest_range_unmapped(begin, end);
}

// Addresses are handed out upward and never looked for below: MAP_FIXED_NOREPLACE finds what is occupied. A
// module is followed by five times the room that it takes itself, because its code window lies at the same offset and is
// that much larger (cache/format.h).
i64 map_in_module_zone(u64 size, u64 reserve, u64 alignment, u64 prot, u64 flags, int fd, u64 offset) {
  using namespace address_map;
  constexpr u64 kStep = 64 * 1024;
  constexpr u64 kEnd = kModuleZones + kModuleZoneCount * kModuleZoneStride;
  if (alignment < kStep) alignment = kStep;
  if (reserve < size) reserve = size;
  u64 room = (6 * reserve + (u64{1} << 20) + kStep - 1) & ~(kStep - 1);
  if (room > kModuleZoneSize && 2 * reserve <= kModuleZoneSize) room = kModuleZoneSize;
  if (alignment <= kModuleZoneSize / 2 && room <= kModuleZoneSize) {
    for (int attempts = 0; attempts < 1024; attempts++) {
      u64 at = (g_module_next + alignment - 1) & ~(alignment - 1);
      u64 zone = (at - kModuleZones) / kModuleZoneStride;
      u64 zone_begin = kModuleZones + zone * kModuleZoneStride;
      if (at >= kEnd) {
        g_module_next = kModuleZones;
        continue;
      }
      if (at + room > zone_begin + kModuleZoneSize) {
        g_module_next = zone_begin + kModuleZoneStride;
        continue;
      }
      g_module_next = at + room;
      i64 p =
          host_syscall(__NR_mmap, at, size, prot, flags | MAP_FIXED_NOREPLACE, static_cast<u64>(fd), offset);
      if (p == static_cast<i64>(at)) return p;
      if (!is_error(p))
        host_syscall(__NR_munmap, static_cast<u64>(p), size);  // a kernel that takes the flag for a hint
      else if (p != -EEXIST)
        return p;
    }
  }
  if (alignment <= kStep) return map_anywhere(size, prot, flags, fd, offset);
  // The kernel's choice, aligned: reserve more than needed, then map over the aligned part.
  i64 p = map_anywhere(size + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (is_error(p)) return p;
  u64 at = (static_cast<u64>(p) + alignment - 1) & ~(alignment - 1);
  host_syscall(__NR_munmap, static_cast<u64>(p), size + alignment);
  return host_syscall(__NR_mmap, at, size, prot, flags | MAP_FIXED_NOREPLACE, static_cast<u64>(fd), offset);
}

void brk_init(Mm& mm, bool kernel_break) {
  g_kernel_break = kernel_break;
  mm.brk_start = mm.brk = mm.brk_end_mapped = address_map::kBrkStart;
}

// mm/mmap.c, sys_brk: failure is the old break.
u64 brk_set(Mm& mm, u64 wanted) {
  constexpr u64 kZoneSize = u64{512} << 30;
  if (wanted < mm.brk_start || wanted > mm.brk_start + kZoneSize) return mm.brk;
  if (g_kernel_break) {
    if (wanted < mm.brk) forget_range(page_up(wanted), page_up(mm.brk));
    mm.brk = static_cast<u64>(host_syscall(__NR_brk, wanted));
    mm.brk_end_mapped = page_up(mm.brk);
    return mm.brk;
  }
  u64 end = page_up(wanted);
  if (end > mm.brk_end_mapped) {
    u64 bytes = end - mm.brk_end_mapped;
    i64 p = host_syscall(__NR_mmap, mm.brk_end_mapped, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~u64{0}, 0);
    if (p != static_cast<i64>(mm.brk_end_mapped)) {
      if (!is_error(p)) host_syscall(__NR_munmap, static_cast<u64>(p), bytes);
      return mm.brk;
    }
  } else if (end < mm.brk_end_mapped) {
    forget_range(end, mm.brk_end_mapped);
    if (is_error(host_syscall(__NR_munmap, end, mm.brk_end_mapped - end))) return mm.brk;
  }
  mm.brk_end_mapped = end;
  mm.brk = wanted;
  return wanted;
}

bool for_each_host_mapping(void (*f)(void*, u64, u64), void* context) {
  const i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/maps"), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  // Every line starts with BEGIN-END in hexadecimal; the rest up to the newline is of no interest.
  enum { Begin, End, Rest } state = Begin;
  u64 begin = 0, end = 0;
  char buffer[4096];
  for (i64 n; (n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(buffer), sizeof buffer)) > 0;) {
    for (i64 i = 0; i < n; i++) {
      const char c = buffer[i];
      if (c == '\n') {
        begin = end = 0;
        state = Begin;
      } else if (state == Begin && c == '-') {
        state = End;
      } else if (state == End && c == ' ') {
        state = Rest;
        f(context, begin, end);
      } else if (state != Rest) {
        u64& value = state == Begin ? begin : end;
        value = value << 4 | static_cast<u64>(c <= '9' ? c - '0' : c - 'a' + 10);
      }
    }
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  return true;
}

bool GuestParts::next(u64* begin, u64* end) {
  while (at_ < end_) {
    u64 b, e;
    if (!next_engine_range(at_, &b, &e) || b >= end_) b = e = end_;
    *begin = at_;
    *end = b;
    const bool some = at_ < b;
    at_ = e;
    if (some) return true;
  }
  return false;
}

bool touches_engine(u64 a, u64 n) {
  const u64 begin = page_down(a), end = page_up(a + n);
  return end > begin && is_engine_memory(begin, end - begin);
}

u64 guest_length(u64 a, u64 n) {
  u64 begin, end;
  if (!next_engine_range(a, &begin, &end) || (begin > a && begin - a >= n)) return n;
  return begin > a ? begin - a : 0;
}

u64 unmapped_page(u64 a) { return address_map::kNeverMapped + (a & (kGuestPageSize - 1)); }

// The kernel's own search, vm_unmapped_area() downwards, with the engine's ranges taken for mapped.
u64 find_room(u64 size, u64 alignment, u64 ceiling) {
  struct Search {
    u64 size, alignment, ceiling, free_from, found;
    void gap(u64 begin, u64 end) {
      GuestParts parts(begin, end < ceiling ? end : ceiling);
      for (u64 from, to; parts.next(&from, &to);) {
        const u64 at = (to - size) & ~(alignment - 1);
        if (to - from >= size && at >= from) found = at;
      }
    }
  } search{size, alignment, ceiling, 64 * 1024, 0};  // the usual mmap_min_addr
  const bool known = for_each_host_mapping(
      [](void* context, u64 begin, u64 end) {
        Search& s = *static_cast<Search*>(context);
        if (begin > s.free_from) s.gap(s.free_from, begin);
        if (end > s.free_from) s.free_from = end;
      },
      &search);
  if (!known) return 0;
  if (search.free_from < kGuestTaskSize) search.gap(search.free_from, kGuestTaskSize);
  return search.found;
}

i64 map_anywhere(u64 size, u64 prot, u64 flags, int fd, u64 offset) {
  // Once the kernel has nothing but the engine's room left it offers that each time.
  static u64 last_found;
  const u64 bytes = page_up(size);
  const i64 chosen = host_syscall(__NR_mmap, 0, size, prot, flags, static_cast<u64>(fd), offset);
  if (is_error(chosen) || !is_engine_memory(static_cast<u64>(chosen), bytes)) return chosen;
  host_syscall(__NR_munmap, static_cast<u64>(chosen), bytes);
  u64 alignment = kGuestPageSize;
  if (flags & MAP_HUGETLB) {
    const u64 shift = flags >> 26 & 63;  // MAP_HUGE_SHIFT
    alignment = u64{1} << (shift ? shift : 21);
  }
  u64 at = last_found > bytes ? (last_found - bytes) & ~(alignment - 1) : 0;
  for (int attempts = 0; attempts < 16; attempts++) {
    if (at && !is_engine_memory(at, bytes)) {
      const i64 p = host_syscall(__NR_mmap, at, size, prot, flags | MAP_FIXED_NOREPLACE, static_cast<u64>(fd), offset);
      if (p == static_cast<i64>(at)) {
        last_found = at;
        return p;
      }
      if (!is_error(p))
        host_syscall(__NR_munmap, static_cast<u64>(p), bytes);
      else if (p != -EEXIST)
        return p;
    }
    at = find_room(bytes, alignment, static_cast<u64>(chosen) + bytes);
    if (!at) break;
  }
  return -ENOMEM;
}

}  // namespace grus::linux
