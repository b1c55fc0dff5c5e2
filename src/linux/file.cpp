// SPDX-License-Identifier: MIT
// Opening, naming and describing files: what differs between the architectures is the numbering of four open
// flags and struct stat. Paths go through identity.h, so that no spelling of /proc/PID/exe shows the engine.
#include <asm/errno.h>
#include <linux/fanotify.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include "base/host_syscall.h"
#include "linux/abi/open_flags.h"
#include "linux/abi/stat.h"
#include "linux/handlers.h"
#include "linux/identity.h"
#include "linux/blocking_syscall.h"
#include "linux/prefix.h"
#include "linux/proc/files.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

const char* path(u64 address) { return reinterpret_cast<const char*>(address); }
int fd(u64 value) { return static_cast<int>(value); }
constexpr u64 kNoFollow = 0x100;  // AT_SYMLINK_NOFOLLOW
bool opens_through_links(u64 flags) { return !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL); }

i64 put_stat(i64 result, const struct ::stat& host, u64 address) {
  if (result < 0) return result;
  return put_user(address, to_guest_stat(host));
}

}  // namespace

i64 sys_openat(Task& task, const u64 (&a)[6]) {
  const u64 flags = open_flags_to_host(static_cast<u32>(a[2]));
  return with_prefix(path(a[1]), opens_through_links(flags),
                     [&](const char* name) { return identity_openat(task, fd(a[0]), name, flags, a[3]); });
}

i64 sys_openat2(Task& task, const u64 (&a)[6]) {
  struct ::open_how how {};
  const u64 size = a[3];
  if (size < sizeof how) return -EINVAL;
  if (size > kGuestPageSize) return -E2BIG;
  if (get_user(&how, a[2])) return -EFAULT;
  for (u64 i = sizeof how; i < size; i++) {  // copy_struct_from_user: what we do not know must be zero
    u8 byte = 0;
    if (get_user(&byte, a[2] + i)) return -EFAULT;
    if (byte) return -E2BIG;
  }
  how.flags = open_flags_to_host(how.flags);
  auto open = [&](const char* name) { return identity_openat2(task, fd(a[0]), name, &how, sizeof how); };
  if (how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return open(path(a[1]));  // it is no name below the root
  return with_prefix(path(a[1]), opens_through_links(how.flags), open);
}

// A file of /proc that was rewritten is made anew when it is read from its beginning again.
i64 sys_lseek(Task& task, const u64 (&a)[6]) {
  constexpr u32 kSeekSet = 0;
  if (!a[1] && static_cast<u32>(a[2]) == kSeekSet) refresh_proc_file(task, fd(a[0]));
  return host_syscall(__NR_lseek, a[0], a[1], a[2]);
}
i64 sys_pread64(Task& task, const u64 (&a)[6]) {
  if (!a[3]) refresh_proc_file(task, fd(a[0]));
  return blocking_syscall(task, __NR_pread64, a);
}

i64 sys_open_by_handle_at(Task& task, const u64 (&a)[6]) {
  return blocking_syscall(task, __NR_open_by_handle_at, a[0], a[1],
                          open_flags_to_host(static_cast<u32>(a[2])));
}

i64 sys_pipe2(Task&, const u64 (&a)[6]) {
  return host_syscall(__NR_pipe2, a[0], open_flags_to_host(static_cast<u32>(a[1])));
}

i64 sys_mq_open(Task&, const u64 (&a)[6]) {
  return host_syscall(__NR_mq_open, a[0], open_flags_to_host(static_cast<u32>(a[1])), a[2], a[3]);
}

// The second argument becomes the flags of the descriptors that events carry.
i64 sys_fanotify_init(Task&, const u64 (&a)[6]) {
  return host_syscall(__NR_fanotify_init, a[0], open_flags_to_host(static_cast<u32>(a[1])));
}

i64 sys_newfstatat(Task& task, const u64 (&a)[6]) {
  struct ::stat host;
  i64 result = with_prefix(path(a[1]), !(a[3] & kNoFollow),
                           [&](const char* name) { return identity_fstatat(task, fd(a[0]), name, &host, static_cast<u32>(a[3])); });
  return put_stat(result, host, a[2]);
}

i64 sys_fstat(Task& task, const u64 (&a)[6]) {
  struct ::stat host;
  return put_stat(identity_fstat(task, fd(a[0]), &host), host, a[1]);
}

i64 sys_statx(Task& task, const u64 (&a)[6]) {
  return with_prefix(path(a[1]), !(a[2] & kNoFollow), [&](const char* name) {
    return identity_statx(task, fd(a[0]), name, static_cast<u32>(a[2]), static_cast<u32>(a[3]), reinterpret_cast<void*>(a[4]));
  });
}

i64 sys_readlinkat(Task& task, const u64 (&a)[6]) {
  const int size = static_cast<int>(a[3]);
  if (size <= 0) return -EINVAL;
  return with_prefix(path(a[1]), false, [&](const char* name) {
    return identity_readlinkat(task, fd(a[0]), name, reinterpret_cast<char*>(a[2]), static_cast<u64>(size));
  });
}

// faccessat has three arguments; whatever lies in x3 is not a flag.
i64 sys_faccessat(Task& task, const u64 (&a)[6]) {
  return with_prefix(path(a[1]), true,
                     [&](const char* name) { return identity_faccessat(task, fd(a[0]), name, static_cast<u32>(a[2]), 0); });
}

i64 sys_faccessat2(Task& task, const u64 (&a)[6]) {
  return with_prefix(path(a[1]), !(a[3] & kNoFollow), [&](const char* name) {
    return identity_faccessat(task, fd(a[0]), name, static_cast<u32>(a[2]), static_cast<u32>(a[3]));
  });
}

}  // namespace grus::linux
