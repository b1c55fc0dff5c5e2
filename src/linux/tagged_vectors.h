// SPDX-License-Identifier: MIT
// Tagged pointers inside of structures that the host kernel reads: iovec arrays and message headers.
//
// Only for threads that enabled tagged addresses (HWASan does). When a structure holds a tag, the kernel is
// given a copy without it. Deliberately not here: sendmmsg, recvmmsg, aio and pointers inside of ioctl
// structures, which fail with EFAULT.
#pragma once
#include "linux/task.h"

namespace grus::linux {

class UntaggedVector {
 public:
  // `address` is the guest's array of `count` iovecs; address() what to give to the kernel.
  UntaggedVector(u64 address, u64 count);
  ~UntaggedVector();
  UntaggedVector(const UntaggedVector&) = delete;
  UntaggedVector& operator=(const UntaggedVector&) = delete;
  u64 address() const { return address_; }

 private:
  struct Entry {
    u64 base, length;
  };
  u64 address_;
  Entry* copy_ = nullptr;
  size_t count_ = 0;
  Entry few_[8];
};

class UntaggedMessage {
 public:
  explicit UntaggedMessage(u64 address);
  u64 address() const { return copied_ ? reinterpret_cast<u64>(&copy_) : guest_; }
  // recvmsg: what the kernel wrote into the header belongs into the guest's.
  i64 write_back(i64 result) const;

 private:
  struct Header {  // struct user_msghdr
    u64 name;
    u32 name_length, pad;
    u64 vector, count, control, control_length;
    u32 flags, pad2;
  };
  static Header load(u64 address, bool* copied);
  u64 guest_;
  bool copied_ = false;
  Header copy_;
  UntaggedVector vector_;
};

}  // namespace grus::linux
