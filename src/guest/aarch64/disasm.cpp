// SPDX-License-Identifier: MIT
// The interpreter of the assembly column. Text outside braces is copied; `{name}` is an operand: a general
// register (general_register), a vector register (vector_register), or one of the names in kOperands. The
// language is described in docs/adding-an-instruction.md.
#include "guest/aarch64/disasm.h"

#include "guest/aarch64/operands.h"

namespace grus::a64 {
namespace {

// The name of an operand: not NUL-terminated, it lies within the row's text.
struct Name {
  const char* s;
  size_t n;
  char operator[](size_t at) const { return at < n ? s[at] : '\0'; }
  Name from(size_t at) const { return at < n ? Name{s + at, n - at} : Name{s, 0}; }
  bool is(const char* text) const {
    size_t k = 0;
    while (k < n && text[k] == s[k]) k++;
    return k == n && text[k] == '\0';
  }
};

class Text {
 public:
  Text(char* out, size_t size) : out_(out), size_(size) {}
  void put(char c) {
    if (at_ + 1 < size_) out_[at_++] = c;
  }
  void put(const char* s) {
    while (*s) put(*s++);
  }
  void decimal(i64 value) {
    if (value < 0) put('-');
    u64 v = value < 0 ? -static_cast<u64>(value) : static_cast<u64>(value);
    char digits[20];
    unsigned n = 0;
    do digits[n++] = static_cast<char>('0' + v % 10);
    while (v /= 10);
    while (n) put(digits[--n]);
  }
  void hex(u64 v) {
    put("0x");
    unsigned n = 60;
    while (n && !(v >> n)) n -= 4;
    for (;; n -= 4) {
      put("0123456789abcdef"[v >> n & 15]);
      if (n == 0) break;
    }
  }
  // "[x0, #0]" is written "[x0]".
  void drop_zero_offset() {
    if (at_ >= 4 && out_[at_ - 1] == '0' && out_[at_ - 2] == '#' && out_[at_ - 3] == ' ' &&
        out_[at_ - 4] == ',')
      at_ -= 4;
  }
  size_t finish() {
    if (size_) out_[at_] = '\0';
    return at_;
  }

 private:
  char* out_;
  size_t size_, at_ = 0;
};

i64 sign_extended(u64 value, unsigned bits) { return static_cast<i64>(value << (64 - bits)) >> (64 - bits); }
unsigned highest_bit(unsigned v) { return 31 - static_cast<unsigned>(__builtin_clz(v | 1)); }
unsigned lowest_bit(unsigned v) { return static_cast<unsigned>(__builtin_ctz(v | 32)); }

// -- registers
// ----------------------------------------------------------------------------------------------------

// The field that a register operand names: d n m a s t, t2; a final 1 is the register after.
unsigned register_number(Insn i, Name field) {
  unsigned n = 0;
  if (field.is("t2"))
    n = i.Rt2();
  else
    switch (field[0]) {
      case 'd':
        n = i.Rd();
        break;
      case 'n':
        n = i.Rn();
        break;
      case 'm':
        n = i.Rm();
        break;
      case 'a':
        n = i.Ra();
        break;
      case 's':
        n = i.Rs();
        break;
      case 't':
        n = i.Rt();
        break;
      default:
        break;
    }
  return field[1] == '1' ? (n + 1) & 31 : n;
}

void write_general(Text& t, bool x, unsigned n, bool sp) {
  if (n == 31) {
    t.put(sp ? (x ? "sp" : "wsp") : (x ? "xzr" : "wzr"));
    return;
  }
  t.put(x ? 'x' : 'w');
  t.decimal(n);
}

// X W R + field + suffix. The width is that of the letter; of R that of sf, or of the field that the suffix
// names.
bool general_register(Text& t, Insn i, Name name) {
  if (name[0] != 'X' && name[0] != 'W' && name[0] != 'R') return false;
  size_t end = 1;
  while (end < name.n && name[end] != '_') end++;
  Name field{name.s + 1, end - 1}, suffix = name.from(end);
  bool sp = false, x = name[0] == 'X' || (name[0] == 'R' && i.sf());
  unsigned n = register_number(i, field);
  if (suffix.is("_sp"))
    sp = true;
  else if (suffix.is("_l"))
    x = i.lsize() == 3;
  else if (suffix.is("_q"))
    x = i.Q();
  else if (suffix.is("_q16"))
    x = i.Q(), n = i.Rt2_at16();
  else if (suffix.is("_16"))
    n = i.Rt2_at16();
  else if (suffix.is("_s"))
    x = !i.to32();
  else if (suffix.is("_b5"))
    x = i.b5();
  else if (suffix.n != 0 && !suffix.is("_sf"))
    return false;
  write_general(t, x, n, sp);
  return true;
}

constexpr char kSizeLetter[] = "bhsdq";

void write_scalar(Text& t, unsigned size, unsigned n) {
  t.put(kSizeLetter[size]);
  t.decimal(n);
}

void write_arrangement(Text& t, unsigned size, bool q) {
  t.decimal((q ? 16 : 8) >> size);
  t.put(kSizeLetter[size]);
}

void write_vector(Text& t, unsigned n, unsigned size, bool q) {
  t.put('v');
  t.decimal(n);
  t.put('.');
  write_arrangement(t, size, q);
}

void write_element(Text& t, unsigned n, const char* element, unsigned index) {
  t.put('v');
  t.decimal(n);
  t.put('.');
  t.put(element);
  t.put('[');
  t.decimal(index);
  t.put(']');
}

const char* element_name(unsigned size) {
  static const char* const kNames[] = {"b", "h", "s", "d", "q"};
  return kNames[size];
}

// Operands by element: the register is Rm4 when the index needs M, else M:Rm4.
bool indexed_element(Text& t, Insn i, Name s) {
  unsigned low = i.Rm4(), full = i.M() << 4 | low;
  unsigned h = i.H(), hl = h << 1 | i.L(), hlm = hl << 1 | i.M();
  if (s.is("elem"))
    i.size() == 1 ? write_element(t, low, "h", hlm) : write_element(t, full, "s", hl);
  else if (s.is("felem"))
    i.sz() ? write_element(t, full, "d", h) : write_element(t, full, "s", hl);
  else if (s.is("helem") || s.is("h_elem"))
    write_element(t, low, "h", hlm);
  else if (s.is("celem"))
    i.size() == 1 ? write_element(t, full, "h", hl) : write_element(t, full, "s", h);
  else if (s.is("b_elem"))
    write_element(t, low & 7, "b", hlm << 1 | low >> 3);
  else if (s.is("2b_elem"))
    write_element(t, low, "2b", hlm);
  else if (s.is("2h_elem"))
    write_element(t, full, "2h", hl);
  else if (s.is("4b_elem"))
    write_element(t, full, "4b", hl);
  else
    return false;
  return true;
}

// The arrangement of modified immediates by cmode (AdvSIMDExpandImm).
void modified_immediate_vector(Text& t, Insn i, unsigned n) {
  unsigned cmode = i.cmode();
  write_vector(t, n, cmode == 14 ? 0 : cmode >= 8 && cmode < 12 ? 1 : 2, i.Q());
}

// V + field + .suffix
bool vector_register(Text& t, Insn i, Name name) {
  if (name[0] != 'V' || (name[2] != '.' && name.n != 2)) return false;
  unsigned n = register_number(i, Name{name.s + 1, 1});
  Name s = name.from(3);
  bool q = i.Q();
  unsigned size = i.size(), wide = 2 + i.sz(), by_immh = highest_bit(i.immh()),
           by_imm5 = lowest_bit(i.imm5());
  if (name.n == 2)
    t.put('v'), t.decimal(n);
  else if (s.is("T"))
    write_vector(t, n, size, q);
  else if (s.is("Tw"))
    write_vector(t, n, size + 1, true);
  else if (s.is("Tp"))
    write_vector(t, n, size + 1, q);
  else if (s.is("Ti"))
    write_vector(t, n, by_immh, q);
  else if (s.is("Tiw"))
    write_vector(t, n, by_immh + 1, true);
  else if (s.is("T5"))
    write_vector(t, n, by_imm5, q);
  else if (s.is("Tf"))
    write_vector(t, n, wide, q);
  else if (s.is("Tfn"))
    write_vector(t, n, wide - 1, q);
  else if (s.is("Tfw"))
    write_vector(t, n, wide, true);
  else if (s.is("B"))
    write_vector(t, n, 0, q);
  else if (s.is("H"))
    write_vector(t, n, 1, q);
  else if (s.is("S"))
    write_vector(t, n, 2, q);
  else if (s.is("D1"))
    write_vector(t, n, 3, q);
  else if (s.is("Hhalf"))
    t.put('v'), t.decimal(n), t.put(q ? ".4h" : ".2h");
  else if (s.is("2f"))
    write_vector(t, n, wide, i.sz());
  else if (s.is("e"))
    write_scalar(t, size, n);
  else if (s.is("ew"))
    write_scalar(t, size + 1, n);
  else if (s.is("ei"))
    write_scalar(t, by_immh, n);
  else if (s.is("eiw"))
    write_scalar(t, by_immh + 1, n);
  else if (s.is("E5"))
    write_scalar(t, by_imm5, n);
  else if (s.is("f"))
    write_scalar(t, wide, n);
  else if (s.is("h"))
    write_scalar(t, 1, n);
  else if (s.is("s"))
    write_scalar(t, 2, n);
  else if (s.is("d"))
    write_scalar(t, 3, n);
  else if (s.is("sf"))
    write_scalar(t, 2 + i.sf(), n);
  else if (s.is("ft"))
    write_scalar(t, i.ftype() == 3 ? 1 : 2 + i.ftype(), n);
  else if (s.is("tt"))
    write_element(t, n, "s", i.tt_imm2());
  else if (s.is("e5"))
    write_element(t, n, element_name(by_imm5), i.imm5() >> (by_imm5 + 1));
  else if (s.is("e5_imm4"))
    write_element(t, n, element_name(by_imm5), i.imm4() >> by_imm5);
  else if (s.is("cm"))
    modified_immediate_vector(t, i, n);
  else if (s.is("cmS"))
    write_vector(t, n, 2, q);
  else if (s.is("cmH"))
    write_vector(t, n, 1, q);
  else if (s.is("cm64"))
    q ? write_vector(t, n, 3, true) : write_scalar(t, 3, n);
  else if (s[0] >= '1' && s[0] <= '8' && !indexed_element(t, i, s)) {
    t.put('v');  // a fixed arrangement: 16b 8h 4s 2d 1q 2h
    t.decimal(n);
    t.put('.');
    for (size_t k = 0; k < s.n; k++) t.put(s[k]);
  } else if (s[0] > '8')
    return indexed_element(t, i, s);
  return true;
}

// -- lists of registers
// ---------------------------------------------------------------------------------------------

void write_list(Text& t, unsigned first, unsigned count, unsigned size, bool q) {
  t.put('{');
  for (unsigned n = 0; n < count; n++) {
    if (n) t.put(", ");
    write_vector(t, (first + n) & 31, size, q);
  }
  t.put('}');
}

unsigned ld1_registers(Insn i) {
  switch (i.ld1_regs()) {
    case 7:
      return 1;
    case 10:
      return 2;
    case 6:
      return 3;
    default:
      return 4;
  }
}

// How many registers a structure instruction has, for all of simd_memory: by opcode and R (bit 21).
unsigned structure_registers(Insn i) {
  bool single = i.word >> 24 & 1;
  if (single) return 1 + (i.word >> 21 & 1) + 2 * (i.word >> 13 & 1);
  switch (i.word >> 12 & 15) {
    case 0:
      return 4;
    case 4:
      return 3;
    case 8:
      return 2;
    default:
      return ld1_registers(i);
  }
}

unsigned lane_size(Insn i) { return i.lane_scale() == 2 && (i.vsize() & 1) ? 3 : i.lane_scale(); }

void write_lanes(Text& t, Insn i, unsigned count) {
  unsigned size = lane_size(i), index = (i.Q() << 3 | i.lane_s() << 2 | i.vsize()) >> size;
  t.put('{');
  for (unsigned n = 0; n < count; n++) {
    if (n) t.put(", ");
    t.put('v');
    t.decimal((i.Rt() + n) & 31);
    t.put('.');
    t.put(kSizeLetter[size]);
  }
  t.put("}[");
  t.decimal(index);
  t.put(']');
}

void post_index(Text& t, Insn i) {
  if (i.Rm() != 31) return write_general(t, true, i.Rm(), false);
  bool single = i.word >> 24 & 1, replicate = single && i.lane_scale() == 3;
  unsigned each = !single ? (i.Q() ? 16 : 8) : 1u << (replicate ? i.vsize() : lane_size(i));
  t.put('#');
  t.decimal(structure_registers(i) * each);
}

// LUTI2, LUTI4: the table is of bytes or halves; the index selects a part of Vm, which has no arrangement.
unsigned luti_halves(Insn i) { return i.op == Op::LUTI2_h || i.op == Op::LUTI4_h; }

void luti_index(Text& t, Insn i) {
  t.put('v');
  t.decimal(i.Rm());
  t.put('[');
  t.decimal(i.op == Op::LUTI2_b   ? i.luti2_b()
            : i.op == Op::LUTI2_h ? i.luti2_h()
            : i.op == Op::LUTI4_b ? i.luti4_b()
                                  : i.luti4_h());
  t.put(']');
}

// -- immediates
// ---------------------------------------------------------------------------------------------------

// VFPExpandImm(): +-(16 + low four bits) / 16 * 2^-3..4, always a multiple of 1/128.
void write_fp_immediate(Text& t, unsigned imm8) {
  unsigned exponent = (imm8 >> 4 & 7) ^ 4;  // 0 = 2^-3
  unsigned scaled = (16 + (imm8 & 15)) << exponent;
  if (imm8 & 128) t.put('-');
  t.decimal(scaled >> 7);
  t.put('.');
  unsigned fraction = (scaled & 127) * 78125;  // of 10^7
  for (unsigned place = 1000000;; place /= 10) {
    t.put(static_cast<char>('0' + fraction / place));
    fraction %= place;
    if (fraction == 0) break;
  }
}

void expanded_immediate(Text& t, Insn i) {
  unsigned imm8 = i.abc() << 5 | i.defgh(), cmode = i.cmode();
  t.put('#');
  if (cmode == 14 && (i.word >> 29 & 1)) {  // MOVI_64: each bit a byte
    u64 value = 0;
    for (unsigned n = 0; n < 8; n++)
      if (imm8 >> n & 1) value |= u64{0xff} << (8 * n);
    return t.hex(value);
  }
  t.hex(imm8);
  unsigned shift = cmode < 8 ? cmode / 2 * 8 : cmode < 12 ? cmode / 2 % 2 * 8 : 0;
  if (cmode == 12 || cmode == 13) {
    t.put(", msl #");
    t.decimal(cmode == 12 ? 8 : 16);
  } else if (shift) {
    t.put(", lsl #");
    t.decimal(shift);
  }
}

unsigned shift_amount_right(Insn i) { return (16u << highest_bit(i.immh())) - (i.immh() << 3 | i.immb()); }
unsigned shift_amount_left(Insn i) { return (i.immh() << 3 | i.immb()) - (8u << highest_bit(i.immh())); }

// The scale of imm7: LDP and STP by sf or lsize, LDPSW words, STGP granules.
i64 pair_offset(Insn i) {
  unsigned opc = i.word >> 30, scale;
  if (i.word >> 26 & 1)
    scale = opc == 3 ? 16 : 4u << opc;
  else if (opc == 1)
    scale = i.word >> 22 & 1 ? 4 : 16;
  else
    scale = opc ? 8 : 4;
  return sign_extended(i.imm7(), 7) * scale;
}

const char* const kConditions[] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                   "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
const char* const kCompareConditions[] = {"gt", "ge", "hi", "hs", "?", "?", "eq", "ne"};
const char* const kShifts[] = {"lsl", "lsr", "asr", "ror"};
const char* const kExtends[] = {"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"};

void shifted_by(Text& t, const char* how, unsigned amount) {
  t.put(", ");
  t.put(how);
  t.put(" #");
  t.decimal(amount);
}

// ADD (extended register): LSL instead of UXTX (UXTW) when SP is involved.
void extended_register(Text& t, Insn i) {
  unsigned option = i.option();
  write_general(t, i.sf() && (option & 3) == 3, i.Rm(), false);
  bool sets_flags = i.word >> 29 & 1;
  bool sp = i.Rn() == 31 || (!sets_flags && i.Rd() == 31);
  if (sp && option == (i.sf() ? 3u : 2u)) {
    if (i.imm3()) shifted_by(t, "lsl", i.imm3());
    return;
  }
  t.put(", ");
  t.put(kExtends[option]);
  if (i.imm3()) t.put(" #"), t.decimal(i.imm3());
}

// [Xn, Rm{, extend {#amount}}] of loads and stores.
void index_register(Text& t, Insn i) {
  unsigned option = i.option();
  bool vector = i.word >> 26 & 1;
  unsigned scale = vector && i.vq() ? 4 : i.lsize();
  write_general(t, option & 1, i.Rm(), false);
  if (option == 3 && !i.scaled()) return;
  t.put(", ");
  t.put(option == 3 ? "lsl" : kExtends[option]);
  if (i.scaled()) t.put(" #"), t.decimal(scale);
}

void prefetch_operation(Text& t, Insn i) {
  unsigned n = i.Rt(), type = n >> 3, target = n >> 1 & 3;
  if (type == 3 || target == 3) return t.put('#'), t.hex(n);
  static const char* const kTypes[] = {"pld", "pli", "pst"};
  t.put(kTypes[type]);
  t.put('l');
  t.decimal(target + 1);
  t.put(n & 1 ? "strm" : "keep");
}

// -- system
// ---------------------------------------------------------------------------------------------------------

void barrier(Text& t, Insn i) {
  static const char* const kNames[] = {nullptr, "oshld", "oshst", "osh", nullptr, "nshld", "nshst", "nsh",
                                       nullptr, "ishld", "ishst", "ish", nullptr, "ld",    "st",    "sy"};
  if (kNames[i.CRm()]) return t.put(kNames[i.CRm()]);
  t.put('#');
  t.hex(i.CRm());
}

void pstate_field(Text& t, Insn i) {
  const char* name = "?";
  switch (i.op1() << 3 | i.op2()) {
    case 003:
      name = "uao";
      break;
    case 004:
      name = "pan";
      break;
    case 005:
      name = "spsel";
      break;
    case 010:
      name = i.CRm() < 2 ? "allint" : "pm";
      break;
    case 031:
      name = "ssbs";
      break;
    case 032:
      name = "dit";
      break;
    case 034:
      name = "tco";
      break;
    case 036:
      name = "daifset";
      break;
    case 037:
      name = "daifclr";
      break;
    default:
      break;
  }
  t.put(name);
}

void system_register(Text& t, Insn i) {
  t.put('s');
  t.decimal(2 + i.o0());
  t.put('_');
  t.decimal(i.op1());
  t.put("_c");
  t.decimal(i.CRn());
  t.put("_c");
  t.decimal(i.CRm());
  t.put('_');
  t.decimal(i.op2());
}

void system_operands(Text& t, Insn i) {
  t.put('#');
  t.decimal(i.op1());
  t.put(", c");
  t.decimal(i.CRn());
  t.put(", c");
  t.decimal(i.CRm());
  t.put(", #");
  t.decimal(i.op2());
}

void register_pair(Text& t, Insn i) {
  write_general(t, true, i.Rt(), false);
  t.put(", ");
  write_general(t, true, i.Rt() == 31 ? 31 : i.Rt() + 1, false);
}

const char* const kCopyOptions[] = {"",   "wt",   "rt",   "t",   "wn", "wtwn", "rtwn", "twn",
                                    "rn", "wtrn", "rtrn", "trn", "n",  "wtn",  "rtn",  "tn"};
const char* const kSetOptions[] = {"", "t", "n", "tn"};

// -- the names
// ------------------------------------------------------------------------------------------------------

struct Operand {
  const char* name;
  void (*write)(Text& t, Insn i, u64 pc);
};

#define OPERAND(name, ...)              \
  {                                     \
    name, [](Text& t, Insn i, u64 pc) { \
      (void)i, (void)pc;                \
      __VA_ARGS__;                      \
    }                                   \
  }

const Operand kOperands[] = {
    // Mnemonic parts.
    OPERAND("2", t.put(i.Q() ? "2" : "")),
    OPERAND("b/t", t.put(i.Q() ? 't' : 'b')),
    OPERAND("b/t_sz", t.put(i.sz() ? 't' : 'b')),
    OPERAND("s", t.put(i.Q() ? "s" : "")),
    OPERAND("ab", t.put(i.key_b() ? 'b' : 'a')),
    OPERAND("al", t.put(i.acq() ? "a" : ""), t.put(i.rel() ? "l" : "")),
    OPERAND("cal", t.put(i.cas_acq() ? "a" : ""), t.put(i.ordered() ? "l" : "")),
    OPERAND("xl", t.put(i.ordered() ? "l" : "")),
    OPERAND("xa", t.put(i.ordered() ? "a" : "")),
    OPERAND("lo", t.put(i.ordered() ? "" : "l")),
    OPERAND("bh", t.put(i.lsize() == 0   ? "b"
                        : i.lsize() == 1 ? "h"
                                         : "")),
    OPERAND("bhw", t.put("bhwx"[i.lsize()])),
    OPERAND("mops4", t.put(kCopyOptions[i.mops_opt()])),
    OPERAND("mops2", t.put(kSetOptions[i.set_opt()])),
    OPERAND("bcond", t.put(kConditions[i.bcond()])),
    OPERAND("cb_cond", t.put(kCompareConditions[i.cb_cond()])),
    OPERAND("cb_cond_imm", t.put(i.cb_cond() == 1   ? "lt"
                                 : i.cb_cond() == 3 ? "lo"
                                                    : kCompareConditions[i.cb_cond()])),
    OPERAND("cond", t.put(kConditions[i.cond()])),

    // Addresses.
    OPERAND("adr", t.hex(adr_target(i, pc))),
    OPERAND("adrp", t.hex(adrp_target(i, pc))),
    OPERAND("label14", t.hex(pc + static_cast<u64>(branch_offset14(i)))),
    OPERAND("label19", t.hex(pc + static_cast<u64>(branch_offset19(i)))),
    OPERAND("label26", t.hex(pc + static_cast<u64>(branch_offset26(i)))),
    // CB<cc> counts words forward and back, RETAASPPC only back.
    OPERAND("label9", t.hex(pc + static_cast<u64>(sign_extended(i.imm9_at5(), 9) * 4))),
    OPERAND("label16", t.hex(pc - u64{i.imm16()} * 4)),
    OPERAND("uoff", t.decimal(i64{i.imm12()} << ((i.word >> 26 & 1) && i.vq() ? 4 : i.lsize()))),
    OPERAND("simm9", t.decimal(sign_extended(i.imm9(), 9))),
    OPERAND("tagoff", t.decimal(sign_extended(i.imm9(), 9) * 16)),
    OPERAND("raoff", t.decimal(sign_extended(i.key_s() << 9 | i.imm9(), 10) * 8)),
    OPERAND("pairoff", t.decimal(pair_offset(i))),
    OPERAND("pairsize", t.decimal(i.Q() ? 16 : 8)),
    OPERAND("accsize", t.decimal(i.Q() ? 8 : 4)),
    OPERAND("Rm_ext", index_register(t, i)),
    OPERAND("Xm_post", post_index(t, i)),
    OPERAND("prfop", prefetch_operation(t, i)),

    // Immediates; those of the form `{x}` that bring their own comma are optional.
    OPERAND("imm12", t.hex(i.imm12())),
    OPERAND("imm16", t.hex(i.imm16())),
    OPERAND("udf_imm16", t.hex(i.udf_imm16())),
    OPERAND("imm4", t.decimal(i.imm4())),
    OPERAND("imm5", t.decimal(i.imm5())),
    OPERAND("imm6", t.decimal(i.imm6())),
    OPERAND("immr", t.decimal(i.immr())),
    OPERAND("imms", t.decimal(i.imms())),
    OPERAND("nzcv", t.hex(i.nzcv())),
    OPERAND("bit", t.decimal(tested_bit(i))),
    OPERAND("bitmask", t.hex(bitmask_immediate(i))),
    OPERAND("cssc_imm8", t.decimal(i.cssc_imm8())),
    OPERAND("cssc_simm8", t.decimal(sign_extended(i.cssc_imm8(), 8))),
    OPERAND("cb_imm6", t.decimal(i.cb_imm6())),
    OPERAND("rmif_shift", t.decimal(i.rmif_shift())),
    OPERAND("uimm4", t.decimal(i.uimm4())),
    OPERAND("tag_offset", t.decimal(i.uimm6() * 16)),
    OPERAND("sh", if (i.sh()) shifted_by(t, "lsl", 12)),
    OPERAND("hw", if (i.hw()) shifted_by(t, "lsl", i.hw() * 16)),
    OPERAND("shift", if (i.shift() || i.imm6()) shifted_by(t, kShifts[i.shift()], i.imm6())),
    OPERAND("lsl_imm3", if (i.imm3()) shifted_by(t, "lsl", i.imm3())),
    OPERAND("Rm_extended", extended_register(t, i)),
    OPERAND("irg_xm", if (i.Rm() != 31) t.put(", "), write_general(t, true, i.Rm(), false)),
    OPERAND("ret_xn", if (i.Rn() != 30) t.put(' '), write_general(t, true, i.Rn(), false)),
    OPERAND("dcps_imm", if (i.imm16()) t.put(" #"), t.hex(i.imm16())),
    OPERAND("fbits", t.decimal(64 - static_cast<int>(i.scale()))),
    OPERAND("fpimm", write_fp_immediate(t, i.fimm8())),
    OPERAND("fimm", t.put('#'), write_fp_immediate(t, i.abc() << 5 | i.defgh())),
    OPERAND("imm8x", expanded_immediate(t, i)),
    OPERAND("esize", t.decimal(8 << i.size())),
    OPERAND("shl", t.decimal(shift_amount_left(i))),
    OPERAND("shr", t.decimal(shift_amount_right(i))),
    OPERAND("shr_narrow", t.decimal(shift_amount_right(i))),
    OPERAND("rot90", t.decimal(i.rot() * 90)),
    OPERAND("rotelem", t.decimal(i.rot_elem() * 90)),
    OPERAND("rotadd", t.decimal(i.rot_add() ? 270 : 90)),

    // Vector registers other than V.
    OPERAND("Qd", write_scalar(t, 4, i.Rd())),
    OPERAND("Qn", write_scalar(t, 4, i.Rn())),
    OPERAND("Sd", write_scalar(t, 2, i.Rd())),
    OPERAND("Sn", write_scalar(t, 2, i.Rn())),
    OPERAND("Ft_l", write_scalar(t, i.vq() ? 4 : i.lsize(), i.Rt())),
    OPERAND("Ft_p", write_scalar(t, i.lsize() == 3 ? 4 : 2 + i.lsize(), i.Rt())),
    OPERAND("Ft2_p", write_scalar(t, i.lsize() == 3 ? 4 : 2 + i.lsize(), i.Rt2())),
    OPERAND("bf", t.put(i.lsize() ? "f" : "bf")),
    OPERAND("rl", t.put(i.rel() ? "l" : "")),
    OPERAND("Fs_a", write_scalar(t, i.lsize() ? i.lsize() : 1, i.Rs())),
    OPERAND("Ft_a", write_scalar(t, i.lsize() ? i.lsize() : 1, i.Rt())),
    OPERAND("wx5n", write_general(t, (i.imm5() & 7) == 0, i.Rn(), false)),
    OPERAND("table", write_list(t, i.Rn(), i.tbl_len() + 1, 0, true)),
    OPERAND("luti_table", write_list(t, i.Rn(), i.op == Op::LUTI4_h ? 2 : 1, luti_halves(i), true)),
    OPERAND("luti_index", luti_index(t, i)),
    OPERAND("Vt_1", write_list(t, i.Rt(), 1, i.vsize(), i.Q())),
    OPERAND("Vt_2", write_list(t, i.Rt(), 2, i.vsize(), i.Q())),
    OPERAND("Vt_3", write_list(t, i.Rt(), 3, i.vsize(), i.Q())),
    OPERAND("Vt_4", write_list(t, i.Rt(), 4, i.vsize(), i.Q())),
    OPERAND("Vt_ld1", write_list(t, i.Rt(), ld1_registers(i), i.vsize(), i.Q())),
    OPERAND("Vl_1", write_lanes(t, i, 1)),
    OPERAND("Vl_2", write_lanes(t, i, 2)),
    OPERAND("Vl_3", write_lanes(t, i, 3)),
    OPERAND("Vl_4", write_lanes(t, i, 4)),

    // System.
    OPERAND("hint", t.hex(i.CRm() << 3 | i.op2())),
    OPERAND("CRm", t.hex(i.CRm())),
    OPERAND("crm_not15", if (i.CRm() != 15) t.put(" #"), t.hex(i.CRm())),
    OPERAND("barrier", barrier(t, i)),
    OPERAND("barrier_dmb", barrier(t, i)),
    OPERAND("barrier_nxs", static const char* const kNames[] = {"oshnxs", "nshnxs", "ishnxs", "synxs"};
            t.put(kNames[i.CRm() >> 2])),
    OPERAND("pstate", pstate_field(t, i)),
    OPERAND("sysreg", system_register(t, i)),
    OPERAND("sys_operands", system_operands(t, i)),
    OPERAND("sys_xt", if (i.Rt() != 31) t.put(", "), write_general(t, true, i.Rt(), false)),
    OPERAND("Xt_pair", register_pair(t, i)),
};

void operand(Text& t, Insn i, u64 pc, Name name) {
  for (const Operand& o : kOperands)
    if (name.is(o.name)) return o.write(t, i, pc);
  if (general_register(t, i, name) || vector_register(t, i, name)) return;
  t.put('?');  // the tests look for it
}

}  // namespace

size_t disassemble(u32 word, u64 pc, char* out, size_t size) {
  Text t(out, size);
  Insn i{word, decode(word)};
  if (i.op == Op::UNALLOCATED) {
    t.put(".inst ");
    t.hex(word);
    return t.finish();
  }
  for (const char* s = kRows[static_cast<unsigned>(i.op)].assembly; *s; s++) {
    if (*s != '{') {
      if (*s == ']' && s[1] != '!') t.drop_zero_offset();
      t.put(*s);
      continue;
    }
    Name name{s + 1, 0};
    while (name.s[name.n] && name.s[name.n] != '}') name.n++;
    operand(t, i, pc, name);
    s = name.s + name.n;
    if (*s == '\0') break;
  }
  return t.finish();
}

}  // namespace grus::a64
