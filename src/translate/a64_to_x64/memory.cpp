// SPDX-License-Identifier: MIT
// Loads and stores of general and of scalar SIMD&FP registers.
//
// Each accesses memory first and commits afterwards: the base's writeback, and the loaded registers. Host loads and
// stores are TSO, stronger than what the guest asks for. Tagged and faulting addresses fault on the host and are
// decided by the semantics (run/fault.cpp). SP is aligned here (region.cpp).
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64::templates {

namespace {

enum class Writeback : u8 { None, Pre, Post };

i64 simm9(Insn i) { return static_cast<i64>(static_cast<u64>(i.imm9()) << 55) >> 55; }
i64 simm7(Insn i) { return static_cast<i64>(static_cast<u64>(i.imm7()) << 57) >> 57; }

// [base + offset] for the access; with writeback the new base goes to the home afterwards.
struct Address {
  Mem access;
  unsigned base;
  i64 delta;
  Writeback mode;
};

Address address(Emitter& e, unsigned rn, i64 offset, Writeback mode, bool pair = false) {
  unsigned base = Emitter::sp(rn);
  u64 known;
  // What ADRP has made: its page and the low bits here in one operand.
  if (mode == Writeback::None && !pair && e.known_address(base, &known) && e.near(known + static_cast<u64>(offset)))
    return Address{Mem::rip(known + static_cast<u64>(offset)), base, offset, mode};
  // Where the new base is computed, and behind the first load of a pair, the old one must be left: in rcx.
  Reg r = mode == Writeback::None && !pair ? e.use_any(base, e.any_scratch()) : e.use(base, Reg::rcx);
  return Address{Mem(r, static_cast<i32>(mode == Writeback::Post ? 0 : offset)), base, offset, mode};
}

void write_back(Emitter& e, const Address& a) {
  if (a.mode == Writeback::None || a.delta == 0) return;
  Reg dst = e.def(a.base, Reg::rcx);
  // The old base is in its home, or still in rcx.
  e.lea(64, dst, Mem(dst, static_cast<i32>(a.delta)));
  e.commit(a.base, dst);
}

/* -- General registers --------------------------------------------------------------------------------------------- */

void load_zero_extended(Emitter& e, unsigned lsize, Reg dst, Mem m) { e.movzx(8u << lsize, dst, m); }

void load(Emitter& e, unsigned lsize, unsigned t, const Address& a) {
  // Without writeback the destination's home can be loaded directly; else the base must survive a fault, and a destination
  // that is also the base loses to the writeback's order (semantics/memory.cpp).
  if (a.mode == Writeback::None) {
    Reg dst = e.def_any(t);
    load_zero_extended(e, lsize, dst, a.access);
    e.commit(t, dst);
    return;
  }
  if (t == a.base) return e.call_semantics();
  Reg dst = e.def(t, Reg::rax);
  load_zero_extended(e, lsize, dst, a.access);
  write_back(e, a);
  e.commit(t, dst);
}

void load_signed(Emitter& e, unsigned lsize, bool to32, unsigned t, const Address& a) {
  if (a.mode != Writeback::None && t == a.base) return e.call_semantics();
  Reg dst = a.mode == Writeback::None ? e.def_any(t) : e.def(t, Reg::rax);
  e.movsx(to32 ? 32 : 64, 8u << lsize, dst, a.access);
  write_back(e, a);
  e.commit(t, dst);
}

// A scratch register that the address does not use.
Reg beside(const Mem& m) {
  auto uses = [&](Reg r) { return m.base == r || m.index == r; };
  return !uses(Reg::rax) ? Reg::rax : !uses(Reg::rdx) ? Reg::rdx : Reg::rcx;
}

void store(Emitter& e, unsigned lsize, unsigned t, const Address& a) {
  if (a.mode != Writeback::None && t == a.base) return e.call_semantics();
  unsigned size = 8u << lsize;
  if (t == kZero)
    e.mov_imm(size, a.access, 0);
  else
    e.mov(size, a.access, e.use_any(t, beside(a.access)));
  write_back(e, a);
}

// rcx or the base register with an index operand; register offsets have no writeback.
Mem register_offset(Emitter& e, Insn i, unsigned lsize) {
  Reg base, index;
  unsigned shift = i.scaled() ? lsize : 0;
  if (shift <= 3 && i.Rm() != kZero && (i.option() & 1 || (i.option() == 2 && e.zero_above_word(i.Rm())))) {
    e.use_both(Emitter::sp(i.Rn()), &base, i.Rm(), &index);
    return Mem(base, index, static_cast<u8>(1u << shift), 0);
  }
  base = e.use(Emitter::sp(i.Rn()), Reg::rcx);
  if (i.Rm() == kZero) return Mem(base, 0);
  index = Reg::rdx;
  if (i.option() & 1)
    index = e.use(i.Rm(), Reg::rdx);
  else  // UXTW, SXTW
    e.load_extended(index, i.Rm(), 32, i.option() == 6);
  if (shift <= 3) return Mem(base, index, static_cast<u8>(1u << shift), 0);
  // 16-byte elements: scale by 8 twice over.
  if (index != Reg::rdx) e.mov(64, Reg::rdx, index);
  e.lea(64, Reg::rdx, Mem(Reg::rdx, Reg::rdx, 1, 0));
  return Mem(base, Reg::rdx, 8, 0);
}

/* -- Scalar SIMD&FP registers -------------------------------------------------------------------------------------- */

unsigned vector_size(Insn i) { return i.vq() ? 4 : i.lsize(); }

void load_vector(Emitter& e, unsigned lsize, unsigned t, const Address& a) {
  Xmm dst = e.vdef(t, Xmm::x0);
  switch (lsize) {
    case 0:
    case 1:
      e.movzx(8u << lsize, Reg::rax, a.access);
      e.movd(dst, Reg::rax);
      break;
    case 2: e.movd(dst, a.access); break;
    case 3: e.movq(dst, a.access); break;
    default: e.movups(dst, a.access); break;
  }
  write_back(e, a);
  e.vcommit(t, dst);
  if (lsize < 4) e.set_zero_above(t, lsize == 3 ? 64 : 32);
}

void store_vector(Emitter& e, unsigned lsize, unsigned t, const Address& a) {
  Xmm src = e.vuse(t, Xmm::x0);
  switch (lsize) {
    case 0:
    case 1:
      e.movd(beside(a.access), src);
      e.mov(8u << lsize, a.access, beside(a.access));
      break;
    case 2: e.movd(a.access, src); break;
    case 3: e.movq(a.access, src); break;
    default: e.movups(a.access, src); break;
  }
  write_back(e, a);
}

/* -- Pairs --------------------------------------------------------------------------------------------------------- */

void load_pair(Emitter& e, Insn i, Writeback mode, bool sign) {
  unsigned size = sign ? 32 : i.sf() ? 64 : 32, bytes = size / 8;
  unsigned t = i.Rt(), t2 = i.Rt2();
  if (t == t2) return e.call_semantics();
  Address a = address(e, i.Rn(), simm7(i) * bytes, mode, true);
  if (mode != Writeback::None && (t == a.base || t2 == a.base)) return e.call_semantics();
  Mem second = a.access;
  second.disp += static_cast<i32>(bytes);
  // The first register may be the base of the second access, and the second access may fault: first into scratch.
  // The second ends in rax, where RET wants x30.
  Reg first = Reg::rdx;
  Reg other = e.def(t2, Reg::rax);
  if (sign)
    e.movsx(64, 32, first, a.access);
  else
    e.mov(size, first, a.access);
  if (sign)
    e.movsx(64, 32, other, second);
  else
    e.mov(size, other, second);
  write_back(e, a);
  e.commit(t, first);
  e.commit(t2, other);
}

void store_pair(Emitter& e, Insn i, Writeback mode) {
  unsigned size = i.sf() ? 64 : 32, bytes = size / 8;
  unsigned t = i.Rt(), t2 = i.Rt2();
  Address a = address(e, i.Rn(), simm7(i) * bytes, mode, true);
  if (mode != Writeback::None && (t == a.base || t2 == a.base)) return e.call_semantics();
  Mem second = a.access;
  second.disp += static_cast<i32>(bytes);
  auto put = [&](Mem m, unsigned r) {
    if (r == kZero)
      e.mov_imm(size, m, 0);
    else
      e.mov(size, m, e.use_any(r, Reg::rax));
  };
  put(a.access, t);
  put(second, t2);
  write_back(e, a);
}

void load_pair_vector(Emitter& e, Insn i, Writeback mode) {
  unsigned bytes = 4u << i.lsize(), t = i.Rt(), t2 = i.Rt2();
  if (t == t2) return e.call_semantics();
  Address a = address(e, i.Rn(), simm7(i) * bytes, mode, true);
  Mem second = a.access;
  second.disp += static_cast<i32>(bytes);
  auto get = [&](Xmm x, Mem m) {
    if (bytes == 4)
      e.movd(x, m);
    else if (bytes == 8)
      e.movq(x, m);
    else
      e.movups(x, m);
  };
  Xmm other = e.vdef(t2, Xmm::x1);
  get(Xmm::x0, a.access);
  get(other, second);
  write_back(e, a);
  e.vcommit(t, Xmm::x0);
  e.vcommit(t2, other);
  if (bytes == 16) return;
  e.set_zero_above(t, 8 * bytes);
  e.set_zero_above(t2, 8 * bytes);
}

void store_pair_vector(Emitter& e, Insn i, Writeback mode) {
  unsigned bytes = 4u << i.lsize();
  Address a = address(e, i.Rn(), simm7(i) * bytes, mode, true);
  Mem second = a.access;
  second.disp += static_cast<i32>(bytes);
  auto put = [&](Mem m, unsigned r) {
    Xmm x = e.vuse(r, Xmm::x0);
    if (bytes == 4)
      e.movd(m, x);
    else if (bytes == 8)
      e.movq(m, x);
    else
      e.movups(m, x);
  };
  put(a.access, i.Rt());
  put(second, i.Rt2());
  write_back(e, a);
}

}  // namespace

void LDR_uimm(Emitter& e, Insn i) {
  load(e, i.lsize(), i.Rt(), address(e, i.Rn(), i64{i.imm12()} << i.lsize(), Writeback::None));
}
void LDRS_uimm(Emitter& e, Insn i) {
  load_signed(e, i.lsize(), i.to32(), i.Rt(), address(e, i.Rn(), i64{i.imm12()} << i.lsize(), Writeback::None));
}
void STR_uimm(Emitter& e, Insn i) {
  store(e, i.lsize(), i.Rt(), address(e, i.Rn(), i64{i.imm12()} << i.lsize(), Writeback::None));
}
void LDR_v_uimm(Emitter& e, Insn i) {
  load_vector(e, vector_size(i), i.Rt(), address(e, i.Rn(), i64{i.imm12()} << vector_size(i), Writeback::None));
}
void STR_v_uimm(Emitter& e, Insn i) {
  store_vector(e, vector_size(i), i.Rt(), address(e, i.Rn(), i64{i.imm12()} << vector_size(i), Writeback::None));
}

#define IMM9_FORMS(NAME_UR, NAME_PRE, NAME_POST, FUNCTION, ...)                                                \
  void NAME_UR(Emitter& e, Insn i) { FUNCTION(e, __VA_ARGS__, i.Rt(), address(e, i.Rn(), simm9(i), Writeback::None)); } \
  void NAME_PRE(Emitter& e, Insn i) { FUNCTION(e, __VA_ARGS__, i.Rt(), address(e, i.Rn(), simm9(i), Writeback::Pre)); } \
  void NAME_POST(Emitter& e, Insn i) { FUNCTION(e, __VA_ARGS__, i.Rt(), address(e, i.Rn(), simm9(i), Writeback::Post)); }
IMM9_FORMS(LDUR, LDR_pre, LDR_post, load, i.lsize())
IMM9_FORMS(LDURS, LDRS_pre, LDRS_post, load_signed, i.lsize(), i.to32())
IMM9_FORMS(STUR, STR_pre, STR_post, store, i.lsize())
IMM9_FORMS(LDUR_v, LDR_v_pre, LDR_v_post, load_vector, vector_size(i))
IMM9_FORMS(STUR_v, STR_v_pre, STR_v_post, store_vector, vector_size(i))
#undef IMM9_FORMS

void LDR_reg(Emitter& e, Insn i) {
  Mem m = register_offset(e, i, i.lsize());
  load(e, i.lsize(), i.Rt(), Address{m, 0, 0, Writeback::None});
}
void LDRS_reg(Emitter& e, Insn i) {
  Mem m = register_offset(e, i, i.lsize());
  load_signed(e, i.lsize(), i.to32(), i.Rt(), Address{m, 0, 0, Writeback::None});
}
void STR_reg(Emitter& e, Insn i) {
  Mem m = register_offset(e, i, i.lsize());
  store(e, i.lsize(), i.Rt(), Address{m, 0, 0, Writeback::None});
}
void LDR_v_reg(Emitter& e, Insn i) {
  Mem m = register_offset(e, i, vector_size(i));
  load_vector(e, vector_size(i), i.Rt(), Address{m, 0, 0, Writeback::None});
}
void STR_v_reg(Emitter& e, Insn i) {
  Mem m = register_offset(e, i, vector_size(i));
  store_vector(e, vector_size(i), i.Rt(), Address{m, 0, 0, Writeback::None});
}

static Address literal(Emitter& e, Insn i) {
  u64 target = e.pc() + static_cast<u64>(static_cast<i64>(static_cast<u64>(i.imm19()) << 45) >> 43);
  e.load_guest_address(Reg::rcx, target);
  return Address{Mem(Reg::rcx, 0), 0, 0, Writeback::None};
}
void LDR_lit(Emitter& e, Insn i) { load(e, i.Q() ? 3 : 2, i.Rt(), literal(e, i)); }
void LDRSW_lit(Emitter& e, Insn i) { load_signed(e, 2, false, i.Rt(), literal(e, i)); }
void LDR_v_lit(Emitter& e, Insn i) { load_vector(e, 2 + i.lsize(), i.Rt(), literal(e, i)); }

void PRFM_uimm(Emitter&, Insn) {}
void PRFUM(Emitter&, Insn) {}
void PRFM_reg(Emitter&, Insn) {}
void PRFM_lit(Emitter&, Insn) {}

void LDP_off(Emitter& e, Insn i) { load_pair(e, i, Writeback::None, false); }
void LDP_pre(Emitter& e, Insn i) { load_pair(e, i, Writeback::Pre, false); }
void LDP_post(Emitter& e, Insn i) { load_pair(e, i, Writeback::Post, false); }
void LDNP(Emitter& e, Insn i) { load_pair(e, i, Writeback::None, false); }
void LDPSW_off(Emitter& e, Insn i) { load_pair(e, i, Writeback::None, true); }
void LDPSW_pre(Emitter& e, Insn i) { load_pair(e, i, Writeback::Pre, true); }
void LDPSW_post(Emitter& e, Insn i) { load_pair(e, i, Writeback::Post, true); }
void STP_off(Emitter& e, Insn i) { store_pair(e, i, Writeback::None); }
void STP_pre(Emitter& e, Insn i) { store_pair(e, i, Writeback::Pre); }
void STP_post(Emitter& e, Insn i) { store_pair(e, i, Writeback::Post); }
void STNP(Emitter& e, Insn i) { store_pair(e, i, Writeback::None); }
void LDP_v_off(Emitter& e, Insn i) { load_pair_vector(e, i, Writeback::None); }
void LDP_v_pre(Emitter& e, Insn i) { load_pair_vector(e, i, Writeback::Pre); }
void LDP_v_post(Emitter& e, Insn i) { load_pair_vector(e, i, Writeback::Post); }
void LDNP_v(Emitter& e, Insn i) { load_pair_vector(e, i, Writeback::None); }
void STP_v_off(Emitter& e, Insn i) { store_pair_vector(e, i, Writeback::None); }
void STP_v_pre(Emitter& e, Insn i) { store_pair_vector(e, i, Writeback::Pre); }
void STP_v_post(Emitter& e, Insn i) { store_pair_vector(e, i, Writeback::Post); }
void STNP_v(Emitter& e, Insn i) { store_pair_vector(e, i, Writeback::None); }

}  // namespace grus::a64_to_x64::templates
