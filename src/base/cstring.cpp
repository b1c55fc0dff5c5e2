// SPDX-License-Identifier: MIT
// The four functions that compilers call on their own in freestanding code (memcpy, memmove, memset, memcmp),
// and strlen. Word loops over `may_alias` types behind an asm barrier, so that no optimiser turns one into a
// call to itself.
#include <stddef.h>

#include "base/types.h"

using grus::u64;
using grus::u8;

namespace {
u64 load(const u8* p) {
  u64 v;
  asm("mov %1, %0" : "=r"(v) : "m"(*reinterpret_cast<const u8(*)[8]>(p)));
  return v;
}
void store(u8* p, u64 v) { asm("mov %1, %0" : "=m"(*reinterpret_cast<u8(*)[8]>(p)) : "r"(v)); }
}  // namespace

extern "C" {

[[gnu::visibility("hidden")]] void* memcpy(void* __restrict dst, const void* __restrict src, size_t n) {
  u8* d = static_cast<u8*>(dst);
  const u8* s = static_cast<const u8*>(src);
  if (n >= 512) {  // below, rep movsb's start-up costs more than the loop
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return dst;
  }
  if (n >= 8) {
    u64 tail = load(s + n - 8);
    u8* last = d + n - 8;
    for (; d < last; d += 8, s += 8) store(d, load(s));
    store(last, tail);
    return dst;
  }
  for (; n; n--) {
    *d++ = *s++;
    asm volatile("" : : : "memory");
  }
  return dst;
}

[[gnu::visibility("hidden")]] void* memmove(void* dst, const void* src, size_t n) {
  u8* d = static_cast<u8*>(dst);
  const u8* s = static_cast<const u8*>(src);
  if (reinterpret_cast<u64>(d) - reinterpret_cast<u64>(s) >= n) {  // also true when d < s: ascending is safe
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return dst;
  }
  while (n >= 8) {
    n -= 8;
    store(d + n, load(s + n));
  }
  while (n) {
    n--;
    d[n] = s[n];
    asm volatile("" : : : "memory");
  }
  return dst;
}

[[gnu::visibility("hidden")]] void* memset(void* dst, int value, size_t n) {
  u8* d = static_cast<u8*>(dst);
  u64 v = static_cast<u8>(value) * u64{0x0101010101010101};
  if (n >= 512) {
    asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(value) : "memory");
    return dst;
  }
  if (n >= 8) {
    u8* last = d + n - 8;
    for (; d < last; d += 8) store(d, v);
    store(last, v);
    return dst;
  }
  for (; n; n--) {
    *d++ = static_cast<u8>(value);
    asm volatile("" : : : "memory");
  }
  return dst;
}

[[gnu::visibility("hidden")]] int memcmp(const void* a, const void* b, size_t n) {
  const u8* p = static_cast<const u8*>(a);
  const u8* q = static_cast<const u8*>(b);
  for (; n >= 8; n -= 8, p += 8, q += 8)
    if (load(p) != load(q)) break;
  for (; n; n--, p++, q++) {
    if (*p != *q) return *p < *q ? -1 : 1;
    asm volatile("" : : : "memory");
  }
  return 0;
}

[[gnu::visibility("hidden")]] size_t strlen(const char* s) {
  size_t n = 0;
  while (s[n]) {
    n++;
    asm volatile("" : : : "memory");
  }
  return n;
}

}  // extern "C"
