// SPDX-License-Identifier: MIT
// Pointers inside of structures that the host kernel reads: iovec arrays and message headers.
//
// What the kernel must not get is replaced in a copy: tags, for threads that enabled tagged addresses (HWASan does), and pointers
// into the engine's arena, which lead nowhere (address_map.h). A structure without either is passed as it is. Deliberately not
// here: sendmmsg, recvmmsg, aio and pointers inside of ioctl structures.
#pragma once
#include "linux/task.h"

namespace grus::linux {

class PassedVector {
 public:
  // `address` is the guest's array of `count` iovecs; address() what to give to the kernel.
  PassedVector(u64 address, u64 count, bool tags);
  ~PassedVector();
  PassedVector(const PassedVector&) = delete;
  PassedVector& operator=(const PassedVector&) = delete;
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

class PassedMessage {
 public:
  PassedMessage(u64 address, bool tags);
  u64 address() const { return changed_ ? reinterpret_cast<u64>(&copy_) : guest_; }
  // recvmsg: what the kernel wrote into the header belongs into the guest's.
  i64 write_back(i64 result) const;

 private:
  struct Header {  // struct user_msghdr
    u64 name;
    u32 name_length, pad;
    u64 vector, count, control, control_length;
    u32 flags, pad2;
  };
  static Header load(u64 address, bool tags, bool* readable, bool* changed);
  u64 guest_;
  bool readable_ = false, changed_ = false;
  Header copy_;
  PassedVector vector_;
};

// The pointer as the host kernel is given it.
u64 passed_pointer(u64 address, bool tags);

}  // namespace grus::linux
