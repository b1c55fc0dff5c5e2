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
#include "base/switched_array.h"
#include "linux/loader/elf.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

Range g_first[2][48];
constinit RangeSet<map_engine_table, unmap_engine_pages> g_ranges(g_first[0], g_first[1], 48);

Range g_changes[2];  // end 0: there is none

u64 g_module_next = address_map::kModuleZones;

bool g_kernel_break;

}  // namespace

bool touches_executable(u64 begin, u64 end) { return g_ranges.touches(begin, end); }

bool executable_range_of(u64 a, u64* begin, u64* end) {
  const Range* r = g_ranges.containing(a);
  if (!r) return false;
  *begin = r->begin;
  *end = r->end;
  return true;
}

void note_executable(u64 begin, u64 end) {
  if (begin >= end) return;
  g_ranges.add(begin, end);
  run::guest_range_executable(begin, end);
}

void note_other_code(u64 begin, u64 end) {
  if (begin >= end) return;
  g_ranges.add(begin, end);
  run::guest_code_replaced(begin, end);
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
  g_ranges.remove(begin, end);
  run::guest_range_unmapped(begin, end);
}

void ask_what_is_executable(u64 begin, u64 end) {
  struct Walk {
    u64 at, end;
    void gap(u64 to) {
      if (to > at && touches_executable(at, to)) run::guest_code_modified(at, to);
      if (to > at) at = to;
    }
  } walk{begin, end < kGuestTaskSize ? end : kGuestTaskSize};
  const bool known = for_each_host_mapping(
      [](void* context, u64 b, u64 e, bool executable) {
        Walk& w = *static_cast<Walk*>(context);
        if (e <= w.at || b >= w.end) return;
        w.gap(b);
        GuestParts parts(w.at, e < w.end ? e : w.end);
        for (u64 from, to; parts.next(&from, &to);)
          if (executable)
            note_executable(from, to);
          else
            forget_range(from, to);
        w.at = e < w.end ? e : w.end;
      },
      &walk);
  if (known) walk.gap(walk.end);
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
    const u64 before = page_up(mm.brk);
    const ChangeOfRange change(page_up(wanted), before);
    mm.brk = static_cast<u64>(host_syscall(__NR_brk, wanted));
    if (mm.brk < before) forget_range(page_up(mm.brk), before);
    mm.brk_end_mapped = page_up(mm.brk);
    return mm.brk;
  }
  u64 end = page_up(wanted);
  const ChangeOfRange change(mm.brk_start, mm.brk_end_mapped > end ? mm.brk_end_mapped : end);
  if (end > mm.brk_end_mapped) {
    u64 bytes = end - mm.brk_end_mapped;
    i64 p = host_syscall(__NR_mmap, mm.brk_end_mapped, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~u64{0}, 0);
    if (p != static_cast<i64>(mm.brk_end_mapped)) {
      if (!is_error(p)) host_syscall(__NR_munmap, static_cast<u64>(p), bytes);
      return mm.brk;
    }
  } else if (end < mm.brk_end_mapped) {
    if (is_error(host_syscall(__NR_munmap, end, mm.brk_end_mapped - end))) return mm.brk;
    forget_range(end, mm.brk_end_mapped);
  }
  mm.brk_end_mapped = end;
  mm.brk = wanted;
  return wanted;
}

bool for_each_host_mapping(void (*f)(void*, u64, u64, bool), void* context) {
  const i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/maps"), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  // Every line starts with BEGIN-END in hexadecimal and " rwx"; the rest up to the newline is of no interest.
  enum { Begin, End, Permissions, Rest } state = Begin;
  u64 begin = 0, end = 0, letter = 0;
  char buffer[4096];
  for (i64 n; (n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(buffer), sizeof buffer)) > 0;) {
    for (i64 i = 0; i < n; i++) {
      const char c = buffer[i];
      if (c == '\n') {
        begin = end = letter = 0;
        state = Begin;
      } else if (state == Begin && c == '-') {
        state = End;
      } else if (state == End && c == ' ') {
        state = Permissions;
      } else if (state == Permissions) {
        if (++letter < 3) continue;
        state = Rest;
        f(context, begin, end, c == 'x');
      } else if (state != Rest) {
        u64& value = state == Begin ? begin : end;
        value = value << 4 | static_cast<u64>(c <= '9' ? c - '0' : c - 'a' + 10);
      }
    }
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  return true;
}

ChangeOfRange::ChangeOfRange(u64 begin, u64 end) : place_(g_changes[0].end ? 1 : 0) {
  g_changes[place_].begin = begin;
  __atomic_store_n(&g_changes[place_].end, end, __ATOMIC_RELEASE);
}
ChangeOfRange::~ChangeOfRange() { __atomic_store_n(&g_changes[place_].end, 0, __ATOMIC_RELEASE); }

void recover_address_space(Mm& mm) {
  bool of_heap = false;
  for (Range& change : g_changes) {
    forget_range(change.begin, change.end);
    of_heap |= change.end > mm.brk_start && change.begin < mm.brk_start + (u64{512} << 30);
    change.end = 0;
  }
  if (g_kernel_break || !of_heap) return;
  // The break's memory may have been mapped already, or be gone.
  struct Heap {
    u64 end;
  } heap{mm.brk_start};
  const bool known = for_each_host_mapping(
      [](void* context, u64 begin, u64 end, bool) {
        Heap& h = *static_cast<Heap*>(context);
        if (begin <= h.end && end > h.end) h.end = end;
      },
      &heap);
  if (!known) return;
  mm.brk_end_mapped = heap.end;
  if (mm.brk > heap.end) mm.brk = heap.end;
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
      [](void* context, u64 begin, u64 end, bool) {
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
