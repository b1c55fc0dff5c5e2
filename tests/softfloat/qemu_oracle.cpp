// SPDX-License-Identifier: MIT
// Every row of the floating-point families through QEMU: same word, same FPCR, same operands; result, NZCV
// and FPSR must be the same bits.
//
// Guarantees: all rounding modes and every combination of FZ, DN, AHP and FZ16 occur; all fields that are not
// registers are random. GRUS_FP_CASES sets the number of cases per row, GRUS_FP_SEED the seed, GRUS_FP_ROW
// one row. Deliberately not here: registers that coincide (tests/insn/differential has those).
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "guest/aarch64/registers.h"
#include "insn.h"
#include "operands.h"
#include "oracle.h"

using namespace grus;
using namespace grus::a64;
using test::Random;

namespace {

constexpr const char* kFamilies[] = {"fp_scalar", "fp_convert", "simd_fp", "simd_fp_convert"};

bool ends_with(const char* s, const char* suffix) {
  size_t n = strlen(s), m = strlen(suffix);
  return n >= m && strcmp(s + n - m, suffix) == 0;
}

// A word of the row with our registers. Fields other than registers are random.
bool pick_word(Random& r, unsigned row, u32* word) {
  for (int tries = 0; tries < 1000; tries++) {
    u32 w = static_cast<u32>(r.next() >> 32);
    w = (w & ~0x1f7fffu) | (w & 0x100000) | (w & 0x7c00) | 1u << 5 | 2u << 16;  // Rd 0, Rn 1, Rm 2 or 18
    if (strncmp(kRows[row].name, "FMADD", 5) == 0 || strncmp(kRows[row].name, "FMSUB", 5) == 0 ||
        strncmp(kRows[row].name, "FNM", 3) == 0)
      w = (w & ~0x7c00u) | 3u << 10;
    // Bits 23 to 16 and 15 to 10 hold other things than registers in some classes: let the row decide below.
    if (kRows[row].mask != 0 && r.one_in(2)) {
      u32 others = static_cast<u32>(r.next() >> 32);
      if (strstr(kRows[row].name, "fix") || strstr(kRows[row].name, "imm"))
        w = (w & 0x3ff) | (others & ~0x3ffu);
      if (strstr(kRows[row].name, "FCCMP")) w = (w & ~15u) | (others & 15);
    }
    w = (w & ~kRows[row].mask) | kRows[row].value;
    if (decode(w) != static_cast<Op>(row)) continue;
    *word = w;
    return true;
  }
  return false;
}

Vec lanes(const u64* values, unsigned bits) {
  Vec v{};
  for (unsigned e = 0; e < 128 / bits; e++) {
    if (bits == 16) v.set<u16>(e, static_cast<u16>(values[e]));
    if (bits == 32) v.set<u32>(e, static_cast<u32>(values[e]));
    if (bits == 64) v.set<u64>(e, values[e]);
  }
  return v;
}

u64 integer(Random& r, unsigned bits) {
  u64 v = r.next() >> r.below(64);
  if (r.one_in(3)) v = ~v;
  if (r.one_in(3)) v ^= 1ull << r.below(64);
  return v & (bits == 64 ? ~0ull : (1ull << bits) - 1);
}

OracleIn make_case(Random& r, unsigned row, u32 word) {
  OracleIn in{};
  const char* name = kRows[row].name;
  unsigned bits = ends_with(name, "_h") || strstr(name, "_h_to") ? 16 : (word >> 22 & 1) ? 64 : 32;
  if (strncmp(name, "FCVT_", 5) == 0) bits = name[5] == 'h' ? 16 : name[5] == 's' ? 32 : 64;
  if (strcmp(name, "FCVTL") == 0) bits /= 2;
  if (strcmp(name, "FCVTN") == 0) bits = (word >> 22 & 1) ? 64 : 32;
  if (r.one_in(12)) bits = 16u << r.below(3);
  bool integers = strstr(name, "CVTF") != nullptr || strncmp(name, "UR", 2) == 0;
  u64 n[8], m[8], a[8];
  for (unsigned e = 0; e < 8; e++) {
    n[e] = integers ? integer(r, bits) : test::float_operand(r, bits);
    m[e] = test::related_operand(r, bits, n[e]);
    a[e] = test::addend_for(r, bits, n[e], m[e]);
  }
  // Pairs and reductions work along the vector: let neighbours be related, too.
  if (r.one_in(3))
    for (unsigned e = 1; e < 8; e += 2) n[e] = test::related_operand(r, bits, n[e - 1]);
  Vec vn = lanes(n, bits), vm = lanes(m, bits), va = lanes(a, bits);
  memcpy(in.v[0], &va, 16);
  memcpy(in.v[1], &vn, 16);
  memcpy(in.v[2], &vm, 16);
  memcpy(in.v[3], &va, 16);
  in.x1 = integer(r, 64);
  in.nzcv = r.below(16) << 28;
  in.fpcr = r.below(4) << kFpcrRModeShift;
  if (r.one_in(2)) in.fpcr |= static_cast<u32>(r.next() >> 32) & (kFpcrFZ | kFpcrDN | kFpcrAHP | kFpcrFZ16);
  return in;
}

OracleOut ours(const OracleIn& in, u32 word) {
  CpuState cpu;
  cpu.reset();
  for (unsigned n = 0; n < 4; n++) memcpy(&cpu.v[n], in.v[n], 16);
  cpu.v[18] = cpu.v[2];
  cpu.x[1] = in.x1;
  cpu.set_nzcv(in.nzcv >> 28);
  cpu.set_fpcr(in.fpcr);
  Insn i{word, decode(word)};
  kSemantics[static_cast<unsigned>(i.op)](cpu, i);
  OracleOut out{};
  out.fpsr = cpu.fpsr;
  out.nzcv = cpu.nzcv() << 28;
  out.x0 = cpu.x[0];
  memcpy(out.v0, &cpu.v[0], 16);
  return out;
}

struct Batch {
  unsigned row;
  u32 word;
  std::vector<OracleIn> in;
};

// Writes all batches, runs the program, reads the answers in order.
bool ask(const std::vector<Batch>& batches, std::vector<OracleOut>* answers) {
#ifdef ORACLE
  FILE *in = tmpfile(), *out = tmpfile();
  if (!in || !out) return false;
  size_t count = 0;
  for (const Batch& b : batches) {
    OracleBatch head{b.word, static_cast<u32>(b.in.size())};
    if (fwrite(&head, sizeof head, 1, in) != 1) return false;
    if (fwrite(b.in.data(), sizeof(OracleIn), b.in.size(), in) != b.in.size()) return false;
    count += b.in.size();
  }
  fflush(in);
  lseek(fileno(in), 0, SEEK_SET);
  // neoverse-n1: half precision is there, FEAT_AFP and FEAT_RPRES are not, as in the CPU we present.
  std::string command = std::string(QEMU) + " -cpu neoverse-n1 " + ORACLE + " <&" +
                        std::to_string(fileno(in)) + " >&" + std::to_string(fileno(out));
  int status = system(command.c_str());
  answers->resize(count);
  lseek(fileno(out), 0, SEEK_SET);
  bool complete = fread(answers->data(), sizeof(OracleOut), count, out) == count;
  fclose(in);
  fclose(out);
  return status == 0 && complete;
#else
  return false;
#endif
}

bool same(const Batch& b, const OracleOut& we, OracleOut they) {
  // QEMU 7.2 sign-extends the result of FCVTZS Hd, Hn, #fbits to 32 bits; a scalar write clears everything
  // above the element (V[d, 16] in the manual's pseudocode; VIXL agrees). Only that is forgiven.
  if (strcmp(kRows[b.row].name, "FCVTZS_sfix_h") == 0 && they.v0[0] >> 15 == 0x1ffff) they.v0[0] &= 0xffff;
  return memcmp(&we, &they, sizeof we) == 0;
}

void describe(const Batch& b, const OracleIn& in, const OracleOut& we, const OracleOut& they) {
  printf("%s %08x fpcr %08x nzcv %x x1 %016lx\n", kRows[b.row].name, b.word, in.fpcr, in.nzcv >> 28, in.x1);
  for (unsigned n = 0; n < 4; n++) printf("  v%u %016lx:%016lx\n", n, in.v[n][1], in.v[n][0]);
  printf("  ours v0 %016lx:%016lx x0 %016lx nzcv %x fpsr %02x\n", we.v0[1], we.v0[0], we.x0, we.nzcv >> 28,
         we.fpsr);
  printf("  qemu v0 %016lx:%016lx x0 %016lx nzcv %x fpsr %02x\n", they.v0[1], they.v0[0], they.x0,
         they.nzcv >> 28, they.fpsr);
}

unsigned setting(const char* name, unsigned otherwise) {
  const char* s = getenv(name);
  return s ? static_cast<unsigned>(strtoul(s, nullptr, 0)) : otherwise;
}

TEST(SoftfloatQemu, EveryRowWithModesAndFlags) {
#ifndef ORACLE
  GTEST_SKIP() << "built without aarch64-linux-gnu-gcc or qemu-aarch64: nothing to compare with";
#endif
  Random r{setting("GRUS_FP_SEED", 1) * 0x9E3779B97F4A7C15ull | 1};
  unsigned cases = setting("GRUS_FP_CASES", 3000), per_word = 50;
  const char* only = getenv("GRUS_FP_ROW");
  std::vector<Batch> batches;
  unsigned rows = 0;
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    bool mine = false;
    for (const char* family : kFamilies) mine |= strcmp(kRowFamily[row], family) == 0;
    if (!mine || !kSemantics[row] || (only && strcmp(kRows[row].name, only) != 0)) continue;
    rows++;
    for (unsigned n = 0; n < cases; n += per_word) {
      Batch b{row, 0, {}};
      ASSERT_TRUE(pick_word(r, row, &b.word)) << kRows[row].name;
      for (unsigned k = 0; k < per_word; k++) b.in.push_back(make_case(r, row, b.word));
      batches.push_back(std::move(b));
    }
  }
  ASSERT_GT(rows, only ? 0u : 250u);
  std::vector<OracleOut> answers;
  ASSERT_TRUE(ask(batches, &answers)) << "the oracle did not run to its end";
  size_t next = 0, failures = 0, compared = 0;
  unsigned shown = 0, last_row = 0;
  for (const Batch& b : batches) {
    if (b.row != last_row) shown = 0, last_row = b.row;
    for (const OracleIn& in : b.in) {
      const OracleOut& they = answers[next++];
      OracleOut we = ours(in, b.word);
      compared++;
      if (same(b, we, they)) continue;
      failures++;
      if (shown++ < 2) describe(b, in, we, they);
    }
  }
  printf("%u rows, %zu cases\n", rows, compared);
  EXPECT_EQ(failures, 0u);
}

}  // namespace
