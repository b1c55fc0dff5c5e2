// SPDX-License-Identifier: MIT
// Results twice as wide as the operands, pairwise long additions, dot products. Without templates: the saturating doubling
// products.
#include "translate/a64_to_x64/simd_widen.h"

namespace grus::a64_to_x64 {

namespace simd {

void finish_accumulated(Emitter& e, Insn i, unsigned size, Accumulate what, bool whole) {
  Xmm x = kA;
  if (what == Accumulate::Add) {
    op(e, kAdd[size], kA, kA, i.Rd());
  } else if (what == Accumulate::Subtract) {
    e.vload(kB, i.Rd());
    op(e, kSub[size], kB, kB, kA);
    x = kB;
  }
  if (whole)
    e.vcommit(i.Rd(), x);
  else
    finish(e, i, x);
}

void dot(Emitter& e, bool is_signed, unsigned n) {
  // Even and odd bytes as lanes of 16, whose products PMADDWD adds in pairs.
  auto even = [&](Xmm dst, Xmm a) {
    if (!is_signed) return op(e, kAnd, dst, a, Constant::LowByteOfHalf);
    shift_left(e, 1, dst, a, 8);
    shift_right_signed(e, 1, dst, dst, 8);
  };
  auto odd = [&](Xmm dst, Xmm a) {
    if (is_signed)
      shift_right_signed(e, 1, dst, a, 8);
    else
      shift_right(e, 1, dst, a, 8);
  };
  e.vload(kA, n);
  even(kA, kA);
  even(kB, kC);
  op(e, kMulAddPairs16, kA, kA, kB);
  e.vload(kB, n);
  odd(kB, kB);
  odd(kC, kC);
  op(e, kMulAddPairs16, kB, kB, kC);
  op(e, kAdd[2], kA, kA, kB);
}

}  // namespace simd

namespace templates {

using namespace simd;

namespace {

void long_op(Emitter& e, Insn i, bool is_signed, const HostOp* table) {
  unsigned size = i.size();
  widen(e, size, is_signed, i.Q(), kA, i.Rn());
  widen(e, size, is_signed, i.Q(), kB, i.Rm());
  op(e, table[size + 1], kA, kA, kB);
  e.vcommit(i.Rd(), kA);
}

void wide_op(Emitter& e, Insn i, bool is_signed, const HostOp* table) {
  unsigned size = i.size();
  widen(e, size, is_signed, i.Q(), kB, i.Rm());
  e.vload(kA, i.Rn());
  op(e, table[size + 1], kA, kA, kB);
  e.vcommit(i.Rd(), kA);
}

// The widened difference fits its lane.
void difference(Emitter& e, Insn i, bool is_signed, Accumulate what) {
  unsigned size = i.size();
  widen(e, size, is_signed, i.Q(), kA, i.Rn());
  widen(e, size, is_signed, i.Q(), kB, i.Rm());
  op(e, kSub[size + 1], kA, kA, kB);
  if (size < 2) {
    op1(e, kAbs[size + 1], kA, kA);
  } else {
    zero(e, kB);
    op(e, kGreater[3], kB, kB, kA);
    op(e, kXor, kA, kA, kB);
    op(e, kSub[3], kA, kA, kB);
  }
  finish_accumulated(e, i, size + 1, what, true);
}

void product(Emitter& e, Insn i, bool is_signed, Accumulate what) {
  unsigned size = i.size();
  if (size < 2) {
    widen(e, size, is_signed, i.Q(), kA, i.Rn());
    widen(e, size, is_signed, i.Q(), kB, i.Rm());
    op(e, size == 0 ? kMul16 : kMul32, kA, kA, kB);
  } else {
    // PMULDQ takes the even words.
    u8 order = i.Q() ? 0xfa : 0x50;
    shuffle_words(e, kA, i.Rn(), order);
    shuffle_words(e, kB, i.Rm(), order);
    op(e, is_signed ? kMulS32 : kMulU32, kA, kA, kB);
  }
  finish_accumulated(e, i, size + 1, what, true);
}

void long_pairs(Emitter& e, Insn i, bool is_signed, Accumulate what) {
  unsigned size = i.size(), n = i.Rn();
  if (size == 0) {
    if (is_signed) {
      load_constant(e, kA, Constant::One8);
      op(e, kMulAddPairs8, kA, kA, n);
    } else {
      e.vload(kA, n);
      op(e, kMulAddPairs8, kA, kA, Constant::One8);
    }
  } else if (size == 1 && is_signed) {
    e.vload(kA, n);
    op(e, kMulAddPairs16, kA, kA, Constant::One16);
  } else if (size == 1) {
    e.vload(kA, n);
    shift_right(e, 2, kB, kA, 16);
    op(e, kAnd, kA, kA, Constant::LowHalfOfWord);
    op(e, kAdd[2], kA, kA, kB);
  } else {
    HostOp by_one = is_signed ? kMulS32 : kMulU32;
    e.vload(kA, n);
    shift_right(e, 3, kB, kA, 32);
    op(e, by_one, kB, kB, Constant::One32);
    op(e, by_one, kA, kA, Constant::One32);
    op(e, kAdd[3], kA, kA, kB);
  }
  finish_accumulated(e, i, size + 1, what, false);
}

void dot_product(Emitter& e, Insn i, bool is_signed) {
  e.vload(kC, i.Rm());
  dot(e, is_signed, i.Rn());
  finish_accumulated(e, i, 2, Accumulate::Add, false);
}

}  // namespace

void SADDL_v(Emitter& e, Insn i) { long_op(e, i, true, kAdd); }
void UADDL_v(Emitter& e, Insn i) { long_op(e, i, false, kAdd); }
void SSUBL_v(Emitter& e, Insn i) { long_op(e, i, true, kSub); }
void USUBL_v(Emitter& e, Insn i) { long_op(e, i, false, kSub); }
void SADDW_v(Emitter& e, Insn i) { wide_op(e, i, true, kAdd); }
void UADDW_v(Emitter& e, Insn i) { wide_op(e, i, false, kAdd); }
void SSUBW_v(Emitter& e, Insn i) { wide_op(e, i, true, kSub); }
void USUBW_v(Emitter& e, Insn i) { wide_op(e, i, false, kSub); }
void SABDL_v(Emitter& e, Insn i) { difference(e, i, true, Accumulate::No); }
void UABDL_v(Emitter& e, Insn i) { difference(e, i, false, Accumulate::No); }
void SABAL_v(Emitter& e, Insn i) { difference(e, i, true, Accumulate::Add); }
void UABAL_v(Emitter& e, Insn i) { difference(e, i, false, Accumulate::Add); }
void SMULL_v(Emitter& e, Insn i) { product(e, i, true, Accumulate::No); }
void UMULL_v(Emitter& e, Insn i) { product(e, i, false, Accumulate::No); }
void SMLAL_v(Emitter& e, Insn i) { product(e, i, true, Accumulate::Add); }
void UMLAL_v(Emitter& e, Insn i) { product(e, i, false, Accumulate::Add); }
void SMLSL_v(Emitter& e, Insn i) { product(e, i, true, Accumulate::Subtract); }
void UMLSL_v(Emitter& e, Insn i) { product(e, i, false, Accumulate::Subtract); }

void SADDLP_v(Emitter& e, Insn i) { long_pairs(e, i, true, Accumulate::No); }
void UADDLP_v(Emitter& e, Insn i) { long_pairs(e, i, false, Accumulate::No); }
void SADALP_v(Emitter& e, Insn i) { long_pairs(e, i, true, Accumulate::Add); }
void UADALP_v(Emitter& e, Insn i) { long_pairs(e, i, false, Accumulate::Add); }

void SDOT_v(Emitter& e, Insn i) { dot_product(e, i, true); }
void UDOT_v(Emitter& e, Insn i) { dot_product(e, i, false); }

}  // namespace templates

}  // namespace grus::a64_to_x64
