// SPDX-License-Identifier: MIT
// Reading AArch64 ELF files as fs/binfmt_elf.c does: the same files are refused, with the same errno.
//
// Pure functions over bytes that somebody else read: nothing here maps, opens or trusts. Hostile headers
// (overlapping, huge, wrapping) give an error or a plan whose every mapping lies inside [low, high) below the
// guest's TASK_SIZE. Deliberately not here: PT_GNU_PROPERTY (no BTI is offered, so it has no meaning), 32-bit
// ARM.
#pragma once
#include <elf.h>

#include "base/types.h"

namespace grus::linux {

inline constexpr u64 kGuestTaskSize = u64{1} << 47;  // what the host gives: arm64 with 47 bits

enum class FileKind : u8 {
  GuestElf,  // AArch64, 64 bit, little endian, ET_EXEC or ET_DYN
  HostElf,   // x86-64 or i386: the kernel runs it itself
  Script,    // "#!"
  Other,     // the kernel decides: another binfmt_misc handler, or ENOEXEC
};
// From the first bytes of a file (the kernel's BINPRM_BUF_SIZE is 256; fewer when the file is shorter).
FileKind classify_file(const u8* head, size_t size);

inline constexpr size_t kScriptHead = 256;
// "#!interpreter [one argument]" as fs/binfmt_script.c: pointers into `head`, which is modified to hold NULs
// and must have room for kScriptHead bytes. 0 or -ENOEXEC.
i64 parse_script(u8* head, size_t size, const char** interpreter, const char** argument);

// 0, or -ENOEXEC: header sanity before program headers are read.
i64 check_elf_header(const Elf64_Ehdr& h);

// What the program headers ask for.
struct ElfPlan {
  u64 low, high;                   // page-aligned span of all PT_LOAD; equal when there is none
  u64 alignment;                   // greatest valid p_align, at least a page
  u64 interp_offset, interp_size;  // PT_INTERP's; size 0 when there is none
  u64 phdr_vaddr;                  // where the program headers lie in memory, 0 when not loaded
  u64 start_code, end_code, start_data, end_data, end_bss;  // unbiased
  bool executable_stack;
};
// 0, -ENOEXEC (bad PT_INTERP) or -EINVAL (segments nobody can map). Order of PT_LOADs is as the kernel takes
// it: any.
i64 plan_elf(const Elf64_Ehdr& h, const Elf64_Phdr* p, unsigned count, ElfPlan* plan);

// One PT_LOAD as mappings relative to the load bias. Valid for segments of a successful plan.
struct SegmentPlan {
  u64 file_begin,
      file_end;  // page-aligned: mapped from the file at file_offset; equal when nothing of the file
  u64 file_offset;
  u64 clear_begin;           // bytes from here to file_end are zeroed when writable (0: nothing to clear)
  u64 zero_begin, zero_end;  // page-aligned anonymous memory behind it
  int protection;            // PROT_*
};
i64 plan_segment(const Elf64_Phdr& p, SegmentPlan* s);

}  // namespace grus::linux
