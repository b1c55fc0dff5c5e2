// SPDX-License-Identifier: MIT
// Copies between elements and general registers, and modified immediates. Elements of registers that live in
// memory are read and written there.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

struct Element {
  unsigned size, index;  // size: log2 of bytes
  unsigned byte() const { return index << size; }
};
Element element(unsigned imm5) {
  unsigned size = static_cast<unsigned>(__builtin_ctz(imm5));
  return {size, imm5 >> (size + 1)};
}

// dst (general) = the element, zero-extended.
void extract(Emitter& e, Reg dst, unsigned n, Element x) {
  Xmm home = Emitter::vhome(n);
  if (home == Xmm::none) return e.movzx(bits_of(x.size), dst, Emitter::vslot(n, x.byte()));
  if (x.index == 0 && x.size == 2) return e.movd(dst, home);
  if (x.index == 0 && x.size == 3) return e.movq(dst, home);
  static const u8 codes[4] = {0x14, 0x15, 0x16, 0x16};
  e.sse(0x66, 3, codes[x.size], home, Xmm(dst), x.size == 3);
  e.byte(static_cast<u8>(x.index));
}

// The element of Vd = src (general); the rest of Vd stays.
void insert(Emitter& e, unsigned d, Element x, Reg src) {
  Xmm v = Emitter::vhome(d);
  if (v == Xmm::none) return e.mov(bits_of(x.size), Emitter::vslot(d, x.byte()), src);
  if (x.size == 1)
    e.sse3(0x66, 1, 0xc4, v, v, Xmm(src));
  else
    e.sse3(0x66, 3, x.size == 0 ? 0x20 : 0x22, v, v, Xmm(src), x.size == 3);
  e.byte(static_cast<u8>(x.index));
}

// dst = one double of a (bit 0), then one of b (bit 1): unlike PBLENDW for all registers.
void shuffle_doubles(Emitter& e, Xmm dst, Xmm a, Xmm b, u8 which) {
  e.sse3(0x66, 1, 0xc6, dst, a, b);
  e.byte(which);
}

u64 replicate(u64 value, unsigned bits) {
  for (; bits < 64; bits *= 2) value |= value << bits;
  return value;
}

u64 imm8(Insn i) { return i.abc() << 5 | i.defgh(); }

// AdvSIMDExpandImm for MOVI, MVNI, ORR and BIC.
u64 expand_immediate(Insn i) {
  u64 imm = imm8(i);
  unsigned cmode = i.cmode();
  switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
      return replicate(imm << (8 * (cmode >> 1)), 32);
    case 4:
      return replicate(imm, 16);
    case 5:
      return replicate(imm << 8, 16);
    case 6:
      return replicate(cmode & 1 ? imm << 16 | 0xffff : imm << 8 | 0xff, 32);
    default:
      return replicate(imm, 8);
  }
}

// VFPExpandImm: sign, NOT(b), Replicate(b), cd, efgh and zeros.
u64 expand_float(u64 imm, unsigned exponent_bits, unsigned fraction_bits) {
  u64 sign = imm >> 7, b = imm >> 6 & 1;
  u64 ones = b ? (u64{1} << (exponent_bits - 3)) - 1 : 0;
  u64 exponent = (b ^ 1) << (exponent_bits - 1) | ones << 2 | (imm >> 4 & 3);
  return sign << (exponent_bits + fraction_bits) | exponent << fraction_bits |
         (imm & 15) << (fraction_bits - 4);
}

void move_immediate(Emitter& e, Insn i, u64 half) {
  Xmm x = e.vdef(i.Rd(), kA);
  load_halves(e, x, half, i.Q() ? half : 0);
  e.vcommit(i.Rd(), x);
}

}  // namespace

void DUP_elem(Emitter& e, Insn i) {
  Element x = element(i.imm5());
  unsigned n = i.Rn();
  Xmm dst = e.vdef(i.Rd(), kA);
  switch (x.size) {
    case 0:
    case 1: {
      Constant c = x.size == 0 ? Constant::SplatByte + x.index : Constant::SplatHalf + x.index;
      if (e.vex) {
        op(e, kShuffleBytes, dst, e.vuse(n, kA), c);
      } else {
        e.vload(dst, n);
        op(e, kShuffleBytes, dst, dst, c);
      }
      break;
    }
    case 2:
      shuffle_words(e, dst, n, static_cast<u8>(x.index * 0x55));
      break;
    default:
      shuffle_words(e, dst, n, x.index ? 0xee : 0x44);
  }
  finish(e, i, dst);
}

void DUP_gen(Emitter& e, Insn i) {
  Element x = element(i.imm5());
  Xmm dst = e.vdef(i.Rd(), kA);
  if (i.Rn() == kZero) {
    zero(e, dst);
    return e.vcommit(i.Rd(), dst);
  }
  Reg src = e.use(i.Rn(), Reg::rax, x.size == 3 ? 64 : 32);
  if (x.size == 3)
    e.movq(dst, src);
  else
    e.movd(dst, src);
  switch (x.size) {
    case 0:
      op(e, kShuffleBytes, dst, dst, Constant::SplatByte);
      break;
    case 1:
      op(e, kShuffleBytes, dst, dst, Constant::SplatHalf);
      break;
    case 2:
      shuffle_words(e, dst, dst, 0);
      break;
    default:
      op(e, kUnpackLow[3], dst, dst, dst);
  }
  finish(e, i, dst);
}

void DUP_scalar(Emitter& e, Insn i) {
  Element x = element(i.imm5());
  unsigned n = i.Rn();
  Xmm dst = e.vdef(i.Rd(), kA);
  if (Emitter::vhome(n) == Xmm::none && x.size >= 2) {
    if (x.size == 2)
      e.movd(dst, Emitter::vslot(n, x.byte()));
    else
      e.movq(dst, Emitter::vslot(n, x.byte()));
  } else if (x.size == 3 && x.index == 0) {
    e.movq(dst, Emitter::vhome(n));
  } else if (x.size == 3) {
    shuffle_words(e, dst, n, 0xee);
    e.movq(dst, dst);
  } else {
    extract(e, Reg::rax, n, x);
    e.movd(dst, Reg::rax);
  }
  e.vcommit(i.Rd(), dst);
}

void UMOV(Emitter& e, Insn i) {
  if (i.Rd() == kZero) return;
  Reg d = e.def(i.Rd(), Reg::rax);
  extract(e, d, i.Rn(), element(i.imm5()));
  e.commit(i.Rd(), d);
}

void SMOV(Emitter& e, Insn i) {
  if (i.Rd() == kZero) return;
  Element x = element(i.imm5());
  Reg d = e.def(i.Rd(), Reg::rax);
  unsigned to = i.Q() ? 64 : 32;
  if (Emitter::vhome(i.Rn()) == Xmm::none) {
    e.movsx(to, bits_of(x.size), d, Emitter::vslot(i.Rn(), x.byte()));
  } else {
    extract(e, d, i.Rn(), x);
    e.movsx(to, bits_of(x.size), d, d);
  }
  e.commit(i.Rd(), d);
}

void INS_gen(Emitter& e, Insn i) {
  Element x = element(i.imm5());
  insert(e, i.Rd(), x, e.use(i.Rn(), Reg::rax));
}

void INS_elem(Emitter& e, Insn i) {
  Element to = element(i.imm5()), from{to.size, i.imm4() >> to.size};
  unsigned d = i.Rd(), n = i.Rn();
  Xmm dst = Emitter::vhome(d), src = Emitter::vhome(n);
  if (dst != Xmm::none && to.size == 2) {
    // INSERTPS moves bits; its memory operand is the one word.
    if (src != Xmm::none) {
      e.sse3(0x66, 3, 0x21, dst, dst, src);
      e.byte(static_cast<u8>(from.index << 6 | to.index << 4));
    } else {
      e.sse3(0x66, 3, 0x21, dst, dst, Emitter::vslot(n, from.byte()), 1);
      e.byte(static_cast<u8>(to.index << 4));
    }
    return;
  }
  if (dst != Xmm::none && to.size == 3) {
    if (src == Xmm::none) {
      // MOVLPS and MOVHPS take eight bytes of memory.
      e.sse3(0, 1, to.index ? 0x16 : 0x12, dst, dst, Emitter::vslot(n, from.byte()));
    } else if (to.index) {
      if (from.index == 0)
        op(e, kUnpackLow[3], dst, dst, src);
      else if (e.vex)
        shuffle_doubles(e, dst, dst, src, 2);
      else
        op_imm(e, kBlend16, dst, dst, src, 0xf0);
    } else if (from.index == 0) {
      if (e.vex)
        shuffle_doubles(e, dst, src, dst, 2);
      else
        op_imm(e, kBlend16, dst, dst, src, 0x0f);
    } else {
      // The high half of src, then the high half of dst.
      op(e, kUnpackHigh[3], kA, src, dst);
      e.movaps(dst, kA);
    }
    return;
  }
  extract(e, Reg::rax, n, from);
  insert(e, d, to, Reg::rax);
}

void MOVI(Emitter& e, Insn i) { move_immediate(e, i, expand_immediate(i)); }
void MVNI(Emitter& e, Insn i) { move_immediate(e, i, ~expand_immediate(i)); }

void MOVI_64(Emitter& e, Insn i) {
  u64 half = 0;
  for (unsigned bit = 0; bit < 8; bit++)
    if (imm8(i) >> bit & 1) half |= u64{0xff} << (8 * bit);
  move_immediate(e, i, half);
}

void FMOV_vi_s(Emitter& e, Insn i) { move_immediate(e, i, replicate(expand_float(imm8(i), 8, 23), 32)); }
void FMOV_vi_d(Emitter& e, Insn i) { move_immediate(e, i, expand_float(imm8(i), 11, 52)); }
void FMOV_vi_h(Emitter& e, Insn i) { move_immediate(e, i, replicate(expand_float(imm8(i), 5, 10), 16)); }

namespace {
// Vd = Vd op the immediate.
void with_immediate(Emitter& e, Insn i, HostOp o, u64 half) {
  load_halves(e, kB, half, half);
  if (e.vex || Emitter::vhome(i.Rd()) != Xmm::none) {
    Xmm x = e.vdef(i.Rd(), kA);
    op(e, o, x, e.vuse(i.Rd(), kA), kB);
    finish(e, i, x);
  } else {
    op(e, o, kB, kB, i.Rd());
    finish(e, i, kB);
  }
}
}  // namespace

void ORR_vi(Emitter& e, Insn i) { with_immediate(e, i, kOr, expand_immediate(i)); }
void BIC_vi(Emitter& e, Insn i) { with_immediate(e, i, kAnd, ~expand_immediate(i)); }

}  // namespace grus::a64_to_x64::templates
