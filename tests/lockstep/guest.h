// SPDX-License-Identifier: MIT
// The guest of the lock-step test: its memory, and the two ways of running a piece of code in it.
//
// Guarantees: both runs start from the same registers and the same bytes of the work area; whatever lies
// around the work area faults. Code is announced to the engine as executable and killed when its room is used
// again. Deliberately not here: what the code is (sequence.h), what is compared (lockstep.cpp).
#pragma once
#include <vector>

#include "insn.h"
#include "run/execute.h"

namespace grus::test {

// Guest memory, at fixed low addresses so that failures print alike:
//   code      words around it, literal loads reach nothing else
//   guard     inaccessible
//   work      what loads and stores aim at
//   guard
inline constexpr u64 kCodeMap = 0x20000000, kCodeMapSize = 4 << 20;
inline constexpr u64 kCode = kCodeMap + (2 << 20), kCodeSize = 256 << 10;
inline constexpr u64 kGuard = 1 << 20;
inline constexpr u64 kWork = kCodeMap + kCodeMapSize + kGuard, kWorkSize = 160 << 10;

class Guest {
 public:
  explicit Guest(u64 seed);

  // Room for `words`, never used before or killed; the code is complete when it runs.
  u64 place(const std::vector<u32>& words);
  void restore_work();
  const std::vector<u8>& pristine() const { return pristine_; }
  u8* work() { return reinterpret_cast<u8*>(kWork); }
  // Where indirect branches of the sequence may go.
  u64 code_target() const { return code_target_; }
  void set_code_target(u64 pc) { code_target_ = pc; }

  // One instruction by its semantics, as the engine's interpreter does. False: it raised an exception that is
  // the caller's business (not those that only end a block).
  static bool step(a64::CpuState& cpu, a64::Insn i);
  // Until such an exception, or for `limit` instructions (then exception.kind is None).
  static void interpret(a64::CpuState& cpu, unsigned limit);
  // The same by translated code.
  void translate(a64::CpuState& cpu);

 private:
  run::ThreadState* thread_;
  std::vector<u8> pristine_;
  u64 next_ = kCode;
  u64 code_target_ = 0;
};

}  // namespace grus::test
