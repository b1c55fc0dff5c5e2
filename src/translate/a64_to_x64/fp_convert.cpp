// SPDX-License-Identifier: MIT
// Scalar conversions: between single and double precision, to and from integers and fixed point in general
// registers. Half precision runs its semantics.
//
// A conversion that is out of range raises invalid and nothing else in the architecture, so a conversion that
// may raise inexact for such an operand on the host (because it goes through a wider integer, or rounds
// first) looks at the exponent beforehand.
#include "translate/a64_to_x64/fp.h"

namespace grus::a64_to_x64::templates {

using namespace fp;

namespace {

// Toward zero, signed. Out of range gives the most negative integer, and invalid.
void to_signed(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  if (traps(e)) {
    Reg r = e.def(i.Rd(), Reg::rax);
    truncate_to_general(e, r, i.sz(), i.sf(), e.vuse(i.Rn(), kA));
    return e.commit(i.Rd(), r);
  }
  e.clobber_flags();
  truncate_to_general(e, Reg::rax, i.sz(), i.sf(), e.vuse(i.Rn(), kA));
  e.alu_imm(Alu::cmp, i.sf() ? 64 : 32, Reg::rax, 1);
  e.semantics_if(CC::o);
  e.commit(i.Rd(), Reg::rax);
}

// Without VCVTTSD2USI and traps: not negative and below 2^32 or 2^63.
void to_unsigned(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  if (traps(e) && e.host().avx512vl) {
    Reg r = e.def(i.Rd(), Reg::rax);
    e.evex(scalar_prefix(i.sz()), 1, 0x78, Xmm(r), Xmm::x0, e.vuse(i.Rn(), kA), i.sf());
    return e.commit(i.Rd(), r);
  }
  e.clobber_flags();
  require_below(e, i.sz(), i.Rn(), i.sf() ? 63 : 32, false);
  truncate_to_general(e, Reg::rax, i.sz(), true, e.vuse(i.Rn(), kA));
  e.commit(i.Rd(), Reg::rax);
}

// Rounded first: 0 to nearest, 1 down, 2 up. Bounds leave room for rounding up.
void to_rounded(Emitter& e, Insn i, u8 mode, bool is_unsigned) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  require_below(e, i.sz(), i.Rn(), i.sf() ? 62 : is_unsigned ? 31 : 30, !is_unsigned);
  e.xorps_self(kA);
  e.sse3(0x66, 3, i.sz() ? 0x0b : 0x0a, kA, kA, e.vuse(i.Rn(), kB));
  e.byte(mode);
  truncate_to_general(e, Reg::rax, i.sz(), true, kA);
  if (!i.sf()) e.mov(32, Reg::rax, Reg::rax);
  e.commit(i.Rd(), Reg::rax);
}

void from_signed(Emitter& e, Insn i, unsigned fbits) {
  if (!host_arithmetic(e)) return;
  Xmm x = e.vdef(i.Rd(), kA);
  Reg r = e.use(i.Rn(), Reg::rax);
  e.xorps_self(x);
  e.sse3(scalar_prefix(i.sz()), 1, 0x2a, x, x, Xmm(r), i.sf());
  scale(e, i.sz(), x, -static_cast<int>(fbits));
  commit_scalar(e, i.sz(), i.Rd(), x);
}

void from_unsigned(Emitter& e, Insn i, unsigned fbits) {
  if (!host_arithmetic(e)) return;
  Xmm x = e.vdef(i.Rd(), kA);
  if (i.sf() && e.host().avx512vl) {
    Reg r = e.use(i.Rn(), Reg::rax);
    e.xorps_self(x);
    e.evex(scalar_prefix(i.sz()), 1, 0x7b, x, x, Xmm(r), true);  // VCVTUSI2SD
  } else {
    if (i.sf()) e.clobber_flags();
    e.load(Reg::rax, i.Rn(), i.sf() ? 64 : 32);
    if (i.sf()) {
      e.test(64, Reg::rax, Reg::rax);
      e.semantics_if(CC::s);
    }
    e.xorps_self(x);
    e.sse3(scalar_prefix(i.sz()), 1, 0x2a, x, x, Xmm(Reg::rax), true);
  }
  scale(e, i.sz(), x, -static_cast<int>(fbits));
  commit_scalar(e, i.sz(), i.Rd(), x);
}

void to_away(Emitter& e, Insn i, bool is_unsigned) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  require_below(e, i.sz(), i.Rn(), i.sf() ? 62 : is_unsigned ? 31 : 30, !is_unsigned);
  load_scalar(e, i.sz(), kA, i.Rn());
  round_away(e, i.sz(), false, 0);
  truncate_to_general(e, Reg::rax, i.sz(), true, kB);
  if (!i.sf()) e.mov(32, Reg::rax, Reg::rax);
  e.commit(i.Rd(), Reg::rax);
}

// The product with 2^fbits is exact except for overflow and for what is tiny, and both are kept out.
void to_fixed(Emitter& e, Insn i, bool is_unsigned) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  unsigned fbits = 64 - i.scale(), width = i.sf() ? 64 : 32;
  int limit = static_cast<int>(width - fbits) - 1;  // |x| < 2^limit has room for the sign
  unsigned size = i.sz() ? 64 : 32;
  // In range, and at least 2^-64: zero and smaller take the semantics.
  load_bits(e, i.sz(), Reg::rax, i.Rn());
  if (!is_unsigned) e.alu(Alu::add, size, Reg::rax, Reg::rax);
  e.shift_imm(Shift::shr, size, Reg::rax, static_cast<u8>(fraction_bits(i.sz()) + !is_unsigned));
  e.alu_imm(Alu::sub, 32, Reg::rax, static_cast<i32>(bias(i.sz())) - 64);
  e.alu_imm(Alu::cmp, 32, Reg::rax, limit + 64);
  e.semantics_if(CC::ae);
  load_scalar(e, i.sz(), kA, i.Rn());
  scale(e, i.sz(), kA, static_cast<int>(fbits));
  truncate_to_general(e, Reg::rax, i.sz(), true, kA);
  if (!i.sf()) e.mov(32, Reg::rax, Reg::rax);
  e.commit(i.Rd(), Reg::rax);
}

}  // namespace

void FCVT_s_to_d(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  load_scalar(e, false, kA, i.Rn());
  e.sse3(0xf3, 1, 0x5a, kA, kA, kA);
  check_scalar(e, true, kA, Check::Nan);
  commit_scalar(e, true, i.Rd(), kA);
}
void FCVT_d_to_s(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  Xmm x = i.Rd() == i.Rn() ? kA : e.vdef(i.Rd(), kA);
  e.xorps_self(x);
  e.sse3(0xf2, 1, 0x5a, x, x, e.vuse(i.Rn(), kB));
  check_scalar(e, false, x, Check::NanAndTiny);
  commit_scalar(e, false, i.Rd(), x);
}

// VCVTPH2PS has four lanes; the others are zero.
static void from_half(Emitter& e, Insn i, bool to_double) {
  if (!e.host().f16c) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  if (Emitter::vhome(i.Rn()) == Xmm::none) {
    e.movzx(16, Reg::rax, Emitter::vslot(i.Rn()));
  } else {
    e.movd(Reg::rax, Emitter::vhome(i.Rn()));
    e.movzx(16, Reg::rax, Reg::rax);
  }
  e.movd(kA, Reg::rax);
  e.sse(0x66, 2, 0x13, kA, kA);
  if (to_double) e.sse3(0xf3, 1, 0x5a, kA, kA, kA);
  check_scalar(e, to_double, kA, Check::Nan);
  commit_scalar(e, to_double, i.Rd(), kA);
}
void FCVT_h_to_s(Emitter& e, Insn i) { from_half(e, i, false); }
void FCVT_h_to_d(Emitter& e, Insn i) { from_half(e, i, true); }

void FCVTZS_r(Emitter& e, Insn i) { to_signed(e, i); }
void FCVTZU_r(Emitter& e, Insn i) { to_unsigned(e, i); }
void FCVTNS_r(Emitter& e, Insn i) { to_rounded(e, i, 0, false); }
void FCVTNU_r(Emitter& e, Insn i) { to_rounded(e, i, 0, true); }
void FCVTMS_r(Emitter& e, Insn i) { to_rounded(e, i, 1, false); }
void FCVTMU_r(Emitter& e, Insn i) { to_rounded(e, i, 1, true); }
void FCVTPS_r(Emitter& e, Insn i) { to_rounded(e, i, 2, false); }
void FCVTPU_r(Emitter& e, Insn i) { to_rounded(e, i, 2, true); }
void FCVTAS_r(Emitter& e, Insn i) { to_away(e, i, false); }
void FCVTAU_r(Emitter& e, Insn i) { to_away(e, i, true); }
void FCVTZS_fix(Emitter& e, Insn i) { to_fixed(e, i, false); }
void FCVTZU_fix(Emitter& e, Insn i) { to_fixed(e, i, true); }
void SCVTF_r(Emitter& e, Insn i) { from_signed(e, i, 0); }
void UCVTF_r(Emitter& e, Insn i) { from_unsigned(e, i, 0); }
void SCVTF_fix(Emitter& e, Insn i) { from_signed(e, i, 64 - i.scale()); }
void UCVTF_fix(Emitter& e, Insn i) { from_unsigned(e, i, 64 - i.scale()); }

}  // namespace grus::a64_to_x64::templates
