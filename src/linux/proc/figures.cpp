// SPDX-License-Identifier: MIT
// See figures.h. The formats are those of fs/proc/{task_mmu,array,fd}.c.
#include "linux/proc/figures.h"

#include <linux/fcntl.h>

#include "base/log.h"
#include "linux/abi/open_flags.h"
#include "linux/proc/text.h"

namespace grus::linux {
namespace {

u64 take_number(const char*& s, unsigned base = 10) {
  u64 v = 0;
  for (; *s >= '0' && *s <= '9'; s++) v = v * base + static_cast<u64>(*s - '0');
  return v;
}

// The number in a line "NAME:   123 kB".
u64 value_of(const char* line) {
  while (*line && *line != ':') line++;
  if (*line) line++;
  while (*line == ' ' || *line == '\t') line++;
  return take_number(line);
}

u64 minus(u64 a, u64 b) { return a > b ? a - b : 0; }
u64 larger(u64 a, u64 b) { return a > b ? a : b; }

// f(line, behind it) for each line, the newline included.
template <typename F>
void for_each_line(const Text& text, F f) {
  const char *s = text.data, *end = text.data + text.size;
  while (s < end) {
    const char* stop = s;
    while (stop < end && *stop != '\n') stop++;
    if (stop < end) stop++;
    f(s, stop);
    s = stop;
  }
}

// One counter of status: what the kernel says, and what of it is the engine's.
enum { kPeak, kSize, kHighest, kResident, kAnonymous, kFile, kShared, kData, kLibraries, kCounters };
constexpr const char* kNames[kCounters] = {"VmPeak:",  "VmSize:",   "VmHWM:",  "VmRSS:", "RssAnon:",
                                           "RssFile:", "RssShmem:", "VmData:", "VmLib:"};

void subtract(u64 (&v)[kCounters], const EngineShare& e) {
  const u64 files = e.resident - e.anonymous, from_files = files < v[kFile] ? files : v[kFile];
  v[kSize] = minus(v[kSize], e.size);
  v[kPeak] = larger(minus(v[kPeak], e.size), v[kSize]);
  v[kAnonymous] = minus(v[kAnonymous], e.anonymous);
  v[kFile] -= from_files;
  v[kShared] = minus(v[kShared], files - from_files);  // a cache in tmpfs
  v[kHighest] = minus(v[kHighest], e.resident);
  v[kResident] = v[kAnonymous] + v[kFile] + v[kShared];
  // The kernel's counters of resident pages are not exact (SPLIT_RSS_COUNTING, percpu_counter).
  if (v[kResident] > v[kSize]) v[kResident] = v[kSize];
  v[kHighest] = larger(v[kHighest], v[kResident]);
  v[kData] = minus(v[kData], e.data);
  v[kLibraries] = minus(v[kLibraries], e.code);
}

void rewrite_status(const EngineShare& engine, const Text& in, Text& out) {
  constexpr u64 kKib = 1024;
  u64 v[kCounters] = {};
  for_each_line(in, [&](const char* line, const char*) {
    for (unsigned i = 0; i < kCounters; i++)
      if (starts(line, kNames[i])) v[i] = value_of(line) * kKib;
  });
  subtract(v, engine);
  for_each_line(in, [&](const char* line, const char* stop) {
    for (unsigned i = 0; i < kCounters; i++) {
      if (!starts(line, kNames[i])) continue;
      char text[64];
      const size_t n = format_to(text, sizeof text, "%s\t%8lu kB\n", kNames[i], v[i] / kKib);
      out.append(text, n);
      return;
    }
    out.append(line, static_cast<size_t>(stop - line));
  });
}

// Fields 23 and 24: vsize in bytes, rss in pages. The name, in parentheses, may hold anything.
void rewrite_stat(const EngineShare& engine, const Text& in, Text& out) {
  const char *s = in.data, *end = in.data + in.size, *behind_name = s;
  for (const char* p = s; p < end; p++)
    if (*p == ')') behind_name = p + 1;
  unsigned field = 2;
  const char* p = behind_name;
  for (; p < end && field < 22; p++) field += *p == ' ';  // behind the space before field 23 at last
  for (; p < end && *p != ' '; p++) {
  }
  if (p >= end) return out.append(in.data, in.size);
  const char* at = p + 1;
  out.append(s, static_cast<size_t>(at - s));
  const u64 size = minus(take_number(at), engine.size);
  if (*at == ' ') at++;
  u64 resident = minus(take_number(at) * kGuestPageSize, engine.resident);
  if (resident > size) resident = size;
  char text[64];
  out.append(text, format_to(text, sizeof text, "%lu %lu", size, resident / kGuestPageSize));
  out.append(at, static_cast<size_t>(end - at));
}

// size resident shared text lib data dt, in pages
void rewrite_statm(const EngineShare& engine, const Text& in, Text& out) {
  u64 v[7] = {};
  const char* s = in.data;
  for (u64& n : v) {
    n = take_number(s) * kGuestPageSize;
    if (*s == ' ') s++;
  }
  const u64 files = engine.resident - engine.anonymous;
  v[0] = minus(v[0], engine.size);
  v[1] = minus(v[1], engine.resident);
  if (v[1] > v[0]) v[1] = v[0];
  v[2] = minus(v[2], files);
  if (v[2] > v[1]) v[2] = v[1];
  v[5] = minus(v[5], engine.data);
  for (unsigned i = 0; i < 7; i++) {
    char text[32];
    out.append(text, format_to(text, sizeof text, i < 6 ? "%lu " : "%lu\n", v[i] / kGuestPageSize));
  }
}

// f(line) for each line of smaps about a mapping of the engine's, its header first.
template <typename F>
void for_each_engine_line(const Text& smaps, bool own, F f) {
  bool hidden = false;
  for_each_line(smaps, [&](const char* line, const char* stop) {
    MapsLine m;
    const bool header = (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
    if (header && parse_line(line, stop - 1, &m)) hidden = is_hidden(m, own) && !(m.begin >> 47);  // [vsyscall] is nobody's
    if (hidden) f(line, header ? &m : nullptr);
  });
}

// Each line is a sum over smaps: without what the engine's mappings have there.
void rewrite_rollup(const EngineShare& share, const Text& smaps, bool own, const Text& in, Text& out) {
  constexpr u64 kKib = 1024;
  u64 pss = 0, anonymous = 0, shmem = 0;
  for_each_line(in, [&](const char* line, const char*) {
    if (starts(line, "Pss:")) pss = minus(value_of(line), share.proportional / kKib);
    if (starts(line, "Pss_Anon:")) anonymous = minus(value_of(line), share.proportional_anonymous / kKib);
    if (starts(line, "Pss_Shmem:")) shmem = value_of(line);
  });
  for_each_line(in, [&](const char* line, const char* stop) {
    char name[32];
    size_t n = 0;
    while (n < sizeof name - 1 && line + n < stop && line[n] != ':') name[n] = line[n], n++;
    name[n] = 0;
    if (line[n] != ':' || !(*line >= 'A' && *line <= 'Z')) return out.append(line, static_cast<size_t>(stop - line));
    u64 engine = 0;
    for_each_engine_line(smaps, own, [&](const char* s, const MapsLine* header) {
      if (!header && starts(s, name) && s[n] == ':') engine += value_of(s);
    });
    // __show_smap(): the value ends in column 24.
    u64 value = minus(value_of(line), engine);
    // Not in smaps.
    if (same(name, "Pss_Anon")) value = anonymous;
    if (same(name, "Pss_File")) value = minus(pss, anonymous + shmem);
    char text[96];
    const size_t length = format_to(text, sizeof text, "%lu kB\n", value);
    constexpr size_t kColumn = 24 + 4;
    out.append(line, n + 1);
    for (size_t used = n + 1; used + length < kColumn; used++) out.append(" ", 1);
    out.append(text, length);
  });
}

}  // namespace

Figures figures_of(const char* name) {
  return same(name, "status") ? Figures::Status : same(name, "stat") ? Figures::Stat : same(name, "statm") ? Figures::Statm : same(name, "smaps_rollup") ? Figures::Rollup : Figures::None;
}

bool measure_engine(const char* path, bool own, Text& smaps, EngineShare* share) {
  constexpr size_t kUsual = 1 << 20;
  constexpr u64 kKib = 1024;
  const i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return false;
  const bool read = smaps.reserve(kUsual) && smaps.read_all(static_cast<int>(fd));
  host_syscall(__NR_close, static_cast<u64>(fd));
  if (!read || !smaps.size) return false;
  u64 resident = 0, proportional = 0;  // of the mapping
  for_each_engine_line(smaps, own, [&](const char* line, const MapsLine* m) {
    if (m) {
      const u64 bytes = m->end - m->begin;
      const char* permissions = line;
      while (*permissions != ' ') permissions++;
      permissions++;
      share->size += bytes;
      // is_data_mapping() and is_exec_mapping() in mm/internal.h
      if (permissions[1] == 'w' && permissions[3] == 'p') share->data += bytes;
      if (permissions[1] != 'w' && permissions[2] == 'x') share->code += bytes;
    } else if (starts(line, "Rss:")) {
      resident = value_of(line) * kKib;
      share->resident += resident;
    } else if (starts(line, "Pss:")) {
      proportional = value_of(line) * kKib;
      share->proportional += proportional;
    } else if (starts(line, "Anonymous:")) {
      const u64 bytes = value_of(line) * kKib;
      share->anonymous += bytes;
      share->proportional_anonymous += bytes < resident && bytes < proportional ? bytes : proportional;
    }
  });
  if (share->anonymous > share->resident) share->anonymous = share->resident;
  return true;
}

void rewrite_figures(Figures which, const EngineShare& engine, const Text& smaps, bool own, const Text& in, Text& out) {
  if (which == Figures::Status) rewrite_status(engine, in, out);
  if (which == Figures::Stat) rewrite_stat(engine, in, out);
  if (which == Figures::Statm) rewrite_statm(engine, in, out);
  if (which == Figures::Rollup) rewrite_rollup(engine, smaps, own, in, out);
}

void rewrite_fdinfo(const Text& in, Text& out) {
  constexpr char kFlags[] = "flags:\t";
  for_each_line(in, [&](const char* line, const char* stop) {
    if (!starts(line, kFlags)) return out.append(line, static_cast<size_t>(stop - line));
    const char* s = line + sizeof kFlags - 1;
    u64 flags = open_flags_to_guest(take_number(s, 8));
    char digits[24];
    unsigned n = 0;
    do digits[n++] = static_cast<char>('0' + (flags & 7));
    while (flags >>= 3);
    out.append(kFlags);
    out.append("0", 1);
    while (n) out.append(&digits[--n], 1);
    out.append("\n", 1);
  });
}

}  // namespace grus::linux
