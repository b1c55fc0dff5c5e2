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

// `disp8`: EVEX scales such displacements, by a number that depends on the instruction.
[[gnu::always_inline]] inline u8* Assembler::modrm_at(u8* p, Reg reg, const Mem& m, unsigned trailing, bool disp8) const {
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
  unsigned base = lo(m.base), bytes = m.disp == 0 && base != 5 ? 0 : fits8(m.disp) && disp8 ? 1 : 4;
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
  wrote(dst);
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
  wrote(dst);
  if (from == 32) return mov(32, dst, src);
  rex(false, dst, Reg::none, src, needs_rex8(from, src));
  byte(0x0f);
  byte(from == 8 ? 0xb6 : 0xb7);
  modrm(dst, src);
}

void Assembler::movzx(unsigned from, Reg dst, const Mem& src) {
  wrote(dst);
  if (from >= 32) return mov(from, dst, src);
  rm0f(32, from == 8 ? 0xb6 : 0xb7, dst, src);
}

void Assembler::movsx(unsigned to, unsigned from, Reg dst, Reg src) {
  wrote(dst);
  if (from == 32) return rr(64, 0x63, dst, src);
  rex(to == 64, dst, Reg::none, src, needs_rex8(from, src));
  byte(0x0f);
  byte(from == 8 ? 0xbe : 0xbf);
  modrm(dst, src);
}

void Assembler::movsx(unsigned to, unsigned from, Reg dst, const Mem& src) {
  wrote(dst);
  if (from == 32) return rm(64, 0x63, dst, src);
  rm0f(to == 64 ? 64 : 32, from == 8 ? 0xbe : 0xbf, dst, src);
}

void Assembler::alu_imm(Alu op, unsigned size, Reg dst, i32 imm) {
  if (op != Alu::cmp) wrote(dst);
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
  wrote(r);
  if (n == 1) {
    rr(size, size == 8 ? 0xd0 : 0xd1, Reg(op_(op)), r);
  } else {
    rr(size, size == 8 ? 0xc0 : 0xc1, Reg(op_(op)), r);
    byte(n);
  }
}

void Assembler::crc32(unsigned size, Reg dst, Reg src) {
  wrote(dst);
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
  wrote(dst);
  vex_prefix(0xf2, 3, size == 64, static_cast<u8>(dst), 0, 0, static_cast<u8>(src));
  byte(0xf0);
  modrm(dst, src);
  byte(n);
}

static u8 mem_index(const Mem& m) { return m.index == Reg::none ? 0 : static_cast<u8>(m.index); }
static u8 mem_base(const Mem& m) { return m.base == Reg::none ? 0 : static_cast<u8>(m.base); }

/* -- EVEX -------------------------------------------------------------------------------------------------------- */

namespace {

constexpr int kNoEvex = -1;

bool is_integer_compare(u8 prefix, u8 map, u8 opcode) {
  if (prefix != 0x66) return false;
  return map == 1 ? (opcode >= 0x64 && opcode <= 0x66) || (opcode >= 0x74 && opcode <= 0x76) : map == 2 && (opcode == 0x29 || opcode == 0x37);
}

// EVEX.W of the form that does what the SSE instruction does (SDM volume 2: where VEX ignores W, EVEX tells elements of 64 bits
// from those of 32); kNoEvex when there is none. Comparisons have one, but its result goes to a mask register. `w` is the caller's,
// for what takes its size from it.
int evex_w(u8 prefix, u8 map, u8 opcode, bool w) {
  bool wide = prefix == 0x66 || prefix == 0xf2;
  if (map == 1) switch (opcode) {
      case 0x10: case 0x11: case 0x12: case 0x13: case 0x14: case 0x15: case 0x16: case 0x17: case 0x28: case 0x29: case 0x2e:
      case 0x2f: case 0x51: case 0x54: case 0x55: case 0x56: case 0x57: case 0x58: case 0x59: case 0x5a: case 0x5c: case 0x5d:
      case 0x5e: case 0x5f: case 0xc2: case 0xc6:
        return wide;
      case 0x2a: case 0x2c: case 0x2d: case 0x6e: return w;
      case 0x7e: return prefix == 0xf3 || w;
      case 0x6c: case 0x6d: case 0x73: case 0xd3: case 0xd4: case 0xd6: case 0xf3: case 0xf4: case 0xfb: return 1;
      case 0xe6: return prefix != 0xf3;
      case 0x5b: case 0x60: case 0x61: case 0x62: case 0x63: case 0x64: case 0x65: case 0x66: case 0x67: case 0x68: case 0x69:
      case 0x6a: case 0x6b: case 0x6f: case 0x70: case 0x71: case 0x72: case 0x74: case 0x75: case 0x76: case 0x7f: case 0xc4:
      case 0xc5: case 0xd1: case 0xd2: case 0xd5: case 0xd8: case 0xd9: case 0xda: case 0xdb: case 0xdc: case 0xdd: case 0xde:
      case 0xdf: case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe4: case 0xe5: case 0xe8: case 0xe9: case 0xea: case 0xeb:
      case 0xec: case 0xed: case 0xee: case 0xef: case 0xf1: case 0xf2: case 0xf5: case 0xf6: case 0xf8: case 0xf9: case 0xfa:
      case 0xfc: case 0xfd: case 0xfe:
        return 0;
      default: return kNoEvex;
    }
  if (map == 2) {
    if ((opcode & 0xf) >= 6 && opcode >= 0x96 && opcode < 0xc0) return w;  // multiply-add
    switch (opcode) {
      case 0x28: case 0x29: case 0x37: case 0x59: return 1;
      case 0x45: case 0x46: case 0x47: return w;
      case 0x00: case 0x04: case 0x0b: case 0x13: case 0x1c: case 0x1d: case 0x1e: case 0x20: case 0x21: case 0x22: case 0x23:
      case 0x24: case 0x25: case 0x2b: case 0x30: case 0x31: case 0x32: case 0x33: case 0x34: case 0x35: case 0x38: case 0x39:
      case 0x3a: case 0x3b: case 0x3c: case 0x3d: case 0x3e: case 0x3f: case 0x40: case 0x58: case 0x78: case 0x79:
        return 0;
      default: return kNoEvex;
    }
  }
  switch (opcode) {
    case 0x08: case 0x0a: case 0x0f: case 0x14: case 0x15: case 0x20: case 0x21: return 0;
    case 0x09: case 0x0b: return 1;  // ROUNDPD, ROUNDSD: VRNDSCALE with the immediates of these
    case 0x16: case 0x22: return w;
    default: return kNoEvex;
  }
}

constexpr Xmm kMask1 = Xmm::x1;  // k1, where a mask register is encoded like a vector register

}  // namespace

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
void Assembler::evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Mem& b, bool w, unsigned trailing) {
  evex_prefix(prefix, map, w, static_cast<u8>(dst), static_cast<u8>(a), mem_index(b), mem_base(b), opcode);
  at_ = modrm_at(at_, Reg(dst), b, trailing, false);
}

// A comparison of integers goes through k1, which VPMOVM2B and its kin make a vector again.
template <typename Operand>
void Assembler::sse3_evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Operand& b, unsigned trailing, bool w) {
  int form = evex_w(prefix, map, opcode, w);
  CHECK(form != kNoEvex && !(map == 1 && opcode == 0xc2));
  bool compares = is_integer_compare(prefix, map, opcode);
  if constexpr (__is_same(Operand, Mem))
    evex(prefix, map, opcode, compares ? kMask1 : dst, a, b, form, trailing);
  else
    evex(prefix, map, opcode, compares ? kMask1 : dst, a, b, form);
  if (!compares) return;
  unsigned size = map == 2 ? 3 : opcode & 3;  // 64 and 74: bytes
  evex(0xf3, 2, size < 2 ? 0x28 : 0x38, dst, Xmm::x0, kMask1, size & 1);
}

void Assembler::compare(u8 prefix, Xmm dst, Xmm a, Xmm b, u8 predicate) {
  if (!high(dst) && !high(a) && !high(b)) {
    sse3(prefix, 1, 0xc2, dst, a, b);
    return byte(predicate);
  }
  bool wide = prefix == 0x66 || prefix == 0xf2;
  evex(prefix, 1, 0xc2, kMask1, a, b, wide);
  byte(predicate);
  evex(0xf3, 2, 0x38, dst, Xmm::x0, kMask1, wide);
}
void Assembler::compare_only(u8 prefix, Xmm dst, Xmm a, Xmm b, u8 predicate) {
  if (high(a) || high(b))
    evex(prefix, 1, 0xc2, kMask1, a, b, prefix == 0x66 || prefix == 0xf2);
  else
    sse3(prefix, 1, 0xc2, dst, a, b);
  byte(predicate);
}

/* -- SSE and VEX --------------------------------------------------------------------------------------------------- */

void Assembler::sse(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm src, bool w) {
  if (high(dst) || high(src)) return sse3_evex(prefix, map, opcode, dst, Xmm::x0, src, 0, w);
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
  if (high(dst)) return sse3_evex(prefix, map, opcode, dst, Xmm::x0, src, trailing, w);
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

void Assembler::sse3(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, Xmm b, bool w) {
  if (high(dst) || high(a) || high(b)) return sse3_evex(prefix, map, opcode, dst, a, b, 0, w);
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
  if (high(dst) || high(a)) return sse3_evex(prefix, map, opcode, dst, a, b, trailing, w);
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
