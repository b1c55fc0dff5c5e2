// SPDX-License-Identifier: MIT
// Exclusives, ordered loads and stores, LSE.
//
// Ordering: every x86 load is an acquire, every store a release; a release store that later loads must not pass (STLR before
// LDAR) is an XCHG. An exclusive pair is a remembered (address, size, value, version) and a CMPXCHG
// (guest/aarch64/exclusive_version.h). Misaligned addresses go to the semantics, which raise the alignment fault.
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

namespace {

// rcx = the address, checked for alignment; flags are clobbered.
Mem aligned_address(Emitter& e, unsigned rn, unsigned lsize) {
  e.clobber_flags();
  e.load(Reg::rcx, Emitter::sp(rn));
  if (lsize) {
    e.test_imm(8, Reg::rcx, (1 << lsize) - 1);
    e.semantics_if(CC::ne);
  }
  return Mem(Reg::rcx, 0);
}

// Zero-extends what a narrow operation left in `r`.
void zero_extend(Emitter& e, unsigned lsize, Reg r) {
  if (lsize < 2) e.movzx(8u << lsize, r, r);
}

// The version of the address in rcx: rdx is its offset, `base` where all begin; flags are clobbered.
Mem version_of(Emitter& e, Reg base) {
  e.mov(32, Reg::rdx, Reg::rcx);
  e.alu_imm(Alu::and_, 32, Reg::rdx, a64::kVersionMask);
  e.mov(64, base, state(offsetof(ThreadState, exclusive_versions)));
  return Mem(base, Reg::rdx, 1, 0);
}

}  // namespace

void LDAR(Emitter& e, Insn i) {
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  Reg dst = e.def(i.Rt(), Reg::rax);
  e.movzx(8u << i.lsize(), dst, m);
  e.commit(i.Rt(), dst);
}
void LDAPR(Emitter& e, Insn i) { LDAR(e, i); }

void STLR(Emitter& e, Insn i) {
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  e.load(Reg::rax, i.Rt());
  e.xchg(8u << i.lsize(), m, Reg::rax);
}

void LDXR(Emitter& e, Insn i) {
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  e.mov(32, Reg::rdx, version_of(e, Reg::rax));
  e.movzx(8u << i.lsize(), Reg::rax, m);
  e.mov(32, state(offsetof(CpuState, exclusive_version)), Reg::rdx);
  e.mov(64, state(offsetof(CpuState, exclusive_addr)), Reg::rcx);
  e.mov(64, state(offsetof(CpuState, exclusive_value)), Reg::rax);
  e.mov_imm(32, state(offsetof(CpuState, exclusive_size)), 1 << i.lsize());
  e.commit(i.Rt(), Reg::rax);
}

void STXR(Emitter& e, Insn i) {
  unsigned size = 8u << i.lsize();
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  Mem held = state(offsetof(CpuState, exclusive_held));
  e.alu_imm(Alu::cmp, 32, state(offsetof(CpuState, exclusive_size)), 1 << i.lsize());
  u8* closed = e.jcc32(CC::ne);
  e.alu(Alu::cmp, 64, Reg::rcx, state(offsetof(CpuState, exclusive_addr)));
  u8* elsewhere = e.jcc32(CC::ne);
  // The version becomes odd. It was even, and then must have been what LDXR saw.
  e.lea(64, Reg::rdx, version_of(e, Reg::rax));
  e.mov(32, Reg::rax, state(offsetof(CpuState, exclusive_version)));
  e.mov_imm(32, held, 1);
  e.lock();
  e.bts_imm(32, Mem(Reg::rdx, 0), 0);
  u8* busy = e.jcc32(CC::b);
  e.alu_imm(Alu::or_, 32, Reg::rax, 1);
  e.alu(Alu::cmp, 32, Reg::rax, Mem(Reg::rdx, 0));
  u8* changed = e.jcc32(CC::ne);
  e.mov(64, Reg::rax, state(offsetof(CpuState, exclusive_value)));
  e.load(Reg::rdx, i.Rt());
  e.lock();
  e.cmpxchg(size, m, Reg::rdx);  // when it faults, the semantics find that the version is held
  e.setcc(CC::ne, Reg::rax);
  e.movzx(8, Reg::rax, Reg::rax);
  e.alu_imm(Alu::add, 32, version_of(e, Reg::rcx), 1);
  u8* done = e.jmp32();
  e.patch32(changed, e.runs_at(e.at()));
  e.alu_imm(Alu::sub, 32, Mem(Reg::rdx, 0), 1);
  u8* const failed[] = {closed, elsewhere, busy};
  for (u8* place : failed) e.patch32(place, e.runs_at(e.at()));
  e.mov_imm(Reg::rax, 1);
  e.patch32(done, e.runs_at(e.at()));
  e.join();
  e.mov_imm(32, held, 0);
  e.mov_imm(32, state(offsetof(CpuState, exclusive_size)), 0);
  e.commit(i.Rs(), Reg::rax);
}

void SWP(Emitter& e, Insn i) {
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  e.load(Reg::rax, i.Rs());
  e.xchg(8u << i.lsize(), m, Reg::rax);
  zero_extend(e, i.lsize(), Reg::rax);
  e.commit(i.Rt(), Reg::rax);
}

void LDADD(Emitter& e, Insn i) {
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  e.load(Reg::rax, i.Rs());
  e.lock();
  e.xadd(8u << i.lsize(), m, Reg::rax);
  zero_extend(e, i.lsize(), Reg::rax);
  e.commit(i.Rt(), Reg::rax);
}

// A locked ALU operation when the old value is dropped, else a CMPXCHG loop.
static void fetch_logical(Emitter& e, Insn i, Alu op, bool invert) {
  unsigned size = 8u << i.lsize();
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  if (i.Rt() == kZero) {
    e.load(Reg::rax, i.Rs());
    if (invert) e.not_(64, Reg::rax);
    e.lock();
    e.alu(op, size, m, Reg::rax);
    return;
  }
  e.movzx(size, Reg::rax, m);
  e.join();
  u64 again = e.runs_at(e.at());
  e.load(Reg::rdx, i.Rs());
  if (invert) e.not_(64, Reg::rdx);
  e.alu(op, 64, Reg::rdx, Reg::rax);
  e.lock();
  e.cmpxchg(size, m, Reg::rdx);
  e.jcc(CC::ne, again);
  zero_extend(e, i.lsize(), Reg::rax);
  if (size == 32) e.mov(32, Reg::rax, Reg::rax);
  e.commit(i.Rt(), Reg::rax);
}
void LDCLR(Emitter& e, Insn i) { fetch_logical(e, i, Alu::and_, true); }
void LDEOR(Emitter& e, Insn i) { fetch_logical(e, i, Alu::xor_, false); }
void LDSET(Emitter& e, Insn i) { fetch_logical(e, i, Alu::or_, false); }

void CAS(Emitter& e, Insn i) {
  unsigned size = 8u << i.lsize();
  Mem m = aligned_address(e, i.Rn(), i.lsize());
  e.load(Reg::rax, i.Rs());
  e.load(Reg::rdx, i.Rt());
  e.lock();
  e.cmpxchg(size, m, Reg::rdx);
  zero_extend(e, i.lsize(), Reg::rax);
  // A failed 32-bit CMPXCHG leaves rax zero-extended, a successful one as it was loaded.
  if (size == 32) e.mov(32, Reg::rax, Reg::rax);
  e.commit(i.Rs(), Reg::rax);
}

}  // namespace grus::a64_to_x64::templates
