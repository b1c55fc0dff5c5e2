// SPDX-License-Identifier: MIT
// Arithmetic, logical operations, moves, conditional select and compare, pc-relative addresses.
#include "access.h"

namespace grus::a64::semantics {

void ADD_imm(CpuState& cpu, Insn i) {
  u64 imm = static_cast<u64>(i.imm12()) << (i.sh() ? 12 : 0);
  u64 result = cpu.XSP(i.Rn()) + imm;
  cpu.set_XSP(i.Rd(), i.sf() ? result : static_cast<u32>(result));
}

}  // namespace grus::a64::semantics
