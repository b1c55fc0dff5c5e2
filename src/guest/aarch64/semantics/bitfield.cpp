// SPDX-License-Identifier: MIT
// Bit-field moves, extract, shifts by a register, bit and byte reversal, leading bits.
#include "access.h"
#include "guest/aarch64/operands.h"

namespace grus::a64::semantics {
namespace {

unsigned bits(Insn i) { return i.sf() ? 64 : 32; }
u64 width(Insn i, u64 value) { return i.sf() ? value : static_cast<u32>(value); }

// The bit field that SBFM, BFM and UBFM move: either bits imms..immr of the source to bit 0 (imms >= immr),
// or bits imms..0 to bit (width - immr).
struct Field {
  unsigned length, to;
  u64 value;  // already at `to`, other bits clear
};

Field field(CpuState& cpu, Insn i) {
  u64 source = width(i, cpu.X(i.Rn()));
  unsigned r = i.immr(), s = i.imms();
  if (s >= r) {
    unsigned length = s - r + 1;
    return {length, 0, (source >> r) & ones(length)};
  }
  unsigned length = s + 1, to = bits(i) - r;
  return {length, to, (source & ones(length)) << to};
}

u64 reverse_bytes(u64 value, unsigned container) {
  u64 result = 0;
  for (unsigned at = 0; at < 64; at += 8) {
    unsigned mirrored = (at & ~(container - 1)) + container - 8 - (at & (container - 1));
    result |= ((value >> at) & 0xff) << mirrored;
  }
  return result;
}

}  // namespace

void UBFM(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), field(cpu, i).value); }
void SBFM(CpuState& cpu, Insn i) {
  Field f = field(cpu, i);
  cpu.set_X(i.Rd(), width(i, static_cast<u64>(sign_extend(f.value, f.to + f.length))));
}
void BFM(CpuState& cpu, Insn i) {
  Field f = field(cpu, i);
  cpu.set_X(i.Rd(), width(i, (cpu.X(i.Rd()) & ~(ones(f.length) << f.to)) | f.value));
}

void EXTR(CpuState& cpu, Insn i) {
  u64 high = width(i, cpu.X(i.Rn())), low = width(i, cpu.X(i.Rm()));
  unsigned lsb = i.imms();
  u64 result = lsb == 0 ? low : low >> lsb | high << (bits(i) - lsb);
  cpu.set_X(i.Rd(), width(i, result));
}

void LSLV(CpuState& cpu, Insn i) {
  unsigned amount = cpu.X(i.Rm()) & (bits(i) - 1);
  cpu.set_X(i.Rd(), width(i, cpu.X(i.Rn()) << amount));
}
void LSRV(CpuState& cpu, Insn i) {
  unsigned amount = cpu.X(i.Rm()) & (bits(i) - 1);
  cpu.set_X(i.Rd(), width(i, cpu.X(i.Rn())) >> amount);
}
void ASRV(CpuState& cpu, Insn i) {
  unsigned amount = cpu.X(i.Rm()) & (bits(i) - 1);
  i64 value = sign_extend(cpu.X(i.Rn()), bits(i));
  cpu.set_X(i.Rd(), width(i, static_cast<u64>(value >> amount)));
}
void RORV(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), rotate_right(cpu.X(i.Rn()), cpu.X(i.Rm()) & (bits(i) - 1), bits(i)));
}

void RBIT(CpuState& cpu, Insn i) {
  u64 value = cpu.X(i.Rn()), result = 0;
  for (unsigned n = 0; n < bits(i); n++) result |= ((value >> n) & 1) << (bits(i) - 1 - n);
  cpu.set_X(i.Rd(), result);
}
void REV16(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), width(i, reverse_bytes(cpu.X(i.Rn()), 16))); }
void REV32(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), reverse_bytes(cpu.X(i.Rn()), 32)); }
void REV_w(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), static_cast<u32>(reverse_bytes(cpu.X(i.Rn()), 32))); }
void REV_x(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), reverse_bytes(cpu.X(i.Rn()), 64)); }

void CLZ(CpuState& cpu, Insn i) {
  u64 value = width(i, cpu.X(i.Rn()));
  unsigned zeros = value == 0 ? bits(i) : static_cast<unsigned>(__builtin_clzll(value)) - (64 - bits(i));
  cpu.set_X(i.Rd(), zeros);
}
// CountLeadingSignBits(): how many bits below the top one equal it.
void CLS(CpuState& cpu, Insn i) {
  u64 value = static_cast<u64>(sign_extend(cpu.X(i.Rn()), bits(i)));
  u64 differing = value ^ static_cast<u64>(static_cast<i64>(value) >> 1);  // bit 63 is always clear
  unsigned zeros = differing == 0 ? 64 : static_cast<unsigned>(__builtin_clzll(differing));
  cpu.set_X(i.Rd(), zeros - 1 - (64 - bits(i)));
}

}  // namespace grus::a64::semantics
