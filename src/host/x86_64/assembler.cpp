// SPDX-License-Identifier: MIT
// Encodings: Intel SDM volume 2, chapter 2. Checked against an independent disassembler in tests/emit.
#include "host/x86_64/assembler.h"

namespace grus::x64 {
namespace {

// 8-bit registers 4-7 mean ah..bh without a REX prefix; we always mean spl..dil.
bool needs_rex8(unsigned size, Reg r) { return size == 8 && static_cast<u8>(r) >= 4 && static_cast<u8>(r) < 8; }
bool fits8(i32 v) { return v == static_cast<i8>(v); }

}  // namespace

// Instructions are put together behind a pointer in a register and `at_` is stored once: stores of single bytes through `at_` may
// change `at_` itself, for all that a compiler knows, and would wait for each other.
namespace {

template <typename T>
u8* put_at(u8* p, T v) {
  __builtin_memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

unsigned high_bit(Reg r) { return r == Reg::none ? 0 : static_cast<u8>(r) >> 3; }

// Operand-size prefix, REX where it is needed.
[[gnu::always_inline]] inline u8* prefixes(u8* p, unsigned size, Reg reg, Reg index, Reg base, bool force) {
  if (size == 16) *p++ = 0x66;
  unsigned rex = 0x40 | (size == 64 ? 8 : 0) | high_bit(reg) << 2 | high_bit(index) << 1 | high_bit(base);
  *p = static_cast<u8>(rex);
  return p + (rex != 0x40 || force);
}

}  // namespace

[[gnu::always_inline]] inline u8* Assembler::modrm_at(u8* p, Reg reg, const Mem& m, unsigned trailing) const {
  unsigned r = lo(reg) << 3;
  if (m.rip_target) {
    *p++ = static_cast<u8>(r | 5);
    return put_at(p, static_cast<u32>(m.rip_target - (runs_at(p) + 4 + trailing)));
  }
  if (m.base == Reg::none) {  // index*scale + disp32, or an absolute disp32
    *p++ = static_cast<u8>(r | 4);
    unsigned ss = m.scale == 8 ? 3 : m.scale == 4 ? 2 : m.scale == 2 ? 1 : 0;
    *p++ = static_cast<u8>(ss << 6 | (m.index == Reg::none ? 4u : lo(m.index)) << 3 | 5);
    return put_at(p, static_cast<u32>(m.disp));
  }
  // mod 0 with rbp/r13 means disp32, so those take a zero disp8.
  unsigned base = lo(m.base), bytes = m.disp == 0 && base != 5 ? 0 : fits8(m.disp) ? 1 : 4;
  unsigned mod = bytes == 0 ? 0 : bytes == 1 ? 0x40 : 0x80;
  if (m.index != Reg::none || base == 4) {
    *p++ = static_cast<u8>(mod | r | 4);
    unsigned ss = m.scale == 8 ? 3 : m.scale == 4 ? 2 : m.scale == 2 ? 1 : 0;
    *p++ = static_cast<u8>(ss << 6 | (m.index == Reg::none ? 4u : lo(m.index)) << 3 | base);
  } else {
    *p++ = static_cast<u8>(mod | r | base);
  }
  put_at(p, static_cast<u32>(m.disp));  // more than is needed, at times
  return p + bytes;
}

void Assembler::rex(bool w, Reg reg, Reg index, Reg base, bool force) {
  at_ = prefixes(at_, w ? 64 : 32, reg, index, base, force);
}

void Assembler::modrm(Reg reg, const Mem& m, unsigned trailing) { at_ = modrm_at(at_, reg, m, trailing); }

void Assembler::rr(unsigned size, u8 opcode, Reg reg, Reg rm_) {
  u8* p = prefixes(at_, size, reg, Reg::none, rm_, needs_rex8(size, reg) || needs_rex8(size, rm_));
  at_ = put_at(p, static_cast<u16>(opcode | (0xc0 | lo(reg) << 3 | lo(rm_)) << 8));
}

void Assembler::rm(unsigned size, u8 opcode, Reg reg, const Mem& m, unsigned trailing) {
  u8* p = prefixes(at_, size, reg, m.index, m.base, needs_rex8(size, reg));
  *p++ = opcode;
  at_ = modrm_at(p, reg, m, trailing);
}

void Assembler::rr0f(unsigned size, u8 opcode, Reg reg, Reg rm_) {
  u8* p = prefixes(at_, size, reg, Reg::none, rm_, needs_rex8(size, reg) || needs_rex8(size, rm_));
  p = put_at(p, static_cast<u16>(0x0f | opcode << 8));
  *p++ = static_cast<u8>(0xc0 | lo(reg) << 3 | lo(rm_));
  at_ = p;
}

void Assembler::rm0f(unsigned size, u8 opcode, Reg reg, const Mem& m, unsigned trailing) {
  u8* p = prefixes(at_, size, reg, m.index, m.base, needs_rex8(size, reg));
  p = put_at(p, static_cast<u16>(0x0f | opcode << 8));
  at_ = modrm_at(p, reg, m, trailing);
}

void Assembler::mov_imm(unsigned size, const Mem& dst, i32 imm) {
  rm(size, size == 8 ? 0xc6 : 0xc7, Reg(0), dst, size == 8 ? 1 : size == 16 ? 2 : 4);
  if (size == 8)
    byte(static_cast<u8>(imm));
  else if (size == 16)
    word(static_cast<u16>(imm));
  else
    dword(static_cast<u32>(imm));
}

void Assembler::mov_imm(Reg dst, u64 imm) {
  if (imm <= 0xffffffff) {
    rex(false, Reg::rax, Reg::none, dst, false);
    byte(0xb8 | lo(dst));
    dword(static_cast<u32>(imm));
  } else if (static_cast<i64>(imm) == static_cast<i32>(imm)) {
    rr(64, 0xc7, Reg(0), dst);
    dword(static_cast<u32>(imm));
  } else {
    rex(true, Reg::rax, Reg::none, dst, false);
    byte(0xb8 | lo(dst));
    qword(imm);
  }
}

void Assembler::movzx(unsigned from, Reg dst, Reg src) {
  if (from == 32) return mov(32, dst, src);
  rex(false, dst, Reg::none, src, needs_rex8(from, src));
  byte(0x0f);
  byte(from == 8 ? 0xb6 : 0xb7);
  modrm(dst, src);
}

void Assembler::movzx(unsigned from, Reg dst, const Mem& src) {
  if (from >= 32) return mov(from, dst, src);
  rm0f(32, from == 8 ? 0xb6 : 0xb7, dst, src);
}

void Assembler::movsx(unsigned to, unsigned from, Reg dst, Reg src) {
  if (from == 32) return rr(64, 0x63, dst, src);
  rex(to == 64, dst, Reg::none, src, needs_rex8(from, src));
  byte(0x0f);
  byte(from == 8 ? 0xbe : 0xbf);
  modrm(dst, src);
}

void Assembler::movsx(unsigned to, unsigned from, Reg dst, const Mem& src) {
  if (from == 32) return rm(64, 0x63, dst, src);
  rm0f(to == 64 ? 64 : 32, from == 8 ? 0xbe : 0xbf, dst, src);
}

void Assembler::alu_imm(Alu op, unsigned size, Reg dst, i32 imm) {
  if (size == 8) {
    rr(8, 0x80, Reg(op_(op)), dst);
    byte(static_cast<u8>(imm));
  } else if (fits8(imm)) {
    rr(size, 0x83, Reg(op_(op)), dst);
    byte(static_cast<u8>(imm));
  } else {
    rr(size, 0x81, Reg(op_(op)), dst);
    if (size == 16)
      word(static_cast<u16>(imm));
    else
      dword(static_cast<u32>(imm));
  }
}

void Assembler::alu_imm(Alu op, unsigned size, const Mem& dst, i32 imm) {
  if (size == 8 || fits8(imm)) {
    rm(size, size == 8 ? 0x80 : 0x83, Reg(op_(op)), dst, 1);
    byte(static_cast<u8>(imm));
  } else {
    rm(size, 0x81, Reg(op_(op)), dst, size == 16 ? 2 : 4);
    if (size == 16)
      word(static_cast<u16>(imm));
    else
      dword(static_cast<u32>(imm));
  }
}

void Assembler::test_imm(unsigned size, Reg a, i32 imm) {
  rr(size, size == 8 ? 0xf6 : 0xf7, Reg(0), a);
  if (size == 8)
    byte(static_cast<u8>(imm));
  else if (size == 16)
    word(static_cast<u16>(imm));
  else
    dword(static_cast<u32>(imm));
}

void Assembler::test_imm(unsigned size, const Mem& a, i32 imm) {
  rm(size, size == 8 ? 0xf6 : 0xf7, Reg(0), a, size == 8 ? 1 : size == 16 ? 2 : 4);
  if (size == 8)
    byte(static_cast<u8>(imm));
  else if (size == 16)
    word(static_cast<u16>(imm));
  else
    dword(static_cast<u32>(imm));
}

void Assembler::shift_imm(Shift op, unsigned size, Reg r, u8 n) {
  if (n == 1) {
    rr(size, size == 8 ? 0xd0 : 0xd1, Reg(op_(op)), r);
  } else {
    rr(size, size == 8 ? 0xc0 : 0xc1, Reg(op_(op)), r);
    byte(n);
  }
}

void Assembler::crc32(unsigned size, Reg dst, Reg src) {
  if (size == 16) byte(0x66);
  byte(0xf2);
  rex(size == 64, dst, Reg::none, src, needs_rex8(size, src));
  byte(0x0f);
  byte(0x38);
  byte(size == 8 ? 0xf0 : 0xf1);
  modrm(dst, src);
}

void Assembler::nop(unsigned bytes) {
  static const u8 nops[9][9] = {{0x90},
                                {0x66, 0x90},
                                {0x0f, 0x1f, 0x00},
                                {0x0f, 0x1f, 0x40, 0x00},
                                {0x0f, 0x1f, 0x44, 0x00, 0x00},
                                {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
                                {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
                                {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
                                {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}};
  while (bytes) {
    unsigned n = bytes > 9 ? 9 : bytes;
    for (unsigned i = 0; i < n; i++) byte(nops[n - 1][i]);
    bytes -= n;
  }
}

/* -- Vector ------------------------------------------------------------------------------------------------------ */

void Assembler::vex_prefix(u8 prefix, u8 map, bool w, u8 reg, u8 vvvv, u8 index, u8 base) {
  u8 pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
  if (map == 1 && !w && !(index & 8) && !(base & 8)) {
    byte(0xc5);
    byte(static_cast<u8>((reg & 8 ? 0 : 0x80) | (~vvvv & 15) << 3 | pp));
  } else {
    byte(0xc4);
    byte(static_cast<u8>((reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map));
    byte(static_cast<u8>((w ? 0x80 : 0) | (~vvvv & 15) << 3 | pp));
  }
}

void Assembler::vex_gpr(unsigned size, u8 pp, u8 opcode, Reg reg, Reg vvvv, Reg rm_) {
  static const u8 prefixes[] = {0, 0x66, 0xf3, 0xf2};
  vex_prefix(prefixes[pp], 2, size == 64, static_cast<u8>(reg), static_cast<u8>(vvvv), 0, static_cast<u8>(rm_));
  byte(opcode);
  modrm(reg, rm_);
}

void Assembler::rorx(unsigned size, Reg dst, Reg src, u8 n) {
  vex_prefix(0xf2, 3, size == 64, static_cast<u8>(dst), 0, 0, static_cast<u8>(src));
  byte(0xf0);
  modrm(dst, src);
  byte(n);
}

static u8 mem_index(const Mem& m) { return m.index == Reg::none ? 0 : static_cast<u8>(m.index); }
static u8 mem_base(const Mem& m) { return m.base == Reg::none ? 0 : static_cast<u8>(m.base); }

void Assembler::sse(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm src, bool w) {
  if (vex) {
    vex_prefix(prefix, map, w, static_cast<u8>(dst), 0, 0, static_cast<u8>(src));
  } else {
    if (prefix) byte(prefix);
    rex(w, Reg(dst), Reg::none, Reg(src), false);
    byte(0x0f);
    if (map == 2) byte(0x38);
    if (map == 3) byte(0x3a);
  }
  byte(opcode);
  modrm(Reg(dst), Reg(src));
}

void Assembler::sse(u8 prefix, u8 map, u8 opcode, Xmm dst, const Mem& src, bool w, unsigned trailing) {
  if (vex) {
    vex_prefix(prefix, map, w, static_cast<u8>(dst), 0, mem_index(src), mem_base(src));
  } else {
    if (prefix) byte(prefix);
    rex(w, Reg(dst), src.index, src.base, false);
    byte(0x0f);
    if (map == 2) byte(0x38);
    if (map == 3) byte(0x3a);
  }
  byte(opcode);
  modrm(Reg(dst), src, trailing);
}

// SDM volume 2, 2.7.1: every register bit inverted; X is the fourth bit of a register operand in rm.
void Assembler::evex_prefix(u8 prefix, u8 map, bool w, u8 reg, u8 vvvv, u8 index, u8 base, u8 opcode) {
  u8 pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
  byte(0x62);
  byte(static_cast<u8>((reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | (reg & 16 ? 0 : 0x10) | map));
  byte(static_cast<u8>((w ? 0x80 : 0) | (~vvvv & 15) << 3 | 4 | pp));
  byte(vvvv & 16 ? 0 : 8);
  byte(opcode);
}
void Assembler::evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, Xmm b, bool w) {
  u8 rm = static_cast<u8>(b);
  evex_prefix(prefix, map, w, static_cast<u8>(dst), static_cast<u8>(a), rm >> 1 & 8, rm, opcode);
  byte(static_cast<u8>(0xc0 | (static_cast<u8>(dst) & 7) << 3 | (rm & 7)));
}
void Assembler::evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Mem& b, bool w) {
  CHECK(b.index == Reg::none && b.base != Reg::none && (static_cast<u8>(b.base) & 7) != 4);
  evex_prefix(prefix, map, w, static_cast<u8>(dst), static_cast<u8>(a), 0, static_cast<u8>(b.base), opcode);
  byte(static_cast<u8>(0x80 | (static_cast<u8>(dst) & 7) << 3 | (static_cast<u8>(b.base) & 7)));
  dword(static_cast<u32>(b.disp));
}
void Assembler::sse3(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, Xmm b, bool w) {
  if (vex) {
    vex_prefix(prefix, map, w, static_cast<u8>(dst), static_cast<u8>(a), 0, static_cast<u8>(b));
    byte(opcode);
    modrm(Reg(dst), Reg(b));
    return;
  }
  CHECK(dst == a || dst != b);
  movaps(dst, a);
  sse(prefix, map, opcode, dst, b, w);
}

void Assembler::sse3(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Mem& b, unsigned trailing, bool w) {
  if (vex) {
    vex_prefix(prefix, map, w, static_cast<u8>(dst), static_cast<u8>(a), mem_index(b), mem_base(b));
    byte(opcode);
    modrm(Reg(dst), b, trailing);
    return;
  }
  movaps(dst, a);
  sse(prefix, map, opcode, dst, b, w, trailing);
}

}  // namespace grus::x64
