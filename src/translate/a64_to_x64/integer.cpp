// SPDX-License-Identifier: MIT
// Arithmetic, logical operations, moves, conditional select and compare, pc-relative addresses.
//
// Additions that set no flags use LEA where that is one instruction, so that a comparison before them stays fused with its
// reader behind them. Everything else works on the destination's home directly when that is not also the second source.
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

namespace {

unsigned size_of(Insn i) { return i.sf() ? 64 : 32; }
bool fits32(i64 v) { return v == static_cast<i32>(v); }

// Can an operation that changes EFLAGS work on the memory home directly? Not where the value is at hand: the next who reads it
// would wait for a store whose own load waited.
bool in_place(Emitter& e, unsigned size, unsigned d, unsigned n) {
  return size == 64 && d == n && d < 31 && Emitter::in_memory(d) && !e.flags_held() && e.holder(d) == Reg::none;
}

// d = n. From a home or a scratch register that holds it straight into a home in memory.
void move(Emitter& e, unsigned size, unsigned d, unsigned n) {
  if (Emitter::in_memory(d) && n != kZero && (size == 64 || e.zero_above_word(n))) return e.commit(d, e.use_any(n, e.any_scratch()));
  Reg dst = e.def_any(d);
  e.load(dst, n, size);
  e.commit(d, dst);
}

// d = n + constant, the guest's flags untouched.
void add_constant(Emitter& e, unsigned size, unsigned d, unsigned n, i64 constant) {
  if (constant == 0) {
    if (size == 32 || d != n) move(e, size, d, n);
    return;
  }
  u64 address;
  if (size == 64 && e.known_address(n, &address)) {  // ADRP and the low bits
    Reg dst = e.def_any(d);
    e.load_guest_address(dst, address + static_cast<u64>(constant));
    e.commit(d, dst);
    return e.set_known_address(d, address + static_cast<u64>(constant));
  }
  if (in_place(e, size, d, n)) {
    e.clobber_flags();
    e.alu_imm(Alu::add, 64, Emitter::slot(d), static_cast<i32>(constant));
    return e.written_in_place(d);
  }
  Reg left = e.use_any(n, e.any_scratch());
  Reg dst = e.def_any(d);
  e.lea(size, dst, Mem(left, static_cast<i32>(constant)));
  e.commit(d, dst);
}

// The flag-setting forms with a constant: cmp when the result is dropped.
void add_sub_constant_flags(Emitter& e, Alu op, unsigned size, unsigned d, unsigned n, i32 constant) {
  e.clobber_flags();
  if (op == Alu::add && constant) {  // x + c and x - -c: the same NZCV, but for c = 0
    op = Alu::sub;
    constant = -constant;
  }
  FlagsForm form = op == Alu::sub ? FlagsForm::Sub : FlagsForm::Add;
  if (op == Alu::sub && d == kZero) {
    if (e.cheap_in_memory(n))
      e.alu_imm(Alu::cmp, size, Emitter::slot(n), constant);
    else
      e.alu_imm(Alu::cmp, size, e.use_any(n, Reg::rax, size), constant);
  } else {
    if (in_place(e, size, d, n)) {
      e.alu_imm(op, 64, Emitter::slot(d), constant);
      e.written_in_place(d);
      return e.set_flags(form);
    }
    Reg dst = e.def(d, Reg::rax);
    if (d == kZero || d != n || Emitter::in_memory(n)) e.load_low(dst, n, size);
    e.alu_imm(op, size, dst, constant);
    e.commit(d, dst);
  }
  e.set_flags(form);
}

// rcx or the home: Xm shifted. Changes flags only for amounts that need a shift instruction (caller has clobbered).
Reg shifted(Emitter& e, unsigned size, unsigned m, unsigned kind, unsigned amount) {
  if (amount == 0) return e.use(m, Reg::rcx, size);
  static const Shift shifts[] = {Shift::shl, Shift::shr, Shift::sar, Shift::ror};
  e.load(Reg::rcx, m, size);
  e.shift_imm(shifts[kind], size, Reg::rcx, static_cast<u8>(amount));
  return Reg::rcx;
}

// Xm extended; in `scratch` unless its home will do.
Reg extended(Emitter& e, unsigned m, unsigned option, Reg scratch) {
  unsigned bits = 8u << (option & 3);
  if (bits == 64 || m == kZero || (option == 2 && e.zero_above_word(m))) return e.use(m, scratch);
  e.load_extended(scratch, m, bits, option & 4);
  return scratch;
}

// d = n - right, in LEA's way: EFLAGS stay. Changes `right`, which is scratch and not rax.
void subtract_by_lea(Emitter& e, unsigned size, unsigned d, unsigned n, Reg right) {
  e.not_(size, right);
  Reg dst = e.def(d, Reg::rax);
  if (n == kZero)
    e.lea(size, dst, Mem(right, 1));
  else
    e.lea(size, dst, Mem(e.use(n, Reg::rax, size), right, 1, 1));
  e.commit(d, dst);
}

// d = n op m for registers as they are; the flags are the caller's business.
void binary(Emitter& e, Alu op, unsigned size, unsigned d, unsigned n, unsigned m) {
  if (in_place(e, size, d, n) && m != kZero) {
    e.alu(op, 64, Emitter::slot(d), e.use_any(m, Reg::rcx));
    return e.written_in_place(d);
  }
  Reg dst = e.def(d, Reg::rax);
  if (dst == Reg::rax && op != Alu::sub && m != kZero && e.holder(m) == Reg::rax) {  // commutative
    e.alu_with(op, size, dst, n);
    return e.commit(d, dst);
  }
  if (d == m && d != n && dst != Reg::rax) {
    if (op == Alu::sub) {
      e.load(Reg::rax, n, size);
      e.alu_with(op, size, Reg::rax, m);
      e.commit(d, Reg::rax);
      return;
    }
    e.alu_with(op, size, dst, n);  // commutative
    return;
  }
  if (d != n || dst == Reg::rax) e.load(dst, n, size);
  e.alu_with(op, size, dst, m);
  e.commit(d, dst);
}

void add_sub_shift(Emitter& e, Insn i, Alu op, bool flags) {
  unsigned size = size_of(i), d = i.Rd(), n = i.Rn(), m = i.Rm(), amount = i.imm6();
  // add with a small left shift is one LEA.
  if (!flags && op == Alu::add && i.shift() == 0 && amount <= 3 && n != kZero && m != kZero) {
    Reg base, index;
    e.use_both(n, &base, m, &index, size);
    Reg dst = e.def_any(d);
    e.lea(size, dst, Mem(base, index, static_cast<u8>(1 << amount), 0));
    e.commit(d, dst);
    return;
  }
  if (!flags && op == Alu::sub && amount == 0 && d != kZero && e.flags_held()) {
    e.load(Reg::rcx, m, size);
    return subtract_by_lea(e, size, d, n, Reg::rcx);
  }
  e.clobber_flags();
  if (flags && d == kZero && op == Alu::sub) {
    if (amount == 0) {
      if (n != kZero && !Emitter::in_memory(n)) {
        e.alu_with(Alu::cmp, size, Emitter::home(n), m);
      } else if (e.cheap_in_memory(n) && m != kZero && !Emitter::in_memory(m)) {
        e.alu(Alu::cmp, size, Emitter::slot(n), Emitter::home(m));
      } else if (n == kZero || m == kZero || e.cheap_in_memory(m)) {
        e.load(Reg::rax, n, size);
        e.alu_with(Alu::cmp, size, Reg::rax, m);
      } else {
        Reg left, right;
        e.use_both(n, &left, m, &right, size);
        e.alu(Alu::cmp, size, left, right);
      }
    } else {
      Reg right = shifted(e, size, m, i.shift(), amount);
      e.alu(Alu::cmp, size, e.use(n, Reg::rax, size), right);
    }
    e.set_flags(FlagsForm::Sub);
    return;
  }
  if (amount == 0) {
    if (d == kZero) {
      e.load(Reg::rax, n, size);
      e.alu_with(op, size, Reg::rax, m);
    } else if (op == Alu::sub && n == kZero && !flags) {  // neg
      Reg dst = e.def(d, Reg::rax);
      if (d != m || dst == Reg::rax) e.load(dst, m, size);
      e.neg(size, dst);
      e.commit(d, dst);
    } else {
      binary(e, op, size, d, n, m);
    }
  } else {
    Reg right = shifted(e, size, m, i.shift(), amount);
    Reg dst = e.def(d, Reg::rax);
    if (d != n || dst == Reg::rax) e.load(dst, n, size);
    e.alu(op, size, dst, right);
    e.commit(d, dst);
  }
  if (flags) e.set_flags(op == Alu::sub ? FlagsForm::Sub : FlagsForm::Add);
}

void add_sub_ext(Emitter& e, Insn i, Alu op, bool flags) {
  unsigned size = size_of(i), n = Emitter::sp(i.Rn()), d = flags ? i.Rd() : Emitter::sp(i.Rd()), shift = i.imm3();
  if (!flags && op == Alu::add && shift <= 3) {  // one LEA
    Reg index = extended(e, i.Rm(), i.option(), Reg::rcx);
    Reg dst = e.def(d, Reg::rax);
    e.lea(size, dst, Mem(e.use(n, Reg::rax, size), index, static_cast<u8>(1 << shift), 0));
    return e.commit(d, dst);
  }
  if (!flags && op == Alu::sub && shift == 0 && e.flags_held()) {
    if (Reg right = extended(e, i.Rm(), i.option(), Reg::rcx); right != Reg::rcx) e.mov(64, Reg::rcx, right);
    return subtract_by_lea(e, size, d, n, Reg::rcx);
  }
  e.clobber_flags();
  Reg right = extended(e, i.Rm(), i.option(), Reg::rcx);
  if (shift) {
    if (right != Reg::rcx) e.mov(64, Reg::rcx, right);
    right = Reg::rcx;
    e.shift_imm(Shift::shl, 64, right, static_cast<u8>(shift));
  }
  if (flags && d == kZero && op == Alu::sub) {
    e.alu(Alu::cmp, size, e.use(n, Reg::rax, size), right);
  } else {
    Reg dst = e.def(d, Reg::rax);
    if (dst == right && d != n) dst = Reg::rax;
    if (d != n || dst == Reg::rax) e.load(dst, n, size);
    e.alu(op, size, dst, right);
    e.commit(d, dst);
  }
  if (flags) e.set_flags(op == Alu::sub ? FlagsForm::Sub : FlagsForm::Add);
}

i32 constant_of(Insn i) { return static_cast<i32>(i.imm12() << (i.sh() ? 12 : 0)); }

// DecodeBitMasks (Arm ARM shared/functions/aarch64), wmask only.
u64 bitmask(Insn i) {
  unsigned combined = i.N() << 6 | (~i.imms() & 63);
  unsigned length = 31 - static_cast<unsigned>(__builtin_clz(combined));
  unsigned element = 1u << length, s = i.imms() & (element - 1), r = i.immr() & (element - 1);
  u64 all = element == 64 ? ~u64{0} : (u64{1} << element) - 1;
  u64 ones = s == 63 ? ~u64{0} : (u64{1} << (s + 1)) - 1;
  u64 value = r ? ((ones >> r) | (ones << (element - r))) & all : ones;
  for (unsigned w = element; w < 64; w *= 2) value |= value << w;
  return i.sf() ? value : static_cast<u32>(value);
}

void logical_imm(Emitter& e, Insn i, Alu op, bool flags) {
  unsigned size = size_of(i), d = flags ? i.Rd() : Emitter::sp(i.Rd()), n = i.Rn();
  u64 mask = bitmask(i);
  if (n == kZero && !flags) {  // mov: orr or eor with zero; and gives zero
    Reg dst = e.def(d, Reg::rax);
    e.mov_imm(dst, op == Alu::and_ ? 0 : mask);
    e.commit(d, dst);
    return;
  }
  // The common masks have flagless forms.
  if (!flags && op == Alu::and_ && (mask == 0xff || mask == 0xffff || mask == 0xffffffff)) {
    unsigned from = mask == 0xff ? 8 : mask == 0xffff ? 16 : 32;
    Reg dst = e.def(d, Reg::rax);
    e.load_extended(dst, n, from, false);
    e.commit(d, dst);
    return;
  }
  e.clobber_flags();
  i64 imm = size == 32 ? static_cast<i64>(static_cast<i32>(mask)) : static_cast<i64>(mask);
  if (flags && d == kZero && fits32(imm)) {
    if (e.cheap_in_memory(n))
      e.test_imm(size, Emitter::slot(n), static_cast<i32>(imm));
    else
      e.test_imm(size, e.use_any(n, Reg::rax, size), static_cast<i32>(imm));
    e.set_flags(FlagsForm::Logic);
    return;
  }
  if (!flags && fits32(imm) && in_place(e, size, d, n)) {
    e.alu_imm(op, 64, Emitter::slot(d), static_cast<i32>(imm));
    return e.written_in_place(d);
  }
  Reg dst = e.def(d, Reg::rax);
  if (fits32(imm)) {
    if (d != n || dst == Reg::rax) e.load(dst, n, size);
    e.alu_imm(op, size, dst, static_cast<i32>(imm));
  } else {
    e.mov_imm(Reg::rcx, mask);
    if (d != n || dst == Reg::rax) e.load(dst, n, size);
    e.alu(op, size, dst, Reg::rcx);
  }
  e.commit(d, dst);
  if (flags) e.set_flags(FlagsForm::Logic);
}

void logical_shift(Emitter& e, Insn i, Alu op, bool invert, bool flags) {
  unsigned size = size_of(i), d = i.Rd(), n = i.Rn(), m = i.Rm(), amount = i.imm6();
  if (!flags && op == Alu::or_ && n == kZero && amount == 0) {  // mov, mvn
    if (!invert) return move(e, size, d, m);
    Reg dst = e.def(d, Reg::rax);
    e.load(dst, m, size);
    e.not_(size, dst);
    e.commit(d, dst);
    return;
  }
  e.clobber_flags();
  if (flags && !invert && d == kZero && amount == 0 && n != kZero) {
    Reg left, right;
    if (e.cheap_in_memory(m) && m != n) {
      e.rm(size, 0x85, e.use_any(n, Reg::rax, size), Emitter::slot(m));  // test
    } else if (e.cheap_in_memory(n) && m != n) {
      e.rm(size, 0x85, e.use_any(m, Reg::rcx, size), Emitter::slot(n));
    } else {
      if (m == n)
        left = right = e.use_any(n, Reg::rax, size);
      else
        e.use_both(n, &left, m, &right, size);
      e.test(size, left, right);
    }
    e.set_flags(FlagsForm::Logic);
    return;
  }
  if (amount == 0 && !invert && d != kZero) {
    binary(e, op, size, d, n, m);
  } else {
    Reg right = shifted(e, size, m, i.shift(), amount);
    if (invert) {
      if (right != Reg::rcx) e.mov(size, Reg::rcx, right);
      e.not_(size, Reg::rcx);
      right = Reg::rcx;
    }
    Reg dst = e.def(d, Reg::rax);
    if (dst == right) {  // d is m's home and m is unshifted: only for the dropped result
      e.load(Reg::rax, n, size);
      dst = Reg::rax;
    } else if (d != n || dst == Reg::rax) {
      e.load(dst, n, size);
    }
    e.alu(op, size, dst, right);
    e.commit(d, dst);
  }
  if (flags) e.set_flags(FlagsForm::Logic);
}

}  // namespace

void ADD_imm(Emitter& e, Insn i) {
  add_constant(e, size_of(i), Emitter::sp(i.Rd()), Emitter::sp(i.Rn()), constant_of(i));
}
void SUB_imm(Emitter& e, Insn i) {
  add_constant(e, size_of(i), Emitter::sp(i.Rd()), Emitter::sp(i.Rn()), -constant_of(i));
}
void ADDS_imm(Emitter& e, Insn i) {
  add_sub_constant_flags(e, Alu::add, size_of(i), i.Rd(), Emitter::sp(i.Rn()), constant_of(i));
}
void SUBS_imm(Emitter& e, Insn i) {
  add_sub_constant_flags(e, Alu::sub, size_of(i), i.Rd(), Emitter::sp(i.Rn()), constant_of(i));
}
void ADD_shift(Emitter& e, Insn i) { add_sub_shift(e, i, Alu::add, false); }
void ADDS_shift(Emitter& e, Insn i) { add_sub_shift(e, i, Alu::add, true); }
void SUB_shift(Emitter& e, Insn i) { add_sub_shift(e, i, Alu::sub, false); }
void SUBS_shift(Emitter& e, Insn i) { add_sub_shift(e, i, Alu::sub, true); }
void ADD_ext(Emitter& e, Insn i) { add_sub_ext(e, i, Alu::add, false); }
void ADDS_ext(Emitter& e, Insn i) { add_sub_ext(e, i, Alu::add, true); }
void SUB_ext(Emitter& e, Insn i) { add_sub_ext(e, i, Alu::sub, false); }
void SUBS_ext(Emitter& e, Insn i) { add_sub_ext(e, i, Alu::sub, true); }

void AND_imm(Emitter& e, Insn i) { logical_imm(e, i, Alu::and_, false); }
void ORR_imm(Emitter& e, Insn i) { logical_imm(e, i, Alu::or_, false); }
void EOR_imm(Emitter& e, Insn i) { logical_imm(e, i, Alu::xor_, false); }
void ANDS_imm(Emitter& e, Insn i) { logical_imm(e, i, Alu::and_, true); }
void AND_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::and_, false, false); }
void BIC_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::and_, true, false); }
void ORR_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::or_, false, false); }
void ORN_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::or_, true, false); }
void EOR_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::xor_, false, false); }
void EON_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::xor_, true, false); }
void ANDS_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::and_, false, true); }
void BICS_shift(Emitter& e, Insn i) { logical_shift(e, i, Alu::and_, true, true); }

void MOVZ(Emitter& e, Insn i) {
  Reg dst = e.def_any(i.Rd());
  u64 value = static_cast<u64>(i.imm16()) << (16 * i.hw());
  if (value || e.flags_held()) {
    e.mov_imm(dst, value);
  } else {
    e.clobber_flags();
    e.alu(Alu::xor_, 32, dst, dst);
  }
  e.commit(i.Rd(), dst);
  e.set_known(i.Rd(), value);
}
void MOVN(Emitter& e, Insn i) {
  u64 value = ~(static_cast<u64>(i.imm16()) << (16 * i.hw()));
  if (!i.sf()) value = static_cast<u32>(value);
  Reg dst = e.def_any(i.Rd());
  e.mov_imm(dst, value);
  e.commit(i.Rd(), dst);
  e.set_known(i.Rd(), value);
}
void MOVK(Emitter& e, Insn i) {
  if (i.Rd() == kZero) return;
  u64 mask = u64{0xffff} << (16 * i.hw()), value = static_cast<u64>(i.imm16()) << (16 * i.hw());
  if (u64 before; e.known(i.Rd(), &before)) {
    u64 all = (before & ~mask) | value;
    Reg dst = e.def(i.Rd(), Reg::rax);
    e.mov_imm(dst, i.sf() ? all : static_cast<u32>(all));
    e.commit(i.Rd(), dst);
    return e.set_known(i.Rd(), i.sf() ? all : static_cast<u32>(all));
  }
  // Not as a 16-bit store into a memory home: the next load of 64 bits would wait for it (no store forwarding).
  e.clobber_flags();
  Reg dst = e.def(i.Rd(), Reg::rdx);
  if (dst == Reg::rdx) e.load(dst, i.Rd());
  if (!i.sf()) {
    e.alu_imm(Alu::and_, 32, dst, static_cast<i32>(~mask));
    if (value) e.alu_imm(Alu::or_, 32, dst, static_cast<i32>(value));
  } else if (i.hw() == 0) {
    e.alu_imm(Alu::and_, 64, dst, -0x10000);
    if (value) e.alu_imm(Alu::or_, 64, dst, static_cast<i32>(value));
  } else {
    e.mov_imm(Reg::rax, ~mask);
    e.alu(Alu::and_, 64, dst, Reg::rax);
    e.mov_imm(Reg::rax, value);
    e.alu(Alu::or_, 64, dst, Reg::rax);
  }
  e.commit(i.Rd(), dst);
}

void ADR(Emitter& e, Insn i) {
  i64 offset = static_cast<i64>(static_cast<u64>(i.immhi() << 2 | i.immlo()) << 43) >> 43;
  Reg dst = e.def_any(i.Rd());
  e.load_guest_address(dst, e.pc() + static_cast<u64>(offset));
  e.commit(i.Rd(), dst);
  e.set_known_address(i.Rd(), e.pc() + static_cast<u64>(offset));
}
void ADRP(Emitter& e, Insn i) {
  i64 offset = static_cast<i64>(static_cast<u64>(i.immhi() << 2 | i.immlo()) << 43) >> 31;
  u64 page = (e.pc() & ~u64{0xfff}) + static_cast<u64>(offset);
  Reg dst = e.def_any(i.Rd());
  e.load_guest_address(dst, page);
  e.commit(i.Rd(), dst);
  e.set_known_address(i.Rd(), page);
}

/* -- With carry ---------------------------------------------------------------------------------------------------- */

static void add_carry(Emitter& e, Insn i, bool subtract, bool flags) {
  unsigned size = size_of(i), d = i.Rd();
  e.load_flags_as_sub();     // CF = !C, what sbb wants
  if (!subtract) e.cmc();    // adc wants C
  // The register moves leave CF alone; rax may have held the flags' image and is free again.
  e.load(Reg::rax, i.Rn(), size);
  e.load(Reg::rcx, i.Rm(), size);
  if (!flags && e.flags_needed()) {
    // NZCV lives on: the memory home must hold it before CF is consumed. load_flags_as_sub left it valid or saves it now.
    if (!subtract) e.cmc();
    e.mov(64, Reg::rdx, Reg::rax);
    e.clobber_flags();
    e.mov(64, Reg::rax, Reg::rdx);
    if (!subtract) e.cmc();
  } else {
    e.forget_flags();
  }
  e.alu(subtract ? Alu::sbb : Alu::adc, size, Reg::rax, Reg::rcx);
  e.commit(d, Reg::rax);
  if (flags) e.set_flags(subtract ? FlagsForm::Sub : FlagsForm::Add);
}
void ADC(Emitter& e, Insn i) { add_carry(e, i, false, false); }
void ADCS(Emitter& e, Insn i) { add_carry(e, i, false, true); }
void SBC(Emitter& e, Insn i) { add_carry(e, i, true, false); }
void SBCS(Emitter& e, Insn i) { add_carry(e, i, true, true); }

/* -- Conditional --------------------------------------------------------------------------------------------------- */

enum class Else : u8 { Same, Increment, Invert, Negate };

static void select(Emitter& e, Insn i, Else otherwise) {
  unsigned size = size_of(i), d = i.Rd(), n = i.Rn(), m = i.Rm();
  if (i.cond() >= 14) {  // always
    Reg dst = e.def(d, Reg::rax);
    e.load(dst, n, size);
    e.commit(d, dst);
    return;
  }
  CC cc = e.condition(i.cond());
  // cset and csetm.
  if (n == kZero && m == kZero && otherwise == Else::Increment) {
    Reg dst = e.def(d, Reg::rax);
    e.mov_imm(dst, 0);
    e.setcc(x64::invert(cc), dst);
    e.commit(d, dst);
    return;
  }
  // The other value into rcx without touching flags.
  Reg other = Reg::rcx;
  if (otherwise == Else::Same) {
    other = e.use(m, Reg::rcx, size);
  } else if (otherwise == Else::Increment) {
    e.lea(size, Reg::rcx, Mem(e.use(m, Reg::rcx, size), 1));
  } else {
    e.load(Reg::rcx, m, size);
    e.not_(size, Reg::rcx);
    if (otherwise == Else::Negate) e.lea(size, Reg::rcx, Mem(Reg::rcx, 1));
  }
  Reg dst = e.def(d, Reg::rax);
  if (dst == other) {  // d's home holds m: keep it unless the condition holds
    if (!e.cheap_in_memory(n)) {
      Reg source = e.use(n, Reg::rax, size);
      e.cmov(size, cc, dst, source);
    } else {
      e.cmov(size, cc, dst, Emitter::slot(n));
    }
  } else {
    if (dst != e.use(n, dst, size)) e.mov(size, dst, Emitter::home(n));
    e.cmov(size, x64::invert(cc), dst, other);  // 32 bits: clears the rest whether it moves or not
  }
  e.commit(d, dst);
}
void CSEL(Emitter& e, Insn i) { select(e, i, Else::Same); }
void CSINC(Emitter& e, Insn i) { select(e, i, Else::Increment); }
void CSINV(Emitter& e, Insn i) { select(e, i, Else::Invert); }
void CSNEG(Emitter& e, Insn i) { select(e, i, Else::Negate); }

// The comparison when the condition holds, else the immediate flags: EFLAGS hold NZCV in borrow sense either way.
static void conditional_compare(Emitter& e, Insn i, bool negative, bool immediate) {
  unsigned size = size_of(i);
  if (i.cond() >= 14) return e.call_semantics();
  CC cc = e.condition(i.cond());
  a64::CpuState image;
  image.set_nzcv(i.nzcv());
  bool decided = e.jump_if_decided(x64::invert(cc), i.nzcv());
  u8* otherwise = decided ? nullptr : e.jcc8(x64::invert(cc));
  Reg left = e.use(i.Rn(), Reg::rax, size);
  if (negative && left != Reg::rax) {
    e.mov(size, Reg::rax, left);
    left = Reg::rax;
  }
  Alu op = negative ? Alu::add : Alu::cmp;
  if (immediate)
    e.alu_imm(op, size, left, static_cast<i32>(i.imm5()));
  else
    e.alu_with(op, size, left, i.Rm());
  if (negative) e.cmc();
  if (decided) return e.set_flags(FlagsForm::Sub);
  u8* done = e.jmp8();
  e.patch8(otherwise);
  e.mov_imm(Reg::rax, image.nzcv_image);
  e.alu_imm(Alu::add, 8, Reg::rax, 0x7f);  // OF from al, the rest from ah, as Emitter::load_flags_as_sub
  e.sahf();
  e.patch8(done);
  e.set_flags(FlagsForm::Sub);
}
void CCMN_reg(Emitter& e, Insn i) { conditional_compare(e, i, true, false); }
void CCMP_reg(Emitter& e, Insn i) { conditional_compare(e, i, false, false); }
void CCMN_imm(Emitter& e, Insn i) { conditional_compare(e, i, true, true); }
void CCMP_imm(Emitter& e, Insn i) { conditional_compare(e, i, false, true); }

}  // namespace grus::a64_to_x64::templates
