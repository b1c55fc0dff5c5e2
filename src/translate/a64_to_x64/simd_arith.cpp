// SPDX-License-Identifier: MIT
// Arithmetic on equal element sizes. Saturating forms compare with the wrapped result: what differs was saturated and sets
// FPSR.QC. Without templates: PMUL, SQRDMLAH, SQRDMLSH, SUQADD, USQADD, SQABS, SQNEG, saturating sums of doubles and scalars.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

/* -- Logic ------------------------------------------------------------------------------------------------------------ */

void AND_v(Emitter& e, Insn i) { binary(e, i, kAnd, i.Rn(), i.Rm(), true); }
void EOR_v(Emitter& e, Insn i) {
  if (i.Rn() != i.Rm()) return binary(e, i, kXor, i.Rn(), i.Rm(), true);
  Xmm x = e.vdef(i.Rd(), kA);
  zero(e, x);
  e.vcommit(i.Rd(), x);
}
void BIC_v(Emitter& e, Insn i) { binary(e, i, kAndNot, i.Rm(), i.Rn(), false); }  // PANDN inverts its first operand

void ORR_v(Emitter& e, Insn i) {
  if (i.Rn() != i.Rm()) return binary(e, i, kOr, i.Rn(), i.Rm(), true);
  Xmm x = e.vdef(i.Rd(), kA);
  if (i.Q())
    e.vload(x, i.Rn());
  else if (Emitter::vhome(i.Rn()) != Xmm::none)
    e.movq(x, Emitter::vhome(i.Rn()));
  else
    e.movq(x, Emitter::vslot(i.Rn()));
  e.vcommit(i.Rd(), x);
  if (i.Q() && i.Rd() != i.Rn()) e.set_vector_move(i.Rd(), i.Rn());
}

void ORN_v(Emitter& e, Insn i) {
  ones(e, kA);
  op(e, kXor, kA, kA, i.Rm());
  op(e, kOr, kA, kA, i.Rn());
  finish(e, i, kA);
}

void NOT_v(Emitter& e, Insn i) {
  ones(e, kA);
  op(e, kXor, kA, kA, i.Rn());
  finish(e, i, kA);
}

namespace {
// ((a ^ b) & mask) ^ b: a where the mask is set, else b.
void select(Emitter& e, Insn i, unsigned a, unsigned b, unsigned mask) {
  e.vload(kA, a);
  op(e, kXor, kA, kA, b);
  op(e, kAnd, kA, kA, mask);
  op(e, kXor, kA, kA, b);
  finish(e, i, kA);
}
}  // namespace

void BSL_v(Emitter& e, Insn i) { select(e, i, i.Rn(), i.Rm(), i.Rd()); }
void BIT_v(Emitter& e, Insn i) { select(e, i, i.Rn(), i.Rd(), i.Rm()); }
void BIF_v(Emitter& e, Insn i) { select(e, i, i.Rd(), i.Rn(), i.Rm()); }

/* -- Add, subtract, multiply ------------------------------------------------------------------------------------------ */

void ADD_v(Emitter& e, Insn i) { binary(e, i, kAdd[i.size()], i.Rn(), i.Rm(), true); }
void SUB_v(Emitter& e, Insn i) { binary(e, i, kSub[i.size()], i.Rn(), i.Rm(), false); }
void ADD_s(Emitter& e, Insn i) { binary(e, i, kAdd[3], i.Rn(), i.Rm(), true, true); }
void SUB_s(Emitter& e, Insn i) { binary(e, i, kSub[3], i.Rn(), i.Rm(), false, true); }

void MUL_v(Emitter& e, Insn i) {
  if (i.size() != 0) return binary(e, i, i.size() == 1 ? kMul16 : kMul32, i.Rn(), i.Rm(), true);
  multiply(e, 0, kA, i.Rn(), i.Rm(), kB, kC);
  finish(e, i, kA);
}
void MLA_v(Emitter& e, Insn i) {
  multiply(e, i.size(), kA, i.Rn(), i.Rm(), kB, kC);
  op(e, kAdd[i.size()], kA, kA, i.Rd());
  finish(e, i, kA);
}
void MLS_v(Emitter& e, Insn i) {
  multiply(e, i.size(), kA, i.Rn(), i.Rm(), kB, kC);
  e.vload(kB, i.Rd());
  op(e, kSub[i.size()], kB, kB, kA);
  finish(e, i, kB);
}

namespace {
void negate(Emitter& e, Insn i, unsigned size, bool scalar) {
  zero(e, kA);
  op(e, kSub[size], kA, kA, i.Rn());
  finish(e, i, kA, scalar);
}
void absolute(Emitter& e, Insn i, unsigned size, bool scalar) {
  if (kAbs[size].exists()) {
    Xmm x = e.vdef(i.Rd(), kA);
    op1(e, kAbs[size], x, i.Rn());
    return finish(e, i, x, scalar);
  }
  // (n ^ sign) - sign
  Xmm n = e.vuse(i.Rn(), kC);
  zero(e, kB);
  op(e, kGreater[3], kB, kB, n);
  op(e, kXor, kA, n, kB);
  op(e, kSub[3], kA, kA, kB);
  finish(e, i, kA, scalar);
}
}  // namespace

void NEG_v(Emitter& e, Insn i) { negate(e, i, i.size(), false); }
void NEG_s(Emitter& e, Insn i) { negate(e, i, 3, true); }
void ABS_v(Emitter& e, Insn i) { absolute(e, i, i.size(), false); }
void ABS_s(Emitter& e, Insn i) { absolute(e, i, 3, true); }

/* -- Minimum, maximum, difference ------------------------------------------------------------------------------------- */

void SMAX_v(Emitter& e, Insn i) { binary(e, i, kMaxS[i.size()], i.Rn(), i.Rm(), true); }
void UMAX_v(Emitter& e, Insn i) { binary(e, i, kMaxU[i.size()], i.Rn(), i.Rm(), true); }
void SMIN_v(Emitter& e, Insn i) { binary(e, i, kMinS[i.size()], i.Rn(), i.Rm(), true); }
void UMIN_v(Emitter& e, Insn i) { binary(e, i, kMinU[i.size()], i.Rn(), i.Rm(), true); }

namespace {
// |n - m| = max - min, modulo the element.
void difference(Emitter& e, Insn i, bool is_signed, bool accumulate) {
  unsigned size = i.size();
  Xmm n = e.vuse(i.Rn(), kC);
  op(e, (is_signed ? kMaxS : kMaxU)[size], kA, n, i.Rm());
  op(e, (is_signed ? kMinS : kMinU)[size], kB, n, i.Rm());
  op(e, kSub[size], kA, kA, kB);
  if (accumulate) op(e, kAdd[size], kA, kA, i.Rd());
  finish(e, i, kA);
}
}  // namespace

void SABD_v(Emitter& e, Insn i) { difference(e, i, true, false); }
void UABD_v(Emitter& e, Insn i) { difference(e, i, false, false); }
void SABA_v(Emitter& e, Insn i) { difference(e, i, true, true); }
void UABA_v(Emitter& e, Insn i) { difference(e, i, false, true); }

namespace {
// (n + m) >> 1 = (n & m) + ((n ^ m) >> 1); rounded up, (n | m) - ((n ^ m) >> 1).
void halving_add(Emitter& e, Insn i, bool is_signed, bool round) {
  unsigned size = i.size();
  if (round && !is_signed && size < 2) return binary(e, i, size == 0 ? HostOp{1, 0xe0} : HostOp{1, 0xe3}, i.Rn(), i.Rm(), true);
  e.vload(kA, i.Rn());
  op(e, kXor, kA, kA, i.Rm());
  shift_right_any(e, size, is_signed, kB, kA, 1, kC);
  e.vload(kA, i.Rn());
  op(e, round ? kOr : kAnd, kA, kA, i.Rm());
  op(e, (round ? kSub : kAdd)[size], kA, kA, kB);
  finish(e, i, kA);
}
// (n - m) >> 1 = ((n ^ m) >> 1) - (~n & m).
void halving_subtract(Emitter& e, Insn i, bool is_signed) {
  unsigned size = i.size();
  e.vload(kA, i.Rn());
  op(e, kXor, kA, kA, i.Rm());
  shift_right_any(e, size, is_signed, kB, kA, 1, kC);
  e.vload(kA, i.Rn());
  op(e, kAndNot, kA, kA, i.Rm());
  op(e, kSub[size], kB, kB, kA);
  finish(e, i, kB);
}
}  // namespace

void SHSUB_v(Emitter& e, Insn i) { halving_subtract(e, i, true); }
void UHSUB_v(Emitter& e, Insn i) { halving_subtract(e, i, false); }
void SHADD_v(Emitter& e, Insn i) { halving_add(e, i, true, false); }
void UHADD_v(Emitter& e, Insn i) { halving_add(e, i, false, false); }
void SRHADD_v(Emitter& e, Insn i) { halving_add(e, i, true, true); }
void URHADD_v(Emitter& e, Insn i) { halving_add(e, i, false, true); }

/* -- Pairs ------------------------------------------------------------------------------------------------------------ */

namespace {
// Pairs of Vm:Vn. For bytes and halves each lane is combined with its upper neighbour, and every second one kept.
void pairwise(Emitter& e, Insn i, const HostOp* table) {
  unsigned size = i.size();
  HostOp o = table[size];
  Xmm n = e.vuse(i.Rn(), kA);
  if (!i.Q()) {  // both low halves, then as one register
    op(e, kUnpackLow[3], kB, n, i.Rm());
    n = kB;
  }
  if (size == 3) {
    e.movaps(kC, n);
    op(e, kUnpackLow[3], kB, kC, i.Rm());
    op(e, kUnpackHigh[3], kC, kC, i.Rm());
    op(e, o, kB, kB, kC);
    return finish(e, i, kB);
  }
  if (size == 2) {
    Xmm m = i.Q() ? e.vuse(i.Rm(), kB) : kB;
    e.sse3(0, 1, 0xc6, kC, n, m);  // SHUFPS: even words of both
    e.byte(0x88);
    e.sse3(0, 1, 0xc6, kA, n, m);
    e.byte(0xdd);
    op(e, o, kA, kA, kC);
    return finish(e, i, kA);
  }
  Constant mask = size == 0 ? Constant::LowByteOfHalf : Constant::LowHalfOfWord;
  HostOp pack = size == 0 ? kPackU16 : kPackU32;
  shift_right(e, size + 1, kC, n, bits_of(size));
  op(e, o, kC, kC, n);
  op(e, kAnd, kA, kC, mask);
  if (!i.Q()) {
    op(e, pack, kA, kA, kA);
  } else {
    Xmm m = e.vuse(i.Rm(), kB);
    shift_right(e, size + 1, kC, m, bits_of(size));
    op(e, o, kC, kC, m);
    op(e, kAnd, kC, kC, mask);
    op(e, pack, kA, kA, kC);
  }
  finish(e, i, kA);
}
}  // namespace

void ADDP_v(Emitter& e, Insn i) { pairwise(e, i, kAdd); }
void SMAXP_v(Emitter& e, Insn i) { pairwise(e, i, kMaxS); }
void UMAXP_v(Emitter& e, Insn i) { pairwise(e, i, kMaxU); }
void SMINP_v(Emitter& e, Insn i) { pairwise(e, i, kMinS); }
void UMINP_v(Emitter& e, Insn i) { pairwise(e, i, kMinU); }

void ADDP_s(Emitter& e, Insn i) {
  shuffle_words(e, kA, i.Rn(), 0xee);
  op(e, kAdd[3], kA, kA, i.Rn());
  e.vcommit64(i.Rd(), kA);
}

/* -- Across lanes ----------------------------------------------------------------------------------------------------- */

namespace {
// Folds halves onto each other; the result in the lowest lane, zeros above.
void across(Emitter& e, Insn i, const HostOp* table) {
  unsigned size = i.size();
  HostOp o = table[size];
  unsigned bits = 64;
  if (i.Q()) {
    shuffle_words(e, kA, i.Rn(), 0xee);
    op(e, o, kA, kA, i.Rn());
  } else {
    e.vload(kA, i.Rn());
  }
  while (bits > bits_of(size)) {
    bits /= 2;
    shift_right(e, 3, kB, kA, bits);
    op(e, o, kA, kA, kB);
  }
  op(e, kAnd, kA, kA, Constant::LowByte + size);
  e.vcommit(i.Rd(), kA);
}

// kA = the sum of kA's two lanes of 64 bits.
void add_halves(Emitter& e) {
  shuffle_words(e, kB, kA, 0xee);
  op(e, kAdd[3], kA, kA, kB);
}

// The sum of all lanes, wider than they are.
void long_across(Emitter& e, Insn i, bool is_signed) {
  if (i.Q())
    e.vload(kA, i.Rn());
  else
    e.movq(kA, e.vuse(i.Rn(), kA));
  switch (i.size()) {
    case 0:
      zero(e, kB);
      if (is_signed) {
        // Biased to unsigned; the zeros of a 64-bit vector are biased too.
        op(e, kXor, kA, kA, Constant::Sign8);
        op(e, kSumBytes, kA, kA, kB);
        add_halves(e);
        e.mov_imm(Reg::rax, 16 * 128);
        e.movd(kB, Reg::rax);
        op(e, kSub[1], kA, kA, kB);
      } else {
        op(e, kSumBytes, kA, kA, kB);
        if (i.Q()) add_halves(e);
      }
      op(e, kAnd, kA, kA, Constant::LowHalf);
      break;
    case 1:
      if (is_signed) {
        op(e, kMulAddPairs16, kA, kA, Constant::One16);
      } else {
        shift_right(e, 2, kB, kA, 16);
        op(e, kAnd, kA, kA, Constant::LowHalfOfWord);
        op(e, kAdd[2], kA, kA, kB);
      }
      shuffle_words(e, kB, kA, 0xee);
      op(e, kAdd[2], kA, kA, kB);
      shuffle_words(e, kB, kA, 0x55);
      op(e, kAdd[2], kA, kA, kB);
      op(e, kAnd, kA, kA, Constant::LowWord);
      break;
    default: {
      HostOp product = is_signed ? kMulS32 : kMulU32;  // by one: widens the even lanes
      shift_right(e, 3, kB, kA, 32);
      op(e, product, kB, kB, Constant::One32);
      op(e, product, kA, kA, Constant::One32);
      op(e, kAdd[3], kA, kA, kB);
      add_halves(e);
      e.movq(kA, kA);
    }
  }
  e.vcommit(i.Rd(), kA);
}
}  // namespace

void ADDV(Emitter& e, Insn i) {
  if (i.size() != 0) return across(e, i, kAdd);
  e.vload(kA, i.Rn());
  zero(e, kB);
  op(e, kSumBytes, kA, kA, kB);
  if (i.Q()) add_halves(e);
  op(e, kAnd, kA, kA, Constant::LowByte);
  e.vcommit(i.Rd(), kA);
}
void SMAXV(Emitter& e, Insn i) { across(e, i, kMaxS); }
void UMAXV(Emitter& e, Insn i) { across(e, i, kMaxU); }
void SMINV(Emitter& e, Insn i) { across(e, i, kMinS); }
void UMINV(Emitter& e, Insn i) { across(e, i, kMinU); }
void SADDLV(Emitter& e, Insn i) { long_across(e, i, true); }
void UADDLV(Emitter& e, Insn i) { long_across(e, i, false); }

/* -- Bits ------------------------------------------------------------------------------------------------------------- */

void CNT_v(Emitter& e, Insn i) {
  load_constant(e, kC, Constant::PopulationOfNibble);
  e.movaps(kA, kC);
  e.vload(kB, i.Rn());
  op(e, kAnd, kB, kB, Constant::Nibbles);
  op(e, kShuffleBytes, kA, kA, kB);
  e.vload(kB, i.Rn());
  shift_right(e, 1, kB, kB, 4);
  op(e, kAnd, kB, kB, Constant::Nibbles);
  op(e, kShuffleBytes, kC, kC, kB);
  op(e, kAdd[0], kA, kA, kC);
  finish(e, i, kA);
}

namespace {
// kA = the leading zeros of kA's lanes. Bytes by their nibbles; wider lanes add the low half's where the high half has none but
// zeros. Changes kB and kC.
void leading_zeros(Emitter& e, unsigned size) {
  if (size == 2 && e.host().avx512vl) return e.evex(0x66, 2, 0x44, kA, Xmm::x0, kA, false);  // VPLZCNTD
  op(e, kAnd, kC, kA, Constant::Nibbles);
  load_constant(e, kB, Constant::LeadingZerosLow);
  op(e, kShuffleBytes, kB, kB, kC);
  shift_right(e, 1, kA, kA, 4);
  op(e, kAnd, kA, kA, Constant::Nibbles);
  load_constant(e, kC, Constant::LeadingZerosHigh);
  op(e, kShuffleBytes, kC, kC, kA);
  op(e, kMinU[0], kA, kB, kC);
  for (unsigned s = 1; s <= size; s++) {
    op(e, kEqual[s - 1], kC, kA, s == 1 ? Constant::Eight8 : Constant::Sixteen16);
    shift_right(e, s, kC, kC, bits_of(s) / 2);
    op(e, kAnd, kC, kC, kA);
    shift_right(e, s, kA, kA, bits_of(s) / 2);
    op(e, kAdd[s], kA, kA, kC);
  }
}
}  // namespace

void CLZ_v(Emitter& e, Insn i) {
  e.vload(kA, i.Rn());
  leading_zeros(e, i.size());
  finish(e, i, kA);
}
// With negative lanes inverted the sign is one of the zeros.
void CLS_v(Emitter& e, Insn i) {
  zero(e, kA);
  op(e, kGreater[i.size()], kA, kA, i.Rn());
  op(e, kXor, kA, kA, i.Rn());
  leading_zeros(e, i.size());
  ones(e, kB);
  op(e, kAdd[i.size()], kA, kA, kB);
  finish(e, i, kA);
}

/* -- Saturation ------------------------------------------------------------------------------------------------------- */

namespace {
// Signed words: a sum overflows when its sign is neither operand's, a difference when Vn's sign is neither its nor Vm's.
void saturating_words(Emitter& e, Insn i, bool subtract) {
  e.vload(kB, i.Rn());
  op(e, kXor, kA, kB, i.Rm());
  op(e, (subtract ? kSub : kAdd)[2], kB, kB, i.Rm());
  op(e, kXor, kC, kB, i.Rn());
  op(e, subtract ? kAnd : kAndNot, kA, kA, kC);
  shift_right_signed(e, 2, kA, kA, 31);
  shift_right_signed(e, 2, kC, e.vuse(i.Rn(), kC), 31);
  op(e, kXor, kC, kC, Constant::Magnitude32);  // the limit on Vn's side
  op(e, kXor, kC, kC, kB);
  op(e, kAnd, kA, kA, kC);
  op(e, kXor, kA, kA, kB);
  note_saturation(e, i);
  finish(e, i, kA);
}
// min(n, ~m) + m and max(n, m) - m.
void saturating_unsigned_words(Emitter& e, Insn i, bool subtract) {
  if (subtract) {
    e.vload(kA, i.Rn());
    op(e, kMaxU[2], kA, kA, i.Rm());
  } else {
    ones(e, kA);
    op(e, kXor, kA, kA, i.Rm());
    op(e, kMinU[2], kA, kA, i.Rn());
  }
  const HostOp sum = (subtract ? kSub : kAdd)[2];
  op(e, sum, kA, kA, i.Rm());
  op(e, sum, kB, e.vuse(i.Rn(), kB), i.Rm());
  note_saturation(e, i);
  finish(e, i, kA);
}

void saturating(Emitter& e, Insn i, bool is_signed, HostOp bytes, HostOp halves, const HostOp* wrapped) {
  unsigned size = i.size();
  if (size == 3) return e.call_semantics();
  if (size == 2) return (is_signed ? saturating_words : saturating_unsigned_words)(e, i, wrapped == kSub);
  Xmm n = e.vuse(i.Rn(), kC);
  op(e, size == 0 ? bytes : halves, kA, n, i.Rm());
  op(e, wrapped[size], kB, n, i.Rm());
  note_saturation(e, i);
  finish(e, i, kA);
}
}  // namespace

void SQADD_v(Emitter& e, Insn i) { saturating(e, i, true, {1, 0xec}, {1, 0xed}, kAdd); }
void UQADD_v(Emitter& e, Insn i) { saturating(e, i, false, {1, 0xdc}, {1, 0xdd}, kAdd); }
void SQSUB_v(Emitter& e, Insn i) { saturating(e, i, true, {1, 0xe8}, {1, 0xe9}, kSub); }
void UQSUB_v(Emitter& e, Insn i) { saturating(e, i, false, {1, 0xd8}, {1, 0xd9}, kSub); }

/* -- Doubling multiplication, high half ------------------------------------------------------------------------------- */

namespace {
void doubling_high(Emitter& e, Insn i, bool round) {
  simd::doubling_high(e, i, i.size(), round, e.vuse(i.Rm(), kC));
  finish(e, i, kA);
}
void doubling_high_scalar(Emitter& e, Insn i, bool round) {
  e.vload(kC, i.Rm());
  op(e, kAnd, kC, kC, i.size() == 1 ? Constant::LowHalf : Constant::LowWord);
  simd::doubling_high(e, i, i.size(), round, kC);
  e.vcommit(i.Rd(), kA);
}
}  // namespace

void SQDMULH_v(Emitter& e, Insn i) { doubling_high(e, i, false); }
void SQRDMULH_v(Emitter& e, Insn i) { doubling_high(e, i, true); }
void SQDMULH_s(Emitter& e, Insn i) { doubling_high_scalar(e, i, false); }
void SQRDMULH_s(Emitter& e, Insn i) { doubling_high_scalar(e, i, true); }

}  // namespace grus::a64_to_x64::templates
