// SPDX-License-Identifier: MIT
// See identity.h.
#include "linux/identity.h"

#include <asm/stat.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/resource.h>
#include <linux/stat.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "linux/proc/files.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

constexpr u64 kEmptyPath = 0x1000, kNoFollow = 0x100;
constexpr u64 kPathMax = 4096;
constexpr unsigned kMaxLinks = 40;  // MAXSYMLINKS

u64 g_engine_dev, g_engine_ino;  // ino 0: unknown

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

// "fd/<the hidden descriptor>" relative to the directory of the process in procfs.
struct HiddenName {
  char text[24];
  HiddenName(const Task& task, int dir) {
    int own = task.files->exe_fd;
    int fd = own != kExeFd && pid_of_directory(dir) == task.pid ? own : kExeFd;
    format_to(text, sizeof text, "fd/%d", fd);
  }
};

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
  if (engine_fd < 0 || host_syscall(__NR_fstat, fd_argument(engine_fd), ptr(&st))) return;
  g_engine_dev = st.st_dev;
  g_engine_ino = st.st_ino;
}

// The soft limit on descriptors is often 1024 with a hard one far above: it is lifted for the moment.
int hide_fd(int fd, int wanted) {
  if (fd == wanted) {
    host_syscall(__NR_fcntl, fd_argument(fd), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  struct {
    u64 soft, hard;
  } limit{}, lifted;
  i64 copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(wanted));
  if (copy == -EINVAL && !host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, ptr(&limit))) {
    lifted = limit;
    u64 needed = static_cast<u64>(wanted) + 8;
    lifted.soft = limit.hard < needed ? limit.hard : needed;
    bool lift = lifted.soft > limit.soft;
    if (lift) host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, ptr(&lifted));
    u64 at = lifted.soft > static_cast<u64>(wanted) ? static_cast<u64>(wanted) : lifted.soft - 1;
    for (; at > 2; at--) {
      copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, at);
      if (!is_error(copy)) break;
    }
    if (lift) host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, ptr(&limit));
  }
  if (is_error(copy)) {
    host_syscall(__NR_fcntl, fd_argument(fd), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  close_fd(fd);
  return static_cast<int>(copy);
}

bool is_hidden_fd(const Task& task, int fd) {
  return fd >= 0 && (fd == task.files->engine_fd || fd == task.files->exe_fd || fd == task.files->log_fd ||
                     fd == task.files->cache_fd);
}

i64 move_hidden_fd(Task& task, int fd) {
  Files& files = *task.files;
  LockGuard guard(files.lock);
  int* const places[] = {&files.engine_fd, &files.exe_fd, &files.log_fd, &files.cache_fd};
  for (int* place : places) {
    if (*place != fd) continue;
    i64 copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(fd) + 1);
    for (int at = fd - 1; is_error(copy) && at > 2; at--)
      copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(at));
    if (is_error(copy)) return copy;
    *place = static_cast<int>(copy);
    if (place == &files.log_fd) set_log_fd(*place);
    if (place == &files.cache_fd) run::move_translation_cache(fd, *place);
  }
  return 0;
}

i64 identity_resolve_exe(Task& task, int dirfd, const char* path, bool follow) {
  char copy[kPathMax];
  size_t length = __builtin_strlen(path);
  if (length >= kPathMax) return -ENOENT;
  __builtin_memcpy(copy, path, length + 1);
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
    i64 dir = engine_exe_directory(dirfd, copy);
    if (!is_error(dir)) {
      HiddenName name(task, static_cast<int>(dir));
      i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(dir), ptr(name.text), ptr(buffer), size);
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
