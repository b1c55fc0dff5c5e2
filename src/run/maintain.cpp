// SPDX-License-Identifier: MIT
#include "run/maintain.h"

#include <asm/stat.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "base/address_map.h"
#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/memory.h"
#include "insn.h"
#include "run/code_map.h"
#include "run/lockstep.h"

namespace grus::run {

using a64_to_x64::BuildResult;
using cache::CacheFile;
using cache::Region;
using cache::Window;

namespace {

Maintained answer(const char* verdict, bool ok) {
  Maintained m{};
  m.verdict = verdict;
  m.ok = ok;
  return m;
}

static_assert(sizeof Maintained::name == cache::kNameBytes);
template <size_t n>
void copy_name(char (&to)[n], const char (&from)[n]) {
  __builtin_memcpy(to, from, n);
}

bool build(Window& w, u64 pc, u64* host) {
  MemoryFault fault;
  return region_builder().build(w, pc, w.guest_begin, w.guest_end, host, &fault) == BuildResult::Ok;
}

u64 word_of(const Window& w, u64 g) { return w.guest_begin + 4 * g; }
i32 entry_of(const Window& w, u64 g) { return __atomic_load_n(&w.index[g], __ATOMIC_ACQUIRE); }

// Worth translating without anybody being known to go there: not data, not padding.
bool looks_like_code(u64 pc) {
  constexpr u32 kNop = 0xd503201f;
  u32 word;
  return !load_guest(GuestAddr(pc), &word) && word != kNop && a64::kSemantics[static_cast<unsigned>(a64::decode(word))];
}

// A mapped file's cache file: opened read-only, with its content's name. false: `m` says why not.
bool open_existing(u64 begin, u64 end, CacheFile* file, Maintained* m) {
  *file = CacheFile{};
  if (!cache::content_of_memory(begin, end, &file->content)) return false;
  cache::cache_file_name(file->content, cache::base_of(begin), file->name);
  file->fd = static_cast<int>(cache::open_in_directory(file->name, O_RDONLY));
  if (file->fd < 0) return false;
  copy_name(m->name, file->name);
  return true;
}

struct Pages {  // zeroed memory for a while
  void* data;
  size_t bytes;
  explicit Pages(size_t n) : data(map_engine_pages(page_up(n))), bytes(page_up(n)) {}
  ~Pages() {
    if (data) unmap_engine_pages(data, bytes);
  }
  Pages(const Pages&) = delete;
};

// The regions of a file that its index leads to, by where they begin in the guest.
struct OldRegions {
  const cache::Layout& layout;
  u64 words;
  u8* tables;
  Pages first;  // per word: 1 + number of a region that begins there
  Pages next;   // per region: 1 + number of another one
  Pages where;  // per region: offset of its record

  OldRegions(const CacheFile& file, const cache::Layout& l, u64 n)
      : layout(l), words(n), tables(static_cast<u8*>(map_engine_file(l.code, file.fd, PROT_READ, MAP_SHARED))), first(n * 4),
        next(l.code_bytes / cache::kLine * 4), where(l.code_bytes / cache::kLine * 4) {}
  ~OldRegions() {
    if (tables) unmap_engine_pages(tables, layout.code);
  }
  const cache::Header& header() const { return *reinterpret_cast<const cache::Header*>(tables); }
  static u32* array(const Pages& p) { return static_cast<u32*>(p.data); }
  // 0, or 1 + the offset of a record. The file may be damaged: only what would lead outside of it is looked at, since any set
  // of instructions makes a right region.
  u32 record_of_line(u32 line) const {
    u32 record = reinterpret_cast<const u32*>(tables + layout.lines)[line], used = header().records_used;
    if (!record || record - 1 > used || used - (record - 1) < sizeof(Region) || (record - 1) % 8) return 0;
    const Region& r = at(record);
    bool inside = r.bytes == Region::size_of(r.mark_count, r.exit_count) && r.bytes <= used - (record - 1);
    return inside && r.guest_low < words ? record : 0;
  }
  const Region& at(u32 record) const { return *reinterpret_cast<const Region*>(tables + layout.records + record - 1); }

  bool read(const CacheFile& file) {
    if (!tables || !first.data || !next.data || !where.data) return false;
    const cache::Header& h = header();
    if (h.magic != cache::kMagic || h.fingerprint != cache::translator_fingerprint() || !(h.content == file.content) ||
        h.code_used > layout.code_bytes || h.records_used > layout.records_bytes)
      return false;
    Pages reached(layout.records_bytes / 64 + 8);
    u64* bits = static_cast<u64*>(reached.data);
    if (!bits) return false;
    u32 lines = h.code_used / cache::kLine;
    const i32* index = reinterpret_cast<const i32*>(tables + layout.index);
    for (u64 g = 0; g < words; g++) {
      if (index[g] <= 0 || static_cast<u32>(index[g]) / cache::kLine >= lines) continue;
      if (u32 record = record_of_line(static_cast<u32>(index[g]) / cache::kLine)) bits[(record - 1) / 512] |= u64{1} << (record - 1) / 8 % 64;
    }
    u32 count = 0;
    for (u32 line = lines; line-- > 0;) {
      u32 record = record_of_line(line);
      if (!record || !(bits[(record - 1) / 512] >> (record - 1) / 8 % 64 & 1)) continue;
      bits[(record - 1) / 512] &= ~(u64{1} << (record - 1) / 8 % 64);
      u32 g = at(record).guest_low;
      array(where)[count] = record;
      array(next)[count] = array(first)[g];
      array(first)[g] = ++count;
    }
    return true;
  }
};

void link_all(Window& w) {
  u64 words = (w.guest_end - w.guest_begin) / 4;
  w.for_each_region([&](Region& r) {
    for (u32 i = 0; i < r.exit_count; i++) {
      const cache::Exit& e = r.exits()[i];
      if (e.target < 0 || static_cast<u32>(e.target) >= words || entry_of(w, static_cast<u32>(e.target)) <= 0) continue;
      u64 host = ptr(w.code) + static_cast<u32>(entry_of(w, static_cast<u32>(e.target)));
      cache::link_exit(w, ptr(w.code) + r.host_begin + e.site, w, host);
    }
    return false;
  });
}

// What compaction made is on the disk, and says so.
bool seal(Window& w, const CacheFile& file) {
  u64 header = ptr(w.shared);
  u64 fd = static_cast<u64>(file.fd);
  if (host_syscall(__NR_fsync, fd)) return false;
  return !store_guest(GuestAddr(header + offsetof(cache::Header, sealed)), w.header->code_used) &&
         !store_guest(GuestAddr(header + offsetof(cache::Header, written_ns)), cache::realtime_ns()) &&
         !host_syscall(__NR_fsync, fd);
}

// verify_file of a file that others may be publishing to: what they enter while it is read looks like damage. nullptr: sound.
const char* damage(Window& w) {
  for (int attempt = 0;; attempt++) {
    u64 regions = w.header->regions;
    if (cache::verify_file(w)) return nullptr;
    bool moving = w.header->regions != regions;
    if (attempt == 4) return moving ? "busy" : "damaged";
    constexpr u64 kAWhile[2] = {0, 20'000'000};  // a publisher in the middle of a region is done by then
    host_syscall(__NR_nanosleep, ptr(kAWhile), 0);
  }
}

void count(const Window& w, Maintained* m) {
  m->regions = w.header->regions;
  m->insns = w.header->insns_translated;
  m->distinct = w.header->insns_distinct;
}

}  // namespace

u64 translator_fingerprint() { return cache::translator_fingerprint(); }
bool can_publish() { return cache::directory_access() == cache::Access::ReadWrite; }

Maintained warm(CodeBits& bits) {
  LockGuard guard(translator_lock);
  cache::admit_everything();
  Window* w = window_for(bits.begin, 0);
  if (!w || !w->publishes() || w->guest_begin != bits.begin) return answer("not-cached", false);
  Maintained m = answer("warm", true);
  cache::cache_file_name(w->header->content, w->header->guest_base, m.name);
  u64 words = (w->guest_end - w->guest_begin) / 4;
  // In guest order, as the code will mostly run; again for what was only found to be branched to by code behind it.
  bool more = true;
  for (int round = 0; more && round < 8; round++) {
    more = false;
    for (u64 g = 0; g < words; g++) {
      if (!bits.starts[g / 64] && !bits.inside[g / 64]) {
        g |= 63;
        continue;
      }
      bool start = bits.starts[g / 64] >> g % 64 & 1, inside = bits.inside[g / 64] >> g % 64 & 1;
      i32 entry = entry_of(*w, g);
      // Inside of a function and reached by nothing that was seen: a switch's case, a landing pad.
      if (entry > 0 || !(start || (inside && entry == 0)) || (!start && !looks_like_code(word_of(*w, g)))) continue;
      u64 host;
      if (!build(*w, word_of(*w, g), &host)) continue;
      if (!w->publishes() || cache::take_lost_pages()) {
        m = answer("full", false);
        cache::cache_file_name(w->header->content, w->header->guest_base, m.name);
        count(*w, &m);
        return m;
      }
      const Region* r = w->region_of_host(host);
      for (u32 i = 0; i < r->exit_count; i++) {
        i64 target = r->exits()[i].target;
        if (target < 0 || target >= static_cast<i64>(words)) continue;
        bits.starts[target / 64] |= u64{1} << target % 64;
        more |= target < static_cast<i64>(g) && entry_of(*w, static_cast<u64>(target)) <= 0;
      }
    }
  }
  cache::return_claims(*w);
  count(*w, &m);
  return m;
}

Maintained compact(u64 pc) {
  LockGuard guard(translator_lock);
  Maintained m = answer("none", true);
  u64 begin, end;
  CacheFile old, fresh{};
  if (!guest_file_at(pc, &begin, &end) || !open_existing(begin, end, &old, &m)) return m;
  m.verdict = "failed";
  m.ok = false;
  cache::Layout layout = cache::layout_of(end - begin);
  u64 words = (end - begin) / 4;
  struct stat st;
  bool ok = !host_syscall(__NR_fstat, static_cast<u64>(old.fd), ptr(&st)) && static_cast<u64>(st.st_size) == layout.total;
  OldRegions regions(old, layout, words);
  ok = ok && regions.read(old);
  cache::close_cache_file(old);
  if (!ok) return m;
  fresh.content = old.content;
  fresh.writable = true;
  fresh.fd = static_cast<int>(cache::create_temporary(old.content, begin, end, fresh.name));
  if (fresh.fd < 0) return m;
  Window* w = cache::make_window_on(begin, end, fresh);
  ok = w && w->publishes();
  for (u64 g = 0; ok && g < words; g++)
    for (u32 n = OldRegions::array(regions.first)[g]; ok && n; n = OldRegions::array(regions.next)[n - 1])
      ok = region_builder().build_again(*w, regions.at(OldRegions::array(regions.where)[n - 1])) != BuildResult::Full &&
           w->publishes();
  u64 directory = static_cast<u64>(cache::directory());
  if (ok) link_all(*w);
  // Where those who run it find the guest's file, which may be another name than ours.
  ok = ok && !copy_to_guest(GuestAddr(ptr(w->shared) + offsetof(cache::Header, path)), regions.header().path, sizeof(cache::Header::path));
  ok = ok && w->publishes() && !cache::take_lost_pages() && seal(*w, fresh) && !host_syscall(__NR_renameat, directory, ptr(fresh.name), directory, ptr(old.name));
  if (ok) {
    // The new name was a change of the file too.
    (void)store_guest(GuestAddr(ptr(w->shared) + offsetof(cache::Header, written_ns)), cache::realtime_ns());
    m.verdict = "compacted";
    m.ok = true;
    count(*w, &m);
  } else {
    host_syscall(__NR_unlinkat, directory, ptr(fresh.name), 0);
  }
  if (w) cache::destroy_window(w);
  cache::close_cache_file(fresh);
  return m;
}

Maintained verify(u64 pc) {
  LockGuard guard(translator_lock);
  Maintained m = answer("none", true);
  u64 begin, end;
  CacheFile file;
  if (!guest_file_at(pc, &begin, &end) || !open_existing(begin, end, &file, &m)) return m;
  Window* w = cache::make_window_on(begin, end, file);
  const char* bad = w ? damage(*w) : "damaged";
  m.ok = !bad;
  m.verdict = bad ? bad : "sound";
  if (m.ok) {
    w->for_each_region([&](Region& r) {
      m.regions++;
      m.wrong += !region_builder().matches(*w, r);
      return false;
    });
    m.insns = w->header->insns_translated;
    m.distinct = w->header->insns_distinct;
    if (m.wrong) {
      m.ok = false;
      m.verdict = "differs";
    }
  }
  if (cache::take_lost_pages()) {
    m.verdict = "unreadable";
    m.ok = false;
  }
  if (w) cache::destroy_window(w);
  cache::close_cache_file(file);
  return m;
}

Maintained check(const char* name) {
  Maintained m = answer("damaged", false);
  for (size_t i = 0; i + 1 < sizeof m.name && name[i]; i++) m.name[i] = name[i];
  CacheFile file{};
  copy_name(file.name, m.name);
  file.fd = static_cast<int>(cache::open_in_directory(name, O_RDONLY));
  if (file.fd < 0) return m;
  Pages page(sizeof(cache::Header));
  cache::Header& h = *static_cast<cache::Header*>(page.data);
  struct stat st;
  constexpr u64 kMostGuestBytes = u64{1} << 32;
  constexpr u64 kAnyVersion = (u64{1} << 48) - 1;
  bool read = page.data && host_syscall(__NR_pread64, static_cast<u64>(file.fd), ptr(&h), sizeof h, 0) == i64{sizeof h};
  if (read && h.magic != cache::kMagic && (h.magic & kAnyVersion) == (cache::kMagic & kAnyVersion)) {
    m.verdict = "foreign";
    m.ok = true;
  } else if (read && h.magic == cache::kMagic && h.guest_bytes <= kMostGuestBytes && !(h.guest_bytes & (kGuestPageSize - 1)) &&
      !host_syscall(__NR_fstat, static_cast<u64>(file.fd), ptr(&st)) &&
      static_cast<u64>(st.st_size) == cache::layout_of(h.guest_bytes).total) {
    char expected[cache::kNameBytes] = {};
    cache::cache_file_name(h.content, h.guest_base, expected);
    if (h.fingerprint != cache::translator_fingerprint()) {
      m.verdict = "foreign";
      m.ok = true;
    } else if (!__builtin_memcmp(expected, m.name, sizeof expected)) {
      file.content = h.content;
      u64 begin = h.guest_base ? h.guest_base : address_map::kModuleZones;
      Window* w = cache::make_window_on(begin, begin + h.guest_bytes, file);
      const char* bad = w ? damage(*w) : "damaged";
      m.ok = !bad;
      m.verdict = bad ? bad : "sound";
      if (m.ok) count(*w, &m);
      if (cache::take_lost_pages()) {
        m.verdict = "unreadable";
        m.ok = false;
      }
      if (w) cache::destroy_window(w);
    }
  }
  cache::close_cache_file(file);
  return m;
}

}  // namespace grus::run
