// SPDX-License-Identifier: MIT
// System calls about a range of memory that map nothing: advice, locks, policies, copies between processes.
//
// To the guest the engine's memory is not mapped. A range that touches it is made as the kernel makes it over a hole: up to the
// hole, on both sides of it, or not at all, and what is wrong with the arguments is said before, in the kernel's order, by the
// kernel itself. Other ranges go to the host as they are. Deliberately not here: the mappings of other processes, of which
// only the engine's own arena is known.
#include "linux/memory_ranges.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/uio.h>
#include <linux/userfaultfd.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/abi/host_numbers.h"
#include "linux/address_space.h"
#include "linux/handlers.h"
#include "linux/passed_vectors.h"
#include "linux/user_memory.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

// include/uapi/asm-generic/mman-common.h, newer than the build machine's headers may be
constexpr u32 kMadvDontneedLocked = 24, kMadvGuardInstall = 102;

// On both sides of a hole; `hole` is what the kernel then returns in the end. Another error ends it.
template <typename Call>
i64 around_holes(u64 begin, u64 length, i64 hole, Call call) {
  if (!touches_engine(begin, length)) return call(begin, length);
  if (const i64 r = call(unmapped_page(begin), u64{1}); r != hole) return r;
  GuestParts parts(page_down(begin), page_up(begin + length));
  for (u64 from, to; parts.next(&from, &to);)
    if (const i64 r = call(from, to - from); is_error(r) && r != hole) return r;
  return hole;
}

// The same where holes do not matter as long as there is something beside them.
template <typename Call>
i64 on_any_mapping(u64 begin, u64 length, i64 hole, Call call) {
  if (!touches_engine(begin, length)) return call(begin, length);
  bool any = false;
  const i64 r = around_holes(begin, length, hole, [&](u64 b, u64 n) {
    const i64 part = call(b, n);
    any |= part == 0;
    return part;
  });
  return r == hole && any ? 0 : r;
}

// The whole range or nothing of it.
template <typename Call>
i64 without_holes(u64 begin, u64 length, Call call) {
  return touches_engine(begin, length) ? call(unmapped_page(begin), u64{1}) : call(begin, length);
}

i64 advise(Task& task, u64 begin, u64 length, u64 advice) {
  const u32 what = static_cast<u32>(advice);
  const auto host = [&](u64 b, u64 n) {
    const i64 r = host_syscall(__NR_madvise, b, n, advice);
    const bool drops = what == MADV_DONTNEED || what == MADV_FREE || what == MADV_REMOVE || what == kMadvDontneedLocked ||
                       what == kMadvGuardInstall;
    if (drops && n) {
      LockGuard guard(task.mm->lock);
      if (touches_executable(page_down(b), page_up(b + n))) run::guest_code_modified(page_down(b), page_up(b + n));
    }
    return r;
  };
  if (what == MADV_POPULATE_READ || what == MADV_POPULATE_WRITE) return up_to_hole(begin, length, host);
  return around_holes(begin, length, -ENOMEM, host);
}

// The process of a pidfd, by its fdinfo; -1 when it is none. PIDFD_SELF_* are numbers, not descriptors.
i64 process_of(i32 fd, i32 own) {
  constexpr i32 kSelfThread = -10000, kSelfGroup = -10001;
  if (fd == kSelfThread || fd == kSelfGroup) return own;
  char path[48], text[512];
  format_to(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  const i64 info = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), O_RDONLY | O_CLOEXEC);
  if (is_error(info)) return -1;
  const i64 n = host_syscall(__NR_read, static_cast<u64>(info), ptr(text), sizeof text - 1);
  host_syscall(__NR_close, static_cast<u64>(info));
  for (i64 i = 0; i + 5 < n; i++) {
    if (__builtin_memcmp(text + i, "\nPid:\t", 6)) continue;
    i64 pid = 0;
    for (i64 k = i + 6; k < n && text[k] >= '0' && text[k] <= '9'; k++) pid = pid * 10 + (text[k] - '0');
    return pid;
  }
  return -1;
}

constexpr u64 kMostVectors = 1024;  // UIO_MAXIOV

// A copy of `count` iovecs at `from` that lie in our own memory, without tags, up to the first byte of the engine's: there the
// kernel would find nothing. nullptr: they are right as they are, or nobody can read them.
iovec* cut_vectors(u64 from, u64 count, u64* left) {
  if (!count || count > kMostVectors) return nullptr;
  bool as_it_is = true;
  for (u64 i = 0; i < count; i++) {
    iovec v;
    if (get_user(&v, from + i * sizeof v)) return nullptr;
    const u64 a = ptr(v.iov_base);
    if (GuestAddr(a).untagged().v != a || touches_engine(a, v.iov_len)) as_it_is = false;
  }
  if (as_it_is) return nullptr;
  auto* cut = static_cast<iovec*>(map_engine_pages(count * sizeof(iovec)));
  if (!cut) return nullptr;
  if (copy_from_guest(cut, GuestAddr(from), count * sizeof(iovec))) {
    unmap_engine_pages(cut, count * sizeof(iovec));
    return nullptr;
  }
  *left = count;
  for (u64 i = 0; i < count; i++) {
    const u64 a = GuestAddr(ptr(cut[i].iov_base)).untagged().v;
    cut[i].iov_base = reinterpret_cast<void*>(a);
    if (!touches_engine(a, cut[i].iov_len)) continue;
    const u64 n = guest_length(a, cut[i].iov_len);
    // The byte behind is not there for the kernel either, so that it stops as at a hole.
    if (n) {
      cut[i].iov_len = n;
      i++;
    }
    if (i < count) {
      cut[i] = {reinterpret_cast<void*>(unmapped_page(0)), 1};
      i++;
    }
    *left = i;
    break;
  }
  return cut;
}

i64 copy_between_processes(Task& task, i64 number, const u64 (&a)[6]) {
  // Another thread's number means this memory too.
  const bool own = static_cast<i32>(a[0]) == task.pid || !host_syscall(__NR_tgkill, static_cast<u64>(task.pid), a[0], 0);
  const PassedVector local(a[1], a[2], task.tagged_addresses);
  u64 count = a[4];
  iovec* cut = own ? cut_vectors(a[3], a[4], &count) : nullptr;
  const i64 r = host_syscall(number, a[0], local.address(), a[2], cut ? ptr(cut) : a[3], count, a[5]);
  if (cut) unmap_engine_pages(cut, a[4] * sizeof(iovec));
  return r;
}

}  // namespace

i64 sys_madvise(Task& task, const u64 (&a)[6]) { return advise(task, a[0], a[1], a[2]); }

// vector_madvise(): each as madvise, up to the first that fails.
i64 sys_process_madvise(Task& task, const u64 (&a)[6]) {
  bool touches = false;
  for (u64 i = 0; i < a[2] && i < kMostVectors; i++) {
    iovec v;
    if (get_user(&v, a[1] + i * sizeof v)) break;  // the kernel's to say
    touches |= touches_engine(GuestAddr(ptr(v.iov_base)).untagged().v, v.iov_len);
  }
  if (!touches || process_of(static_cast<i32>(a[0]), task.pid) != task.pid)
    return host_syscall(__NR_process_madvise, a[0], a[1], a[2], a[3], a[4]);
  // Is anything else wrong? Advice of nothing says so.
  const iovec nothing{};
  if (const i64 r = host_syscall(__NR_process_madvise, a[0], ptr(&nothing), 1, a[3], a[4])) return r;
  i64 done = 0;
  for (u64 i = 0; i < a[2]; i++) {
    iovec v;
    if (get_user(&v, a[1] + i * sizeof v)) return -EFAULT;
    const i64 r = advise(task, GuestAddr(ptr(v.iov_base)).untagged().v, v.iov_len, a[3]);
    if (r < 0) return done ? done : r;
    done += static_cast<i64>(v.iov_len);
  }
  return done;
}

i64 sys_msync(Task& task, const u64 (&a)[6]) {
  return around_holes(a[0], a[1], -ENOMEM, [&](u64 b, u64 n) { return blocking_syscall(task, __NR_msync, b, n, a[2]); });
}
i64 sys_mlock(Task&, const u64 (&a)[6]) {
  return up_to_hole(a[0], a[1], [&](u64 b, u64 n) { return host_syscall(__NR_mlock, b, n); });
}
i64 sys_mlock2(Task&, const u64 (&a)[6]) {
  return up_to_hole(a[0], a[1], [&](u64 b, u64 n) { return host_syscall(__NR_mlock2, b, n, a[2]); });
}
i64 sys_munlock(Task&, const u64 (&a)[6]) {
  return up_to_hole(a[0], a[1], [&](u64 b, u64 n) { return host_syscall(__NR_munlock, b, n); });
}
i64 sys_mincore(Task&, const u64 (&a)[6]) {
  return up_to_hole(a[0], a[1], [&](u64 b, u64 n) { return host_syscall(__NR_mincore, b, n, a[2]); });
}
i64 sys_mseal(Task&, const u64 (&a)[6]) {
  return without_holes(a[0], a[1], [&](u64 b, u64 n) { return host_syscall(__NR_mseal, b, n, a[2]); });
}
i64 sys_remap_file_pages(Task& task, const u64 (&a)[6]) {
  u64 begin = page_down(a[0]);
  if (touches_engine(begin, a[1])) return -EINVAL;  // its only error
  LockGuard guard(task.mm->lock);
  const i64 result = host_syscall(__NR_remap_file_pages, a[0], a[1], a[2], a[3], a[4]);
  const u64 end = begin + page_up(a[1]);
  if (touches_executable(begin, end)) run::guest_code_modified(begin, end);
  return result;
}

i64 sys_mbind(Task&, const u64 (&a)[6]) {
  const auto host = [&](u64 b, u64 n) { return host_syscall(__NR_mbind, b, n, a[2], a[3], a[4], a[5]); };
  // do_mbind(): to take a policy away any mapping in the range will do (MPOL_MF_DISCONTIG_OK).
  constexpr u32 kModeFlags = 0xe000;
  if (!(static_cast<u32>(a[2]) & ~kModeFlags)) return on_any_mapping(a[0], a[1], -EFAULT, host);
  return without_holes(a[0], a[1], host);
}
i64 sys_set_mempolicy_home_node(Task&, const u64 (&a)[6]) {
  // -ENOENT: no part has a policy. A hole has none.
  return on_any_mapping(a[0], a[1], -ENOENT,
                        [&](u64 b, u64 n) { return host_syscall(__NR_set_mempolicy_home_node, b, n, a[2], a[3]); });
}
i64 sys_get_mempolicy(Task&, const u64 (&a)[6]) {
  const u64 address = touches_engine(a[3], 1) ? unmapped_page(a[3]) : a[3];
  return host_syscall(__NR_get_mempolicy, a[0], a[1], a[2], address, a[4]);
}
i64 sys_move_pages(Task& task, const u64 (&a)[6]) {
  const u64 count = a[1], bytes = count * sizeof(u64);
  if ((a[0] && static_cast<i32>(a[0]) != task.pid) || count > (u64{1} << 32))
    return host_syscall(__NR_move_pages, a[0], a[1], a[2], a[3], a[4], a[5]);
  bool touches = false;
  for (u64 i = 0; i < count && !touches; i++) {
    u64 page;
    if (get_user(&page, a[2] + i * sizeof page)) break;
    touches = touches_engine(page, 1);
  }
  if (!touches) return host_syscall(__NR_move_pages, a[0], a[1], a[2], a[3], a[4], a[5]);
  u64* pages = static_cast<u64*>(map_engine_pages(bytes));
  if (!pages) return -ENOMEM;
  i64 r = -EFAULT;
  if (!copy_from_guest(pages, GuestAddr(a[2]), bytes)) {
    for (u64 i = 0; i < count; i++)
      if (touches_engine(pages[i], 1)) pages[i] = unmapped_page(pages[i]);
    r = host_syscall(__NR_move_pages, a[0], a[1], ptr(pages), a[3], a[4], a[5]);
  }
  unmap_engine_pages(pages, bytes);
  return r;
}

i64 sys_process_vm_readv(Task& task, const u64 (&a)[6]) {
  return copy_between_processes(task, __NR_process_vm_readv, a);
}
i64 sys_process_vm_writev(Task& task, const u64 (&a)[6]) {
  return copy_between_processes(task, __NR_process_vm_writev, a);
}

i64 name_memory(const u64 (&a)[6]) {
  const u64 begin = GuestAddr(a[2]).untagged().v;
  return around_holes(begin, a[3], -ENOMEM, [&](u64 b, u64 n) { return host_syscall(__NR_prctl, a[0], a[1], b, n, a[4]); });
}

bool userfaultfd_operation(Task& task, const u64 (&a)[6], i64* result) {
  const u32 command = static_cast<u32>(a[1]);
  if (command == UFFDIO_REGISTER) {
    uffdio_register r;
    if (get_user(&r, a[2]) || !touches_engine(r.range.start, r.range.len)) return false;
    // Over holes as over what is mapped; with no mapping at all it is EINVAL.
    const uffdio_register whole = r;
    *result = -EINVAL;
    GuestParts parts(whole.range.start, whole.range.start + whole.range.len);
    for (u64 from, to; parts.next(&from, &to);) {
      r = whole;
      r.range = {from, to - from};
      const i64 n = blocking_syscall(task, __NR_ioctl, a[0], command, ptr(&r));
      if (n == -EINVAL) continue;
      *result = n;
      if (n) return true;
      if (put_user(a[2] + offsetof(uffdio_register, ioctls), r.ioctls)) *result = -EFAULT;
    }
    return true;
  }
  if (command == UFFDIO_UNREGISTER) {
    uffdio_range r;
    if (get_user(&r, a[2]) || !touches_engine(r.start, r.len)) return false;
    *result = -EINVAL;
    GuestParts parts(r.start, r.start + r.len);
    for (u64 from, to; parts.next(&from, &to);) {
      const uffdio_range part{from, to - from};
      const i64 n = blocking_syscall(task, __NR_ioctl, a[0], command, ptr(&part));
      if (n != -EINVAL) *result = n;
    }
    return true;
  }
  // UFFDIO_MOVE takes pages away from where they are; the others write to what is registered, which the engine's never is.
  constexpr u32 kMove = 0xc028aa05;
  if (command == kMove) {
    u64 move[3];  // dst, src, len
    if (copy_from_guest(move, GuestAddr(a[2]), sizeof move) || !touches_engine(move[1], move[2])) return false;
    *result = -ENOENT;
    return true;
  }
  return false;
}

}  // namespace grus::linux
