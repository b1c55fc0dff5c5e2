// SPDX-License-Identifier: MIT
// The host's clocks, through its vDSO: some 25 ns instead of a system call. See vdso.h and base/clock.h.
#include <elf.h>
#include <linux/time.h>

#include "base/clock.h"
#include "base/host_syscall.h"
#include "base/lock.h"
#include "base/memory.h"
#include "linux/handlers.h"
#include "linux/user_memory.h"
#include "linux/vdso/vdso.h"

// i64 grus_call_vdso(clock, timespec, function): what the thread block notes lets a fault inside come back with -ENOSYS.
asm(R"(
  .text
  .globl grus_call_vdso
  .hidden grus_call_vdso
  .type grus_call_vdso, @function
grus_call_vdso:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  sub $8, %rsp
  mov %rsp, %fs:8
  call *%rdx
1:movq $0, %fs:8
  add $8, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  cltq
  ret
  .globl grus_vdso_failed
  .hidden grus_vdso_failed
grus_vdso_failed:
  mov $-38, %eax
  jmp 1b
  .size grus_call_vdso, . - grus_call_vdso
)");
static_assert(offsetof(grus::HostThreadBlock, outside_sp) == 8);

extern "C" {
[[gnu::visibility("hidden")]] grus::i64 grus_call_vdso(grus::u64 clock, void* timespec, grus::u64 function);
[[gnu::visibility("hidden")]] extern const char grus_vdso_failed[];
}

namespace grus {
namespace linux {
namespace {

constexpr i64 kNoSuchCall = -38;
u64 g_clock_gettime;
u64 g_vdso;  // until it was searched
u64 g_begin, g_end;

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
      g_clock_gettime = bias + symbols[i].st_value;
}

}  // namespace

// [vvar] lies below [vdso] without a gap, in as many pages as the kernel's version wants; reading /proc/self/maps would cost
// each start 30 us.
void host_clock_init(u64 base, u64 stack_end) {
  if (!base) return;
  constexpr u64 kMost = 32 * kGuestPageSize;
  const auto mapped = [](u64 page) {
    u8 resident;
    return host_syscall(__NR_mincore, page, 1, ptr(&resident)) == 0;
  };
  g_vdso = g_begin = base;
  g_end = base + kGuestPageSize;
  while (base - g_begin < kMost && g_begin != stack_end && mapped(g_begin - kGuestPageSize)) g_begin -= kGuestPageSize;
  while (g_end - base < kMost && mapped(g_end)) g_end += kGuestPageSize;
  claim_engine_range(g_begin, g_end - g_begin);
}

bool leave_host_vdso(u64* rip, u64* rsp, u64 outside_sp) {
  if (*rip < g_begin || *rip >= g_end || !outside_sp) return false;
  *rip = reinterpret_cast<u64>(grus_vdso_failed);
  *rsp = outside_sp;
  return true;
}

i64 host_clock_gettime(u64 clock, void* timespec) {
  if (u64 vdso = __atomic_load_n(&g_vdso, __ATOMIC_RELAXED); vdso && have_host_thread_block()) [[unlikely]] {
    search_vdso(vdso);
    g_vdso = 0;  // two threads may both have searched
  }
  if (const u64 function = g_clock_gettime) {
    const i64 r = grus_call_vdso(static_cast<u32>(clock), timespec, function);
    if (r != kNoSuchCall) return r;
    g_clock_gettime = 0;
  }
  return host_syscall(__NR_clock_gettime, clock, ptr(timespec));
}

void answer_clock_hypercalls(u64 guest_vdso) { g_clock_hypercall = {guest_vdso, host_clock_gettime}; }

// Of those who do not use the guest's vDSO.
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
