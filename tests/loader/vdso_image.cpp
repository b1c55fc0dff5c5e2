// SPDX-License-Identifier: MIT
// The vDSO image as a dynamic linker reads it: found by DT_HASH, with the version; its code as binutils
// disassembles it.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "linux/address_space.h"
#include "linux/vdso/vdso.h"

namespace grus::linux {
void note_executable(u64, u64) {}

namespace {

const Elf64_Ehdr& header() { return *reinterpret_cast<const Elf64_Ehdr*>(vdso_image()); }
template <typename T>
const T* at(u64 offset) {
  return reinterpret_cast<const T*>(vdso_image() + offset);
}

std::map<u64, u64> dynamic() {
  std::map<u64, u64> tags;
  auto* p = at<Elf64_Phdr>(header().e_phoff);
  for (unsigned i = 0; i < header().e_phnum; i++)
    if (p[i].p_type == PT_DYNAMIC)
      for (auto* d = at<Elf64_Dyn>(p[i].p_offset); d->d_tag != DT_NULL; d++)
        tags[static_cast<u64>(d->d_tag)] = d->d_un.d_val;
  return tags;
}

u32 hash(const char* s) {
  u32 h = 0;
  for (; *s; s++) {
    h = (h << 4) + static_cast<u8>(*s);
    h = (h ^ (h & 0xf0000000) >> 24) & 0x0fffffff;
  }
  return h;
}

// As ld.so: hash, chain, name, then the symbol's version.
u64 look_up(const char* name, const char* version) {
  auto d = dynamic();
  auto* table = at<u32>(d[DT_HASH]);
  auto* symbols = at<Elf64_Sym>(d[DT_SYMTAB]);
  const char* strings = at<char>(d[DT_STRTAB]);
  for (u32 i = table[2 + hash(name) % table[0]]; i; i = table[2 + table[0] + i]) {
    if (std::strcmp(strings + symbols[i].st_name, name)) continue;
    u16 index = at<u16>(d[DT_VERSYM])[i];
    auto* v = at<Elf64_Verdef>(d[DT_VERDEF]);
    for (u64 n = 0; n < d[DT_VERDEFNUM]; n++) {
      auto* aux = reinterpret_cast<const Elf64_Verdaux*>(reinterpret_cast<const char*>(v) + v->vd_aux);
      if (v->vd_ndx == index && !(v->vd_flags & VER_FLG_BASE) && v->vd_hash == hash(version) &&
          !std::strcmp(strings + aux->vda_name, version))
        return symbols[i].st_value;
      v = reinterpret_cast<const Elf64_Verdef*>(reinterpret_cast<const char*>(v) + v->vd_next);
    }
  }
  return 0;
}

TEST(Vdso, SymbolsAreFound) {
  EXPECT_EQ(header().e_machine, EM_AARCH64);
  EXPECT_EQ(look_up("__kernel_rt_sigreturn", "LINUX_2.6.39"), kVdsoSigreturn);
  for (const char* name : {"__kernel_clock_gettime", "__kernel_gettimeofday", "__kernel_clock_getres"})
    EXPECT_GE(look_up(name, "LINUX_2.6.39"), kVdsoText) << name;
  EXPECT_EQ(look_up("__kernel_nothing", "LINUX_2.6.39"), 0u);
  EXPECT_EQ(look_up("__kernel_clock_gettime", "LINUX_2.6"), 0u);
}

TEST(Vdso, TrampolineIsWhatUnwindersExpect) {
  EXPECT_EQ(at<u32>(kVdsoSigreturn)[0], 0xd2801168u);  // mov x8, #0x8b
  EXPECT_EQ(at<u32>(kVdsoSigreturn)[1], 0xd4000001u);  // svc #0
}

TEST(Vdso, CodeAsBinutilsReadsIt) {
  if (std::system("aarch64-linux-gnu-objdump --version > /dev/null 2>&1"))
    GTEST_SKIP() << "no aarch64-linux-gnu-objdump";
  char path[] = "/tmp/vdso-XXXXXX";
  int fd = mkstemp(path);
  FILE* f = fdopen(fd, "w");
  fwrite(vdso_image() + kVdsoText, 1, 26 * 4, f);
  fclose(f);
  std::string command = std::string("aarch64-linux-gnu-objdump -D -b binary -m aarch64 --no-show-raw-insn ") +
                        path + " | sed -n 's/^ *[0-9a-f]*:\\t//p'";
  FILE* p = popen(command.c_str(), "r");
  std::string text;
  char line[256];
  while (fgets(line, sizeof line, p)) text += std::string(line, std::strcspn(line, "/\n")) + "\n";
  pclose(p);
  unlink(path);
  // Columns and trailing blanks are binutils' taste.
  std::string squeezed;
  for (char c : text) {
    if (c == '\n')
      while (!squeezed.empty() && squeezed.back() == ' ') squeezed.pop_back();
    squeezed += c == '\t' ? ' ' : c;
  }
  EXPECT_EQ(squeezed,
            "nop\nmov x8, #0x8b\nsvc #0x0\n"
            "hvc #0x1\ncbnz w0, 0x18\nstp x2, x3, [x1]\nret\n"
            "cbz x0, 0x50\ncbnz x1, 0x50\nmov x4, x0\nmov w0, #0x0\nhvc #0x1\ncbnz w0, 0x48\n"
            "mov w5, #0x4dd3\nmovk w5, #0x1062, lsl #16\numull x3, w3, w5\nlsr x3, x3, #38\nstp x2, x3, [x4]\nret\n"
            "nop\nmov x8, #0xa9\nsvc #0x0\nret\nmov x8, #0x72\nsvc #0x0\nret\n");
}

}  // namespace
}  // namespace grus::linux
