// SPDX-License-Identifier: MIT
// Random instruction sequences with a state to run them from: rows of choice mixed with any other, flags set
// and read, branches forward, loads and stores that stay near the work area (or leave it where the test wants
// a fault).
//
// A sequence is made while its semantics run, so that each load and store gets a base register that holds an
// address at that moment. Reproducible from the seed.
#pragma once
#include <vector>

#include "../softfloat/operands.h"
#include "guest.h"

namespace grus::test {

struct Sequence {
  std::vector<u32> words;  // then SVCs, and a reader of the flags behind them
  unsigned length;         // without these
  a64::CpuState before;    // pc is to be set
};

u64 integer_operand(Random& r);
a64::Vec vector_operand(Random& r);

class Maker {
 public:
  explicit Maker(Guest& guest, Random& random);
  // False: no random word decodes to the row.
  bool make(unsigned focus_row, Sequence* out);

 private:
  bool random_word(unsigned row, a64::Insn* i);
  void random_state(a64::CpuState& s);
  bool fit(a64::Insn* i, const a64::CpuState& now);
  int pick_base(const a64::CpuState& now);
  // Two instructions (three with *third) of which templates translate one with what they know from those before. False: none
  // came out.
  bool idiom(u64 pc, u32* first, u32* second, u32* third);
  // The word with a source that `before` wrote, where it stays the same row.
  void chain(a64::Insn* i, u32 before);

  Guest& guest_;
  Random& random_;
  std::vector<unsigned> rows_;  // all that may occur beside the focus
  std::vector<unsigned> flag_rows_;
  u8 bases_[5];
  u8 index_, code_;
};

}  // namespace grus::test
