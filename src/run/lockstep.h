// SPDX-License-Identifier: MIT
// Whole programs twice at once: every region by the semantics and by translated code, compared wherever it is
// left.
//
// Guarantees: the guest sees the semantics' results and runs one thread at a time; the first difference in a
// register, NZCV, FPSR, the exclusive monitor, an exception or in the memory that the
// semantics wrote ends the process (status 70) with a report. NZCV count as different where an instruction or a system call
// reads them and the translated code, which keeps them only where it must, has not kept them. Regions are those that
// other runs have, or their first N instructions: what is taken to be dead at their end is what the whole region says.
// Not compared: reads of the clock (only executed
// by the semantics), stores that only the translated code makes (seen when somebody loads from there), memory
// that other processes write at the same time.
#pragma once
#include "insn.h"
#include "run/thread_state.h"
#include "translate/region.h"

namespace grus::run {

inline constexpr int kLockstepStatus = 70;

// 0: off. Else the most instructions of a region; 1 compares after every instruction.
void set_lockstep(unsigned region_insns);
unsigned lockstep_region_insns();
bool lockstep();
void execute_in_lockstep(ThreadState& t);
// Instructions that were compared, and those that only the semantics executed.
struct LockstepCounts {
  u64 compared, skipped, regions;
  u64 nzcv_compared, nzcv_dead;  // regions that set NZCV: kept to the end; taken to be dead there, and nobody read them
};
const LockstepCounts& lockstep_counts();

// Around fork nobody is half-way through a comparison.
void register_lockstep_lock();

// Of execute.cpp: host code for cpu.pc (0: cpu.exception is set), one instruction by its semantics, what was
// translated last.
u64 entry_for(ThreadState& t);
void run_row(a64::CpuState& cpu, a64::Insn insn);
// Executes the instruction at cpu.pc by its semantics. false: cpu.exception is set.
bool step(a64::CpuState& cpu);
a64_to_x64::RegionBuilder& region_builder();

}  // namespace grus::run
