// SPDX-License-Identifier: MIT
// The engine arena is handed out by a moving address: MAP_FIXED_NOREPLACE finds occupied places, so there is
// no free list and freeing is munmap. 1 TiB is some 500,000 threads before the address wraps around to what
// was freed first. When the arena cannot be had (an address-space limit, a strange kernel), any address
// serves.
#include "base/memory.h"

#include <linux/mman.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/switched_array.h"

extern "C" [[gnu::visibility("hidden")]] char __ehdr_start[];
extern "C" [[gnu::visibility("hidden")]] char _end[];

namespace grus {
namespace {

constexpr u64 kAlign = 64 * 1024;
constexpr int kErrorExists = -17;

Lock g_pages_lock;  // arena address, room for data and range table
u64 g_next;

// Most data comes out of mappings of this size: a mapping costs 2 us at its end and at each fork, a page that nobody
// touches nothing. The first is part of the image.
constexpr u64 kRoom = 1 << 20, kMostInRoom = kRoom / 4;
alignas(kAlign) [[gnu::section(".bss.room")]] u8 g_first_room[kRoom];
u8 *g_room = g_first_room, *g_room_end = g_first_room + kRoom;

i64 map(u64 at, u64 bytes, u64 prot, u64 flags) {
  return host_syscall(__NR_mmap, at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags,
                      ~u64{0}, 0);
}

void* map_in_arena_locked(size_t bytes, u64 prot) {
  u64 step = (bytes + kAlign - 1) / kAlign * kAlign + kAlign;  // with the gap below
  for (int attempts = 0; attempts < 4096; attempts++) {
    if (g_next + step > address_map::kNeverMapped) g_next = address_map::kEngineArena;
    u64 at = (g_next + 2 * kAlign - 1) & ~(kAlign - 1);
    g_next = at - kAlign + step;
    i64 p = map(at, bytes, prot, MAP_FIXED_NOREPLACE);
    if (static_cast<u64>(p) == at) return reinterpret_cast<void*>(p);
    if (!is_error(p)) {  // kernels before 4.17 take the flag for a hint
      host_syscall(__NR_munmap, static_cast<u64>(p), bytes);
    } else if (p != kErrorExists) {
      break;
    }
  }
  return nullptr;
}

// For the table of ranges itself.
void* map_table(size_t bytes) {
  if (void* p = map_in_arena_locked(bytes, PROT_READ | PROT_WRITE)) return p;
  i64 p = map(0, bytes, PROT_READ | PROT_WRITE, 0);
  if (is_error(p)) fatal(kOwnFailure, "out of memory");
  return reinterpret_cast<void*>(p);
}
void unmap_table(void* p, size_t bytes) { host_syscall(__NR_munmap, ptr(p), bytes); }

Range g_first_ranges[2][48];
constinit RangeSet<map_table, unmap_table> g_ranges(g_first_ranges[0], g_first_ranges[1], 48);

void know_fixed_ranges() {
  if (g_ranges.count()) return;
  u64 image = page_down(ptr(__ehdr_start)), end = page_up(ptr(_end));
  g_ranges.add(image, end);
  // The image lies first in the arena, and what a short program needs in the same 2 MiB: one table of pages.
  g_next = end;
  g_ranges.add(address_map::kEngineArena, address_map::kEngineArena + address_map::kEngineArenaSize);
}

// With the gap below.
void* map_apart_locked(size_t bytes, PageUse use) {
  u64 prot = PROT_READ | PROT_WRITE | (use == PageUse::Code ? PROT_EXEC : 0);
  if (void* p = map_in_arena_locked(bytes, prot)) return p;
  // Anywhere: map more, then cut to the alignment. The gap below stays mapped but inaccessible.
  i64 p = map(0, bytes + 2 * kAlign, PROT_NONE, 0);
  if (is_error(p)) return nullptr;
  u64 base = static_cast<u64>(p);
  u64 at = (base + 2 * kAlign - 1) / kAlign * kAlign;
  if (is_error(host_syscall(__NR_mprotect, at, bytes, prot))) {
    host_syscall(__NR_munmap, base, bytes + 2 * kAlign);
    return nullptr;
  }
  host_syscall(__NR_munmap, at + bytes, base + 2 * kAlign - at);
  g_ranges.add(base, at + bytes);
  return reinterpret_cast<void*>(at);
}

}  // namespace

void* map_engine_pages(size_t bytes, PageUse use) {
  bytes = page_up(bytes);
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  if (use != PageUse::Data || bytes > kMostInRoom) return map_apart_locked(bytes, use);
  if (g_room + bytes > g_room_end) {
    void* room = map_apart_locked(kRoom, use);
    if (!room) return map_apart_locked(bytes, use);
    g_room = static_cast<u8*>(room);
    g_room_end = g_room + kRoom;
  }
  void* p = g_room;
  g_room += (bytes + kAlign - 1) / kAlign * kAlign;
  return p;
}

void* map_engine_file(size_t bytes, int fd, u64 prot, u64 flags) {
  u64 step = (page_up(bytes) + kAlign - 1) / kAlign * kAlign + kAlign;
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  for (int attempts = 0; attempts < 64; attempts++) {
    if (g_next + step > address_map::kNeverMapped) g_next = address_map::kEngineArena;
    u64 at = (g_next + 2 * kAlign - 1) & ~(kAlign - 1);
    g_next = at - kAlign + step;
    i64 p = host_syscall(__NR_mmap, at, bytes, prot, flags | MAP_FIXED_NOREPLACE, static_cast<u64>(fd), 0);
    if (static_cast<u64>(p) == at) return reinterpret_cast<void*>(p);
    if (!is_error(p)) host_syscall(__NR_munmap, static_cast<u64>(p), bytes);
    if (is_error(p) && p != kErrorExists) break;
  }
  return nullptr;
}

void* map_engine_table(size_t bytes) {
  void* p = map_engine_pages(bytes);
  if (!p) fatal(kOwnFailure, "out of memory");
  return p;
}

void unmap_engine_pages(void* p, size_t bytes) {
  bytes = page_up(bytes);
  u64 a = ptr(p);
  if (a - address_map::kEngineArena >= address_map::kEngineArenaSize)
    release_engine_range(a, bytes);
  else  // or what lies behind it in its room, to the next multiple of kAlign, would stay a mapping for ever
    bytes = (bytes + kAlign - 1) / kAlign * kAlign;
  // A room stays one mapping. Its addresses are not handed out again.
  if (a - ptr(g_first_room) < kRoom)
    host_syscall(__NR_madvise, a, bytes, MADV_DONTNEED);
  else
    host_syscall(__NR_munmap, a, bytes);
}

bool is_engine_memory(u64 a, u64 n) {
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  u32 i = g_ranges.first_ending_after(a);
  if (n == 0 || i == g_ranges.count()) return false;
  return g_ranges[i].begin <= a || g_ranges[i].begin - a < n;
}

bool next_engine_range(u64 a, u64* begin, u64* end) {
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  const u32 i = g_ranges.first_ending_after(a);
  if (i == g_ranges.count()) return false;
  *begin = g_ranges[i].begin;
  *end = g_ranges[i].end;
  return true;
}

void claim_engine_range(u64 a, u64 n) {
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  g_ranges.add(a, a + n);
}

void release_engine_range(u64 a, u64 n) {
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  g_ranges.remove(a, a + n);
}

void for_each_engine_range(void (*f)(void*, u64, u64), void* context) {
  LockGuard guard(g_pages_lock);
  know_fixed_ranges();
  for (u32 i = 0; i < g_ranges.count(); i++) f(context, g_ranges[i].begin, g_ranges[i].end);
}

// --- small objects
// ---------------------------------------------------------------------------------------------------
namespace {

Lock g_objects_lock;
constexpr unsigned kSmallestShift = 5, kClasses = 10;  // 32 bytes to 16 KiB
struct Free {
  Free* next;
};
Free* g_free[kClasses];
// The first chunk is part of the image: a short program never maps another.
alignas(64) [[gnu::section(".bss.first")]] u8 g_first_chunk[48 * 1024];
u8* g_chunk = g_first_chunk;
u8* g_chunk_end = g_first_chunk + sizeof g_first_chunk;

unsigned class_of(size_t bytes) {
  unsigned c = 0;
  while ((size_t{1} << (c + kSmallestShift)) < bytes) c++;
  return c;
}

}  // namespace

void* engine_alloc(size_t bytes) {
  unsigned c = class_of(bytes);
  if (c >= kClasses) {
    void* p = map_engine_pages(bytes);
    if (!p) fatal(kOwnFailure, "out of memory");
    return p;
  }
  size_t size = size_t{1} << (c + kSmallestShift);
  LockGuard guard(g_objects_lock);
  if (Free* p = g_free[c]) {
    g_free[c] = p->next;
    __builtin_memset(static_cast<void*>(p), 0, size);
    return p;
  }
  u8* at = reinterpret_cast<u8*>((ptr(g_chunk) + 63) & ~u64{63});
  if (at + size > g_chunk_end) {
    at = static_cast<u8*>(map_engine_pages(256 * 1024));
    if (!at) fatal(kOwnFailure, "out of memory");
    g_chunk_end = at + 256 * 1024;
  }
  g_chunk = at + size;
  return at;
}

void engine_free(void* p, size_t bytes) {
  if (!p) return;
  unsigned c = class_of(bytes);
  if (c >= kClasses) return unmap_engine_pages(p, bytes);
  LockGuard guard(g_objects_lock);
  Free* f = static_cast<Free*>(p);
  f->next = g_free[c];
  g_free[c] = f;
}

void register_memory_locks() {
  register_lock(LockOrder::Objects, g_objects_lock);
  register_lock(LockOrder::Pages, g_pages_lock);
}

}  // namespace grus
