// SPDX-License-Identifier: MIT
// Descriptors: the engine's own few live among the guest's numbers and must neither be seen nor lost. That
// dispatch answers EBADF for them covers every call that takes one; here are close_range, dup3's target, the
// listing of /proc/PID/fd, and the calls that copy the table. Calls that name one in another way are hidden_names.h's.
#include <asm/errno.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/sched.h>

#include "base/host_syscall.h"
#include "base/memory.h"
#include "linux/abi/open_flags.h"
#include "linux/confinement.h"
#include "linux/handlers.h"
#include "linux/hidden_descriptors.h"
#include "linux/hidden_names.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

int fd(u64 value) { return static_cast<int>(value); }

// unshare(CLONE_FILES) and close_range's: from now on our descriptors move without the others noticing.
void unshare_files(Task& task) {
  Files* old = task.files;
  if (__atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1) return;
  Files* own = engine_new<Files>();
  {
    LockGuard guard(old->lock);
    own->engine_fd = old->engine_fd;
    own->exe_fd = old->exe_fd;
    own->log_fd = old->log_fd;
    own->cache_fd = old->cache_fd;
  }
  own->refs = 1;
  task.files = own;
  if (__atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) == 0) engine_delete(old);
}

struct DirectoryEntry {  // struct linux_dirent64
  u64 ino;
  i64 off;
  u16 length;
  u8 type;
};
constexpr size_t kNameOffset = 19;

// The number that `name` spells, -1 when it is not one.
int descriptor_name(const char* name, size_t size) {
  int value = 0;
  size_t i = 0;
  for (; i < size && name[i]; i++) {
    if (name[i] < '0' || name[i] > '9' || i > 8) return -1;
    value = value * 10 + (name[i] - '0');
  }
  return i ? value : -1;
}

}  // namespace

i64 sys_dup3(Task& task, const u64 (&a)[6]) {
  const int to = fd(a[1]);
  if (is_hidden_fd(task, to)) {
    const i64 moved = move_hidden_fd(task, to);
    if (moved < 0) return moved;
  }
  return host_syscall(__NR_dup3, a[0], a[1], a[2]);
}

i64 sys_close_range(Task& task, const u64 (&a)[6]) {
  u32 first = static_cast<u32>(a[0]);
  const u32 last = static_cast<u32>(a[1]), flags = static_cast<u32>(a[2]);
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) return -EINVAL;
  if (flags & CLOSE_RANGE_UNSHARE) {
    const i64 r = host_syscall(__NR_unshare, CLONE_FILES);
    if (r < 0) return r;
    unshare_files(task);
  }
  int hidden[] = {task.files->engine_fd, task.files->exe_fd, task.files->log_fd, task.files->cache_fd};
  for (unsigned i = 1; i < 4; i++) {
    for (unsigned j = i; j > 0 && hidden[j] < hidden[j - 1]; j--) {
      const int h = hidden[j];
      hidden[j] = hidden[j - 1];
      hidden[j - 1] = h;
    }
  }
  const u64 how = flags & CLOSE_RANGE_CLOEXEC;
  for (const int h : hidden) {
    if (h < 0 || static_cast<u32>(h) < first) continue;
    if (static_cast<u32>(h) > last) break;
    if (static_cast<u32>(h) > first) {
      const i64 r = host_syscall(__NR_close_range, first, static_cast<u32>(h) - 1, how);
      if (r < 0) return r;
    }
    first = static_cast<u32>(h) + 1;
  }
  if (first > last) return 0;
  return host_syscall(__NR_close_range, first, last, how);
}

i64 sys_fcntl(Task& task, const u64 (&a)[6]) {
  switch (static_cast<u32>(a[1])) {
    case F_GETFL: {
      const i64 r = host_syscall(__NR_fcntl, a[0], F_GETFL, a[2]);
      return r < 0 ? r : static_cast<i64>(open_flags_to_guest(static_cast<u64>(r)));
    }
    case F_SETFL:
      return host_syscall(__NR_fcntl, a[0], F_SETFL, open_flags_to_host(a[2]));
    default:
      return blocking_syscall(task, __NR_fcntl, a[0], a[1], a[2]);
  }
}

i64 sys_getdents64(Task& task, const u64 (&a)[6]) {
  for (;;) {
    const i64 size = host_syscall(__NR_getdents64, a[0], a[1], a[2]);
    if (size <= 0) return size;
    // Cut out the entries whose name is the number of a hidden descriptor, if this is a list of descriptors
    // at all. The entry before takes the offset of the one that is gone, so that a seek goes on behind it.
    i64 kept = size;
    for (i64 at = 0; at < kept;) {
      DirectoryEntry entry;
      char name[12] = {};
      if (copy_from_guest(&entry, GuestAddr(a[1] + static_cast<u64>(at)), kNameOffset)) return size;
      const size_t room = entry.length > kNameOffset ? entry.length - kNameOffset : 0;
      if (entry.length == 0) return size;
      if (copy_from_guest(name, GuestAddr(a[1] + static_cast<u64>(at) + kNameOffset), room < 11 ? room : 11))
        return size;
      const int number = descriptor_name(name, sizeof name);
      if (number >= 0 && is_hidden_in(task, fd(a[0]), number)) {
        const u64 to = a[1] + static_cast<u64>(at), from = to + entry.length;
        for (u64 i = 0; i < static_cast<u64>(kept - at) - entry.length;
             i += 8) {  // records are multiples of 8
          u64 word;
          if (get_user(&word, from + i) || put_user(to + i, word)) return size;
        }
        kept -= entry.length;
      } else {
        at += entry.length;
      }
    }
    if (kept > 0) return kept;
  }
}

i64 sys_unshare(Task& task, const u64 (&a)[6]) {
  before_namespaces(task, a[0]);
  const i64 r = host_syscall(__NR_unshare, a[0]);
  if (r == 0 && a[0] & CLONE_FILES) unshare_files(task);
  return r;
}

}  // namespace grus::linux
