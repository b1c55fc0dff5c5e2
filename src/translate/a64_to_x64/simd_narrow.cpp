// SPDX-License-Identifier: MIT
// Results half as wide as the operands. Without templates: scalar forms, and saturation of 64-bit lanes where there
// is no AVX-512.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

// The high halves of n +- m, or of that and half a unit.
void high(Emitter& e, Insn i, const HostOp* table, bool round) {
  unsigned size = i.size();
  if (round) {
    u64 half = u64{1} << (bits_of(size) - 1);
    for (unsigned bits = 2 * bits_of(size); bits < 64; bits *= 2) half |= half << bits;
    load_halves(e, kA, half, half);
    op(e, kAdd[size + 1], kA, kA, i.Rn());
  } else {
    e.vload(kA, i.Rn());
  }
  op(e, table[size + 1], kA, kA, i.Rm());
  shift_right(e, size + 1, kA, kA, bits_of(size));
  finish_narrow(e, i, size, kA);
}

unsigned immediate_size(Insn i) { return 31 - static_cast<unsigned>(__builtin_clz(i.immh())); }

void shift(Emitter& e, Insn i, bool round) {
  unsigned size = immediate_size(i), n = 2 * bits_of(size) - (i.immh() << 3 | i.immb());
  if (!round) {
    shift_right(e, size + 1, kA, e.vuse(i.Rn(), kA), n);
  } else {
    // Only the low half is kept, so the sum may wrap.
    u64 half = u64{1} << (n - 1);
    for (unsigned bits = 2 * bits_of(size); bits < 64; bits *= 2) half |= half << bits;
    load_halves(e, kA, half, half);
    op(e, kAdd[size + 1], kA, kA, i.Rn());
    shift_right(e, size + 1, kA, kA, n);
  }
  finish_narrow(e, i, size, kA);
}

// kB is kA's lanes of 2 << size bytes, saturated into its low half; QC is set when widening them again does not give kA back.
void finish_saturated(Emitter& e, Insn i, unsigned size, bool result_signed) {
  op1(e, (result_signed ? kWidenS : kWidenU)[size], kC, kB);
  e.clobber_flags();
  op(e, kEqual[1], kC, kC, kA);
  e.sse(0x66, 1, 0xd7, Xmm(Reg::rax), kC);  // PMOVMSKB
  e.alu_imm(Alu::xor_, 32, Reg::rax, 0xffff);
  e.neg(32, Reg::rax);  // CF: something differed
  e.alu(Alu::sbb, 32, Reg::rax, Reg::rax);
  e.alu_imm(Alu::and_, 32, Reg::rax, static_cast<i32>(a64::kFpsrQC));
  e.alu(Alu::or_, 32, state(offsetof(CpuState, fpsr)), Reg::rax);
  unsigned d = i.Rd();
  if (!i.Q()) return e.vcommit64(d, kB);
  set_high_half(e, d, kB);
}

enum class From { Signed, Unsigned, SignedToUnsigned };

// kA = (Vn + half a unit of the result) >> shift. The last bit that is shifted out rounds: t - (t >> 1) is half of t, rounded up.
void shift_rounded(Emitter& e, Insn i, unsigned size, bool is_signed, unsigned shift) {
  shift_right_any(e, size + 1, is_signed, kA, e.vuse(i.Rn(), kB), shift - 1, kC);
  shift_right_any(e, size + 1, is_signed, kB, kA, 1, kC);
  op(e, kSub[size + 1], kA, kA, kB);
}

// kB = kA's doubles as words.
void saturate_doubles(Emitter& e, From from) {
  constexpr u8 kSigned = 0x25, kUnsigned = 0x15;  // VPMOVSQD, VPMOVUSQD: the destination is the second operand
  Xmm x = kA;
  if (from == From::SignedToUnsigned) {
    zero(e, kB);
    e.evex(0x66, 2, 0x3d, kB, kB, kA, true);  // VPMAXSQ
    x = kB;
  }
  e.evex(0xf3, 2, from == From::Signed ? kSigned : kUnsigned, x, Xmm::x0, kB, false);
}

// The host packs signed lanes.
void saturate(Emitter& e, Insn i, unsigned size, From from, unsigned shift, bool round = false) {
  if (size == 2 && !e.host().avx512vl) return e.call_semantics();
  bool is_signed = from != From::Unsigned;
  if (round)
    shift_rounded(e, i, size, is_signed, shift);
  else if (shift)
    shift_right_any(e, size + 1, is_signed, kA, e.vuse(i.Rn(), kA), shift, kC);
  else
    e.vload(kA, i.Rn());
  if (size == 2) {
    saturate_doubles(e, from);
  } else {
    if (!is_signed && shift <= (round ? 1 : 0)) {
      // Large unsigned lanes still look negative. They become the largest that the result can hold plus one: the same saturation.
      u64 limit = size == 0 ? 0x0100010001000100 : 0x0001000000010000;
      load_halves(e, kB, limit, limit);
      op(e, kMinU[size + 1], kA, kA, kB);
    }
    HostOp pack = from == From::Signed ? (size == 0 ? kPackS16 : kPackS32) : (size == 0 ? kPackU16 : kPackU32);
    op(e, pack, kB, kA, kA);
  }
  finish_saturated(e, i, size, from == From::Signed);
}

void saturating_shift(Emitter& e, Insn i, From from, bool round) {
  unsigned size = immediate_size(i);
  saturate(e, i, size, from, 2 * bits_of(size) - (i.immh() << 3 | i.immb()), round);
}

}  // namespace

void ADDHN_v(Emitter& e, Insn i) { high(e, i, kAdd, false); }
void SUBHN_v(Emitter& e, Insn i) { high(e, i, kSub, false); }
void RADDHN_v(Emitter& e, Insn i) { high(e, i, kAdd, true); }
void RSUBHN_v(Emitter& e, Insn i) { high(e, i, kSub, true); }

void XTN_v(Emitter& e, Insn i) {
  e.vload(kA, i.Rn());
  finish_narrow(e, i, i.size(), kA);
}
void SHRN_imm(Emitter& e, Insn i) { shift(e, i, false); }
void RSHRN_imm(Emitter& e, Insn i) { shift(e, i, true); }

void SQXTN_v(Emitter& e, Insn i) { saturate(e, i, i.size(), From::Signed, 0); }
void UQXTN_v(Emitter& e, Insn i) { saturate(e, i, i.size(), From::Unsigned, 0); }
void SQXTUN_v(Emitter& e, Insn i) { saturate(e, i, i.size(), From::SignedToUnsigned, 0); }
void SQSHRN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::Signed, false); }
void UQSHRN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::Unsigned, false); }
void SQSHRUN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::SignedToUnsigned, false); }
void SQRSHRN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::Signed, true); }
void UQRSHRN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::Unsigned, true); }
void SQRSHRUN_imm(Emitter& e, Insn i) { saturating_shift(e, i, From::SignedToUnsigned, true); }

}  // namespace grus::a64_to_x64::templates
