// SPDX-License-Identifier: MIT
// mlockall and munlockall (mm/mlock.c), by the ranges that are the guest's.
#include "linux/memory_locks.h"

#include <linux/errno.h>
#include <linux/mman.h>

#include "base/host_syscall.h"
#include "linux/address_space.h"
#include "linux/handlers.h"
#include "linux/loader/elf.h"

namespace grus::linux {
namespace {

// Without populating, so that the only errors are those of the limit.
bool lock(u64 begin, u64 end) { return !host_syscall(__NR_mlock2, begin, end - begin, MLOCK_ONFAULT); }
// What cannot be read in stays as it is.
void populate(u64 begin, u64 end) { host_syscall(__NR_mlock2, begin, end - begin, 0); }

template <typename F>
bool for_each_guest_mapping(F f) {
  return for_each_host_mapping(
      [](void* context, u64 begin, u64 end, bool) {
        if (end > kGuestTaskSize) return;
        GuestParts parts(begin, end);
        for (u64 from, to; parts.next(&from, &to);) (*static_cast<F*>(context))(from, to);
      },
      &f);
}

}  // namespace

bool lock_new_mapping(const Mm& mm, u64 at, u64 bytes) {
  if (!mm.lock_future || !bytes) return true;
  if (!lock(at, at + bytes)) return false;
  if (!(mm.lock_future & MCL_ONFAULT)) populate(at, at + bytes);
  return true;
}

i64 sys_mlockall(Task& task, const u64 (&a)[6]) {
  const u32 flags = static_cast<u32>(a[0]);
  if (!flags || (flags & ~static_cast<u32>(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT) return -EINVAL;
  // can_do_mlock(): nothing is locked by this.
  if (const i64 r = host_syscall(__NR_mlock, 0, 0)) return r;
  LockGuard guard(task.mm->lock);
  if (flags & MCL_CURRENT) {
    bool within_limit = true;
    for_each_guest_mapping([&](u64 begin, u64 end) { within_limit = within_limit && lock(begin, end); });
    if (!within_limit) {
      // The kernel changes nothing then; what the guest had locked before is lost here.
      host_syscall(__NR_munlockall);
      return -ENOMEM;
    }
    if (!(flags & MCL_ONFAULT)) for_each_guest_mapping(populate);
  }
  task.mm->lock_future = flags & MCL_FUTURE ? static_cast<u8>(flags) : 0;
  return 0;
}

i64 sys_munlockall(Task& task, const u64 (&a)[6]) {
  LockGuard guard(task.mm->lock);
  task.mm->lock_future = 0;
  return host_syscall(__NR_munlockall);
}

}  // namespace grus::linux
