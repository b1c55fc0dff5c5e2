// SPDX-License-Identifier: MIT
// See simd.h.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::simd {

void shift_left_any(Emitter& e, unsigned size, Xmm dst, Xmm a, unsigned n) {
  if (n == 0) return e.movaps(dst, a);
  if (size) return shift_left(e, size, dst, a, n);
  if (n >= 8) return zero(e, dst);
  shift_left(e, 1, dst, a, n);
  op(e, kAnd, dst, dst, Constant::ShiftLeftBytes + n);
}

void shift_right_any(Emitter& e, unsigned size, bool is_signed, Xmm dst, Xmm a, unsigned n, Xmm scratch) {
  if (n == 0) return e.movaps(dst, a);
  if (!is_signed) {
    if (size) return shift_right(e, size, dst, a, n);
    if (n >= 8) return zero(e, dst);
    shift_right(e, 1, dst, a, n);
    return op(e, kAnd, dst, dst, Constant::ShiftRightBytes + n);
  }
  if (n >= bits_of(size)) n = bits_of(size) - 1;
  if (size == 1 || size == 2) return shift_right_signed(e, size, dst, a, n);
  if (size == 0) {
    // Each byte twice in a lane of 16: the upper one is shifted with its sign.
    op(e, kUnpackHigh[0], scratch, a, a);
    op(e, kUnpackLow[0], dst, a, a);
    shift_right_signed(e, 1, scratch, scratch, 8 + n);
    shift_right_signed(e, 1, dst, dst, 8 + n);
    return op(e, kPackS16, dst, dst, scratch);
  }
  // 64 bits: the sign's copies come from a comparison.
  zero(e, scratch);
  op(e, kGreater[3], scratch, scratch, a);
  shift_left(e, 3, scratch, scratch, 64 - n);
  shift_right(e, 3, dst, a, n);
  op(e, kOr, dst, dst, scratch);
}

void load_halves(Emitter& e, Xmm x, u64 low, u64 high) {
  if (low == 0 && high == 0) return zero(e, x);
  if (low == ~u64{0} && high == ~u64{0}) return ones(e, x);
  CHECK(high == 0 || high == low);
  u32 word = static_cast<u32>(low);
  if (low == (u64{word} << 32 | word)) {
    e.mov_imm(Reg::rax, word);
    e.movd(x, Reg::rax);
    shuffle_words(e, x, x, high ? 0x00 : 0x50);  // lanes 0, 0, 1, 1: the upper two are zero
    return;
  }
  e.mov_imm(Reg::rax, low);
  e.movq(x, Reg::rax);
  if (high) op(e, kUnpackLow[3], x, x, x);
}

void binary(Emitter& e, Insn i, HostOp o, unsigned n, unsigned m, bool commutative, bool scalar) {
  unsigned d = i.Rd();
  if (commutative && d == m) {
    m = n;
    n = d;
  }
  bool direct = e.vex || d != m || d == n;
  Xmm x = direct ? e.vdef(d, kA) : kA;
  if (e.vex) {
    op(e, o, x, e.vuse(n, kA), m);
  } else {
    e.vload(x, n);
    op(e, o, x, x, m);
  }
  finish(e, i, x, scalar);
}

void multiply(Emitter& e, unsigned size, Xmm x, unsigned n, unsigned m, Xmm s, Xmm t) {
  if (size == 1 || size == 2) {
    e.vload(x, n);
    return op(e, size == 1 ? kMul16 : kMul32, x, x, m);
  }
  // Bytes: even and odd ones in lanes of 16.
  e.vload(s, n);
  e.vload(t, m);
  op(e, kMul16, x, s, t);
  shift_right(e, 1, s, s, 8);
  op(e, kAnd, t, t, Constant::HighByteOfHalf);
  op(e, kMul16, s, s, t);  // odd products, in the high bytes
  op(e, kAnd, x, x, Constant::LowByteOfHalf);
  op(e, kOr, x, x, s);
}

void widen(Emitter& e, unsigned size, bool is_signed, bool high, Xmm dst, unsigned n) {
  HostOp o = is_signed ? kWidenS[size] : kWidenU[size];
  if (Emitter::vhome(n) == Xmm::none) {
    e.sse(0x66, o.map, o.code, dst, Emitter::vslot(n, high ? 8 : 0));
  } else if (!high) {
    op1(e, o, dst, Emitter::vhome(n));
  } else {
    shuffle_words(e, dst, Emitter::vhome(n), 0xee);
    op1(e, o, dst, dst);
  }
}

void finish_narrow(Emitter& e, Insn i, unsigned size, Xmm x) {
  op(e, kShuffleBytes, x, x, Constant::NarrowHalves + size);
  unsigned d = i.Rd();
  if (!i.Q()) return e.vcommit(d, x);  // the shuffle cleared the upper half
  set_high_half(e, d, x);
}

void set_high_half(Emitter& e, unsigned d, Xmm x) {
  if (Emitter::vhome(d) == Xmm::none) return e.movq(Emitter::vslot(d, 8), x);
  Xmm v = e.vuse(d, kC);
  op(e, kUnpackLow[3], v, v, x);
  e.vcommit(d, v);
}

void note_saturation(Emitter& e, Insn i) {
  e.clobber_flags();
  op(e, kEqual[0], kB, kB, kA);
  e.sse(0x66, 1, 0xd7, Xmm(Reg::rax), kB);  // PMOVMSKB
  e.alu_imm(Alu::add, 32, Reg::rax, 1);     // all equal: 0x10000
  e.alu_imm(Alu::and_, 32, Reg::rax, i.Q() ? 0xffff : 0xff);
  e.alu_imm(Alu::cmp, 32, Reg::rax, 1);
  e.alu(Alu::sbb, 32, Reg::rax, Reg::rax);  // -1 when equal
  e.not_(32, Reg::rax);
  e.alu_imm(Alu::and_, 32, Reg::rax, static_cast<i32>(a64::kFpsrQC));
  e.alu(Alu::or_, 32, state(offsetof(CpuState, fpsr)), Reg::rax);
}

// The most negative result means that both operands were so.
void doubling_high(Emitter& e, Insn i, unsigned size, bool round, Xmm m) {
  unsigned n = i.Rn();
  if (size == 1 && round) {
    op(e, {2, 0x0b}, kB, m, n);  // PMULHRSW
  } else if (size == 1) {
    op(e, kMul16, kA, m, n);
    op(e, {1, 0xe5}, kB, m, n);  // PMULHW
    shift_right(e, 1, kA, kA, 15);
    op(e, kAdd[1], kB, kB, kB);
    op(e, kOr, kB, kB, kA);
  } else {
    op(e, kMulS32, kA, m, n);
    shift_right(e, 3, kB, e.vuse(n, kB), 32);
    shift_right(e, 3, kC, m, 32);
    op(e, kMulS32, kB, kB, kC);
    if (round) {
      load_halves(e, kC, 1 << 30, 1 << 30);
      op(e, kAdd[3], kA, kA, kC);
      op(e, kAdd[3], kB, kB, kC);
    }
    shift_right(e, 3, kA, kA, 31);
    shift_left(e, 3, kB, kB, 1);
    op_imm(e, kBlend16, kB, kB, kA, 0x33);
  }
  op(e, kEqual[size], kA, kB, size == 1 ? Constant::Sign16 : Constant::Sign32);
  op(e, kXor, kA, kA, kB);
  note_saturation(e, i);
}

}  // namespace grus::a64_to_x64::simd
