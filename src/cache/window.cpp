// SPDX-License-Identifier: MIT
#include "cache/window.h"

#include <linux/errno.h>
#include <linux/mman.h>

#include "base/address_map.h"
#include "base/guest_memory.h"
#include "base/hash.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/file.h"

namespace grus::cache {
namespace {

constexpr u64 kProtRwx = PROT_READ | PROT_WRITE | PROT_EXEC;
// Taken at once where several processes publish at the same time: little at first, since what is left at a process's end is lost.
constexpr u32 kFirstClaim = 4 << 10, kLargestClaim = 32 << 10;

// Taken at once, and filled with zeros by one system call, where a process publishes much. Pages that are written for the first time
// through a mapping cost a fault and some 4 us each; written by the file system, in larger pieces, 0.6 us. A quarter of what it published
// so far: no more than that is left unused at its end.
constexpr u32 kFillFrom = 64 << 10, kLargestFill = 1 << 20;
constexpr u32 kLikelyRegion = 2 << 10;

constexpr u64 kRegionsUntilDropped = 1024, kRegionsUntilIndexDropped = 5120;  // some 1 MiB of code, 3 of index

constexpr u32 line_up(u32 offset) { return (offset + kLine - 1) & ~(kLine - 1); }

// Beside the module if that room is free: one constant delta, so that cached code reaches its module rip-relative.
u8* map_beside(u64 guest_begin, u64 bytes) {
  u64 want = page_down(guest_begin) + address_map::kWindowDelta;
  i64 r = host_syscall(__NR_mmap, want, bytes, kProtRwx,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~u64{0}, 0);
  if (is_error(r)) return nullptr;
  if (static_cast<u64>(r) != want) {  // a kernel without MAP_FIXED_NOREPLACE took it as a hint
    host_syscall(__NR_munmap, static_cast<u64>(r), bytes);
    return nullptr;
  }
  claim_engine_range(want, bytes);
  return reinterpret_cast<u8*>(want);
}

void unmap_beside(u8* code, u64 bytes) {
  host_syscall(__NR_munmap, ptr(code), bytes);
  release_engine_range(ptr(code), bytes);
}

constexpr u32 kIndexEntries = kGuestPageSize / sizeof(i32);  // of a page
u64 used_index_bytes(const Window& w) { return (w.guest_end - w.guest_begin) / kGuestPageSize / 64 * 8 + 8; }

// Tables of the own area: few windows with a file ever need them.
bool prepare_own(Window& w) {
  if (w.own.lines) return true;
  u32 bytes = w.own.end - w.own.begin;
  if (!bytes) return false;
  w.own.lines = static_cast<u32*>(map_engine_pages(lines_bytes(bytes)));
  w.own.records = static_cast<u8*>(map_engine_pages(page_up(bytes / 2)));
  w.own.records_end = bytes / 2;
  w.own.used = w.own.begin + kCodeBegin;  // offset 0 means "unknown" in the index
  return w.own.lines && w.own.records;
}

// Is all of the page of code that holds `offset` published? Nobody writes there any more then but to link exits, and a private
// copy of the page lacks nothing. The first page, which begins with what is no region, is not worth looking at.
bool is_settled(const Window& w, u32 offset) {
  const u32* line = w.file.lines + page_down(offset) / kLine;
  for (u32 i = 0; i < kGuestPageSize / kLine; i++)
    if (!__atomic_load_n(&line[i], __ATOMIC_ACQUIRE)) return false;
  return true;
}

// `shared` is lost (a full disk, a truncated file, no room left): what is translated from now on is this process's own.

bool make_code_writable(Window& w) {
  if (w.code_writable) return true;
  w.code_writable = !is_error(host_syscall(__NR_mprotect, ptr(w.code), w.file.end, kProtRwx));
  return w.code_writable;
}

template <typename T>
bool put(u8* to, const T& value) {
  return !store_guest(GuestAddr(ptr(to)), value);
}
bool put_bytes(u8* to, const void* from, size_t n) { return !copy_to_guest(GuestAddr(ptr(to)), from, n); }

// Takes `bytes` of a counter in the file's header. false: not available.
bool take(u8* counter, u32 bytes, u32 end, u32* taken) {
  u32 have;
  if (load_guest(GuestAddr(ptr(counter)), &have)) return false;
  for (;;) {
    if (have > end || bytes > end - have) return false;
    u32 expected = have, desired = have + bytes;
    if (compare_exchange_guest(GuestAddr(ptr(counter)), 4, &expected, &desired)) return false;
    if (expected == have) break;
    have = expected;
  }
  *taken = have;
  return true;
}

u8* header_field(const Window& w, size_t offset) { return w.shared + offset; }

// Good for a while, by the time-stamp counter: this is done for every region and every link. kOwnChange is several times more.
bool stamp(Window& w) {
  constexpr u64 kAWhile = 4'000'000;
  u64 now = __builtin_ia32_rdtsc();
  if (w.stamped && now - w.stamped < kAWhile) return true;
  w.stamped = now;
  return put(header_field(w, offsetof(Header, written_ns)), realtime_ns());
}

// Takes room in the file, and has it filled. What was taken before goes on growing if nobody else took any since.
bool claim_ahead(Window& w) {
  if (w.unfillable || w.filled < kFillFrom) return false;
  i64 fd = reopen_cache_file(w);
  w.unfillable = is_error(fd) && fd != -EBADF;
  if (is_error(fd)) return false;
  u64 quarter = w.filled / 4;
  u32 bytes = quarter < kFillFrom ? kFillFrom : quarter > kLargestFill ? kLargestFill : static_cast<u32>(page_up(quarter)), at;
  bool ok = stamp(w) && take(header_field(w, offsetof(Header, code_used)), bytes, w.layout.code_bytes, &at);
  if (ok) {
    if (at != w.claimed_end) w.claimed = at;
    w.claimed_end = at + bytes;
    fill_cache_file(fd, w.layout.code + at, bytes);
    u32 records = bytes / 8 * 5;  // records take 0.55 times the room of the code
    if (w.claimed_records_end - w.claimed_records < records / 2 &&
        take(header_field(w, offsetof(Header, records_used)), records, w.layout.records_bytes, &at)) {
      if (at != w.claimed_records_end) w.claimed_records = at;
      w.claimed_records_end = at + records;
      fill_cache_file(fd, w.layout.records + at, records);
    }
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  return ok;
}

void give_back(u8* counter, u32 begin, u32 end) {
  u32 expected = end;
  if (begin < end) (void)compare_exchange_guest(GuestAddr(ptr(counter)), 4, &expected, &begin);
}

bool take_record(Window& w, u32 bytes, u32* at) {
  if (bytes > w.claimed_records_end - w.claimed_records)
    return take(header_field(w, offsetof(Header, records_used)), bytes, w.layout.records_bytes, at);
  *at = w.claimed_records;
  w.claimed_records += bytes;
  return true;
}

// Pages that were written count twice towards this process's memory while both views have them. The streams - lines, records, code -
// are not needed behind where they grow; the index is used all over, and each of its pages costs a fault when it is needed again.
void drop_pages(const Window& w) {
  auto drop = [](u64 begin, u64 bytes) { host_syscall(__NR_madvise, begin, bytes, MADV_DONTNEED); };
  if (w.regions_published % kRegionsUntilDropped == 0) {
    drop(ptr(w.shared) + w.layout.lines, w.layout.total - w.layout.lines);
    drop(ptr(w.header) + w.layout.lines, w.layout.code - w.layout.lines);
  }
  if (w.regions_published % kRegionsUntilIndexDropped == 0) {
    drop(ptr(w.shared), w.layout.lines);
    if (!w.own.lines) drop(ptr(w.index), w.layout.lines - w.layout.index);  // entries of the own area are nowhere else
  }
}

Published publish_to_file(Window& w, const Room& room, const Draft& d) {
  u32 end = line_up(room.begin + d.bytes), size = Region::size_of(d.mark_count, d.exit_count), record;
  if (room.claimed) {
    if (end > w.claimed_end) {
      if (!claim_ahead(w)) w.claimed = w.claimed_end = 0;
      if (room.begin != w.claimed || end > w.claimed_end) return Published::Again;
    }
    w.claimed = end;
  } else {
    u32 expected = room.begin;
    if (compare_exchange_guest(GuestAddr(ptr(header_field(w, offsetof(Header, code_used)))), 4, &expected, &end)) {
      stop_publishing(w);
      return Published::Again;
    }
    if (expected != room.begin) {
      // Somebody else publishes too: take enough for a while.
      w.claim_bytes = w.claim_bytes == 0 ? kFirstClaim : w.claim_bytes < kLargestClaim ? 2 * w.claim_bytes : kLargestClaim;
      if (take(header_field(w, offsetof(Header, code_used)), w.claim_bytes, w.layout.code_bytes, &w.claimed))
        w.claimed_end = w.claimed + w.claim_bytes;
      return Published::Again;
    }
  }
  Region r{};
  r.bytes = size;
  r.host_begin = room.begin;
  r.host_end = room.begin + d.bytes;
  r.body_end = room.begin + d.body_bytes;
  r.guest_low = d.guest_low;
  r.guest_high = d.guest_high;
  r.entry = d.entry;
  r.mark_count = static_cast<u16>(d.mark_count);
  r.exit_count = static_cast<u16>(d.exit_count);
  r.checksum = checksum_of(r, d.marks, d.exits, d.code);

  u8* base = w.shared;
  bool ok = stamp(w) && take_record(w, size, &record) &&
            put_bytes(base + w.layout.code + room.begin, d.code, d.bytes);
  if (ok) {
    u8* to = base + w.layout.records + record;
    ok = put_bytes(to, &r, sizeof r) && put_bytes(to + sizeof r, d.marks, d.mark_count * sizeof(InsnMark)) &&
         put_bytes(to + sizeof r + d.mark_count * sizeof(InsnMark), d.exits, d.exit_count * sizeof(Exit));
  }
  u8* lines = base + w.layout.lines;
  for (u32 at = room.begin; at < end && ok; at += kLine) ok = put(lines + at / kLine * 4, record + 1);
  // First what is covered, then the entries: whoever finds an entry finds all of its region covered.
  constexpr u32 kMost = 128;
  u32 fresh = 0;
  u32 at[kMost];
  i32 values[kMost];
  auto put_words = [&](u32 n) { return ok && !store_guest_words(GuestAddr(ptr(base) + w.layout.index), at, values, n); };
  CHECK(d.word_count <= kMost);
  for (u32 i = 0; i < d.word_count; i++) {
    if (w.index[d.words[i]]) continue;
    at[fresh] = d.words[i];
    values[fresh++] = kCovered;
  }
  ok = put_words(fresh);
  u32 entries = 0;
  for (u32 i = 0; i < d.word_count; i++) {
    if (d.hosts[i] < 0) continue;
    at[entries] = d.words[i];
    values[entries++] = static_cast<i32>(room.begin) + d.hosts[i];
  }
  ok = put_words(entries);
  if (!ok) {
    stop_publishing(w);
    return Published::Again;
  }
  Header* h = reinterpret_cast<Header*>(base);
  __atomic_fetch_add(&h->insns_translated, d.word_count, __ATOMIC_RELAXED);
  __atomic_fetch_add(&h->insns_distinct, fresh, __ATOMIC_RELAXED);
  __atomic_fetch_add(&h->regions, 1, __ATOMIC_RELAXED);
  w.insns_distinct += fresh;
  w.regions_published++;
  w.filled += end - room.begin;
  drop_pages(w);
  return Published::Done;
}

Published publish_own(Window& w, const Room& room, const Draft& d) {
  Area& a = w.own;
  u32 size = Region::size_of(d.mark_count, d.exit_count);
  if (room.begin + d.bytes > a.end || size > a.records_end - a.records_used) return Published::Full;
  __builtin_memcpy(w.code + room.begin, d.code, d.bytes);
  Region* r = reinterpret_cast<Region*>(a.records + a.records_used);
  *r = Region{};
  r->bytes = size;
  r->host_begin = room.begin;
  r->host_end = room.begin + d.bytes;
  r->body_end = room.begin + d.body_bytes;
  r->guest_low = d.guest_low;
  r->guest_high = d.guest_high;
  r->entry = d.entry;
  r->mark_count = static_cast<u16>(d.mark_count);
  r->exit_count = static_cast<u16>(d.exit_count);
  __builtin_memcpy(const_cast<InsnMark*>(r->marks()), d.marks, d.mark_count * sizeof(InsnMark));
  __builtin_memcpy(const_cast<Exit*>(r->exits()), d.exits, d.exit_count * sizeof(Exit));
  u32 record = a.records_used + 1;
  for (u32 at = room.begin; at < r->host_end; at += kLine) a.lines[(at - a.begin) / kLine] = record;
  a.records_used += size;
  a.used = r->host_end;
  for (u32 i = 0; i < d.exit_count; i++) {
    u32 site = room.begin + d.exits[i].site, cold = room.begin + d.exits[i].cold;
    i32 distance;
    __builtin_memcpy(&distance, w.code + site, 4);
    u64 target = ptr(w.code) + site + 4 + static_cast<u64>(static_cast<i64>(distance));
    if (target != ptr(w.code) + cold) link_within(w, site, cold, target);
  }
  note_region(w, *r);  // before anything leads to it
  for (u32 i = 0; i < d.word_count; i++) {
    i32* entry = &w.index[d.words[i]];
    if (*entry) continue;
    *entry = kCovered;
    w.insns_distinct++;
  }
  for (u32 i = 0; i < d.word_count; i++)
    if (d.hosts[i] >= 0)
      __atomic_store_n(&w.index[d.words[i]], static_cast<i32>(room.begin) + d.hosts[i], __ATOMIC_RELEASE);
  return Published::Done;
}

}  // namespace

void stop_publishing(Window& w) {
  if (!w.shared) return;
  host_syscall(__NR_munmap, ptr(w.shared), w.layout.total);
  w.shared = nullptr;
  drop_claims(w);
}

// The window's code, with that file at its begin.
static bool attach(Window& w, const CacheFile& file) {
  Layout layout = layout_of(w.guest_end - w.guest_begin);
  u64 room = layout.code_bytes + page_up(w.guest_end - w.guest_begin) + (256 << 10);
  w.code = map_beside(w.guest_begin, room);
  if (!w.code) return false;
  if (!map_cache_file(w, file, layout)) {
    unmap_beside(w.code, room);
    w.code = nullptr;
    return false;
  }
  w.near = true;
  w.capacity = static_cast<u32>(room);
  w.own.begin = layout.code_bytes;
  w.own.end = w.capacity;
  return true;
}

Window* make_window_on(u64 guest_begin, u64 guest_end, const CacheFile& file) {
  Window* w = engine_new<Window>();
  w->guest_begin = guest_begin;
  w->guest_end = guest_end;
  w->of_file = true;
  if (attach(*w, file)) return w;
  engine_delete(w);
  return nullptr;
}

Window* make_window(u64 guest_begin, u64 guest_end, u8 fp_context, const GuestFile* file) {
  Window* w = engine_new<Window>();
  w->guest_begin = guest_begin;
  w->guest_end = guest_end;
  w->fp_context = fp_context;
  u64 bytes = page_up(guest_end - guest_begin);
  bool zone = guest_begin < address_map::kBrkZone || (guest_begin >= address_map::kModuleZones &&
                                                      guest_begin < address_map::kEngineArena);
  if (zone && fp_context == 0) {
    CacheFile opened;
    if (file && open_cache_file(*file, guest_begin, guest_end, &opened)) {
      bool attached = attach(*w, opened);
      close_cache_file(opened);
      if (attached) return w;
    }
    // Translated code is about three times the size of the guest's; only what runs is ever touched.
    u64 room = 3 * bytes + (256 << 10);
    if (room > (u64{1} << 30)) room = u64{1} << 30;
    for (u64 r = room; r >= bytes && !w->code; r -= page_up(bytes / 2 + 1)) {
      w->code = map_beside(guest_begin, r);
      w->capacity = static_cast<u32>(r);
    }
    w->near = w->code != nullptr;
  }
  if (!w->code) {
    u64 room = 3 * bytes + (256 << 10);
    if (room > (u64{1} << 30)) room = u64{1} << 30;
    w->code = static_cast<u8*>(map_engine_pages(room, PageUse::Code));
    w->capacity = static_cast<u32>(room);
    w->arena = true;
  }
  w->index = static_cast<i32*>(map_engine_pages(bytes));
  w->own.end = w->capacity;
  if (!w->code || !w->index || !prepare_own(*w)) {
    destroy_window(w);
    return nullptr;
  }
  return w;
}

void destroy_window(Window* w) {
  if (w->code && w->arena) unmap_engine_pages(w->code, w->capacity);
  if (w->code && !w->arena) unmap_beside(w->code, w->capacity);
  if (w->header)
    host_syscall(__NR_munmap, ptr(w->header), w->layout.code);
  else if (w->index)
    unmap_engine_pages(w->index, page_up(w->guest_end - w->guest_begin));
  stop_publishing(*w);
  if (w->own.lines) unmap_engine_pages(w->own.lines, lines_bytes(w->own.end - w->own.begin));
  if (w->own.records) unmap_engine_pages(w->own.records, page_up(w->own.records_end));
  forget_killing(*w);
  if (w->used_index) engine_free(w->used_index, used_index_bytes(*w));
  engine_delete(w);
}

Proof proof_of(const void* piece) { return sha256(piece, kPiece); }

void return_claims(Window& w) {
  bool any = w.claimed < w.claimed_end || w.claimed_records < w.claimed_records_end;
  if (w.shared && any && stamp(w)) {
    give_back(header_field(w, offsetof(Header, code_used)), w.claimed, w.claimed_end);
    give_back(header_field(w, offsetof(Header, records_used)), w.claimed_records, w.claimed_records_end);
  }
  drop_claims(w);
}

Region* Window::region_of_host(u64 host) {
  u32 offset = offset_of(host);
  Area& a = area_of(offset);
  if (!a.has(offset) || !a.lines) return nullptr;
  u32 record = a.lines[(offset - a.begin) / kLine];
  if (!record) return nullptr;
  Region* r = reinterpret_cast<Region*>(a.records + record - 1);
  return offset >= r->host_begin && offset < r->host_end ? r : nullptr;
}

bool find_room(Window& w, bool shareable, Room* room) {
  if (w.shared && shareable) {
    room->shared = true;
    if (w.claimed_end - w.claimed < kLikelyRegion) (void)claim_ahead(w);
    room->claimed = w.claimed < w.claimed_end;
    u32 used = w.claimed;
    if (room->claimed || !load_guest(GuestAddr(ptr(header_field(w, offsetof(Header, code_used)))), &used)) {
      room->begin = used;
      room->bytes = (room->claimed ? w.claimed_end : w.layout.code_bytes) - used;
      if (room->claimed || used + (u32{1} << 16) < w.layout.code_bytes) return true;
    }
    stop_publishing(w);
  }
  if (!prepare_own(w)) return false;
  room->shared = room->claimed = false;
  room->begin = line_up(w.own.used);
  room->bytes = w.own.end > room->begin ? w.own.end - room->begin : 0;
  return room->bytes != 0;
}

Published publish(Window& w, const Room& room, const Draft& draft) {
  Published p = room.shared ? publish_to_file(w, room, draft) : publish_own(w, room, draft);
  if (p == Published::Done) {
    if (!w.used_index) w.used_index = static_cast<u64*>(engine_alloc(used_index_bytes(w)));
    for (u64 page = draft.guest_low / kIndexEntries; page <= (draft.guest_high - 1) / kIndexEntries; page++)
      w.used_index[page / 64] |= u64{1} << page % 64;
    w.insns_translated += draft.word_count;
    w.bytes += draft.bytes;
  }
  return p;
}

bool link_exit(Window& w, u64 site, Window& to, u64 host) {
  Region* r = w.region_of_host(site);
  i64 distance = static_cast<i64>(host - (site + 4));
  if (!r || r->dead || distance != static_cast<i32>(distance)) return false;
  u64 cold = site + 4 + static_cast<u64>(static_cast<i64>(*reinterpret_cast<i32*>(site)));
  // Already linked by another thread: then it does not lead to this region's cold code any more.
  if (cold < ptr(w.code) + r->body_end || cold >= ptr(w.code) + r->host_end) return false;
  u32 offset = w.offset_of(site);
  i32 displacement = static_cast<i32>(distance);
  if (w.file.has(offset) && !w.detached) {
    if (w.shared && &to == &w && w.file.has(w.offset_of(host)))
      return stamp(w) && put(w.shared + w.layout.code + offset, displacement);
    if (!is_settled(w, offset) || !make_code_writable(w)) return false;
  }
  if (!remember_jump(w, offset, w.offset_of(cold), to, host)) return false;
  __atomic_store_n(reinterpret_cast<i32*>(site), displacement, __ATOMIC_RELEASE);
  return true;
}

bool locate(Window& w, u64 host, Place* out) {
  Region* r = w.region_of_host(host);
  if (!r) return false;
  *out = Place{};
  out->window = &w;
  out->region = r;
  u32 offset = w.offset_of(host);
  if (offset >= r->body_end) {
    out->cold = true;
    return true;
  }
  u32 at = offset - r->host_begin;
  const InsnMark* marks = r->marks();
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
  out->entry_pc = out->guest_pc;
  for (u32 i = low; i-- > 0 && marks[i].host == at && !marks[i].inside;)
    out->entry_pc = w.guest_begin + u64{4} * (r->guest_low + marks[i].guest);
  out->flags = static_cast<FlagsForm>(m.flags);
  if (m.call) {
    u32 end = low + 1 < r->mark_count ? marks[low + 1].host : r->body_end - r->host_begin;
    if (at == end - kLandingBytes) {
      out->landing = true;
      out->guest_pc += 4;
      // The callee came back with NZCV in their home; EFLAGS hold what it compared last.
      out->flags = low + 1 < r->mark_count ? static_cast<FlagsForm>(marks[low + 1].flags) : FlagsForm::Home;
    }
  }
  return true;
}

}  // namespace grus::cache
