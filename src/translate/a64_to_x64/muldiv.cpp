// SPDX-License-Identifier: MIT
// Multiplication, division, CRC. Division never faults: by zero gives 0, INT_MIN / -1 gives INT_MIN.
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

namespace {
unsigned size_of(Insn i) { return i.sf() ? 64 : 32; }

// rax += or = Xa - rax; commits.
void accumulate(Emitter& e, Insn i, unsigned size, bool subtract) {
  if (subtract) e.neg(size, Reg::rax);
  if (i.Ra() != kZero) e.alu_with(Alu::add, size, Reg::rax, i.Ra());
  e.commit(i.Rd(), Reg::rax);
}

void multiply_add(Emitter& e, Insn i, bool subtract) {
  unsigned size = size_of(i);
  e.clobber_flags();
  e.load(Reg::rax, i.Rn(), size);
  if (i.Rm() == kZero)
    e.mov_imm(Reg::rax, 0);
  else if (e.cheap_in_memory(i.Rm()))
    e.imul(size, Reg::rax, Emitter::slot(i.Rm()));
  else
    e.imul(size, Reg::rax, e.use(i.Rm(), Reg::rcx, size));
  accumulate(e, i, size, subtract);
}

void multiply_add_long(Emitter& e, Insn i, bool sign, bool subtract) {
  e.clobber_flags();
  e.load_extended(Reg::rax, i.Rn(), 32, sign);
  e.load_extended(Reg::rcx, i.Rm(), 32, sign);
  e.imul(64, Reg::rax, Reg::rcx);
  accumulate(e, i, 64, subtract);
}

void multiply_high(Emitter& e, Insn i, bool sign) {
  e.clobber_flags();
  e.load(Reg::rax, i.Rn());
  e.load(Reg::rcx, i.Rm());
  if (sign)
    e.imul1(64, Reg::rcx);
  else
    e.mul(64, Reg::rcx);
  e.commit(i.Rd(), Reg::rdx);
}

}  // namespace

void MADD(Emitter& e, Insn i) { multiply_add(e, i, false); }
void MSUB(Emitter& e, Insn i) { multiply_add(e, i, true); }
void SMADDL(Emitter& e, Insn i) { multiply_add_long(e, i, true, false); }
void SMSUBL(Emitter& e, Insn i) { multiply_add_long(e, i, true, true); }
void UMADDL(Emitter& e, Insn i) { multiply_add_long(e, i, false, false); }
void UMSUBL(Emitter& e, Insn i) { multiply_add_long(e, i, false, true); }
void SMULH(Emitter& e, Insn i) { multiply_high(e, i, true); }
void UMULH(Emitter& e, Insn i) { multiply_high(e, i, false); }

void UDIV(Emitter& e, Insn i) {
  unsigned size = size_of(i);
  e.clobber_flags();
  e.load(Reg::rcx, i.Rm(), size);
  e.mov_imm(Reg::rax, 0);
  e.mov_imm(Reg::rdx, 0);
  e.test(size, Reg::rcx, Reg::rcx);
  u8* zero = e.jcc8(CC::e);
  e.load(Reg::rax, i.Rn(), size);
  e.div(size, Reg::rcx);
  e.patch8(zero);
  e.commit(i.Rd(), Reg::rax);
}

void SDIV(Emitter& e, Insn i) {
  unsigned size = size_of(i);
  e.clobber_flags();
  e.load(Reg::rcx, i.Rm(), size);
  e.load(Reg::rax, i.Rn(), size);
  // Divisors 0 and -1 apart: x / 0 = 0, x / -1 = -x without the host's overflow trap.
  e.lea(size, Reg::rdx, Mem(Reg::rcx, 1));
  e.alu_imm(Alu::cmp, size, Reg::rdx, 1);
  u8* special = e.jcc8(CC::be);
  e.cdq(size);
  e.idiv(size, Reg::rcx);
  u8* done = e.jmp8();
  e.patch8(special);
  e.imul(size, Reg::rax, Reg::rcx);  // times 0 or times -1
  e.patch8(done);
  e.commit(i.Rd(), Reg::rax);
}

static void crc32c(Emitter& e, Insn i, unsigned bits) {
  e.load(Reg::rax, i.Rn(), 32);
  e.crc32(bits, Reg::rax, e.use(i.Rm(), Reg::rcx));
  e.commit(i.Rd(), Reg::rax);
}
void CRC32CB(Emitter& e, Insn i) { crc32c(e, i, 8); }
void CRC32CH(Emitter& e, Insn i) { crc32c(e, i, 16); }
void CRC32CW(Emitter& e, Insn i) { crc32c(e, i, 32); }
void CRC32CX(Emitter& e, Insn i) { crc32c(e, i, 64); }

}  // namespace grus::a64_to_x64::templates
