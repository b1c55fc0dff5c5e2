// SPDX-License-Identifier: MIT
// Hand-written vectors: tests/insn/*.txt, one instruction a line, executed through decode() and the
// semantics.
//
//   assembly [HEXWORD] : state => state        // comment
//
// A state is a list of NAME=VALUE:
//   x0..x30 w0..w30 sp pc      integers, 0x or decimal, may be negative; pc is relative to the instruction's
//   address v0..v31=HI:LO or =LO       128 bits as hexadecimal; one value is the low half, the rest zero
//   nzcv=NZCV                  letters as in "nzCv", upper case = set
//   fpcr fpsr                  hexadecimal
//   [OFFSET]=HEXBYTES          bytes of a 4 KiB scratch buffer, in memory order
//   buf+N                      as a value: the address of the scratch buffer plus N
//   tls                        TPIDR_EL0
// After `=>`, everything not named must be as before (x, sp, v, nzcv, fpcr, fpsr, buffer; pc = +4). An
// exception is written as one of: !undefined !svc !brk !abort !fpcontext !invalidate, in any place
// after `=>`. The assembly is for the reader; HEXWORD counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "guest/aarch64/registers.h"
#include "insn.h"
#include "test_host.h"

using namespace grus;
using namespace grus::a64;

namespace {

constexpr u64 kPc = 0x7f0000400000;
constexpr size_t kBufferSize = 4096;
alignas(64) u8 buffer[kBufferSize];

struct Machine {
  CpuState cpu;
  std::vector<u8> memory = std::vector<u8>(kBufferSize, 0);
};

u64 number(const std::string& text) {
  if (text.rfind("buf", 0) == 0)
    return reinterpret_cast<u64>(buffer) + (text.size() > 3 ? strtoull(text.c_str() + 4, nullptr, 0) : 0);
  if (!text.empty() && text[0] == '-') return -strtoull(text.c_str() + 1, nullptr, 0);
  char* end;
  u64 value = strtoull(text.c_str(), &end, 0);
  EXPECT_EQ(*end, '\0') << "bad number " << text;
  return value;
}

bool apply(Machine& m, const std::string& name, const std::string& value) {
  CpuState& cpu = m.cpu;
  auto index = [&] { return static_cast<unsigned>(atoi(name.c_str() + 1)); };
  if (name[0] == '[') {
    size_t at = strtoull(name.c_str() + 1, nullptr, 0);
    if (at + value.size() / 2 > kBufferSize || value.size() % 2) return false;
    for (size_t n = 0; n < value.size() / 2; n++)
      m.memory[at + n] = static_cast<u8>(strtoul(value.substr(2 * n, 2).c_str(), nullptr, 16));
  } else if (name == "sp") {
    cpu.sp = number(value);
  } else if (name == "pc") {
    cpu.next_pc = kPc + number(value);
  } else if (name == "tls") {
    cpu.tpidr_el0 = number(value);
  } else if (name == "fpcr") {
    cpu.set_fpcr(static_cast<u32>(strtoul(value.c_str(), nullptr, 16)));
  } else if (name == "fpsr") {
    cpu.set_fpsr(static_cast<u32>(strtoul(value.c_str(), nullptr, 16)));
  } else if (name == "nzcv") {
    unsigned bits = 0;
    if (value.size() != 4) return false;
    for (char c : value) bits = bits << 1 | (c >= 'A' && c <= 'Z');
    cpu.set_nzcv(bits);
  } else if ((name[0] == 'x' || name[0] == 'w') && index() < 31) {
    cpu.x[index()] = name[0] == 'w' ? static_cast<u32>(number(value)) : number(value);
  } else if (name[0] == 'v' && index() < 32) {
    size_t colon = value.find(':');
    u64 low = strtoull(value.substr(colon == std::string::npos ? 0 : colon + 1).c_str(), nullptr, 16);
    u64 high = colon == std::string::npos ? 0 : strtoull(value.substr(0, colon).c_str(), nullptr, 16);
    cpu.v[index()] = Vec{{low, high}};
  } else {
    return false;
  }
  return true;
}

std::string exception_name(ExceptionKind k) {
  switch (k) {
    case ExceptionKind::None:
      return "";
    case ExceptionKind::DataAbort:
      return "!abort";
    case ExceptionKind::Undefined:
      return "!undefined";
    case ExceptionKind::Breakpoint:
      return "!brk";
    case ExceptionKind::Supervisor:
      return "!svc";
    case ExceptionKind::FpContextChange:
      return "!fpcontext";
    case ExceptionKind::CacheInvalidate:
      return "!invalidate";
    default:
      return "!other";
  }
}

std::string hex(const Vec& v) {
  char text[40];
  snprintf(text, sizeof text, "%016lx:%016lx", v.d[1], v.d[0]);
  return text;
}

void run_line(const std::string& line) {
  size_t open = line.find(" ["), close = line.find(']', open);
  size_t colon = line.find(" : "), arrow = line.find("=>", colon);
  ASSERT_TRUE(open != std::string::npos && close != std::string::npos && colon != std::string::npos &&
              arrow != std::string::npos)
      << "want: assembly [HEXWORD] : state => state";
  // The word is the last bracket before the colon: operands have brackets, too.
  open = line.rfind(" [", colon);
  u32 word = static_cast<u32>(strtoul(line.c_str() + open + 2, nullptr, 16));

  Machine before;
  before.cpu.reset();
  before.cpu.check_fp();  // an access of FPSR changes nothing else any more
  before.cpu.pc = kPc;
  before.cpu.next_pc = kPc + 4;
  std::string token, want_exception;
  std::istringstream pre(line.substr(colon + 3, arrow - colon - 3));
  while (pre >> token) {
    size_t eq = token.find('=');
    ASSERT_TRUE(eq != std::string::npos && apply(before, token.substr(0, eq), token.substr(eq + 1))) << token;
  }
  Machine want = before;
  std::istringstream post(line.substr(arrow + 2));
  while (post >> token) {
    if (token[0] == '!') {
      want_exception = token;
      continue;
    }
    size_t eq = token.find('=');
    ASSERT_TRUE(eq != std::string::npos && apply(want, token.substr(0, eq), token.substr(eq + 1))) << token;
  }

  CpuState cpu = before.cpu;
  memcpy(buffer, before.memory.data(), kBufferSize);
  Op op = decode(word);
  if (op == Op::UNALLOCATED) {
    EXPECT_EQ(want_exception, "!undefined") << "unallocated";
    return;
  }
  Semantics semantics = kSemantics[static_cast<unsigned>(op)];
  if (!semantics) {
    // Rows of features that are not executed have none and mean SIGILL.
    EXPECT_TRUE(kRows[static_cast<unsigned>(op)].feature != Feature::Base && want_exception == "!undefined")
        << kRows[static_cast<unsigned>(op)].name << " has no semantics";
    return;
  }
  semantics(cpu, Insn{word, op});

  EXPECT_EQ(exception_name(cpu.exception.kind), want_exception);
  for (unsigned n = 0; n < 31; n++)
    EXPECT_EQ(cpu.x[n], want.cpu.x[n])
        << "x" << n << std::hex << " is " << cpu.x[n] << " not " << want.cpu.x[n];
  EXPECT_EQ(cpu.sp, want.cpu.sp) << "sp";
  EXPECT_EQ(static_cast<i64>(cpu.next_pc - kPc), static_cast<i64>(want.cpu.next_pc - kPc)) << "pc";
  EXPECT_EQ(cpu.nzcv(), want.cpu.nzcv()) << "nzcv";
  EXPECT_EQ(cpu.fpcr, want.cpu.fpcr) << "fpcr";
  EXPECT_EQ(cpu.fpsr_merged(), want.cpu.fpsr_merged()) << "fpsr";
  EXPECT_EQ(cpu.tpidr_el0, want.cpu.tpidr_el0) << "tpidr_el0";
  for (unsigned n = 0; n < 32; n++) EXPECT_EQ(hex(cpu.v[n]), hex(want.cpu.v[n])) << "v" << n;
  for (size_t at = 0; at < kBufferSize; at++)
    ASSERT_EQ(buffer[at], want.memory[at]) << "buffer at " << std::hex << at;
}

class File : public testing::TestWithParam<std::string> {};

TEST_P(File, Vectors) {
  test::install_fault_handler();
  std::ifstream in(GetParam());
  std::string line;
  int number = 0, vectors = 0;
  while (std::getline(in, line)) {
    number++;
    line = line.substr(0, line.find("//"));
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    SCOPED_TRACE(GetParam() + ":" + std::to_string(number) + ": " + line);
    vectors++;
    run_line(line);
  }
  EXPECT_GT(vectors, 0);
}

// What auxv, the ID registers and /proc/cpuinfo show is what executes, and nothing more does: rows of other
// features have no semantics, which means SIGILL.
TEST(Features, ExecutedAreComplete) {
  const std::set<std::string> executed = {"Base", "LSE", "CRC32", "RDM",  "DotProd", "LRCPC",
                                          "DPB",  "AES", "PMULL", "SHA1", "SHA256",  "FP16"};
  std::set<std::string> found;
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    std::string feature = feature_name(kRows[row].feature);
    found.insert(feature);
    EXPECT_EQ(kSemantics[row] != nullptr, executed.count(feature) != 0)
        << kRows[row].name << " of " << feature;
  }
  for (const std::string& feature : executed) EXPECT_TRUE(found.count(feature)) << "no row of " << feature;
}

std::vector<std::string> files() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(VECTOR_DIR))
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt")
      found.push_back(entry.path().string());
  std::sort(found.begin(), found.end());
  return found;
}

INSTANTIATE_TEST_SUITE_P(Insn, File, testing::ValuesIn(files()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
