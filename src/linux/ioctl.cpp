// SPDX-License-Identifier: MIT
// ioctl: numbers and structures are those of asm-generic on both sides (termios, sockets, file systems, block
// devices), so nearly everything passes. The exceptions are the interfaces that mean a machine: KVM would
// hand out x86 virtual machines. A command may block without bound (TCSBRK, drivers), so all of them are
// interruptible.
#include <asm/errno.h>
#include <asm/ioctls.h>

#include "base/host_syscall.h"
#include "linux/abi/open_flags.h"
#include "linux/handlers.h"
#include "linux/memory_ranges.h"

namespace grus::linux {

i64 sys_ioctl(Task& task, const u64 (&a)[6]) {
  constexpr u32 kKvmType = 0xae;
  const u32 command = static_cast<u32>(a[1]);
  if ((command >> 8 & 0xff) == kKvmType) return -ENOTTY;
  if (command == TIOCGPTPEER)  // its argument is open flags
    return blocking_syscall(task, __NR_ioctl, a[0], command, open_flags_to_host(a[2]));
  constexpr u32 kUserfaultfdType = 0xaa;
  i64 result;
  if ((command >> 8 & 0xff) == kUserfaultfdType && userfaultfd_operation(task, a, &result)) return result;
  return blocking_syscall(task, __NR_ioctl, a[0], a[1], a[2]);
}

}  // namespace grus::linux
