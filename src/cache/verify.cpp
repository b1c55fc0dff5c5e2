// SPDX-License-Identifier: MIT
// Is a cache file what its publishers wrote? Every region that the index or an exit leads to is checked: its checksum, and
// that what leads to it leads to the right guest instruction. A region that nobody can reach may be broken: its publisher was
// killed. Cost: about what reading the file costs; done when something else than a publisher has changed the file.
#include <linux/mman.h>

#include "base/guest_memory.h"
#include "base/hash.h"
#include "base/host_syscall.h"
#include "base/memory.h"
#include "cache/file.h"

namespace grus::cache {

u64 checksum_of(const Region& r, const InsnMark* marks, const Exit* exits, u8* code) {
  constexpr u32 kMostExits = 1024;
  i32 saved[kMostExits];
  u32 n = r.exit_count < kMostExits ? r.exit_count : kMostExits;
  for (u32 i = 0; i < n; i++) {
    __builtin_memcpy(&saved[i], code + exits[i].site, 4);
    __builtin_memset(code + exits[i].site, 0, 4);
  }
  Region head = r;
  head.checksum = 0;
  head.dead = 0;
  u64 h = hash64(&head, sizeof head);
  h = hash64(marks, r.mark_count * sizeof(InsnMark), h);
  h = hash64(exits, r.exit_count * sizeof(Exit), h);
  h = hash64(code, r.host_end - r.host_begin, h);
  for (u32 i = n; i-- > 0;) __builtin_memcpy(code + exits[i].site, &saved[i], 4);
  return h;
}

namespace {

constexpr u32 kMostBytes = 1 << 16;  // of a region's code: marks have 15 bits, exits 16

struct Verifier {
  Window& w;
  u32 code_used, records_used, words;
  u8* sound;  // per line: a region that is sound begins here
  u8* code;   // a region's, to be hashed

  const Region* region_at(u32 offset) const {
    u32 record = w.file.lines[offset / kLine];
    if (!record || record - 1 > records_used || records_used - (record - 1) < sizeof(Region) || (record - 1) % 8) return nullptr;
    return reinterpret_cast<const Region*>(w.file.records + record - 1);
  }

  // What walks over all regions must come to an end, and stay inside of the file, with regions too that nobody can reach: a
  // publisher takes room and writes the record before the lines. Others may publish meanwhile, hence the counters as they are now.
  bool has_extent(u32 offset) const {
    u32 record = __atomic_load_n(&w.file.lines[offset / kLine], __ATOMIC_ACQUIRE) - 1, used = w.header->records_used;
    if (record > used || used - record < sizeof(Region) || record % 8 || used > w.layout.records_bytes) return false;
    const Region* r = reinterpret_cast<const Region*>(w.file.records + record);
    return r->bytes == Region::size_of(r->mark_count, r->exit_count) && r->bytes <= used - record && r->host_begin <= offset &&
           offset < r->host_end && r->host_end <= w.header->code_used && w.header->code_used <= w.file.end;
  }

  bool is_sound(u32 offset) const {
    const Region* r = region_at(offset);
    if (!r || r->host_begin != offset) return false;
    u32 record = w.file.lines[offset / kLine];
    if (r->bytes != Region::size_of(r->mark_count, r->exit_count) || r->bytes > records_used - (record - 1)) return false;
    if (r->host_end <= r->host_begin || r->host_end > code_used || r->host_end - r->host_begin > kMostBytes ||
        r->body_end < r->host_begin || r->body_end > r->host_end || r->guest_low >= r->guest_high ||
        r->guest_high > words + 1 || r->dead || !r->mark_count)
      return false;
    u32 bytes = r->host_end - r->host_begin;
    for (u32 at = offset; at < r->host_end; at += kLine)
      if (w.file.lines[at / kLine] != record) return false;
    for (u32 i = 0; i < r->exit_count; i++)
      if (r->exits()[i].site + 4u > bytes || r->exits()[i].cold >= bytes || (offset + r->exits()[i].site) % 8 > 4) return false;
    if (copy_from_guest(code, GuestAddr(ptr(w.code) + offset), bytes)) return false;
    return checksum_of(*r, r->marks(), r->exits(), code) == r->checksum;
  }

  // Is `offset` the first byte of the code of guest word `word`, in a sound region?
  bool leads_to(u32 offset, i64 word) const {
    if (offset >= code_used) return false;
    const Region* r = region_at(offset);
    if (!r || r->host_begin % kLine || r->host_begin > offset || offset >= r->body_end || r->host_begin >= code_used ||
        !sound[r->host_begin / kLine])
      return false;
    u32 low = 0, high = r->mark_count;
    while (high - low > 1) {
      u32 mid = (low + high) / 2;
      if (r->marks()[mid].host <= offset - r->host_begin)
        low = mid;
      else
        high = mid;
    }
    // An instruction without host code shares its place with the next one.
    for (u32 i = low + 1; i-- > 0 && r->marks()[i].host == offset - r->host_begin;)
      if (!r->marks()[i].inside && r->guest_low + r->marks()[i].guest == word) return true;
    return false;
  }

  bool exits_lead_right(const Region& r) const {
    for (u32 i = 0; i < r.exit_count; i++) {
      const Exit& e = r.exits()[i];
      i32 distance;
      __builtin_memcpy(&distance, w.code + r.host_begin + e.site, 4);
      i64 to = i64{r.host_begin} + e.site + 4 + distance;
      if (to == i64{r.host_begin} + e.cold) continue;
      if (to < 0 || to >= code_used || !leads_to(static_cast<u32>(to), e.target)) return false;
    }
    return true;
  }
};

}  // namespace

bool verify_file(Window& w) {
  u64 bytes = w.guest_end - w.guest_begin;
  Verifier v{w, w.header->code_used, w.header->records_used, static_cast<u32>(bytes / 4), nullptr, nullptr};
  if (v.code_used > w.file.end || v.records_used > w.layout.records_bytes || !(content_of(w.proofs, bytes) == w.header->content)) return false;
  if (!has_preamble(w.code)) return false;
  u32 lines = v.code_used / kLine + 1;
  v.sound = static_cast<u8*>(map_engine_pages(page_up(lines)));
  v.code = static_cast<u8*>(map_engine_pages(kMostBytes));
  bool ok = v.sound && v.code;
  for (u32 line = 0; line < lines && ok; line++) v.sound[line] = w.file.lines[line] != 0 && v.is_sound(line * kLine);
  for (u32 line = 0; line < lines && ok; line++) ok = !w.file.lines[line] || v.has_extent(line * kLine);
  for (u32 line = 0; line < lines && ok; line++)
    if (v.sound[line]) ok = v.exits_lead_right(*v.region_at(line * kLine));
  for (u32 g = 0; g < v.words && ok; g++) {
    i32 entry = w.index[g];
    if (entry != 0 && entry != kCovered) ok = entry > 0 && v.leads_to(static_cast<u32>(entry), g);
  }
  if (v.sound) unmap_engine_pages(v.sound, page_up(lines));
  if (v.code) unmap_engine_pages(v.code, kMostBytes);
  return ok;
}

}  // namespace grus::cache
