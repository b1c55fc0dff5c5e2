// SPDX-License-Identifier: MIT
// ZIP, UZP, TRN, EXT, TBL, TBX, REV16, REV32, REV64 and RBIT of vectors.
//
// Guarantees: sources are read before the destination is written, which may be one of them; 64-bit forms
// clear the upper half.
#include "access.h"

namespace grus::a64::semantics {
namespace {

u8 byte_of(const Vec& v, unsigned n) { return static_cast<u8>(v.d[n / 8] >> (n % 8 * 8)); }
void set_byte(Vec& v, unsigned n, u8 value) { v.d[n / 8] |= static_cast<u64>(value) << (n % 8 * 8); }

// Every lane of the result comes from one lane of one source: source(lane) is the lane's number in Vm:Vn,
// where lanes of Vm follow those of Vn.
template <typename Source>
void permute(CpuState& cpu, Insn i, Source source) {
  unsigned bytes = 1u << i.size(), lanes = (i.Q() ? 16 : 8) / bytes;
  const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
  Vec r = {};
  for (unsigned lane = 0; lane < lanes; lane++) {
    unsigned from = source(lane, lanes);
    const Vec& v = from < lanes ? n : m;
    for (unsigned b = 0; b < bytes; b++) set_byte(r, lane * bytes + b, byte_of(v, from % lanes * bytes + b));
  }
  cpu.v[i.Rd()] = r;
}

// Elements of 1 << size bytes in reverse order within each container.
void reverse(CpuState& cpu, Insn i, unsigned size, unsigned container) {
  const Vec n = cpu.v[i.Rn()];
  Vec r = {};
  for (unsigned b = 0; b < (i.Q() ? 16u : 8u); b++)
    set_byte(r, b, byte_of(n, b ^ (container - 1) ^ ((1u << size) - 1)));
  cpu.v[i.Rd()] = r;
}

// Up to four table registers, wrapping from V31 to V0. An index beyond the table gives 0 for TBL, the old
// byte for TBX.
void lookup(CpuState& cpu, Insn i, const Vec& otherwise) {
  const Vec m = cpu.v[i.Rm()];
  Vec r = {};
  for (unsigned b = 0; b < (i.Q() ? 16u : 8u); b++) {
    unsigned index = byte_of(m, b);
    set_byte(r, b,
             index / 16 <= i.tbl_len() ? byte_of(cpu.v[(i.Rn() + index / 16) % 32], index % 16)
                                       : byte_of(otherwise, b));
  }
  cpu.v[i.Rd()] = r;
}

}  // namespace

void ZIP1(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned lanes) { return lane / 2 + lane % 2 * lanes; });
}
void ZIP2(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned lanes) { return lanes / 2 + lane / 2 + lane % 2 * lanes; });
}
void UZP1(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned) { return lane * 2; });
}
void UZP2(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned) { return lane * 2 + 1; });
}
void TRN1(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned lanes) { return (lane & ~1u) + lane % 2 * lanes; });
}
void TRN2(CpuState& cpu, Insn i) {
  permute(cpu, i, [](unsigned lane, unsigned lanes) { return (lane & ~1u) + 1 + lane % 2 * lanes; });
}

void EXT(CpuState& cpu, Insn i) {
  const Vec n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
  unsigned bytes = i.Q() ? 16 : 8;
  Vec r = {};
  for (unsigned b = 0; b < bytes; b++) {
    unsigned from = b + i.imm4();
    set_byte(r, b, from < bytes ? byte_of(n, from) : byte_of(m, from - bytes));
  }
  cpu.v[i.Rd()] = r;
}

void TBL(CpuState& cpu, Insn i) { lookup(cpu, i, Vec{}); }
void TBX(CpuState& cpu, Insn i) { lookup(cpu, i, Vec(cpu.v[i.Rd()])); }

void REV64(CpuState& cpu, Insn i) { reverse(cpu, i, i.size(), 8); }
void REV32_v(CpuState& cpu, Insn i) { reverse(cpu, i, i.size(), 4); }
void REV16_v(CpuState& cpu, Insn i) { reverse(cpu, i, 0, 2); }

void RBIT_v(CpuState& cpu, Insn i) {
  auto bits_reversed = [](u64 v) {
    v = (v & 0x5555555555555555) << 1 | (v >> 1 & 0x5555555555555555);
    v = (v & 0x3333333333333333) << 2 | (v >> 2 & 0x3333333333333333);
    return (v & 0x0f0f0f0f0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0f);
  };
  const Vec n = cpu.v[i.Rn()];
  cpu.v[i.Rd()] = Vec{{bits_reversed(n.d[0]), i.Q() ? bits_reversed(n.d[1]) : 0}};
}

}  // namespace grus::a64::semantics
