// SPDX-License-Identifier: MIT
// The host's clocks, through its vDSO: some 25 ns instead of a system call. See vdso.h and base/clock.h.
#include <elf.h>
#include <linux/time.h>

#include "base/clock.h"
#include "base/host_syscall.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"
#include "linux/vdso/vdso.h"

namespace grus {
namespace linux {
namespace {

using ClockGettime = int (*)(int, void*);
ClockGettime g_clock_gettime;
u64 g_vdso;  // until it was searched

bool same(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

// The number of dynamic symbols is only told by the hash tables.
u32 symbols_by_gnu_hash(const u32* h) {
  u32 buckets = h[0], first = h[1], bloom = h[2];
  const u32* bucket = h + 4 + bloom * 2;
  const u32* chain = bucket + buckets;
  u32 last = 0;
  for (u32 i = 0; i < buckets; i++)
    if (bucket[i] > last) last = bucket[i];
  if (last < first) return first;
  while (!(chain[last - first] & 1)) last++;
  return last + 1;
}

// Many programs never ask for the time: the first question searches the image.
void search_vdso(u64 base) {
  auto* eh = reinterpret_cast<const Elf64_Ehdr*>(base);
  auto* ph = reinterpret_cast<const Elf64_Phdr*>(base + eh->e_phoff);
  u64 bias = base;
  const Elf64_Dyn* dynamic = nullptr;
  for (unsigned i = 0; i < eh->e_phnum; i++)
    if (ph[i].p_type == PT_LOAD) bias = base + ph[i].p_offset - ph[i].p_vaddr;
  for (unsigned i = 0; i < eh->e_phnum; i++)
    if (ph[i].p_type == PT_DYNAMIC) dynamic = reinterpret_cast<const Elf64_Dyn*>(bias + ph[i].p_vaddr);
  if (!dynamic) return;
  const char* strings = nullptr;
  const Elf64_Sym* symbols = nullptr;
  u32 count = 0;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    u64 p = bias + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(p);
    if (dynamic->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(p);
    if (dynamic->d_tag == DT_HASH) count = reinterpret_cast<const u32*>(p)[1];
    if (dynamic->d_tag == DT_GNU_HASH && !count) count = symbols_by_gnu_hash(reinterpret_cast<const u32*>(p));
  }
  if (!strings || !symbols) return;
  for (u32 i = 0; i < count; i++)
    if (symbols[i].st_shndx && same(strings + symbols[i].st_name, "__vdso_clock_gettime"))
      g_clock_gettime = reinterpret_cast<ClockGettime>(bias + symbols[i].st_value);
}

}  // namespace

void host_clock_init(u64 base) { g_vdso = base; }

i64 host_clock_gettime(u64 clock, void* timespec) {
  if (u64 vdso = __atomic_load_n(&g_vdso, __ATOMIC_RELAXED)) [[unlikely]] {
    search_vdso(vdso);
    g_vdso = 0;  // two threads may both have searched
  }
  if (g_clock_gettime) return g_clock_gettime(static_cast<int>(clock), timespec);
  return host_syscall(__NR_clock_gettime, clock, ptr(timespec));
}

// The guest's own vDSO answers CLOCK_MONOTONIC; the others come here and still need not enter the host's kernel.
i64 sys_clock_gettime(Task&, const u64 (&a)[6]) {
  timespec t;
  i64 error = host_clock_gettime(static_cast<u32>(a[0]), &t);
  return error ? error : put_user(a[1], t);
}

i64 sys_gettimeofday(Task&, const u64 (&a)[6]) {
  if (!a[0] || a[1]) return host_syscall(__NR_gettimeofday, a[0], a[1]);
  timespec t;
  i64 error = host_clock_gettime(CLOCK_REALTIME, &t);
  return error ? error : put_user(a[0], timeval{t.tv_sec, t.tv_nsec / 1000});
}

}  // namespace linux

u64 host_counter_ns() {
  struct {
    i64 seconds, nanoseconds;
  } t{};
  linux::host_clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.seconds) * 1'000'000'000 + static_cast<u64>(t.nanoseconds);
}

}  // namespace grus
