// SPDX-License-Identifier: MIT
// epoll: only struct epoll_event differs, 12 bytes here and 16 there.
//
// The host writes its packed events straight into the guest's array, which is the larger one, and they are
// spread out in place from the end: no second buffer for an array of any length, and EFAULT comes from the
// kernel itself. Masks and interruption are blocking_syscall's.
#include <asm/errno.h>
#include <linux/eventpoll.h>

#include "base/host_syscall.h"
#include "linux/abi/epoll.h"
#include "linux/handlers.h"
#include "linux/identity.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

i64 spread_events(u64 events, i64 n) {
  for (i64 i = n - 1; i >= 0; i--) {
    HostEpollEvent packed;
    if (get_user(&packed, events + static_cast<u64>(i) * sizeof packed)) return -EFAULT;
    if (put_user(events + static_cast<u64>(i) * sizeof(GuestEpollEvent), to_guest(packed))) return -EFAULT;
  }
  return n;
}

// EP_MAX_EVENTS of the guest's larger structure.
constexpr int kMaxEvents = 0x7fffffff / sizeof(GuestEpollEvent);

}  // namespace

i64 sys_epoll_ctl(Task& task, const u64 (&a)[6]) {
  HostEpollEvent event{};
  if (static_cast<int>(a[1]) != EPOLL_CTL_DEL) {
    GuestEpollEvent guest;
    if (get_user(&guest, a[3])) return -EFAULT;
    event = to_host(guest);
  }
  return host_syscall(__NR_epoll_ctl, a[0], a[1], a[2], ptr(&event));
}

i64 sys_epoll_pwait(Task& task, const u64 (&a)[6]) {
  if (static_cast<int>(a[2]) > kMaxEvents) return -EINVAL;
  const i64 n = blocking_syscall(task, __NR_epoll_pwait, a[0], a[1], a[2], a[3], a[4], a[5]);
  return n > 0 ? spread_events(a[1], n) : n;
}

i64 sys_epoll_pwait2(Task& task, const u64 (&a)[6]) {
  if (static_cast<int>(a[2]) > kMaxEvents) return -EINVAL;
  const i64 n = blocking_syscall(task, __NR_epoll_pwait2, a[0], a[1], a[2], a[3], a[4], a[5]);
  return n > 0 ? spread_events(a[1], n) : n;
}

}  // namespace grus::linux
