// SPDX-License-Identifier: MIT
#include "run/dump.h"

#include <linux/fcntl.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "guest/aarch64/disasm.h"
#include "run/symbols.h"

namespace grus::run {
namespace {

bool g_decode, g_host, g_perf_map;
u64 g_begin, g_end = ~u64{0};
u64 g_perf_pid;

bool take_word(const char** s, const char* word) {
  const char* p = *s;
  for (; *word; word++, p++)
    if (*p != *word) return false;
  *s = p;
  return true;
}

bool take_address(const char** s, u64* value) {
  const char* p = *s;
  if (p[0] == '0' && p[1] == 'x') p += 2;
  const char* first = p;
  u64 v = 0;
  for (;; p++) {
    unsigned digit;
    if (*p >= '0' && *p <= '9')
      digit = static_cast<unsigned>(*p - '0');
    else if (*p >= 'a' && *p <= 'f')
      digit = static_cast<unsigned>(*p - 'a' + 10);
    else
      break;
    v = v << 4 | digit;
  }
  *s = p;
  *value = v;
  return p != first;
}

void show_bytes(const u8* code, u32 begin, u32 end) {
  constexpr u32 kPerLine = 24;
  for (u32 at = begin; at < end; at += kPerLine) {
    char line[3 * kPerLine + 1] = "";
    for (u32 i = at; i < end && i < at + kPerLine; i++) format_to(line + 3 * (i - at), 4, " %02x", code[i]);
    log_raw("    +%x:%s\n", at - begin, line);
  }
}

void dump(const a64_to_x64::RegionBuilder& builder, const cache::Window& w, const cache::Region& r) {
  bool inside = false;
  for (unsigned i = 0; i < builder.size() && !inside; i++)
    inside = builder.guest_pc(i) >= g_begin && builder.guest_pc(i) < g_end;
  if (!inside) return;
  log_raw("region 0x%lx: %u instructions, %u bytes at 0x%lx\n", builder.guest_pc(0), builder.size(),
          r.host_end - r.host_begin, ptr(w.code) + r.host_begin);
  const cache::InsnMark* marks = r.marks();
  u32 body = r.body_end - r.host_begin;
  for (u32 i = 0; i < r.mark_count;) {
    // Marks inside of an instruction belong to it.
    u32 next = i + 1;
    while (next < r.mark_count && marks[next].inside) next++;
    u64 pc = w.guest_begin + u64{4} * (r.guest_low + marks[i].guest);
    u32 word;
    if (builder.word_at(pc, &word)) {
      char text[a64::kDisassemblySize];
      a64::disassemble(word, pc, text, sizeof text);
      log_raw("  %lx: %08x  %s\n", pc, word, text);
    } else {
      log_raw("  to %lx\n", pc);
    }
    if (g_host)
      show_bytes(w.code + r.host_begin, marks[i].host, next < r.mark_count ? marks[next].host : body);
    i = next;
  }
  if (!g_host || r.body_end == r.host_end) return;
  log_raw("  rarely\n");
  show_bytes(w.code, r.body_end, r.host_end);
}

void map_path(char (&out)[48], u64 pid) { format_to(out, sizeof out, "/tmp/perf-%lu.map", pid); }

i64 open_map(u64 pid, u64 flags) {
  char path[48];
  map_path(path, pid);
  constexpr u64 kOwnerOnly = 0600;
  return host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), flags | O_NOFOLLOW | O_CLOEXEC,
                      kOwnerOnly);
}

void add_to_perf_map(const a64_to_x64::RegionBuilder& builder, const cache::Window& w,
                     const cache::Region& r) {
  u64 pid = static_cast<u64>(host_syscall(__NR_getpid));
  bool first = pid != g_perf_pid;
  i64 fd = open_map(pid, O_WRONLY | O_CREAT | O_APPEND | (first ? O_TRUNC : 0));
  if (is_error(fd)) return;
  if (first && g_perf_pid) {
    // A child after fork has its parent's code.
    i64 from = open_map(g_perf_pid, O_RDONLY);
    char buffer[4096];
    for (i64 n; !is_error(from) &&
                (n = host_syscall(__NR_read, static_cast<u64>(from), ptr(buffer), sizeof buffer)) > 0;)
      host_syscall(__NR_write, static_cast<u64>(fd), ptr(buffer), static_cast<u64>(n));
    if (!is_error(from)) host_syscall(__NR_close, static_cast<u64>(from));
  }
  g_perf_pid = pid;
  Location location;
  find_location_again(builder.guest_pc(0), w.guest_begin, w.guest_end, &location);
  char line[320];
  size_t n = format_to(line, sizeof line, "%lx %x ", ptr(w.code) + r.host_begin, r.host_end - r.host_begin);
  // The regions of a function have one name: perf adds them up.
  if (location.symbol[0])
    n += format_to(line + n, sizeof line - n, "%s [%s]\n", location.symbol, location.module);
  else if (location.module[0])
    n += format_to(line + n, sizeof line - n, "%s+0x%lx\n", location.module, location.address);
  else
    n += format_to(line + n, sizeof line - n, "guest_0x%lx\n", builder.guest_pc(0));
  host_syscall(__NR_write, static_cast<u64>(fd), ptr(line), n);
  host_syscall(__NR_close, static_cast<u64>(fd));
}

}  // namespace

bool set_dump(const char* what) {
  const char* s = what;
  do {
    if (take_word(&s, "decode"))
      g_decode = true;
    else if (take_word(&s, "host"))
      g_host = true;
    else
      return false;
  } while (take_word(&s, ","));
  if (!take_word(&s, ":")) return !*s;
  return take_address(&s, &g_begin) && take_word(&s, "-") && take_address(&s, &g_end) && !*s;
}

void set_perf_map() { g_perf_map = true; }

bool shows_regions() { return g_decode || g_host || g_perf_map; }

void show_region(const a64_to_x64::RegionBuilder& builder, const cache::Window& w, const cache::Region& r) {
  if (g_decode || g_host) dump(builder, w, r);
  if (g_perf_map) add_to_perf_map(builder, w, r);
}

}  // namespace grus::run
