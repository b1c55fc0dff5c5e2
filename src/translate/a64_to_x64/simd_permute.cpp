// SPDX-License-Identifier: MIT
// Permutations. PSHUFB differs from TBL in what is out of range: the index is made to saturate into its sign bit first.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

// The lanes of Vn and Vm of which every second one is taken: even ones in the low halves of kA and kB, odd ones in the high.
void separate(Emitter& e, Xmm dst, unsigned n, unsigned size) {
  if (size == 2) return shuffle_words(e, dst, n, 0xd8);  // 0, 2, 1, 3
  e.vload(dst, n);
  op(e, kShuffleBytes, dst, dst, size == 0 ? Constant::EvenOddBytes : Constant::EvenOddHalves);
}

void unzip(Emitter& e, Insn i, bool odd) {
  unsigned size = i.size();
  if (size == 3) return binary(e, i, odd ? kUnpackHigh[3] : kUnpackLow[3], i.Rn(), i.Rm(), false);
  separate(e, kA, i.Rn(), size);
  if (i.Rm() == i.Rn())
    e.movaps(kB, kA);
  else
    separate(e, kB, i.Rm(), size);
  if (i.Q()) {
    op(e, odd ? kUnpackHigh[3] : kUnpackLow[3], kA, kA, kB);
    return e.vcommit(i.Rd(), kA);
  }
  // Of 64-bit vectors: words 0 (even) or 2 (odd) of the separated registers hold their lanes.
  op(e, kUnpackLow[2], kC, kA, kB);
  if (odd) op(e, kUnpackHigh[2], kC, kA, kB);
  e.vcommit64(i.Rd(), kC);
}

void zip(Emitter& e, Insn i, bool high) {
  unsigned size = i.size();
  if (!high) return binary(e, i, kUnpackLow[size], i.Rn(), i.Rm(), false);
  if (i.Q()) return binary(e, i, kUnpackHigh[size], i.Rn(), i.Rm(), false);
  e.vload(kA, i.Rn());
  op(e, kUnpackLow[size], kA, kA, i.Rm());
  shuffle_words(e, kA, kA, 0xee);
  e.vcommit64(i.Rd(), kA);
}

void transpose(Emitter& e, Insn i, bool odd) {
  unsigned size = i.size(), bits = bits_of(size);
  if (size == 3) return binary(e, i, odd ? kUnpackHigh[3] : kUnpackLow[3], i.Rn(), i.Rm(), false);
  // Lanes of twice the size: the low part from Vn, the high part from Vm.
  Xmm n = e.vuse_low(i.Rn(), kA), m = e.vuse_low(i.Rm(), kB);  // for PBLENDW
  if (odd) {
    shift_right(e, size + 1, kA, n, bits);
    n = kA;
  } else {
    shift_left(e, size + 1, kB, m, bits);
    m = kB;
  }
  if (size == 0) {
    op(e, kAnd, kC, odd ? m : n, odd ? Constant::HighByteOfHalf : Constant::LowByteOfHalf);
    op(e, kOr, kC, kC, odd ? n : m);
  } else {
    op_imm(e, kBlend16, kC, n, m, size == 1 ? 0xaa : 0xcc);
  }
  finish(e, i, kC);
}

void reverse(Emitter& e, Insn i, Constant c) {
  if (e.vex) {
    Xmm x = e.vdef(i.Rd(), kA);
    op(e, kShuffleBytes, x, e.vuse(i.Rn(), kA), c);
    return finish(e, i, x);
  }
  e.vload(kA, i.Rn());
  op(e, kShuffleBytes, kA, kA, c);
  finish(e, i, kA);
}

// kA = the table's bytes, zero where the index is out of range.
void look_up(Emitter& e, Insn i) {
  for (unsigned r = 0; r <= i.tbl_len(); r++) {
    unsigned n = (i.Rn() + r) & 31;
    // Index - 16 r: what belongs to an earlier register wraps around and saturates too.
    e.vload(kB, i.Rm());
    if (r) op(e, kSub[0], kB, kB, Constant::TableStep + r);
    op(e, HostOp{1, 0xdc}, kB, kB, Constant::SaturateIndex);
    Xmm part = r ? kC : kA;
    if (e.vex) {
      op(e, kShuffleBytes, part, e.vuse(n, part), kB);
    } else {
      e.vload(part, n);
      op(e, kShuffleBytes, part, part, kB);
    }
    if (r) op(e, kOr, kA, kA, kC);
  }
}

}  // namespace

void UZP1(Emitter& e, Insn i) { unzip(e, i, false); }
void UZP2(Emitter& e, Insn i) { unzip(e, i, true); }
void ZIP1(Emitter& e, Insn i) { zip(e, i, false); }
void ZIP2(Emitter& e, Insn i) { zip(e, i, true); }
void TRN1(Emitter& e, Insn i) { transpose(e, i, false); }
void TRN2(Emitter& e, Insn i) { transpose(e, i, true); }

void EXT(Emitter& e, Insn i) {
  u8 n = static_cast<u8>(i.imm4());
  if (i.Q()) {
    Xmm x = e.vex ? e.vdef(i.Rd(), kA) : kA;
    Xmm m = e.vuse(i.Rm(), kA);
    if (!e.vex) e.vload(kA, i.Rm()), m = kA;
    op_imm(e, kAlign, x, m, i.Rn(), n);
    return e.vcommit(i.Rd(), x);
  }
  e.vload(kA, i.Rn());
  op(e, kUnpackLow[3], kA, kA, i.Rm());
  if (n) shift_bytes_right(e, kA, kA, n);
  e.vcommit64(i.Rd(), kA);
}

void TBL(Emitter& e, Insn i) {
  look_up(e, i);
  finish(e, i, kA);
}

void TBX(Emitter& e, Insn i) {
  look_up(e, i);
  // In range: min(index, limit) == index.
  e.vload(kB, i.Rm());
  op(e, kMinU[0], kB, kB, Constant::TableLimit + i.tbl_len());
  op(e, kEqual[0], kB, kB, i.Rm());
  op(e, kAndNot, kB, kB, i.Rd());
  op(e, kOr, kA, kA, kB);
  finish(e, i, kA);
}

void REV64(Emitter& e, Insn i) {
  if (i.size() < 2) return reverse(e, i, i.size() == 0 ? Constant::ReverseBytesIn64 : Constant::ReverseHalvesIn64);
  Xmm x = e.vdef(i.Rd(), kA);
  shuffle_words(e, x, i.Rn(), 0xb1);
  finish(e, i, x);
}
void REV32_v(Emitter& e, Insn i) {
  reverse(e, i, i.size() == 0 ? Constant::ReverseBytesIn32 : Constant::ReverseHalvesIn32);
}
void REV16_v(Emitter& e, Insn i) { reverse(e, i, Constant::ReverseBytesIn16); }

void RBIT_v(Emitter& e, Insn i) {
  e.vload(kB, i.Rn());
  op(e, kAnd, kB, kB, Constant::Nibbles);
  load_constant(e, kA, Constant::ReversedNibbleHigh);
  op(e, kShuffleBytes, kA, kA, kB);
  e.vload(kB, i.Rn());
  shift_right(e, 1, kB, kB, 4);
  op(e, kAnd, kB, kB, Constant::Nibbles);
  load_constant(e, kC, Constant::ReversedNibbleLow);
  op(e, kShuffleBytes, kC, kC, kB);
  op(e, kOr, kA, kA, kC);
  finish(e, i, kA);
}

}  // namespace grus::a64_to_x64::templates
