// SPDX-License-Identifier: MIT
// Integer compares. x86 has equality and signed "greater" only: the others are made of minimum and maximum, of inverted
// comparisons, and for unsigned 64-bit lanes of inverted signs.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

unsigned size_of(Insn i, bool scalar) { return scalar ? 3 : i.size(); }

void invert(Emitter& e, Xmm x, Xmm scratch) {
  ones(e, scratch);
  op(e, kXor, x, x, scratch);
}

// n > m, signed.
void greater(Emitter& e, Insn i, bool scalar) {
  binary(e, i, kGreater[size_of(i, scalar)], i.Rn(), i.Rm(), false, scalar);
}

// n >= m, signed: max(n, m) == n, or !(m > n).
void greater_equal(Emitter& e, Insn i, bool scalar) {
  unsigned size = size_of(i, scalar);
  if (size < 3) {
    e.vload(kA, i.Rn());
    op(e, kMaxS[size], kA, kA, i.Rm());
    op(e, kEqual[size], kA, kA, i.Rn());
  } else {
    e.vload(kA, i.Rm());
    op(e, kGreater[3], kA, kA, i.Rn());
    invert(e, kA, kB);
  }
  finish(e, i, kA, scalar);
}

// n > m, unsigned: !(min(n, m) == n).
void higher(Emitter& e, Insn i, bool scalar) {
  unsigned size = size_of(i, scalar);
  e.vload(kA, i.Rn());
  if (size < 3) {
    op(e, kMinU[size], kA, kA, i.Rm());
    op(e, kEqual[size], kA, kA, i.Rn());
    invert(e, kA, kB);
  } else {
    load_constant(e, kB, Constant::Sign64);
    op(e, kXor, kA, kA, kB);
    op(e, kXor, kB, kB, i.Rm());
    op(e, kGreater[3], kA, kA, kB);
  }
  finish(e, i, kA, scalar);
}

// n >= m, unsigned: max(n, m) == n, or !(m > n).
void higher_same(Emitter& e, Insn i, bool scalar) {
  unsigned size = size_of(i, scalar);
  if (size < 3) {
    e.vload(kA, i.Rn());
    op(e, kMaxU[size], kA, kA, i.Rm());
    op(e, kEqual[size], kA, kA, i.Rn());
  } else {
    e.vload(kA, i.Rm());
    load_constant(e, kB, Constant::Sign64);
    op(e, kXor, kA, kA, kB);
    op(e, kXor, kB, kB, i.Rn());
    op(e, kGreater[3], kA, kA, kB);
    invert(e, kA, kB);
  }
  finish(e, i, kA, scalar);
}

void test_bits(Emitter& e, Insn i, bool scalar) {
  e.vload(kA, i.Rn());
  if (i.Rn() != i.Rm()) op(e, kAnd, kA, kA, i.Rm());
  zero(e, kB);
  op(e, kEqual[size_of(i, scalar)], kA, kA, kB);
  invert(e, kA, kB);
  finish(e, i, kA, scalar);
}

void equal(Emitter& e, Insn i, bool scalar) {
  binary(e, i, kEqual[size_of(i, scalar)], i.Rn(), i.Rm(), true, scalar);
}

enum class Zero { Greater, GreaterEqual, Equal, LessEqual, Less };
void against_zero(Emitter& e, Insn i, Zero what, bool scalar) {
  unsigned size = size_of(i, scalar);
  switch (what) {
    case Zero::Equal:
      zero(e, kA);
      op(e, kEqual[size], kA, kA, i.Rn());
      break;
    case Zero::Less:
      zero(e, kA);
      op(e, kGreater[size], kA, kA, i.Rn());
      break;
    case Zero::Greater:
    case Zero::LessEqual:
      zero(e, kB);
      e.vload(kA, i.Rn());
      op(e, kGreater[size], kA, kA, kB);
      if (what == Zero::LessEqual) invert(e, kA, kB);
      break;
    case Zero::GreaterEqual:  // > -1
      ones(e, kB);
      e.vload(kA, i.Rn());
      op(e, kGreater[size], kA, kA, kB);
      break;
  }
  finish(e, i, kA, scalar);
}

}  // namespace

void CMGT_v(Emitter& e, Insn i) { greater(e, i, false); }
void CMGT_s(Emitter& e, Insn i) { greater(e, i, true); }
void CMGE_v(Emitter& e, Insn i) { greater_equal(e, i, false); }
void CMGE_s(Emitter& e, Insn i) { greater_equal(e, i, true); }
void CMHI_v(Emitter& e, Insn i) { higher(e, i, false); }
void CMHI_s(Emitter& e, Insn i) { higher(e, i, true); }
void CMHS_v(Emitter& e, Insn i) { higher_same(e, i, false); }
void CMHS_s(Emitter& e, Insn i) { higher_same(e, i, true); }
void CMTST_v(Emitter& e, Insn i) { test_bits(e, i, false); }
void CMTST_s(Emitter& e, Insn i) { test_bits(e, i, true); }
void CMEQ_v(Emitter& e, Insn i) { equal(e, i, false); }
void CMEQ_s(Emitter& e, Insn i) { equal(e, i, true); }

void CMGT_zero_v(Emitter& e, Insn i) { against_zero(e, i, Zero::Greater, false); }
void CMGE_zero_v(Emitter& e, Insn i) { against_zero(e, i, Zero::GreaterEqual, false); }
void CMEQ_zero_v(Emitter& e, Insn i) { against_zero(e, i, Zero::Equal, false); }
void CMLE_zero_v(Emitter& e, Insn i) { against_zero(e, i, Zero::LessEqual, false); }
void CMLT_zero_v(Emitter& e, Insn i) { against_zero(e, i, Zero::Less, false); }
void CMGT_zero_s(Emitter& e, Insn i) { against_zero(e, i, Zero::Greater, true); }
void CMGE_zero_s(Emitter& e, Insn i) { against_zero(e, i, Zero::GreaterEqual, true); }
void CMEQ_zero_s(Emitter& e, Insn i) { against_zero(e, i, Zero::Equal, true); }
void CMLE_zero_s(Emitter& e, Insn i) { against_zero(e, i, Zero::LessEqual, true); }
void CMLT_zero_s(Emitter& e, Insn i) { against_zero(e, i, Zero::Less, true); }

}  // namespace grus::a64_to_x64::templates
