// SPDX-License-Identifier: MIT
// How system call handlers read and write the guest's structures: the kernel's get_user and put_user, with
// EFAULT as result. Whatever the host kernel itself reads or writes is passed to it as it is (identity
// mapping) and does not come here.
#pragma once
#include <asm/errno.h>

#include "base/guest_memory.h"

namespace grus::linux {

template <typename T>
[[nodiscard]] i64 get_user(T* out, u64 address) {
  return load_guest(GuestAddr(address), out) ? -EFAULT : 0;
}
template <typename T>
[[nodiscard]] i64 put_user(u64 address, const T& in) {
  return store_guest(GuestAddr(address), in) ? -EFAULT : 0;
}

}  // namespace grus::linux
