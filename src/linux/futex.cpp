// SPDX-License-Identifier: MIT
// futex: the host's, on the guest's own words. The commands that sleep must notice guest signals; the others
// never block, so all go the same way. Robust lists have the same layout, and the kernel walks the guest's
// own (set_robust_list passes).
#include <asm/unistd_64.h>

#include "linux/handlers.h"

namespace grus::linux {

i64 sys_futex(Task& task, const u64 (&a)[6]) {
  return blocking_syscall(task, __NR_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // namespace grus::linux
