// SPDX-License-Identifier: MIT
// Builds the guest's vDSO image; see vdso.h. tests/loader checks the words against binutils' disassembly.
#include <elf.h>
#include <linux/mman.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "linux/address_space.h"
#include "linux/vdso/vdso.h"

namespace grus::linux {
namespace {

constexpr u32 kCode[] = {
    0xd503201f,  // nop: unwinders look up pc - 1
    // __kernel_rt_sigreturn
    0xd2801168,  // mov x8, #139
    0xd4000001,  // svc #0
    // __kernel_clock_gettime
    0xd4000022,  // hvc #1                     base/clock.h
    0x35000040,  // cbnz w0, 1f
    0xa9000c22,  // stp x2, x3, [x1]
    0xd65f03c0,  // 1: ret
    // __kernel_gettimeofday
    0xb40001a0,  // cbz x0, 1f
    0xb5000181,  // cbnz x1, 1f                the time zone
    0xaa0003e4,  // mov x4, x0
    0x52800000,  // mov w0, #0                 CLOCK_REALTIME
    0xd4000022,  // hvc #1
    0x350000c0,  // cbnz w0, 2f
    0x5289ba65,  // mov w5, #0x4dd3            2^38 / 1000, rounded up: exact below 2^32
    0x72a20c45,  // movk w5, #0x1062, lsl #16
    0x9ba57c63,  // umull x3, w3, w5
    0xd366fc63,  // lsr x3, x3, #38
    0xa9000c82,  // stp x2, x3, [x4]
    0xd65f03c0,  // 2: ret
    0xd503201f,  // nop
    0xd2801528,  // 1: mov x8, #169
    0xd4000001,  // svc #0
    0xd65f03c0,  // ret
    // __kernel_clock_getres
    0xd2800e48,  // mov x8, #114
    0xd4000001,  // svc #0
    0xd65f03c0,  // ret
};

struct Function {
  const char* name;
  u32 word, words;
};
constexpr Function kFunctions[] = {
    {"__kernel_rt_sigreturn", 1, 2},
    {"__kernel_clock_gettime", 3, 4},
    {"__kernel_gettimeofday", 7, 16},
    {"__kernel_clock_getres", 23, 3},
};
constexpr unsigned kFunctionCount = 4;
constexpr const char kVersion[] = "LINUX_2.6.39", kSoname[] = "linux-vdso.so.1";

constexpr u32 elf_hash(const char* s) {
  u32 h = 0;
  for (; *s; s++) {
    h = (h << 4) + static_cast<u8>(*s);
    u32 g = h & 0xf0000000;
    if (g) h ^= g >> 24;
    h &= ~g;
  }
  return h;
}

struct Image {
  u8 bytes[kVdsoSize] = {};
  constexpr void put(u64 at, u64 value, unsigned size) {
    for (unsigned i = 0; i < size; i++) bytes[at + i] = static_cast<u8>(value >> (8 * i));
  }
  constexpr u64 put_string(u64 at, const char* s) {
    do bytes[at++] = static_cast<u8>(*s);
    while (*s++);
    return at;
  }
};

constexpr Image build() {
  Image m;
  constexpr u64 kPhdrs = 0x40, kHash = 0x100, kSymbols = 0x140, kStrings = 0x1c0, kVersym = 0x280,
                kVerdef = 0x290, kDynamic = 0x300;
  // Elf64_Ehdr
  const u8 ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_SYSV};
  for (unsigned i = 0; i < sizeof ident; i++) m.bytes[i] = ident[i];
  m.put(16, ET_DYN, 2);
  m.put(18, EM_AARCH64, 2);
  m.put(20, EV_CURRENT, 4);
  m.put(32, kPhdrs, 8);  // e_phoff
  m.put(52, sizeof(Elf64_Ehdr), 2);
  m.put(54, sizeof(Elf64_Phdr), 2);
  m.put(56, 2, 2);  // e_phnum
  m.put(58, sizeof(Elf64_Shdr), 2);
  // PT_LOAD, PT_DYNAMIC
  constexpr unsigned kTags = 9;
  m.put(kPhdrs, PT_LOAD, 4);
  m.put(kPhdrs + 4, PF_R | PF_X, 4);
  m.put(kPhdrs + 32, kVdsoSize, 8);
  m.put(kPhdrs + 40, kVdsoSize, 8);
  m.put(kPhdrs + 48, kVdsoSize, 8);
  m.put(kPhdrs + 56, PT_DYNAMIC, 4);
  m.put(kPhdrs + 60, PF_R, 4);
  m.put(kPhdrs + 64, kDynamic, 8);
  m.put(kPhdrs + 72, kDynamic, 8);
  m.put(kPhdrs + 80, kDynamic, 8);
  m.put(kPhdrs + 88, (kTags + 1) * 16, 8);
  m.put(kPhdrs + 96, (kTags + 1) * 16, 8);
  m.put(kPhdrs + 104, 8, 8);
  // Strings, symbols, versions; symbol 0 is empty, symbol 5 is the version itself, as the kernel's vDSO has
  // it.
  u64 s = kStrings + 1;
  u64 names[kFunctionCount] = {};
  for (unsigned i = 0; i < kFunctionCount; i++) {
    names[i] = s - kStrings;
    s = m.put_string(s, kFunctions[i].name);
  }
  u64 version = s - kStrings;
  s = m.put_string(s, kVersion);
  u64 soname = s - kStrings;
  s = m.put_string(s, kSoname);
  u64 strings_size = s - kStrings;
  for (unsigned i = 0; i < kFunctionCount; i++) {
    u64 at = kSymbols + (i + 1) * sizeof(Elf64_Sym);
    m.put(at, names[i], 4);
    m.put(at + 4, STB_GLOBAL << 4 | STT_FUNC, 1);
    m.put(at + 6, 1, 2);  // any section
    m.put(at + 8, kVdsoText + kFunctions[i].word * 4, 8);
    m.put(at + 16, kFunctions[i].words * 4, 8);
    m.put(kVersym + (i + 1) * 2, 2, 2);
  }
  // One hash bucket: a chain through all four symbols.
  m.put(kHash, 1, 4);
  m.put(kHash + 4, kFunctionCount + 1, 4);
  m.put(kHash + 8, 1, 4);
  for (unsigned i = 1; i < kFunctionCount; i++) m.put(kHash + 12 + i * 4, i + 1, 4);
  // Elf64_Verdef: the base (the soname), then the version.
  m.put(kVerdef, VER_DEF_CURRENT, 2);
  m.put(kVerdef + 2, VER_FLG_BASE, 2);
  m.put(kVerdef + 4, 1, 2);
  m.put(kVerdef + 6, 1, 2);
  m.put(kVerdef + 8, elf_hash(kSoname), 4);
  m.put(kVerdef + 12, 20, 4);
  m.put(kVerdef + 16, 28, 4);
  m.put(kVerdef + 20, soname, 4);
  m.put(kVerdef + 28, VER_DEF_CURRENT, 2);
  m.put(kVerdef + 32, 2, 2);
  m.put(kVerdef + 34, 1, 2);
  m.put(kVerdef + 36, elf_hash(kVersion), 4);
  m.put(kVerdef + 40, 20, 4);
  m.put(kVerdef + 48, version, 4);
  const u64 tags[kTags][2] = {
      {DT_SONAME, soname},   {DT_HASH, kHash},         {DT_STRTAB, kStrings},
      {DT_SYMTAB, kSymbols}, {DT_STRSZ, strings_size}, {DT_SYMENT, sizeof(Elf64_Sym)},
      {DT_VERSYM, kVersym},  {DT_VERDEF, kVerdef},     {DT_VERDEFNUM, 2},
  };
  for (unsigned i = 0; i < kTags; i++) {
    m.put(kDynamic + i * 16, static_cast<u64>(tags[i][0]), 8);
    m.put(kDynamic + i * 16 + 8, tags[i][1], 8);
  }
  // The terminating DT_NULL is the zero behind the last tag.
  for (unsigned i = 0; i < sizeof kCode / 4; i++) m.put(kVdsoText + i * 4, kCode[i], 4);
  return m;
}

constexpr Image kImage = build();

}  // namespace

const u8* vdso_image() { return kImage.bytes; }

i64 map_vdso() {
  i64 p = host_syscall(__NR_mmap, address_map::kGuestVdso, kVdsoSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, ~u64{0}, 0);  // elsewhere when the room is taken
  if (is_error(p)) return p;
  __builtin_memcpy(reinterpret_cast<void*>(p), kImage.bytes, kVdsoSize);
  i64 error = host_syscall(__NR_mprotect, static_cast<u64>(p), kVdsoSize, PROT_READ | PROT_EXEC);
  if (error) return error;
  note_executable(static_cast<u64>(p), static_cast<u64>(p) + kVdsoSize);
  return p;
}

}  // namespace grus::linux
