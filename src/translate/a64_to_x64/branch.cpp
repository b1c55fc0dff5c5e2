// SPDX-License-Identifier: MIT
// Direct branches stay inside the region or leave through a patchable exit; calls and returns pair on the prediction stack.
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

namespace {
i64 offset(unsigned field, unsigned bits) { return static_cast<i64>(static_cast<u64>(field) << (64 - bits)) >> (62 - bits); }
}  // namespace

void B(Emitter& e, Insn i) { e.jump(e.pc() + static_cast<u64>(offset(i.imm26(), 26))); }

void BL(Emitter& e, Insn i) { e.call(e.pc() + static_cast<u64>(offset(i.imm26(), 26))); }

void B_cond(Emitter& e, Insn i) {
  u64 target = e.pc() + static_cast<u64>(offset(i.imm19(), 19));
  if (i.bcond() >= 14) return e.jump(target);  // AL, NV
  // A loop saves before the condition is chosen, for saving may turn a carry into a borrow.
  if (e.live_at_target() && target <= e.pc()) e.settle_flags();
  CC cc = e.condition(i.bcond());
  e.branch_if(cc, target);
}

static void compare_and_branch(Emitter& e, Insn i, CC cc) {
  u64 target = e.pc() + static_cast<u64>(offset(i.imm19(), 19));
  unsigned size = i.sf() ? 64 : 32;
  e.clobber_flags();
  if (i.Rt() == kZero) {
    if (cc == CC::e) e.jump(target);
    return;
  }
  if (e.cheap_in_memory(i.Rt())) {
    e.alu_imm(Alu::cmp, size, Emitter::slot(i.Rt()), 0);
  } else {
    Reg t = e.use_any(i.Rt(), Reg::rax, size);
    e.test(size, t, t);
  }
  e.jump_if(cc, target);
}
void CBZ(Emitter& e, Insn i) { compare_and_branch(e, i, CC::e); }
void CBNZ(Emitter& e, Insn i) { compare_and_branch(e, i, CC::ne); }

static void test_and_branch(Emitter& e, Insn i, bool set) {
  u64 target = e.pc() + static_cast<u64>(offset(i.imm14(), 14));
  unsigned bit = i.b5() << 5 | i.b40();
  e.clobber_flags();
  if (i.Rt() == kZero) {
    if (!set) e.jump(target);
    return;
  }
  Reg t = e.cheap_in_memory(i.Rt()) ? Reg::none : e.use_any(i.Rt(), Reg::rax);
  if (t == Reg::none) {
    Mem m = Emitter::slot(i.Rt());
    m.disp += static_cast<i32>(bit / 8);
    e.test_imm(8, m, 1 << (bit % 8));
    e.jump_if(set ? CC::ne : CC::e, target);
  } else if (bit == 31 || bit == 63) {  // a sign: TEST and the branch are one operation, BT and the branch two
    e.test(bit + 1, t, t);
    e.jump_if(set ? CC::s : CC::ns, target);
  } else if (bit < 8) {
    e.test_imm(8, t, 1 << bit);
    e.jump_if(set ? CC::ne : CC::e, target);
  } else if (bit < 32) {
    e.test_imm(32, t, static_cast<i32>(1u << bit));
    e.jump_if(set ? CC::ne : CC::e, target);
  } else {
    e.bt_imm(64, t, static_cast<u8>(bit));
    e.jump_if(set ? CC::b : CC::ae, target);
  }
}
void TBZ(Emitter& e, Insn i) { test_and_branch(e, i, false); }
void TBNZ(Emitter& e, Insn i) { test_and_branch(e, i, true); }

void BR(Emitter& e, Insn i) {
  e.settle_flags();
  e.load(Reg::rax, i.Rn());
  e.jump_indirect(Reg::rax);
}

void BLR(Emitter& e, Insn i) {
  e.settle_flags();
  e.load(Reg::rax, i.Rn());
  e.call_indirect(Reg::rax);
}

void RET(Emitter& e, Insn i) {
  e.settle_flags();
  e.load(Reg::rax, i.Rn());
  e.return_to(Reg::rax);
}

void SVC(Emitter& e, Insn i) { e.leave_supervisor(i.imm16()); }

}  // namespace grus::a64_to_x64::templates
