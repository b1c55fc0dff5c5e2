// SPDX-License-Identifier: MIT
// Scalar floating point of single and double precision on host SSE arithmetic; half precision runs its
// semantics.
//
// See fp.h for why a host result is the guest's. Comparisons stay in EFLAGS until somebody needs them
// elsewhere.
#include "translate/a64_to_x64/fp.h"

namespace grus::a64_to_x64::templates {

using namespace fp;

namespace {

Constant magnitude_low(bool is_double) {
  return is_double ? Constant::MagnitudeLow64 : Constant::MagnitudeLow32;
}
Constant sign_low(bool is_double) { return is_double ? Constant::SignLow64 : Constant::SignLow32; }

// The order of the operands decides between NaNs. The first one lends what is above the result: zeros.
void binary(Emitter& e, Insn i, u8 opcode, Check check, bool negate = false) {
  if (!host_arithmetic(e)) return;
  unsigned n = i.Rn(), m = i.Rm(), d = i.Rd();
  Xmm x = result_register(e, d, d == n || d == m);
  e.vop(scalar_prefix(i.sz()), 1, opcode, x, scalar_operand(e, i.sz(), d == m ? kA : x, n), m);
  check_scalar(e, i.sz(), x, check);
  if (negate) e.sse3(0, 1, kXor, x, x, e.constant(sign_low(i.sz())));
  commit_scalar(e, i.sz(), d, x);
}

// The host's minimum and maximum take their second operand when both are zero: with both orders, and sees a
// negative zero (or its absence) in either. MINSD calls any NaN invalid: where that does not trap it must not see one.
void minimum_maximum(Emitter& e, Insn i, bool is_maximum) {
  if (!host_arithmetic(e)) return;
  u8 prefix = scalar_prefix(i.sz()), opcode = is_maximum ? kMax : kMin;
  load_scalar(e, i.sz(), kA, i.Rn());
  load_scalar(e, i.sz(), kB, i.Rm());
  if (!traps(e)) {
    e.clobber_flags();
    e.sse(packed_prefix(i.sz()), 1, kUcomi, kA, kB);
    e.semantics_if(CC::p);
  }
  e.movaps(kC, kA);
  e.sse3(prefix, 1, opcode, kA, kA, kB);
  e.sse3(prefix, 1, opcode, kB, kB, kC);
  e.sse3(0, 1, is_maximum ? kAnd : kOr, kA, kA, kB);
  commit_scalar(e, i.sz(), i.Rd(), kA);
}

// VFMADD231 and its kin: opcode of the scalar form.
void multiply_add(Emitter& e, Insn i, u8 opcode) {
  if (!e.host().fma) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  unsigned n = i.Rn(), m = i.Rm(), a = i.Ra(), d = i.Rd();
  bool checked = !addend_traps(e, opcode);
  if (!checked) trap_nan(e, scalar_prefix(i.sz()), e.vuse(a, kC));
  bool is_operand = checked ? d == n || d == m || d == a : (d == n || d == m) && d != a;
  Xmm x = is_operand ? kA : e.vdef(d, kA);
  Xmm left = e.vuse(n, kB);
  load_scalar(e, i.sz(), x, a);
  if (Emitter::vhome(m) != Xmm::none)
    e.sse3(0x66, 2, opcode, x, left, Emitter::vhome(m), i.sz());
  else
    e.sse3(0x66, 2, opcode, x, left, Emitter::vslot(m), 0, i.sz());
  if (checked) check_scalar(e, i.sz(), x, Check::Fused);
  commit_scalar(e, i.sz(), d, x);
}

// UCOMISD raises invalid for signalling NaNs as FCMP does, COMISD for all as FCMPE.
void compare_operands(Emitter& e, Insn i, bool against_zero, bool signal_nans, FlagsForm form) {
  unsigned n = i.Rn(), m = i.Rm();
  u8 prefix = packed_prefix(i.sz()), opcode = signal_nans ? kComi : kUcomi;
  if (against_zero) {
    e.xorps_self(kB);
    if (form == FlagsForm::Float)
      e.sse(prefix, 1, opcode, e.vuse(n, kA), kB);
    else if (Emitter::vhome(n) != Xmm::none)
      e.sse(prefix, 1, opcode, kB, Emitter::vhome(n));
    else
      e.sse(prefix, 1, opcode, kB, e.vuse(n, kA));
    return;
  }
  unsigned left = form == FlagsForm::Float ? n : m, right = form == FlagsForm::Float ? m : n;
  Xmm x = e.vuse(left, kA);
  if (Emitter::vhome(right) != Xmm::none)
    e.sse(prefix, 1, opcode, x, e.vuse(right, kB));
  else
    e.sse(prefix, 1, opcode, x, Emitter::vslot(right));
}

void compare(Emitter& e, Insn i, bool against_zero, bool signal_nans) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  FlagsForm form = e.float_form_for_reader();
  compare_operands(e, i, against_zero, signal_nans, form);
  e.set_flags(form);
}

void conditional_compare(Emitter& e, Insn i, bool signal_nans) {
  if (i.cond() >= 14) return e.call_semantics();
  if (!host_arithmetic(e)) return;
  // When the comparison traps, the condition is looked at once more: NZCV must be where the side table says.
  if (traps(e)) e.clobber_flags();
  CC cc = e.condition(i.cond());
  e.flags_in_memory();
  CpuState otherwise;
  otherwise.set_nzcv(i.nzcv());
  e.mov_imm(Reg::rax, otherwise.nzcv_image);
  u8* skip = e.jcc8(x64::invert(cc));
  compare_operands(e, i, false, signal_nans, FlagsForm::Float);
  e.load_float_image(FlagsForm::Float);
  e.patch8(skip);
  e.mov(16, state(offsetof(CpuState, nzcv_image)), Reg::rax);
}

void round(Emitter& e, Insn i, u8 mode) {
  if (!host_arithmetic(e)) return;
  unsigned d = i.Rd(), n = i.Rn();
  Xmm x = result_register(e, d, d == n);
  load_scalar(e, i.sz(), x, n);
  e.sse3(0x66, 3, i.sz() ? 0x0b : 0x0a, x, x, x);
  e.byte(mode);
  check_scalar(e, i.sz(), x, Check::Nan);
  commit_scalar(e, i.sz(), d, x);
}
// ROUNDSD's immediate: 0-3 a mode, 4 MXCSR's; 8 = raise no inexact.
constexpr u8 kQuiet = 8, kByMxcsr = 4;

}  // namespace

/* -- One source
 * ------------------------------------------------------------------------------------------------------ */

void FMOV_s(Emitter& e, Insn i) {
  if (i.Rn() == i.Rd()) {
    e.vload(kA, i.Rn());
    clear_above(e, i.sz(), kA);
    return commit_scalar(e, i.sz(), i.Rd(), kA);
  }
  Xmm x = e.vdef(i.Rd(), kA);
  load_scalar(e, i.sz(), x, i.Rn());
  commit_scalar(e, i.sz(), i.Rd(), x);
}
void FABS_s(Emitter& e, Insn i) {
  Xmm x = e.vdef(i.Rd(), kA);
  e.sse3(0, 1, kAnd, x, e.vuse(i.Rn(), kA), e.constant(magnitude_low(i.sz())));
  commit_scalar(e, i.sz(), i.Rd(), x);
}
void FNEG_s(Emitter& e, Insn i) {
  load_scalar(e, i.sz(), kA, i.Rn());
  Xmm x = e.vdef(i.Rd(), kA);
  e.sse3(0, 1, kXor, x, kA, e.constant(sign_low(i.sz())));
  commit_scalar(e, i.sz(), i.Rd(), x);
}
void FSQRT_s(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  unsigned d = i.Rd(), n = i.Rn();
  Xmm x = result_register(e, d, d == n);
  Xmm operand = scalar_operand(e, i.sz(), x, n);
  e.sse3(scalar_prefix(i.sz()), 1, kSqrt, x, operand, operand);
  check_scalar(e, i.sz(), x, Check::Nan);
  commit_scalar(e, i.sz(), d, x);
}
void FRINTN_s(Emitter& e, Insn i) { round(e, i, kQuiet | 0); }
void FRINTM_s(Emitter& e, Insn i) { round(e, i, kQuiet | 1); }
void FRINTP_s(Emitter& e, Insn i) { round(e, i, kQuiet | 2); }
void FRINTZ_s(Emitter& e, Insn i) { round(e, i, kQuiet | 3); }
void FRINTA_s(Emitter& e, Insn i) {
  if (!host_arithmetic(e)) return;
  e.clobber_flags();
  require_below(e, i.sz(), i.Rn(), 62, true);
  load_scalar(e, i.sz(), kA, i.Rn());
  round_away(e, i.sz(), false, kQuiet);
  commit_scalar(e, i.sz(), i.Rd(), kB);
}
void FRINTI_s(Emitter& e, Insn i) { round(e, i, kQuiet | kByMxcsr); }
void FRINTX_s(Emitter& e, Insn i) { round(e, i, kByMxcsr); }

/* -- Two and three sources
 * ------------------------------------------------------------------------------------------- */

void FADD_s(Emitter& e, Insn i) { binary(e, i, kAdd, Check::Nan); }
void FSUB_s(Emitter& e, Insn i) { binary(e, i, kSub, Check::Nan); }
void FMUL_s(Emitter& e, Insn i) { binary(e, i, kMul, Check::NanAndTiny); }
void FDIV_s(Emitter& e, Insn i) { binary(e, i, kDiv, Check::Nan); }
void FNMUL_s(Emitter& e, Insn i) { binary(e, i, kMul, Check::NanAndTiny, true); }
// The numeric forms differ for NaNs only.
void FMAX_s(Emitter& e, Insn i) { minimum_maximum(e, i, true); }
void FMIN_s(Emitter& e, Insn i) { minimum_maximum(e, i, false); }
void FMAXNM_s(Emitter& e, Insn i) { minimum_maximum(e, i, true); }
void FMINNM_s(Emitter& e, Insn i) { minimum_maximum(e, i, false); }

void FMADD_s(Emitter& e, Insn i) { multiply_add(e, i, 0xb9); }   // a + n * m: VFMADD231SD
void FMSUB_s(Emitter& e, Insn i) { multiply_add(e, i, 0xbd); }   // a - n * m: VFNMADD231SD
void FNMADD_s(Emitter& e, Insn i) { multiply_add(e, i, 0xbf); }  // -a - n * m: VFNMSUB231SD
void FNMSUB_s(Emitter& e, Insn i) { multiply_add(e, i, 0xbb); }  // n * m - a: VFMSUB231SD

/* -- Compare and select
 * ---------------------------------------------------------------------------------------------- */

void FCMP_s(Emitter& e, Insn i) { compare(e, i, false, false); }
void FCMP_zero_s(Emitter& e, Insn i) { compare(e, i, true, false); }
void FCMPE_s(Emitter& e, Insn i) { compare(e, i, false, true); }
void FCMPE_zero_s(Emitter& e, Insn i) { compare(e, i, true, true); }
void FCCMP_s(Emitter& e, Insn i) { conditional_compare(e, i, false); }
void FCCMPE_s(Emitter& e, Insn i) { conditional_compare(e, i, true); }

// Without a branch: what is selected tends to be data.
void FCSEL_s(Emitter& e, Insn i) {
  unsigned n = i.Rn(), m = i.Rm();
  if (i.cond() >= 14 || n == m) {
    load_scalar(e, i.sz(), kA, n);
    return commit_scalar(e, i.sz(), i.Rd(), kA);
  }
  CC cc = e.condition(i.cond());
  unsigned size = i.sz() ? 64 : 32;
  load_bits(e, i.sz(), Reg::rax, m);
  if (Emitter::vhome(n) == Xmm::none) {
    e.cmov(size, cc, Reg::rax, Emitter::vslot(n));
  } else {
    load_bits(e, i.sz(), Reg::rcx, n);
    e.cmov(size, cc, Reg::rax, Reg::rcx);
  }
  Xmm x = e.vdef(i.Rd(), kA);
  i.sz() ? e.movq(x, Reg::rax) : e.movd(x, Reg::rax);
  commit_scalar(e, i.sz(), i.Rd(), x);
}

/* -- Moves
 * -----------------------------------------------------------------------------------------------------------
 */

// shared/functions/float/vfpexpandimm/VFPExpandImm
void FMOV_imm_s(Emitter& e, Insn i) {
  u64 imm = i.fimm8(), sign = imm >> 7, b = imm >> 6 & 1, rest = imm & 0x3f;
  u64 bits = i.sz() ? sign << 63 | (b ? u64{0xff} << 54 : u64{1} << 62) | rest << 48
                    : sign << 31 | (b ? u64{0x1f} << 25 : u64{1} << 30) | rest << 19;
  e.mov_imm(Reg::rax, bits);
  Xmm x = e.vdef(i.Rd(), kA);
  e.movq(x, Reg::rax);
  commit_scalar(e, i.sz(), i.Rd(), x);
}

static void to_general(Emitter& e, Insn i, unsigned byte, bool is_64) {
  Reg r = e.def(i.Rd(), Reg::rax);
  Xmm home = Emitter::vhome(i.Rn());
  if (home == Xmm::none) {
    e.mov(is_64 ? 64 : 32, r, Emitter::vslot(i.Rn(), byte));
  } else if (byte) {
    e.sse(0x66, 3, 0x16, home, Xmm(r), true);  // PEXTRQ
    e.byte(1);
  } else {
    is_64 ? e.movq(r, home) : e.movd(r, home);
  }
  e.commit(i.Rd(), r);
}
static void from_general(Emitter& e, Insn i, bool is_64) {  // clears the rest
  Xmm x = e.vdef(i.Rd(), kA);
  if (i.Rn() == kZero) {
    e.xorps_self(x);
  } else if (Emitter::in_memory(i.Rn())) {
    is_64 ? e.movq(x, Emitter::slot(i.Rn())) : e.movd(x, Emitter::slot(i.Rn()));
  } else {
    is_64 ? e.movq(x, Emitter::home(i.Rn())) : e.movd(x, Emitter::home(i.Rn()));
  }
  commit_scalar(e, is_64, i.Rd(), x);
}
void FMOV_s_to_w(Emitter& e, Insn i) { to_general(e, i, 0, false); }
void FMOV_d_to_x(Emitter& e, Insn i) { to_general(e, i, 0, true); }
void FMOV_top_to_x(Emitter& e, Insn i) { to_general(e, i, 8, true); }
void FMOV_w_to_s(Emitter& e, Insn i) { from_general(e, i, false); }
void FMOV_x_to_d(Emitter& e, Insn i) { from_general(e, i, true); }
void FMOV_x_to_top(Emitter& e, Insn i) {
  Reg r = e.use(i.Rn(), Reg::rax);
  Xmm home = Emitter::vhome(i.Rd());
  if (home == Xmm::none) return e.mov(64, Emitter::vslot(i.Rd(), 8), r);
  e.sse3(0x66, 3, 0x22, home, home, Xmm(r), true);  // PINSRQ
  e.byte(1);
}

}  // namespace grus::a64_to_x64::templates
