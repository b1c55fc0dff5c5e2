// SPDX-License-Identifier: MIT
// See sequence.h.
#include "sequence.h"

#include <cstring>

#include "insn.h"

namespace grus::test {

using namespace a64;

namespace {

constexpr unsigned kMaxLength = 12, kTail = 14;
constexpr u64 kTag = 0xff00000000000000;

bool reaches_work(u64 address) {
  u64 a = address & ~kTag;
  return a >= kWork - 0x400 && a <= kWork + kWorkSize + 0x400;
}

// Register offsets (LDR_reg and its kin).
bool register_offset(u32 word) { return (word & 0x3b200c00) == 0x38200800; }
bool literal(u32 word) { return (word & 0x3b000000) == 0x18000000; }
// DC ZVA and its kin have the address in Rt.
bool address_in_rt(u32 word) { return (word & 0xffc00000) == 0xd5000000; }

// Store exclusives succeed only after the matching load exclusive.
u32 exclusive_load_before(u32 word, unsigned rt) {
  bool store_exclusive =
      (word & 0x3f400000) == 0x08000000 && !(word >> 23 & 1) && (!(word >> 21 & 1) || (word >> 31));
  if (!store_exclusive) return 0;
  bool pair = word >> 21 & 1;
  return (word & ~0x001ffc1fu) | 1u << 22 | 31u << 16 | (pair ? 30u << 10 : 31u << 10) | rt;
}

u32 branch_forward(u32 word, u32 words) {
  if ((word & 0x7c000000) == 0x14000000) return (word & ~0x03ffffffu) | words;
  if ((word & 0x7e000000) == 0x36000000) return (word & ~(0x3fffu << 5)) | words << 5;
  return (word & ~(0x7ffffu << 5)) | words << 5;
}

}  // namespace

u64 integer_operand(Random& r) {
  static const u64 kEdges[] = {0,
                               1,
                               2,
                               ~0ull,
                               ~1ull,
                               0x7fffffff,
                               0x80000000,
                               0xffffffff,
                               0x100000000,
                               0x8000000000000000,
                               0x7fffffffffffffff,
                               0xffffffff80000000,
                               0xffffffff7fffffff,
                               0x8000000080000000,
                               0x7fffffff7fffffff,
                               31,
                               32,
                               63,
                               64,
                               0x5555555555555555,
                               0x80,
                               0x7f,
                               0xff,
                               0x100,
                               0xffff,
                               0x8000,
                               0x7fff};
  switch (r.below(5)) {
    case 0:
      return kEdges[r.below(sizeof kEdges / sizeof kEdges[0])];
    case 1:
      return r.below(256);
    case 2:
      return r.next() >> r.below(64);
    case 3:
      return static_cast<u64>(static_cast<i64>(r.next()) >> r.below(64));
    default:
      return r.next();
  }
}

Vec vector_operand(Random& r) {
  Vec v{};
  unsigned kind = r.below(8);
  for (unsigned lane = 0; lane < 16; lane++) {
    switch (kind) {
      case 0:
        v.set<u8>(lane, static_cast<u8>(integer_operand(r)));
        break;
      case 1:
        if (lane < 8) v.set<u16>(lane, static_cast<u16>(integer_operand(r)));
        break;
      case 2:
        if (lane < 4) v.set<u32>(lane, static_cast<u32>(integer_operand(r)));
        break;
      case 3:
        if (lane < 2) v.set<u64>(lane, integer_operand(r));
        break;
      case 4:
        if (lane < 8) v.set<u16>(lane, static_cast<u16>(float_operand(r, 16)));
        break;
      case 5:
        if (lane < 4) v.set<u32>(lane, static_cast<u32>(float_operand(r, 32)));
        break;
      case 6:
        if (lane < 2) v.set<u64>(lane, float_operand(r, 64));
        break;
      default:
        if (lane < 2) v.set<u64>(lane, r.next());
        break;
    }
  }
  return v;
}

Maker::Maker(Guest& guest, Random& random) : guest_(guest), random_(random) {
  for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++) {
    const RowInfo& info = kRows[row];
    // Exceptions end a sequence: only as the focus.
    if (!kSemantics[row] || info.flow == Flow::Exception || info.flow == Flow::Svc) continue;
    rows_.push_back(row);
    if (info.reads_nzcv || info.writes_nzcv) flag_rows_.push_back(row);
  }
}

bool Maker::random_word(unsigned index, Insn* i) {
  const RowInfo& row = kRows[index];
  for (int tries = 0; tries < 20000; tries++) {
    u32 bits = static_cast<u32>(random_.next() >> 32);
    // Equal registers and register 31 more often than chance.
    if (random_.one_in(8)) bits = (bits & ~0x3e0u) | (bits & 31) << 5;
    if (random_.one_in(8)) bits = (bits & ~0x1f0000u) | (bits & 31) << 16;
    if (random_.one_in(16)) bits |= 31;
    if (random_.one_in(16)) bits |= 31 << 5;
    if (random_.one_in(16)) bits |= 31 << 16;
    u32 word = (bits & ~row.mask) | row.value;
    if (decode(word) == static_cast<Op>(index)) {
      *i = Insn{word, static_cast<Op>(index)};
      return true;
    }
  }
  return false;
}

void Maker::random_state(CpuState& s) {
  Random& r = random_;
  s.reset();
  if (r.one_in(2)) s.check_fp();
  for (u64& x : s.x) x = integer_operand(r);
  s.sp = integer_operand(r);
  for (Vec& v : s.v) v = vector_operand(r);
  s.set_nzcv(r.below(16));
  if (r.one_in(6))
    s.set_fpcr(static_cast<u32>(r.below(4)) << kFpcrRModeShift | (r.one_in(3) ? kFpcrDN : 0) |
               (r.one_in(3) ? kFpcrFZ : 0) | (r.one_in(6) ? kFpcrAHP : 0) | (r.one_in(6) ? kFpcrFZ16 : 0));
  if (r.one_in(4)) s.set_fpsr(static_cast<u32>(r.next()));
  s.tpidr_el0 = r.next();
  // Five registers with addresses: SP, one with a host home, others anywhere.
  static const u8 with_home[] = {0, 1, 2, 3, 4, 8, 19, 20, 21, 22};
  bases_[0] = 31;
  bases_[1] = with_home[r.below(10)];
  for (int n = 2; n < 5; n++) bases_[n] = static_cast<u8>(r.below(30));
  for (u8 b : bases_) {
    u64 address = kWork + kWorkSize / 2 + r.below(32) * 16;
    if (r.one_in(6)) address += r.below(16);  // misaligned
    if (r.one_in(24)) address = kWork + kWorkSize - r.below(65);
    if (r.one_in(48)) address = kWork + r.below(32);
    if (b == 31 && !r.one_in(8)) address = address & ~u64{15};
    if (r.one_in(16)) address |= r.next() & kTag;
    s.set_XSP(b, address);
  }
  do index_ = static_cast<u8>(r.below(30));
  while (memchr(bases_, index_, sizeof bases_));
  s.x[index_] = r.below(512) | (r.one_in(4) ? r.next() << 32 : 0);
  do code_ = static_cast<u8>(r.below(30));
  while (code_ == index_ || memchr(bases_, code_, sizeof bases_));
}

int Maker::pick_base(const CpuState& now) {
  unsigned start = random_.below(5);
  for (unsigned n = 0; n < 5; n++) {
    unsigned b = bases_[(start + n) % 5];
    if (reaches_work(now.XSP(b))) return static_cast<int>(b);
  }
  return -1;
}

// Makes the word's operands such that it may run now; false: choose another.
bool Maker::fit(Insn* i, const CpuState& now) {
  const RowInfo& row = kRows[static_cast<unsigned>(i->op)];
  u32 w = i->word;
  switch (row.flow) {
    case Flow::Branch:
    case Flow::Cond:
    case Flow::Call:
      w = branch_forward(w, 1 + random_.below(4));
      break;
    case Flow::Indirect:
    case Flow::IndirectCall:
    case Flow::Ret:
      // Forward only, through the register made for it, when it is still what it was.
      if (now.x[code_] != guest_.code_target() || guest_.code_target() <= now.pc) return false;
      w = (w & ~0x3e0u) | static_cast<u32>(code_) << 5;
      break;
    default:
      break;
  }
  if (row.loads || row.stores) {
    if (!literal(w)) {
      int base = pick_base(now);
      if (base < 0) return false;
      if (address_in_rt(w)) {
        if (base == 31) return false;
        w = (w & ~31u) | static_cast<u32>(base);
      } else {
        w = (w & ~0x3e0u) | static_cast<u32>(base) << 5;
      }
      if (register_offset(w)) {
        unsigned option = w >> 13 & 7;
        u64 x = now.x[index_];
        u64 offset = option == 2   ? (x & 0xffffffff)
                     : option == 6 ? static_cast<u64>(static_cast<i64>(static_cast<i32>(x)))
                                   : x;
        if (offset > 2048 && ~offset > 2048) return false;
        w = (w & ~0x1f0000u) | static_cast<u32>(index_) << 16;
      }
    }
  }
  i->word = w;
  i->op = decode(w);
  return true;
}

void Maker::chain(Insn* i, u32 before) {
  if (i->word >> 27 & 1 && !(i->word >> 25 & 1)) return;  // loads and stores have their bases
  unsigned at = random_.one_in(2) ? 5 : 16;
  u32 w = (i->word & ~(31u << at)) | (before & 31) << at;
  if (decode(w) == i->op) i->word = w;
}

bool Maker::idiom(u64 pc, u32* first, u32* second, u32* third) {
  Random& r = random_;
  u32 d = r.below(31), d2 = r.one_in(4) ? r.below(31) : d;
  auto row = [&](Op op, u32* word) {
    Insn i;
    if (!random_word(static_cast<unsigned>(op), &i)) return false;
    *word = i.word;
    return true;
  };
  *third = 0;
  switch (r.below(6)) {
    case 4: {  // four rounds of SHA256, both halves of the state
      u32 words = r.below(32), n = r.below(32), copy = r.below(32);
      *first = 0x4ea01c00 | d << 16 | d << 5 | copy;
      *second = 0x5e004000 | words << 16 | n << 5 | d;
      *third = 0x5e005000 | (r.one_in(6) ? d2 : words) << 16 | copy << 5 | (r.one_in(6) ? d2 : n);
      return true;
    }
    case 3:  // trailing zeros
      *first = 0x5ac00000 | r.below(2) << 31 | r.below(32) << 5 | d;
      *second = 0x5ac01000 | r.below(2) << 31 | d << 5 | d2;
      return true;
    case 0: {  // a round of AES
      u32 decrypt = r.below(2);
      *first = 0x4e284800 | decrypt << 12 | r.below(32) << 5 | d;
      *second = 0x4e286800 | (r.one_in(4) ? r.below(2) : decrypt) << 12 | d << 5 | d2;
      return true;
    }
    case 1:  // a number in halves
      if (!row(r.one_in(3) ? Op::MOVN : r.one_in(3) ? Op::MOVK : Op::MOVZ, first) || !row(Op::MOVK, second)) return false;
      *first = (*first & ~31u) | d;
      *second = (*second & ~31u) | d;
      return true;
    case 2: {  // a page and the low bits
      static const Op kSecond[] = {Op::ADD_imm, Op::SUB_imm, Op::LDR_uimm, Op::STR_uimm, Op::LDRS_uimm, Op::LDR_v_uimm,
                                   Op::STR_v_uimm, Op::LDP_off, Op::LDUR, Op::STUR_v, Op::MOVK};
      u64 pages = (kWork + kWorkSize / 2) / 4096 - pc / 4096;
      *first = 0x90000000 | static_cast<u32>(pages & 3) << 29 | static_cast<u32>(pages >> 2 & 0x7ffff) << 5 | d;
      if (!row(kSecond[r.below(sizeof kSecond / sizeof kSecond[0])], second)) return false;
      *second = (*second & ~0x3e0u) | d << 5;
      return true;
    }
    default: {  // an index made from 32 bits
      static const Op kSecond[] = {Op::LDR_reg, Op::STR_reg, Op::LDRS_reg, Op::LDR_v_reg, Op::STR_v_reg};
      *first = 0x53000000 | r.below(9) << 10 | static_cast<u32>(index_) << 5 | index_;  // UBFX W, W, #0
      if (!row(kSecond[r.below(5)], second)) return false;
      *second = (*second & ~0xe000u) | 0x4000;  // UXTW
      return true;
    }
  }
}

bool Maker::make(unsigned focus, Sequence* out) {
  Random& r = random_;
  unsigned length = r.one_in(3) ? 1 : 1 + r.below(kMaxLength);
  out->words.assign(length + kTail + 2, 0);
  for (unsigned n = 0; n < kTail; n++) out->words[length + n] = 0xd4000001 | n << 5;  // SVC
  out->words[length + kTail] = 0x54000020;                                            // B.EQ +4
  out->words[length + kTail + 1] = 0xd65f03c0;                                        // RET
  out->length = length;
  CpuState& before = out->before;
  random_state(before);
  u64 at = guest_.place(out->words);
  before.pc = at;
  unsigned code_index = r.below(length + 1);
  guest_.set_code_target(at + 4 * code_index);
  before.x[code_] = guest_.code_target();

  guest_.restore_work();
  CpuState now = before;
  unsigned focus_at = r.below(length);
  u32 queue[2] = {0, 0};  // what comes next
  for (unsigned n = 0; n < length; n++) {
    Insn i;
    u64 pc = at + 4 * n;
    for (int tries = 0;; tries++) {
      if (tries == 200) {
        i = Insn{0xd503201f, decode(0xd503201f)};  // NOP
        break;
      }
      unsigned row = focus;
      if (n != focus_at && !r.one_in(3))
        row = r.one_in(3) ? flag_rows_[r.below(static_cast<unsigned>(flag_rows_.size()))]
                          : rows_[r.below(static_cast<unsigned>(rows_.size()))];
      if (queue[0]) {
        i = Insn{queue[0], decode(queue[0])};
        queue[0] = queue[1];
        queue[1] = 0;
        const RowInfo& info = kRows[static_cast<unsigned>(i.op)];
        if (!(info.loads || info.stores) || (!register_offset(i.word) && reaches_work(now.XSP(i.Rn())))) break;
        if (fit(&i, now)) break;
        continue;
      }
      u32 first, second, third;
      if (n != focus_at && n + 1 < length && n + 1 != focus_at && r.one_in(8) && idiom(pc, &first, &second, &third)) {
        i = Insn{first, decode(first)};
        queue[0] = second;
        queue[1] = third;
        break;
      }
      if (!random_word(row, &i)) return false;
      if (n && r.one_in(4)) chain(&i, out->words[n - 1]);
      if (!fit(&i, now)) continue;
      u32 load = exclusive_load_before(i.word, r.below(31));
      if (load && n + 1 < length && r.below(4) && (load & 31) != i.Rn()) {
        queue[0] = i.word;
        i = Insn{load, decode(load)};
      }
      break;
    }
    out->words[n] = i.word;
    *reinterpret_cast<u32*>(pc) = i.word;
    // Only what is reached has an effect; after an exception the rest is decoration.
    if (now.pc == pc && now.exception.kind == ExceptionKind::None) Guest::step(now, i);
  }
  return true;
}

}  // namespace grus::test
