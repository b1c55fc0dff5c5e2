// SPDX-License-Identifier: MIT
// The do-not-test list of tests/insn/differential: where VIXL 5.1's simulator is not an oracle.
#pragma once
#include "guest/aarch64/registers.h"
#include "insn.h"

namespace grus::a64 {

// `row` is a name, '?' any character, a final '*' any rest. With a predicate only those cases are left out; it sees the word and the state
// before.
struct DoNotTest {
  const char* row;
  bool (*only)(Insn, const CpuState&);
  const char* reason;
};

extern const DoNotTest kDoNotTest[];
extern const unsigned kDoNotTestCount;

}  // namespace grus::a64
