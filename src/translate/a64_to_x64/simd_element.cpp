// SPDX-License-Identifier: MIT
// One operand taken from one element, which is first copied to every lane. Without templates: the saturating
// doubling forms except for high halves.
#include "translate/a64_to_x64/simd_widen.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

// dst = the element everywhere: H:L:M of V(Rm4) for halves, H:L of V(M:Rm4) for words.
void splat(Emitter& e, Insn i, unsigned size, Xmm dst) {
  unsigned hl = i.H() << 1 | i.L();
  if (size == 2) return shuffle_words(e, dst, i.M() << 4 | i.Rm4(), static_cast<u8>(hl * 0x55));
  e.vload(dst, i.Rm4());
  op(e, kShuffleBytes, dst, dst, Constant::SplatHalf + (hl << 1 | i.M()));
}

void multiply_same(Emitter& e, Insn i, Accumulate what) {
  unsigned size = i.size();
  splat(e, i, size, kA);
  op(e, size == 1 ? kMul16 : kMul32, kA, kA, i.Rn());
  finish_accumulated(e, i, size, what, false);
}

void multiply_long(Emitter& e, Insn i, bool is_signed, Accumulate what) {
  unsigned size = i.size();
  splat(e, i, size, kB);
  if (size == 1) {
    op1(e, (is_signed ? kWidenS : kWidenU)[1], kB, kB);
    widen(e, 1, is_signed, i.Q(), kA, i.Rn());
    op(e, kMul32, kA, kA, kB);
  } else {
    shuffle_words(e, kA, i.Rn(), i.Q() ? 0xfa : 0x50);
    op(e, is_signed ? kMulS32 : kMulU32, kA, kA, kB);
  }
  finish_accumulated(e, i, size + 1, what, true);
}

void dot_element(Emitter& e, Insn i, bool is_signed) {
  splat(e, i, 2, kC);
  dot(e, is_signed, i.Rn());
  finish_accumulated(e, i, 2, Accumulate::Add, false);
}

void doubling_high_element(Emitter& e, Insn i, bool round) {
  splat(e, i, i.size(), kC);
  doubling_high(e, i, i.size(), round, kC);
  finish(e, i, kA);
}

}  // namespace

void SQDMULH_elem(Emitter& e, Insn i) { doubling_high_element(e, i, false); }
void SQRDMULH_elem(Emitter& e, Insn i) { doubling_high_element(e, i, true); }
void MUL_elem(Emitter& e, Insn i) { multiply_same(e, i, Accumulate::No); }
void MLA_elem(Emitter& e, Insn i) { multiply_same(e, i, Accumulate::Add); }
void MLS_elem(Emitter& e, Insn i) { multiply_same(e, i, Accumulate::Subtract); }
void SMULL_elem(Emitter& e, Insn i) { multiply_long(e, i, true, Accumulate::No); }
void UMULL_elem(Emitter& e, Insn i) { multiply_long(e, i, false, Accumulate::No); }
void SMLAL_elem(Emitter& e, Insn i) { multiply_long(e, i, true, Accumulate::Add); }
void UMLAL_elem(Emitter& e, Insn i) { multiply_long(e, i, false, Accumulate::Add); }
void SMLSL_elem(Emitter& e, Insn i) { multiply_long(e, i, true, Accumulate::Subtract); }
void UMLSL_elem(Emitter& e, Insn i) { multiply_long(e, i, false, Accumulate::Subtract); }
void SDOT_elem(Emitter& e, Insn i) { dot_element(e, i, true); }
void UDOT_elem(Emitter& e, Insn i) { dot_element(e, i, false); }

}  // namespace grus::a64_to_x64::templates
