// SPDX-License-Identifier: MIT
// Vector conversions and roundings of single and double precision, and the scalar ones within vector
// registers. Half precision sources of FCVTL use F16C; integers from ties away, FCVTXN, narrowing to half and
// most fixed-point forms run their semantics.
//
// Elements and their integers are equally wide here: whatever is out of range has no fraction (or is negative
// where the result is unsigned, which is looked at first), so rounding it raises no inexact that the guest
// would not see.
#include "translate/a64_to_x64/fp.h"

namespace grus::a64_to_x64::templates {

using namespace fp;

namespace {

void finish(Emitter& e, Insn i, Xmm x) { simd::finish(e, i, x); }

// ROUNDPS: 0-3 a mode, 4 MXCSR's; 8 = raise no inexact.
constexpr u8 kQuiet = 8, kByMxcsr = 4, kTruncate = 3, kAway = 0xff;
void round_lanes(Emitter& e, bool is_double, Xmm x, u8 mode) {
  e.sse(0x66, 3, is_double ? 0x09 : 0x08, x, x);
  e.byte(mode);
}

void round_integral(Emitter& e, Insn i, u8 mode) {
  if (!host_arithmetic(e)) return;
  load_vector(e, i, kA, i.Rn());
  round_lanes(e, i.sz(), kA, mode);
  check_vector(e, i.sz(), kA, Check::Nan);
  finish(e, i, kA);
}

// kA = Vn; to the semantics unless every lane is below 2^62 in magnitude. Changes rax, kB, kC and EFLAGS.
void require_below_away(Emitter& e, Insn i) {
  load_vector(e, i, kA, i.Rn());
  e.sse3(0, 1, kAnd, kB, kA, e.constant(i.sz() ? Constant::Magnitude64 : Constant::Magnitude32));
  e.mov_imm(Reg::rax, u64{bias(i.sz()) + 62} << fraction_bits(i.sz()));
  e.movq(kC, Reg::rax);
  simd::shuffle_words(e, kC, kC, i.sz() ? 0x44 : 0);
  e.sse3(0x66, i.sz() ? 2 : 1, i.sz() ? 0x37 : 0x66, kB, kB, kC);  // PCMPGTQ, PCMPGTD
  e.sse(0, 1, kMoveMask, Xmm(Reg::rax), kB);
  e.test(32, Reg::rax, Reg::rax);
  e.semantics_if(CC::ne);
}

/* -- To integers
 * ---------------------------------------------------------------------------------------------------------
 */

// kA = kA's doubles as integers, which fit; else the semantics. Changes rax, rdx and kB.
void doubles_to_integers(Emitter& e) {
  simd::shuffle_words(e, kB, kA, 0xee);
  truncate_to_general(e, Reg::rax, true, true, kA);
  truncate_to_general(e, Reg::rdx, true, true, kB);
  if (!traps(e)) {
    e.alu_imm(Alu::cmp, 64, Reg::rax, 1);
    e.semantics_if(CC::o);
    e.alu_imm(Alu::cmp, 64, Reg::rdx, 1);
    e.semantics_if(CC::o);
  }
  e.movq(kA, Reg::rax);
  e.sse3(0x66, 3, 0x22, kA, kA, Xmm(Reg::rdx), true);  // PINSRQ
  e.byte(1);
}

// kA = 2^exponent times kA, exactly.
void scale_lanes(Emitter& e, bool is_double, int exponent) {
  if (exponent == 0) return;
  e.mov_imm(Reg::rax, static_cast<u64>(static_cast<int>(bias(is_double)) + exponent) << fraction_bits(is_double));
  e.movq(kB, Reg::rax);
  simd::shuffle_words(e, kB, kB, is_double ? 0x44 : 0);
  e.sse3(packed_prefix(is_double), 1, kMul, kA, kA, kB);
}

// An overflow would be seen: only what is in range.
void to_signed_fixed(Emitter& e, Insn i, bool is_double, unsigned fbits) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  load_vector(e, i, kA, i.Rn());
  e.sse3(0, 1, kAnd, kB, kA, e.constant(is_double ? Constant::Magnitude64 : Constant::Magnitude32));
  e.mov_imm(Reg::rax, u64{bias(is_double) + (is_double ? 63 : 31) - fbits} << (is_double ? 20 : 23));
  e.movd(kC, Reg::rax);
  simd::shuffle_words(e, kC, kC, 0);
  e.sse3(0x66, 1, 0x66, kC, kC, kB);  // PCMPGTD; of doubles the upper words count
  e.sse(packed_prefix(is_double), 1, kMoveMask, Xmm(Reg::rax), kC);
  e.alu_imm(Alu::cmp, 32, Reg::rax, is_double ? 3 : 15);
  e.semantics_if(CC::ne);
  scale_lanes(e, is_double, static_cast<int>(fbits));
  is_double ? doubles_to_integers(e) : e.sse(0xf3, 1, 0x5b, kA, kA);  // CVTTPS2DQ
  finish(e, i, kA);
}

void to_signed(Emitter& e, Insn i, u8 mode) {
  if (!host_arithmetic(e)) return;
  if (mode == kAway) {
    e.clobber_flags();
    require_below_away(e, i);
    round_away(e, i.sz(), true, 0);
    e.movaps(kA, kB);
  } else {
    if (!traps(e)) e.clobber_flags();
    load_vector(e, i, kA, i.Rn());
    if (mode != kTruncate) round_lanes(e, i.sz(), kA, mode);
  }
  if (i.sz()) {
    doubles_to_integers(e);
  } else {
    e.sse(0xf3, 1, 0x5b, kA, kA);  // CVTTPS2DQ
    if (!traps(e)) {
      e.sse3(0x66, 1, 0x76, kB, kA, e.constant(Constant::Sign32));
      e.sse(0, 1, kMoveMask, Xmm(Reg::rax), kB);
      e.test(32, Reg::rax, Reg::rax);
      e.semantics_if(CC::ne);
    }
  }
  finish(e, i, kA);
}

// Not negative and below 2^31, 2^63.
void to_unsigned(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  load_vector(e, i, kA, i.Rn());
  if (i.sz()) {
    e.movq(Reg::rax, kA);
    e.sse(0x66, 3, 0x16, kA, Xmm(Reg::rdx), true);  // PEXTRQ
    e.byte(1);
    const Reg lanes[] = {Reg::rax, Reg::rdx};
    for (Reg r : lanes) {
      e.shift_imm(Shift::shr, 64, r, 52);
      e.alu_imm(Alu::cmp, 32, r, 1023 + 63);
      e.semantics_if(CC::ae);
    }
    doubles_to_integers(e);
  } else {
    e.mov_imm(Reg::rax, (127 + 31) << 23);
    e.movd(kB, Reg::rax);
    simd::shuffle_words(e, kB, kB, 0);
    e.sse3(0x66, 1, 0x66, kB, kB, kA);  // PCMPGTD: also for negative numbers, whose signs count below
    e.sse3(0x66, 1, 0x76, kC, kC, kC);
    e.sse3(0x66, 1, 0xef, kB, kB, kC);
    e.sse3(0x66, 1, 0xeb, kB, kB, kA);
    e.sse(0, 1, kMoveMask, Xmm(Reg::rax), kB);
    e.test(32, Reg::rax, Reg::rax);
    e.semantics_if(CC::ne);
    e.sse(0xf3, 1, 0x5b, kA, kA);
  }
  finish(e, i, kA);
}

void scalar_to_signed(Emitter& e, Insn i, u8 mode) {
  if (!host_arithmetic(e)) return;
  if (!traps(e)) e.clobber_flags();
  Xmm x = e.vuse(i.Rn(), kA);
  if (mode != kTruncate) {
    e.xorps_self(kB);
    e.sse3(0x66, 3, i.sz() ? 0x0b : 0x0a, kB, kB, x);
    e.byte(mode);
    x = kB;
  }
  truncate_to_general(e, Reg::rax, i.sz(), i.sz(), x);
  if (!traps(e)) {
    e.alu_imm(Alu::cmp, i.sz() ? 64 : 32, Reg::rax, 1);
    e.semantics_if(CC::o);
  }
  e.movq(kA, Reg::rax);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}
void scalar_to_unsigned(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  require_below(e, i.sz(), i.Rn(), i.sz() ? 63 : 32, false);
  truncate_to_general(e, Reg::rax, i.sz(), true, e.vuse(i.Rn(), kA));
  e.movq(kA, Reg::rax);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

/* -- From integers
 * ------------------------------------------------------------------------------------------------------- */

// kA = kA's integers as numbers: VCVTQQ2PD, VCVTUQQ2PD, VCVTUDQ2PS.
void convert_lanes(Emitter& e, bool is_double, bool is_unsigned) {
  e.evex(is_double ? 0xf3 : 0xf2, 1, is_unsigned ? 0x7a : 0xe6, kA, Xmm::x0, kA, is_double);
}

void from_integers(Emitter& e, Insn i, bool is_double, bool is_unsigned, unsigned fbits) {
  if (!host_arithmetic(e)) return;
  if (e.host().avx512vl && (is_double || is_unsigned)) {
    load_vector(e, i, kA, i.Rn());
    convert_lanes(e, is_double, is_unsigned);
  } else if (is_double) {
    if (is_unsigned) e.clobber_flags();
    load_bits(e, true, Reg::rax, i.Rn());
    if (Emitter::vhome(i.Rn()) == Xmm::none) {
      e.mov(64, Reg::rdx, Emitter::vslot(i.Rn(), 8));
    } else {
      e.sse(0x66, 3, 0x16, Emitter::vhome(i.Rn()), Xmm(Reg::rdx), true);  // PEXTRQ
      e.byte(1);
    }
    if (is_unsigned) {
      e.mov(64, Reg::rcx, Reg::rax);
      e.alu(Alu::or_, 64, Reg::rcx, Reg::rdx);
      e.semantics_if(CC::s);
    }
    e.xorps_self(kA);
    e.sse3(0xf2, 1, 0x2a, kA, kA, Xmm(Reg::rax), true);
    e.xorps_self(kB);
    e.sse3(0xf2, 1, 0x2a, kB, kB, Xmm(Reg::rdx), true);
    e.sse3(0x66, 1, 0x14, kA, kA, kB);
  } else {
    load_vector(e, i, kA, i.Rn());
    if (is_unsigned) {
      // Halves convert exactly, and so does the upper one's scaling: only the sum rounds.
      simd::shift_right(e, 2, kB, kA, 16);
      e.sse3(0x66, 1, 0xdb, kA, kA, e.constant(Constant::LowHalfOfWord));
      e.sse(0, 1, 0x5b, kB, kB);
      e.sse(0, 1, 0x5b, kA, kA);
      e.sse3(0, 1, kMul, kB, kB, e.constant(Constant::Float65536));
      e.sse3(0, 1, kAdd, kA, kA, kB);
    } else {
      e.sse(0, 1, 0x5b, kA, kA);  // CVTDQ2PS
    }
  }
  scale_lanes(e, is_double, -static_cast<int>(fbits));
  finish(e, i, kA);
}

void scalar_from_integer(Emitter& e, Insn i, bool is_double, bool is_unsigned, unsigned fbits) {
  if (!host_arithmetic(e)) return;
  if (e.host().avx512vl && is_double && is_unsigned) {
    load_scalar(e, true, kA, i.Rn());
    convert_lanes(e, true, true);
  } else {
    if (is_double && is_unsigned) e.clobber_flags();
    load_bits(e, is_double, Reg::rax, i.Rn());
    if (is_double && is_unsigned) {
      e.test(64, Reg::rax, Reg::rax);
      e.semantics_if(CC::s);
    }
    e.xorps_self(kA);
    e.sse3(scalar_prefix(is_double), 1, 0x2a, kA, kA, Xmm(Reg::rax), is_double || is_unsigned);
  }
  scale(e, is_double, kA, -static_cast<int>(fbits));
  commit_scalar(e, is_double, i.Rd(), kA);
}

unsigned fbits_of(Insn i) { return (i.immh() >= 8 ? 128 : 64) - (i.immh() << 3 | i.immb()); }

}  // namespace

void FRINTN_v(Emitter& e, Insn i) { round_integral(e, i, kQuiet | 0); }
void FRINTM_v(Emitter& e, Insn i) { round_integral(e, i, kQuiet | 1); }
void FRINTP_v(Emitter& e, Insn i) { round_integral(e, i, kQuiet | 2); }
void FRINTZ_v(Emitter& e, Insn i) { round_integral(e, i, kQuiet | kTruncate); }
void FRINTA_v(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  require_below_away(e, i);
  round_away(e, i.sz(), true, kQuiet);
  finish(e, i, kB);
}
void FRINTI_v(Emitter& e, Insn i) { round_integral(e, i, kQuiet | kByMxcsr); }
void FRINTX_v(Emitter& e, Insn i) { round_integral(e, i, kByMxcsr); }

void FCVTNS_v(Emitter& e, Insn i) { to_signed(e, i, 0); }
void FCVTMS_v(Emitter& e, Insn i) { to_signed(e, i, 1); }
void FCVTPS_v(Emitter& e, Insn i) { to_signed(e, i, 2); }
void FCVTAS_v(Emitter& e, Insn i) { to_signed(e, i, kAway); }
void FCVTZS_v(Emitter& e, Insn i) { to_signed(e, i, kTruncate); }
void FCVTZU_v(Emitter& e, Insn i) { to_unsigned(e, i); }
void FCVTNS_s(Emitter& e, Insn i) { scalar_to_signed(e, i, 0); }
void FCVTMS_s(Emitter& e, Insn i) { scalar_to_signed(e, i, 1); }
void FCVTPS_s(Emitter& e, Insn i) { scalar_to_signed(e, i, 2); }
void FCVTZS_s(Emitter& e, Insn i) { scalar_to_signed(e, i, kTruncate); }
void FCVTZU_s(Emitter& e, Insn i) { scalar_to_unsigned(e, i); }

void SCVTF_v(Emitter& e, Insn i) { from_integers(e, i, i.sz(), false, 0); }
void UCVTF_v(Emitter& e, Insn i) { from_integers(e, i, i.sz(), true, 0); }
void SCVTF_s(Emitter& e, Insn i) { scalar_from_integer(e, i, i.sz(), false, 0); }
void UCVTF_s(Emitter& e, Insn i) { scalar_from_integer(e, i, i.sz(), true, 0); }
void SCVTF_vfix(Emitter& e, Insn i) { from_integers(e, i, i.immh() >= 8, false, fbits_of(i)); }
void UCVTF_vfix(Emitter& e, Insn i) { from_integers(e, i, i.immh() >= 8, true, fbits_of(i)); }
void SCVTF_sfix(Emitter& e, Insn i) { scalar_from_integer(e, i, i.immh() >= 8, false, fbits_of(i)); }
void UCVTF_sfix(Emitter& e, Insn i) { scalar_from_integer(e, i, i.immh() >= 8, true, fbits_of(i)); }

void FCVTZS_vfix(Emitter& e, Insn i) { to_signed_fixed(e, i, i.immh() >= 8, fbits_of(i)); }

void FCVTL(Emitter& e, Insn i) {
  if (!i.sz() && !e.host().f16c) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  unsigned n = i.Rn();
  if (i.Q() && Emitter::vhome(n) != Xmm::none)
    simd::shuffle_words(e, kA, n, 0xee);
  else if (i.Q())
    e.movq(kA, Emitter::vslot(n, 8));
  else
    e.vload(kA, n);
  i.sz() ? e.sse(0, 1, 0x5a, kA, kA) : e.sse(0x66, 2, 0x13, kA, kA);  // CVTPS2PD, VCVTPH2PS
  check_vector(e, i.sz(), kA, Check::Nan);
  e.vcommit(i.Rd(), kA);
}
void FCVTN(Emitter& e, Insn i) {
  if (!i.sz()) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  e.sse(0x66, 1, 0x5a, kA, e.vuse(i.Rn(), kA));  // CVTPD2PS clears the upper half
  check_vector(e, false, kA, Check::NanAndTiny);
  if (!i.Q()) return e.vcommit(i.Rd(), kA);
  simd::set_high_half(e, i.Rd(), kA);
}

}  // namespace grus::a64_to_x64::templates
