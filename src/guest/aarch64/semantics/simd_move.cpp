// SPDX-License-Identifier: MIT
// DUP, INS, SMOV, UMOV, and the modified immediates.
//
// Guarantees: every encoding as in the Arm ARM's pseudocode; INS leaves the other lanes, everything else
// writes all 128 bits.
#include "access.h"

namespace grus::a64::semantics {
namespace {

// size = LowestSetBit(imm5); index = UInt(imm5<4:size+1>).
unsigned element_size(Insn i) { return static_cast<unsigned>(__builtin_ctz(i.imm5())); }

u64 element(const Vec& v, unsigned size, unsigned index) {
  u64 r = 0;
  __builtin_memcpy(&r, reinterpret_cast<const char*>(v.d) + (index << size), 1u << size);
  return r;
}

void set_element(Vec& v, unsigned size, unsigned index, u64 value) {
  __builtin_memcpy(reinterpret_cast<char*>(v.d) + (index << size), &value, 1u << size);
}

// Replicate(value, 64 / bits), the value within its width.
u64 replicate(u64 value, unsigned bits) {
  value &= ones(bits);
  for (; bits < 64; bits *= 2) value |= value << bits;
  return value;
}

Vec vector_of(u64 half, unsigned q) { return Vec{{half, q ? half : 0}}; }

unsigned imm8(Insn i) { return i.abc() << 5 | i.defgh(); }

// AdvSIMDExpandImm(op, cmode, imm8), of which MVNI, ORR and BIC use the same table: without op = 1's forms.
u64 expand_immediate(unsigned cmode, u64 imm) {
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

// VFPExpandImm: a sign, an exponent of three bits around the bias, a fraction of four bits.
u64 expand_float(unsigned imm, unsigned exponent_bits, unsigned fraction_bits) {
  u64 sign = imm >> 7, b6 = (imm >> 6) & 1;
  u64 exponent = (b6 ^ 1) << (exponent_bits - 1) | (b6 ? ones(exponent_bits - 3) << 2 : 0) | ((imm >> 4) & 3);
  return sign << (exponent_bits + fraction_bits) | exponent << fraction_bits |
         static_cast<u64>(imm & 15) << (fraction_bits - 4);
}

}  // namespace

void DUP_elem(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  u64 value = element(cpu.v[i.Rn()], size, i.imm5() >> (size + 1));
  cpu.v[i.Rd()] = vector_of(replicate(value, 8u << size), i.Q());
}

void DUP_gen(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = vector_of(replicate(cpu.X(i.Rn()), 8u << element_size(i)), i.Q());
}

void DUP_scalar(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  cpu.v[i.Rd()] = Vec{{element(cpu.v[i.Rn()], size, i.imm5() >> (size + 1)), 0}};
}

void SMOV(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  i64 value = sign_extend(element(cpu.v[i.Rn()], size, i.imm5() >> (size + 1)), 8u << size);
  cpu.set_X(i.Rd(), i.Q() ? static_cast<u64>(value) : static_cast<u32>(value));
}

void UMOV(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  cpu.set_X(i.Rd(), element(cpu.v[i.Rn()], size, i.imm5() >> (size + 1)));
}

void INS_gen(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  set_element(cpu.v[i.Rd()], size, i.imm5() >> (size + 1), cpu.X(i.Rn()));
}

void INS_elem(CpuState& cpu, Insn i) {
  unsigned size = element_size(i);
  // src_index = UInt(imm4<3:size>); the bits below are ignored.
  set_element(cpu.v[i.Rd()], size, i.imm5() >> (size + 1), element(cpu.v[i.Rn()], size, i.imm4() >> size));
}

void MOVI(CpuState& cpu, Insn i) { cpu.v[i.Rd()] = vector_of(expand_immediate(i.cmode(), imm8(i)), i.Q()); }
void MVNI(CpuState& cpu, Insn i) { cpu.v[i.Rd()] = vector_of(~expand_immediate(i.cmode(), imm8(i)), i.Q()); }

void MOVI_64(CpuState& cpu, Insn i) {
  u64 half = 0;
  for (unsigned bit = 0; bit < 8; bit++)
    if (imm8(i) >> bit & 1) half |= u64{0xff} << (8 * bit);
  cpu.v[i.Rd()] = vector_of(half, i.Q());
}

void ORR_vi(CpuState& cpu, Insn i) {
  const Vec& v = cpu.v[i.Rd()];
  u64 imm = expand_immediate(i.cmode(), imm8(i));
  cpu.v[i.Rd()] = Vec{{v.d[0] | imm, i.Q() ? v.d[1] | imm : 0}};
}

void BIC_vi(CpuState& cpu, Insn i) {
  const Vec& v = cpu.v[i.Rd()];
  u64 imm = expand_immediate(i.cmode(), imm8(i));
  cpu.v[i.Rd()] = Vec{{v.d[0] & ~imm, i.Q() ? v.d[1] & ~imm : 0}};
}

void FMOV_vi_s(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = vector_of(replicate(expand_float(imm8(i), 8, 23), 32), i.Q());
}
void FMOV_vi_d(CpuState& cpu, Insn i) { cpu.v[i.Rd()] = vector_of(expand_float(imm8(i), 11, 52), 1); }
void FMOV_vi_h(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = vector_of(replicate(expand_float(imm8(i), 5, 10), 16), i.Q());
}

}  // namespace grus::a64::semantics
