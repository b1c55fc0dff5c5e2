// SPDX-License-Identifier: MIT
// Arithmetic, logical operations, moves, conditional select and compare, pc-relative addresses.
#include "access.h"
#include "guest/aarch64/operands.h"

namespace grus::a64::semantics {
namespace {

// AddWithCarry() at the width of sf; nzcv as four bits.
u64 add_with_carry(bool sf, u64 x, u64 y, bool carry, unsigned* nzcv) {
  u64 result, sign;
  bool carry_out;
  if (sf) {
    u128 sum = static_cast<u128>(x) + y + carry;
    result = static_cast<u64>(sum);
    carry_out = sum >> 64;
    sign = u64{1} << 63;
  } else {
    x = static_cast<u32>(x), y = static_cast<u32>(y);
    u64 sum = x + y + carry;
    result = static_cast<u32>(sum);
    carry_out = sum >> 32;
    sign = u64{1} << 31;
  }
  bool overflow = ~(x ^ y) & (x ^ result) & sign;
  *nzcv = ((result & sign) != 0) << 3 | (result == 0) << 2 | carry_out << 1 | overflow;
  return result;
}

u64 width(Insn i, u64 value) { return i.sf() ? value : static_cast<u32>(value); }

// ShiftReg(): LSL, LSR, ASR, ROR by a constant, at the width of sf.
u64 shifted(CpuState& cpu, Insn i) {
  u64 value = cpu.X(i.Rm());
  unsigned amount = i.imm6();
  if (i.sf()) {
    switch (i.shift()) {
      case 0:
        return value << amount;
      case 1:
        return value >> amount;
      case 2:
        return static_cast<u64>(static_cast<i64>(value) >> amount);
      default:
        return rotate_right(value, amount, 64);
    }
  }
  u32 w = static_cast<u32>(value);
  switch (i.shift()) {
    case 0:
      return static_cast<u32>(w << amount);
    case 1:
      return w >> amount;
    case 2:
      return static_cast<u32>(static_cast<i32>(w) >> amount);
    default:
      return rotate_right(w, amount, 32);
  }
}

// ExtendReg()
u64 extended(CpuState& cpu, Insn i) {
  u64 value = cpu.X(i.Rm());
  switch (i.option()) {
    case 0:
      value = static_cast<u8>(value);
      break;
    case 1:
      value = static_cast<u16>(value);
      break;
    case 2:
      value = static_cast<u32>(value);
      break;
    case 4:
      value = static_cast<u64>(static_cast<i64>(static_cast<i8>(value)));
      break;
    case 5:
      value = static_cast<u64>(static_cast<i64>(static_cast<i16>(value)));
      break;
    case 6:
      value = static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
      break;
    default:
      break;
  }
  return value << i.imm3();
}

u64 immediate12(Insn i) { return static_cast<u64>(i.imm12()) << (i.sh() ? 12 : 0); }

enum class Target { Sp, Zero };

// x + y or, with `subtract`, x + NOT(y) + 1.
void add(CpuState& cpu, Insn i, u64 x, u64 y, bool subtract, bool set_flags, Target target) {
  unsigned nzcv;
  u64 result = add_with_carry(i.sf(), x, subtract ? ~y : y, subtract, &nzcv);
  if (set_flags) cpu.set_nzcv(nzcv);
  if (target == Target::Sp)
    cpu.set_XSP(i.Rd(), result);
  else
    cpu.set_X(i.Rd(), result);
}

void logical(CpuState& cpu, Insn i, u64 result, bool set_flags, Target target) {
  result = width(i, result);
  if (set_flags) {
    bool negative = result >> (i.sf() ? 63 : 31);
    cpu.set_nzcv(negative << 3 | (result == 0) << 2);
  }
  if (target == Target::Sp)
    cpu.set_XSP(i.Rd(), result);
  else
    cpu.set_X(i.Rd(), result);
}

void conditional_compare(CpuState& cpu, Insn i, u64 y, bool subtract) {
  unsigned nzcv = i.nzcv();
  if (condition_holds(i.cond(), cpu.nzcv()))
    add_with_carry(i.sf(), cpu.X(i.Rn()), subtract ? ~y : y, subtract, &nzcv);
  cpu.set_nzcv(nzcv);
}

void select(CpuState& cpu, Insn i, u64 otherwise) {
  cpu.set_X(i.Rd(), width(i, condition_holds(i.cond(), cpu.nzcv()) ? cpu.X(i.Rn()) : otherwise));
}

void with_carry(CpuState& cpu, Insn i, u64 y, bool set_flags) {
  unsigned nzcv;
  u64 result = add_with_carry(i.sf(), cpu.X(i.Rn()), y, cpu.nzcv() & 2, &nzcv);
  if (set_flags) cpu.set_nzcv(nzcv);
  cpu.set_X(i.Rd(), result);
}

}  // namespace

void ADR(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), adr_target(i, cpu.pc)); }
void ADRP(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), adrp_target(i, cpu.pc)); }

void ADD_imm(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), immediate12(i), false, false, Target::Sp);
}
void ADDS_imm(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), immediate12(i), false, true, Target::Zero);
}
void SUB_imm(CpuState& cpu, Insn i) { add(cpu, i, cpu.XSP(i.Rn()), immediate12(i), true, false, Target::Sp); }
void SUBS_imm(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), immediate12(i), true, true, Target::Zero);
}

void ADD_shift(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.X(i.Rn()), shifted(cpu, i), false, false, Target::Zero);
}
void ADDS_shift(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.X(i.Rn()), shifted(cpu, i), false, true, Target::Zero);
}
void SUB_shift(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.X(i.Rn()), shifted(cpu, i), true, false, Target::Zero);
}
void SUBS_shift(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.X(i.Rn()), shifted(cpu, i), true, true, Target::Zero);
}

void ADD_ext(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), extended(cpu, i), false, false, Target::Sp);
}
void ADDS_ext(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), extended(cpu, i), false, true, Target::Zero);
}
void SUB_ext(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), extended(cpu, i), true, false, Target::Sp);
}
void SUBS_ext(CpuState& cpu, Insn i) {
  add(cpu, i, cpu.XSP(i.Rn()), extended(cpu, i), true, true, Target::Zero);
}

void ADC(CpuState& cpu, Insn i) { with_carry(cpu, i, cpu.X(i.Rm()), false); }
void ADCS(CpuState& cpu, Insn i) { with_carry(cpu, i, cpu.X(i.Rm()), true); }
void SBC(CpuState& cpu, Insn i) { with_carry(cpu, i, ~cpu.X(i.Rm()), false); }
void SBCS(CpuState& cpu, Insn i) { with_carry(cpu, i, ~cpu.X(i.Rm()), true); }

void AND_imm(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & bitmask_immediate(i), false, Target::Sp);
}
void ORR_imm(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) | bitmask_immediate(i), false, Target::Sp);
}
void EOR_imm(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) ^ bitmask_immediate(i), false, Target::Sp);
}
void ANDS_imm(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & bitmask_immediate(i), true, Target::Zero);
}

void AND_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & shifted(cpu, i), false, Target::Zero);
}
void BIC_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & ~shifted(cpu, i), false, Target::Zero);
}
void ORR_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) | shifted(cpu, i), false, Target::Zero);
}
void ORN_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) | ~shifted(cpu, i), false, Target::Zero);
}
void EOR_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) ^ shifted(cpu, i), false, Target::Zero);
}
void EON_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) ^ ~shifted(cpu, i), false, Target::Zero);
}
void ANDS_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & shifted(cpu, i), true, Target::Zero);
}
void BICS_shift(CpuState& cpu, Insn i) {
  logical(cpu, i, cpu.X(i.Rn()) & ~shifted(cpu, i), true, Target::Zero);
}

void MOVZ(CpuState& cpu, Insn i) { cpu.set_X(i.Rd(), static_cast<u64>(i.imm16()) << (i.hw() * 16)); }
void MOVN(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rd(), width(i, ~(static_cast<u64>(i.imm16()) << (i.hw() * 16))));
}
void MOVK(CpuState& cpu, Insn i) {
  unsigned at = i.hw() * 16;
  u64 kept = cpu.X(i.Rd()) & ~(u64{0xffff} << at);
  cpu.set_X(i.Rd(), width(i, kept | static_cast<u64>(i.imm16()) << at));
}

void CCMN_reg(CpuState& cpu, Insn i) { conditional_compare(cpu, i, cpu.X(i.Rm()), false); }
void CCMP_reg(CpuState& cpu, Insn i) { conditional_compare(cpu, i, cpu.X(i.Rm()), true); }
void CCMN_imm(CpuState& cpu, Insn i) { conditional_compare(cpu, i, i.imm5(), false); }
void CCMP_imm(CpuState& cpu, Insn i) { conditional_compare(cpu, i, i.imm5(), true); }

void CSEL(CpuState& cpu, Insn i) { select(cpu, i, cpu.X(i.Rm())); }
void CSINC(CpuState& cpu, Insn i) { select(cpu, i, cpu.X(i.Rm()) + 1); }
void CSINV(CpuState& cpu, Insn i) { select(cpu, i, ~cpu.X(i.Rm())); }
void CSNEG(CpuState& cpu, Insn i) { select(cpu, i, -cpu.X(i.Rm())); }

}  // namespace grus::a64::semantics
