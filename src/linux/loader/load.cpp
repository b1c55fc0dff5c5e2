// SPDX-License-Identifier: MIT
// See load.h. Order and errors follow load_elf_binary() of fs/binfmt_elf.c.
#include "linux/loader/load.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/memory.h"
#include "linux/address_space.h"
#include "linux/prefix.h"
#include "run/execute.h"

namespace grus::linux {
namespace {

constexpr u64 kNoFd = ~u64{0};

// 0 when all was read; a short file is EIO, as elf_read().
i64 read_all(int fd, void* out, u64 size, u64 offset) {
  u8* at = static_cast<u8*>(out);
  while (size) {
    i64 n = host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(at), size, offset);
    if (n == -EINTR) continue;
    if (is_error(n)) return n;
    if (n == 0) return -EIO;
    at += n;
    size -= static_cast<u64>(n);
    offset += static_cast<u64>(n);
  }
  return 0;
}

}  // namespace

i64 open_elf(int fd, bool interpreter, ElfFile* file) {
  file->fd = fd;
  file->phdrs = nullptr;
  i64 bad = interpreter ? -ELIBBAD : -ENOEXEC;
  if (i64 error = read_all(fd, &file->header, sizeof file->header, 0)) return interpreter ? error : bad;
  if (check_elf_header(file->header)) return bad;
  file->phdrs_size = page_up(file->header.e_phnum * sizeof(Elf64_Phdr));
  bool few = file->header.e_phnum <= sizeof file->few_phdrs / sizeof(Elf64_Phdr);
  file->phdrs = few ? file->few_phdrs : static_cast<Elf64_Phdr*>(map_engine_pages(file->phdrs_size));
  if (!file->phdrs) return -ENOMEM;
  i64 error = 0;
  if (file->header.e_phoff >> 62 ||
      read_all(fd, file->phdrs, file->header.e_phnum * sizeof(Elf64_Phdr), file->header.e_phoff))
    error = bad;
  else
    error = plan_elf(file->header, file->phdrs, file->header.e_phnum, &file->plan);
  if (error) release_elf(*file);
  return error == -ENOEXEC ? bad : error;
}

void release_elf(ElfFile& file) {
  if (file.phdrs && file.phdrs != file.few_phdrs) unmap_engine_pages(file.phdrs, file.phdrs_size);
  file.phdrs = nullptr;
}

i64 read_interpreter_path(const ElfFile& file, char* path) {
  u64 size = file.plan.interp_size;
  if (!size) return 0;
  if (file.plan.interp_offset >> 62) return -EINVAL;
  if (i64 error = read_all(file.fd, path, size, file.plan.interp_offset)) return error;
  if (path[size - 1] != 0) return -ENOEXEC;
  return 1;
}

int open_interpreter(const char* path) {
  i64 fd = with_prefix(path, true, [](const char* name) {
    return host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(name), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  });
  if (is_error(fd)) return static_cast<int>(fd);
  struct stat st;
  i64 error = host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st));
  // open_exec(): a regular file that may be executed.
  if (!error && (st.st_mode & 0170000) != 0100000) error = -EACCES;
  if (!error) {
    constexpr u64 kExecute = 1, kEffective = 0x200, kEmptyPath = 0x1000;
    i64 access =
        host_syscall(439 /* faccessat2 */, static_cast<u64>(fd), ptr(""), kExecute, kEffective | kEmptyPath);
    if (access == -EACCES) error = access;
  }
  if (error) {
    host_syscall(__NR_close, static_cast<u64>(fd));
    return static_cast<int>(error);
  }
  return static_cast<int>(fd);
}

i64 map_elf(const ElfFile& file, MappedElf* mapped) {
  *mapped = MappedElf{};
  const ElfPlan& plan = file.plan;
  u64 span = plan.high - plan.low;
  struct stat st;
  if (i64 error = host_syscall(__NR_fstat, static_cast<u64>(file.fd), ptr(&st))) return error;
  u64 file_size = static_cast<u64>(st.st_size);
  u64 bias = 0;
  // At a start only the engine's and the kernel's own mappings are there, and those are not this low.
  constexpr u64 kSurelyFree = u64{1} << 32;
  if (span && !(file.header.e_type == ET_EXEC && plan.high <= kSurelyFree)) {
    constexpr u64 kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    i64 at;
    if (file.header.e_type == ET_EXEC) {
      if (is_engine_memory(plan.low, span)) return -ENOMEM;
      at = host_syscall(__NR_mmap, plan.low, span, PROT_NONE, kReserve | MAP_FIXED_NOREPLACE, kNoFd, 0);
      if (!is_error(at) && static_cast<u64>(at) != plan.low) {
        host_syscall(__NR_munmap, static_cast<u64>(at), span);
        at = -EEXIST;
      }
    } else {
      at = map_in_module_zone(span, span, plan.alignment, PROT_NONE, kReserve, -1, 0);
    }
    if (is_error(at)) return at;
    bias = static_cast<u64>(at) - plan.low;
    // The reservation goes; nobody else can take the room meanwhile: there is one thread.
    host_syscall(__NR_munmap, plan.low + bias, span);
  }
  for (unsigned i = 0; i < file.header.e_phnum; i++) {
    const Elf64_Phdr& p = file.phdrs[i];
    SegmentPlan s;
    if (p.p_type != PT_LOAD) continue;
    if (i64 error = plan_segment(p, &s)) return error;
    u64 prot = static_cast<u64>(s.protection);
    if (s.file_end > s.file_begin) {
      i64 at = host_syscall(__NR_mmap, s.file_begin + bias, s.file_end - s.file_begin, prot,
                            MAP_PRIVATE | MAP_FIXED, static_cast<u64>(file.fd), s.file_offset);
      if (is_error(at)) return at;
      if (s.clear_begin && s.clear_begin < s.file_end && (prot & PROT_WRITE)) {
        // padzero(): a page that the file does not reach cannot be cleared.
        u64 last_page_offset = s.file_offset + (page_down(s.clear_begin) - s.file_begin);
        if (last_page_offset >= file_size) return -EFAULT;
        bool readable = prot & PROT_READ;
        if (!readable)
          host_syscall(__NR_mprotect, page_down(s.clear_begin) + bias, kGuestPageSize,
                       PROT_READ | PROT_WRITE);
        __builtin_memset(reinterpret_cast<void*>(s.clear_begin + bias), 0, s.file_end - s.clear_begin);
        if (!readable) host_syscall(__NR_mprotect, page_down(s.clear_begin) + bias, kGuestPageSize, prot);
      }
    }
    if (s.zero_end > s.zero_begin) {
      // vm_brk_flags(): readable and writable whatever the segment says, executable when it asks for it.
      i64 at = host_syscall(__NR_mmap, s.zero_begin + bias, s.zero_end - s.zero_begin,
                            PROT_READ | PROT_WRITE | (prot & PROT_EXEC),
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, kNoFd, 0);
      if (is_error(at)) return at;
    }
    if (prot & PROT_EXEC) {
      note_executable(s.file_begin + bias, page_up(p.p_vaddr + p.p_memsz) + bias);
      if (!(prot & PROT_WRITE)) note_guest_file(s.file_begin + bias, s.file_end + bias, file.fd, s.file_offset);
    } else if (s.zero_end > s.file_begin) {
      forget_range(s.file_begin + bias, s.zero_end + bias);
    } else {
      forget_range(s.file_begin + bias, s.file_end + bias);
    }
  }
  mapped->bias = bias;
  mapped->entry = file.header.e_entry + bias;
  mapped->phdrs = plan.phdr_vaddr ? plan.phdr_vaddr + bias : 0;
  return 0;
}

u64 build_initial_stack(const InitialStack& in, u64* auxv, u64* auxv_size) {
  static const char kPlatform[16] = "aarch64";
  u64 top = (in.top & ~u64{15}) - sizeof kPlatform;
  u64 platform = top;
  __builtin_memcpy(reinterpret_cast<void*>(platform), kPlatform, sizeof kPlatform);

  // create_elf_tables(); AT_RSEQ_* are not there: rseq is refused.
  const u64 entries[][2] = {
      {AT_SYSINFO_EHDR, in.vdso},
      {51 /* AT_MINSIGSTKSZ */, kMinSigStack},
      {AT_HWCAP, kHwcap},
      {AT_PAGESZ, kGuestPageSize},
      {AT_CLKTCK, 100},
      {AT_PHDR, in.phdrs},
      {AT_PHENT, sizeof(Elf64_Phdr)},
      {AT_PHNUM, in.phdr_count},
      {AT_BASE, in.interpreter_base},
      {AT_FLAGS, 0},
      {AT_ENTRY, in.entry},
      {AT_UID, in.uid},
      {AT_EUID, in.euid},
      {AT_GID, in.gid},
      {AT_EGID, in.egid},
      {AT_SECURE, in.secure},
      {AT_RANDOM, in.random},
      {AT_HWCAP2, 0},
      {AT_EXECFN, in.execfn},
      {AT_PLATFORM, platform},
      {AT_NULL, 0},
  };
  u64 words = 1 + in.argc + 1 + in.envc + 1 + sizeof entries / 8;
  u64 sp = (top - words * 8) & ~u64{15};
  u64* at = reinterpret_cast<u64*>(sp);
  *at++ = in.argc;
  for (u64 i = 0; i < in.argc; i++) *at++ = in.argv[i];
  *at++ = 0;
  for (u64 i = 0; i < in.envc; i++) *at++ = in.envp[i];
  *at++ = 0;
  *auxv = ptr(at);
  *auxv_size = sizeof entries;
  __builtin_memcpy(at, entries, sizeof entries);
  return sp;
}

}  // namespace grus::linux
