// SPDX-License-Identifier: MIT
// See elf.h. Function names in comments are those of the kernel's fs/binfmt_elf.c and fs/binfmt_script.c.
#include "linux/loader/elf.h"

#include <asm-generic/errno-base.h>
#include <asm-generic/errno.h>

namespace grus::linux {
namespace {

constexpr u32 kProtRead = 1, kProtWrite = 2, kProtExec = 4;

bool is_blank(u8 c) { return c == ' ' || c == '\t'; }

}  // namespace

FileKind classify_file(const u8* head, size_t size) {
  if (size >= 2 && head[0] == '#' && head[1] == '!') return FileKind::Script;
  // elf_check_arch() looks at e_machine only; a big-endian file has its bytes the other way round.
  if (size < 20 || head[0] != 0x7f || head[1] != 'E' || head[2] != 'L' || head[3] != 'F')
    return FileKind::Other;
  unsigned type = head[16] | head[17] << 8, machine = head[18] | head[19] << 8;
  if (type != ET_EXEC && type != ET_DYN) return FileKind::Other;
  if (machine == EM_AARCH64) return FileKind::GuestElf;
  if (machine == EM_X86_64 || machine == EM_386) return FileKind::HostElf;
  return FileKind::Other;
}

// load_script(): the interpreter may be truncated neither by the buffer nor by being empty; everything behind
// it up to the newline is one argument, blanks trimmed at both ends.
i64 parse_script(u8* head, size_t size, const char** interpreter, const char** argument) {
  if (size > kScriptHead) size = kScriptHead;
  if (size < 2 || head[0] != '#' || head[1] != '!') return -ENOEXEC;
  // The kernel's buffer is zero-filled behind a short file.
  for (size_t i = size; i < kScriptHead; i++) head[i] = 0;
  u8* const buffer_end = head + kScriptHead - 1;
  u8* end = head;
  while (end < buffer_end && *end != '\n') end++;
  if (end == buffer_end && *end != '\n') {
    // No newline: allowed when the interpreter's name is complete, that is, followed by a terminator.
    u8* i = head + 2;
    while (i < buffer_end && is_blank(*i)) i++;
    if (i == buffer_end) return -ENOEXEC;
    bool terminated = false;
    for (u8* t = i; t <= buffer_end; t++)
      if (is_blank(*t) || *t == 0) {
        terminated = true;
        break;
      }
    if (!terminated) return -ENOEXEC;
    end = buffer_end;
  }
  while (end > head + 2 && is_blank(end[-1])) end--;
  u8* name = head + 2;
  while (name < end && is_blank(*name)) name++;
  if (name == end || *name == 0) return -ENOEXEC;
  *end = 0;
  u8* separator = name;
  while (separator < end && !is_blank(*separator) && *separator) separator++;
  *interpreter = reinterpret_cast<const char*>(name);
  *argument = nullptr;
  if (separator < end && *separator) {
    u8* a = separator;
    while (a < end && is_blank(*a)) a++;
    *separator = 0;
    if (a < end && *a) *argument = reinterpret_cast<const char*>(a);
  }
  return 0;
}

i64 check_elf_header(const Elf64_Ehdr& h) {
  if (h.e_ident[0] != 0x7f || h.e_ident[1] != 'E' || h.e_ident[2] != 'L' || h.e_ident[3] != 'F')
    return -ENOEXEC;
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN) return -ENOEXEC;
  if (h.e_machine != EM_AARCH64) return -ENOEXEC;
  // load_elf_phdrs()
  if (h.e_phentsize != sizeof(Elf64_Phdr)) return -ENOEXEC;
  u64 size = u64{h.e_phnum} * sizeof(Elf64_Phdr);
  if (size == 0 || size > 65536) return -ENOEXEC;
  return 0;
}

i64 plan_segment(const Elf64_Phdr& p, SegmentPlan* s) {
  *s = SegmentPlan{};
  if (p.p_filesz > p.p_memsz || p.p_memsz > kGuestTaskSize || p.p_vaddr >= kGuestTaskSize ||
      kGuestTaskSize - p.p_memsz < p.p_vaddr)
    return -EINVAL;
  s->protection = ((p.p_flags & PF_R) ? kProtRead : 0) | ((p.p_flags & PF_W) ? kProtWrite : 0) |
                  ((p.p_flags & PF_X) ? kProtExec : 0);
  u64 in_page = p.p_vaddr - page_down(p.p_vaddr);
  u64 begin = page_down(p.p_vaddr);
  s->file_begin = s->file_end = begin;
  if (p.p_filesz) {
    // elf_map()
    if (p.p_offset < in_page || (p.p_offset - in_page) % kGuestPageSize != 0) return -EINVAL;
    s->file_offset = p.p_offset - in_page;
    s->file_end = page_up(p.p_vaddr + p.p_filesz);
    if (s->file_offset > (u64{1} << 62)) return -EINVAL;
    if (p.p_memsz > p.p_filesz) s->clear_begin = p.p_vaddr + p.p_filesz;
  }
  if (p.p_memsz > p.p_filesz) {
    s->zero_begin = p.p_filesz ? s->file_end : begin;
    s->zero_end = page_up(p.p_vaddr + p.p_memsz);
    if (s->zero_end < s->zero_begin) s->zero_end = s->zero_begin;
  }
  return 0;
}

i64 plan_elf(const Elf64_Ehdr& h, const Elf64_Phdr* p, unsigned count, ElfPlan* plan) {
  *plan = ElfPlan{};
  plan->alignment = kGuestPageSize;
  plan->start_code = plan->start_data = ~u64{0};
  u64 low = ~u64{0}, high = 0;
  bool interp_seen = false;
  i64 bad_segment = 0;
  for (unsigned i = 0; i < count; i++) {
    const Elf64_Phdr& s = p[i];
    if (s.p_type == PT_INTERP && !interp_seen) {
      interp_seen = true;
      if (s.p_filesz > 4096 || s.p_filesz < 2) return -ENOEXEC;
      plan->interp_offset = s.p_offset;
      plan->interp_size = s.p_filesz;
    } else if (s.p_type == PT_GNU_STACK) {
      plan->executable_stack = (s.p_flags & PF_X) != 0;
    } else if (s.p_type == PT_LOAD) {
      SegmentPlan segment;
      if (i64 error = plan_segment(s, &segment)) {
        bad_segment = error;
        continue;
      }
      u64 begin = page_down(s.p_vaddr), end = page_up(s.p_vaddr + s.p_memsz);
      if (begin < low) low = begin;
      if (end > high) high = end;
      // maximum_alignment(): alignments that are no power of two are ignored.
      if (s.p_align > plan->alignment && (s.p_align & (s.p_align - 1)) == 0) plan->alignment = s.p_align;
      if (s.p_offset <= h.e_phoff && h.e_phoff - s.p_offset < s.p_filesz)
        plan->phdr_vaddr = h.e_phoff - s.p_offset + s.p_vaddr;
      if ((s.p_flags & PF_X) && s.p_vaddr < plan->start_code) plan->start_code = s.p_vaddr;
      if (s.p_vaddr < plan->start_data || plan->start_data == ~u64{0} || plan->start_data < s.p_vaddr)
        plan->start_data = s.p_vaddr;
      u64 file_end = s.p_vaddr + s.p_filesz, memory_end = s.p_vaddr + s.p_memsz;
      if ((s.p_flags & PF_X) && file_end > plan->end_code) plan->end_code = file_end;
      if (file_end > plan->end_data) plan->end_data = file_end;
      if (memory_end > plan->end_bss) plan->end_bss = memory_end;
    }
  }
  if (bad_segment) return bad_segment;
  if (low > high) low = high = 0;
  plan->low = low;
  plan->high = high;
  if (plan->start_code == ~u64{0}) plan->start_code = plan->end_code = 0;
  if (plan->start_data == ~u64{0}) plan->start_data = plan->end_data = 0;
  if (h.e_entry >= kGuestTaskSize) return -EINVAL;
  return 0;
}

}  // namespace grus::linux
