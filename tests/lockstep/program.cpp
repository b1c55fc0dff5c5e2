// SPDX-License-Identifier: MIT
// See program.h. x0-x15 and all vectors are data; x16 and x17 are addresses of code, x18 is scratch of stores into code, x20 the work
// area, x21-x24 loop counters.
#include "program.h"

#include <cstring>
#include <utility>

#include "insn.h"

namespace grus::test {

using namespace a64;

namespace {

constexpr u32 kNop = 0xd503201f, kIsb = 0xd5033fdf, kDsb = 0xd5033b9f;
constexpr unsigned kFunctions = 6, kMaxDepth = 3;
constexpr u64 kWorkRegister = 20, kCounters = 21;

// Writes a register of data (or a vector) and nothing else, reads anything.
bool is_plain(unsigned index) {
  const RowInfo& row = kRows[index];
  if (!kSemantics[index] || row.flow != Flow::None || row.loads || row.stores) return false;
  const char* name = row.name;
  if (!strncmp(name, "MSR", 3)) return !strcmp(name, "MSR_NZCV");
  if (!strncmp(name, "MRS", 3)) return !strcmp(name, "MRS_NZCV") || !strcmp(name, "MRS_FPSR");
  // PAuth's hints and the like write no register of data.
  return strncmp(name, "ADR", 3) != 0 && ((row.mask & 0x1f) != 0x1f || row.writes_nzcv);
}

}  // namespace

ProgramMaker::ProgramMaker(Random& random) : random_(random) {
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    if (!is_plain(row)) continue;
    rows_.push_back(row);
    if (kRows[row].reads_nzcv || kRows[row].writes_nzcv) flag_rows_.push_back(row);
  }
}

u32 ProgramMaker::random_row() {
  Random& r = random_;
  for (;;) {
    const std::vector<unsigned>& from = r.one_in(2) ? flag_rows_ : rows_;
    unsigned index = from[r.below(static_cast<unsigned>(from.size()))];
    const RowInfo& row = kRows[index];
    for (int tries = 0; tries < 200; tries++) {
      u32 bits = static_cast<u32>(r.next() >> 32);
      u32 word = (bits & ~row.mask) | row.value;
      // The destination: a register of data, or XZR where that is not SP.
      if ((row.mask & 0x1f) == 0) word = (word & ~31u) | (row.writes_nzcv && r.one_in(3) ? 31u : data_reg());
      if (decode(word) != static_cast<Op>(index)) continue;
      counts_.flag_readers += row.reads_nzcv;
      counts_.flag_setters += row.writes_nzcv;
      return word;
    }
  }
}

void ProgramMaker::plain() { emit(random_row()); }

// A conditional branch over the next `words` words; 0: to itself.
u32 ProgramMaker::branch_over(unsigned words) {
  Random& r = random_;
  u32 offset = words ? words + 1 : 0;
  switch (r.below(5)) {
    case 0: return 0x34000000 | r.below(2) << 31 | r.below(2) << 24 | offset << 5 | data_reg();                    // CBZ, CBNZ
    case 1: return 0x36000000 | r.below(2) << 31 | r.below(2) << 24 | r.below(32) << 19 | offset << 5 | data_reg();  // TBZ, TBNZ
    default: counts_.flag_readers++; return 0x54000000 | offset << 5 | r.below(14);
  }
}

void ProgramMaker::memory() {
  Random& r = random_;
  u32 t = data_reg(), offset = r.below(64), base = kWorkRegister << 5;
  auto address = [&] { emit(0x91000000 | r.below(32) * 16 << 10 | base | 18); };  // ADD X18, X20
  constexpr u32 x18 = 18 << 5;
  switch (r.below(9)) {
    case 0: return emit(0xf9400000 | offset << 10 | base | t);                           // LDR
    case 1: return emit(0xf9000000 | offset << 10 | base | t);                           // STR
    case 2: return emit(0xb9000000 | offset << 10 | base | t);                           // STR W
    case 3: return emit(0xa9400000 | offset << 15 | ((t + 1) & 15) << 10 | base | t);    // LDP
    case 4: address(); return emit(0xc89ffc00 | x18 | t);                                // STLR
    case 5: address(); return emit(0xc8dffc00 | x18 | t);                                // LDAR
    case 6: address(); return emit(0xf8e00000 | data_reg() << 16 | x18 | t);             // LDADDAL
    case 7: {                                                                            // an atomic sum
      u32 status = (t + 1) & 15, sum = (t + 2) & 15;
      counts_.exclusives++;
      address();
      u32 acquire = r.below(2) << 15, release = r.below(2) << 15;
      emit(0xc85f7c00 | acquire | x18 | t);
      emit((r.below(2) ? 0xab000000 : 0x8b000000) | data_reg() << 16 | t << 5 | sum);  // ADDS or ADD
      emit(0xc8007c00 | release | status << 16 | x18 | sum);
      return emit(0x35000000 | (0x7ffffu & static_cast<u32>(-3)) << 5 | status);  // CBNZ back to the load
    }
    default:  // one that may fault, seldom
      if (!r.one_in(12)) return emit(0x3d800000 | offset << 10 | base | t);  // STR Q
      return emit(0xf8400000 | r.below(512) << 12 | data_reg() << 5 | t);    // LDUR by data
  }
}

void ProgramMaker::address_of(unsigned reg, unsigned target_function) {
  Random& r = random_;
  fixups_.push_back({static_cast<unsigned>(words_.size()), target_function, Fixup::Adr});
  emit(0x10000000 | reg);
  if (r.below(3)) return;
  counts_.tagged++;
  // ORR with bits 63:56, or with one of them: a tag.
  emit(r.one_in(2) ? 0xb2481c00 | reg << 5 | reg : 0xb2480000 | reg << 5 | reg);
}

void ProgramMaker::call(unsigned number) {
  Random& r = random_;
  unsigned count = static_cast<unsigned>(starts_.size());
  if (number + 1 >= count) return plain();
  unsigned callee = number + 1 + r.below(count - number - 1);
  counts_.calls++;
  if (r.below(3)) {
    fixups_.push_back({static_cast<unsigned>(words_.size()), callee, Fixup::Branch});
    return emit(0x94000000);
  }
  counts_.indirect++;
  address_of(16, callee);
  for (unsigned n = r.below(3); n; n--) plain();
  emit(0xd63f0000 | 16 << 5);
}

// An instruction becomes another one, which is then executed; or a word becomes what it is.
void ProgramMaker::store_into_code() {
  Random& r = random_;
  counts_.code_stores++;
  bool same = r.one_in(3);
  u32 old = random_row(), fresh = same ? old : random_row();
  constexpr u32 kBehind = 10;
  unsigned at = static_cast<unsigned>(words_.size());
  unsigned site = at + kBehind + r.below(4);
  emit(0x10000000 | (site - at) * 4 >> 2 << 5 | 18);                      // ADR X18, site
  emit(0x52800000 | (fresh & 0xffff) << 5 | 17);                          // MOVZ W17
  emit(0x72a00000 | fresh >> 16 << 5 | 17);                               // MOVK W17
  emit(0xb9000000 | 18 << 5 | 17);                                        // STR W17, [X18]
  emit(same && r.one_in(2) ? kNop : 0xd50b7b20 | 18);                     // DC CVAU
  emit(kDsb);
  emit(same ? kNop : 0xd50b7520 | 18);                                    // IC IVAU
  emit(kDsb);
  emit(same ? kNop : kIsb);
  while (words_.size() < site) plain();
  emit(old);
}

void ProgramMaker::leave(unsigned number) {
  Random& r = random_;
  unsigned count = static_cast<unsigned>(starts_.size());
  emit(0xa8c17bfd);  // LDP X29, X30, [SP], #16
  for (unsigned n = r.below(4); n; n--) plain();
  if (number + 1 < count && r.one_in(3)) {
    unsigned callee = number + 1 + r.below(count - number - 1);
    counts_.tails++;
    if (r.one_in(2)) {
      fixups_.push_back({static_cast<unsigned>(words_.size()), callee, Fixup::Branch});
      return emit(0x14000000);
    }
    address_of(17, callee);
    return emit(0xd61f0000 | 17 << 5);
  }
  switch (r.below(6)) {
    case 0:
      emit(0xaa1e03e0 | 17);  // MOV X17, X30
      return emit(0xd65f0000 | 17 << 5);
    case 1:
      counts_.tagged++;
      emit(0xb2481c00 | 30 << 5 | 30);  // ORR X30, X30, #0xff00000000000000
      return emit(0xd65f03c0);
    default: return emit(0xd65f03c0);
  }
}

void ProgramMaker::block(unsigned budget, unsigned depth, unsigned number) {
  Random& r = random_;
  const size_t end = words_.size() + budget;
  while (words_.size() < end) {
    unsigned left = static_cast<unsigned>(end - words_.size());
    unsigned what = r.below(24);
    if (what < 2 && left > 3) {
      call(number);
    } else if (what == 2 && left > 16) {
      store_into_code();
    } else if (what < 5 && left > 4 && depth < kMaxDepth) {  // an if
      unsigned at = static_cast<unsigned>(words_.size());
      emit(kNop);
      block(1 + r.below(left / 2), depth + 1, number);
      words_[at] = branch_over(static_cast<unsigned>(words_.size()) - at - 1);
    } else if (what < 7 && left > 6 && depth < kMaxDepth && number < 2) {  // a loop
      u32 counter = static_cast<u32>(kCounters) + depth;
      counts_.loops++;
      emit(0xd2800000 | (1 + r.below(depth || number ? 3 : 6)) << 5 | counter);  // MOVZ
      unsigned at = static_cast<unsigned>(words_.size());
      block(1 + r.below(left / 2), depth + 1, number);
      bool flags = r.one_in(2);
      emit((flags ? 0xf1000400 : 0xd1000400) | counter << 5 | counter);  // SUBS or SUB
      // What lies between leaves NZCV and the counter alone.
      if (flags && r.one_in(2)) emit(0x91000400 | data_reg() << 5 | data_reg());
      u32 back = (at - static_cast<u32>(words_.size())) & 0x7ffff;
      emit(flags ? 0x54000001 | back << 5 : 0xb5000000 | back << 5 | counter);
    } else if (what == 7 && r.one_in(6)) {
      counts_.self_branches++;
      self_.push_back(static_cast<unsigned>(words_.size()));
      emit(branch_over(0));
    } else if (what < 11) {
      memory();
    } else {
      plain();
    }
  }
}

void ProgramMaker::function(unsigned number, unsigned budget) {
  starts_[number] = static_cast<unsigned>(words_.size());
  if (number == 0) {
    block(budget, 0, 0);
    return emit(0xd4000001);
  }
  for (unsigned n = random_.below(3); n; n--) plain();
  if (random_.one_in(3)) {  // a leaf
    for (unsigned n = random_.below(budget < 30 ? budget : 30); n; n--) plain();
    return emit(0xd65f03c0);
  }
  emit(0xa9bf7bfd);  // STP X29, X30, [SP, #-16]!
  // Counters of callers live on.
  emit(0xa9bf0000 | 22 << 10 | 31 << 5 | 21);
  emit(0xa9bf0000 | 24 << 10 | 31 << 5 | 23);
  block(budget, 0, number);
  emit(0xa8c10000 | 24 << 10 | 31 << 5 | 23);
  emit(0xa8c10000 | 22 << 10 | 31 << 5 | 21);
  leave(number);
}

std::vector<u32> ProgramMaker::make(unsigned length) {
  Random& r = random_;
  words_.clear();
  fixups_.clear();
  self_.clear();
  unsigned count = length < 24 ? 1 + r.below(2) : 1 + r.below(kFunctions);
  starts_.assign(count, 0);
  unsigned order[kFunctions] = {0, 1, 2, 3, 4, 5};
  for (unsigned n = count; n > 2; n--) std::swap(order[n - 1], order[1 + r.below(n - 1)]);  // the first one lies first
  for (unsigned n = 0; n < count; n++) {
    function(order[n], 1 + length / count);
    if (r.one_in(3))
      for (unsigned island = r.below(6); island; island--) emit(static_cast<u32>(r.next() >> 32));
  }
  for (const Fixup& f : fixups_) {
    u32 offset = starts_[f.function] - f.at;
    words_[f.at] |= f.kind == Fixup::Branch ? offset & 0x3ffffff : (offset & 0x7ffff) << 5;
  }
  return words_;
}

}  // namespace grus::test
