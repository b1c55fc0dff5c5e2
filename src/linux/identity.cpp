// SPDX-License-Identifier: MIT
// See identity.h.
#include "linux/identity.h"

#include <asm/stat.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/hidden_descriptors.h"
#include "linux/proc/files.h"

namespace grus::linux {
namespace {

constexpr u64 kEmptyPath = 0x1000, kNoFollow = 0x100;
constexpr u64 kPathMax = 4096;
constexpr unsigned kMaxLinks = 40;  // MAXSYMLINKS

u64 g_engine_dev, g_engine_ino;  // ino 0: unknown
// The program, once its descriptor was given up.
const char* g_program_path;
u64 g_program_dev, g_program_ino;

u64 fd_argument(int fd) { return static_cast<u64>(static_cast<i64>(fd)); }
void close_fd(i64 fd) { host_syscall(__NR_close, static_cast<u64>(fd)); }

// "exe" for "/proc/self/exe"; everything behind the last slash.
const char* last_component(const char* path) {
  const char* last = path;
  for (; *path; path++)
    if (*path == '/') last = path + 1;
  return last;
}
bool is_exe(const char* name) { return name[0] == 'e' && name[1] == 'x' && name[2] == 'e' && !name[3]; }

bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

bool copy_path(char (&out)[kPathMax], const char* guest) {
  size_t length;
  if (string_length_guest(GuestAddr(ptr(guest)), kPathMax, &length) || length >= kPathMax) return false;
  if (copy_from_guest(out, GuestAddr(ptr(guest)), length)) return false;
  out[length] = 0;
  return true;
}

// A guest path that ends in "exe"? Reads no more of it than it must.
bool ends_in_exe(char (&out)[kPathMax], const char* guest) {
  return copy_path(out, guest) && is_exe(last_component(out));
}

bool guest_path_is_empty(const char* guest) {
  u8 c;
  return !load_guest(GuestAddr(ptr(guest)), &c) && c == 0;
}

// The process that a procfs directory belongs to, as its procfs numbers it; 0 when it cannot be told.
i32 pid_of_directory(int dir) {
  i64 fd = host_syscall(__NR_openat, fd_argument(dir), ptr("status"), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return 0;
  char text[512];
  i64 n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(text), sizeof text - 1);
  close_fd(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  for (char* s = text; *s; s++)
    if (s[0] == '\n' && s[1] == 'T' && s[2] == 'g' && s[3] == 'i' && s[4] == 'd' && s[5] == ':') {
      i32 pid = 0;
      for (s += 6; *s == '\t' || *s == ' '; s++) {
      }
      for (; *s >= '0' && *s <= '9'; s++) pid = pid * 10 + (*s - '0');
      return pid;
    }
  return 0;
}

// "fd/<the hidden descriptor>" relative to the directory of the process in procfs; of this process also the path that it was given
// up for, which is empty (and ENOENT) once it leads elsewhere.
struct HiddenName {
  char buffer[24];
  const char* text = buffer;
  const char* path = nullptr;  // what the link says, when `text` is no link
  HiddenName(const Task& task, int dir) {
    int own = task.files->exe_fd;
    bool ours = false;
    if (own != kExeFd) {
      const i32 pid = pid_of_directory(dir);
      // with_spare_descriptors: a process of its own, for a moment.
      ours = pid && (pid == task.pid || pid == static_cast<i32>(host_syscall(__NR_getpid)));
    }
    if (ours && own < 0 && g_program_path) {
      struct stat st;
      const bool there = !host_syscall(__NR_stat, ptr(g_program_path), ptr(&st)) && st.st_dev == g_program_dev && st.st_ino == g_program_ino;
      text = there ? g_program_path : "";
      path = g_program_path;
    } else {
      format_to(buffer, sizeof buffer, "fd/%d", ours ? own : kExeFd);
    }
  }
};

// The usual names of this process's own link, which need no descriptor to be looked at: there may be none left.
class OwnProgram {
 public:
  // Also when `path` does not lead to the engine: then it is nobody's.
  OwnProgram(const Task& task, const char* path) {
    char with_pid[24];
    format_to(with_pid, sizeof with_pid, "/proc/%d/exe", task.pid);
    const char* const names[] = {"/proc/self/exe", "/proc/thread-self/exe", with_pid};
    for (const char* name : names) found_ |= same_text(path, name);
    if (!found_) return;
    if (task.files->exe_fd >= 0) {
      format_to(link_, sizeof link_, "/proc/self/fd/%d", task.files->exe_fd);
    } else if (g_program_path) {
      given_up_ = true;
    } else {
      found_ = false;
    }
  }
  explicit operator bool() const { return found_; }
  // To be opened and looked at; "" (ENOENT) when it is no longer where it was.
  const char* path() const {
    if (!given_up_) return link_;
    struct stat st;
    const bool there = !host_syscall(__NR_stat, ptr(g_program_path), ptr(&st)) && st.st_dev == g_program_dev && st.st_ino == g_program_ino;
    return there ? g_program_path : "";
  }
  i64 read_link(char* buffer, u64 size) const {
    if (!given_up_) return host_syscall(__NR_readlink, ptr(link_), ptr(buffer), size);
    u64 n = __builtin_strlen(g_program_path);
    if (n > size) n = size;
    return copy_to_guest(GuestAddr(ptr(buffer)), g_program_path, n) ? -EFAULT : static_cast<i64>(n);
  }

 private:
  char link_[32] = "";
  bool found_ = false, given_up_ = false;
};

bool is_engine(int dirfd, const char* path) {
  struct stat st;
  return !host_syscall(__NR_newfstatat, fd_argument(dirfd), ptr(path), ptr(&st), 0) && is_engine_inode(st.st_dev, st.st_ino);
}

// Opens the directory part of `path`; its name is left in *last.
i64 open_parent(int dirfd, char* path, const char** last) {
  char* name = const_cast<char*>(last_component(path));
  *last = name;
  if (name == path)
    return host_syscall(__NR_openat, fd_argument(dirfd), ptr("."), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (name == path + 1)
    return host_syscall(__NR_openat, fd_argument(dirfd), ptr("/"), O_PATH | O_DIRECTORY | O_CLOEXEC);
  name[-1] = 0;
  i64 fd = host_syscall(__NR_openat, fd_argument(dirfd), ptr(path), O_PATH | O_DIRECTORY | O_CLOEXEC);
  name[-1] = '/';
  return fd;
}

// The procfs directory of the process whose exe link (dirfd, path) ends at, following links of other names;
// -ENOENT when it does not end at one. `path` is overwritten.
i64 find_exe_directory(int dirfd, char (&path)[kPathMax], bool follow) {
  int at = dirfd;
  i64 result = -ENOENT;
  for (unsigned links = 0; links < kMaxLinks; links++) {
    const char* last;
    i64 parent = open_parent(at, path, &last);
    if (at != dirfd) close_fd(at);
    at = dirfd;
    if (is_error(parent)) return -ENOENT;
    char target[kPathMax];
    i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(parent), ptr(last), ptr(target), kPathMax - 1);
    if (n > 0 && is_exe(last) && is_procfs(static_cast<int>(parent))) return parent;
    if (n <= 0 || !follow) {
      close_fd(parent);
      break;
    }
    __builtin_memcpy(path, target, static_cast<size_t>(n));
    path[n] = 0;
    at = static_cast<int>(parent);
  }
  if (at != dirfd) close_fd(at);
  return result;
}

// The directory when (dirfd, path) is spelled .../exe and lies in procfs, and the link leads to the engine;
// else -ENOENT.
i64 engine_exe_directory(int dirfd, char (&path)[kPathMax]) {
  i64 parent = find_exe_directory(dirfd, path, false);
  if (is_error(parent)) return parent;
  struct stat st;
  if (!host_syscall(__NR_newfstatat, static_cast<u64>(parent), ptr("exe"), ptr(&st), 0) &&
      is_engine_inode(st.st_dev, st.st_ino))
    return parent;
  close_fd(parent);
  return -ENOENT;
}

// `fd` was opened where `opened` must be: puts it there under the same (lowest) number.
i64 replace_fd(i64 opened, i64 fd, u64 flags) {
  if (is_error(fd)) {
    close_fd(opened);
    return fd;
  }
  i64 result = host_syscall(__NR_dup3, static_cast<u64>(fd), static_cast<u64>(opened), flags & O_CLOEXEC);
  close_fd(fd);
  if (is_error(result)) close_fd(opened);
  return result;
}

// After a successful open for reading: replaces what the guest must not see.
template <typename Reopen>
i64 after_open(Task& task, i64 fd, int dirfd, const char* guest_path, u64 flags, Reopen reopen) {
  if (is_error(fd) || (flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY)) return fd;
  struct stat st;
  if (host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st))) return fd;
  if (is_engine_inode(st.st_dev, st.st_ino)) {
    char path[kPathMax];
    if (!copy_path(path, guest_path)) return fd;
    if (OwnProgram own{task, path}; own && !(flags & O_NOFOLLOW)) {
      const i64 opened = reopen(AT_FDCWD, own.path());
      if (opened != -EMFILE) return replace_fd(fd, opened, flags);
      close_fd(fd);  // which was the last number
      return reopen(AT_FDCWD, own.path());
    }
    i64 dir = find_exe_directory(dirfd, path, !(flags & O_NOFOLLOW));
    if (is_error(dir)) return fd;
    HiddenName name(task, static_cast<int>(dir));
    i64 own = reopen(static_cast<int>(dir), name.text);
    close_fd(dir);
    return replace_fd(fd, own, flags);
  }
  // Files of procfs are empty regular files on a device without major number.
  u32 mode = st.st_mode & 07777;
  if ((mode == 0444 || (mode == 0400 && !kernel_knows_layout)) && !st.st_size && (st.st_dev >> 8 & 0xfff) == 0 &&
      (st.st_mode & 0170000) == 0100000 && !(flags & O_PATH) && is_procfs(static_cast<int>(fd))) {
    i64 rewritten = rewrite_proc_file(task, static_cast<int>(fd), st);
    if (rewritten != -ENOENT) return replace_fd(fd, rewritten, flags);
  }
  return fd;
}

}  // namespace

bool is_engine_inode(u64 dev, u64 ino) { return ino == g_engine_ino && dev == g_engine_dev && ino; }

void identity_init(int engine_fd) {
  struct stat st;
  if (engine_fd >= 0 ? host_syscall(__NR_fstat, fd_argument(engine_fd), ptr(&st)) : host_syscall(__NR_stat, ptr("/proc/self/exe"), ptr(&st)))
    return;
  g_engine_dev = st.st_dev;
  g_engine_ino = st.st_ino;
}

bool remember_program(int fd) {
  struct stat st;
  char link[32];
  format_to(link, sizeof link, "/proc/self/fd/%d", fd);
  char path[kPathMax];
  const i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(AT_FDCWD), ptr(link), ptr(path), sizeof path - 1);
  if (n <= 0 || host_syscall(__NR_fstat, fd_argument(fd), ptr(&st))) return false;
  path[n] = 0;
  char* kept = static_cast<char*>(engine_alloc(static_cast<size_t>(n) + 1));
  __builtin_memcpy(kept, path, static_cast<size_t>(n) + 1);
  g_program_dev = st.st_dev;
  g_program_ino = st.st_ino;
  g_program_path = kept;
  return true;
}
bool runs_a_program(const Task& task) { return task.files->exe_fd >= 0 || g_program_path; }

i64 identity_resolve_exe(Task& task, int dirfd, const char* path, bool follow) {
  char copy[kPathMax];
  size_t length = __builtin_strlen(path);
  if (length >= kPathMax) return -ENOENT;
  __builtin_memcpy(copy, path, length + 1);
  if (OwnProgram own{task, copy}; own && follow) return host_syscall(__NR_openat, fd_argument(AT_FDCWD), ptr(own.path()), O_PATH | O_CLOEXEC);
  i64 dir = find_exe_directory(dirfd, copy, follow);
  if (is_error(dir)) return dir;
  HiddenName name(task, static_cast<int>(dir));
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(dir), ptr(name.text), O_PATH | O_CLOEXEC);
  close_fd(dir);
  return fd;
}

i64 identity_openat(Task& task, int dirfd, const char* path, u64 flags, u64 mode) {
  i64 fd = blocking_syscall(task, __NR_openat, fd_argument(dirfd), ptr(path), flags, mode);
  return after_open(task, fd, dirfd, path, flags, [&](int dir, const char* name) {
    return host_syscall(__NR_openat, fd_argument(dir), ptr(name),
                        flags & ~u64{O_NOFOLLOW | O_CREAT | O_EXCL});
  });
}

i64 identity_openat2(Task& task, int dirfd, const char* path, const void* how, u64 size) {
  i64 fd = blocking_syscall(task, __NR_openat2, fd_argument(dirfd), ptr(path), ptr(how), size);
  u64 flags = static_cast<const open_how*>(how)->flags;
  return after_open(task, fd, dirfd, path, flags, [&](int dir, const char* name) {
    return host_syscall(__NR_openat, fd_argument(dir), ptr(name),
                        flags & ~u64{O_NOFOLLOW | O_CREAT | O_EXCL});
  });
}

i64 identity_readlinkat(Task& task, int dirfd, const char* path, char* buffer, u64 size) {
  char copy[kPathMax];
  if (ends_in_exe(copy, path)) {
    if (OwnProgram own{task, copy}; own && is_engine(dirfd, copy)) return own.read_link(buffer, size);
    i64 dir = engine_exe_directory(dirfd, copy);
    if (!is_error(dir)) {
      HiddenName name(task, static_cast<int>(dir));
      i64 n;
      if (name.path) {
        n = static_cast<i64>(__builtin_strlen(name.path));
        if (static_cast<u64>(n) > size) n = static_cast<i64>(size);
        if (copy_to_guest(GuestAddr(ptr(buffer)), name.path, static_cast<u64>(n))) n = -EFAULT;
      } else {
        n = host_syscall(__NR_readlinkat, static_cast<u64>(dir), ptr(name.text), ptr(buffer), size);
      }
      close_fd(dir);
      return n;
    }
  }
  return host_syscall(__NR_readlinkat, fd_argument(dirfd), ptr(path), ptr(buffer), size);
}

i64 identity_fstat(Task& task, int fd, void* host_stat) {
  i64 error = host_syscall(__NR_fstat, fd_argument(fd), ptr(host_stat));
  if (!error) restore_proc_stat(static_cast<struct stat*>(host_stat));
  return error;
}

i64 identity_fstatat(Task& task, int dirfd, const char* path, void* host_stat, u64 flags) {
  i64 error = host_syscall(__NR_newfstatat, fd_argument(dirfd), ptr(path), ptr(host_stat), flags);
  if (error) return error;
  auto* st = static_cast<struct stat*>(host_stat);
  if (is_engine_inode(st->st_dev, st->st_ino)) {
    char copy[kPathMax];
    if (!copy_path(copy, path) || !*copy) return 0;
    if (OwnProgram own{task, copy}; own && !(flags & kNoFollow))
      return host_syscall(__NR_newfstatat, fd_argument(AT_FDCWD), ptr(own.path()), ptr(host_stat), 0);
    i64 dir = find_exe_directory(dirfd, copy, !(flags & kNoFollow));
    if (is_error(dir)) return 0;
    HiddenName name(task, static_cast<int>(dir));
    error = host_syscall(__NR_newfstatat, static_cast<u64>(dir), ptr(name.text), ptr(host_stat), 0);
    close_fd(dir);
  } else if (flags & kEmptyPath) {
    restore_proc_stat(st);
  }
  return error;
}

i64 identity_statx(Task& task, int dirfd, const char* path, u64 flags, u64 mask, void* statx_out) {
  i64 error = host_syscall(__NR_statx, fd_argument(dirfd), ptr(path), flags, mask, ptr(statx_out));
  if (error || !g_engine_ino) return error;
  struct statx x;
  if (copy_from_guest(&x, GuestAddr(ptr(statx_out)), sizeof x)) return 0;
  // The kernel's encoding of a device number for userspace (new_encode_dev).
  u64 dev = (x.stx_dev_minor & 0xff) | u64{x.stx_dev_major} << 8 | u64{x.stx_dev_minor & ~0xffu} << 12;
  if (is_engine_inode(dev, x.stx_ino)) {
    char copy[kPathMax];
    if (!copy_path(copy, path) || !*copy) return 0;
    if (OwnProgram own{task, copy}; own && !(flags & kNoFollow))
      return host_syscall(__NR_statx, fd_argument(AT_FDCWD), ptr(own.path()), flags & ~kEmptyPath, mask, ptr(statx_out));
    i64 dir = find_exe_directory(dirfd, copy, !(flags & kNoFollow));
    if (is_error(dir)) return 0;
    HiddenName name(task, static_cast<int>(dir));
    error = host_syscall(__NR_statx, static_cast<u64>(dir), ptr(name.text), flags & ~(kNoFollow | kEmptyPath),
                         mask, ptr(statx_out));
    close_fd(dir);
  } else if ((flags & kEmptyPath) && guest_path_is_empty(path) && restore_proc_statx(&x, dev)) {
    if (copy_to_guest(GuestAddr(ptr(statx_out)), &x, sizeof x)) return -EFAULT;
  }
  return error;
}

i64 identity_faccessat(Task& task, int dirfd, const char* path, u64 mode, u64 flags) {
  char copy[kPathMax];
  i64 n = flags ? 439 /* faccessat2 */ : __NR_faccessat;
  if (!(flags & kNoFollow) && ends_in_exe(copy, path)) {
    if (OwnProgram own{task, copy}; own && is_engine(dirfd, copy))
      return host_syscall(n, fd_argument(AT_FDCWD), ptr(own.path()), mode, flags & ~kEmptyPath);
    i64 dir = engine_exe_directory(dirfd, copy);
    if (!is_error(dir)) {
      HiddenName name(task, static_cast<int>(dir));
      i64 result = host_syscall(n, static_cast<u64>(dir), ptr(name.text), mode, flags & ~kEmptyPath);
      close_fd(dir);
      return result;
    }
  }
  return host_syscall(n, fd_argument(dirfd), ptr(path), mode, flags);
}

}  // namespace grus::linux
