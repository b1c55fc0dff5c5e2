// SPDX-License-Identifier: MIT
// Loads and stores of general and SIMD&FP scalar registers: offset, indexed, register offset, literal, pairs.
//
// Guarantees: a faulting instruction changes no register. A pair is two accesses in ascending order, as in
// the pseudocode, so a pair store that faults on its second half has written its first. CONSTRAINED
// UNPREDICTABLE register combinations: with writeback, a load whose target is its base ends with the loaded
// value in it (Constraint_WBSUPPRESS), a store whose source is its base stores the old value
// (Constraint_NONE); a load pair of one register twice ends with the second value. All are allowed by the Arm
// ARM. Not here: unprivileged accesses have no semantics of their own (EL0), prefetches do nothing and cannot
// fault.
#include "address.h"

namespace grus::a64::semantics {
namespace {

enum class Index { Offset, Pre, Post };

struct Address {
  u64 access;     // where the access happens
  u64 writeback;  // what the base register becomes, unless Index::Offset
};

bool address_of(CpuState& cpu, Insn i, Index index, u64 offset, bool write, Address* a) {
  u64 base;
  if (!base_address(cpu, i.Rn(), write, &base)) return false;
  a->writeback = base + offset;
  a->access = index == Index::Post ? base : base + offset;
  return true;
}

void write_back(CpuState& cpu, Insn i, Index index, const Address& a) {
  if (index != Index::Offset) cpu.set_XSP(i.Rn(), a.writeback);
}

bool read_bytes(CpuState& cpu, u64 addr, unsigned bytes, void* out) {
  if (MemoryFault f = load_guest_bytes(GuestAddr(addr), bytes, out)) return fault(cpu, f, false);
  return true;
}

bool write_bytes(CpuState& cpu, u64 addr, unsigned bytes, const void* in) {
  if (MemoryFault f = store_guest_bytes(GuestAddr(addr), bytes, in)) return fault(cpu, f, true);
  return true;
}

// --- one general register

enum class Extend { Zero, Sign };

void load(CpuState& cpu, Insn i, Extend extend, Index index, u64 offset) {
  Address a;
  u64 value = 0;
  unsigned bytes = 1u << i.lsize();
  if (!address_of(cpu, i, index, offset, false, &a)) return;
  if (!read_bytes(cpu, a.access, bytes, &value)) return;
  write_back(cpu, i, index, a);
  if (extend == Extend::Sign) {
    value = static_cast<u64>(sign_extend(value, bytes * 8));
    if (i.to32()) value = static_cast<u32>(value);
  }
  cpu.set_X(i.Rt(), value);
}

void store(CpuState& cpu, Insn i, Index index, u64 offset) {
  Address a;
  u64 value = cpu.X(i.Rt());
  if (!address_of(cpu, i, index, offset, true, &a)) return;
  if (!write_bytes(cpu, a.access, 1u << i.lsize(), &value)) return;
  write_back(cpu, i, index, a);
}

// --- one SIMD&FP register

unsigned v_scale(Insn i) { return i.vq() ? 4 : i.lsize(); }

void load_v(CpuState& cpu, Insn i, unsigned scale, Index index, u64 offset) {
  Address a;
  Vec value = {};
  if (!address_of(cpu, i, index, offset, false, &a)) return;
  if (!read_bytes(cpu, a.access, 1u << scale, &value)) return;
  write_back(cpu, i, index, a);
  cpu.v[i.Rt()] = value;
}

void store_v(CpuState& cpu, Insn i, Index index, u64 offset) {
  Address a;
  if (!address_of(cpu, i, index, offset, true, &a)) return;
  if (!write_bytes(cpu, a.access, 1u << v_scale(i), &cpu.v[i.Rt()])) return;
  write_back(cpu, i, index, a);
}

// --- pairs

void load_pair(CpuState& cpu, Insn i, unsigned scale, Extend extend, Index index) {
  Address a;
  u64 first = 0, second = 0;
  unsigned bytes = 1u << scale;
  if (!address_of(cpu, i, index, static_cast<u64>(sign_extend(i.imm7(), 7)) << scale, false, &a)) return;
  if (!read_bytes(cpu, a.access, bytes, &first)) return;
  if (!read_bytes(cpu, a.access + bytes, bytes, &second)) return;
  write_back(cpu, i, index, a);
  if (extend == Extend::Sign) {
    first = static_cast<u64>(sign_extend(first, bytes * 8));
    second = static_cast<u64>(sign_extend(second, bytes * 8));
  }
  cpu.set_X(i.Rt(), first);
  cpu.set_X(i.Rt2(), second);
}

void store_pair(CpuState& cpu, Insn i, Index index) {
  Address a;
  unsigned scale = i.sf() ? 3 : 2, bytes = 1u << scale;
  u64 first = cpu.X(i.Rt()), second = cpu.X(i.Rt2());
  if (!address_of(cpu, i, index, static_cast<u64>(sign_extend(i.imm7(), 7)) << scale, true, &a)) return;
  if (!write_bytes(cpu, a.access, bytes, &first)) return;
  if (!write_bytes(cpu, a.access + bytes, bytes, &second)) return;
  write_back(cpu, i, index, a);
}

void load_pair_v(CpuState& cpu, Insn i, Index index) {
  Address a;
  Vec first = {}, second = {};
  unsigned scale = 2 + i.lsize(), bytes = 1u << scale;
  if (!address_of(cpu, i, index, static_cast<u64>(sign_extend(i.imm7(), 7)) << scale, false, &a)) return;
  if (!read_bytes(cpu, a.access, bytes, &first)) return;
  if (!read_bytes(cpu, a.access + bytes, bytes, &second)) return;
  write_back(cpu, i, index, a);
  cpu.v[i.Rt()] = first;
  cpu.v[i.Rt2()] = second;
}

void store_pair_v(CpuState& cpu, Insn i, Index index) {
  Address a;
  unsigned scale = 2 + i.lsize(), bytes = 1u << scale;
  if (!address_of(cpu, i, index, static_cast<u64>(sign_extend(i.imm7(), 7)) << scale, true, &a)) return;
  if (!write_bytes(cpu, a.access, bytes, &cpu.v[i.Rt()])) return;
  if (!write_bytes(cpu, a.access + bytes, bytes, &cpu.v[i.Rt2()])) return;
  write_back(cpu, i, index, a);
}

// --- offsets

u64 unsigned_offset(Insn i, unsigned scale) { return static_cast<u64>(i.imm12()) << scale; }
u64 signed_offset(Insn i) { return static_cast<u64>(sign_extend(i.imm9(), 9)); }

// ExtendReg(m, extend_type, shift) for the four options a load or store has.
u64 register_offset(CpuState& cpu, Insn i, unsigned scale) {
  u64 m = cpu.X(i.Rm());
  if (i.option() == 2) m = static_cast<u32>(m);                   // UXTW
  if (i.option() == 6) m = static_cast<u64>(sign_extend(m, 32));  // SXTW
  return i.scaled() ? m << scale : m;                             // LSL and SXTX: all 64 bits
}

u64 literal(CpuState& cpu, Insn i) { return cpu.pc + (static_cast<u64>(sign_extend(i.imm19(), 19)) << 2); }

}  // namespace

void STR_uimm(CpuState& cpu, Insn i) { store(cpu, i, Index::Offset, unsigned_offset(i, i.lsize())); }
void LDR_uimm(CpuState& cpu, Insn i) {
  load(cpu, i, Extend::Zero, Index::Offset, unsigned_offset(i, i.lsize()));
}
void LDRS_uimm(CpuState& cpu, Insn i) {
  load(cpu, i, Extend::Sign, Index::Offset, unsigned_offset(i, i.lsize()));
}
void STR_v_uimm(CpuState& cpu, Insn i) { store_v(cpu, i, Index::Offset, unsigned_offset(i, v_scale(i))); }
void LDR_v_uimm(CpuState& cpu, Insn i) {
  load_v(cpu, i, v_scale(i), Index::Offset, unsigned_offset(i, v_scale(i)));
}

void STUR(CpuState& cpu, Insn i) { store(cpu, i, Index::Offset, signed_offset(i)); }
void LDUR(CpuState& cpu, Insn i) { load(cpu, i, Extend::Zero, Index::Offset, signed_offset(i)); }
void LDURS(CpuState& cpu, Insn i) { load(cpu, i, Extend::Sign, Index::Offset, signed_offset(i)); }
void STUR_v(CpuState& cpu, Insn i) { store_v(cpu, i, Index::Offset, signed_offset(i)); }
void LDUR_v(CpuState& cpu, Insn i) { load_v(cpu, i, v_scale(i), Index::Offset, signed_offset(i)); }

void STTR(CpuState& cpu, Insn i) { STUR(cpu, i); }
void LDTR(CpuState& cpu, Insn i) { LDUR(cpu, i); }
void LDTRS(CpuState& cpu, Insn i) { LDURS(cpu, i); }

void STR_post(CpuState& cpu, Insn i) { store(cpu, i, Index::Post, signed_offset(i)); }
void LDR_post(CpuState& cpu, Insn i) { load(cpu, i, Extend::Zero, Index::Post, signed_offset(i)); }
void LDRS_post(CpuState& cpu, Insn i) { load(cpu, i, Extend::Sign, Index::Post, signed_offset(i)); }
void STR_v_post(CpuState& cpu, Insn i) { store_v(cpu, i, Index::Post, signed_offset(i)); }
void LDR_v_post(CpuState& cpu, Insn i) { load_v(cpu, i, v_scale(i), Index::Post, signed_offset(i)); }

void STR_pre(CpuState& cpu, Insn i) { store(cpu, i, Index::Pre, signed_offset(i)); }
void LDR_pre(CpuState& cpu, Insn i) { load(cpu, i, Extend::Zero, Index::Pre, signed_offset(i)); }
void LDRS_pre(CpuState& cpu, Insn i) { load(cpu, i, Extend::Sign, Index::Pre, signed_offset(i)); }
void STR_v_pre(CpuState& cpu, Insn i) { store_v(cpu, i, Index::Pre, signed_offset(i)); }
void LDR_v_pre(CpuState& cpu, Insn i) { load_v(cpu, i, v_scale(i), Index::Pre, signed_offset(i)); }

void STR_reg(CpuState& cpu, Insn i) { store(cpu, i, Index::Offset, register_offset(cpu, i, i.lsize())); }
void LDR_reg(CpuState& cpu, Insn i) {
  load(cpu, i, Extend::Zero, Index::Offset, register_offset(cpu, i, i.lsize()));
}
void LDRS_reg(CpuState& cpu, Insn i) {
  load(cpu, i, Extend::Sign, Index::Offset, register_offset(cpu, i, i.lsize()));
}
void STR_v_reg(CpuState& cpu, Insn i) { store_v(cpu, i, Index::Offset, register_offset(cpu, i, v_scale(i))); }
void LDR_v_reg(CpuState& cpu, Insn i) {
  load_v(cpu, i, v_scale(i), Index::Offset, register_offset(cpu, i, v_scale(i)));
}

void LDR_lit(CpuState& cpu, Insn i) {
  u64 value = 0;
  if (!read_bytes(cpu, literal(cpu, i), i.Q() ? 8 : 4, &value)) return;
  cpu.set_X(i.Rt(), value);
}
void LDRSW_lit(CpuState& cpu, Insn i) {
  i32 value;
  if (!read_memory(cpu, literal(cpu, i), &value)) return;
  cpu.set_X(i.Rt(), static_cast<u64>(static_cast<i64>(value)));
}
void LDR_v_lit(CpuState& cpu, Insn i) {
  Vec value = {};
  if (!read_bytes(cpu, literal(cpu, i), 4u << i.lsize(), &value)) return;
  cpu.v[i.Rt()] = value;
}

void STNP(CpuState& cpu, Insn i) { store_pair(cpu, i, Index::Offset); }
void STP_off(CpuState& cpu, Insn i) { store_pair(cpu, i, Index::Offset); }
void STP_pre(CpuState& cpu, Insn i) { store_pair(cpu, i, Index::Pre); }
void STP_post(CpuState& cpu, Insn i) { store_pair(cpu, i, Index::Post); }
void LDNP(CpuState& cpu, Insn i) { load_pair(cpu, i, i.sf() ? 3 : 2, Extend::Zero, Index::Offset); }
void LDP_off(CpuState& cpu, Insn i) { load_pair(cpu, i, i.sf() ? 3 : 2, Extend::Zero, Index::Offset); }
void LDP_pre(CpuState& cpu, Insn i) { load_pair(cpu, i, i.sf() ? 3 : 2, Extend::Zero, Index::Pre); }
void LDP_post(CpuState& cpu, Insn i) { load_pair(cpu, i, i.sf() ? 3 : 2, Extend::Zero, Index::Post); }
void LDPSW_off(CpuState& cpu, Insn i) { load_pair(cpu, i, 2, Extend::Sign, Index::Offset); }
void LDPSW_pre(CpuState& cpu, Insn i) { load_pair(cpu, i, 2, Extend::Sign, Index::Pre); }
void LDPSW_post(CpuState& cpu, Insn i) { load_pair(cpu, i, 2, Extend::Sign, Index::Post); }
void STNP_v(CpuState& cpu, Insn i) { store_pair_v(cpu, i, Index::Offset); }
void STP_v_off(CpuState& cpu, Insn i) { store_pair_v(cpu, i, Index::Offset); }
void STP_v_pre(CpuState& cpu, Insn i) { store_pair_v(cpu, i, Index::Pre); }
void STP_v_post(CpuState& cpu, Insn i) { store_pair_v(cpu, i, Index::Post); }
void LDNP_v(CpuState& cpu, Insn i) { load_pair_v(cpu, i, Index::Offset); }
void LDP_v_off(CpuState& cpu, Insn i) { load_pair_v(cpu, i, Index::Offset); }
void LDP_v_pre(CpuState& cpu, Insn i) { load_pair_v(cpu, i, Index::Pre); }
void LDP_v_post(CpuState& cpu, Insn i) { load_pair_v(cpu, i, Index::Post); }

void PRFM_uimm(CpuState&, Insn) {}
void PRFUM(CpuState&, Insn) {}
void PRFM_reg(CpuState&, Insn) {}
void PRFM_lit(CpuState&, Insn) {}

}  // namespace grus::a64::semantics
