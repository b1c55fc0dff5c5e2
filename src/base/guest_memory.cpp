// SPDX-License-Identifier: MIT
// Every access is a few instructions between two labels of .grus_fixup: {first byte, one past the last, continuation}.
// The continuation returns rax = status, rdx = address as the handler set them.
#include "base/guest_memory.h"


namespace grus {
namespace {

struct Fixup {
  i32 begin, end, resume;  // relative to each field's own address
};
extern "C" const Fixup __start_grus_fixup[], __stop_grus_fixup[];

}  // namespace

// FIXUP: an access on labels 661 to 662; a faulting one continues at 662 with rax and rdx set by the handler.
#define FIXUP                                      \
  ".pushsection grus_fixup, \"a\", @progbits\n"    \
  ".balign 4\n"                                    \
  ".long 661b - ., 662b - ., 662b - .\n"           \
  ".popsection\n"

static u64 guest(GuestAddr a) { return a.untagged().v; }

void (*guest_store_hook)(u64 untagged, size_t size);

static u64 guest_for_store(GuestAddr a, size_t n) {
  u64 p = guest(a);
  if (__builtin_expect(guest_store_hook != nullptr, 0)) guest_store_hook(p, n);
  return p;
}

// Words are faster than `rep movsb` below some hundred bytes (base/cstring.cpp); aligned ones fault where bytes would.
static bool in_words(u64 a, size_t n) { return n < 512 && !(a & 7) && !(n & 3); }

static MemoryFault copy_words(void* to, const void* from, size_t n) {
  u64 status = 0, addr = 0, at = 0, word;
  asm volatile(
      "661: lea 8(%[at]), %[word]\n"
      " cmp %[n], %[word]\n"
      " ja 1f\n"
      " mov (%[from], %[at]), %[word]\n"
      " mov %[word], (%[to], %[at])\n"
      " add $8, %[at]\n"
      " jmp 661b\n"
      "1: cmp %[n], %[at]\n"
      " je 662f\n"
      " mov (%[from], %[at]), %k[word]\n"
      " mov %k[word], (%[to], %[at])\n662:\n" FIXUP
      : "+a"(status), "+d"(addr), [at] "+&r"(at), [word] "=&r"(word)
      : [n] "r"(n), [from] "r"(from), [to] "r"(to)
      : "memory", "cc");
  return {status, addr};
}

MemoryFault copy_from_guest(void* dst, GuestAddr src, size_t n) {
  u64 status = 0, addr = 0;
  void* from = reinterpret_cast<void*>(guest(src));
  if (in_words(reinterpret_cast<u64>(from), n)) return copy_words(dst, from, n);
  asm volatile("661: rep movsb\n662:\n" FIXUP
               : "+a"(status), "+d"(addr), "+D"(dst), "+S"(from), "+c"(n)
               :
               : "memory");
  return {status, addr};
}

MemoryFault copy_to_guest(GuestAddr dst, const void* src, size_t n) {
  u64 status = 0, addr = 0;
  void* to = reinterpret_cast<void*>(guest_for_store(dst, n));
  if (in_words(reinterpret_cast<u64>(to), n)) return copy_words(to, src, n);
  asm volatile("661: rep movsb\n662:\n" FIXUP
               : "+a"(status), "+d"(addr), "+D"(to), "+S"(src), "+c"(n)
               :
               : "memory");
  return {status, addr};
}

MemoryFault store_guest_words(GuestAddr a, const u32* at, const i32* values, size_t n) {
  u64 status = 0, addr = 0, i = 0, place, value;
  if (!n) return {};
  asm volatile(
      "661: mov (%[at], %[i], 4), %k[place]\n"
      " mov (%[values], %[i], 4), %k[value]\n"
      " mov %k[value], (%[to], %[place], 4)\n"
      " add $1, %[i]\n"
      " cmp %[n], %[i]\n"
      " jb 661b\n662:\n" FIXUP
      : "+a"(status), "+d"(addr), [i] "+&r"(i), [place] "=&r"(place), [value] "=&r"(value)
      : [n] "r"(n), [at] "r"(at), [values] "r"(values), [to] "r"(guest(a))
      : "memory", "cc");
  return {status, addr};
}

MemoryFault compare_with_guest(const void* own, GuestAddr a, size_t n, bool* same) {
  u64 status = 0, addr = 0, at = 0, word, differs = 0;
  asm volatile(
      "661: mov (%[own], %[at]), %[word]\n"
      " xor (%[guest], %[at]), %[word]\n"
      " or %[word], %[differs]\n"
      " mov 8(%[own], %[at]), %[word]\n"
      " xor 8(%[guest], %[at]), %[word]\n"
      " or %[word], %[differs]\n"
      " mov 16(%[own], %[at]), %[word]\n"
      " xor 16(%[guest], %[at]), %[word]\n"
      " or %[word], %[differs]\n"
      " mov 24(%[own], %[at]), %[word]\n"
      " xor 24(%[guest], %[at]), %[word]\n"
      " or %[word], %[differs]\n"
      " add $32, %[at]\n"
      " cmp %[n], %[at]\n"
      " jb 661b\n662:\n" FIXUP
      : "+a"(status), "+d"(addr), [at] "+&r"(at), [word] "=&r"(word), [differs] "+&r"(differs)
      : [n] "r"(n), [own] "r"(own), [guest] "r"(guest(a))
      : "memory", "cc");
  *same = !status && !differs;
  return {status, addr};
}

template <typename T>
static MemoryFault load(u64 a, T* out) {
  u64 status = 0, addr = 0;
  T value = 0;
  asm volatile("661: mov %[m], %[v]\n662:\n" FIXUP
               : "+a"(status), "+d"(addr), [v] "=&r"(value)
               : [m] "m"(*reinterpret_cast<const T*>(a))
               : "memory");
  if (!status) *out = value;
  return {status, addr};
}

template <typename T>
static MemoryFault store(u64 a, T value) {
  u64 status = 0, addr = 0;
  asm volatile("661: mov %[v], %[m]\n662:\n" FIXUP
               : "+a"(status), "+d"(addr), [m] "=m"(*reinterpret_cast<T*>(a))
               : [v] "r"(value)
               : "memory");
  return {status, addr};
}

template <typename T>
static MemoryFault load_as(u64 a, void* out) {
  T value;
  MemoryFault f = load<T>(a, &value);
  if (!f) __builtin_memcpy(out, &value, sizeof value);
  return f;
}

template <typename T>
static MemoryFault store_as(u64 a, const void* in) {
  T value;
  __builtin_memcpy(&value, in, sizeof value);
  return store<T>(a, value);
}

MemoryFault load_guest_bytes(GuestAddr a, unsigned size, void* out) {
  u64 p = guest(a);
  switch (size) {
    case 1: return load_as<u8>(p, out);
    case 2: return load_as<u16>(p, out);
    case 4: return load_as<u32>(p, out);
    case 8: return load_as<u64>(p, out);
    default: {
      u64 v[2];
      if (MemoryFault f = load<u64>(p, &v[0])) return f;
      if (MemoryFault f = load<u64>(p + 8, &v[1])) return f;
      __builtin_memcpy(out, v, 16);
      return {};
    }
  }
}

MemoryFault store_guest_bytes(GuestAddr a, unsigned size, const void* in) {
  u64 p = guest_for_store(a, size);
  switch (size) {
    case 1: return store_as<u8>(p, in);
    case 2: return store_as<u16>(p, in);
    case 4: return store_as<u32>(p, in);
    case 8: return store_as<u64>(p, in);
    default: {
      u64 v[2];
      __builtin_memcpy(v, in, 16);
      // The second half first: an access that crosses into an unwritable page then leaves nothing written.
      if (MemoryFault f = store<u64>(p + 8, v[1])) {
        // Hardware reports the lowest address that faults: the first byte's, or the page that the access runs into.
        // The exchange of 0 for 0 asks for write access and changes nothing.
        u8 zero = 0;
        if (MemoryFault first = compare_exchange_guest(a, 1, &zero, &zero)) return first;
        f.addr = page_down(f.addr);
        return f;
      }
      return store<u64>(p, v[0]);
    }
  }
}

template <typename T>
static MemoryFault compare_exchange(u64 a, void* expected, const void* desired) {
  T want, put;
  __builtin_memcpy(&want, expected, sizeof want);
  __builtin_memcpy(&put, desired, sizeof put);
  // rax is the comparand here, so the status travels in rdx alone: the handler's rax overwrites `want`, and a flag
  // in rcx tells the two apart.
  u64 acc = want, done = 0, addr = 0;
  asm volatile("661: lock cmpxchg %[put], %[m]\n mov $1, %k[done]\n662:\n" FIXUP
               : "+a"(acc), "+d"(addr), [done] "+&r"(done), [m] "+m"(*reinterpret_cast<T*>(a))
               : [put] "r"(put)
               : "memory", "cc");
  if (!done) return {acc, addr};
  want = static_cast<T>(acc);
  __builtin_memcpy(expected, &want, sizeof want);
  return {};
}

static MemoryFault compare_exchange_16(u64 a, void* expected, const void* desired) {
  u64 want[2], put[2];
  __builtin_memcpy(want, expected, 16);
  __builtin_memcpy(put, desired, 16);
  u64 lo = want[0], hi = want[1], done = 0;
  asm volatile("661: lock cmpxchg16b %[m]\n mov $1, %k[done]\n662:\n" FIXUP
               : "+a"(lo), "+d"(hi), [done] "+&r"(done), [m] "+m"(*reinterpret_cast<u128*>(a))
               : "b"(put[0]), "c"(put[1])
               : "memory", "cc");
  if (!done) return {lo, hi};
  want[0] = lo;
  want[1] = hi;
  __builtin_memcpy(expected, want, 16);
  return {};
}

MemoryFault compare_exchange_guest(GuestAddr a, unsigned size, void* expected, const void* desired) {
  u64 p = guest_for_store(a, size);
  switch (size) {
    case 1: return compare_exchange<u8>(p, expected, desired);
    case 2: return compare_exchange<u16>(p, expected, desired);
    case 4: return compare_exchange<u32>(p, expected, desired);
    case 8: return compare_exchange<u64>(p, expected, desired);
    default: return compare_exchange_16(p, expected, desired);
  }
}

MemoryFault string_length_guest(GuestAddr s, size_t max, size_t* length) {
  for (size_t n = 0; n < max; n++) {
    u8 c;
    if (MemoryFault f = load<u8>(guest(s) + n, &c)) return f;
    if (c == 0) {
      *length = n;
      return {};
    }
  }
  *length = max;
  return {};
}

bool guest_memory_fixup(u64* rip, u64* rax, u64* rdx, int sig, int code, u64 addr) {
  for (const Fixup* f = __start_grus_fixup; f != __stop_grus_fixup; f++) {
    u64 begin = reinterpret_cast<u64>(&f->begin) + static_cast<i64>(f->begin);
    u64 end = reinterpret_cast<u64>(&f->end) + static_cast<i64>(f->end);
    if (*rip < begin || *rip >= end) continue;
    *rip = reinterpret_cast<u64>(&f->resume) + static_cast<i64>(f->resume);
    *rax = static_cast<u64>(static_cast<u8>(sig)) | static_cast<u64>(static_cast<u8>(code)) << 8;
    *rdx = addr;
    return true;
  }
  return false;
}

}  // namespace grus
