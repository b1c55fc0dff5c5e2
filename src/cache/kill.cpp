// SPDX-License-Identifier: MIT
// Killing translations whose guest code is gone or has changed, and what that takes: a window of the process's own, finding the
// regions of a range, undoing the jumps that lead into them.
//
// Guarantees: after kill_range nothing enters a killed region any more but threads that are inside of it or about to jump there,
// and these meet an int3 at the next boundary. The cost depends on what lies around the range, not on the window's size: javac
// kills 77,000 times in windows of thousands of regions, which took an eighth of its time when each was looked at.
// Deliberately not here: room of killed code is not used again; run/code_map.h gives whole windows back.
#include <linux/mman.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/file.h"
#include "cache/window.h"

namespace grus::cache {

template <typename T>
bool GrowingArray<T>::push(const T& v) {
  if (size == capacity) {
    u32 bigger = capacity ? capacity * 2 : static_cast<u32>(4096 / sizeof(T));
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
  data[size++] = v;
  return true;
}
template struct GrowingArray<Jump>;
template struct GrowingArray<RegionNode>;

namespace {

constexpr u32 kBlockWords = 1024;  // of guest code, per chain of regions
constexpr u32 kJumpPage = 4096;    // of host code, per chain of jumps into it

u64 heads_bytes(u64 chains) { return page_up(chains * sizeof(u32)); }
u64 blocks_of(const Window& w) { return ((w.guest_end - w.guest_begin) / 4 + kBlockWords - 1) / kBlockWords; }
u64 jump_pages_of(const Window& w) { return (u64{w.capacity} + kJumpPage - 1) / kJumpPage; }

// A chain's head and links are 1 + the number of a node, 0 at its end. The node first, then the head: a vfork child may be killed
// anywhere.
template <typename T>
bool chain(GrowingArray<T>& nodes, u32* head, T node) {
  node.next = *head;
  if (!nodes.push(node)) return false;
  __atomic_store_n(head, nodes.size, __ATOMIC_RELEASE);
  return true;
}

// Takes the jump that `*at` leads to out of its chain, for another one.
void free_jump(Window& w, u32* at) {
  const u32 number = *at;
  Jump& jump = w.jumps.data[number - 1];
  __atomic_store_n(at, jump.next, __ATOMIC_RELEASE);
  jump.next = w.free_jumps;
  __atomic_store_n(&w.free_jumps, number, __ATOMIC_RELEASE);
}

void undo_jump(Window& w, u32* at) {
  const Jump& jump = w.jumps.data[*at - 1];
  i32 distance = static_cast<i32>(jump.cold - (jump.site + 4));
  __atomic_store_n(reinterpret_cast<i32*>(jump.from->code + jump.site), distance, __ATOMIC_RELEASE);
  free_jump(w, at);
}

// The regions by block of guest code; false: no memory for that. Made when something is killed for the first time.
bool know_regions(Window& w) {
  if (w.region_heads) return true;
  w.region_heads = static_cast<u32*>(map_engine_pages(heads_bytes(blocks_of(w))));
  if (!w.region_heads) return false;
  w.for_each_region([&](Region& r) {
    if (r.dead != kDead) note_region(w, r);
    return w.region_heads == nullptr;
  });
  return w.region_heads != nullptr;
}

void forget_regions(Window& w) {
  if (w.region_heads) unmap_engine_pages(w.region_heads, heads_bytes(blocks_of(w)));
  if (w.region_nodes.data) unmap_engine_pages(w.region_nodes.data, page_up(w.region_nodes.capacity * sizeof(RegionNode)));
  w.region_heads = nullptr;
  w.region_nodes = {};
}

// Calls f for every live region that covers a word of [low, high), and for others.
template <typename F>
void for_each_region_at(Window& w, u32 low, u32 high, F f) {
  if (!know_regions(w)) {
    w.for_each_region([&](Region& r) {
      f(r);
      return false;
    });
    return;
  }
  for (u32 block = low / kBlockWords; block <= (high - 1) / kBlockWords; block++) {
    for (u32* at = &w.region_heads[block]; *at;) {
      RegionNode& node = w.region_nodes.data[*at - 1];
      f(*node.region);
      if (node.region->dead == kDead)
        *at = node.next;
      else
        at = &node.next;
    }
  }
}

// Jumps into `r`, which is dying, go to their cold stubs again.
void undo_jumps(Window& w, const Region& r) {
  if (!w.jump_heads) return;
  for (u32 page = r.host_begin / kJumpPage; page <= (r.host_end - 1) / kJumpPage; page++) {
    for (u32* at = &w.jump_heads[page]; *at;) {
      Jump& jump = w.jumps.data[*at - 1];
      if (jump.target < r.host_begin || jump.target >= r.host_end) {
        at = &jump.next;
        continue;
      }
      undo_jump(w, at);
    }
  }
}

}  // namespace

void note_region(Window& w, Region& r) {
  if (!w.region_heads) return;
  for (u32 block = r.guest_low / kBlockWords; block <= (r.guest_high - 1) / kBlockWords && block < blocks_of(w); block++)
    if (!chain(w.region_nodes, &w.region_heads[block], RegionNode{&r, 0})) return forget_regions(w);
}

bool remember_jump(Window& from, u32 site, u32 cold, Window& to, u64 target) {
  if (!to.jump_heads) to.jump_heads = static_cast<u32*>(map_engine_pages(heads_bytes(jump_pages_of(to))));
  if (!to.jump_heads) return false;
  if (&from != &to) from.links_out = true;
  u32 offset = to.offset_of(target), number = to.free_jumps;
  u32* head = &to.jump_heads[offset / kJumpPage];
  if (!number) return chain(to.jumps, head, Jump{&from, site, cold, offset, 0});
  Jump& jump = to.jumps.data[number - 1];
  __atomic_store_n(&to.free_jumps, jump.next, __ATOMIC_RELEASE);
  jump = Jump{&from, site, cold, offset, *head};
  __atomic_store_n(head, number, __ATOMIC_RELEASE);
  return true;
}

void link_within(Window& w, u32 site, u32 cold, u64 target) {
  // A jump to another window was remembered when it was made.
  if (!w.contains_host(target) || remember_jump(w, site, cold, w, target)) return;
  __atomic_store_n(reinterpret_cast<i32*>(w.code + site), static_cast<i32>(cold - (site + 4)), __ATOMIC_RELEASE);
}

void undo_all_jumps(Window& w) {
  for (u64 page = 0; w.jump_heads && page < jump_pages_of(w); page++)
    while (w.jump_heads[page]) undo_jump(w, &w.jump_heads[page]);
}

void forget_jumps_from_forgotten(Window& to) {
  if (!to.jumps.size) return;
  for (u64 page = 0; to.jump_heads && page < jump_pages_of(to); page++) {
    for (u32* at = &to.jump_heads[page]; *at;) {
      Jump& jump = to.jumps.data[*at - 1];
      if (jump.from->forgotten)
        free_jump(to, at);
      else
        at = &jump.next;
    }
  }
}

void forget_killing(Window& w) {
  forget_regions(w);
  if (w.jump_heads) unmap_engine_pages(w.jump_heads, heads_bytes(jump_pages_of(w)));
  if (w.jumps.data) unmap_engine_pages(w.jumps.data, page_up(w.jumps.capacity * sizeof(Jump)));
}

bool detach(Window& w) {
  if (!w.header || w.detached) return true;
  u64 index_bytes = page_up(w.guest_end - w.guest_begin);
  // The index before the counter before the code: whatever the copies name, they hold.
  u8* index = static_cast<u8*>(map_engine_pages(index_bytes));
  if (!index) return false;
  __builtin_memcpy(index, w.index, index_bytes);
  u32 used = __atomic_load_n(&w.header->code_used, __ATOMIC_ACQUIRE);
  if (used > w.file.end) used = w.file.end;
  u64 code_bytes = page_up(used);
  u8* code = static_cast<u8*>(map_engine_pages(code_bytes, PageUse::Code));
  if (!code) {
    unmap_engine_pages(index, index_bytes);
    return false;
  }
  // A page that cannot be read (a hole on a full tmpfs) holds nothing that anything leads to.
  for (u32 at = 0; at < used; at += kGuestPageSize) {
    u32 bytes = used - at < kGuestPageSize ? used - at : kGuestPageSize;
    (void)copy_from_guest(code + at, GuestAddr(ptr(w.code) + at), bytes);
  }
  // Threads may be anywhere in the code: the copy takes its place at once.
  constexpr u64 kHow = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (is_error(host_syscall(__NR_mremap, ptr(code), code_bytes, code_bytes, kHow, ptr(w.code)))) return false;
  if (is_error(host_syscall(__NR_mremap, ptr(index), index_bytes, index_bytes, kHow, ptr(w.index)))) return false;
  stop_publishing(w);
  w.detached = true;
  w.code_writable = true;
  w.file.used = used;
  u64 words = (w.guest_end - w.guest_begin) / 4;
  w.for_each_region([&](Region& r) {
    for (u32 i = 0; i < r.exit_count; i++) {
      const Exit& e = r.exits()[i];
      u32 site = r.host_begin + e.site, cold = r.host_begin + e.cold;
      i32* place = reinterpret_cast<i32*>(w.code + site);
      i64 target = i64{site} + 4 + *place;
      if (target == cold) continue;
      // Linked, while the copy was made, to what may not be in it: only what the copied index named is there for certain.
      bool named = e.target >= 0 && static_cast<u64>(e.target) < words && w.index[e.target] == target;
      if (w.file.has(site) && target < w.file.end && !named)
        __atomic_store_n(place, static_cast<i32>(cold - (site + 4)), __ATOMIC_RELEASE);
      else
        link_within(w, site, cold, ptr(w.code) + static_cast<u64>(target));
    }
    return false;
  });
  return true;
}

u32 kill_range(Window& w, u64 begin, u64 end) {
  if (begin < w.guest_begin) begin = w.guest_begin;
  if (end > w.guest_end) end = w.guest_end;
  if (begin >= end) return 0;
  CHECK(detach(w));
  u32 low = static_cast<u32>((begin - w.guest_begin) / 4), high = static_cast<u32>((end - w.guest_begin + 3) / 4);
  // A private page of the index lacks what others published since: then only the regions tell.
  bool any = w.header != nullptr;
  for (u32 g = low; g < high && !any; g++) any = w.index[g] != 0;
  if (!any) return 0;  // JITs flush far more lines than were ever executed
  u32 killed = 0;
  const u32 words = static_cast<u32>((w.guest_end - w.guest_begin) / 4);
  for_each_region_at(w, low, high, [&](Region& r) {
    if (r.dead == kDead || r.guest_high <= low || r.guest_low >= high) return;
    const InsnMark* marks = r.marks();
    bool hit = false;
    for (u32 i = 0; i < r.mark_count && !hit; i++) {
      u32 g = r.guest_low + marks[i].guest;
      hit = g >= low && g < high;
    }
    if (!hit) return;
    __atomic_store_n(&r.dead, kDying, __ATOMIC_RELEASE);
    killed++;
    undo_jumps(w, r);
    u8* base = w.code + r.host_begin;
    for (u32 i = 0; i < r.mark_count; i++) {
      u32 g = r.guest_low + marks[i].guest;
      u32 host = marks[i].host;
      u32 next = i + 1 < r.mark_count ? marks[i + 1].host : r.body_end - r.host_begin;
      // Every region that covers a word of the range dies now; other words may be covered by regions that live on.
      // A way out behind the window's last instruction has a mark too.
      i32 entry = g < words ? w.index[g] : 0;
      bool own_entry = entry > 0 && static_cast<u32>(entry) >= r.host_begin && static_cast<u32>(entry) < r.host_end;
      if (g >= low && g < high)
        __atomic_store_n(&w.index[g], 0, __ATOMIC_RELEASE);
      else if (own_entry)
        __atomic_store_n(&w.index[g], kCovered, __ATOMIC_RELEASE);
      if (next == host) continue;  // no host code of its own
      __atomic_store_n(base + host, u8{0xcc}, __ATOMIC_RELEASE);
      if (marks[i].call) __atomic_store_n(base + next - kLandingBytes, u8{0xcc}, __ATOMIC_RELEASE);
    }
    if (w.own.has(r.host_begin)) w.dead_bytes += r.host_end - r.host_begin;
    __atomic_store_n(&r.dead, kDead, __ATOMIC_RELEASE);
  });
  return killed;
}

}  // namespace grus::cache
