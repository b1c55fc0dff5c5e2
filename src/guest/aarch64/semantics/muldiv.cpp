// SPDX-License-Identifier: MIT
// Multiplication, division, cyclic redundancy checks.
#include "access.h"

namespace grus::a64::semantics {
namespace {

u64 width(Insn i, u64 value) { return i.sf() ? value : static_cast<u32>(value); }
u64 signed_word(CpuState& cpu, unsigned n) {
  return static_cast<u64>(static_cast<i64>(static_cast<i32>(cpu.W(n))));
}

// CRC32 over `size` bits of `value`: the architecture's BitReverse() on both sides makes it the reflected
// form.
u32 crc(u32 accumulator, u64 value, unsigned size, u32 reflected_polynomial) {
  u64 state =
      accumulator ^ value;  // for size < 32 the bits of `accumulator` above it are shifted down meanwhile
  for (unsigned n = 0; n < size; n++) state = (state >> 1) ^ (state & 1 ? reflected_polynomial : 0);
  return static_cast<u32>(state);
}

constexpr u32 kCrc32 = 0xedb88320, kCrc32c = 0x82f63b78;  // 0x04C11DB7 and 0x1EDC6F41, reflected

void checksum(CpuState& cpu, Insn i, unsigned size, u32 polynomial) {
  u64 value = cpu.X(i.Rm()) & ones(size);
  cpu.set_W(i.Rd(), crc(cpu.W(i.Rn()), value, size, polynomial));
}

}  // namespace

void MADD(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), width(i, cpu.X(i.Ra()) + cpu.X(i.Rn()) * cpu.X(i.Rm())));
}
void MSUB(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), width(i, cpu.X(i.Ra()) - cpu.X(i.Rn()) * cpu.X(i.Rm())));
}
void SMADDL(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), cpu.X(i.Ra()) + signed_word(cpu, i.Rn()) * signed_word(cpu, i.Rm()));
}
void SMSUBL(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), cpu.X(i.Ra()) - signed_word(cpu, i.Rn()) * signed_word(cpu, i.Rm()));
}
void UMADDL(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), cpu.X(i.Ra()) + static_cast<u64>(cpu.W(i.Rn())) * cpu.W(i.Rm()));
}
void UMSUBL(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), cpu.X(i.Ra()) - static_cast<u64>(cpu.W(i.Rn())) * cpu.W(i.Rm()));
}
void SMULH(CpuState& cpu, Insn i) {
  i128 product = static_cast<i128>(static_cast<i64>(cpu.X(i.Rn()))) * static_cast<i64>(cpu.X(i.Rm()));
  cpu.set_X(i.Rd(), static_cast<u64>(product >> 64));
}
void UMULH(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), static_cast<u64>(static_cast<u128>(cpu.X(i.Rn())) * cpu.X(i.Rm()) >> 64));
}

// Division by zero gives zero; the one overflow, minimum / -1, gives the minimum.
void UDIV(CpuState& cpu, Insn i) {
  u64 n = width(i, cpu.X(i.Rn())), m = width(i, cpu.X(i.Rm()));
  cpu.set_X(i.Rd(), m == 0 ? 0 : n / m);
}
void SDIV(CpuState& cpu, Insn i) {
  unsigned bits = i.sf() ? 64 : 32;
  i64 n = sign_extend(cpu.X(i.Rn()), bits), m = sign_extend(cpu.X(i.Rm()), bits);
  u64 result = m == 0 ? 0 : m == -1 ? -static_cast<u64>(n) : static_cast<u64>(n / m);
  cpu.set_X(i.Rd(), width(i, result));
}

void CRC32B(CpuState& cpu, Insn i) { checksum(cpu, i, 8, kCrc32); }
void CRC32H(CpuState& cpu, Insn i) { checksum(cpu, i, 16, kCrc32); }
void CRC32W(CpuState& cpu, Insn i) { checksum(cpu, i, 32, kCrc32); }
void CRC32X(CpuState& cpu, Insn i) { checksum(cpu, i, 64, kCrc32); }
void CRC32CB(CpuState& cpu, Insn i) { checksum(cpu, i, 8, kCrc32c); }
void CRC32CH(CpuState& cpu, Insn i) { checksum(cpu, i, 16, kCrc32c); }
void CRC32CW(CpuState& cpu, Insn i) { checksum(cpu, i, 32, kCrc32c); }
void CRC32CX(CpuState& cpu, Insn i) { checksum(cpu, i, 64, kCrc32c); }

}  // namespace grus::a64::semantics
