// SPDX-License-Identifier: MIT
// Arrays, mostly sorted, that are whole at every moment: a vfork child may be killed while it changes one, and its parent goes on with
// what is there.
//
// Guarantees: a change is written to the array that is not looked at, and one store makes it the one that is. So a change copies
// all: these have tens of entries, JITs' a few hundred; the kernel's limit on mappings bounds them.
// Deliberately not here: a lock. Whoever changes, or looks, holds the owner's.
#pragma once
#include "base/types.h"

namespace grus {

// Pages for a bigger array; never nullptr (it dies instead).
using MapTable = void* (*)(size_t bytes);
using UnmapTable = void (*)(void* p, size_t bytes);

template <typename T, MapTable map, UnmapTable unmap>
class SwitchedArray {
 public:
  constexpr SwitchedArray() = default;
  // Two arrays to begin with.
  constexpr SwitchedArray(T* first, T* second, u32 capacity) : side_{{first, 0, capacity, true}, {second, 0, capacity, true}} {}

  u32 count() const { return side_[now_].count; }
  T& operator[](u32 i) { return side_[now_].data[i]; }
  const T& operator[](u32 i) const { return side_[now_].data[i]; }

  // `n` others in place of those of [at, at + removed).
  void replace(u32 at, u32 removed, const T* others, u32 n) {
    const Side& old = side_[now_];
    Side& fresh = side_[now_ ^ 1];
    const u32 count = old.count - removed + n;
    if (count > fresh.capacity) grow(fresh, count);
    // memcpy with nullptr is undefined
    if (at) __builtin_memcpy(fresh.data, old.data, at * sizeof(T));
    if (n) __builtin_memcpy(fresh.data + at, others, n * sizeof(T));
    if (const u32 tail = old.count - at - removed) __builtin_memcpy(fresh.data + at + n, old.data + at + removed, tail * sizeof(T));
    fresh.count = count;
    __atomic_store_n(&now_, now_ ^ 1, __ATOMIC_RELEASE);
  }
  void insert(u32 at, const T& value) { replace(at, 0, &value, 1); }
  void erase(u32 at, u32 n) { replace(at, n, nullptr, 0); }

 private:
  struct Side {
    T* data;
    u32 count, capacity;
    bool fixed;
  };

  void grow(Side& side, u32 least) {
    constexpr u32 kPage = static_cast<u32>(kGuestPageSize / sizeof(T));
    u32 capacity = side.capacity ? 2 * side.capacity : kPage;
    while (capacity < least) capacity *= 2;
    const Side old = side;
    T* data = static_cast<T*>(map(page_up(capacity * sizeof(T))));
    side.data = data;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    side.capacity = capacity;
    side.fixed = false;
    if (old.data && !old.fixed) unmap(old.data, page_up(old.capacity * sizeof(T)));
  }

  Side side_[2] = {};
  u32 now_ = 0;
};

struct Range {
  u64 begin, end;
};

// Sorted, disjoint, not adjacent.
template <MapTable map, UnmapTable unmap>
class RangeSet {
 public:
  constexpr RangeSet() = default;
  constexpr RangeSet(Range* first, Range* second, u32 capacity) : ranges_(first, second, capacity) {}

  u32 count() const { return ranges_.count(); }
  const Range& operator[](u32 i) const { return ranges_[i]; }

  u32 first_ending_after(u64 a) const {
    u32 low = 0, high = count();
    while (low < high) {
      u32 middle = low + (high - low) / 2;
      if (ranges_[middle].end > a)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
  bool touches(u64 begin, u64 end) const {
    u32 i = first_ending_after(begin);
    return begin < end && i < count() && ranges_[i].begin < end;
  }
  const Range* containing(u64 a) const {
    u32 i = first_ending_after(a);
    return i < count() && ranges_[i].begin <= a ? &ranges_[i] : nullptr;
  }
  void add(u64 begin, u64 end) {
    if (begin >= end) return;
    u32 i = first_ending_after(begin);
    if (i < count() && ranges_[i].begin <= begin && ranges_[i].end >= end) return;
    if (i > 0 && ranges_[i - 1].end == begin) i--;
    u32 n = 0;
    while (i + n < count() && ranges_[i + n].begin <= end) n++;
    Range all{begin, end};
    if (n && ranges_[i].begin < begin) all.begin = ranges_[i].begin;
    if (n && ranges_[i + n - 1].end > end) all.end = ranges_[i + n - 1].end;
    ranges_.replace(i, n, &all, 1);
  }
  void remove(u64 begin, u64 end) {
    if (begin >= end) return;
    u32 i = first_ending_after(begin), n = 0, left = 0;
    while (i + n < count() && ranges_[i + n].begin < end) n++;
    if (!n) return;
    Range rest[2];
    if (ranges_[i].begin < begin) rest[left++] = {ranges_[i].begin, begin};
    if (ranges_[i + n - 1].end > end) rest[left++] = {end, ranges_[i + n - 1].end};
    ranges_.replace(i, n, rest, left);
  }

 private:
  SwitchedArray<Range, map, unmap> ranges_;
};

}  // namespace grus
