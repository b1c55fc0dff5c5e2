// SPDX-License-Identifier: MIT
// See confinement.h.
#include "linux/confinement.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include "base/host_syscall.h"
#include "linux/handlers.h"
#include "linux/hidden_descriptors.h"
#include "linux/user_memory.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

constexpr u64 kEmptyPath = 0x1000;  // AT_EMPTY_PATH
constexpr i32 kUnchanged = -1;

bool same_file(u64 a_dirfd, const char* a, u64 b_dirfd, const char* b) {
  struct stat x, y;
  return !host_syscall(__NR_newfstatat, a_dirfd, ptr(a), ptr(&x), kEmptyPath) &&
         !host_syscall(__NR_newfstatat, b_dirfd, ptr(b), ptr(&y), kEmptyPath) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// Its parent is itself, and not because this process's root is there.
bool leads_nowhere(int fd) {
  const u64 directory = static_cast<u64>(fd), here = static_cast<u64>(AT_FDCWD);
  return same_file(directory, "..", directory, "") && !same_file(here, "/", directory, "");
}

void close_cache(Task& task) {
  Files& files = *task.files;
  LockGuard guard(files.lock);
  if (files.cache_fd >= 0) host_syscall(__NR_close, static_cast<u64>(files.cache_fd));
  files.cache_fd = -1;
}

// Does the effective user change? kUnchanged: the call leaves it alone. Group ids are no matter: the cache believes in nothing
// that a group may write to.
void before_effective_user(Task& task, u64 wanted) {
  const i32 id = static_cast<i32>(wanted);
  if (id == kUnchanged || id == static_cast<i32>(host_syscall(__NR_geteuid))) return;
  leave_cache(task);
}

constexpr u64 kNamespaces = CLONE_NEWNS | CLONE_NEWUSER;

}  // namespace

void confine_cache(Task& task) {
  const int fd = task.files->cache_fd;
  if (fd < 0 || leads_nowhere(fd)) return;
  const i64 mount = host_syscall(__NR_open_tree, static_cast<u64>(fd), ptr(""), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | kEmptyPath);
  if (is_error(mount) || !leads_nowhere(static_cast<int>(mount))) {
    if (!is_error(mount)) host_syscall(__NR_close, static_cast<u64>(mount));
    return leave_cache(task);
  }
  LockGuard guard(task.files->lock);
  int confined = fd;
  // Above the soft limit on descriptors dup3 is EBADF.
  if (is_error(host_syscall(__NR_dup3, static_cast<u64>(mount), static_cast<u64>(fd), O_CLOEXEC))) {
    host_syscall(__NR_close, static_cast<u64>(fd));
    confined = hide_fd(static_cast<int>(mount), fd);
    task.files->cache_fd = confined;
    run::move_translation_cache(fd, confined);
  } else {
    host_syscall(__NR_close, static_cast<u64>(mount));
  }
}

void leave_cache(Task& task) {
  run::leave_translation_cache();
  close_cache(task);
}

void before_namespaces(Task& task, u64 flags) {
  if (flags & kNamespaces) confine_cache(task);
}

i64 sys_chroot(Task& task, const u64 (&a)[6]) {
  confine_cache(task);
  return host_syscall(__NR_chroot, a[0]);
}

i64 sys_pivot_root(Task& task, const u64 (&a)[6]) {
  confine_cache(task);
  return host_syscall(__NR_pivot_root, a[0], a[1]);
}

// 0 stands for any kind of namespace.
i64 sys_setns(Task& task, const u64 (&a)[6]) {
  const u32 kind = static_cast<u32>(a[1]);
  before_namespaces(task, kind ? kind : kNamespaces);
  return host_syscall(__NR_setns, a[0], a[1]);
}

i64 sys_landlock_restrict_self(Task& task, const u64 (&a)[6]) {
  leave_cache(task);
  return host_syscall(__NR_landlock_restrict_self, a[0], a[1]);
}

i64 sys_setuid(Task& task, const u64 (&a)[6]) {
  before_effective_user(task, a[0]);
  return host_syscall(__NR_setuid, a[0]);
}

i64 sys_setreuid(Task& task, const u64 (&a)[6]) {
  before_effective_user(task, a[1]);
  return host_syscall(__NR_setreuid, a[0], a[1]);
}

i64 sys_setresuid(Task& task, const u64 (&a)[6]) {
  before_effective_user(task, a[1]);
  return host_syscall(__NR_setresuid, a[0], a[1], a[2]);
}

// What files are opened with: a server that takes a client's for a while.
i64 sys_setfsuid(Task& task, const u64 (&a)[6]) {
  before_effective_user(task, a[0]);
  return host_syscall(__NR_setfsuid, a[0]);
}

i64 sys_capset(Task& task, const u64 (&a)[6]) {
  // Version 3 has two words of each set. Whatever else this may be, the kernel judges it.
  struct __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct now[2] = {}, wanted[2] = {};
  u32 version = 0;
  bool keeps = !host_syscall(__NR_capget, ptr(&header), ptr(now)) && !get_user(&version, a[0]) &&
               version == _LINUX_CAPABILITY_VERSION_3 && !copy_from_guest(wanted, GuestAddr(a[1]), sizeof wanted);
  for (unsigned i = 0; i < 2; i++) keeps = keeps && !(now[i].effective & ~wanted[i].effective);
  if (!keeps) leave_cache(task);
  return host_syscall(__NR_capset, a[0], a[1]);
}

}  // namespace grus::linux
