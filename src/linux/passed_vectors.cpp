// SPDX-License-Identifier: MIT
// See passed_vectors.h. A structure that cannot be read is passed as it is: the kernel says EFAULT.
#include "linux/passed_vectors.h"

#include <asm/errno.h>

#include "base/address_map.h"
#include "base/memory.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

constexpr u64 kMaxEntries = 1024;  // UIO_MAXIOV

}  // namespace

u64 passed_pointer(u64 address, bool tags) {
  u64 a = tags ? GuestAddr(address).untagged().v : address;
  return address_map::in_arena(a) ? address_map::kNeverMapped : a;
}

PassedVector::PassedVector(u64 address, u64 count, bool tags) : address_(address) {
  if (!address || count == 0 || count > kMaxEntries) return;
  Entry* entries = few_;
  if (count > sizeof few_ / sizeof few_[0]) entries = static_cast<Entry*>(engine_alloc(count * sizeof(Entry)));
  bool changed = false;
  const bool bad = bool(copy_from_guest(entries, GuestAddr(address), count * sizeof(Entry)));
  for (u64 i = 0; i < count && !bad; i++) {
    u64 passed = passed_pointer(entries[i].base, tags);
    changed |= entries[i].base != passed;
    entries[i].base = passed;
  }
  if (entries != few_) copy_ = entries;
  count_ = count;
  if (changed) address_ = reinterpret_cast<u64>(entries);
}

PassedVector::~PassedVector() {
  if (copy_) engine_free(copy_, count_ * sizeof(Entry));
}

PassedMessage::Header PassedMessage::load(u64 address, bool tags, bool* readable, bool* changed) {
  Header h{};
  *readable = get_user(&h, address) == 0;
  u64* const pointers[] = {&h.name, &h.vector, &h.control};
  for (u64* p : pointers) {
    u64 passed = passed_pointer(*p, tags);
    *changed |= passed != *p;
    *p = passed;
  }
  return h;
}

PassedMessage::PassedMessage(u64 address, bool tags)
    : guest_(address),
      copy_(load(address, tags, &readable_, &changed_)),
      vector_(readable_ ? copy_.vector : 0, readable_ ? copy_.count : 0, tags) {
  changed_ = readable_ && (changed_ || vector_.address() != copy_.vector);
  copy_.vector = vector_.address();
}

i64 PassedMessage::write_back(i64 result) const {
  if (!changed_ || result < 0) return result;
  if (put_user(guest_ + offsetof(Header, name_length), copy_.name_length) ||
      put_user(guest_ + offsetof(Header, control_length), copy_.control_length) ||
      put_user(guest_ + offsetof(Header, flags), copy_.flags))
    return -EFAULT;
  return result;
}

}  // namespace grus::linux
