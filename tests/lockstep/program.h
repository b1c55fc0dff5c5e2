// SPDX-License-Identifier: MIT
// Random programs as code lies in memory: functions in any order with data between them, calls (BL, BLR), returns (RET, RET of another
// register), tail calls (B, BR), all with tags now and then; flags that are set on one side of a call and read on the other, loops
// with bounds, branches to themselves, exclusives, and stores into code with what the architecture asks for behind them.
//
// A program ends at an SVC, but for branches to themselves that are taken (settle_self_branches) and faults that are meant.
// Reproducible from the seed. Deliberately not here, being CONSTRAINED UNPREDICTABLE or without a defined result: code that is changed
// and executed without IC IVAU and ISB (Arm ARM B2.2.5), store exclusives without their load (the monitor's state).
#pragma once
#include <vector>

#include "../softfloat/operands.h"
#include "guest.h"

namespace grus::test {

// What programs contained, so that a test can demand it.
struct ProgramCounts {
  u64 calls, indirect, tagged, tails, loops, flag_setters, flag_readers, exclusives, code_stores, self_branches;
};

class ProgramMaker {
 public:
  explicit ProgramMaker(Random& random);
  // About `length` words that run from their first one, anywhere.
  std::vector<u32> make(unsigned length);
  // The words that branch to themselves, by index: NOPs where a program does not end.
  const std::vector<unsigned>& self_branches() const { return self_; }
  const ProgramCounts& counts() const { return counts_; }

 private:
  void function(unsigned number, unsigned budget);
  void block(unsigned budget, unsigned depth, unsigned number);
  void plain();
  void memory();
  void call(unsigned number);
  void store_into_code();
  void address_of(unsigned reg, unsigned target_function);
  void leave(unsigned number);
  void emit(u32 word) { words_.push_back(word); }
  u32 random_row();
  u32 branch_over(unsigned words);
  unsigned data_reg() { return random_.below(16); }

  struct Fixup {
    unsigned at, function;
    enum Kind : u8 { Branch, Adr } kind;
  };
  Random& random_;
  std::vector<u32> words_;
  std::vector<Fixup> fixups_;
  std::vector<unsigned> starts_, self_;
  std::vector<unsigned> rows_, flag_rows_;
  ProgramCounts counts_{};
};

}  // namespace grus::test
