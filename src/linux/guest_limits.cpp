// SPDX-License-Identifier: MIT
// getrlimit, setrlimit, prlimit64: everything passes but the two biased limits (guest_limits.h).
#include "linux/guest_limits.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/resource.h>

#include "base/host_syscall.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

bool biased(u64 resource) {
  return static_cast<u32>(resource) == RLIMIT_AS || static_cast<u32>(resource) == RLIMIT_DATA;
}

i64 change(u64 pid, u64 resource, u64 new_limit, u64 old_limit) {
  if (!biased(resource)) return host_syscall(__NR_prlimit64, pid, resource, new_limit, old_limit);
  struct ::rlimit64 wanted {
  }, before{};
  if (new_limit && get_user(&wanted, new_limit)) return -EFAULT;
  i64 r = host_syscall(__NR_prlimit64, pid, resource, 0, ptr(&before));
  if (r < 0) return r;
  if (new_limit) {
    if (wanted.rlim_cur > wanted.rlim_max) return -EINVAL;
    wanted.rlim_cur = limit_to_host(wanted.rlim_cur, before.rlim_max);
    wanted.rlim_max = limit_to_host(wanted.rlim_max, before.rlim_max);
    r = host_syscall(__NR_prlimit64, pid, resource, ptr(&wanted), 0);
    if (r < 0) return r;
  }
  if (!old_limit) return 0;
  before.rlim_cur = limit_to_guest(before.rlim_cur);
  before.rlim_max = limit_to_guest(before.rlim_max);
  return put_user(old_limit, before);
}

}  // namespace

u64 guest_limit(unsigned resource) {
  struct ::rlimit64 limit {};
  if (host_syscall(__NR_prlimit64, 0, resource, 0, ptr(&limit)) < 0 || limit.rlim_cur < kLimitBias)
    return kUnlimited;
  return limit_to_guest(limit.rlim_cur);
}

i64 sys_getrlimit(Task&, const u64 (&a)[6]) {
  // A null pointer is EFAULT here, "not wanted" for prlimit64.
  return a[1] ? change(0, a[0], 0, a[1]) : static_cast<u32>(a[0]) >= RLIM_NLIMITS ? -EINVAL : -EFAULT;
}

i64 sys_setrlimit(Task&, const u64 (&a)[6]) { return a[1] ? change(0, a[0], a[1], 0) : -EFAULT; }

i64 sys_prlimit64(Task&, const u64 (&a)[6]) { return change(a[0], a[1], a[2], a[3]); }

}  // namespace grus::linux
