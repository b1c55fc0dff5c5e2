// SPDX-License-Identifier: MIT
#include "translate/a64_to_x64/emitter.h"

#include "translate/region.h"

namespace grus::a64_to_x64 {

namespace {
constexpr Mem nzcv_home() { return state(offsetof(CpuState, nzcv_image)); }
constexpr Mem runtime(size_t offset) { return state(offsetof(ThreadState, runtime) + offset); }
}  // namespace

bool Emitter::near(u64 address) const {
  i64 distance = static_cast<i64>(address - runs_at(at()));
  return region_.window().near && distance > -0x7f000000 && distance < 0x7f000000;
}

void Emitter::load_guest_address(Reg dst, u64 address) {
  bool low = address <= 0xffffffff;
  if (!low && near(address)) {
    lea(64, dst, Mem::rip(address));
  } else {
    // A low address is the same in every process: only programs that are linked there have any.
    if (!low || region_.window().guest_begin > 0xffffffff) region_.set_position_dependent();
    mov_imm(dst, address);
  }
}

void Emitter::load_extended(Reg dst, unsigned n, unsigned from, bool sign, unsigned to) {
  if (n == kZero) return mov_imm(dst, 0);
  if (cheap_in_memory(n)) return sign ? movsx(to, from, dst, slot(n)) : movzx(from, dst, slot(n));
  if (from == 32 && !sign) return load(dst, n, 32);
  Reg src = use_any(n, dst);
  sign ? movsx(to, from, dst, src) : movzx(from, dst, src);
}

/* -- Vectors ----------------------------------------------------------------------------------------------------- */

void Emitter::vop(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, unsigned n) {
  if (vhome(n) != Xmm::none) return sse3(prefix, map, opcode, dst, a, vhome(n));
  sse3(prefix, map, opcode, dst, a, vslot(n));
}

/* -- NZCV -------------------------------------------------------------------------------------------------------- */

// rax = the image that a float comparison's EFLAGS stand for; they stay as they are.
void Emitter::load_float_image(FlagsForm form) {
  auto image = [](unsigned nzcv) {
    CpuState s;
    s.set_nzcv(nzcv);
    return s.nzcv_image;
  };
  bool swapped = form == FlagsForm::FloatSwapped;
  auto part = [&](unsigned n) {
    Mem m = constant(Constant::CompareImages);
    m.rip_target += 4 * n;
    return m;
  };
  mov_imm(Reg::rax, image(swapped ? 8 : 2));  // neither below nor equal
  cmov(32, CC::b, Reg::rax, part(swapped ? 1 : 0));
  cmov(32, CC::e, Reg::rax, part(2));
  cmov(32, CC::p, Reg::rax, part(3));
}

void Emitter::materialise() {
  if (float_form()) {
    load_float_image(form_);
    mov(16, nzcv_home(), Reg::rax);
    home_valid_ = true;
    return;
  }
  if (form_ == FlagsForm::Add) cmc();
  if (form_ == FlagsForm::Logic) stc();
  form_ = FlagsForm::Sub;
  setcc(CC::o, Reg::rax);
  lahf();
  mov(16, nzcv_home(), Reg::rax);
  home_valid_ = true;
}

// Loads and stores (Arm ARM C4.1: op0 x1x0), and data processing of floating point (x111), which traps.
static bool may_fault(u32 word) { return (word >> 25 & 5) == 4 || (word >> 25 & 7) == 7; }

void Emitter::clobber_flags() {
  if (form_ != FlagsForm::Home && !home_valid_ && needed_) {
    materialise();
    region_.mark_flags(*this, FlagsForm::Home);
  } else if (form_ != FlagsForm::Home && !home_valid_ && may_fault(insn_.word)) {
    region_.mark_flags(*this, FlagsForm::Unknown);
  }
  form_ = FlagsForm::Home;
}

void Emitter::set_flags(FlagsForm form) {
  form_ = form;
  home_valid_ = false;
  needed_ = live_out_;
}

void Emitter::settle_flags() {
  if (form_ != FlagsForm::Home && !home_valid_ && live_out_) materialise();
}

void Emitter::load_flags_as_sub() {
  if (form_ == FlagsForm::Home) {
    movzx(16, Reg::rax, nzcv_home());
    alu_imm(Alu::add, 8, Reg::rax, 0x7f);  // al = 1 overflows
    sahf();
    home_valid_ = true;
  } else if (float_form()) {
    load_float_image(form_);
    alu_imm(Alu::add, 8, Reg::rax, 0x7f);
    sahf();
  } else if (form_ == FlagsForm::Add) {
    cmc();
  } else if (form_ == FlagsForm::Logic) {
    stc();
  }
  form_ = FlagsForm::Sub;
  needed_ = live_out_ && !a64::kTraits[static_cast<unsigned>(insn_.op)].writes_nzcv();
}

CC Emitter::condition(unsigned cond) {
  static const CC sub[14] = {CC::e, CC::ne, CC::ae, CC::b,  CC::s,  CC::ns, CC::o,
                             CC::no, CC::a, CC::be, CC::ge, CC::l, CC::g,  CC::le};
  if (float_form()) {
    // UCOMISD: unordered ZF = PF = CF = 1, below CF, equal ZF, else none. What one host condition cannot say needs the other
    // order (float_form_for_reader) or, equality, a look at PF too.
    static const CC in_order[14] = {CC::o, CC::o, CC::o, CC::o, CC::o, CC::o, CC::p,
                                    CC::np, CC::o, CC::o, CC::ae, CC::b, CC::a, CC::be};
    static const CC swapped[14] = {CC::o, CC::o, CC::be, CC::a, CC::a, CC::be, CC::p,
                                   CC::np, CC::b, CC::ae, CC::o, CC::o, CC::o, CC::o};
    bool later = live_out_ && !a64::kTraits[static_cast<unsigned>(insn_.op)].writes_nzcv();
    CC cc = form_ == FlagsForm::Float ? in_order[cond] : swapped[cond];
    if (cc != CC::o) {
      needed_ = later;
      return cc;
    }
    if (cond < 2) {
      if (later && !home_valid_) materialise();
      form_ = FlagsForm::Home;
      lahf();
      alu_imm(Alu::and_, 32, Reg::rax, 0x4400);
      alu_imm(Alu::cmp, 32, Reg::rax, 0x4000);
      needed_ = later;
      return sub[cond];
    }
  }
  bool carry = cond == 2 || cond == 3 || cond == 8 || cond == 9;
  if (form_ == FlagsForm::Add && (cond == 2 || cond == 3)) {
    needed_ = live_out_ && !a64::kTraits[static_cast<unsigned>(insn_.op)].writes_nzcv();
    return cond == 2 ? CC::b : CC::ae;
  }
  if (form_ == FlagsForm::Home || float_form() || (form_ != FlagsForm::Sub && carry)) load_flags_as_sub();
  needed_ = live_out_ && !a64::kTraits[static_cast<unsigned>(insn_.op)].writes_nzcv();
  return sub[cond];
}

FlagsForm Emitter::float_form_for_reader() {
  unsigned cond = region_.reader_condition();
  bool swapped = (cond >= 2 && cond <= 5) || cond == 8 || cond == 9;
  return swapped ? FlagsForm::FloatSwapped : FlagsForm::Float;
}

// Which vector registers can an instruction write? (Arm ARM C4.1: op0 x1x0 are loads and stores, x111 data processing of FP and
// vectors, nothing else writes any.)
static u32 may_write(u32 word) {
  unsigned op0 = word >> 25 & 15, t = word & 31;
  if ((op0 & 7) == 7) return 1u << t;
  if ((op0 & 5) != 4 || !(word >> 26 & 1)) return 0;
  if ((word & 0x38000000) == 0x28000000) return 1u << t | 1u << (word >> 10 & 31);  // pairs
  if ((word & 0xbe000000) != 0x0c000000) return 1u << t;
  return 1u << t | 1u << (t + 1) % 32 | 1u << (t + 2) % 32 | 1u << (t + 3) % 32;  // structures
}

// Which general registers can an instruction write, as far as the block goes on behind it, and which of them does it write as 32 bits
// with zeros above (those that are common as an index)? By its eleven highest bits and, where these leave it open, more.
enum : u8 {
  kWritesRd = 1, kWritesRn = 2, kWritesRt2 = 4, kWritesRs = 8,  // Rs: and the one behind it
  kWordRd = 16, kWordRt2 = 32,
  kByBit10 = 64,     // one register: its base is written back, or it is no word
  kOneSource = 128,  // ADC, SBC: bits 15-10 are zero
};

static constexpr u8 general_writes(u32 word) {
  unsigned kind = word >> 24 & 31, sub = word >> 21 & 7, size = word >> 30, opc = word >> 22 & 3;
  if ((word >> 25 & 5) != 4) {
    bool sf = word >> 31;
    switch (kind) {
      case 0x0a: case 0x0b: case 0x11: case 0x12: case 0x13: case 0x1b: return kWritesRd | (sf ? 0 : kWordRd);
      case 0x1a:  // with carry, select, one and two sources; not conditional compare and flag manipulation
        return kWritesRd | (sf ? 0 : sub == 4 || sub == 6 ? kWordRd : sub == 0 ? kOneSource : 0);
      default: return kWritesRd;
    }
  }
  bool general = !(word >> 26 & 1);
  switch (word >> 27 & 7) {
    case 7: {
      bool unsized = word >> 24 & 1, is_word = general && !(word >> 25 & 1) && ((opc == 1 && size < 3) || (opc == 3 && size < 2));
      return kWritesRd | (unsized ? 0 : kByBit10) | (is_word ? kWordRd : 0);
    }
    case 5:  // pairs; LDP of words
      return kWritesRd | kWritesRt2 | (word >> 23 & 1 ? kWritesRn : 0) | ((word & 0xfe400000) == 0x28400000 ? kWordRd | kWordRt2 : 0);
    default: return kWritesRd | kWritesRn | kWritesRt2 | kWritesRs;  // exclusives, CASP, structures
  }
}

struct GeneralWrites {
  u8 of[1 << 11];
  constexpr GeneralWrites() : of{} {
    for (u32 n = 0; n < 1 << 11; n++) of[n] = general_writes(n << 21);
  }
};
static constexpr GeneralWrites kGeneralWrites;

static void general_writes_of(u32 word, u32* general, u32* as_word) {
  auto reg = [&](unsigned at) { return 1u << (word >> at & 31); };
  u8 writes = kGeneralWrites.of[word >> 21];
  u32 all = reg(0), words = writes & kWordRd ? reg(0) : 0;
  if (writes & (kWritesRn | kWritesRt2 | kWritesRs | kWordRt2 | kByBit10 | kOneSource)) {
    if (writes & kWritesRt2) all |= reg(10);
    if (writes & kWritesRs) all |= reg(16) | reg(16) << 1;
    if (writes & kWordRt2) words |= reg(10);
    if (writes & kOneSource && !(word >> 10 & 63)) words |= reg(0);
    bool base = writes & kWritesRn || (writes & kByBit10 && word >> 10 & 1);
    if (base) all |= reg(5);
    if (writes & kByBit10 && word >> 21 & 1 && (word >> 10 & 3) != 2) words = 0;  // an atomic one
  }
  // A base that is written back and loaded too has whatever the semantics say.
  bool is_load = (word >> 25 & 5) == 4;
  if (is_load && all & reg(5)) words &= ~reg(5);
  *general = all;
  *as_word = words;
}

void Emitter::end_instruction() {
  u32 general, word;
  general_writes_of(insn_.word, &general, &word);
  if (made_way_around_ || !keeps_book_) join();
  made_way_around_ = false;
  known_ = (known_ & ~general) | made_known_;
  known_address_ = (known_address_ & ~general) | made_known_address_;
  zero_above_word_ = (zero_above_word_ & ~general) | word;
  made_known_ = made_known_address_ = 0;
  aes_round_ = made_aes_round_;
  made_aes_round_ = AesRound::None;
  reversed_ = made_reversed_;
  made_reversed_ = ~0u;
  // Most code has no vectors.
  if (!(moved_ | made_moved_ | sha256_ | made_sha256_) &&
      !(zero_above_32_ | made_zero_above_32_ | zero_above_64_ | made_zero_above_64_))
    return;
  u32 written = may_write(insn_.word);
  moved_ = made_moved_ || (moved_ && !(written & (1u << moved_to_ | 1u << moved_from_)));
  sha256_ = made_sha256_;
  made_moved_ = made_sha256_ = false;
  zero_above_32_ = (zero_above_32_ & ~written) | made_zero_above_32_;
  zero_above_64_ = (zero_above_64_ & ~written) | made_zero_above_64_ | made_zero_above_32_;
  made_zero_above_64_ = made_zero_above_32_ = 0;
}

/* -- Leaving ----------------------------------------------------------------------------------------------------- */

void Emitter::call_semantics() {
  clobber_flags();
  mov_imm(Reg::rax, static_cast<u64>(insn_.op) << 32 | insn_.word);
  load_guest_address(Reg::rcx, pc_);
  Assembler::call(runtime(offsetof(run::RuntimeEntries, call_semantics)));
  if (a64::kTraits[static_cast<unsigned>(insn_.op)].writes_nzcv()) {
    form_ = FlagsForm::Home;
    home_valid_ = true;
  }
}

void Emitter::semantics_if(CC cc) {
  region_.add_cold_semantics(jcc32(cc));
  made_way_around_ = true;
}

void Emitter::jump(u64 target) {
  settle_flags();
  region_.jump(*this, target);
}

bool Emitter::live_at_target() const { return region_.live_at_target(); }

void Emitter::branch_if(CC cc, u64 target) {
  if (region_.live_at_target() && form_ != FlagsForm::Home && !home_valid_)
    region_.jump_if_saving(*this, cc, target, form_, 0);
  else
    region_.jump_if(*this, cc, target);
}

void Emitter::jump_if(CC cc, u64 target) { region_.jump_if(*this, cc, target); }

bool Emitter::jump_if_decided(CC cc, unsigned nzcv) { return region_.jump_if_decided(*this, cc, nzcv); }

void Emitter::call(u64 target) {
  settle_flags();
  form_ = FlagsForm::Home;
  load_guest_address(Reg::rax, pc_ + 4);
  commit(30, Reg::rax);
  push(Reg::rax);
  region_.call(*this, target);
  home_valid_ = true;
  pop(Reg::rcx);  // a byte, and 0.1 ns less than LEA: the host's stack engine follows it
}

// rax = target. Compares it with the key of its place in this thread's table; returns where the host address is then: rcx is used.
static Mem look_up(Emitter& e, Reg target) {
  if (target != Reg::rax) e.mov(64, Reg::rax, target);
  e.mov(32, Reg::rcx, Reg::rax);
  e.alu_imm(Alu::and_, 32, Reg::rcx, ((1 << run::kLookupBits) - 1) << 2);
  Mem entry(Reg::rbp, Reg::rcx, 4, run::kLookupOffset - run::kStateBias);
  e.alu(Alu::cmp, 64, Reg::rax, entry);
  entry.disp += static_cast<i32>(offsetof(run::LookupEntry, host));
  return entry;
}

void Emitter::jump_indirect(Reg target) {
  settle_flags();
  form_ = FlagsForm::Home;
  Mem host = look_up(*this, target);
  region_.add_cold_indirect(jcc32(CC::ne), false);
  Assembler::jmp(host);
}

void Emitter::call_indirect(Reg target) {
  settle_flags();
  form_ = FlagsForm::Home;
  if (target != Reg::rax) mov(64, Reg::rax, target);
  load_guest_address(Reg::rdx, pc_ + 4);
  commit(30, Reg::rdx);
  push(Reg::rdx);
  Mem host = look_up(*this, Reg::rax);
  region_.add_cold_indirect(jcc32(CC::ne), true);
  Assembler::call(host);
  home_valid_ = true;
  pop(Reg::rcx);
}

void Emitter::return_to(Reg target) {
  settle_flags();
  form_ = FlagsForm::Home;
  if (target != Reg::rax) mov(64, Reg::rax, target);
  alu(Alu::cmp, 64, Reg::rax, Mem(Reg::rsp, 8));
  region_.add_cold_return(jcc32(CC::ne));
  ret();
}

void Emitter::leave_supervisor(u32 imm) {
  settle_flags();
  form_ = FlagsForm::Home;
  load_guest_address(Reg::rax, pc_ + 4);
  mov(64, state(offsetof(CpuState, pc)), Reg::rax);
  mov_imm(8, state(offsetof(CpuState, exception) + offsetof(a64::Exception, kind)),
          static_cast<i32>(a64::ExceptionKind::Supervisor));
  mov_imm(32, state(offsetof(CpuState, exception) + offsetof(a64::Exception, imm)), static_cast<i32>(imm));
  Assembler::jmp(runtime(offsetof(run::RuntimeEntries, exit_exception)));
}

}  // namespace grus::a64_to_x64
