// SPDX-License-Identifier: MIT
// Shifts with results not narrower than the operands. Without templates: saturating and rounding shifts by register, shifts by
// register of bytes and halves, and those that need AVX2 or a signed shift of 64-bit lanes by register.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

struct Immediate {
  unsigned size, value;  // value: immh:immb
  unsigned right() const { return 2 * bits_of(size) - value; }
  unsigned left() const { return value - bits_of(size); }
};
Immediate immediate(Insn i) {
  unsigned size = 31 - static_cast<unsigned>(__builtin_clz(i.immh()));
  return {size, i.immh() << 3 | i.immb()};
}

void right(Emitter& e, Insn i, bool is_signed, bool accumulate, bool scalar) {
  Immediate s = immediate(i);
  unsigned n = i.Rn();
  bool direct = !accumulate && (e.vex || s.size == 1 || s.size == 2 || !is_signed) && s.size != 0;
  Xmm x = direct ? e.vdef(i.Rd(), kA) : kA;
  shift_right_any(e, s.size, is_signed, x, e.vuse(n, kB), s.right(), kC);
  if (accumulate) op(e, kAdd[s.size], x, x, i.Rd());
  finish(e, i, x, scalar);
}

// (n + (1 << (shift - 1))) >> shift = (n >> shift) + bit (shift - 1) of n.
void right_rounded(Emitter& e, Insn i, bool is_signed, bool accumulate, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), shift = s.right();
  Xmm n = e.vuse(i.Rn(), kB);
  if (is_signed || shift < bits)
    shift_right_any(e, s.size, is_signed, kA, n, shift, kC);
  else
    zero(e, kA);
  shift_left_any(e, s.size, kC, n, bits - shift);
  shift_right_any(e, s.size, false, kC, kC, bits - 1, kB);
  op(e, kAdd[s.size], kA, kA, kC);
  if (accumulate) op(e, kAdd[s.size], kA, kA, i.Rd());
  finish(e, i, kA, scalar);
}

void left(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  Xmm x = e.vdef(i.Rd(), kA);
  shift_left_any(e, s.size, x, e.vuse(i.Rn(), kA), s.left());
  finish(e, i, x, scalar);
}

void left_insert(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), n = s.left();
  shift_left_any(e, s.size, kA, e.vuse(i.Rn(), kA), n);
  if (n) {
    // The low n bits of Vd.
    shift_left_any(e, s.size, kB, e.vuse(i.Rd(), kB), bits - n);
    shift_right_any(e, s.size, false, kB, kB, bits - n, kC);
    op(e, kOr, kA, kA, kB);
  }
  finish(e, i, kA, scalar);
}

void right_insert(Emitter& e, Insn i, bool scalar) {
  Immediate s = immediate(i);
  unsigned bits = bits_of(s.size), n = s.right();
  if (n == bits) {
    e.vload(kA, i.Rd());
  } else {
    shift_right_any(e, s.size, false, kA, e.vuse(i.Rn(), kA), n, kC);
    // The high n bits of Vd.
    shift_right_any(e, s.size, false, kB, e.vuse(i.Rd(), kB), bits - n, kC);
    shift_left_any(e, s.size, kB, kB, bits - n);
    op(e, kOr, kA, kA, kB);
  }
  finish(e, i, kA, scalar);
}

void left_long(Emitter& e, Insn i, unsigned size, bool is_signed, unsigned n) {
  Xmm x = e.vdef(i.Rd(), kA);
  widen(e, size, is_signed, i.Q(), x, i.Rn());
  if (n) shift_left(e, size + 1, x, x, n);
  e.vcommit(i.Rd(), x);
}

// VPSLLV and VPSRLV shift by 0 to the lane's size - 1 and give zero beyond. The count is a signed byte: to the left by count and to
// the right by -count, both modulo 256, one of which is 0 to 127 and the other 0 or 128 to 255.
void by_register(Emitter& e, Insn i, bool is_signed, bool scalar) {
  unsigned size = scalar ? 3 : i.size();
  if (!e.host().avx2 || size < 2 || (is_signed && size == 3)) return e.call_semantics();
  bool w = size == 3;
  auto variable = [&](u8 code, Xmm dst, Xmm a, Xmm counts) { e.sse3(0x66, 2, code, dst, a, counts, w); };
  Constant byte = size == 2 ? Constant::LowByteOfWord : Constant::LowByteOfDouble;
  Xmm n = e.vuse(i.Rn(), kC);
  e.vload(kB, i.Rm());
  op(e, kAnd, kA, kB, byte);
  variable(0x47, kA, n, kA);  // VPSLLV
  if (!is_signed) {
    zero(e, kB);
    op(e, kSub[size], kB, kB, i.Rm());
    op(e, kAnd, kB, kB, byte);
    variable(0x45, kB, n, kB);  // VPSRLV
    op(e, kOr, kA, kA, kB);
  } else {
    // Right shifts are taken where the count is negative. VPSRAVD fills with the sign beyond 31.
    zero(e, kB);
    op(e, kSub[2], kB, kB, i.Rm());
    op(e, kAnd, kB, kB, byte);
    variable(0x46, kC, n, kB);
    e.vload(kB, i.Rm());
    shift_left(e, 2, kB, kB, 24);
    e.sse3(0x66, 3, 0x4a, kA, kA, kC);  // VBLENDVPS by the sign of the count in kB
    e.byte(static_cast<u8>(static_cast<unsigned>(kB) << 4));
  }
  finish(e, i, kA, scalar);
}

}  // namespace

void SSHR_imm(Emitter& e, Insn i) { right(e, i, true, false, false); }
void USHR_imm(Emitter& e, Insn i) { right(e, i, false, false, false); }
void SSRA_imm(Emitter& e, Insn i) { right(e, i, true, true, false); }
void USRA_imm(Emitter& e, Insn i) { right(e, i, false, true, false); }
void SSHR_s_imm(Emitter& e, Insn i) { right(e, i, true, false, true); }
void USHR_s_imm(Emitter& e, Insn i) { right(e, i, false, false, true); }
void SSRA_s_imm(Emitter& e, Insn i) { right(e, i, true, true, true); }
void USRA_s_imm(Emitter& e, Insn i) { right(e, i, false, true, true); }
void SRSHR_imm(Emitter& e, Insn i) { right_rounded(e, i, true, false, false); }
void URSHR_imm(Emitter& e, Insn i) { right_rounded(e, i, false, false, false); }
void SRSRA_imm(Emitter& e, Insn i) { right_rounded(e, i, true, true, false); }
void URSRA_imm(Emitter& e, Insn i) { right_rounded(e, i, false, true, false); }
void SRSHR_s_imm(Emitter& e, Insn i) { right_rounded(e, i, true, false, true); }
void URSHR_s_imm(Emitter& e, Insn i) { right_rounded(e, i, false, false, true); }
void SRSRA_s_imm(Emitter& e, Insn i) { right_rounded(e, i, true, true, true); }
void URSRA_s_imm(Emitter& e, Insn i) { right_rounded(e, i, false, true, true); }

void SHL_imm(Emitter& e, Insn i) { left(e, i, false); }
void SHL_s_imm(Emitter& e, Insn i) { left(e, i, true); }
void SLI_imm(Emitter& e, Insn i) { left_insert(e, i, false); }
void SLI_s_imm(Emitter& e, Insn i) { left_insert(e, i, true); }
void SRI_imm(Emitter& e, Insn i) { right_insert(e, i, false); }
void SRI_s_imm(Emitter& e, Insn i) { right_insert(e, i, true); }

void SSHLL_imm(Emitter& e, Insn i) { left_long(e, i, immediate(i).size, true, immediate(i).left()); }
void USHLL_imm(Emitter& e, Insn i) { left_long(e, i, immediate(i).size, false, immediate(i).left()); }
void SHLL_v(Emitter& e, Insn i) { left_long(e, i, i.size(), false, bits_of(i.size())); }

void SSHL_v(Emitter& e, Insn i) { by_register(e, i, true, false); }
void USHL_v(Emitter& e, Insn i) { by_register(e, i, false, false); }
void USHL_s(Emitter& e, Insn i) { by_register(e, i, false, true); }

}  // namespace grus::a64_to_x64::templates
