// SPDX-License-Identifier: MIT
#include "cache/window.h"

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"

namespace grus::cache {
namespace {

constexpr u32 kLandingBytes = 5;  // lea rsp,[rsp+8] behind every translated call
constexpr i32 kProtRwx = 7, kMapPrivateAnonFixedNoReplace = 0x2 | 0x20 | 0x4000 | 0x100000;

// Beside the module if that room is free: one constant delta, so that cached code reaches its module rip-relative.
u8* map_beside(u64 guest_begin, u64 bytes) {
  u64 want = page_down(guest_begin) + address_map::kWindowDelta;
  i64 r = host_syscall(__NR_mmap, want, bytes, kProtRwx, kMapPrivateAnonFixedNoReplace, static_cast<u64>(-1), 0);
  if (is_error(r)) return nullptr;
  if (static_cast<u64>(r) != want) {  // a kernel without MAP_FIXED_NOREPLACE took it as a hint
    host_syscall(__NR_munmap, static_cast<u64>(r), bytes);
    return nullptr;
  }
  claim_engine_range(want, bytes);
  return reinterpret_cast<u8*>(want);
}

}  // namespace

template <typename T>
bool GrowingArray<T>::append(const T* v, u32 n) {
  if (size + n > capacity) {
    u32 bigger = capacity ? capacity * 2 : static_cast<u32>(65536 / sizeof(T));
    T* p = static_cast<T*>(map_engine_pages(page_up(bigger * sizeof(T))));
    if (!p) return false;
    // In this order: a vfork child may be killed anywhere, and its parent goes on with what is there.
    T* old = data;
    u32 old_capacity = capacity;
    if (old) __builtin_memcpy(p, old, size * sizeof(T));
    data = p;
    capacity = bigger;
    if (old) unmap_engine_pages(old, page_up(old_capacity * sizeof(T)));
  }
  for (u32 i = 0; i < n; i++) data[size++] = v[i];
  return true;
}
template struct GrowingArray<Region>;
template struct GrowingArray<InsnMark>;
template struct GrowingArray<Link>;

Window* make_window(u64 guest_begin, u64 guest_end, u8 fp_context) {
  Window* w = engine_new<Window>();
  w->guest_begin = guest_begin;
  w->guest_end = guest_end;
  w->fp_context = fp_context;
  u64 bytes = page_up(guest_end - guest_begin);
  // Translated code is about three times the size of the guest's; only what runs is ever touched.
  u64 room = 3 * bytes + (256 << 10);
  if (room > (u64{1} << 30)) room = u64{1} << 30;
  bool zone = guest_begin < address_map::kBrkZone || (guest_begin >= address_map::kModuleZones &&
                                                      guest_begin < address_map::kEngineArena);
  if (zone && fp_context == 0) {
    for (u64 r = room; r >= bytes && !w->code; r -= page_up(bytes / 2 + 1)) {
      w->code = map_beside(guest_begin, r);
      w->capacity = static_cast<u32>(r);
    }
    w->near = w->code != nullptr;
  }
  if (!w->code) {
    w->code = static_cast<u8*>(map_engine_pages(room, PageUse::Code));
    w->capacity = static_cast<u32>(room);
    w->arena = true;
  }
  w->index = static_cast<i32*>(map_engine_pages(bytes));
  if (!w->code || !w->index) {
    destroy_window(w);
    return nullptr;
  }
  w->used = 64;  // offset 0 means "unknown" in the index
  return w;
}

void destroy_window(Window* w) {
  if (w->code && w->arena) unmap_engine_pages(w->code, w->capacity);
  if (w->code && !w->arena) {
    host_syscall(__NR_munmap, ptr(w->code), w->capacity);
    release_engine_range(ptr(w->code), w->capacity);
  }
  if (w->index) unmap_engine_pages(w->index, page_up(w->guest_end - w->guest_begin));
  if (w->regions.data) unmap_engine_pages(w->regions.data, page_up(w->regions.capacity * sizeof(Region)));
  if (w->marks.data) unmap_engine_pages(w->marks.data, page_up(w->marks.capacity * sizeof(InsnMark)));
  if (w->links.data) unmap_engine_pages(w->links.data, page_up(w->links.capacity * sizeof(Link)));
  engine_delete(w);
}

Region* Window::region_of_host(u64 host) {
  u32 offset = static_cast<u32>(host - reinterpret_cast<u64>(code));
  u32 low = 0, high = regions.size;
  while (low < high) {
    u32 mid = (low + high) / 2;
    if (regions.data[mid].host_end <= offset)
      low = mid + 1;
    else
      high = mid;
  }
  if (low == regions.size || regions.data[low].host_begin > offset) return nullptr;
  return &regions.data[low];
}

bool locate(Window& w, u64 host, Place* out) {
  Region* r = w.region_of_host(host);
  if (!r) return false;
  *out = Place{};
  out->window = &w;
  out->region = r;
  u32 offset = static_cast<u32>(host - reinterpret_cast<u64>(w.code));
  if (offset >= r->body_end) {
    out->cold = true;
    return true;
  }
  u32 at = offset - r->host_begin;
  const InsnMark* marks = w.marks.data + r->mark_begin;
  u32 low = 0, high = r->mark_count;  // the last mark at or before `at`
  while (high - low > 1) {
    u32 mid = (low + high) / 2;
    if (marks[mid].host <= at)
      low = mid;
    else
      high = mid;
  }
  const InsnMark& m = marks[low];
  out->guest_pc = w.guest_begin + u64{4} * (r->guest_low + m.guest);
  out->boundary = m.host == at && !m.inside;
  out->flags = static_cast<FlagsForm>(m.flags);
  if (m.call) {
    u32 end = low + 1 < r->mark_count ? marks[low + 1].host : r->body_end - r->host_begin;
    if (at == end - kLandingBytes) {
      out->landing = true;
      out->guest_pc += 4;
    }
  }
  return true;
}

u32 kill_range(Window& w, u64 begin, u64 end) {
  if (begin < w.guest_begin) begin = w.guest_begin;
  if (end > w.guest_end) end = w.guest_end;
  if (begin >= end) return 0;
  u32 low = static_cast<u32>((begin - w.guest_begin) / 4), high = static_cast<u32>((end - w.guest_begin + 3) / 4);
  bool any = false;
  for (u32 g = low; g < high && !any; g++) any = w.index[g] != 0;
  if (!any) return 0;  // JITs flush far more lines than were ever executed
  u32 killed = 0;
  for (u32 n = 0; n < w.regions.size; n++) {
    Region& r = w.regions.data[n];
    if (r.dead || r.guest_high <= low || r.guest_low >= high) continue;
    const InsnMark* marks = w.marks.data + r.mark_begin;
    bool hit = false;
    for (u32 i = 0; i < r.mark_count && !hit; i++) {
      u32 g = r.guest_low + marks[i].guest;
      hit = g >= low && g < high;
    }
    if (!hit) continue;
    r.dead = true;
    killed++;
    u8* base = w.code + r.host_begin;
    for (u32 i = 0; i < r.mark_count; i++) {
      u32 g = r.guest_low + marks[i].guest;
      u32 host = marks[i].host;
      u32 next = i + 1 < r.mark_count ? marks[i + 1].host : r.body_end - r.host_begin;
      i32 entry = w.index[g];
      if (entry == kCovered || (entry > 0 && static_cast<u32>(entry) >= r.host_begin &&
                                static_cast<u32>(entry) < r.host_end))
        __atomic_store_n(&w.index[g], 0, __ATOMIC_RELEASE);
      if (next == host) continue;  // no host code of its own
      __atomic_store_n(base + host, u8{0xcc}, __ATOMIC_RELEASE);
      if (marks[i].call) __atomic_store_n(base + next - kLandingBytes, u8{0xcc}, __ATOMIC_RELEASE);
    }
  }
  return killed;
}

void unlink_dead(Window& from, Window& to) {
  u32 kept = 0;
  for (u32 i = 0; i < from.links.size; i++) {
    Link l = from.links.data[i];
    Region* r = to.contains_host(l.target) ? to.region_of_host(l.target) : nullptr;
    if (r && r->dead) {
      i32 d = static_cast<i32>(l.cold - (l.site + 4));
      __atomic_store_n(reinterpret_cast<i32*>(from.code + l.site), d, __ATOMIC_RELEASE);
    } else {
      from.links.data[kept++] = l;
    }
  }
  from.links.size = kept;
}

}  // namespace grus::cache
