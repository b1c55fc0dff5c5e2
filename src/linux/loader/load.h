// SPDX-License-Identifier: MIT
// Mapping an AArch64 program and its interpreter into this process, and building the stack it starts on.
//
// open_elf and open_interpreter change nothing but descriptors: exec uses them to find every error before the
// point of no return. map_elf is what lies behind that point; a failure there is the end of the process, as
// natively.
#pragma once
#include "linux/loader/elf.h"
#include "linux/task.h"

namespace grus::linux {

struct ElfFile {
  int fd;
  Elf64_Ehdr header;
  ElfPlan plan;
  Elf64_Phdr* phdrs;  // few_phdrs, or engine pages
  size_t phdrs_size;
  Elf64_Phdr few_phdrs[24];
};
// Reads and checks the headers of `fd` (kept, not closed) into `file`, which cannot be copied. 0 or -errno as
// execve gives. `interpreter`: errors are ELIBBAD.
i64 open_elf(int fd, bool interpreter, ElfFile* file);
void release_elf(ElfFile& file);  // frees phdrs

// PT_INTERP's path into `path` (room for 4097 bytes): 1 found, 0 there is none, -errno.
i64 read_interpreter_path(const ElfFile& file, char* path);
// Opens it read-only, close-on-exec. -errno as execve gives.
int open_interpreter(const char* path);

struct MappedElf {
  u64 bias, entry;
  u64 phdrs;  // address in memory, 0 when not mapped
};
i64 map_elf(const ElfFile& file, MappedElf* mapped);

// Everything the initial stack is built from. All strings are in place already.
struct InitialStack {
  u64 top;          // the arrays end below here
  u64 const* argv;  // argc pointers
  u64 argc;
  u64 const* envp;
  u64 envc;
  u64 execfn, random;
  u64 phdrs, phdr_count, entry, interpreter_base, vdso;
  u64 uid, euid, gid, egid;
  bool secure;
};
// Writes it; returns the guest's sp and where the auxiliary vector lies.
u64 build_initial_stack(const InitialStack& in, u64* auxv, u64* auxv_size);

// What auxv, ID registers and /proc/cpuinfo agree on (arch/arm64/include/uapi/asm/hwcap.h).
inline constexpr u64 kHwcap = 1u << 0 /*FP*/ | 1u << 1 /*ASIMD*/ | 1u << 3 /*AES*/ | 1u << 4 /*PMULL*/ |
                              1u << 5 /*SHA1*/ | 1u << 6 /*SHA2*/ | 1u << 7 /*CRC32*/ | 1u << 8 /*ATOMICS*/ |
                              1u << 9 /*FPHP*/ | 1u << 10 /*ASIMDHP*/ | 1u << 11 /*CPUID*/ |
                              1u << 12 /*ASIMDRDM*/ | 1u << 15 /*LRCPC*/ | 1u << 16 /*DCPOP*/ |
                              1u << 20 /*ASIMDDP*/;
inline constexpr const char* kCpuFeatures =
    "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp";
inline constexpr u64 kMinSigStack = 4720;  // sizeof(struct rt_sigframe) with FPSIMD and ESR records, no SVE

}  // namespace grus::linux
