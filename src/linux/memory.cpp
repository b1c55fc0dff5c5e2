// SPDX-License-Identifier: MIT
// The mmap family. The host's memory management is the guest's: identity mapping, the same page size, the same structures.
//
// What is done here: keep guests off the engine's memory (as if it lay above TASK_SIZE), place modules where their code
// windows are near (docs/address-map.md), drop the flag bits that mean something else on x86, and tell run/ about code.
// PROT_EXEC stays on the host's mapping: nothing ever jumps there, and /proc/self/maps reads as on arm64.
// Deliberately not here: memory tagging and BTI, which are not offered.
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/shm.h>

#include "base/host_syscall.h"
#include "base/memory.h"
#include "linux/address_space.h"
#include "linux/shared_code.h"
#include "linux/guest_limits.h"
#include "linux/handlers.h"
#include "linux/loader/elf.h"
#include "linux/memory_locks.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

// arch/arm64/include/uapi/asm/mman.h; the first two are not offered.
constexpr u64 kProtMask = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM;
// MAP_32BIT and MAP_ABOVE4G exist on x86 only.
constexpr u64 kX86Flags = 0x40 | 0x80;

// True when [a, a + size) cannot be the guest's: beyond TASK_SIZE or the engine's.
bool is_off_limits(u64 a, u64 size) {
  return a + size < a || a + size > kGuestTaskSize || is_engine_memory(a, size);
}

bool begins_with_elf_header(int fd) {
  u8 magic[4];
  return host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(magic), 4, 0) == 4 && magic[0] == 0x7f && magic[1] == 'E' &&
         magic[2] == 'L' && magic[3] == 'F';
}

// Unhinted mappings that are, or will be, a program or library.
bool is_module_shaped(u64 size, u64 prot, u64 flags, int fd, u64 offset) {
  if (size > kLargestModule || (flags & MAP_TYPE) != MAP_PRIVATE) return false;
  if (flags & MAP_ANONYMOUS) return prot == PROT_NONE && !(flags & (MAP_STACK | MAP_NORESERVE | MAP_GROWSDOWN | MAP_HUGETLB));
  if (prot & PROT_EXEC) return true;
  return offset == 0 && !(prot & PROT_WRITE) && begins_with_elf_header(fd);
}

}  // namespace

// sys_mmap() of arch/arm64/kernel/sys.c: the offset is in bytes.
i64 sys_mmap(Task& task, const u64 (&a)[6]) {
  u64 hint = a[0], size = a[1], flags = a[3], offset = a[5];
  u64 prot = a[2] & kProtMask;
  int fd = static_cast<int>(a[4]);
  if (offset & (kGuestPageSize - 1)) return -EINVAL;
  if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (flags & kX86Flags)) return -EOPNOTSUPP;
  flags &= ~kX86Flags;
  u64 bytes = page_up(size);
  if (size && !bytes) return -ENOMEM;
  bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  if (fixed && size) {
    if (hint + bytes < hint || hint + bytes > kGuestTaskSize) return -ENOMEM;
    if (is_engine_memory(page_down(hint), bytes)) return (flags & MAP_FIXED_NOREPLACE) ? -EEXIST : -ENOMEM;
  } else if (!fixed && hint >= kGuestTaskSize - bytes) {
    hint = 0;  // arch_get_unmapped_area(): a hint that does not fit is none
  }
  LockGuard guard(task.mm->lock);
  if (exceeds_address_space_limit(bytes, fixed ? page_down(hint) : 0)) return -ENOMEM;
  const ChangeOfRange change(fixed ? hint : 0, fixed ? hint + bytes : 0);
  i64 result;
  if (!fixed && hint == 0 && is_module_shaped(bytes, prot, flags, fd, offset)) {
    result = map_in_module_zone(bytes, bytes, kGuestPageSize, prot, flags, fd, offset);
  } else {
    result = hint || fixed ? host_syscall(__NR_mmap, hint, size, prot, flags, a[4], offset)
                           : map_anywhere(size, prot, flags, fd, offset);
    // A hint into free room of the engine's is none.
    if (!is_error(result) && !fixed && hint && is_engine_memory(static_cast<u64>(result), bytes)) {
      host_syscall(__NR_munmap, static_cast<u64>(result), bytes);
      result = map_anywhere(size, prot, flags, fd, offset);
    }
  }
  // The kernel checks before it maps: what a fixed mapping replaces stays then.
  if (!is_error(result) && !lock_new_mapping(*task.mm, static_cast<u64>(result), bytes)) {
    host_syscall(__NR_munmap, static_cast<u64>(result), bytes);
    forget_range(static_cast<u64>(result), static_cast<u64>(result) + bytes);
    result = -EAGAIN;
  }
  if (is_error(result)) {
    // What a fixed mapping would have replaced may be gone.
    if ((flags & MAP_FIXED) && touches_executable(hint, hint + bytes)) ask_what_is_executable(hint, hint + bytes);
  } else {
    u64 at = static_cast<u64>(result);
    if (prot & PROT_EXEC)
      note_other_code(at, at + bytes);
    else
      forget_range(at, at + bytes);
    if ((prot & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC && (flags & MAP_TYPE) == MAP_PRIVATE && !(flags & MAP_ANONYMOUS))
      note_guest_file(at, at + bytes, fd, offset);
    forget_shared(at, at + bytes);
    bool shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
    if (shared && !(flags & MAP_ANONYMOUS)) note_shared(at, at + bytes, fd, offset);
  }
  return result;
}

i64 sys_munmap(Task& task, const u64 (&a)[6]) {
  u64 begin = a[0], bytes = page_up(a[1]);
  if (begin & (kGuestPageSize - 1) || !bytes || begin > kGuestTaskSize || bytes > kGuestTaskSize - begin) return -EINVAL;
  LockGuard guard(task.mm->lock);
  const ChangeOfRange change(begin, begin + bytes);
  GuestParts parts(begin, begin + bytes);
  for (u64 from, to; parts.next(&from, &to);) {
    if (const i64 error = host_syscall(__NR_munmap, from, to - from)) return error;
    forget_range(from, to);
    forget_shared(from, to);
  }
  return 0;
}

namespace {

i64 protect(u64 begin, u64 length, u64 prot) {
  const u64 end = begin + page_up(length);
  const ChangeOfRange change(begin, end);
  const bool code = touches_executable(begin, end);
  const i64 result = host_syscall(__NR_mprotect, begin, length, prot);
  if (result) {
    if (code || (prot & PROT_EXEC)) ask_what_is_executable(begin, end);  // it changes all up to a hole
  } else if (!(prot & PROT_EXEC)) {
    forget_range(begin, end);
  } else {
    // Whoever gives the permission to write is about to change the code.
    if (code && (prot & PROT_WRITE)) run::guest_code_modified(begin, end);
    note_executable(begin, end);
  }
  return result;
}

}  // namespace

i64 sys_mprotect(Task& task, const u64 (&a)[6]) {
  u64 begin = a[0], bytes = page_up(a[1]), prot = a[2];
  // do_mprotect_pkey(): what is wrong in itself the host says.
  if (begin & (kGuestPageSize - 1) || !bytes || begin + bytes < begin) return host_syscall(__NR_mprotect, begin, a[1], prot);
  LockGuard guard(task.mm->lock);
  return up_to_hole(begin, a[1], [&](u64 b, u64 n) { return protect(b, n, prot); });
}

i64 sys_pkey_mprotect(Task& task, const u64 (&a)[6]) {
  if (static_cast<i32>(a[3]) != -1) return -EINVAL;  // no key was ever allocated
  return sys_mprotect(task, a);
}

i64 sys_mremap(Task& task, const u64 (&a)[6]) {
  u64 old_begin = a[0], old_bytes = page_up(a[1]), new_bytes = page_up(a[2]), flags = a[3], new_begin = a[4];
  // Nothing is mapped there: the host says so (EFAULT), after all that is wrong with the rest.
  if (is_off_limits(page_down(old_begin), old_bytes ? old_bytes : kGuestPageSize)) {
    if ((flags & MREMAP_FIXED) && (!(flags & MREMAP_MAYMOVE) || new_begin % kGuestPageSize)) return -EINVAL;
    return host_syscall(__NR_mremap, unmapped_page(old_begin), a[1], a[2], flags & ~u64{MREMAP_FIXED}, 0);
  }
  if ((flags & MREMAP_FIXED) && is_off_limits(new_begin, new_bytes)) return -EINVAL;
  LockGuard guard(task.mm->lock);
  if (new_bytes > old_bytes && exceeds_address_space_limit(new_bytes - old_bytes)) return -ENOMEM;
  u64 code_begin, code_end;
  bool code = executable_range_of(old_begin, &code_begin, &code_end);
  const ChangeOfRange change(old_begin, old_begin + old_bytes);
  const ChangeOfRange overmapped(flags & MREMAP_FIXED ? new_begin : 0, flags & MREMAP_FIXED ? new_begin + new_bytes : 0);
  i64 result = host_syscall(__NR_mremap, a[0], a[1], a[2], flags, new_begin);
  if (!is_error(result) && is_engine_memory(static_cast<u64>(result), new_bytes)) {
    // Moved by the kernel into free room of the engine's: once more, or back.
    constexpr u64 kToAddress = MREMAP_MAYMOVE | MREMAP_FIXED;
    const u64 now = static_cast<u64>(result), room = find_room(new_bytes, kGuestPageSize, now + new_bytes);
    result = host_syscall(__NR_mremap, now, new_bytes, room ? new_bytes : old_bytes, kToAddress, room ? room : old_begin);
    if (!room) result = -ENOMEM;
  }
  const u64 old_end = old_begin + old_bytes, at = static_cast<u64>(result);
  if (is_error(result)) {
    // What was to be replaced may be gone, and of several mappings some may have moved.
    if (touches_executable(old_begin, old_end)) ask_what_is_executable(old_begin, old_end);
    if ((flags & MREMAP_FIXED) && touches_executable(new_begin, new_begin + new_bytes))
      ask_what_is_executable(new_begin, new_begin + new_bytes);
  } else if (at == old_begin) {
    if (new_bytes < old_bytes) forget_range(old_begin + new_bytes, old_end);
    if (code && new_bytes > old_bytes) note_executable(old_end, old_begin + new_bytes);
  } else {
    // MREMAP_DONTUNMAP leaves empty pages, and no length another mapping of the same ones.
    if (flags & MREMAP_DONTUNMAP) {
      if (touches_executable(old_begin, old_end)) run::guest_code_modified(old_begin, old_end);
    } else {
      forget_range(old_begin, old_end);
    }
    if (code)
      note_other_code(at, at + new_bytes);
    else
      forget_range(at, at + new_bytes);
  }
  return result;
}

i64 sys_brk(Task& task, const u64 (&a)[6]) {
  LockGuard guard(task.mm->lock);
  const u64 old = task.mm->brk, have = page_up(old), wanted = page_up(a[0]);
  if (wanted > have && exceeds_address_space_limit(wanted - have)) return static_cast<i64>(task.mm->brk);
  u64 brk = brk_set(*task.mm, a[0]);
  if (page_up(brk) > have && !lock_new_mapping(*task.mm, have, page_up(brk) - have)) brk = brk_set(*task.mm, old);
  return static_cast<i64>(brk);
}

// SHMLBA is the page size on both (include/asm-generic/shmparam.h); struct shmid64_ds is the same.
i64 sys_shmat(Task& task, const u64 (&a)[6]) {
  shmid64_ds ds{};
  u64 address = a[1], flags = a[2];
  i64 stat = host_syscall(__NR_shmctl, a[0], IPC_STAT, ptr(&ds));
  u64 bytes = stat == 0 ? page_up(ds.shm_segsz) : kGuestPageSize;
  if (address && is_off_limits(page_down(address), bytes)) return -EINVAL;
  LockGuard guard(task.mm->lock);
  const ChangeOfRange change(flags & SHM_REMAP ? page_down(address) : 0, flags & SHM_REMAP ? page_down(address) + bytes : 0);
  i64 result = host_syscall(__NR_shmat, a[0], address, flags);
  if (is_error(result) && (flags & SHM_REMAP) && touches_executable(page_down(address), page_down(address) + bytes))
    ask_what_is_executable(page_down(address), page_down(address) + bytes);
  if (!is_error(result) && !address && is_engine_memory(static_cast<u64>(result), bytes)) {
    host_syscall(__NR_shmdt, static_cast<u64>(result));
    const u64 room = find_room(bytes, kGuestPageSize, static_cast<u64>(result) + bytes);
    result = room ? host_syscall(__NR_shmat, a[0], room, flags) : -ENOMEM;
  }
  if (!is_error(result) && !lock_new_mapping(*task.mm, static_cast<u64>(result), bytes)) {
    host_syscall(__NR_shmdt, static_cast<u64>(result));
    forget_range(static_cast<u64>(result), static_cast<u64>(result) + bytes);
    return -EAGAIN;
  }
  if (is_error(result)) return result;
  const u64 at = static_cast<u64>(result);
  if (flags & SHM_REMAP) forget_shared(at, at + bytes);
  note_segment(at, at + bytes, a[0]);
  if (flags & SHM_EXEC)
    note_other_code(at, at + bytes);
  else
    forget_range(at, at + bytes);
  return result;
}

i64 sys_shmdt(Task& task, const u64 (&a)[6]) {
  if (is_engine_memory(a[0], 1)) return -EINVAL;
  LockGuard guard(task.mm->lock);
  u64 begin, end;
  const bool code = executable_range_of(a[0], &begin, &end);
  const ChangeOfRange change(code ? begin : 0, code ? end : 0);
  const i64 result = host_syscall(__NR_shmdt, a[0]);
  if (!is_error(result)) forget_segment(a[0]);
  if (code) ask_what_is_executable(a[0], end);
  return result;
}

}  // namespace grus::linux
