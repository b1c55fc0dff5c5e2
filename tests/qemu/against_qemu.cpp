// SPDX-License-Identifier: MIT
// Every row's semantics against qemu-aarch64: random words of the row, random state with all FPCR modes and
// FPSR, memory that ends before a page without access.
//
//   against_qemu --qemu QEMU --executor PROGRAM [--family NAME] [--row NAME] [-n COUNT] [--seed SEED]
//
// Guarantees: registers, flags, FPCR, FPSR, memory and, for a fault, signal, code and address agree, and a
// fault of ours changes no register. Rows without semantics must be SIGILL there, too. Exit status 1 on a
// difference. On an AArch64 machine the executor runs without QEMU and makes the same comparison with the
// hardware. Deliberately not here: branches, exception generators and system instructions (they do not reach
// the executor's BRK), and the cases of `why_not` below, where QEMU is not an oracle.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "../insn/test_host.h"
#include "guest/aarch64/registers.h"
#include "insn.h"
#include "record.h"

using namespace grus;
using namespace grus::a64;

namespace {

struct Random {
  uint64_t s;
  u64 next() { return next_random(&s); }
  u32 word() { return static_cast<u32>(next() >> 32); }
  unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) * n >> 32); }
  bool one_in(unsigned n) { return below(n) == 0; }
};

u64 integer_operand(Random& r) {
  u64 value = r.next();
  switch (r.below(6)) {
    case 0:
      return (u64{1} << r.below(64)) - r.below(3);
    case 1:
      return r.below(200);
    case 2:
      return ~u64{0} << r.below(64);
    case 3:
      return value >> r.below(64);
    default:
      return value;
  }
}

// A floating-point number of the format with `bits` in all and `fraction` of fraction: edges and neighbours
// of 1.
u64 float_operand(Random& r, unsigned bits, unsigned fraction) {
  u64 ones = (u64{1} << (bits - 1 - fraction)) - 1, bias = ones >> 1,
      f = r.next() & ((u64{1} << fraction) - 1);
  static const u64 kFraction[] = {0, 1, ~u64{0}};
  if (r.one_in(2)) f = kFraction[r.below(3)] & ((u64{1} << fraction) - 1);
  u64 e;
  switch (r.below(8)) {
    case 0:
      e = 0;
      break;
    case 1:
      e = ones;
      break;
    case 2:
      e = ones - 1;
      break;
    case 3:
      e = 1 + r.below(2);
      break;
    case 4:
      e = bias + r.below(bits);
      break;
    default:
      e = bias - 2 + r.below(5);
      break;
  }
  return u64{r.below(2)} << (bits - 1) | (e & ones) << fraction | f;
}

Vec vector_operand(Random& r) {
  Vec v = {{r.next(), r.next()}};
  unsigned kind = r.below(8);
  for (unsigned lane = 0; lane < 8; lane++) {
    if (kind == 0) v.set<u16>(lane, static_cast<u16>(float_operand(r, 16, 10)));
    if (kind == 1 || kind == 2) v.set<u32>(lane % 4, static_cast<u32>(float_operand(r, 32, 23)));
    if (kind == 3 || kind == 4) v.set<u64>(lane % 2, float_operand(r, 64, 52));
    if (kind == 5) v.set<u16>(lane, static_cast<u16>(integer_operand(r)));
    if (kind == 6) v.set<u64>(lane % 2, integer_operand(r));
  }
  return v;
}

// --- words and states

bool random_word(Random& r, unsigned row, Insn* i) {
  for (int tries = 0; tries < 100000; tries++) {
    u32 bits = r.word();
    if (r.one_in(8)) bits = (bits & ~0x3e0u) | (bits & 31) << 5;
    if (r.one_in(8)) bits = (bits & ~0x1f0000u) | (bits & 31) << 16;
    if (r.one_in(16)) bits |= 31;
    if (r.one_in(16)) bits |= 31 << 5;
    if (r.one_in(16)) bits |= 31 << 16;
    *i = Insn{(bits & ~kRows[row].mask) | kRows[row].value, static_cast<Op>(row)};
    if (decode(i->word) == i->op) return true;
  }
  return false;
}

// A store exclusive succeeds only behind the load exclusive of the same size and address.
u32 load_exclusive_for(u32 word) {
  if ((word & 0x3fc00000) != 0x08000000) return 0;
  bool pair = word >> 21 & 1;
  if (pair && !(word >> 31)) return 0;  // CASP
  return (word & 0xc0000000) | 0x08400000 | (pair ? 1u << 21 : 0) | 0x1f7c1f | (word & 0x3e0);
}

struct Case {
  Insn insn;
  CpuState before, after;
  Record record;
};

CpuState random_state(Random& r, Insn i, const u8* data) {
  CpuState s;
  s.reset();
  for (u64& x : s.x) x = integer_operand(r);
  s.sp = integer_operand(r);
  for (Vec& v : s.v) v = vector_operand(r);
  s.set_nzcv(r.below(16));
  u32 fpcr = r.below(4) << kFpcrRModeShift;
  if (r.one_in(4)) fpcr |= kFpcrDN;
  if (r.one_in(4)) fpcr |= kFpcrFZ;
  if (r.one_in(4)) fpcr |= kFpcrAHP;
  if (r.one_in(4)) fpcr |= kFpcrFZ16;
  if (r.one_in(3)) fpcr = 0;
  s.set_fpcr(fpcr);
  if (r.one_in(4)) s.set_fpsr(r.word() & (kFpsrQC | kFpsrIDC | 0x1f));
  s.pc = kCodeAt + 4;
  s.next_pc = s.pc + 4;
  const RowInfo& row = kRows[static_cast<unsigned>(i.op)];
  if (!row.loads && !row.stores) return s;

  unsigned base = i.word >> 5 & 31, index = i.word >> 16 & 31;
  if ((i.word & 0x3b200c00) == 0x38200800 && index != base && index != 31) {
    unsigned option = i.word >> 13 & 7;
    u64 value = option == 2 ? r.below(512) : static_cast<u64>(i64{r.below(512)} - 256);
    s.x[index] = option & 1 ? value : (value & 0xffffffff) | r.next() << 32;
  }
  u64 address = kDataBase + kDataSize / 2 + r.below(64) * 16;
  if (r.one_in(8)) address = kDataBase + kDataSize - r.below(5) * 16;
  if (r.one_in(16)) address = 0x20000000000 + r.below(64) * 16;
  if (base == 31 ? r.one_in(8) : r.one_in(3)) address += r.below(16);
  if (base != 31 && r.one_in(8)) address |= r.next() << 56;  // tagged
  s.set_XSP(base, address);
  // Let compare-and-swap hit.
  u64 at = (address & ((u64{1} << 56) - 1)) - kDataBase;
  if (r.one_in(2) && (i.word & 0x3f200000) == 0x08200000 && at + 16 <= kDataSize && index != base) {
    u64 there[2];
    memcpy(there, data + at, 16);
    s.set_X(index, there[0]);
    if (!(i.word & 0x40800000)) s.set_X(index, there[0] & 0xffffffff), there[1] = there[0] >> 32;
    if (!(i.word & 0x00800000) && (index | 1) != base) s.set_X(index | 1, there[1]);
  }
  return s;
}

// --- both sides

u8* map(u64 at, u64 size, int protection) {
  void* p = mmap(reinterpret_cast<void*>(at), size, protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != reinterpret_cast<void*>(at)) {
    perror("mmap");
    exit(2);
  }
  return static_cast<u8*>(p);
}

class Ours {
 public:
  Ours() {
    data = map(kDataBase, kDataSize, PROT_READ | PROT_WRITE);
    map(kDataBase + kDataSize, 4096, PROT_NONE);
    code_ = map(kCodeBase, kCodeSize, PROT_READ | PROT_WRITE);
    fill(data, kDataSize, 1);
    fill(code_, kCodeSize, 2);
    pristine_.assign(data, data + kDataSize);
  }

  // Executes, finds the window that the executor has to report, and restores memory.
  void run(Case& c) {
    u32 words[3] = {c.record.prefix, c.insn.word, 0xd4200000};
    memcpy(code_ + kCodeSize / 2, words, sizeof words);
    c.after = c.before;
    if (c.record.prefix) {
      CpuState s = c.before;
      Insn load{c.record.prefix, decode(c.record.prefix)};
      kSemantics[static_cast<unsigned>(load.op)](s, load);
      c.after.exclusive_addr = s.exclusive_addr;
      c.after.exclusive_size = s.exclusive_size;
      c.after.exclusive_version = s.exclusive_version;
      memcpy(c.after.exclusive_value, s.exclusive_value, sizeof s.exclusive_value);
      if (s.exception.kind != ExceptionKind::None) {
        c.after.exception = s.exception;
        prefix_faulted = true;
      }
    }
    if (c.after.exception.kind == ExceptionKind::None) {
      if (auto semantics = kSemantics[static_cast<unsigned>(c.insn.op)])
        semantics(c.after, c.insn);
      else
        c.after.raise(ExceptionKind::Undefined);
    }
    u64 first = 0;
    while (first < kDataSize && memcmp(data + first, pristine_.data() + first, 4096) == 0) first += 4096;
    while (first < kDataSize && data[first] == pristine_[first]) first++;
    if (first == kDataSize) {
      u64 base = (c.before.XSP(c.insn.word >> 5 & 31) & ((u64{1} << 56) - 1)) - kDataBase;
      first = base < kDataSize ? base : 0;
    }
    // The store of a faulting instruction may have begun there, not here.
    if (c.after.exception.kind == ExceptionKind::DataAbort) first = kDataSize;
    first = first < 64 ? 0 : first - 64;
    if (first > kDataSize - kWindow) first = kDataSize - kWindow;
    c.record.window = kDataBase + first;
    memcpy(memory, data + first, kWindow);
    memcpy(data + first, pristine_.data() + first, kWindow);
  }

  u8* data;
  u8 memory[kWindow];
  bool prefix_faulted = false;

 private:
  u8* code_;
  std::vector<u8> pristine_;
};

void to_record(const CpuState& s, u32 word, Record* r) {
  memset(r, 0, sizeof *r);
  memcpy(r->x, s.x, sizeof r->x);
  r->sp = s.sp;
  memcpy(r->v, s.v, sizeof r->v);
  r->nzcv = s.nzcv();
  r->fpcr = s.fpcr;
  r->fpsr = s.fpsr;
  r->word = word;
  r->prefix = load_exclusive_for(word);
}

// --- where QEMU 7.2 is not an oracle

bool named(const Case& c, const char* prefix) {
  return strncmp(kRows[static_cast<unsigned>(c.insn.op)].name, prefix, strlen(prefix)) == 0;
}

const char* why_not(const Case& c) {
  Insn i = c.insn;
  const RowInfo& row = kRows[static_cast<unsigned>(i.op)];
  bool general = (i.word & 0x04000000) == 0, pair = (i.word & 0x3a000000) == 0x28000000;
  bool written_back = (i.word & 0x3b200400) == 0x38000400 || (pair && (i.word & 0x00800000));
  if ((row.loads || row.stores) && i.Rn() == 31 && c.before.sp % 16 != 0)
    return "QEMU does not check the alignment of SP";
  if (row.loads && pair && i.Rt() == i.Rt2()) return "CONSTRAINED UNPREDICTABLE: any register twice";
  if (row.loads && general && written_back && (i.Rn() == i.Rt() || (pair && i.Rn() == i.Rt2())) &&
      i.Rn() != 31)
    return "CONSTRAINED UNPREDICTABLE: in QEMU the writeback wins over the loaded value";
  if (named(c, "LDXP") && i.Rt() == i.Rt2()) return "CONSTRAINED UNPREDICTABLE: any register twice";
  if (named(c, "LDAPR") && c.before.XSP(i.Rn()) % (1u << i.lsize()) != 0)
    return "QEMU does not check its alignment";
  if (named(c, "FCVTZS_sfix_h")) return "QEMU extends the 16-bit result to 32 bits";
  return nullptr;
}

// What differs, or nullptr.
const char* difference(Case& c, const u8* memory) {
  const Record& q = c.record;
  CpuState& s = c.after;
  u32 sig = 0, code = 0;
  u64 address = 0;
  if (s.exception.kind == ExceptionKind::DataAbort)
    sig = s.exception.sig, code = s.exception.code, address = s.exception.addr;
  if (s.exception.kind == ExceptionKind::Undefined) sig = 4, code = 1, address = kCodeAt + 4;
  if (sig != q.sig) return sig ? "we raise another signal" : "QEMU raises a signal";
  if (sig) {
    if (memcmp(s.x, c.before.x, sizeof s.x) != 0 || s.sp != c.before.sp ||
        memcmp(s.v, c.before.v, sizeof s.v) != 0)
      return "a fault changed registers";
    // QEMU reports ILL_ILLOPN where Linux has ILL_ILLOPC (el0_undef).
    if (code != q.code && sig != 4) return "si_code differs";
    if (address != q.address) return "si_addr differs";
    return nullptr;
  }
  if (memcmp(s.x, q.x, sizeof q.x) != 0 || s.sp != q.sp) return "general registers differ";
  if (memcmp(s.v, q.v, sizeof q.v) != 0) return "vector registers differ";
  if (s.nzcv() != q.nzcv) return "flags differ";
  if (s.fpsr_merged() != q.fpsr) return "FPSR differs";
  if (memcmp(memory, q.memory, kWindow) != 0) return "memory differs";
  return nullptr;
}

void show(const char* name, unsigned n, const u64* before, const u64* ours, const u64* qemu, unsigned words,
          bool used) {
  bool differs = memcmp(ours, qemu, words * 8) != 0;
  if (!differs && !used) return;
  printf("  %-2s%-3u", name, n);
  const char* const title[] = {"before", "ours", "qemu"};
  const u64* const value[] = {before, ours, qemu};
  for (int k = 0; k < 3; k++) {
    printf(" %s ", title[k]);
    for (unsigned w = words; w-- > 0;) printf("%016lx", value[k][w]);
  }
  printf("%s\n", differs ? "  <--" : "");
}

void report(Case& c, const char* what, const u8* memory) {
  const Record& q = c.record;
  printf("\n%s %08x: %s (nzcv %x fpcr %08x fpsr %08x)\n", kRows[static_cast<unsigned>(c.insn.op)].name,
         c.insn.word, what, c.before.nzcv(), c.before.fpcr, c.before.fpsr);
  printf("  signal ours %u code %u at %lx, qemu %u code %u at %lx\n", c.after.exception.sig,
         c.after.exception.code, c.after.exception.addr, q.sig, q.code,
         static_cast<unsigned long>(q.address));
  u32 word = c.insn.word;
  bool vector = strncmp(kRowFamily[static_cast<unsigned>(c.insn.op)], "simd", 4) == 0 ||
                strncmp(kRowFamily[static_cast<unsigned>(c.insn.op)], "fp", 2) == 0;
  auto used = [&](unsigned n) {
    return n == (word & 31) || n == (word >> 5 & 31) || n == (word >> 16 & 31) || n == (word >> 10 & 31);
  };
  for (unsigned n = 0; n < 31; n++) show("x", n, &c.before.x[n], &c.after.x[n], &q.x[n], 1, used(n));
  show("sp", 31, &c.before.sp, &c.after.sp, &q.sp, 1, used(31));
  for (unsigned n = 0; n < 32; n++)
    show("v", n, c.before.v[n].d, c.after.v[n].d, q.v + 2 * n, 2, vector && used(n));
  if (c.after.nzcv() != q.nzcv) printf("  nzcv ours %x qemu %x\n", c.after.nzcv(), q.nzcv);
  if (c.after.fpsr != q.fpsr) printf("  fpsr ours %08x qemu %08x\n", c.after.fpsr, q.fpsr);
  for (unsigned n = 0; n < kWindow; n++)
    if (memory[n] != q.memory[n])
      printf("  [%#lx] ours %02x qemu %02x\n", static_cast<unsigned long>(q.window) + n, memory[n],
             q.memory[n]);
}

bool run_executor(const std::string& command, const char* directory, std::vector<Case>& cases) {
  std::string input = std::string(directory) + "/input", output = std::string(directory) + "/output";
  FILE* f = fopen(input.c_str(), "wb");
  if (!f) return false;
  for (Case& c : cases)
    if (fwrite(&c.record, sizeof c.record, 1, f) != 1) return false;
  if (fclose(f) != 0) return false;
  if (system((command + " " + input + " " + output).c_str()) != 0) return false;
  f = fopen(output.c_str(), "rb");
  if (!f) return false;
  bool complete = true;
  for (Case& c : cases) complete = complete && fread(&c.record, sizeof c.record, 1, f) == 1;
  fclose(f);
  return complete;
}

}  // namespace

int main(int argc, char** argv) {
  std::string family, only_row, qemu, executor;
  unsigned count = 300;
  u64 seed = 1;
  for (int a = 1; a + 1 < argc; a += 2) {
    std::string option = argv[a];
    const char* value = argv[a + 1];
    if (option == "--family")
      family = value;
    else if (option == "--row")
      only_row = value;
    else if (option == "--qemu")
      qemu = value;
    else if (option == "--executor")
      executor = value;
    else if (option == "-n")
      count = static_cast<unsigned>(strtoul(value, nullptr, 0));
    else if (option == "--seed")
      seed = strtoull(value, nullptr, 0);
    else {
      fprintf(stderr, "unknown option %s\n", option.c_str());
      return 2;
    }
  }
  test::install_fault_handler();
  Ours ours;
  Random random{seed * 0x9E3779B97F4A7C15ull | 1};
  std::vector<Case> cases;
  std::vector<std::vector<u8>> memories;
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    std::string of = kRowFamily[row];
    if (!family.empty() && family != of) continue;
    if (!only_row.empty() && only_row != kRows[row].name) continue;
    if (kRows[row].flow != Flow::None || of == "system" || of == "branch") continue;
    for (unsigned n = 0; n < count; n++) {
      Case c;
      if (!random_word(random, row, &c.insn)) {
        printf("no word decodes to %s\n", kRows[row].name);
        return 1;
      }
      c.before = random_state(random, c.insn, ours.data);
      to_record(c.before, c.insn.word, &c.record);
      ours.prefix_faulted = false;
      ours.run(c);
      if (ours.prefix_faulted || why_not(c)) continue;
      cases.push_back(c);
      memories.emplace_back(ours.memory, ours.memory + kWindow);
    }
  }
  char directory[] = "/tmp/against_qemu.XXXXXX";
  if (cases.empty() || !mkdtemp(directory)) {
    fprintf(stderr, "nothing to test\n");
    return 2;
  }
  bool ran = run_executor(qemu.empty() ? executor : qemu + " -cpu neoverse-n1 " + executor, directory, cases);
  for (const char* name : {"/input", "/output"}) unlink((directory + std::string(name)).c_str());
  rmdir(directory);
  if (!ran) {
    fprintf(stderr, "the executor failed\n");
    return 1;
  }
  std::map<std::string, unsigned> failed;
  for (size_t n = 0; n < cases.size(); n++) {
    const char* what = difference(cases[n], memories[n].data());
    if (what && failed[kRows[static_cast<unsigned>(cases[n].insn.op)].name]++ < 3)
      report(cases[n], what, memories[n].data());
  }
  for (auto& [name, times] : failed) printf("FAIL %-16s %u of %u\n", name.c_str(), times, count);
  printf("%zu cases, %zu rows differ\n", cases.size(), failed.size());
  return failed.empty() ? 0 : 1;
}
