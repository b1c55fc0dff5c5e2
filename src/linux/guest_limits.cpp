// SPDX-License-Identifier: MIT
// getrlimit, setrlimit, prlimit64: everything passes but the two biased limits (guest_limits.h).
#include "linux/guest_limits.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/resource.h>

#include "base/host_syscall.h"
#include "base/memory.h"
#include "linux/address_space.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

// Unknown at start and after each change: the next mapping asks the kernel.
enum class AddressSpace : u8 { Unknown, Unlimited, Limited };
volatile AddressSpace g_address_space = AddressSpace::Unknown;

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
    g_address_space = AddressSpace::Unknown;
  }
  if (!old_limit) return 0;
  before.rlim_cur = limit_to_guest(before.rlim_cur);
  before.rlim_max = limit_to_guest(before.rlim_max);
  return put_user(old_limit, before);
}

// The guest's part of what /proc/self/maps lists, without [skip_begin, skip_end). False: nobody can say.
bool count_guest_mappings(u64 skip_begin, u64 skip_end, u64* total) {
  struct Count {
    u64 skip_begin, skip_end, total;
  } count{skip_begin, skip_end, 0};
  const bool known = for_each_host_mapping(
      [](void* context, u64 begin, u64 end, bool) {
        struct Range {
          u64 begin, end, outside;
        } range{begin, end, end - begin};
        auto subtract = [](void* r_context, u64 b, u64 e) {
          Range& r = *static_cast<Range*>(r_context);
          const u64 from = b > r.begin ? b : r.begin, to = e < r.end ? e : r.end;
          if (from < to) r.outside -= to - from;
        };
        Count& c = *static_cast<Count*>(context);
        for_each_engine_range(subtract, &range);
        subtract(&range, c.skip_begin, c.skip_end);
        c.total += range.outside;
      },
      &count);
  *total = count.total;
  return known;
}

}  // namespace

bool exceeds_address_space_limit(u64 bytes, u64 replaced) {
  if (g_address_space == AddressSpace::Unlimited) return false;
  struct ::rlimit64 limit {};
  if (host_syscall(__NR_prlimit64, 0, RLIMIT_AS, 0, ptr(&limit)) < 0 || limit.rlim_cur < kLimitBias ||
      limit.rlim_cur == kUnlimited) {
    g_address_space = AddressSpace::Unlimited;
    return false;
  }
  g_address_space = AddressSpace::Limited;
  const u64 allowed = limit_to_guest(limit.rlim_cur);
  u64 used = 0;
  if (!count_guest_mappings(replaced, replaced ? replaced + bytes : 0, &used)) return false;
  return used > allowed || bytes > allowed - used;
}

i64 sys_getrlimit(Task&, const u64 (&a)[6]) {
  // A null pointer is EFAULT here, "not wanted" for prlimit64.
  return a[1] ? change(0, a[0], 0, a[1]) : static_cast<u32>(a[0]) >= RLIM_NLIMITS ? -EINVAL : -EFAULT;
}

i64 sys_setrlimit(Task&, const u64 (&a)[6]) { return a[1] ? change(0, a[0], a[1], 0) : -EFAULT; }

i64 sys_prlimit64(Task&, const u64 (&a)[6]) { return change(a[0], a[1], a[2], a[3]); }

}  // namespace grus::linux
