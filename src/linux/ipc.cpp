// SPDX-License-Identifier: MIT
// System V semaphores: struct semid64_ds differs, so IPC_STAT, IPC_SET and their relatives convert; all other
// commands pass. Messages and shared memory have the same structures (abi/sem.h).
#include <asm/errno.h>

#include "base/host_syscall.h"
#include "linux/abi/sem.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"

namespace grus::linux {

i64 sys_semctl(Task&, const u64 (&a)[6]) {
  constexpr u32 kSemStatAny = 20;
  switch (static_cast<u32>(a[2])) {
    case IPC_STAT:
    case SEM_STAT:
    case kSemStatAny: {
      struct ::semid64_ds host {};
      const i64 r = host_syscall(__NR_semctl, a[0], a[1], a[2], ptr(&host));
      if (r < 0) return r;
      const i64 error = put_user(a[3], to_guest(host));
      return error ? error : r;
    }
    case IPC_SET: {
      GuestSemidDs guest;
      if (get_user(&guest, a[3])) return -EFAULT;
      struct ::semid64_ds host = to_host(guest);
      return host_syscall(__NR_semctl, a[0], a[1], a[2], ptr(&host));
    }
    default:
      return host_syscall(__NR_semctl, a[0], a[1], a[2], a[3]);
  }
}

}  // namespace grus::linux
