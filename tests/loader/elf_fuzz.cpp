// SPDX-License-Identifier: MIT
// The ELF planner and the script parser on hostile input, for a bounded time: whatever the bytes, an errno or
// a plan whose mappings lie where they may. GRUS_FUZZ_SECONDS lengthens it. The seed is printed;
// GRUS_FUZZ_SEED repeats a run.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "linux/loader/elf.h"

namespace grus::linux {
namespace {

double seconds() {
  const char* s = std::getenv("GRUS_FUZZ_SECONDS");
  return s ? std::atof(s) : 2.0;
}
u64 seed() {
  const char* s = std::getenv("GRUS_FUZZ_SEED");
  return s ? std::strtoull(s, nullptr, 0) : std::random_device{}();
}

Elf64_Ehdr good_header(unsigned count) {
  Elf64_Ehdr h{};
  std::memcpy(h.e_ident,
              "\x7f"
              "ELF\2\1\1",
              7);
  h.e_type = ET_DYN;
  h.e_machine = EM_AARCH64;
  h.e_phentsize = sizeof(Elf64_Phdr);
  h.e_phnum = static_cast<Elf64_Half>(count);
  h.e_phoff = sizeof h;
  return h;
}

// Numbers near where arithmetic breaks.
u64 interesting(std::mt19937_64& r) {
  static const u64 edges[] = {0,
                              1,
                              4095,
                              4096,
                              4097,
                              0x10000,
                              u64{1} << 31,
                              u64{1} << 32,
                              kGuestTaskSize,
                              u64{1} << 62,
                              u64{1} << 63,
                              ~u64{0}};
  u64 v = edges[r() % (sizeof edges / sizeof *edges)];
  switch (r() % 4) {
    case 0:
      return v;
    case 1:
      return v + r() % 9 - 4;
    case 2:
      return r() >> (r() % 64);
    default:
      return (r() % 64) << 12;
  }
}

void check_plan(const Elf64_Ehdr& h, const std::vector<Elf64_Phdr>& p) {
  ElfPlan plan;
  i64 error = plan_elf(h, p.data(), static_cast<unsigned>(p.size()), &plan);
  if (error) {
    ASSERT_TRUE(error == -ENOEXEC || error == -EINVAL) << error;
    return;
  }
  ASSERT_LE(plan.low, plan.high);
  ASSERT_LE(plan.high, kGuestTaskSize);
  ASSERT_EQ(plan.low % 4096, 0u);
  ASSERT_EQ(plan.high % 4096, 0u);
  ASSERT_EQ(plan.alignment & (plan.alignment - 1), 0u);
  ASSERT_GE(plan.alignment, 4096u);
  ASSERT_LE(plan.interp_size, 4096u);
  for (const Elf64_Phdr& s : p) {
    if (s.p_type != PT_LOAD) continue;
    SegmentPlan m;
    ASSERT_EQ(plan_segment(s, &m), 0);
    ASSERT_LE(m.file_begin, m.file_end);
    ASSERT_EQ(m.file_begin % 4096 + m.file_end % 4096 + m.file_offset % 4096, 0u);
    if (m.file_end > m.file_begin) {
      ASSERT_GE(m.file_begin, plan.low);
      ASSERT_LE(m.file_end, plan.high);
    }
    if (m.zero_end > m.zero_begin) {
      ASSERT_GE(m.zero_begin, plan.low);
      ASSERT_LE(m.zero_end, plan.high);
      ASSERT_EQ(m.zero_begin % 4096 + m.zero_end % 4096, 0u);
    }
    if (m.clear_begin && m.clear_begin < m.file_end) {
      ASSERT_GE(m.clear_begin, m.file_begin);
      ASSERT_LT(m.file_end - m.clear_begin, 4096u);
    }
    ASSERT_EQ(m.protection & ~7, 0);
  }
}

TEST(Elf, HostileProgramHeaders) {
  u64 s = seed();
  std::mt19937_64 r(s);
  SCOPED_TRACE("GRUS_FUZZ_SEED=" + std::to_string(s));
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds());
  u64 planned = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 1000; i++) {
      std::vector<Elf64_Phdr> p(1 + r() % 6);
      for (auto& x : p) {
        x.p_type = r() % 8 == 0    ? PT_INTERP
                   : r() % 8 == 0  ? PT_GNU_STACK
                   : r() % 16 == 0 ? static_cast<u32>(r())
                                   : PT_LOAD;
        x.p_flags = static_cast<u32>(r() % 8);
        x.p_vaddr = (r() % 1024) << 12 | r() % 4096;
        x.p_offset = (r() % 64) << 12 | x.p_vaddr % 4096;
        x.p_filesz = r() % 100000;
        x.p_memsz = x.p_filesz + (r() % 2 ? r() % 100000 : 0);
        x.p_align = u64{1} << (r() % 24);
        if (x.p_type == PT_INTERP) x.p_filesz = 2 + r() % 100;
      }
      for (unsigned k = r() % 3; k > 0; k--) {
        u64* words = reinterpret_cast<u64*>(&p[r() % p.size()]);
        words[1 + r() % 6] = interesting(r);
      }
      Elf64_Ehdr h = good_header(static_cast<unsigned>(p.size()));
      if (r() % 16 == 0) h.e_entry = interesting(r);
      if (r() % 16 == 0) h.e_phoff = interesting(r);
      check_plan(h, p);
      if (HasFatalFailure()) return;
      ElfPlan plan;
      planned += plan_elf(h, p.data(), static_cast<unsigned>(p.size()), &plan) == 0;
    }
  }
  EXPECT_GT(planned, 100u);  // the generator must not only make rubbish
}

TEST(Elf, Headers) {
  EXPECT_EQ(check_elf_header(good_header(1)), 0);
  EXPECT_EQ(check_elf_header(good_header(1170)), 0);
  EXPECT_EQ(check_elf_header(good_header(1171)), -ENOEXEC);  // more than 64 KiB of program headers
  EXPECT_EQ(check_elf_header(good_header(0)), -ENOEXEC);
  Elf64_Ehdr h = good_header(1);
  h.e_machine = EM_X86_64;
  EXPECT_EQ(check_elf_header(h), -ENOEXEC);
  EXPECT_EQ(classify_file(reinterpret_cast<u8*>(&h), sizeof h), FileKind::HostElf);
  h.e_machine = EM_AARCH64;
  EXPECT_EQ(classify_file(reinterpret_cast<u8*>(&h), sizeof h), FileKind::GuestElf);
  EXPECT_EQ(classify_file(reinterpret_cast<u8*>(&h), 19), FileKind::Other);
  h.e_type = ET_CORE;
  EXPECT_EQ(classify_file(reinterpret_cast<u8*>(&h), sizeof h), FileKind::Other);
}

TEST(Elf, RandomBytesNeverCrash) {
  u64 s = seed();
  std::mt19937_64 r(s);
  SCOPED_TRACE("GRUS_FUZZ_SEED=" + std::to_string(s));
  for (int i = 0; i < 200000; i++) {
    u8 bytes[256];
    size_t n = r() % 257;
    for (size_t k = 0; k < n; k++) bytes[k] = static_cast<u8>(r() % 3 ? r() : r() % 4);
    if (n >= 4 && r() % 2)
      std::memcpy(bytes,
                  "\x7f"
                  "ELF",
                  4);
    (void)classify_file(bytes, n);
    if (n >= sizeof(Elf64_Ehdr)) {
      Elf64_Ehdr h;
      std::memcpy(&h, bytes, sizeof h);
      (void)check_elf_header(h);
    }
  }
}

struct Script {
  i64 error = 0;
  std::string interpreter, argument;
};
Script parse(const std::string& text) {
  u8 head[kScriptHead + 1];
  std::memset(head, 0xee, sizeof head);
  size_t n = text.size() < kScriptHead ? text.size() : kScriptHead;
  std::memcpy(head, text.data(), n);
  const char *interpreter = nullptr, *argument = nullptr;
  Script s;
  s.error = parse_script(head, n, &interpreter, &argument);
  EXPECT_EQ(head[kScriptHead], 0xee);
  if (!s.error) s.interpreter = interpreter;
  if (!s.error && argument) s.argument = argument;
  return s;
}

TEST(Scripts, AsTheKernel) {
  EXPECT_EQ(parse("#!/bin/sh\n").interpreter, "/bin/sh");
  EXPECT_EQ(parse("#!/bin/sh").interpreter, "/bin/sh");
  EXPECT_EQ(parse("#! \t/bin/sh \t\n").interpreter, "/bin/sh");
  EXPECT_EQ(parse("#!/bin/sh -e -x \nrest").argument, "-e -x");
  EXPECT_EQ(parse("#!/bin/sh \n").argument, "");
  EXPECT_EQ(parse("#!\n").error, -ENOEXEC);
  EXPECT_EQ(parse("#!" + std::string(253, ' ') + "\n").error, -ENOEXEC);
  EXPECT_EQ(parse("#!/" + std::string(300, 'a') + "\n").error, -ENOEXEC);          // the name is cut
  EXPECT_EQ(parse("#!/a " + std::string(300, 'a') + "\n").argument.size(), 250u);  // an argument may be
  EXPECT_EQ(parse("#!/" + std::string(252, 'a') + "\n").interpreter.size(), 253u);
}

TEST(Scripts, RandomLines) {
  u64 s = seed();
  std::mt19937_64 r(s);
  SCOPED_TRACE("GRUS_FUZZ_SEED=" + std::to_string(s));
  for (int i = 0; i < 300000; i++) {
    std::string t = "#!";
    size_t n = r() % 280;
    const char alphabet[] = " \t\n/ab\0";
    for (size_t k = 0; k < n; k++) t += alphabet[r() % (r() % 20 ? 7 : 8) % (r() % 8 ? 6 : 8)];
    Script p = parse(t);
    if (!p.error) {
      ASSERT_FALSE(p.interpreter.empty());
      ASSERT_EQ(p.interpreter.find_first_of(" \t\n"), std::string::npos);
    } else {
      ASSERT_EQ(p.error, -ENOEXEC);
    }
  }
}

}  // namespace
}  // namespace grus::linux
