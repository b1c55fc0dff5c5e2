// SPDX-License-Identifier: MIT
// Bitfield moves, extraction, variable shifts, bit and byte reversal, counting.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

namespace {

unsigned size_of(Insn i) { return i.sf() ? 64 : 32; }

// A constant shift by BMI2: EFLAGS stay. Changes rcx.
void shift_keeping_flags(Emitter& e, unsigned size, Shift op, Reg dst, Reg src, unsigned amount) {
  e.mov_imm(Reg::rcx, amount);
  if (op == Shift::shl)
    e.shlx(size, dst, src, Reg::rcx);
  else if (op == Shift::shr)
    e.shrx(size, dst, src, Reg::rcx);
  else
    e.sarx(size, dst, src, Reg::rcx);
}
bool must_keep_flags(Emitter& e) { return e.host().bmi2 && e.flags_held(); }

// Sign- or zero-extension of the low bits of n: no flags change.
void extend(Emitter& e, unsigned size, unsigned from, bool sign, unsigned d, unsigned n) {
  Reg dst = e.def(d, Reg::rax);
  e.load_extended(dst, n, from, sign, size);
  e.commit(d, dst);
}

void shift_constant(Emitter& e, Insn i, Shift op, unsigned amount) {
  unsigned size = size_of(i);
  Reg dst = e.def(i.Rd(), Reg::rax);
  if (amount && must_keep_flags(e)) {
    shift_keeping_flags(e, size, op, dst, e.use(i.Rn(), Reg::rax, size), amount);
    return e.commit(i.Rd(), dst);
  }
  if (amount) e.clobber_flags();
  amount ? e.load_low(dst, i.Rn(), size) : e.load(dst, i.Rn(), size);
  if (amount) e.shift_imm(op, size, dst, static_cast<u8>(amount));
  e.commit(i.Rd(), dst);
}

void shift_variable(Emitter& e, Insn i, Shift op) {
  unsigned size = size_of(i);
  if (e.host().bmi2 && op != Shift::ror) {
    Reg src = e.use(i.Rn(), Reg::rax, size), count = e.use(i.Rm(), Reg::rcx, size);
    Reg dst = e.def_any(i.Rd());
    if (op == Shift::shl)
      e.shlx(size, dst, src, count);
    else if (op == Shift::shr)
      e.shrx(size, dst, src, count);
    else
      e.sarx(size, dst, src, count);
    e.commit(i.Rd(), dst);
    return;
  }
  // Both architectures take the count modulo the operand size.
  e.clobber_flags();
  e.load(Reg::rcx, i.Rm(), size);
  e.load(Reg::rax, i.Rn(), size);
  e.shift_cl(op, size, Reg::rax);
  e.commit(i.Rd(), Reg::rax);
}

}  // namespace

void UBFM(Emitter& e, Insn i) {
  unsigned size = size_of(i), r = i.immr(), s = i.imms();
  if (s == size - 1) return shift_constant(e, i, Shift::shr, r);          // lsr
  if (s + 1 == r) return shift_constant(e, i, Shift::shl, size - r);      // lsl
  if (r == 0 && (s == 7 || s == 15 || s == 31)) return extend(e, size, s + 1, false, i.Rd(), i.Rn());
  Reg dst = e.def(i.Rd(), Reg::rax);
  if (s == 31 && s < r) {  // lsl of a word: an index
    if (!must_keep_flags(e)) e.clobber_flags();
    e.zero_above_word(i.Rn()) ? e.load_low(dst, i.Rn(), 64) : e.load(dst, i.Rn(), 32);
    if (must_keep_flags(e))
      shift_keeping_flags(e, 64, Shift::shl, dst, dst, 64 - r);
    else
      e.shift_imm(Shift::shl, 64, dst, static_cast<u8>(64 - r));
    return e.commit(i.Rd(), dst);
  }
  if (must_keep_flags(e)) {
    Reg n = e.use(i.Rn(), Reg::rax, size);
    unsigned left = size - 1 - s, right = s >= r ? left + r : r - s - 1;
    if (left) shift_keeping_flags(e, size, Shift::shl, dst, n, left);
    if (right) shift_keeping_flags(e, size, Shift::shr, dst, left ? dst : n, right);
    return e.commit(i.Rd(), dst);
  }
  e.clobber_flags();
  e.load_low(dst, i.Rn(), size);
  if (s >= r) {  // ubfx: bits r..s to the bottom
    unsigned width = s - r + 1;
    if (r) e.shift_imm(Shift::shr, size, dst, static_cast<u8>(r));
    if (width == 8 || width == 16 || width == 32) {
      e.movzx(width, dst, dst);
    } else if (width < 32) {
      e.alu_imm(Alu::and_, 32, dst, static_cast<i32>((1u << width) - 1));
    } else {
      e.shift_imm(Shift::shl, 64, dst, static_cast<u8>(64 - width));
      e.shift_imm(Shift::shr, 64, dst, static_cast<u8>(64 - width));
    }
  } else {  // ubfiz: bits 0..s to size - r
    e.shift_imm(Shift::shl, size, dst, static_cast<u8>(size - 1 - s));
    unsigned right = r - s - 1;
    if (right) e.shift_imm(Shift::shr, size, dst, static_cast<u8>(right));
  }
  e.commit(i.Rd(), dst);
}

void SBFM(Emitter& e, Insn i) {
  unsigned size = size_of(i), r = i.immr(), s = i.imms();
  if (s == size - 1) return shift_constant(e, i, Shift::sar, r);  // asr
  if (r == 0 && (s == 7 || s == 15 || s == 31)) return extend(e, size, s + 1, true, i.Rd(), i.Rn());
  Reg dst = e.def(i.Rd(), Reg::rax);
  if (must_keep_flags(e)) {
    Reg n = e.use(i.Rn(), Reg::rax, size);
    unsigned left = size - 1 - s, shift = s >= r ? left + r : r - s - 1;
    if (left) shift_keeping_flags(e, size, Shift::shl, dst, n, left);
    if (shift) shift_keeping_flags(e, size, Shift::sar, dst, left ? dst : n, shift);
    return e.commit(i.Rd(), dst);
  }
  e.clobber_flags();
  e.load_low(dst, i.Rn(), size);
  e.shift_imm(Shift::shl, size, dst, static_cast<u8>(size - 1 - s));
  unsigned right = s >= r ? size - 1 - s + r : r - s - 1;
  if (right) e.shift_imm(Shift::sar, size, dst, static_cast<u8>(right));
  e.commit(i.Rd(), dst);
}

void BFM(Emitter& e, Insn i) {
  unsigned size = size_of(i), r = i.immr(), s = i.imms();
  unsigned width = s >= r ? s - r + 1 : s + 1, to = s >= r ? 0 : size - r;
  u64 field = (width == 64 ? ~u64{0} : (u64{1} << width) - 1) << to;
  e.clobber_flags();
  // rax = the field in place, rcx = the destination with a hole.
  e.load(Reg::rax, i.Rn(), size);
  if (s >= r) {
    if (r) e.shift_imm(Shift::shr, size, Reg::rax, static_cast<u8>(r));
  } else {
    e.shift_imm(Shift::shl, size, Reg::rax, static_cast<u8>(to));
  }
  e.load(Reg::rcx, i.Rd(), size);
  if (size == 32 || field <= 0x7fffffff) {
    e.alu_imm(Alu::and_, size, Reg::rax, static_cast<i32>(field));
    e.alu_imm(Alu::and_, size, Reg::rcx, static_cast<i32>(~field));
  } else {
    e.mov_imm(Reg::rdx, field);
    e.alu(Alu::and_, 64, Reg::rax, Reg::rdx);
    e.not_(64, Reg::rdx);
    e.alu(Alu::and_, 64, Reg::rcx, Reg::rdx);
  }
  e.alu(Alu::or_, size, Reg::rax, Reg::rcx);
  e.commit(i.Rd(), Reg::rax);
}

void EXTR(Emitter& e, Insn i) {
  unsigned size = size_of(i), lsb = i.imms();
  e.clobber_flags();
  e.load(Reg::rax, i.Rm(), size);
  if (i.Rn() == i.Rm()) {
    if (lsb) e.shift_imm(Shift::ror, size, Reg::rax, static_cast<u8>(lsb));
  } else {
    e.load(Reg::rcx, i.Rn(), size);
    if (lsb) e.shrd(size, Reg::rax, Reg::rcx, static_cast<u8>(lsb));
  }
  e.commit(i.Rd(), Reg::rax);
}

void LSLV(Emitter& e, Insn i) { shift_variable(e, i, Shift::shl); }
void LSRV(Emitter& e, Insn i) { shift_variable(e, i, Shift::shr); }
void ASRV(Emitter& e, Insn i) { shift_variable(e, i, Shift::sar); }
void RORV(Emitter& e, Insn i) { shift_variable(e, i, Shift::ror); }

using namespace simd;

// The bits of each byte by a table of nibbles (PSHUFB), then the bytes: 12 cycles, half of the time that shifts and masks take.
// EFLAGS stay.
void RBIT(Emitter& e, Insn i) {
  unsigned size = size_of(i), n = i.Rn();
  e.load(Reg::rdx, n, size);
  e.movq(kA, Reg::rdx);
  load_constant(e, kB, Constant::Nibbles);
  op(e, kAndNot, kC, kB, kA);
  op(e, kAnd, kA, kA, kB);
  shift_right(e, 1, kC, kC, 4);
  load_constant(e, kB, Constant::ReversedNibbleHigh);
  op(e, kShuffleBytes, kB, kB, kA);
  load_constant(e, kA, Constant::ReversedNibbleLow);
  op(e, kShuffleBytes, kA, kA, kC);
  op(e, kOr, kA, kA, kB);
  Reg dst = e.def(i.Rd(), Reg::rax);
  size == 64 ? e.movq(dst, kA) : e.movd(dst, kA);
  e.bswap(size, dst);
  e.commit(i.Rd(), dst);
  if (i.Rd() != kZero) e.set_reversed(size == 64 ? i.Rd() : i.Rd() | 32);
}

void REV16(Emitter& e, Insn i) {
  unsigned size = size_of(i);
  e.clobber_flags();
  e.load(Reg::rax, i.Rn(), size);
  e.mov_imm(Reg::rcx, size == 64 ? 0x00ff00ff00ff00ff : 0x00ff00ff);
  e.mov(size, Reg::rdx, Reg::rax);
  e.shift_imm(Shift::shr, size, Reg::rax, 8);
  e.alu(Alu::and_, size, Reg::rax, Reg::rcx);
  e.alu(Alu::and_, size, Reg::rdx, Reg::rcx);
  e.shift_imm(Shift::shl, size, Reg::rdx, 8);
  e.alu(Alu::or_, size, Reg::rax, Reg::rdx);
  e.commit(i.Rd(), Reg::rax);
}
void REV_w(Emitter& e, Insn i) {
  Reg dst = e.def(i.Rd(), Reg::rax);
  e.load(dst, i.Rn(), 32);
  e.bswap(32, dst);
  e.commit(i.Rd(), dst);
}
void REV_x(Emitter& e, Insn i) {
  Reg dst = e.def(i.Rd(), Reg::rax);
  e.load(dst, i.Rn());
  e.bswap(64, dst);
  e.commit(i.Rd(), dst);
}
void REV32(Emitter& e, Insn i) {
  e.clobber_flags();
  e.load(Reg::rax, i.Rn());
  e.bswap(64, Reg::rax);
  e.shift_imm(Shift::rol, 64, Reg::rax, 32);
  e.commit(i.Rd(), Reg::rax);
}

void CLZ(Emitter& e, Insn i) {
  unsigned size = size_of(i);
  e.clobber_flags();
  Reg dst = e.def(i.Rd(), Reg::rax);
  if (e.host().bmi2 && e.behind_reversal(size == 64 ? i.Rn() : i.Rn() | 32)) {
    e.tzcnt(size, dst, Reg::rdx);
    return e.commit(i.Rd(), dst);
  }
  if (e.host().lzcnt) {
    e.lzcnt(size, dst, e.use(i.Rn(), Reg::rcx, size));
    return e.commit(i.Rd(), dst);
  } else {
    e.load(Reg::rcx, i.Rn(), size);
    // bsr leaves its destination undefined for zero: feed it 2x+1 where x is at most 32 bits, else choose afterwards.
    e.mov_imm(Reg::rdx, 2 * size - 1);
    e.bsr(size, Reg::rax, Reg::rcx);
    e.cmov(32, CC::e, Reg::rax, Reg::rdx);
    e.alu_imm(Alu::xor_, 32, Reg::rax, static_cast<i32>(size - 1));
  }
  e.commit(i.Rd(), Reg::rax);
}

void CLS(Emitter& e, Insn i) {
  // The leading bits equal to the sign: zeros of x ^ (x >> 1) below the top bit, that is clz(((x ^ (x >> 1)) << 1) | 1).
  unsigned size = size_of(i);
  e.clobber_flags();
  e.load(Reg::rcx, i.Rn(), size);
  e.mov(size, Reg::rdx, Reg::rcx);
  e.shift_imm(Shift::sar, size, Reg::rdx, 1);
  e.alu(Alu::xor_, size, Reg::rcx, Reg::rdx);
  e.lea(size, Reg::rcx, Mem(Reg::rcx, Reg::rcx, 1, 1));
  e.bsr(size, Reg::rax, Reg::rcx);
  e.alu_imm(Alu::xor_, 32, Reg::rax, static_cast<i32>(size - 1));
  e.commit(i.Rd(), Reg::rax);
}

}  // namespace grus::a64_to_x64::templates
