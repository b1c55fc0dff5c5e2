// SPDX-License-Identifier: MIT
// Translated code against the semantics on whole random programs (program.h), each run by the semantics and twice by translated code,
// made for it and then known.
//
//   random_code [-n COUNT] [--seed SEED] [--flavour sse42|avx2|avx512]
//
// Compared: all registers, NZCV at the SVC that ends a program, FPSR, memory, the code itself, the exception. Every other program
// counts as a file's, in which the translator looks beyond its regions for who reads NZCV (RegionBuilder::nzcv_use). A difference is
// made small before it is shown. Exit status 1 on a difference, or when too little of something was run; 77 when this machine lacks
// the flavour. Deliberately not here: what program.h leaves out, threads, signals.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "guest/aarch64/disasm.h"
#include "host/x86_64/features.h"
#include "insn.h"
#include "program.h"
#include "run/code_map.h"
#include "sequence.h"

using namespace grus;
using namespace grus::a64;
using namespace grus::test;

namespace {

constexpr unsigned kStepLimit = 30000;
constexpr u32 kNop = 0xd503201f;

struct Outcome {
  CpuState cpu;
  std::vector<u8> work;
  std::vector<u32> code;
};

struct Counts {
  u64 ended, faults, endless, steps_of_files;
};

class Tester {
 public:
  explicit Tester(u64 seed) : random_{seed * 0x9E3779B97F4A7C15ull | 1}, guest_(seed), maker_(random_) {}

  // False: a difference, which is shown.
  bool program(bool of_file) {
    of_file_ = of_file;
    unsigned length = 8 + random_.below(random_.one_in(3) ? 392 : 100);
    words_ = maker_.make(length);
    state();
    Result result = run(words_);
    if (result == Result::Endless) {
      for (unsigned n : maker_.self_branches()) words_[n] = kNop;
      result = run(words_);
    }
    if (result == Result::Endless) counts.endless++;
    if (result == Result::Same) (ours_.cpu.exception.kind == ExceptionKind::Supervisor ? counts.ended : counts.faults)++;
    if (result != Result::Different) return true;
    reduce();
    show();
    return false;
  }

  const ProgramCounts& contents() const { return maker_.counts(); }
  Counts counts{};

 private:
  enum class Result { Same, Different, Endless };

  void state() {
    before_.reset();
    if (random_.one_in(2)) before_.check_fp();
    for (u64& x : before_.x) x = integer_operand(random_);
    for (Vec& v : before_.v) v = vector_operand(random_);
    before_.set_nzcv(random_.below(16));
    before_.sp = kWork + kWorkSize - 4096;
    before_.x[20] = kWork + 1024;
  }

  u32* code() const { return reinterpret_cast<u32*>(place_); }
  // Back to where the program begins. A program that was translated already hears of what changes.
  void restore(CpuState& cpu, const std::vector<u32>& words, bool known) {
    guest_.restore_work();
    bool changed = memcmp(code(), words.data(), 4 * words.size()) != 0;
    memcpy(code(), words.data(), 4 * words.size());
    if (changed && known) run::guest_code_modified(place_, place_ + 4 * words.size());
    cpu = before_;
    cpu.pc = place_;
  }
  void keep(Outcome& o, size_t length) {
    o.work.assign(guest_.work(), guest_.work() + kWorkSize);
    o.code.assign(code(), code() + length);
  }

  Result run(const std::vector<u32>& words) {
    place_ = guest_.place(words);
    // The translator looks beyond the end of programs; a file's code does not change silently anywhere.
    if (of_file_)
      run::guest_code_modified(kCode, kCode + kCodeSize);
    else
      run::guest_code_modified(place_, place_ + 4 * words.size());
    for (u8 context = 0; context < 3; context++)
      if (cache::Window* w = run::find_window(kCode, context)) w->of_file = of_file_;
    restore(ours_.cpu, words, false);
    Guest::interpret(ours_.cpu, kStepLimit);
    keep(ours_, words.size());
    if (ours_.cpu.exception.kind == ExceptionKind::None) return Result::Endless;
    for (pass_ = 0; pass_ < 2; pass_++) {
      restore(theirs_.cpu, words, pass_ != 0);
      guest_.translate(theirs_.cpu);
      keep(theirs_, words.size());
      if (!equal()) return Result::Different;
    }
    return Result::Same;
  }

  bool equal() {
    CpuState &a = ours_.cpu, &b = theirs_.cpu;
    a.fpsr_merged(), b.fpsr_merged();
    // What context Trapping does not look for (translate/a64_to_x64/fp.h).
    constexpr u32 kUnderflow = 8;
    if (!before_.fp_checked && !(b.fpsr & ~a.fpsr & kUnderflow)) b.fpsr |= a.fpsr & kUnderflow;
    bool flags = a.exception.kind != ExceptionKind::Supervisor || a.nzcv() == b.nzcv();
    return flags && !memcmp(a.x, b.x, sizeof a.x) && a.sp == b.sp && a.pc == b.pc && !memcmp(a.v, b.v, sizeof a.v) &&
           a.fpsr == b.fpsr && a.fpcr == b.fpcr && a.exception.kind == b.exception.kind &&
           (a.exception.kind != ExceptionKind::DataAbort || a.exception.addr == b.exception.addr) && ours_.work == theirs_.work &&
           ours_.code == theirs_.code;
  }

  // NOPs for every word without which the runs still differ.
  void reduce() {
    for (unsigned n = 0; n + 1 < words_.size(); n++) {
      // A change of code without its barriers would differ rightly.
      constexpr u32 kMaintenance = 0xd5000000;
      if (words_[n] == kNop || (words_[n] & 0xfff00000) == kMaintenance) continue;
      std::vector<u32> words = words_;
      words[n] = kNop;
      if (run(words) == Result::Different) words_ = words;
    }
    (void)run(words_);  // what is shown belongs to it
  }

  void show() {
    printf("\ndifference (%s, pass %u), at %lx:\n", of_file_ ? "a file's code" : "a JIT's code", pass_, static_cast<unsigned long>(place_));
    for (size_t n = 0; n < words_.size(); n++) {
      if (words_[n] == kNop) continue;
      char text[kDisassemblySize];
      disassemble(words_[n], place_ + 4 * n, text, sizeof text);
      printf("  %lx: %08x %s\n", static_cast<unsigned long>(place_ + 4 * n), words_[n], text);
    }
    const CpuState &p = before_, &a = ours_.cpu, &b = theirs_.cpu;
    auto line = [](const char* name, unsigned n, u64 before, u64 ours, u64 theirs) {
      if (ours != theirs)
        printf("  %s%u before %lx, semantics %lx, translated %lx\n", name, n, static_cast<unsigned long>(before),
               static_cast<unsigned long>(ours), static_cast<unsigned long>(theirs));
    };
    for (unsigned n = 0; n < 31; n++) line("x", n, p.x[n], a.x[n], b.x[n]);
    for (unsigned n = 0; n < 32; n++)
      for (unsigned half = 0; half < 2; half++) line(half ? "high v" : "low v", n, p.v[n].d[half], a.v[n].d[half], b.v[n].d[half]);
    line("sp", 0, p.sp, a.sp, b.sp);
    line("pc", 0, place_, a.pc, b.pc);
    line("nzcv", 0, p.nzcv(), a.nzcv(), b.nzcv());
    line("fpsr", 0, p.fpsr, a.fpsr, b.fpsr);
    line("exception", 0, 0, static_cast<u64>(a.exception.kind), static_cast<u64>(b.exception.kind));
    line("address", 0, 0, a.exception.addr, b.exception.addr);
    for (size_t n = 0, shown = 0; n < kWorkSize && shown < 8; n++)
      if (ours_.work[n] != theirs_.work[n]) line("memory +", static_cast<unsigned>(n), guest_.pristine()[n], ours_.work[n], theirs_.work[n]), shown++;
    for (size_t n = 0; n < words_.size(); n++) line("code ", static_cast<unsigned>(n), words_[n], ours_.code[n], theirs_.code[n]);
    fflush(stdout);
  }

  Random random_;
  Guest guest_;
  ProgramMaker maker_;
  bool of_file_ = false;
  unsigned pass_ = 0;
  u64 place_ = 0;
  std::vector<u32> words_;
  CpuState before_;
  Outcome ours_, theirs_;
};

}  // namespace

int main(int argc, char** argv) {
  unsigned count = 2000;
  u64 seed = 1;
  std::string flavour;
  for (int a = 1; a + 1 < argc; a += 2) {
    std::string option = argv[a];
    if (option == "-n")
      count = static_cast<unsigned>(strtoul(argv[a + 1], nullptr, 0));
    else if (option == "--seed")
      seed = strtoull(argv[a + 1], nullptr, 0);
    else if (option == "--flavour")
      flavour = argv[a + 1];
    else
      count = 0;
  }
  if (argc % 2 == 0 || !count) {
    fprintf(stderr, "usage: random_code [-n COUNT] [--seed SEED] [--flavour sse42|avx2|avx512]\n");
    return 2;
  }
  if (!x64::detect_features(&x64::g_features)) {
    fprintf(stderr, "random_code: this machine is below the engine's minimum\n");
    return 77;
  }
  if (!flavour.empty()) {
    x64::Flavour f = flavour == "sse42"  ? x64::Flavour::Sse42
                     : flavour == "avx2" ? x64::Flavour::Avx2
                                         : x64::Flavour::Avx512;
    if (f > x64::g_features.flavour) {
      fprintf(stderr, "random_code: this machine lacks %s\n", flavour.c_str());
      return 77;
    }
    x64::restrict_features(&x64::g_features, f);
  }
  static Tester tester(seed);
  unsigned differences = 0;
  for (unsigned n = 0; n < count && differences < 3; n++) {
    if (tester.program(n % 2)) continue;
    printf("program %u of seed %lu\n", n, static_cast<unsigned long>(seed));
    differences++;
  }
  const ProgramCounts& c = tester.contents();
  auto number = [](u64 n) { return static_cast<unsigned long>(n); };
  printf("%u differences; %lu programs ended, %lu faulted, %lu had no end; %lu calls (%lu indirect), %lu tail calls, %lu tags, %lu loops, "
         "%lu setters and %lu readers of NZCV, %lu exclusives, %lu stores into code, %lu branches to themselves\n",
         differences, number(tester.counts.ended), number(tester.counts.faults), number(tester.counts.endless), number(c.calls),
         number(c.indirect), number(c.tails), number(c.tagged), number(c.loops), number(c.flag_setters), number(c.flag_readers),
         number(c.exclusives), number(c.code_stores), number(c.self_branches));
  // A test that compares little shows nothing.
  bool enough = tester.counts.ended >= count / 2 && tester.counts.endless <= count / 20 && c.calls >= count && c.loops >= count / 4 &&
                c.code_stores >= count / 4 && c.tagged >= count / 4 && c.exclusives >= count / 4;
  if (!enough && !differences) printf("too little of something was run\n");
  return differences || !enough;
}
