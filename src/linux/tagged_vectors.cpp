// SPDX-License-Identifier: MIT
// See tagged_vectors.h. A structure that cannot be read is passed as it is: the kernel says EFAULT.
#include "linux/tagged_vectors.h"

#include <asm/errno.h>

#include "base/memory.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

constexpr u64 kMaxEntries = 1024;  // UIO_MAXIOV
u64 untagged(u64 address) { return GuestAddr(address).untagged().v; }

}  // namespace

UntaggedVector::UntaggedVector(u64 address, u64 count) : address_(address) {
  if (!address || count == 0 || count > kMaxEntries) return;
  Entry* entries = few_;
  if (count > sizeof few_ / sizeof few_[0])
    entries = static_cast<Entry*>(engine_alloc(count * sizeof(Entry)));
  bool tags = false;
  const bool bad = bool(copy_from_guest(entries, GuestAddr(address), count * sizeof(Entry)));
  for (u64 i = 0; i < count && !bad; i++) {
    tags |= entries[i].base != untagged(entries[i].base);
    entries[i].base = untagged(entries[i].base);
  }
  if (entries != few_) copy_ = entries;
  count_ = count;
  if (tags) address_ = reinterpret_cast<u64>(entries);
}

UntaggedVector::~UntaggedVector() {
  if (copy_) engine_free(copy_, count_ * sizeof(Entry));
}

UntaggedMessage::Header UntaggedMessage::load(u64 address, bool* copied) {
  Header h{};
  *copied = get_user(&h, address) == 0;
  h.name = untagged(h.name);
  h.vector = untagged(h.vector);
  h.control = untagged(h.control);
  return h;
}

UntaggedMessage::UntaggedMessage(u64 address)
    : guest_(address),
      copy_(load(address, &copied_)),
      vector_(copied_ ? copy_.vector : 0, copied_ ? copy_.count : 0) {
  copy_.vector = vector_.address();
}

i64 UntaggedMessage::write_back(i64 result) const {
  if (!copied_ || result < 0) return result;
  if (put_user(guest_ + offsetof(Header, name_length), copy_.name_length) ||
      put_user(guest_ + offsetof(Header, control_length), copy_.control_length) ||
      put_user(guest_ + offsetof(Header, flags), copy_.flags))
    return -EFAULT;
  return result;
}

}  // namespace grus::linux
