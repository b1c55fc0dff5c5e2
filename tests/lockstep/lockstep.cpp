// SPDX-License-Identifier: MIT
// Translated code against the semantics: random sequences around each row, run both ways from the same state.
//
//   lockstep [--family NAME] [--row NAME] [-n COUNT] [--seed SEED] [--flavour sse42|avx2|avx512] [--all]
//   [--verbose]
//            [--dump FILE]   host code of the last difference, for objdump -D -b binary -mi386:x86-64
//
// Compared: x0-x30, sp, pc, v0-v31, FPSR, FPCR, TPIDR, the work area, the exception; NZCV where a sequence
// ends at an SVC (a fault's frame may show older ones: docs/limits.md). COUNT sequences for
// every row that has a template, with --all for every row that executes. A difference is made small before it
// is shown. Exit status 1 on a difference, 77 when this machine lacks the flavour. Deliberately not here:
// whole programs, asynchronous signals, threads.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "host/x86_64/features.h"
#include "insn.h"
#include "run/code_map.h"
#include "sequence.h"
#include "translate/a64_to_x64/templates.h"

using namespace grus;
using namespace grus::a64;
using namespace grus::test;

namespace {

constexpr unsigned kStepLimit = 200;

struct Outcome {
  CpuState cpu;
  std::vector<u8> work;
};

class Tester {
 public:
  Tester(u64 seed, bool verbose, const std::string& dump)
      : random_{seed * 0x9E3779B97F4A7C15ull | 1},
        guest_(seed),
        maker_(guest_, random_),
        verbose_(verbose),
        dump_(dump) {}

  bool row(unsigned index, unsigned count) {
    unsigned failures = 0;
    for (unsigned n = 0; n < count; n++) {
      Sequence s;
      if (!maker_.make(index, &s)) {
        printf("NOWORD %-16s no random word decodes to this row\n", kRows[index].name);
        return false;
      }
      cases++;
      if (same(s)) continue;
      reduce(s);
      show(s);
      if (++failures >= 2) break;
    }
    if (failures)
      printf("FAIL   %-16s (%s)\n", kRows[index].name, kRowFamily[index]);
    else if (verbose_)
      printf("ok     %-16s\n", kRows[index].name);
    fflush(stdout);
    return failures == 0;
  }

  u64 cases = 0;

 private:
  bool same(Sequence& s) {
    guest_.restore_work();
    ours_.cpu = s.before;
    ours_.cpu.exception.kind = ExceptionKind::None;
    Guest::interpret(ours_.cpu, kStepLimit);
    if (ours_.cpu.exception.kind == ExceptionKind::None) return true;  // does not end: made so by reduce()
    ours_.work.assign(guest_.work(), guest_.work() + kWorkSize);
    guest_.restore_work();
    theirs_.cpu = s.before;
    guest_.translate(theirs_.cpu);
    theirs_.work.assign(guest_.work(), guest_.work() + kWorkSize);
    return equal();
  }

  bool equal() {
    CpuState &a = ours_.cpu, &b = theirs_.cpu;
    a.fpsr_merged(), b.fpsr_merged();
    // What context Trapping does not look for (fp.h): the flag may be missing, never there for nothing.
    constexpr u32 kUnderflow = 8;
    if (!a.fp_checked && !(b.fpsr & ~a.fpsr & kUnderflow)) b.fpsr |= a.fpsr & kUnderflow;
    bool flags = a.exception.kind != ExceptionKind::Supervisor || a.nzcv() == b.nzcv();
    return flags && memcmp(a.x, b.x, sizeof a.x) == 0 && a.sp == b.sp && a.pc == b.pc &&
           memcmp(a.v, b.v, sizeof a.v) == 0 && a.fpsr == b.fpsr && a.fpcr == b.fpcr &&
           a.fp_context == b.fp_context && a.fp_checked == b.fp_checked && a.mxcsr == b.mxcsr && a.tpidr_el0 == b.tpidr_el0 &&
           exception(a, b) && ours_.work == theirs_.work;
  }

  static bool exception(const CpuState& a, const CpuState& b) {
    const Exception &x = a.exception, &y = b.exception;
    if (x.kind != y.kind) return false;
    switch (x.kind) {
      case ExceptionKind::DataAbort:
        return x.addr == y.addr && x.write == y.write && x.sig == y.sig && x.code == y.code;
      case ExceptionKind::InstructionAbort:
      case ExceptionKind::PcAlignment:
        return x.addr == y.addr;
      case ExceptionKind::Supervisor:
      case ExceptionKind::Breakpoint:
        return x.imm == y.imm;
      default:
        return true;
    }
  }

  bool differs_with(Sequence& s, const std::vector<u32>& words) {
    u64 code = s.before.x[0];
    (void)code;
    u64 old = s.before.pc;
    Sequence t = s;
    t.words = words;
    t.before.pc = guest_.place(words);
    // A register that led into the sequence leads to the same place of the copy.
    for (u64& x : t.before.x)
      if (x >= old && x < old + 4 * words.size()) x += t.before.pc - old;
    if (same(t)) return false;
    s = t;
    return true;
  }

  // NOPs for every instruction without which the runs still differ.
  void reduce(Sequence& s) {
    for (unsigned n = 0; n < s.length; n++) {
      if (s.words[n] == 0xd503201f) continue;
      std::vector<u32> words = s.words;
      words[n] = 0xd503201f;
      differs_with(s, words);
    }
    std::vector<u32> words = s.words;
    (void)differs_with(s, words);  // the outcomes that are shown belong to it
  }

  void show(const Sequence& s) {
    printf("\n");
    bool used[33] = {};
    for (unsigned n = 0; n < s.length; n++) {
      u32 w = s.words[n];
      if (w == 0xd503201f) continue;
      Op op = decode(w);
      printf("  %lx: %08x %s%s\n", static_cast<unsigned long>(s.before.pc + 4 * n), w,
             kRows[static_cast<unsigned>(op)].name,
             a64_to_x64::kTemplates[static_cast<unsigned>(op)] ? "" : " (semantics)");
      for (unsigned shift : {0, 5, 10, 16}) used[w >> shift & 31] = true;
    }
    const CpuState &p = s.before, &a = ours_.cpu, &b = theirs_.cpu;
    printf("  fpcr %08x fpsr %08x; semantics on the left, translated on the right\n", p.fpcr, p.fpsr);
    for (unsigned n = 0; n < 31; n++) scalar("x", n, used[n], p.x[n], a.x[n], b.x[n]);
    scalar("sp", 31, used[31], p.sp, a.sp, b.sp);
    scalar("pc", 0, true, p.pc, a.pc, b.pc);
    scalar("nzcv", 0, true, p.nzcv(), a.nzcv(), b.nzcv());
    scalar("fpsr", 0, false, p.fpsr, a.fpsr, b.fpsr);
    scalar("fpcr", 0, false, p.fpcr, a.fpcr, b.fpcr);
    scalar("mxcsr", 0, false, p.mxcsr, a.mxcsr, b.mxcsr);
    scalar("tpidr", 0, false, p.tpidr_el0, a.tpidr_el0, b.tpidr_el0);
    if (!exception(a, b))
      printf("  exception %d addr %lx write %d | %d addr %lx write %d  <--\n",
             static_cast<int>(a.exception.kind), static_cast<unsigned long>(a.exception.addr),
             a.exception.write, static_cast<int>(b.exception.kind),
             static_cast<unsigned long>(b.exception.addr), b.exception.write);
    for (unsigned n = 0; n < 32; n++) {
      bool differs = memcmp(&a.v[n], &b.v[n], 16) != 0;
      if (!used[n] && !differs) continue;
      printf("  v%-4u before %016lx%016lx now %016lx%016lx | %016lx%016lx%s\n", n, p.v[n].d[1], p.v[n].d[0],
             a.v[n].d[1], a.v[n].d[0], b.v[n].d[1], b.v[n].d[0], differs ? "  <--" : "");
    }
    unsigned shown = 0;
    for (size_t at = 0; at < kWorkSize && shown < 8; at++) {
      if (ours_.work[at] == theirs_.work[at]) continue;
      printf("  [%lx] before %02x now %02x | %02x  <--\n", static_cast<unsigned long>(kWork + at),
             guest_.pristine()[at], ours_.work[at], theirs_.work[at]);
      shown++;
    }
    if (!dump_.empty()) dump(s.before.pc);
  }

  void dump(u64 pc) {
    cache::Window* w = run::find_window(pc, static_cast<u8>(theirs_.cpu.fp_context));
    u64 host = w ? w->find(pc) : 0;
    FILE* f = host ? fopen(dump_.c_str(), "wb") : nullptr;
    if (!f) return;
    cache::Region* r = w->region_of_host(host);
    fwrite(w->code + r->host_begin, 1, r->host_end - r->host_begin, f);
    fclose(f);
    printf("  entered at +%lx, cold from +%x\n",
           static_cast<unsigned long>(host - reinterpret_cast<u64>(w->code) - r->host_begin),
           r->body_end - r->host_begin);
    for (u32 n = 0; n < r->mark_count; n++) {
      cache::InsnMark m = r->marks()[n];
      printf("    +%x: %lx form %u\n", static_cast<unsigned>(m.host),
             static_cast<unsigned long>(w->guest_begin + u64{4} * (r->guest_low + m.guest)), static_cast<unsigned>(m.flags));
    }
  }

  static void scalar(const char* name, unsigned n, bool used, u64 before, u64 ours, u64 theirs) {
    if (!used && ours == theirs) return;
    printf("  %s%-4u before %016lx now %016lx | %016lx%s\n", name, n, before, ours, theirs,
           ours != theirs ? "  <--" : "");
  }

  Random random_;
  Guest guest_;
  Maker maker_;
  bool verbose_;
  std::string dump_;
  Outcome ours_, theirs_;
};

}  // namespace

int main(int argc, char** argv) {
  std::string family, only_row, flavour, dump;
  unsigned count = 1000;
  u64 seed = 1;
  bool verbose = false, all = false;
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
    else if (option == "--flavour")
      flavour = value();
    else if (option == "--dump")
      dump = value();
    else if (option == "--all")
      all = true;
    else if (option == "--verbose")
      verbose = true;
    else {
      fprintf(stderr,
              "usage: lockstep [--family NAME] [--row NAME] [-n COUNT] [--seed SEED] [--flavour "
              "sse42|avx2|avx512] [--all] "
              "[--verbose] [--dump FILE]\n");
      return 2;
    }
  }
  if (!x64::detect_features(&x64::g_features)) {
    fprintf(stderr, "lockstep: this machine is below the engine's minimum\n");
    return 77;
  }
  if (!flavour.empty()) {
    x64::Flavour f = flavour == "sse42"  ? x64::Flavour::Sse42
                     : flavour == "avx2" ? x64::Flavour::Avx2
                                         : x64::Flavour::Avx512;
    if (flavour != "sse42" && flavour != "avx2" && flavour != "avx512") {
      fprintf(stderr, "lockstep: no flavour '%s'\n", flavour.c_str());
      return 2;
    }
    if (f > x64::g_features.flavour) {
      fprintf(stderr, "lockstep: this machine lacks %s\n", flavour.c_str());
      return 77;
    }
    x64::restrict_features(&x64::g_features, f);
  }

  static Tester tester(seed, verbose, dump);
  unsigned tested = 0, failed = 0;
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    if (!family.empty() && family != kRowFamily[row]) continue;
    if (!only_row.empty() && only_row != kRows[row].name) continue;
    if (!kSemantics[row] || (!a64_to_x64::kTemplates[row] && !all)) continue;
    tested++;
    if (!tester.row(row, count)) failed++;
  }
  printf("%u rows, %lu sequences, %u rows differ\n", tested, static_cast<unsigned long>(tester.cases),
         failed);
  if (tested == 0) {
    printf("no such row\n");
    return 2;
  }
  return failed ? 1 : 0;
}
