// SPDX-License-Identifier: MIT
#include "run/code_map.h"

#include "base/address_map.h"
#include "base/log.h"
#include "base/memory.h"
#include "guest/aarch64/registers.h"
#include "run/lockstep.h"
#include "run/reclaim.h"

namespace grus::run {

using cache::Window;

Lock translator_lock;

namespace {

// Modules; what is beyond is not cached.
constexpr u32 kMaxFiles = 1024;
struct FileRange {
  u64 begin, end;
  cache::GuestFile file;
};

using Windows = SwitchedArray<Window*, map_engine_table, unmap_engine_pages>;

constinit RangeSet<map_engine_table, unmap_engine_pages> g_ranges;
constinit Windows g_windows[a64::kFpContexts];  // per FP context, by guest address
constinit SwitchedArray<FileRange, map_engine_table, unmap_engine_pages> g_files;  // in no order
constinit Windows g_by_host;  // all windows that hold code, replaced ones too, by host address

u32 first_window_after(u64 a, u8 context) {
  u32 low = 0, high = g_windows[context].count();
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
  for (u32 i = 0; i < g_files.count();) {
    const FileRange f = g_files[i];
    if (f.end <= begin || f.begin >= end) {
      i++;
      continue;
    }
    FileRange rest[2] = {f, f};
    u32 n = 0;
    if (f.begin < begin) rest[n++].end = begin;
    if (f.end > end) {
      rest[n] = f;
      rest[n].begin = end;
      rest[n++].file.offset += end - f.begin;
    }
    g_files.replace(i, 1, rest, n);
    i += n;
  }
}

const FileRange* guest_file(u64 pc) {
  for (u32 i = 0; i < g_files.count(); i++)
    if (pc >= g_files[i].begin && pc < g_files[i].end) return &g_files[i];
  return nullptr;
}

// Before anything leads to it: a vfork child may be killed in between, and what traps there must be found.
void remember_host(Window* w) {
  u32 at = 0;
  while (at < g_by_host.count() && g_by_host[at]->code < w->code) at++;
  g_by_host.insert(at, w);
}

}  // namespace

const Range* executable_range(u64 pc) { return g_ranges.containing(pc); }

void set_guest_file(u64 begin, u64 end, const cache::GuestFile& file) {
  forget_guest_files(begin, end);
  if (g_files.count() < kMaxFiles) g_files.insert(g_files.count(), FileRange{begin, end, file});
}

void guest_files_changed(u64 begin, u64 end) {
  for (u32 i = 0; i < g_files.count();)
    if (g_files[i].end > begin && g_files[i].begin < end)
      g_files.erase(i, 1);
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
  if (executable) return g_ranges.add(begin, end);
  forget_guest_files(begin, end);
  g_ranges.remove(begin, end);
}

void replace_code(u64 begin, u64 end) {
  forget_guest_files(begin, end);
  g_ranges.add(begin, end);
}

Window* find_window(u64 pc, u8 context) {
  u32 i = first_window_after(pc, context);
  if (i == g_windows[context].count() || g_windows[context][i]->guest_begin > pc) return nullptr;
  return g_windows[context][i];
}

Window* window_of_host(u64 host) {
  u32 low = 0, high = g_by_host.count();
  while (low < high) {
    u32 mid = (low + high) / 2;
    if (reinterpret_cast<u64>(g_by_host[mid]->code) + g_by_host[mid]->capacity <= host)
      low = mid + 1;
    else
      high = mid;
  }
  return low < g_by_host.count() && g_by_host[low]->contains_host(host) ? g_by_host[low] : nullptr;
}

namespace {

constexpr u64 Window::*kCounted[] = {&Window::insns_distinct, &Window::insns_translated, &Window::bytes, &Window::regions_published};
constinit Window g_released{};  // the sums of what is gone, for --stats

// Nothing leads to these any more; the newest first. Those of epoch 0 wait for their epoch to begin.
Window* g_retired;
u64 g_retired_bytes;

// Idle windows keep what they have used: not more than this.
constexpr u32 kMostIdle = 8;
constexpr u64 kMostIdleBytes = 2 << 20;
u32 g_idle;
u64 g_idle_bytes;

// Threads that stay in translated code are only asked to leave for more than this.
constexpr u64 kMostRetiredBytes = 2 << 20;

u64 used_bytes(const Window& w) { return w.own.used - (w.own.used ? w.own.begin : 0) + (w.detached ? w.file.used : 0); }

bool is_executable(const Window& w) {
  return g_ranges.touches(w.guest_begin, w.guest_end);
}

void set_idle(Window& w, bool idle) {
  if (w.idle == idle) return;
  w.idle = idle;
  if (idle) {
    g_idle++;
    g_idle_bytes += used_bytes(w);
  } else {
    g_idle--;
    g_idle_bytes -= used_bytes(w);
  }
}

// `w` is not among g_windows any more.
void retire(Window& w) {
  set_idle(w, false);
  cache::return_claims(w);
  w.retired = true;
  g_retired_bytes += used_bytes(w);
  w.next_retired = g_retired;
  g_retired = &w;
}

void retire_at(u8 context, u32 i) {
  Window& w = *g_windows[context][i];
  g_windows[context].erase(i, 1);
  retire(w);
}

// Idle windows that cover any of [begin, end).
void retire_idle(u64 begin, u64 end) {
  for (unsigned context = 0; context < a64::kFpContexts && g_idle; context++)
    for (u32 i = first_window_after(begin, static_cast<u8>(context)); i < g_windows[context].count() && g_windows[context][i]->guest_begin < end;)
      if (g_windows[context][i]->idle)
        retire_at(static_cast<u8>(context), i);
      else
        i++;
}

void forget_host(const Window& w) {
  u32 at = 0;
  while (at < g_by_host.count() && g_by_host[at] != &w) at++;
  if (at < g_by_host.count()) g_by_host.erase(at, 1);
}

// The windows that were just retired belong to the epoch that ends here. `at_once`: other threads may be in code that was not killed.
void begin_reclaiming(bool at_once) {
  if (!g_retired || g_retired->retired_in) return reclaim();
  u64 epoch = begin_epoch();
  for (Window* w = g_retired; w && !w->retired_in; w = w->next_retired) w->retired_in = epoch;
  reclaim();
  if (g_retired && (at_once || g_retired_bytes > kMostRetiredBytes)) hurry(epoch);
}

}  // namespace

void reclaim() {
  Window* gone = nullptr;
  bool linked = false;
  for (Window** at = &g_retired; *at;) {
    Window* w = *at;
    if (!w->retired_in || !(gone || passed(w->retired_in))) {  // behind one whose threads are gone they are all older
      at = &w->next_retired;
      continue;
    }
    *at = w->next_retired;
    forget_host(*w);
    w->next_retired = gone;
    w->forgotten = true;
    linked |= w->links_out;
    gone = w;
  }
  if (linked)
    for (u32 i = 0; i < g_by_host.count(); i++) cache::forget_jumps_from_forgotten(*g_by_host[i]);
  while (gone) {
    Window* w = gone;
    gone = w->next_retired;
    g_retired_bytes -= used_bytes(*w);
    for (u64 Window::*field : kCounted) g_released.*field += w->*field;
    cache::destroy_window(w);
  }
}

bool give_up_idle_windows() {
  if (!can_reclaim()) return false;
  retire_idle(0, ~u64{0});
  if (!g_retired) return false;
  begin_reclaiming(true);
  if (g_retired) hurry(g_retired->retired_in);
  return true;
}

Window* replace_window(Window* w) {
  // Also when nobody waits for threads: what they hold must end at an int3 when the guest changes its code.
  const bool killed = cache::detach(*w);
  if (killed)
    cache::kill_range(*w, w->guest_begin, w->guest_end);
  else
    cache::undo_all_jumps(*w);
  Window* fresh = cache::make_window(w->guest_begin, w->guest_end, w->fp_context);
  if (!fresh) return nullptr;
  fresh->of_file = w->of_file;
  u32 i = first_window_after(w->guest_begin, w->fp_context);
  remember_host(fresh);
  g_windows[w->fp_context][i] = fresh;
  if (can_reclaim()) {
    retire(*w);
    begin_reclaiming(!killed);
  } else {
    CHECK(killed);
  }
  return fresh;
}

namespace {
// A window without memory for a copy of its own is not killed but left.
bool kill_or_retire(u8 context, u32 i, u64 begin, u64 end, u32* killed) {
  Window& w = *g_windows[context][i];
  if (w.of_file) {
    // A region may have taken NZCV to be dead for what stood there.
    begin = w.guest_begin;
    end = w.guest_end;
    region_builder().file_code_changed();
  }
  if (cache::detach(w)) {
    *killed += cache::kill_range(w, begin, end);
    w.of_file = false;
    return false;
  }
  CHECK(can_reclaim());
  cache::undo_all_jumps(w);
  retire_at(context, i);
  ++*killed;
  return true;
}
}  // namespace

void finish_killing() {
  for (u32 k = 0; k < g_by_host.count(); k++) {
    Window& w = *g_by_host[k];
    if (!w.own.lines && !w.detached) continue;
    bool dying = false;
    w.for_each_region([&](cache::Region& r) { return dying = dying || r.dead == cache::kDying; });
    if (dying) cache::kill_range(w, w.guest_begin, w.guest_end);
  }
}

u32 kill_translations(u64 begin, u64 end) {
  u32 killed = 0;
  bool retired = false;
  for (unsigned context = 0; context < a64::kFpContexts; context++)
    for (u32 i = first_window_after(begin, static_cast<u8>(context)); i < g_windows[context].count() && g_windows[context][i]->guest_begin < end;)
      if (kill_or_retire(static_cast<u8>(context), i, begin, end, &killed))
        retired = true;
      else
        i++;
  if (retired) begin_reclaiming(true);
  return killed;
}

u32 drop_translations(u64 begin, u64 end) {
  u32 killed = 0;
  bool left = false;  // code that was not killed
  for (unsigned context = 0; context < a64::kFpContexts; context++) {
    for (u32 i = first_window_after(begin, static_cast<u8>(context)); i < g_windows[context].count() && g_windows[context][i]->guest_begin < end;) {
      Window& w = *g_windows[context][i];
      const bool idle = !is_executable(w), whole = idle || (w.guest_begin >= begin && w.guest_end <= end);
      // To kill is to copy first (cache::detach): what nobody will run any more is not worth that.
      if (whole && w.header && !w.detached && can_reclaim()) {
        region_builder().file_code_changed();
        cache::undo_all_jumps(w);
        retire_at(static_cast<u8>(context), i);
        left = true;
        killed++;
        continue;
      }
      const bool of_file = w.of_file;
      if (kill_or_retire(static_cast<u8>(context), i, begin, end, &killed)) {
        left = true;
        continue;
      }
      if (whole && !idle && of_file && can_reclaim()) {  // for a window of the file that is there now
        retire_at(static_cast<u8>(context), i);
        continue;
      }
      if (idle) set_idle(w, true);
      i++;
    }
  }
  if ((g_idle > kMostIdle || g_idle_bytes > kMostIdleBytes) && can_reclaim()) retire_idle(0, ~u64{0});
  begin_reclaiming(left);
  return killed;
}

Window* window_for(u64 pc, u8 context) {
  const FileRange* of_file = guest_file(pc);
  const FileRange* f = context == 0 ? of_file : nullptr;
  if (g_idle && of_file && can_reclaim()) {
    // A file's code is the cache's, and another translation than a JIT's.
    retire_idle(of_file->begin, of_file->end);
    begin_reclaiming(false);
  }
  if (Window* w = find_window(pc, context)) {
    set_idle(*w, false);
    return w;
  }
  const Range* r = executable_range(pc);
  if (!r) return nullptr;
  u64 begin = r->begin, end = r->end;
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
  if (i < g_windows[context].count() && g_windows[context][i]->guest_begin < end) end = g_windows[context][i]->guest_begin;
  // A huge executable area (a JIT's whole reservation) gets windows of a bounded size around what runs.
  constexpr u64 kMost = u64{256} << 20;
  if (end - begin > kMost) {
    if (pc - begin > kMost / 2) begin = (pc & ~(kBlock - 1)) - kMost / 2;
    if (end - begin > kMost) end = begin + kMost;
  }
  bool cacheable = f && begin == whole[0] && end == whole[1];
  Window* w = cache::make_window(begin, end, context, cacheable ? &f->file : nullptr);
  if (!w) return nullptr;
  w->of_file = of_file;
  remember_host(w);
  g_windows[context].insert(i, w);
  return w;
}

u32 count_cached_windows() {
  u32 n = 0;
  for (u32 k = 0; k < g_by_host.count(); k++) n += g_by_host[k]->header != nullptr;
  return n;
}

void drop_claims() {
  for (u32 k = 0; k < g_by_host.count(); k++) cache::drop_claims(*g_by_host[k]);
}

void return_claims() {
  for (u32 k = 0; k < g_by_host.count(); k++) cache::return_claims(*g_by_host[k]);
}

void stop_publishing() {
  for (u32 k = 0; k < g_by_host.count(); k++) cache::stop_publishing(*g_by_host[k]);
}

void detach_windows() {
  for (u32 k = 0; k < g_by_host.count(); k++)
    if (!g_by_host[k]->retired) CHECK(cache::detach(*g_by_host[k]));
}

u64 sum_over_windows(u64 Window::*field) {
  u64 sum = g_released.*field;
  for (u32 k = 0; k < g_by_host.count(); k++) sum += g_by_host[k]->*field;
  return sum;
}

}  // namespace grus::run
