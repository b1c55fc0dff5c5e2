// SPDX-License-Identifier: MIT
// Branches and exception generation. A branch to a misaligned address completes; fetching from it then raises
// PcAlignment, as on hardware, so nothing is checked here.
#include "access.h"
#include "base/clock.h"
#include "guest/aarch64/operands.h"

namespace grus::a64::semantics {
namespace {

void branch(CpuState& cpu, i64 offset) { cpu.next_pc = cpu.pc + static_cast<u64>(offset); }

// AArch64.BranchAddr(): EL0 has TBI on under Linux, for instruction addresses too; bit 55 fills the tag.
void branch_to(CpuState& cpu, u64 target) { cpu.next_pc = GuestAddr(target).untagged().v; }

void undefined(CpuState& cpu) { cpu.raise(ExceptionKind::Undefined); }

}  // namespace

void B(CpuState& cpu, Insn i) { branch(cpu, branch_offset26(i)); }
void BL(CpuState& cpu, Insn i) {
  cpu.set_X(30, cpu.pc + 4);
  branch(cpu, branch_offset26(i));
}
void B_cond(CpuState& cpu, Insn i) {
  if (condition_holds(i.bcond(), cpu.nzcv())) branch(cpu, branch_offset19(i));
}
void CBZ(CpuState& cpu, Insn i) {
  if ((i.sf() ? cpu.X(i.Rt()) : cpu.W(i.Rt())) == 0) branch(cpu, branch_offset19(i));
}
void CBNZ(CpuState& cpu, Insn i) {
  if ((i.sf() ? cpu.X(i.Rt()) : cpu.W(i.Rt())) != 0) branch(cpu, branch_offset19(i));
}
void TBZ(CpuState& cpu, Insn i) {
  if (!(cpu.X(i.Rt()) >> tested_bit(i) & 1)) branch(cpu, branch_offset14(i));
}
void TBNZ(CpuState& cpu, Insn i) {
  if (cpu.X(i.Rt()) >> tested_bit(i) & 1) branch(cpu, branch_offset14(i));
}

void BR(CpuState& cpu, Insn i) { branch_to(cpu, cpu.X(i.Rn())); }
void BLR(CpuState& cpu, Insn i) {
  u64 target = cpu.X(i.Rn());  // before x30 is written: BLR X30
  cpu.set_X(30, cpu.pc + 4);
  branch_to(cpu, target);
}
void RET(CpuState& cpu, Insn i) { branch_to(cpu, cpu.X(i.Rn())); }

void SVC(CpuState& cpu, Insn i) { cpu.raise(ExceptionKind::Supervisor, 0, i.imm16()); }
void BRK(CpuState& cpu, Insn i) { cpu.raise(ExceptionKind::Breakpoint, cpu.pc, i.imm16()); }

// UNDEFINED at EL0, or with halting debug not enabled (HLT, DCPS, DRPS). HVC too, but for the vDSO's (base/clock.h).
void UDF(CpuState& cpu, Insn i) { undefined(cpu); }
void HVC(CpuState& cpu, Insn i) {
  if (page_down(cpu.pc) != g_clock_hypercall.caller || i.imm16() != kClockHypercall) return undefined(cpu);
  u64 time[2] = {};
  cpu.set_X(0, static_cast<u64>(g_clock_hypercall.gettime(cpu.W(0), time)));
  cpu.set_X(2, time[0]);
  cpu.set_X(3, time[1]);
}
void SMC(CpuState& cpu, Insn i) { undefined(cpu); }
void HLT(CpuState& cpu, Insn i) { undefined(cpu); }
void DCPS1(CpuState& cpu, Insn i) { undefined(cpu); }
void DCPS2(CpuState& cpu, Insn i) { undefined(cpu); }
void DCPS3(CpuState& cpu, Insn i) { undefined(cpu); }
void ERET(CpuState& cpu, Insn i) { undefined(cpu); }
void DRPS(CpuState& cpu, Insn i) { undefined(cpu); }

}  // namespace grus::a64::semantics
