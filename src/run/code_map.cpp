// SPDX-License-Identifier: MIT
#include "run/code_map.h"

#include "base/address_map.h"
#include "base/log.h"
#include "base/memory.h"

namespace grus::run {

using cache::Window;

Lock translator_lock;

namespace {

// Sorted arrays with a fixed bound: a process has tens of executable mappings, JITs a few hundred.
constexpr u32 kMaxRanges = 16384, kMaxWindows = 16384;
// Modules; what is beyond is not cached.
constexpr u32 kMaxFiles = 1024;
struct FileRange {
  u64 begin, end;
  cache::GuestFile file;
};
FileRange* g_files;  // in no order
u32 g_file_count;

ExecutableRange* g_ranges;
u32 g_range_count;
Window** g_windows[2];  // per FP context, by guest address
u32 g_window_count[2];
Window** g_by_host;  // all windows that hold code, replaced ones too, by host address
u32 g_by_host_count;

template <typename T>
void ensure(T*& array, u32 capacity) {
  if (!array) array = static_cast<T*>(map_engine_pages(page_up(capacity * sizeof(T))));
  CHECK(array != nullptr);
}

// First range with end > a.
u32 first_range_after(u64 a) {
  u32 low = 0, high = g_range_count;
  while (low < high) {
    u32 mid = (low + high) / 2;
    if (g_ranges[mid].end <= a)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

template <typename T>
void erase(T* array, u32& count, u32 at, u32 n) {
  for (u32 i = at; i + n < count; i++) array[i] = array[i + n];
  count -= n;
}
template <typename T>
void insert(T* array, u32& count, u32 at, T value) {
  for (u32 i = count; i > at; i--) array[i] = array[i - 1];
  array[at] = value;
  count++;
}

u32 first_window_after(u64 a, u8 context) {
  u32 low = 0, high = g_window_count[context];
  while (low < high) {
    u32 mid = (low + high) / 2;
    if (g_windows[context][mid]->guest_end <= a)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

// Cuts [begin, end) out of the mappings of files.
void forget_guest_files(u64 begin, u64 end) {
  for (u32 i = 0; i < g_file_count;) {
    FileRange& f = g_files[i];
    if (f.end <= begin || f.begin >= end) {
      i++;
      continue;
    }
    FileRange tail = f;
    tail.begin = end;
    tail.file.offset += end - f.begin;
    bool has_tail = tail.end > end, has_head = f.begin < begin;
    if (has_head)
      f.end = begin;
    else if (has_tail)
      f = tail;
    else
      f = g_files[--g_file_count];
    if (has_head && has_tail && g_file_count < kMaxFiles) g_files[g_file_count++] = tail;
    if (has_head || has_tail) i++;
  }
}

const FileRange* guest_file(u64 pc) {
  for (u32 i = 0; i < g_file_count; i++)
    if (pc >= g_files[i].begin && pc < g_files[i].end) return &g_files[i];
  return nullptr;
}

void remember_host(Window* w) {
  ensure(g_by_host, kMaxWindows);
  CHECK(g_by_host_count < kMaxWindows);
  u32 at = 0;
  while (at < g_by_host_count && g_by_host[at]->code < w->code) at++;
  insert(g_by_host, g_by_host_count, at, w);
}

}  // namespace

const ExecutableRange* executable_range(u64 pc) {
  u32 i = first_range_after(pc);
  return i < g_range_count && g_ranges[i].begin <= pc ? &g_ranges[i] : nullptr;
}

void set_guest_file(u64 begin, u64 end, const cache::GuestFile& file) {
  forget_guest_files(begin, end);
  ensure(g_files, kMaxFiles);
  if (g_file_count < kMaxFiles) g_files[g_file_count++] = FileRange{begin, end, file};
}

void guest_files_changed(u64 begin, u64 end) {
  for (u32 i = 0; i < g_file_count;)
    if (g_files[i].end > begin && g_files[i].begin < end)
      g_files[i] = g_files[--g_file_count];
    else
      i++;
}

bool guest_file_at(u64 pc, u64* begin, u64* end) {
  const FileRange* f = guest_file(pc);
  if (!f) return false;
  *begin = f->begin;
  *end = f->end;
  return true;
}

void set_executable(u64 begin, u64 end, bool executable) {
  if (begin >= end) return;
  if (!executable) forget_guest_files(begin, end);
  ensure(g_ranges, kMaxRanges);
  u32 i = first_range_after(begin);
  // Cut [begin, end) out of what is there...
  if (i < g_range_count && g_ranges[i].begin < begin) {
    u64 tail = g_ranges[i].end;
    g_ranges[i].end = begin;
    i++;
    if (tail > end) {
      CHECK(g_range_count < kMaxRanges);
      insert(g_ranges, g_range_count, i, ExecutableRange{end, tail});
    }
  }
  u32 n = 0;
  while (i + n < g_range_count && g_ranges[i + n].end <= end) n++;
  erase(g_ranges, g_range_count, i, n);
  if (i < g_range_count && g_ranges[i].begin < end) g_ranges[i].begin = end;
  if (!executable) return;
  // ... and put it back, joined to its neighbours.
  bool left = i > 0 && g_ranges[i - 1].end == begin, right = i < g_range_count && g_ranges[i].begin == end;
  if (left && right) {
    g_ranges[i - 1].end = g_ranges[i].end;
    erase(g_ranges, g_range_count, i, 1);
  } else if (left) {
    g_ranges[i - 1].end = end;
  } else if (right) {
    g_ranges[i].begin = begin;
  } else {
    CHECK(g_range_count < kMaxRanges);
    insert(g_ranges, g_range_count, i, ExecutableRange{begin, end});
  }
}

Window* find_window(u64 pc, u8 context) {
  if (!g_windows[context]) return nullptr;
  u32 i = first_window_after(pc, context);
  if (i == g_window_count[context] || g_windows[context][i]->guest_begin > pc) return nullptr;
  return g_windows[context][i];
}

Window* window_for(u64 pc, u8 context) {
  if (Window* w = find_window(pc, context)) return w;
  const ExecutableRange* r = executable_range(pc);
  if (!r) return nullptr;
  ensure(g_windows[context], kMaxWindows);
  CHECK(g_window_count[context] < kMaxWindows);
  u64 begin = r->begin, end = r->end;
  const FileRange* f = context == 0 ? guest_file(pc) : nullptr;
  if (f) {
    begin = f->begin;
    end = f->end;
  }
  // JITs make code executable piece by piece: outside of the module zones a window covers an aligned block.
  constexpr u64 kBlock = 1 << 20;
  bool zone = pc < address_map::kBrkZone || (pc >= address_map::kModuleZones && pc < address_map::kEngineArena);
  if (!zone && !f) {
    begin = begin < (pc & ~(kBlock - 1)) ? begin : (pc & ~(kBlock - 1));
    end = end > ((pc + kBlock) & ~(kBlock - 1)) ? end : ((pc + kBlock) & ~(kBlock - 1));
  }
  u32 i = first_window_after(pc, context);
  const u64 whole[2] = {begin, end};
  if (i > 0 && g_windows[context][i - 1]->guest_end > begin) begin = g_windows[context][i - 1]->guest_end;
  if (i < g_window_count[context] && g_windows[context][i]->guest_begin < end) end = g_windows[context][i]->guest_begin;
  // A huge executable area (a JIT's whole reservation) gets windows of a bounded size around what runs.
  constexpr u64 kMost = u64{256} << 20;
  if (end - begin > kMost) {
    if (pc - begin > kMost / 2) begin = (pc & ~(kBlock - 1)) - kMost / 2;
    if (end - begin > kMost) end = begin + kMost;
  }
  bool cacheable = f && begin == whole[0] && end == whole[1];
  Window* w = cache::make_window(begin, end, context, cacheable ? &f->file : nullptr);
  if (!w) return nullptr;
  insert(g_windows[context], g_window_count[context], i, w);
  remember_host(w);
  return w;
}

Window* window_of_host(u64 host) {
  u32 low = 0, high = g_by_host_count;
  while (low < high) {
    u32 mid = (low + high) / 2;
    if (reinterpret_cast<u64>(g_by_host[mid]->code) + g_by_host[mid]->capacity <= host)
      low = mid + 1;
    else
      high = mid;
  }
  return low < g_by_host_count && g_by_host[low]->contains_host(host) ? g_by_host[low] : nullptr;
}

Window* replace_window(Window* w) {
  kill_translations(w->guest_begin, w->guest_end);
  Window* fresh = cache::make_window(w->guest_begin, w->guest_end, w->fp_context);
  if (!fresh) return nullptr;
  u32 i = first_window_after(w->guest_begin, w->fp_context);
  g_windows[w->fp_context][i] = fresh;
  remember_host(fresh);
  return fresh;
}

u32 kill_translations(u64 begin, u64 end) {
  u32 killed = 0;
  for (unsigned context = 0; context < 2; context++) {
    if (!g_windows[context]) continue;
    for (u32 i = first_window_after(begin, static_cast<u8>(context)); i < g_window_count[context]; i++) {
      Window& w = *g_windows[context][i];
      if (w.guest_begin >= end) break;
      u32 n = cache::kill_range(w, begin, end);
      killed += n;
      if (!n) continue;
      for (u32 k = 0; k < g_by_host_count; k++) cache::unlink_dead(*g_by_host[k], w);
    }
  }
  return killed;
}

u32 count_cached_windows() {
  u32 n = 0;
  for (u32 k = 0; k < g_by_host_count; k++) n += g_by_host[k]->header != nullptr;
  return n;
}

void drop_claims() {
  for (u32 k = 0; k < g_by_host_count; k++) cache::drop_claims(*g_by_host[k]);
}

void return_claims() {
  for (u32 k = 0; k < g_by_host_count; k++) cache::return_claims(*g_by_host[k]);
}

void detach_windows() {
  for (u32 k = 0; k < g_by_host_count; k++) CHECK(cache::detach(*g_by_host[k]));
}

u64 sum_over_windows(u64 Window::*field) {
  u64 sum = 0;
  for (u32 k = 0; k < g_by_host_count; k++) sum += g_by_host[k]->*field;
  return sum;
}

}  // namespace grus::run
