// SPDX-License-Identifier: MIT
#include "linux/loader/functions.h"

#include "base/guest_memory.h"
#include "base/host_syscall.h"

namespace grus::linux {
namespace {

template <typename T>
bool load(u64 at, T* out) {
  return !copy_from_guest(out, GuestAddr(at), sizeof(T));
}

// A frame description entry's range, in whatever width its pc is: the one that gives the pc that is expected (LSB 5.0, 10.6.1).
u64 range_of_fde(u64 fde, u64 pc) {
  i32 relative, range;
  if (load(fde + 8, &relative) && load(fde + 12, &range) && fde + 8 + static_cast<u64>(i64{relative}) == pc)
    return range > 0 ? static_cast<u64>(range) : 0;
  u64 wide[2];
  if (load(fde + 8, &wide) && (wide[0] == pc || fde + 8 + wide[0] == pc)) return wide[1];
  return 0;
}

// .eh_frame_hdr (LSB 5.0, 10.6.2) in the one form that linkers write: sorted pairs of 32 bits relative to it.
void read_frames(u64 header, run::CodeBits& bits) {
  struct {
    u8 version, frame_encoding, count_encoding, table_encoding;
    i32 frame;
    u32 count;
  } h;
  constexpr u8 kUdata4 = 0x03, kDatarelSdata4 = 0x3b, kPcrelSdata4 = 0x1b;
  if (!load(header, &h) || h.version != 1 || h.frame_encoding != kPcrelSdata4 || h.count_encoding != kUdata4 ||
      h.table_encoding != kDatarelSdata4)
    return;
  for (u32 i = 0; i < h.count; i++) {
    i32 pair[2];
    if (!load(header + sizeof h + u64{8} * i, &pair)) return;
    u64 pc = header + static_cast<u64>(i64{pair[0]}), fde = header + static_cast<u64>(i64{pair[1]});
    if (pc < bits.begin || pc >= bits.end) continue;
    bits.start(pc);
    bits.extent(pc, pc + range_of_fde(fde, pc));
  }
}

bool read_file(int fd, void* out, u64 size, u64 offset) {
  return host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(out), size, offset) == static_cast<i64>(size);
}

void read_symbols(int fd, const Elf64_Shdr& s, u64 bias, run::CodeBits& bits) {
  Elf64_Sym some[64];
  u64 count = s.sh_size / sizeof some[0];
  for (u64 n = 0; n < count; n += 64) {
    u64 now = count - n < 64 ? count - n : 64;
    if (!read_file(fd, some, now * sizeof some[0], s.sh_offset + n * sizeof some[0])) return;
    for (u64 i = 0; i < now; i++) {
      unsigned type = ELF64_ST_TYPE(some[i].st_info);
      if ((type != STT_FUNC && type != STT_GNU_IFUNC) || some[i].st_shndx == SHN_UNDEF) continue;
      bits.start(some[i].st_value + bias);
      if (some[i].st_size <= bits.end - bits.begin) bits.extent(some[i].st_value + bias, some[i].st_value + bias + some[i].st_size);
    }
  }
}

}  // namespace

void find_functions(const ElfFile& file, u64 bias, run::CodeBits& bits) {
  const Elf64_Ehdr& h = file.header;
  bits.start(h.e_entry + bias);
  for (unsigned i = 0; i < h.e_phnum; i++)
    if (file.phdrs[i].p_type == PT_GNU_EH_FRAME) read_frames(file.phdrs[i].p_vaddr + bias, bits);
  if (h.e_shentsize != sizeof(Elf64_Shdr)) return;
  for (unsigned i = 0; i < h.e_shnum; i++) {
    Elf64_Shdr s;
    if (!read_file(file.fd, &s, sizeof s, h.e_shoff + i * sizeof s)) return;
    if (s.sh_type == SHT_PROGBITS && (s.sh_flags & SHF_EXECINSTR)) bits.start(s.sh_addr + bias);
    if (s.sh_type == SHT_SYMTAB || s.sh_type == SHT_DYNSYM) read_symbols(file.fd, s, bias, bits);
  }
}

}  // namespace grus::linux
