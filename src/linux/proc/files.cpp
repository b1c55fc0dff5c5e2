// SPDX-License-Identifier: MIT
// See files.h.
#include "linux/proc/files.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/stat.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "linux/identity.h"
#include "linux/loader/load.h"
#include "linux/proc/figures.h"
#include "linux/proc/text.h"

namespace grus::linux {

bool kernel_knows_layout;

namespace {

constexpr size_t kProcPathMax = 240;
// The newest rewritten files: which inode stands for which file.
struct Rewritten {
  u64 dev, ino;
  struct stat original;
  char path[kProcPathMax];
};
constexpr unsigned kRemembered = 32;
[[gnu::section(".bss.tables")]] Rewritten g_rewritten[kRemembered];
unsigned g_rewritten_next;
u64 g_memfd_dev;  // 0 until the first
Lock g_rewritten_lock;

const Rewritten* find_rewritten(u64 dev, u64 ino) {
  if (!g_memfd_dev || dev != g_memfd_dev) return nullptr;
  for (const Rewritten& r : g_rewritten)
    if (r.dev == dev && r.ino == ino) return &r;
  return nullptr;
}

}  // namespace

static u64 take_hex(const char*& s) {
  u64 v = 0;
  for (;; s++) {
    if (*s >= '0' && *s <= '9')
      v = v << 4 | static_cast<u64>(*s - '0');
    else if (*s >= 'a' && *s <= 'f')
      v = v << 4 | static_cast<u64>(*s - 'a' + 10);
    else
      return v;
  }
}

bool parse_line(const char* s, const char* stop, MapsLine* m) {
  m->begin = take_hex(s);
  if (*s++ != '-') return false;
  m->end = take_hex(s);
  if (*s != ' ') return false;
  s++;
  while (s < stop && *s != ' ') s++;  // permissions
  s++;
  take_hex(s);  // offset
  s++;
  u64 major = take_hex(s);
  s++;
  u64 minor = take_hex(s);
  s++;
  m->dev = (minor & 0xff) | major << 8 | (minor & ~u64{0xff}) << 12;
  m->inode = 0;
  while (*s >= '0' && *s <= '9') m->inode = m->inode * 10 + static_cast<u64>(*s++ - '0');
  while (s < stop && *s == ' ') s++;
  m->name = s;
  m->stop = stop;
  return true;
}

bool is_hidden(const MapsLine& m, bool own) {
  using namespace address_map;
  if (*m.name == '[' && (starts(m.name, "[vvar") || starts(m.name, "[vdso]") || starts(m.name, "[vsyscall]") ||
                         starts(m.name, "[uprobes]")))  // somebody traces the engine
    return true;
  if (m.inode && is_engine_inode(m.dev, m.inode)) return true;
  if (own) return is_engine_memory(m.begin, m.end - m.begin);
  if (m.begin >= kEngineArena && m.begin < kEngineArena + kEngineArenaSize) return true;
  return m.begin >= kModuleZones && m.begin < kModuleZones + kModuleZoneCount * kModuleZoneStride &&
         (m.begin - kModuleZones) % kModuleZoneStride >= kWindowDelta;
}

namespace {

void rewrite_maps(const Text& in, Text& out, const Mm* own) {
  const char* s = in.data;
  const char* end = in.data + in.size;
  bool hidden = false;
  while (s < end) {
    const char* stop = s;
    while (stop < end && *stop != '\n') stop++;
    size_t length = static_cast<size_t>(stop - s) + (stop < end);
    bool header = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f');
    MapsLine m;
    const char* name = nullptr;
    if (header && parse_line(s, stop, &m)) {
      hidden = is_hidden(m, own);
      if (own && m.begin == own->vdso) name = "[vdso]";
      if (own && m.name == stop && m.begin >= own->brk_start && m.end <= own->brk_end_mapped) name = "[heap]";
    }
    if (!hidden && name) {
      // show_map_vma(): names begin in column 73.
      constexpr size_t kColumn = 25 + sizeof(void*) * 6 - 1;
      size_t used = length - 1;
      while (used && s[used - 1] == ' ') used--;
      out.append(s, used);
      for (; used < kColumn; used++) out.append(" ", 1);
      out.append(name);
      out.append("\n", 1);
    } else if (!hidden) {
      out.append(s, length);
    }
    s += length;
  }
}

// One entry per processor of the host's, as arch/arm64/kernel/cpuinfo.c prints them. MIDR_EL1 is what the ID
// registers say; BogoMIPS follows from CNTFRQ_EL0 = 1 GHz.
void write_cpuinfo(const Text& in, Text& out) {
  unsigned count = 0;
  for (size_t i = 0; i + 10 < in.size; i++)
    if ((i == 0 || in.data[i - 1] == '\n') && starts(in.data + i, "processor")) count++;
  if (!count) count = 1;
  char line[512];
  for (unsigned i = 0; i < count; i++) {
    size_t n = format_to(line, sizeof line,
                         "processor\t: %u\nBogoMIPS\t: 2000.00\nFeatures\t: %s\nCPU implementer\t: 0x41\n"
                         "CPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n",
                         i, kCpuFeatures);
    out.append(line, n);
  }
}

// The path of an open procfs file: "/proc/12/maps". Pointers into it: the file's name and the process's
// number.
struct ProcPath {
  char text[kProcPathMax];
  const char* name = "";
  i32 pid = 0;
  size_t directory = 0;  // length of "/proc/12/" or "/proc/12/fdinfo/"
  size_t process = 0;    // length of "/proc/12"

  bool read(int fd) {
    char link[32];
    format_to(link, sizeof link, "/proc/self/fd/%d", fd);
    i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(AT_FDCWD), ptr(link), ptr(text), sizeof text - 1);
    if (n <= 0) return false;
    text[n] = 0;
    size_t at = 0;
    for (size_t i = 0; text[i]; i++)
      if (text[i] == '/') at = i + 1;
    name = text + at;
    directory = at;
    // .../PID/maps or .../PID/task/TID/maps
    const char* numbers[2] = {};
    for (size_t i = 0; i + 1 < at; i++)
      if (text[i] == '/' && text[i + 1] >= '0' && text[i + 1] <= '9') {
        numbers[0] = numbers[1];
        numbers[1] = text + i + 1;
      }
    const char* s = numbers[0] ? numbers[0] : numbers[1];
    for (; s && *s >= '0' && *s <= '9'; s++) pid = pid * 10 + (*s - '0');
    if (s) process = static_cast<size_t>(s - text);
    return true;
  }
  bool is_in(const char* name_of_directory) const {
    const size_t n = __builtin_strlen(name_of_directory);
    return directory > n + 1 && text[directory - 2 - n] == '/' && starts(text + directory - 1 - n, name_of_directory);
  }
  // "/proc/12/NAME"
  void of_process(char (&out)[264], const char* name_there) const {
    __builtin_memcpy(out, text, process);
    out[process] = '/';
    __builtin_memcpy(out + process + 1, name_there, __builtin_strlen(name_there) + 1);
  }
};

bool runs_engine(const ProcPath& path) {
  char exe[264];
  path.of_process(exe, "exe");
  struct stat st;
  return !host_syscall(__NR_stat, ptr(exe), ptr(&st)) && is_engine_inode(st.st_dev, st.st_ino);
}

i64 make_file(const Text& text, const ProcPath& path, const struct stat& original) {
  if (!text.ok) return -ENOMEM;
  i64 fd = host_syscall(__NR_memfd_create, ptr(path.name), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (is_error(fd)) return fd;
  size_t written = 0;
  while (written < text.size) {
    i64 n = host_syscall(__NR_pwrite64, static_cast<u64>(fd), ptr(text.data + written), text.size - written,
                         written);
    if (n <= 0) {
      host_syscall(__NR_close, static_cast<u64>(fd));
      return n ? n : -EIO;
    }
    written += static_cast<size_t>(n);
  }
  host_syscall(__NR_fcntl, static_cast<u64>(fd), F_ADD_SEALS,
               F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  struct stat st;
  if (!host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) {
    LockGuard guard(g_rewritten_lock);
    Rewritten& r = g_rewritten[g_rewritten_next++ % kRemembered];
    r.dev = st.st_dev;
    r.ino = st.st_ino;
    r.original = original;
    __builtin_memcpy(r.path, path.text, sizeof r.path);
    g_memfd_dev = st.st_dev;
  }
  return fd;
}

}  // namespace

bool is_procfs(int fd) {
  struct statfs s;
  return !host_syscall(__NR_fstatfs, static_cast<u64>(fd), ptr(&s)) && s.f_type == PROC_SUPER_MAGIC;
}

i64 rewrite_proc_file(Task& task, int fd, const struct stat& st) {
  ProcPath path;
  if (!path.read(fd)) return -ENOENT;
  bool maps = same(path.name, "maps") || same(path.name, "smaps");
  bool cpuinfo = same(path.name, "cpuinfo") && !path.pid;
  bool own = path.pid == task.pid;
  const Figures figures = path.pid ? figures_of(path.name) : Figures::None;
  const bool fdinfo = path.pid && path.is_in("fdinfo");
  Text in, out, smaps;
  if (figures != Figures::None || fdinfo) {
    if (!own && !runs_engine(path)) return -ENOENT;
    char smaps_path[264];
    path.of_process(smaps_path, "smaps");
    EngineShare engine;
    if (!in.reserve(64 * 1024) || (!fdinfo && !measure_engine(smaps_path, own, smaps, &engine))) return -ENOENT;
    if (!in.read_all(fd)) return -ENOENT;
    if (fdinfo)
      rewrite_fdinfo(in, out);
    else
      rewrite_figures(figures, engine, smaps, own, in, out);
  } else if (maps || cpuinfo) {
    if (maps && !own && !runs_engine(path)) return -ENOENT;
    if (!in.read_all(fd)) return -ENOENT;
    if (maps)
      rewrite_maps(in, out, own ? task.mm : nullptr);
    else
      write_cpuinfo(in, out);
  } else if (own && !kernel_knows_layout) {
    u64 begin, end;
    if (same(path.name, "cmdline"))
      begin = task.mm->arg_start, end = task.mm->arg_end;
    else if (same(path.name, "environ"))
      begin = task.mm->env_start, end = task.mm->env_end;
    else if (same(path.name, "auxv"))
      begin = task.mm->auxv_addr, end = begin + task.mm->auxv_size;
    else
      return -ENOENT;
    out.append_guest(begin, end - begin);
  } else {
    return -ENOENT;
  }
  return make_file(out, path, st);
}

void refresh_proc_file(Task& task, int fd) {
  struct stat st;
  if (!g_memfd_dev || host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) return;
  char path[kProcPathMax];
  {
    LockGuard guard(g_rewritten_lock);
    const Rewritten* r = find_rewritten(st.st_dev, st.st_ino);
    if (!r) return;
    __builtin_memcpy(path, r->path, sizeof path);
  }
  const i64 original = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), O_RDONLY | O_CLOEXEC);
  if (is_error(original)) return;
  i64 fresh = -ENOENT;
  if (is_procfs(static_cast<int>(original)) && !host_syscall(__NR_fstat, static_cast<u64>(original), ptr(&st)))
    fresh = rewrite_proc_file(task, static_cast<int>(original), st);
  host_syscall(__NR_close, static_cast<u64>(original));
  if (is_error(fresh)) return;
  const i64 flags = host_syscall(__NR_fcntl, static_cast<u64>(fd), F_GETFD);
  host_syscall(__NR_dup3, static_cast<u64>(fresh), static_cast<u64>(fd), flags & FD_CLOEXEC ? O_CLOEXEC : 0);
  host_syscall(__NR_close, static_cast<u64>(fresh));
}

void register_proc_lock() { register_lock(LockOrder::RewrittenFiles, g_rewritten_lock); }

void restore_proc_stat(struct stat* st) {
  if (const Rewritten* r = find_rewritten(st->st_dev, st->st_ino)) *st = r->original;
}

bool restore_proc_statx(struct statx* x, u64 dev) {
  const Rewritten* r = find_rewritten(dev, x->stx_ino);
  if (!r) return false;
  const struct stat& st = r->original;
  x->stx_ino = st.st_ino;
  x->stx_dev_major = static_cast<u32>(st.st_dev >> 8) & 0xfff;
  x->stx_dev_minor = static_cast<u32>((st.st_dev & 0xff) | (st.st_dev >> 12 & ~0xffu));
  x->stx_mode = static_cast<u16>(st.st_mode);
  x->stx_nlink = static_cast<u32>(st.st_nlink);
  x->stx_size = 0;
  x->stx_blocks = 0;
  return true;
}

}  // namespace grus::linux
