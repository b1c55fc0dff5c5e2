// SPDX-License-Identifier: MIT
// See prefix.h.
#include "linux/prefix.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include <initializer_list>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"

namespace grus::linux {
namespace {

constexpr size_t kMax = kPrefixedPathMax;

// `path` is `directory` or lies in it.
bool lies_in(const char* path, const char* directory) {
  while (*directory)
    if (*path++ != *directory++) return false;
  return !*path || *path == '/';
}

u64 at(i64 fd) { return static_cast<u64>(fd); }

// The file's own name, from a descriptor of it: the directories and links that led to it are behind us.
i64 name_of(i64 fd, char* buffer) {
  char link[64];
  format_to(link, sizeof link, "/proc/self/fd/%d", static_cast<int>(fd));
  i64 n = host_syscall(__NR_readlinkat, at(AT_FDCWD), ptr(link), ptr(buffer), kMax - 1);
  if (n > 0) buffer[n] = 0;
  return n > 0 && buffer[0] == '/' ? 0 : -ENOENT;
}

}  // namespace

const char* look_below_prefix(const char* path, bool follow, char* buffer) {
  const char* prefix = engine_options().prefix;
  char name[kMax];
  size_t length;
  u8 first;
  if (load_guest(GuestAddr(ptr(path)), &first) || first != '/') return path;
  if (string_length_guest(GuestAddr(ptr(path)), kMax, &length) || length >= kMax) return path;
  if (copy_from_guest(name, GuestAddr(ptr(path)), length)) return path;
  name[length] = 0;
  for (const char* own : {"/proc", "/sys", "/dev", prefix})
    if (lies_in(name, own)) return path;
  i64 root = host_syscall(__NR_openat, at(AT_FDCWD), ptr(prefix), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (is_error(root) && root != -EMFILE && root != -ENFILE) return path;
  i64 fd = root;
  if (!is_error(root)) {
    open_how how{};
    how.flags = static_cast<u64>(O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    how.resolve = RESOLVE_IN_ROOT;
    fd = host_syscall(__NR_openat2, at(root), ptr(name), ptr(&how), sizeof how);
    host_syscall(__NR_close, at(root));
  }
  if (!is_error(fd)) {
    i64 error = name_of(fd, buffer);
    host_syscall(__NR_close, at(fd));
    if (!error) return buffer;
  } else if (fd != -EMFILE && fd != -ENFILE && fd != -ENOSYS) {
    return path;
  }
  // No descriptor to be had, no /proc, or a kernel before 5.6: as QEMU does it.
  size_t before = __builtin_strlen(prefix);
  if (before + length >= kMax) return path;
  __builtin_memcpy(buffer, prefix, before);
  __builtin_memcpy(buffer + before, name, length + 1);
  constexpr u64 kExists = 0;
  return host_syscall(__NR_faccessat, at(AT_FDCWD), ptr(buffer), kExists) ? path : buffer;
}

const char* absolute_prefix(const char* prefix) {
  char directory[kMax];
  directory[0] = 0;
  if (prefix[0] != '/' && host_syscall(__NR_getcwd, ptr(directory), sizeof directory) < 0) return prefix;
  const size_t before = __builtin_strlen(directory), size = __builtin_strlen(prefix);
  char* result = static_cast<char*>(engine_alloc(before + size + 2));
  if (!result) return prefix;
  __builtin_memcpy(result, directory, before);
  if (before) result[before] = '/';
  __builtin_memcpy(result + before + (before != 0), prefix, size + 1);
  size_t end = __builtin_strlen(result);
  while (end && result[end - 1] == '/') result[--end] = 0;
  return end ? result : nullptr;
}

}  // namespace grus::linux
