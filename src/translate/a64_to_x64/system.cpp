// SPDX-License-Identifier: MIT
// Hints, barriers and the system registers that programs read often.
//
// x86's ordering is TSO: only a store followed by a load may be reordered, so DMB ISHLD and ISHST cost nothing and the full
// barriers are one locked operation on the prediction stack's red area (7.5 cycles against 62 for mfence, Zen 4).
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

// All hints are NOPs here: YIELD, WFE, WFI, SEV, SEVL, BTI, PAC* (not advertised, so NOPs by architecture).
void HINT(Emitter&, Insn) {}

static void barrier(Emitter& e, unsigned crm) {
  if ((crm & 3) == 1 || (crm & 3) == 2) return;  // loads, or stores only
  e.clobber_flags();
  e.lock();
  e.alu_imm(Alu::or_, 32, Mem(Reg::rsp, -64), 0);
}
void DMB(Emitter& e, Insn i) { barrier(e, i.CRm()); }
void DSB(Emitter& e, Insn) { barrier(e, 15); }

// Code that changed was killed by IC IVAU, for all threads: what comes behind an ISB is its own boundary and int3 when it is dead.
void ISB(Emitter&, Insn) {}

void CLREX(Emitter& e, Insn) { e.mov_imm(32, state(offsetof(CpuState, exclusive_size)), 0); }

void MRS_TPIDR_EL0(Emitter& e, Insn i) {
  Reg dst = e.def(i.Rt(), Reg::rax);
  e.mov(64, dst, state(offsetof(CpuState, tpidr_el0)));
  e.commit(i.Rt(), dst);
}
void MSR_TPIDR_EL0(Emitter& e, Insn i) {
  e.mov(64, state(offsetof(CpuState, tpidr_el0)), e.use(i.Rt(), Reg::rax));
}

void MRS_FPCR(Emitter& e, Insn i) {
  Reg dst = e.def(i.Rt(), Reg::rax);
  e.mov(32, dst, state(offsetof(CpuState, fpcr)));
  e.commit(i.Rt(), dst);
}
// memset asks for DCZID_EL0 each time.
void MRS(Emitter& e, Insn i) {
  if (!(i.o0() == 1 && i.op1() == 3 && i.CRn() == 0 && i.CRm() == 0 && i.op2() == 7)) return e.call_semantics();
  Reg dst = e.def(i.Rt(), Reg::rax);
  e.mov_imm(dst, a64::kDczid);
  e.commit(i.Rt(), dst);
}

void DC_ZVA(Emitter& e, Insn i) {
  Mem m(Reg::rax, 0);
  e.clobber_flags();
  e.load(Reg::rax, i.Rt());
  e.alu_imm(Alu::and_, 64, Reg::rax, -static_cast<i32>(a64::kZvaSize));
  e.xorps_self(Xmm::x0);
  for (i32 n = 0; n < static_cast<i32>(a64::kZvaSize); n += 16) {
    m.disp = n;
    e.movups(m, Xmm::x0);
  }
}

}  // namespace grus::a64_to_x64::templates
