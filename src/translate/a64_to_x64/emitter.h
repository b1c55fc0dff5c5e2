// SPDX-License-Identifier: MIT
// What a template writes with: an assembler that knows where guest registers live, who holds NZCV, and how to leave.
//
// A template `void templates::NAME(Emitter& e, a64::Insn i)` emits host code for one instruction. Its rules:
//  * Homes: `e.use(n, scratch)` gives a host register that holds guest Xn (its home, or `scratch` after a load);
//    `Reg d = e.def(n, scratch)` is where to compute a result, `e.commit(n, d)` ends it (stores memory homes; 31 is dropped).
//    The numbers: 0-30, kZero = 31, kSP = 32 (`e.sp(i.Rn())` maps 31 to kSP). 32-bit results must be zero-extended to 64 bits
//    in the register that is committed (32-bit host operations do that).
//  * Scratch: rax, rcx, rdx, xmm0-xmm2; nothing survives from one template to the next, except where a template that stands
//    directly behind another asks for it (`behind_...`), and what `load` and `use` find there by themselves: a home in memory
//    that was loaded or committed from rax, rcx or rdx is still in it while nobody wrote there (the assembler knows).
//  * What is known: within a block the emitter remembers constants, addresses, zeros above and which memory homes were written
//    lately. It is only ever used to say the same in fewer or faster instructions: at every boundary the guest's state is whole,
//    for a signal may come there and whoever goes on behind it enters new code.
//  * Order: compute into scratch, access memory, then commit. A faulting instruction is executed again by its semantics
//    from the registers as they were, so nothing may be committed before the last access that can fault.
//  * Flags: before the first host instruction that changes EFLAGS call `e.clobber_flags()`; it saves NZCV if somebody still
//    needs it. mov, lea, movzx, not, pushes, SSE moves and BMI2 shifts change none, so templates that use only those keep the
//    setter and the reader fused. A setter ends with `e.set_flags(form)` right after the host instruction that
//    computed them; a reader asks `e.condition(cond)` for a host condition code first.
//    clobber_flags, condition, load_flags_as_sub and settle_flags may change rax: hold nothing there across them.
//    condition and load_flags_as_sub change EFLAGS to fit, and the side table still says what they were: nothing that may fault or
//    trap stands behind them, unless clobber_flags came first.
//  * Vectors: `e.vuse(n, scratch)`, `e.vdef(n, scratch)`, `e.vcommit(n, x)`; the same order rule. With AVX-512VL they may answer
//    xmm16-31, for which the assembler takes EVEX forms; for an instruction that has none ask `e.vuse_low`, `e.vdef_low`.
//  * Floating point may trap where the host calls an operation invalid (fp.h): as a fault, before anything is written.
//  * Too rare or too hard: no template at all, or `e.call_semantics()`: everything else (pc, exceptions) is taken care of.
//    `e.semantics_if(cc)` branches to a cold call of the semantics for operands the fast path does not cover; it continues behind
//    this instruction. Only before the first commit.
// Deliberately not here: choosing what a region is (region.cpp), running it.
#pragma once
#include "cache/window.h"
#include "guest/aarch64/registers.h"
#include "host/x86_64/features.h"
#include "insn.h"
#include "translate/a64_to_x64/constants.h"
#include "translate/a64_to_x64/homes.h"

namespace grus::a64_to_x64 {

using a64::CpuState;
using a64::Insn;
using cache::FlagsForm;
using run::ThreadState;
using x64::Alu;
using x64::CC;
using x64::Shift;

class RegionBuilder;

class Emitter : public x64::Assembler {
 public:
  explicit Emitter(RegionBuilder& region) : region_(region) {}

  const x64::Features& host() const { return x64::g_features; }
  u64 pc() const { return pc_; }
  a64::FpContext fp_context() const { return fp_context_; }

  /* -- General registers ------------------------------------------------------------------------------------------ */
  static unsigned sp(unsigned n) { return n == 31 ? kSP : n; }
  static Reg home(unsigned n) { return kHomes[n]; }
  static Mem slot(unsigned n) {
    return state(n == kSP ? offsetof(CpuState, sp) : offsetof(CpuState, x) + 8 * n);
  }
  static bool in_memory(unsigned n) { return n != kZero && kHomes[n] == Reg::none; }
  // mov dst, Xn. The zero register gives 0; flags survive.
  void load(Reg dst, unsigned n, unsigned size = 64) {
    if (n == kZero)
      mov_imm(dst, 0);
    else if (home(n) != Reg::none) {
      if (home(n) != dst || size != 64) mov(size, dst, home(n));
    } else if (Reg held = holder(n); held != Reg::none) {
      if (held != dst || (size == 32 && !zero_above_word(n))) mov(size, dst, held);
    } else {
      mov(size, dst, slot(n));
      if (size == 64) hold(n, dst);
    }
  }
  // The same for an operation of this size that writes all of dst: what is above the operand may be anything.
  void load_low(Reg dst, unsigned n, unsigned size) {
    if (n == kZero || (home(n) != dst && holder(n) != dst)) load(dst, n, size);
  }
  // A register holding Xn: read only. With a home, the upper half of W operands is whatever X has.
  Reg use(unsigned n, Reg scratch, unsigned size = 64) {
    if (n != kZero && home(n) != Reg::none) return home(n);
    if (n != kZero && holder(n) == scratch) return scratch;
    load(scratch, n, size);
    return scratch;
  }
  // The same; any scratch register may be the answer, so ask for this operand last or write no other before it is used.
  Reg use_any(unsigned n, Reg scratch, unsigned size = 64) {
    Reg held = in_memory(n) ? holder(n) : Reg::none;
    return held != Reg::none ? held : use(n, scratch, size);
  }
  Reg def(unsigned n, Reg scratch) { return n != kZero && home(n) != Reg::none ? home(n) : scratch; }
  // The same where any scratch register will do: one that holds nothing of use, else they take turns.
  Reg def_any(unsigned n) { return n != kZero && home(n) != Reg::none ? home(n) : any_scratch(); }
  Reg any_scratch() {
    for (unsigned r = 0; r < 3; r++)
      if (written(Reg(r)) || held_[r] == kZero) return Reg(r);
    turn_ = turn_ == 2 ? 0 : turn_ + 1;
    return Reg(turn_);
  }
  void commit(unsigned n, Reg value) {
    if (n == kZero) return;
    if (home(n) == Reg::none) {
      mov(64, slot(n), value);
      written_in_place(n);
      hold(n, value);
    } else if (home(n) != value)
      mov(64, home(n), value);
  }
  // Was Xn's memory home written in this block? Then its value is best fetched by a MOV of its own, which renames memory (Zen 4:
  // 1 cycle from the store); as an operand of anything else the load waits for the store (7.6 cycles). A home that was not
  // written lately is an operand that costs nothing.
  bool fresh(unsigned n) const { return n < 31 && (fresh_ >> n & 1); }
  void written_in_place(unsigned n) {
    fresh_ |= 1u << n;
    for (u8& held : held_)
      if (held == n) held = kZero;
  }
  // Which of rax, rcx and rdx still holds Xn, whose home is in memory, from this block's last templates?
  Reg holder(unsigned n) const {
    for (unsigned r = 0; r < 3; r++)
      if (held_[r] == n && !written(Reg(r))) return Reg(r);
    return Reg::none;
  }
  // Two operands for one instruction that reads both.
  void use_both(unsigned n, Reg* a, unsigned m, Reg* b, unsigned size = 64) {
    *a = use_any(n, holder(m) == Reg::rax ? Reg::rdx : Reg::rax, size);
    *b = use_any(m, *a == Reg::rcx ? Reg::rdx : Reg::rcx, size);
  }
  // Xn is best taken from memory, as an operand.
  bool cheap_in_memory(unsigned n) const { return in_memory(n) && !fresh(n) && holder(n) == Reg::none; }
  // dst = dst op Xn; `scratch` is used for memory homes. Changes flags.
  void alu_with(Alu op, unsigned size, Reg dst, unsigned n, Reg scratch = Reg::rcx) {
    if (n == kZero)
      alu_imm(op, size, dst, 0);
    else if (cheap_in_memory(n))
      alu(op, size, dst, slot(n));
    else
      alu(op, size, dst, use_any(n, scratch, size));
  }
  // dst = the low `from` bits of Xn, extended. Flags survive.
  void load_extended(Reg dst, unsigned n, unsigned from, bool sign, unsigned to = 64);
  // What is known of general registers, within a block: numbers (MOVZ, MOVK), guest addresses (ADRP: position independent code
  // must not hold them as numbers), and zeros above the low 32 bits.
  bool known(unsigned n, u64* value) const { return is_known(known_, n, value); }
  bool known_address(unsigned n, u64* value) const { return is_known(known_address_, n, value); }
  void set_known(unsigned n, u64 value) { make_known(&made_known_, n, value); }
  void set_known_address(unsigned n, u64 value) { make_known(&made_known_address_, n, value); }
  bool zero_above_word(unsigned n) const { return n < 31 && (zero_above_word_ >> n & 1); }

  /* -- Guest addresses -------------------------------------------------------------------------------------------- */
  // dst = a guest address known now; position independent where the window is near. Flags survive.
  void load_guest_address(Reg dst, u64 address);
  // Can `address` be a rip-relative operand of the next instruction?
  bool near(u64 address) const;

  /* -- Vectors ---------------------------------------------------------------------------------------------------- */
  static Xmm vhome(unsigned n) { return vector_home(n); }
  static Mem vslot(unsigned n, unsigned byte = 0) { return state(offsetof(CpuState, v) + 16 * n + byte); }
  Xmm vuse(unsigned n, Xmm scratch) {
    if (vhome(n) != Xmm::none) return vhome(n);
    vload(scratch, n);
    return scratch;
  }
  void vload(Xmm dst, unsigned n) {
    if (vhome(n) != Xmm::none)
      movaps(dst, vhome(n));
    else
      movaps(dst, vslot(n));
  }
  // The same for instructions without an EVEX form: one of xmm0-15.
  Xmm vuse_low(unsigned n, Xmm scratch) {
    Xmm x = vuse(n, scratch);
    if (x < Xmm::x16) return x;
    movaps(scratch, x);
    return scratch;
  }
  Xmm vdef_low(unsigned n, Xmm scratch) { return vhome(n) < Xmm::x16 ? vhome(n) : scratch; }
  Xmm vdef(unsigned n, Xmm scratch) { return vhome(n) != Xmm::none ? vhome(n) : scratch; }
  void vcommit(unsigned n, Xmm value) {
    if (vhome(n) == Xmm::none)
      movaps(vslot(n), value);
    else
      movaps(vhome(n), value);
  }
  // The result is 64 (or 32) bits wide: the rest of the register becomes zero. `value` may be changed: not another's home.
  void vcommit64(unsigned n, Xmm value) {
    if (vhome(n) != Xmm::none) {
      movq(vhome(n), value);
    } else {
      movq(value, value);
      movaps(vslot(n), value);
    }
    set_zero_above(n, 64);
  }
  // What is known of a vector register's value, within a block: zero above its low element of 64 or 32 bits. A template says so
  // for its result; whatever an instruction may write is forgotten otherwise.
  bool zero_above(unsigned n, unsigned bits) const { return (bits == 64 ? zero_above_64_ : zero_above_32_) >> n & 1; }
  void set_zero_above(unsigned n, unsigned bits) { (bits == 64 ? made_zero_above_64_ : made_zero_above_32_) |= 1u << n; }
  // For AESMC and AESIMC directly behind AESE and AESD of the same register, which is how all programs use them: xmm0 holds what
  // the round began with, xmm1 zero. Nobody enters between the two, or the block ends there.
  enum class AesRound : u8 { None, Encrypt, Decrypt };
  bool behind_aes_round(AesRound kind, unsigned n) const { return aes_round_ == kind && aes_register_ == n; }
  void set_aes_round(AesRound kind, unsigned n) {
    made_aes_round_ = kind;
    aes_register_ = static_cast<u8>(n);
  }
  // SHA256H2 directly behind SHA256H of the same state, of which a copy was kept for it: xmm1 and xmm2 hold the state after the
  // four rounds, as the host keeps it.
  struct Sha256State {
    u8 abcd_before, efgh, words;
    bool operator==(const Sha256State&) const = default;
  };
  void set_vector_move(unsigned d, unsigned n) {
    made_moved_ = true;
    moved_to_ = static_cast<u8>(d);
    moved_from_ = static_cast<u8>(n);
  }
  void set_sha256_rounds(unsigned abcd, unsigned efgh, unsigned words) {  // abcd is about to change
    made_sha256_ = moved_ && moved_from_ == abcd;
    sha256_state_ = {moved_to_, static_cast<u8>(efgh), static_cast<u8>(words)};
  }
  bool behind_sha256_rounds(Sha256State s) const { return sha256_ && s == sha256_state_; }
  // For CLZ directly behind RBIT, which counts trailing zeros: rdx holds what was reversed.
  bool behind_reversal(unsigned n) const { return reversed_ == n; }
  void set_reversed(unsigned n) { made_reversed_ = n; }
  // One of the window's constants as an operand; instructions with an immediate behind it say so (`trailing`).
  Mem constant(Constant c) const;
  // dst = a op Vn for SSE/VEX opcodes, with the memory home as operand where possible (aligned).
  void vop(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, unsigned n);

  /* -- NZCV ------------------------------------------------------------------------------------------------------- */
  // EFLAGS are about to change.
  void clobber_flags();
  // EFLAGS hold NZCV that somebody still reads: an instruction that leaves them alone is worth more than a shorter one.
  bool flags_held() const { return form_ != FlagsForm::Home && needed_; }
  // EFLAGS now hold the guest's flags: Sub (cmp, sub, sbb: CF is a borrow), Add (CF is a carry), Logic (CF = OF = 0, guest
  // C = V = 0). Float, FloatSwapped: of (V)UCOMISS and its kin with guest operands in order, or the other way round;
  // `float_form_for_reader` says which of them the next reader can use directly.
  FlagsForm float_form_for_reader();
  void load_float_image(FlagsForm form);  // rax = nzcv_image of such a comparison; EFLAGS stay
  void set_flags(FlagsForm form);
  // NZCV was written to its memory home by the template itself.
  void flags_in_memory() {
    form_ = FlagsForm::Home;
    home_valid_ = true;
  }
  // Nobody needs NZCV, and EFLAGS change.
  void forget_flags() {
    form_ = FlagsForm::Home;
    home_valid_ = false;
  }
  bool flags_needed() const { return live_out_; }  // does anybody read what this instruction sets?
  // The host condition for an AArch64 one (not AL/NV), loading flags from memory when they are there. Changes rax; may change
  // EFLAGS but keeps NZCV available.
  CC condition(unsigned cond);
  // EFLAGS hold NZCV in borrow sense (Sub) after this: for CCMP, ADC and the like.
  void load_flags_as_sub();
  // Memory home valid, EFLAGS untouched: before a control transfer or at a leader.
  void settle_flags();

  /* -- Leaving ---------------------------------------------------------------------------------------------------- */
  void call_semantics();
  void semantics_if(CC cc);
  // Unconditional and conditional transfer to a guest pc: inside the region, to known code, or through a patchable exit.
  // When NZCV is live at the target, call settle_flags() before condition(): nothing that changes EFLAGS comes behind that.
  bool live_at_target() const;
  // A conditional branch after `condition`. NZCV that are live at the target only are saved on the way there.
  void branch_if(CC cc, u64 target);
  void jump(u64 target);
  void jump_if(CC cc, u64 target);
  // For a conditional comparison: if `cc`, which makes NZCV this, decides the branch behind it, jumps straight there. (Behind it may be
  // more comparisons that then do not happen.) false: it decides nothing.
  bool jump_if_decided(CC cc, unsigned nzcv);
  // Guest address in `target` (rax preferred; rcx and rdx are used): inline lookup.
  void jump_indirect(Reg target);
  // BL and BLR: pushes the prediction, calls, and lands behind. x30 must have been committed.
  void call(u64 target);
  void call_indirect(Reg target);
  void return_to(Reg target);
  // SVC: leaves with pc behind this instruction and ExceptionKind::Supervisor.
  void leave_supervisor(u32 imm);

 private:
  friend class RegionBuilder;
  bool is_known(u32 which, unsigned n, u64* value) const {
    if (n >= 31 || !(which >> n & 1)) return false;
    *value = constants_[n];
    return true;
  }
  void make_known(u32* which, unsigned n, u64 value) {
    if (n >= 31) return;
    *which |= 1u << n;
    constants_[n] = value;
  }
  void hold(unsigned n, Reg scratch) {
    if (!keeps_book_ || scratch > Reg::rdx) return;  // a home: what it holds is its own guest register's
    held_[static_cast<u8>(scratch)] = static_cast<u8>(n);
    keep(scratch);
  }
  bool float_form() const { return form_ == FlagsForm::Float || form_ == FlagsForm::FloatSwapped; }
  void forget_zeros() {  // and everything else that is known within a block only
    zero_above_64_ = zero_above_32_ = 0;
    fresh_ = known_ = known_address_ = zero_above_word_ = 0;
    aes_round_ = AesRound::None;
    reversed_ = ~0u;
    moved_ = sha256_ = false;
    turn_ = 0;
    join();
  }
  // Templates of floating point and vectors write general registers by opcodes that the assembler does not keep book of.
  void begin_instruction() {
    keeps_book_ = (insn_.word >> 25 & 7) != 7 && (insn_.word & 0xbe000000) != 0x0c000000;
    if (!keeps_book_) join();
  }
  void end_instruction();
  // Where NZCV are now.
  FlagsForm flags_place() const {
    return home_valid_ ? FlagsForm::Home : form_ != FlagsForm::Home ? form_ : FlagsForm::Unknown;
  }
  void save_flags(FlagsForm form) {  // that EFLAGS hold so
    form_ = form;
    materialise();
  }
  void materialise();  // NZCV from EFLAGS (form_) to memory; keeps EFLAGS; uses rax

  RegionBuilder& region_;
  u64 pc_ = 0;
  unsigned index_ = 0;  // of the instruction in the region
  Insn insn_;
  a64::FpContext fp_context_ = a64::FpContext::Trapping;
  FlagsForm form_ = FlagsForm::Home;  // != Home: EFLAGS hold NZCV so
  bool home_valid_ = true;            // memory holds NZCV too
  bool live_out_ = false;
  u32 zero_above_64_ = 0, zero_above_32_ = 0;            // by guest register
  u32 made_zero_above_64_ = 0, made_zero_above_32_ = 0;  // by the current instruction
  u32 fresh_ = 0, known_ = 0, known_address_ = 0, zero_above_word_ = 0;  // by guest register
  u32 made_known_ = 0, made_known_address_ = 0;                          // by the current instruction
  u64 constants_[31];
  u8 held_[3] = {kZero, kZero, kZero};  // guest registers in rax, rcx, rdx, where those were not written since
  AesRound aes_round_ = AesRound::None, made_aes_round_ = AesRound::None;
  u8 aes_register_ = 0;
  bool moved_ = false, made_moved_ = false, sha256_ = false, made_sha256_ = false;
  u8 moved_to_ = 0, moved_from_ = 0;  // moved_: two vector registers hold the same
  Sha256State sha256_state_{};
  unsigned reversed_ = ~0u, made_reversed_ = ~0u;
  u8 turn_ = 0;
  bool keeps_book_ = true;        // the current instruction's template writes general registers by named methods only
  bool made_way_around_ = false;  // the current instruction may have been done by its semantics
  bool needed_ = false;           // the NZCV that EFLAGS hold now is still read by this instruction or, unchanged, by later ones
};

}  // namespace grus::a64_to_x64
