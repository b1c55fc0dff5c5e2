// SPDX-License-Identifier: MIT
// Every row's semantics against VIXL's AArch64 simulator: random words of the row, random state, all
// registers and memory compared.
//
//   differential [--family NAME] [--row NAME] [-n COUNT] [--seed SEED] [--verbose]
//
// Guarantees: the words are those that decode() gives to the row; operands favour boundaries (0, -1,
// extremes, NaNs, denormals); reproducible from the seed. Exit status 1 on a difference. Deliberately not
// here: FPSR and the modes of FPCR that VIXL does not model (all but DN), rows in
// differential_exceptions.cpp, ordering between threads. Rows without semantics are listed as missing, not
// failed.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "aarch64/disasm-aarch64.h"
#include "aarch64/simulator-aarch64.h"
#include "differential_exceptions.h"
#include "guest/aarch64/registers.h"
#include "insn.h"
#include "test_host.h"

namespace v = vixl::aarch64;
using namespace grus;
using namespace grus::a64;

namespace {

FILE* out = stdout;

// xorshift64*: fast, and the same sequence everywhere.
struct Random {
  u64 s;
  u64 next() {
    s ^= s >> 12, s ^= s << 25, s ^= s >> 27;
    return s * 0x2545F4914F6CDD1Dull;
  }
  u32 word() { return static_cast<u32>(next() >> 32); }
  unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) * n >> 32); }
  bool one_in(unsigned n) { return below(n) == 0; }
};

u64 integer_operand(Random& r) {
  static const u64 kEdges[] = {0,
                               1,
                               2,
                               ~0ull,
                               ~1ull,
                               0x7fffffff,
                               0x80000000,
                               0xffffffff,
                               0x100000000,
                               0x8000000000000000,
                               0x7fffffffffffffff,
                               0xffffffff80000000,
                               0xffffffff7fffffff,
                               0x8000000080000000,
                               0x7fffffff7fffffff,
                               31,
                               32,
                               63,
                               64,
                               0x5555555555555555,
                               0xff,
                               0x100,
                               0xffff,
                               0x8000};
  switch (r.below(5)) {
    case 0:
      return kEdges[r.below(sizeof kEdges / sizeof kEdges[0])];
    case 1:
      return r.below(256);
    case 2:
      return r.next() >> r.below(64);
    case 3:
      return static_cast<u64>(static_cast<i64>(r.next()) >> r.below(64));
    default:
      return r.next();
  }
}

u64 float_operand(Random& r, unsigned bits) {
  unsigned frac = bits == 16 ? 10 : bits == 32 ? 23 : 52, exp = bits - 1 - frac;
  u64 exp_max = (1ull << exp) - 1, frac_mask = (1ull << frac) - 1, bias = exp_max >> 1, e, f;
  switch (r.below(9)) {
    case 0:
      e = 0, f = 0;
      break;
    case 1:
      e = 0, f = r.one_in(2) ? r.next() & frac_mask : (r.one_in(2) ? 1 : frac_mask);
      break;
    case 2:
      e = exp_max, f = r.one_in(2) ? 0 : r.next() & frac_mask;
      break;
    case 3:
      e = bias + r.below(bits / 2), f = r.next() & frac_mask & ~(frac_mask >> r.below(frac));
      break;
    case 4:
      e = r.one_in(2) ? exp_max - 1 : 1, f = r.one_in(2) ? frac_mask : r.next() & frac_mask;
      break;
    case 5:
      e = bias + r.below(70) - 3, f = r.next() & frac_mask;
      break;
    case 6:
      e = bias + r.below(5) - 2, f = r.next() & frac_mask;
      break;
    default:
      e = r.next() & exp_max, f = r.next() & frac_mask;
      break;
  }
  return (r.next() & 1) << (bits - 1) | (e & exp_max) << frac | f;
}

Vec vector_operand(Random& r) {
  Vec v;
  unsigned kind = r.below(8);
  for (unsigned lane = 0; lane < 16; lane++) {
    switch (kind) {
      case 0:
        v.set<u8>(lane, static_cast<u8>(integer_operand(r)));
        break;
      case 1:
        if (lane < 8) v.set<u16>(lane, static_cast<u16>(integer_operand(r)));
        break;
      case 2:
        if (lane < 4) v.set<u32>(lane, static_cast<u32>(integer_operand(r)));
        break;
      case 3:
        if (lane < 2) v.set<u64>(lane, integer_operand(r));
        break;
      case 4:
        if (lane < 8) v.set<u16>(lane, static_cast<u16>(float_operand(r, 16)));
        break;
      case 5:
        if (lane < 4) v.set<u32>(lane, static_cast<u32>(float_operand(r, 32)));
        break;
      case 6:
        if (lane < 2) v.set<u64>(lane, float_operand(r, 64));
        break;
      default:
        if (lane < 2) v.set<u64>(lane, r.next());
        break;
    }
  }
  return v;
}

// The guest memory of the test: code in the middle, so that every literal load hits mapped memory; a work
// area that stores may reach (base in its middle, the largest scaled offset is 65,520) and that is compared.
constexpr size_t kMapSize = 4 << 20, kCode = 2 << 20, kWork = kCode + (64 << 10), kWorkSize = 192 << 10;

struct Memory {
  u8* map;
  std::vector<u8> pristine, ours;
  explicit Memory(Random& r) : pristine(kWorkSize), ours(kWorkSize) {
    // A fixed low address below 2^48, so that failures print alike.
    map = static_cast<u8*>(mmap(reinterpret_cast<void*>(0x10000000), kMapSize, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < kMapSize; i += 8) {
      u64 value = r.next();
      memcpy(map + i, &value, 8);
    }
    memcpy(pristine.data(), work(), kWorkSize);
  }
  u8* work() { return map + kWork; }
  u8* code() { return map + kCode; }
  void restore() { memcpy(work(), pristine.data(), kWorkSize); }
};

struct State {
  u64 x[31], sp, pc;
  unsigned nzcv;
  Vec v[32];
};

class Tester {
 public:
  Tester(u64 seed, bool verbose)
      : random_{seed * 0x9E3779B97F4A7C15ull | 1}, memory_(random_), verbose_(verbose) {
    sim_ = std::make_unique<v::Simulator>(&decoder_, stderr);
    sim_->SetCPUFeatures(vixl::CPUFeatures::All());
    sim_->SilenceExclusiveAccessWarning();
    decoder_dis_.AppendVisitor(&disassembler_);
  }

  // Returns whether all agreed.
  bool row(unsigned index, unsigned count) {
    unsigned failures = 0, done = 0, skipped = 0;
    for (unsigned n = 0; n < count; n++) {
      Insn i;
      if (!random_word(index, &i)) {
        fprintf(out, "NOWORD %-16s no random word decodes to this row\n", kRows[index].name);
        return false;
      }
      CpuState before = random_state(index, i);
      if (const char* why = excluded(i, before)) {
        if (n == 0 && verbose_) fprintf(out, "skip   %-16s %s\n", kRows[index].name, why);
        skipped++;
        continue;
      }
      done++;
      if (!one(i, before) && ++failures >= 3) break;
    }
    if (failures)
      fprintf(out, "FAIL   %-16s (%s)\n", kRows[index].name, kRowFamily[index]);
    else if (verbose_)
      fprintf(out, "ok     %-16s %u cases, %u left out\n", kRows[index].name, done, skipped);
    cases += done;
    return failures == 0;
  }

  u64 cases = 0;

 private:
  bool random_word(unsigned index, Insn* i) {
    const RowInfo& row = kRows[index];
    for (int tries = 0; tries < 100000; tries++) {
      u32 bits = random_.word();
      // Equal registers and register 31 more often than chance.
      if (random_.one_in(8)) bits = (bits & ~0x3e0u) | (bits & 31) << 5;
      if (random_.one_in(8)) bits = (bits & ~0x1f0000u) | (bits & 31) << 16;
      if (random_.one_in(16)) bits |= 31;
      if (random_.one_in(16)) bits |= 31 << 5;
      if (random_.one_in(16)) bits |= 31 << 16;
      u32 word = (bits & ~row.mask) | row.value;
      if (decode(word) == static_cast<Op>(index)) {
        *i = Insn{word, static_cast<Op>(index)};
        return true;
      }
    }
    return false;
  }

  CpuState random_state(unsigned index, Insn i) {
    CpuState s;
    s.reset();
    for (u64& x : s.x) x = integer_operand(random_);
    s.sp = integer_operand(random_);
    for (Vec& vec : s.v) vec = vector_operand(random_);
    s.set_nzcv(random_.below(16));
    if (random_.one_in(8)) s.set_fpcr(kFpcrDN);
    s.pc = reinterpret_cast<u64>(memory_.code());
    s.next_pc = s.pc + 4;
    const RowInfo& row = kRows[index];
    if (row.loads || row.stores) {
      // The base is Rn, but Rt in DC.
      unsigned base = (i.word & 0xffc00000) == 0xd5000000 ? i.word & 31 : (i.word >> 5) & 31;
      unsigned offset_register = (i.word >> 16) & 31;
      // Register offsets (LDR_reg and its kin) must stay small; garbage above bit 31 where the extension
      // drops it.
      if ((i.word & 0x3b200c00) == 0x38200800 && offset_register != base && offset_register != 31) {
        i64 offset = static_cast<i64>(random_.below(512)) - 256;
        unsigned option = (i.word >> 13) & 7;
        u64 value = static_cast<u64>(option == 2 ? random_.below(512) : offset);
        if (!(option & 1)) value = (value & 0xffffffff) | (random_.next() << 32);
        s.x[offset_register] = value;
      }
      u64 address = reinterpret_cast<u64>(memory_.work()) + kWorkSize / 2 + random_.below(32) * 16;
      // Misaligned sometimes, but not SP.
      if (base != 31 && random_.one_in(4)) address += random_.below(16);
      s.set_XSP(base, address);
      // A compare-and-swap that always fails tests little: let it hit sometimes.
      if (random_.one_in(2)) {
        unsigned rs = (i.word >> 16) & 31;
        u64 there[2];
        memcpy(there, reinterpret_cast<void*>(address), 16);
        if (rs != base && (i.word & 0x3f000000) == 0x08000000) {
          s.set_X(rs, there[0]);
          if ((rs | 1) != base && !(i.word >> 23 & 1)) {
            s.set_X(rs | 1, there[1]);
            if (!(i.word >> 30 & 1)) s.set_X(rs, there[0] & 0xffffffff), s.set_X(rs | 1, there[0] >> 32);
          }
        }
      }
    }
    return s;
  }

  static bool matches(const char* pattern, const char* name) {
    for (; *pattern && *pattern != '*'; pattern++, name++)
      if (!*name || (*pattern != '?' && *pattern != *name)) return false;
    return *pattern == '*' || !*name;
  }

  const char* excluded(Insn i, const CpuState& before) {
    const char* name = kRows[static_cast<unsigned>(i.op)].name;
    for (unsigned n = 0; n < kDoNotTestCount; n++) {
      const DoNotTest& d = kDoNotTest[n];
      bool match = matches(d.row, name);
      if (match && (!d.only || d.only(i, before))) return d.reason;
    }
    return nullptr;
  }

  // Store exclusives succeed only after a load exclusive: run the matching one first, on both.
  static u32 exclusive_load_before(u32 word) {
    bool store_exclusive =
        (word & 0x3f400000) == 0x08000000 && !(word >> 23 & 1) &&
        (!(word >> 21 & 1) || (word >> 31));  // with bit 31 clear and bit 21 set it is CASP
    if (!store_exclusive) return 0;
    bool pair = word >> 21 & 1;
    return (word & ~0x001ffc1fu) | 1u << 22 | 31u << 16 | (pair ? 30u << 10 : 31u << 10) | 31u;
  }

  void run_ours(CpuState& s, Insn i) {
    s.exclusive_size = 0;
    if (u32 load = pre_) {
      CpuState after = s;
      Insn li{load, decode(load)};
      if (kSemantics[static_cast<unsigned>(li.op)]) kSemantics[static_cast<unsigned>(li.op)](after, li);
      s.exclusive_addr = after.exclusive_addr;
      s.exclusive_size = after.exclusive_size;
      s.exclusive_version = after.exclusive_version;
      memcpy(s.exclusive_value, after.exclusive_value, sizeof s.exclusive_value);
    }
    kSemantics[static_cast<unsigned>(i.op)](s, i);
  }

  void set_vixl(const CpuState& s) {
    for (unsigned n = 0; n < 31; n++)
      sim_->WriteXRegister(n, static_cast<i64>(s.x[n]), v::Simulator::NoRegLog);
    sim_->WriteXRegister(31, static_cast<i64>(s.sp), v::Simulator::NoRegLog, v::Reg31IsStackPointer);
    for (unsigned n = 0; n < 32; n++) {
      v::Simulator::qreg_t q;
      memcpy(q.val, &s.v[n], 16);
      sim_->WriteQRegister(n, q, v::Simulator::NoRegLog);
    }
    sim_->ReadNzcv().SetRawValue(s.nzcv() << 28);
    sim_->ReadFpcr().SetRawValue(s.fpcr);
    sim_->WritePc(reinterpret_cast<const v::Instruction*>(s.pc), v::Simulator::NoBranchLog);
  }

  void run_vixl(const CpuState& before, u32 word) {
    sim_->ClearLocalMonitor();
    if (pre_) {
      set_vixl(before);
      memcpy(memory_.code(), &pre_, 4);
      sim_->ExecuteInstruction();
    }
    set_vixl(before);
    memcpy(memory_.code(), &word, 4);
    sim_->ExecuteInstruction();
  }

  State vixl_state() {
    State s;
    for (unsigned n = 0; n < 31; n++) s.x[n] = static_cast<u64>(sim_->ReadXRegister(n));
    s.sp = static_cast<u64>(sim_->ReadXRegister(31, v::Reg31IsStackPointer));
    s.pc = reinterpret_cast<u64>(sim_->ReadPc());
    s.nzcv = sim_->ReadNzcv().GetRawValue() >> 28;
    for (unsigned n = 0; n < 32; n++) {
      auto q = sim_->ReadQRegister(n);
      memcpy(&s.v[n], q.val, 16);
    }
    return s;
  }

  bool one(Insn i, const CpuState& before) {
    pre_ = exclusive_load_before(i.word);
    memory_.restore();
    CpuState ours = before;
    run_ours(ours, i);
    memcpy(memory_.ours.data(), memory_.work(), kWorkSize);
    memory_.restore();

    bool vixl_ran = test::survives([&] { run_vixl(before, i.word); });
    if (!vixl_ran) {
      // Its own C++ was interrupted: start from a new simulator.
      (void)sim_.release();
      sim_ = std::make_unique<v::Simulator>(&decoder_new(), stderr);
      sim_->SetCPUFeatures(vixl::CPUFeatures::All());
      sim_->SilenceExclusiveAccessWarning();
      if (ours.exception.kind == ExceptionKind::DataAbort) return true;
      return report(i, before, ours, nullptr, "VIXL crashed, we did not fault");
    }
    State theirs = vixl_state();
    ExceptionKind kind = ours.exception.kind;
    if (kind == ExceptionKind::DataAbort || kind == ExceptionKind::Undefined)
      return report(i, before, ours, &theirs,
                    kind == ExceptionKind::DataAbort ? "we fault" : "we say undefined");
    // VIXL's global monitor lets a store exclusive fail at random.
    unsigned rs = (i.word >> 16) & 31;
    if (pre_ && rs != 31 && theirs.x[rs] == 1 && ours.x[rs] == 0) return true;

    bool same = memcmp(ours.x, theirs.x, sizeof theirs.x) == 0 && ours.sp == theirs.sp &&
                ours.next_pc == theirs.pc && ours.nzcv() == theirs.nzcv &&
                memcmp(ours.v, theirs.v, sizeof theirs.v) == 0;
    if (!same) return report(i, before, ours, &theirs, "registers differ");
    if (memcmp(memory_.ours.data(), memory_.work(), kWorkSize) != 0)
      return report(i, before, ours, &theirs, "memory differs");
    return true;
  }

  v::Decoder& decoder_new() {
    // The interrupted decoder keeps the old simulator as its visitor; both are left behind.
    auto* d = new v::Decoder;
    return *d;
  }

  bool report(Insn i, const CpuState& before, const CpuState& ours, const State* theirs, const char* what) {
    decoder_dis_.Decode(reinterpret_cast<const v::Instruction*>(&i.word));
    fprintf(out, "\n%s %08x  %s: %s (nzcv %x fpcr %08x)\n", kRows[static_cast<unsigned>(i.op)].name, i.word,
            disassembler_.GetOutput(), what, before.nzcv(), before.fpcr);
    auto used = [&](unsigned n) {
      return n == (i.word & 31) || n == (i.word >> 5 & 31) || n == (i.word >> 16 & 31) ||
             n == (i.word >> 10 & 31);
    };
    for (unsigned n = 0; n < 31; n++)
      line("x", n, used(n), &before.x[n], &ours.x[n], theirs ? &theirs->x[n] : nullptr, 1);
    line("sp", 31, used(31), &before.sp, &ours.sp, theirs ? &theirs->sp : nullptr, 1);
    line("pc", 32, false, &before.pc, &ours.next_pc, theirs ? &theirs->pc : nullptr, 1);
    const char* family = kRowFamily[static_cast<unsigned>(i.op)];
    bool vectors = strncmp(family, "simd", 4) == 0 || strncmp(family, "fp", 2) == 0;
    for (unsigned n = 0; n < 32; n++)
      line("v", n, vectors && used(n), before.v[n].d, ours.v[n].d, theirs ? theirs->v[n].d : nullptr, 2);
    if (theirs && ours.nzcv() != theirs->nzcv)
      fprintf(out, "  nzcv       before %x ours %x vixl %x   <--\n", before.nzcv(), ours.nzcv(),
              theirs->nzcv);
    if (theirs) {
      for (size_t at = 0, shown = 0; at < kWorkSize && shown < 8; at++) {
        u8 a = memory_.ours[at], b = memory_.work()[at];
        if (a != b) {
          fprintf(out, "  [%#lx] before %02x ours %02x vixl %02x   <--\n",
                  reinterpret_cast<unsigned long>(memory_.work() + at), memory_.pristine[at], a, b);
          shown++;
        }
      }
    }
    return false;
  }

  void line(const char* kind, unsigned n, bool used, const u64* before, const u64* ours, const u64* theirs,
            int words) {
    bool differs = theirs && memcmp(ours, theirs, words * 8) != 0;
    if (!used && !differs) return;
    auto print = [&](const u64* p) {
      for (int w = words - 1; w >= 0; w--) fprintf(out, "%016lx", p[w]);
    };
    fprintf(out, "  %-2s%-3u before ", kind, n);
    print(before);
    fprintf(out, " ours ");
    print(ours);
    if (theirs) {
      fprintf(out, " vixl ");
      print(theirs);
    }
    fprintf(out, "%s\n", differs ? "   <--" : "");
  }

  Random random_;
  Memory memory_;
  bool verbose_;
  u32 pre_ = 0;
  v::Decoder decoder_, decoder_dis_;
  v::Disassembler disassembler_;
  std::unique_ptr<v::Simulator> sim_;
};

}  // namespace

int main(int argc, char** argv) {
  std::string family, only_row;
  unsigned count = 2000;
  u64 seed = 1;
  bool verbose = false;
  for (int a = 1; a < argc; a++) {
    std::string option = argv[a];
    auto value = [&] {
      if (++a >= argc) {
        fprintf(stderr, "%s wants a value\n", option.c_str());
        exit(2);
      }
      return argv[a];
    };
    if (option == "--family")
      family = value();
    else if (option == "--row")
      only_row = value();
    else if (option == "-n")
      count = static_cast<unsigned>(strtoul(value(), nullptr, 0));
    else if (option == "--seed")
      seed = strtoull(value(), nullptr, 0);
    else if (option == "--verbose")
      verbose = true;
    else {
      fprintf(stderr,
              "usage: differential [--family NAME] [--row NAME] [-n COUNT] [--seed SEED] [--verbose]\n");
      return 2;
    }
  }
  // VIXL prints to standard output what it thinks of a word; ours must stay readable.
  out = fdopen(dup(1), "w");
  setvbuf(out, nullptr, _IOLBF, 0);
  if (!freopen("/dev/null", "w", stdout)) return 2;

  test::install_fault_handler();
  Tester tester(seed, verbose);
  unsigned tested = 0, failed = 0, missing = 0;
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    if (!family.empty() && family != kRowFamily[row]) continue;
    if (!only_row.empty() && only_row != kRows[row].name) continue;
    if (!kSemantics[row]) {
      if (verbose || (kRows[row].feature == Feature::Base && !(family.empty() && only_row.empty())))
        fprintf(out, "none   %-16s (%s) %s has no semantics\n", kRows[row].name, kRowFamily[row],
                feature_name(kRows[row].feature));
      missing++;
      continue;
    }
    tested++;
    if (!tester.row(row, count)) failed++;
  }
  fprintf(out, "%u rows, %lu cases, %u rows differ, %u rows without semantics\n", tested, tester.cases,
          failed, missing);
  if (tested == 0 && missing == 0) {
    fprintf(out, "no such row\n");
    return 2;
  }
  return failed ? 1 : 0;
}
