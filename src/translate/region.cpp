// SPDX-License-Identifier: MIT
#include "translate/region.h"

#include "guest/aarch64/operands.h"
#include "translate/a64_to_x64/templates.h"

namespace grus::a64_to_x64 {

using a64::Flow;
using a64::kTraits;
using a64::Op;
using a64::RowTraits;
using cache::InsnMark;

namespace {

RowTraits row(Op op) { return kTraits[static_cast<unsigned>(op)]; }

i64 sext(u64 v, unsigned bits) { return static_cast<i64>(v << (64 - bits)) >> (64 - bits); }

// The target of a direct branch, from its class of encoding (Arm ARM C4.1.88).
u64 direct_target(u32 word, u64 pc) {
  if ((word & 0x7c000000) == 0x14000000) return pc + static_cast<u64>(sext(word & 0x3ffffff, 26) * 4);  // B, BL
  if ((word & 0x7e000000) == 0x36000000) return pc + static_cast<u64>(sext(word >> 5 & 0x3fff, 14) * 4);  // TBZ
  return pc + static_cast<u64>(sext(word >> 5 & 0x7ffff, 19) * 4);  // CBZ, B.cond
}

// Can it leave SP misaligned when SP was aligned before? (An access by a misaligned SP faults: translated code is only entered,
// and only gone on with, while SP is aligned.)
bool may_misalign_sp(u32 word) {
  bool to_sp = (word & 31) == 31, sp_base = (word >> 5 & 31) == 31;
  if (!to_sp && !sp_base) return false;
  unsigned opc = word >> 30;
  if ((word & 0x3f800000) == 0x11000000)  // ADD, SUB (immediate); shifted by 12 it is a multiple of 16
    return to_sp && !(sp_base && (word >> 22 & 1 || !(word >> 10 & 15)));
  if ((word & 0x3fe00000) == 0x0b200000) return to_sp;  // ADD, SUB (extended register)
  if ((word & 0x1f800000) == 0x12000000) {              // AND, ORR, EOR (immediate)
    unsigned immr = word >> 16 & 63, imms = word >> 10 & 63;
    bool clears = !(word >> 29 & 3) && word >> 22 & 1 && immr <= 60 && imms < immr;  // AND with ones from bit 4 or above
    return to_sp && (word >> 29 & 3) != 3 && !clears;
  }
  if (!sp_base) return false;
  if ((word & 0x3b200400) == 0x38000400) return word >> 12 & 15;  // one register, pre- and post-indexed
  if ((word & 0x3a800000) == 0x28800000) {                        // pairs
    unsigned scale = word >> 26 & 1 ? 4u << opc : opc == 2 ? 8 : 4;
    return (word >> 15 & 127) * scale & 15;
  }
  return (word & 0xbe800000) == 0x0c800000;  // structures, post-indexed
}

// No template is longer (checked); cold stubs come on top. So a region's body fits into a mark's 15 bits.
constexpr i64 kMaxTemplateBytes = 320;
static_assert(kMaxRegionInsns * kMaxTemplateBytes < cache::kMaxRegionBytes && kRegionSpan < cache::kMaxRegionWords);

}  // namespace

int RegionBuilder::index_of(u64 pc) const {
  if (!window_->contains(pc)) return -1;
  u32 g = static_cast<u32>((pc - window_->guest_begin) / 4);
  u32 at = g - map_base_;
  if (at >= kRegionSpan || !map_[at]) return -1;
  return map_[at] - 1;
}

bool RegionBuilder::word_at(u64 pc, u32* word) const {
  for (unsigned i = 0; i < count_; i++) {
    if (guest_pc(i) != pc) continue;
    *word = insns_[i].word;
    return true;
  }
  return false;
}

// index_of for a jump from the current instruction.
int RegionBuilder::reachable(u64 pc) const {
  if (lockstep_ && pc <= guest_pc(current_)) return -1;
  return index_of(pc);
}

/* -- Pass A ------------------------------------------------------------------------------------------------------ */

// True when the branch's target belongs to this region (now or soon).
bool RegionBuilder::mark_target(u32 g) {
  u32 at = g - map_base_;
  if (at >= kRegionSpan) return false;
  if (map_[at]) {
    insns_[map_[at] - 1].leader = true;
    return true;
  }
  if (window_->index[g] > 0 || g < limit_low_ || g >= limit_high_) return false;
  if (queued_ < kMaxRegionInsns) queue_[queued_++] = g;
  return true;
}

// Written in place: one that is made elsewhere, byte by byte, and copied as a whole waits for its bytes.
RowTraits RegionBuilder::add_insn(u32 g, u32 word, bool leader) {
  Op op = a64::decode(word);
  RowTraits traits = row(op);
  Flow flow = traits.flow();
  if (flow == Flow::Call || flow == Flow::Branch || flow == Flow::Cond) branch_[branches_++] = static_cast<u8>(count_);
  Decoded& d = insns_[count_];
  d.word = word;
  d.guest_word = g;
  d.op = op;
  d.traits = traits;
  d.leader = leader;
  d.live_in = d.live_out = d.target_live = d.next_live = false;
  map_[g - map_base_] = static_cast<u16>(++count_);
  return traits;
}

void RegionBuilder::decode_run(u32 g) {
  cache::Window& w = *window_;
  unsigned first = count_;
  bool leader = true, flags = false;  // set here, and not branched by yet
  const Piece* piece = nullptr;
  for (;; g++) {
    u32 at = g - map_base_;
    unsigned limit = flags ? kMaxRegionInsns : kRegionInsns;
    if (at >= kRegionSpan || g < limit_low_ || g >= limit_high_ || count_ >= limit) break;
    if (map_[at]) {
      insns_[map_[at] - 1].leader = true;
      break;
    }
    if (g != entry_word_ && w.index[g] > 0) break;
    u64 pc = w.guest_begin + u64{4} * g;
    if (!piece || pc - piece->pc >= cache::kPiece) piece = piece_at(pc & ~u64{cache::kPiece - 1});
    if (!piece) break;
    u32 word = piece->words[(pc - piece->pc) / 4];
    RowTraits traits = add_insn(g, word, leader);
    leader = false;
    Flow flow = traits.flow();
    flags = flow == Flow::None && (flags || traits.writes_nzcv());
    bool stop = false;
    switch (flow) {
      case Flow::None: break;
      case Flow::Branch:
      case Flow::Cond: {
        u64 target = direct_target(word, pc);
        if (w.contains(target)) mark_target(static_cast<u32>((target - w.guest_begin) / 4));
        stop = flow == Flow::Branch;
        break;
      }
      case Flow::Call:
      case Flow::IndirectCall:
      case Flow::Svc:
      case Flow::Sync: leader = true; break;
      default: stop = true;
    }
    if (stop) break;
  }
  if (count_ != first) run_[runs_++] = Run{static_cast<u16>(first), static_cast<u16>(count_ - first)};
}

const RegionBuilder::Piece* RegionBuilder::piece_at(u64 pc) {
  Piece& p = piece_[pc / cache::kPiece % kPieces];
  if (p.pc == pc && p.build == build_) return &p;
  bool same = false;
  if (p.pc == pc && compare_with_guest(p.words, GuestAddr(pc), sizeof p.words, &same)) return nullptr;
  if (!same) {
    p = Piece{};  // of nothing, should the copy fault
    if (copy_from_guest(p.words, GuestAddr(pc), sizeof p.words)) return nullptr;
    p.pc = pc;
  }
  p.build = build_;
  if (window_->shared) {
    if (!p.has_proof) p.proof = cache::proof_of(p.words);
    p.has_proof = true;
    // The file of a running program was overwritten: its translations are nobody else's.
    if (!window_->proves(pc, p.proof)) changed_ = true;
  }
  return &p;
}

// A word of guest code.
bool RegionBuilder::fetch(u64 pc, u32* word) {
  u64 begin = pc & ~u64{cache::kPiece - 1};
  const Piece* p = piece_at(begin);
  if (!p) return false;
  *word = p->words[(pc - begin) / 4];
  return true;
}

// Whatever is branched to is entered with NZCV in its home: a target that waited in the queue when the region was full may
// have been decoded by falling into it. A called place of this region is entered from elsewhere, likewise.
void RegionBuilder::mark_branch_targets() {
  for (unsigned n = 0; n < branches_; n++) {
    const Decoded& d = insns_[branch_[n]];
    int target = index_of(direct_target(d.word, window_->guest_begin + u64{4} * d.guest_word));
    if (target >= 0) insns_[target].leader = true;
  }
}

bool RegionBuilder::discover(u64 pc, MemoryFault* fault) {
  entry_word_ = static_cast<u32>((pc - window_->guest_begin) / 4);
  map_base_ = entry_word_ > kRegionSpan / 2 ? entry_word_ - kRegionSpan / 2 : 0;
  count_ = fixups_ = colds_ = runs_ = queued_ = branches_ = 0;
  changed_ = false;
  build_++;
  u32 probe;
  if (MemoryFault f = load_guest(GuestAddr(pc), &probe)) {
    *fault = f;
    return false;
  }
  queue_[queued_++] = entry_word_;
  for (unsigned i = 0; i < queued_ && count_ < kRegionInsns; i++) {
    u32 at = queue_[i] - map_base_;
    if (map_[at])
      insns_[map_[at] - 1].leader = true;
    else
      decode_run(queue_[i]);
  }
  mark_branch_targets();
  // Guest order; adjacent runs then fall through into each other.
  for (unsigned i = 1; i < runs_; i++) {
    Run r = run_[i];
    u32 key = insns_[r.first].guest_word;
    unsigned j = i;
    for (; j > 0 && insns_[run_[j - 1].first].guest_word > key; j--) run_[j] = run_[j - 1];
    run_[j] = r;
  }
  return true;
}

// Most instructions, told by their class (Arm ARM C4.1): loads and stores, addresses, moves, and arithmetic, logic and bitfields that
// set no flags.
static constexpr bool class_leaves_nzcv_alone(u32 word) {
  if ((word >> 25 & 5) == 4) return true;
  bool sets = word >> 29 & 1, ands = (word >> 29 & 3) == 3;
  switch (word >> 24 & 31) {
    case 0x10: case 0x13: return true;
    case 0x0b: case 0x11: return !sets;
    case 0x0a: return !ands;
    case 0x12: return !ands || word >> 23 & 1;
    default: return false;
  }
}
// By bits 31-23, which are all that it looks at: no branch that the host would guess wrong.
static constexpr auto kLeavesNzcvAlone = [] {
  struct {
    bool of[512];
  } table{};
  for (u32 n = 0; n < 512; n++) table.of[n] = class_leaves_nzcv_alone(n << 23);
  return table;
}();

// What code outside of the region does with NZCV as it finds them: by a look at some instructions on all paths, and into what they
// call. What cannot be told counts as Reads. A convention (AAPCS64 leaves NZCV undefined at calls and returns) does not tell: LLVM's
// outliner makes functions that return a condition. A pure function of the window's bytes, so that a region that is made again
// (build_again, matches) is what it was; and only of a file's, since a JIT changes what it calls and leaves the caller as it is.
RegionBuilder::NzcvUse RegionBuilder::nzcv_use(u64 pc, unsigned depth) {
  if (!window_->of_file) return NzcvUse::Reads;
  NzcvAnswer& known = nzcv_answers_[(pc / 4 + depth * 61) % kNzcvAnswers];
  if (known.pc == pc && known.depth == depth && known.window == window_ && known.generation == nzcv_generation_) return known.use;
  constexpr unsigned kPaths = 16, kInsns = 48;
  u64 paths[kPaths] = {pc};  // where a path begins; those before `next` are done
  unsigned count = 1, budget = kInsns;
  NzcvUse use = NzcvUse::Overwrites;
  auto follow = [&](u64 target) {
    for (unsigned i = 0; i < count; i++)
      if (paths[i] == target) return;
    if (count < kPaths)
      paths[count++] = target;
    else
      use = NzcvUse::Reads;
  };
  for (unsigned next = 0; next < count && use != NzcvUse::Reads; next++) {
    const Piece* piece = nullptr;
    bool on = true;
    for (u64 at = paths[next]; on && use != NzcvUse::Reads; at += 4) {
      if (!piece || at - piece->pc >= cache::kPiece)
        piece = window_->contains(at) ? piece_at(at & ~u64{cache::kPiece - 1}) : nullptr;
      if (!piece || !budget) {
        use = NzcvUse::Reads;
        break;
      }
      budget--;
      u32 word = piece->words[at % cache::kPiece / 4];
      if (kLeavesNzcvAlone.of[word >> 23]) continue;
      RowTraits r = row(a64::decode(word));
      if (r.reads_nzcv()) {
        use = NzcvUse::Reads;
      } else if (r.writes_nzcv()) {
        on = false;
      } else {
        switch (r.flow()) {
          case Flow::None: break;
          case Flow::Branch:
            follow(direct_target(word, at));
            on = false;
            break;
          case Flow::Cond: follow(direct_target(word, at)); break;
          case Flow::Call: {
            NzcvUse callee = depth ? nzcv_use(direct_target(word, at), depth - 1) : NzcvUse::Reads;
            if (callee == NzcvUse::Reads) use = callee;
            on = callee == NzcvUse::Returns;
            break;
          }
          case Flow::Ret:
            use = NzcvUse::Returns;
            on = false;
            break;
          // Sync: the code behind it may be about to change (IC IVAU, ISB).
          default: use = NzcvUse::Reads;  // a target that is not known; the kernel, which shows NZCV in signal frames
        }
      }
    }
  }
  known = NzcvAnswer{pc, window_, nzcv_generation_, static_cast<u8>(depth), use};
  return use;
}

bool RegionBuilder::live_at(u64 pc) { return nzcv_use(pc, kCallDepth) != NzcvUse::Overwrites; }

bool RegionBuilder::live_after(unsigned i) {
  const Decoded& d = insns_[i];
  u64 pc = window_->guest_begin + u64{4} * d.guest_word;
  auto at = [&](u64 target) {
    int j = index_of(target);
    if (j < 0) return live_at(target);
    if (insns_[j].guest_word <= d.guest_word) loops_ = true;
    return insns_[j].live_in;
  };
  switch (d.traits.flow()) {
    case Flow::Branch: return at(direct_target(d.word, pc));
    case Flow::Cond:
      insns_[i].target_live = insns_[i].target_live || at(direct_target(d.word, pc));
      insns_[i].next_live = insns_[i].next_live || at(pc + 4);
      return d.target_live || d.next_live;
    case Flow::Call: {
      u64 callee = direct_target(d.word, pc);
      if (index_of(callee) >= 0) return at(callee);
      NzcvUse use = nzcv_use(callee, kCallDepth);
      return use == NzcvUse::Reads || (use == NzcvUse::Returns && at(pc + 4));
    }
    case Flow::None: return at(pc + 4);
    default: return true;  // code that is not known yet, or changes (Sync: IC IVAU, ISB), or the kernel, which shows NZCV in signal frames
  }
}

void RegionBuilder::liveness() {
  // Backwards, so that one round is enough unless there is a branch backwards; everything only ever grows, so a few rounds
  // reach the fixed point.
  bool changed = true;
  for (loops_ = true; changed && loops_;) {
    changed = loops_ = false;
    for (unsigned k = runs_; k-- > 0;) {
      bool behind = true, live = false;  // behind the run; before the instruction that was looked at last
      for (Decoded* d = insns_ + run_[k].first + run_[k].count; d-- > insns_ + run_[k].first; behind = false) {
        RowTraits r = d->traits;
        bool inside = r.flow() == Flow::None && !behind;
        bool known = d->live_out && (r.flow() != Flow::Cond || (d->target_live && d->next_live));
        bool out = inside ? live : known || live_after(static_cast<unsigned>(d - insns_));
        live = r.reads_nzcv() || (out && !r.writes_nzcv());
        changed |= live != d->live_in;
        d->live_in = live;
        d->live_out = out;
      }
    }
  }
}

/* -- Pass B ------------------------------------------------------------------------------------------------------ */

// From here on, inside the current instruction, NZCV is there: EFLAGS will change before the instruction's own access faults.
void RegionBuilder::mark_flags(Emitter& e, FlagsForm form) {
  const Decoded& d = insns_[current_];
  marks_[mark_count_++] = InsnMark{static_cast<u32>(e.at() - code_), static_cast<u32>(form), d.guest_word - low_, 0, 1};
}

unsigned RegionBuilder::reader_condition() const {
  // Up to a leader, where NZCV is in its home.
  for (unsigned i = current_ + 1; i < count_ && insns_[i].guest_word == insns_[i - 1].guest_word + 1; i++) {
    if (insns_[i].leader) break;
    RowTraits r = insns_[i].traits;
    if (r.reads_nzcv()) return r.flow() == Flow::Cond ? insns_[i].word & 15 : insns_[i].word >> 12 & 15;
    if (r.writes_nzcv() || r.flow() != Flow::None) break;
  }
  return 14;
}

void RegionBuilder::exit_site(Emitter& e, u8* place, u64 target) {
  u64 known = !lockstep_ && window_->contains(target) && !(target & 3) ? window_->find_nearby(target) : 0;
  // Others do not have what is this process's own.
  if (room_.shared && known && !window_->file.has(window_->offset_of(known))) known = 0;
  add_cold() = ColdStub{Cold::Exit, static_cast<u16>(current_), place, nullptr, target, known};
}

namespace {
// Patched displacements are stored while other threads execute them: a store inside of one aligned quadword is seen whole. (On
// four bytes they needed a NOP at three exits of four.)
void align_displacement(Emitter& e, unsigned opcode_bytes) {
  unsigned in_quadword = static_cast<unsigned>(e.runs_at(e.at()) + opcode_bytes) & 7;
  if (in_quadword > 4) e.nop(8 - in_quadword);
}
}  // namespace

void RegionBuilder::jump(Emitter& e, u64 target) {
  int i = reachable(target);
  if (i < 0) {
    align_displacement(e, 1);
    exit_site(e, e.jmp32(), target);
  } else if (host_[i]) {
    e.Assembler::jmp(e.runs_at(host_[i]));
  } else if (static_cast<unsigned>(i) != next_in_order_) {
    fixup_[fixups_++] = Fixup{e.jmp32(), static_cast<u16>(i)};
  }
}

void RegionBuilder::jump_if(Emitter& e, CC cc, u64 target) {
  int i = reachable(target);
  if (i < 0) {
    align_displacement(e, 2);
    exit_site(e, e.jcc32(cc), target);
  } else if (host_[i]) {
    e.jcc(cc, e.runs_at(host_[i]));
  } else {
    fixup_[fixups_++] = Fixup{e.jcc32(cc), static_cast<u16>(i)};
  }
}

// The same where NZCV are live at the target and only EFLAGS hold them, or they are known to be `image` there (form Home): saved by a
// cold stub, so that the other way, the common one where a branch leads forwards, does not pay.
void RegionBuilder::jump_if_saving(Emitter& e, CC cc, u64 target, FlagsForm form, u16 image) {
  add_cold() = ColdStub{Cold::Edge, static_cast<u16>(current_), e.jcc32(cc), nullptr, target, static_cast<u64>(form) << 16 | image};
}

// `a && b` is CMP, CCMP, B.cond: where the first comparison fails, so does the branch.
bool RegionBuilder::jump_if_decided(Emitter& e, CC cc, unsigned nzcv) {
  for (unsigned i = current_ + 1; i < count_ && insns_[i].guest_word == insns_[i - 1].guest_word + 1; i++) {
    const Decoded& d = insns_[i];
    Insn insn{d.word, d.op};
    if (d.leader) return false;
    switch (d.op) {
      case Op::CCMN_reg:
      case Op::CCMP_reg:
      case Op::CCMN_imm:
      case Op::CCMP_imm:
        if (insn.cond() >= 14 || a64::condition_holds(insn.cond(), nzcv)) return false;
        nzcv = insn.nzcv();
        break;
      case Op::B_cond:
        if (insn.bcond() >= 14 || d.next_live) return false;
        if (a64::condition_holds(insn.bcond(), nzcv)) {
          u64 target = direct_target(d.word, guest_pc(i));
          a64::CpuState state;
          state.set_nzcv(nzcv);
          if (d.target_live)
            jump_if_saving(e, cc, target, FlagsForm::Home, state.nzcv_image);
          else
            jump_if(e, cc, target);
        } else
          behind_[behinds_++] = Fixup{e.jcc32(cc), static_cast<u16>(i)};
        return true;
      default: return false;
    }
  }
  return false;
}

void RegionBuilder::call(Emitter& e, u64 target) {
  int i = lockstep_ ? -1 : index_of(target);
  if (i >= 0 && host_[i]) {
    e.Assembler::call(e.runs_at(host_[i]));
    return;
  }
  if (i < 0) align_displacement(e, 1);
  e.Assembler::call(u64{0});
  if (i >= 0)
    fixup_[fixups_++] = Fixup{e.at() - 4, static_cast<u16>(i)};
  else
    exit_site(e, e.at() - 4, target);
}

void RegionBuilder::add_cold_semantics(u8* place) {
  add_cold() = ColdStub{Cold::Semantics, static_cast<u16>(current_), place, nullptr, 0, 0};
}
void RegionBuilder::add_cold_indirect(u8* place, bool is_call) {
  add_cold() = ColdStub{is_call ? Cold::IndirectCall : Cold::Indirect, static_cast<u16>(current_), place,
                             nullptr, 0, 0};
}
void RegionBuilder::add_cold_return(u8* place) {
  add_cold() = ColdStub{Cold::Return, static_cast<u16>(current_), place, nullptr, 0, 0};
}

// Stubs may ask for more: an edge leaves by an exit.
void RegionBuilder::emit_cold(Emitter& e) {
  auto runtime = [](size_t offset) { return state(offsetof(ThreadState, runtime) + offset); };
  u8* return_stub = nullptr;
  u8* indirect_stub = nullptr;
  for (unsigned k = 0; k < colds_; k++) {
    const ColdStub c = cold_[k];
    const Decoded& d = insns_[c.index];
    u8* here = e.at();
    switch (c.kind) {
      case Cold::Semantics:
        e.patch32(c.place, e.runs_at(here));
        e.mov_imm(Reg::rax, static_cast<u64>(d.op) << 32 | d.word);
        e.load_guest_address(Reg::rcx, window_->guest_begin + u64{4} * d.guest_word);
        e.Assembler::call(runtime(offsetof(run::RuntimeEntries, call_semantics)));
        e.Assembler::jmp(e.runs_at(c.back));
        break;
      case Cold::Return:
        if (!return_stub) {
          return_stub = here;
          e.Assembler::jmp(runtime(offsetof(run::RuntimeEntries, return_miss)));
        }
        e.patch32(c.place, e.runs_at(return_stub));
        break;
      case Cold::Indirect:
        if (!indirect_stub) {
          indirect_stub = here;
          e.Assembler::jmp(runtime(offsetof(run::RuntimeEntries, exit_indirect)));
        }
        e.patch32(c.place, e.runs_at(indirect_stub));
        break;
      case Cold::IndirectCall: {
        // The prediction is pushed already; call the miss so that its host half is pushed too.
        e.patch32(c.place, e.runs_at(here));
        e.Assembler::call(runtime(offsetof(run::RuntimeEntries, exit_indirect)));
        e.Assembler::jmp(e.runs_at(c.back - cache::kLandingBytes));  // the landing
        break;
      }
      case Cold::Misaligned:
        e.patch32(c.place, e.runs_at(here));
        e.load_guest_address(Reg::rax, c.target);
        e.mov(64, state(offsetof(a64::CpuState, pc)), Reg::rax);
        e.Assembler::jmp(runtime(offsetof(run::RuntimeEntries, exit_lookup)));
        break;
      case Cold::Edge:
        e.patch32(c.place, e.runs_at(here));
        if (FlagsForm form = static_cast<FlagsForm>(c.known >> 16); form != FlagsForm::Home)
          e.save_flags(form);
        else
          e.mov_imm(16, state(offsetof(a64::CpuState, nzcv_image)), static_cast<i32>(c.known & 0xffff));
        current_ = c.index;
        next_in_order_ = ~0u;
        jump(e, c.target);
        break;
      case Cold::Exit:
        e.load_guest_address(Reg::rax, c.target);
        e.lea(64, Reg::rcx, Mem::rip(e.runs_at(c.place)));
        e.Assembler::jmp(runtime(offsetof(run::RuntimeEntries, exit_direct)));
        e.patch32(c.place, c.known ? c.known : e.runs_at(here));
        exits_[exit_count_++] =
            cache::Exit{static_cast<u16>(c.place - code_), static_cast<u16>(here - code_),
                        static_cast<i32>(static_cast<i64>(c.target - window_->guest_begin) >> 2)};
        break;
    }
  }
}


// A vfork child was killed while it translated in its parent's memory: what it left half done is undone. Nothing of it was in
// the index yet.
void RegionBuilder::recover() { __builtin_memset(map_, 0, sizeof map_); }

// Pass B: into code_, for room_.
void RegionBuilder::emit(Emitter& e) {
  cache::Window& w = *window_;
  fixups_ = colds_ = exit_count_ = mark_count_ = behinds_ = 0;
  position_dependent_ = false;
  e.fp_context_ = static_cast<a64::FpContext>(w.fp_context);
  e.vex = e.host().avx;
  e.start(code_, code_ + sizeof code_, reinterpret_cast<u64>(w.code) + room_.begin - reinterpret_cast<u64>(code_));
  __builtin_memset(host_, 0, count_ * sizeof host_[0]);
  for (unsigned k = 0; k < runs_; k++) {
    const Run& run = run_[k];
    for (unsigned n = 0; n < run.count; n++) {
      unsigned i = run.first + n;
      const Decoded& d = insns_[i];
      current_ = i;
      next_in_order_ = n + 1 < run.count ? i + 1 : k + 1 < runs_ ? run_[k + 1].first : ~0u;
      if (d.leader || n == 0) {
        e.form_ = FlagsForm::Home;
        e.home_valid_ = d.live_in;
        e.forget_zeros();
      }
      e.pc_ = w.guest_begin + u64{4} * d.guest_word;
      const Insn insn{d.word, d.op};
      e.insn_ = insn;
      e.index_ = i;
      e.live_out_ = d.live_out;
      e.needed_ = d.live_in;
      e.begin_instruction();
      host_[i] = e.at();
      RowTraits r = d.traits;
      FlagsForm form = e.flags_place();
      bool is_call = r.flow() == Flow::Call || r.flow() == Flow::IndirectCall;
      marks_[mark_count_++] = InsnMark{static_cast<u32>(e.at() - code_), static_cast<u32>(form), d.guest_word - low_,
                                       is_call, 0};
      unsigned colds_before = colds_;
      if (Template t = kTemplates[static_cast<unsigned>(d.op)])
        t(e, insn);  // not e.insn_, which was just written in pieces
      else
        e.call_semantics();
      if (may_misalign_sp(d.word)) {
        e.clobber_flags();
        e.test_imm(8, Emitter::home(kSP), 15);
        add_cold() = ColdStub{Cold::Misaligned, static_cast<u16>(i), e.jcc32(CC::ne), nullptr, e.pc_ + 4, 0};
      }
      CHECK(e.at() - host_[i] <= kMaxTemplateBytes);
      e.end_instruction();
      for (unsigned c = colds_before; c < colds_; c++) cold_[c].back = e.at();
      for (; behinds_ && behind_[behinds_ - 1].target == i; behinds_--) {
        e.patch32(behind_[behinds_ - 1].place, e.runs_at(e.at()));
        e.join();
      }
      // What follows: the next instruction in place, or a jump to it when it is elsewhere or somebody may enter there.
      Flow flow = r.flow();
      bool ends = flow == Flow::Branch || flow == Flow::Ret || flow == Flow::Indirect || flow == Flow::Exception;
      if (ends) continue;
      bool next_here = next_in_order_ != ~0u && insns_[next_in_order_].guest_word == d.guest_word + 1;
      if (!next_here) {
        // A mark of its own: a call's landing is found by where the next instruction begins.
        // A signal that comes here finds NZCV where the last instruction left it.
        FlagsForm left = e.flags_place();
        marks_[mark_count_++] =
            InsnMark{static_cast<u32>(e.at() - code_), static_cast<u32>(left), d.guest_word + 1 - low_, 0, 0};
        if (flow == Flow::Cond) e.live_out_ = d.next_live;
        e.settle_flags();
        jump(e, e.pc_ + 4);
      } else if (insns_[next_in_order_].leader) {
        e.live_out_ = insns_[next_in_order_].live_in;
        e.settle_flags();
      }
    }
  }
  body_end_ = e.at();
  emit_cold(e);
  for (unsigned k = 0; k < fixups_; k++) e.patch32(fixup_[k].place, e.runs_at(host_[fixup_[k].target]));
  CHECK(!e.overflow());
}

// Emits the region for a place in the window until it can have that place.
BuildResult RegionBuilder::place(u64* host) {
  cache::Window& w = *window_;
  Emitter e(*this);
  if (!w.header && w.own.used <= cache::kCodeBegin) {  // a new window; the file of another has them
    write_constants(w.code + cache::kCodeBegin);
    w.own.used = cache::kCodeBegin + kConstantBytes;
  }
  low_ = insns_[run_[0].first].guest_word;
  const Run& last = run_[runs_ - 1];
  bool shareable = !changed_;
  for (;;) {
    if (!cache::find_room(w, shareable, &room_)) return BuildResult::Full;
    emit(e);
    if (room_.shared && position_dependent_) {
      shareable = false;
      continue;
    }
    for (unsigned i = 0; i < count_; i++) {
      words_[i] = insns_[i].guest_word;
      entries_[i] = insns_[i].leader ? static_cast<i32>(host_[i] - code_) : cache::kCovered;
    }
    cache::Draft draft{code_,
                       static_cast<u32>(e.at() - code_),
                       static_cast<u32>(body_end_ - code_),
                       low_,
                       insns_[last.first + last.count - 1].guest_word + 1,
                       entry_word_,
                       marks_,
                       mark_count_,
                       exits_,
                       exit_count_,
                       words_,
                       entries_,
                       count_};
    switch (cache::publish(w, room_, draft)) {
      case cache::Published::Done: *host = e.runs_at(host_[0]); return BuildResult::Ok;
      case cache::Published::Again: break;
      case cache::Published::Full: return BuildResult::Full;
    }
  }
}

// For lock-step, which wants short regions with the liveness of whole ones: the first instructions of the entry's run.
void RegionBuilder::keep_only(unsigned insns) {
  if (count_ <= insns) return;
  unsigned run = 0;
  while (run_[run].first) run++;  // the one that was decoded first begins at the entry
  if (run_[run].count < insns) insns = run_[run].count;
  for (unsigned i = insns; i < count_; i++) map_[insns_[i].guest_word - map_base_] = 0;
  run_[0] = Run{0, static_cast<u16>(insns)};
  runs_ = 1;
  count_ = insns;
}

/* -- Once more ----------------------------------------------------------------------------------------------------- */

// discover, from a record. Leaders: the entry, what is branched to from inside, what follows a call, SVC and the like. There are
// no others: a run begins at the entry or at a branch's target.
bool RegionBuilder::rediscover(const cache::Region& r) {
  entry_word_ = r.entry;
  map_base_ = entry_word_ > kRegionSpan / 2 ? entry_word_ - kRegionSpan / 2 : 0;
  count_ = fixups_ = colds_ = runs_ = queued_ = branches_ = 0;
  changed_ = false;
  build_++;
  u32 words = static_cast<u32>((window_->guest_end - window_->guest_begin) / 4);
  for (u32 m = 0; m < r.mark_count; m++) {
    const InsnMark& mark = r.marks()[m];
    u32 g = r.guest_low + mark.guest, at = g - map_base_;
    if (mark.inside || r.is_way_out(m)) continue;
    if (g >= words || at >= kRegionSpan || count_ >= kMaxRegionInsns || (count_ && g <= insns_[count_ - 1].guest_word)) return false;
    u32 word;
    if (!fetch(window_->guest_begin + u64{4} * g, &word)) return false;
    bool follows = count_ && insns_[count_ - 1].guest_word + 1 == g, leader = g == entry_word_;
    if (follows) {
      Flow before = insns_[count_ - 1].traits.flow();
      leader |= before == Flow::Call || before == Flow::IndirectCall || before == Flow::Svc || before == Flow::Sync;
      run_[runs_ - 1].count++;
    } else {
      run_[runs_++] = Run{static_cast<u16>(count_), 1};
    }
    (void)add_insn(g, word, leader);
  }
  mark_branch_targets();
  return count_ != 0;
}

void RegionBuilder::forget() {
  for (unsigned i = 0; i < count_; i++) map_[insns_[i].guest_word - map_base_] = 0;
  busy_ = false;
}

BuildResult RegionBuilder::build_again(cache::Window& w, const cache::Region& r) {
  if (busy_) recover();
  busy_ = true;
  window_ = &w;
  BuildResult result = BuildResult::Unreadable;
  u64 host;
  if (rediscover(r)) {
    liveness();
    result = place(&host);
  }
  forget();
  return result;
}

bool RegionBuilder::matches(cache::Window& w, const cache::Region& r) {
  if (busy_) recover();
  busy_ = true;
  window_ = &w;
  bool same = rediscover(r);
  if (same) {
    Emitter e(*this);
    liveness();
    low_ = insns_[0].guest_word;
    room_ = cache::Room{r.host_begin, 0, true, false};
    emit(e);
    u32 bytes = static_cast<u32>(e.at() - code_);
    const u8* code = w.code + r.host_begin;
    same = !position_dependent_ && bytes == r.host_end - r.host_begin &&
           static_cast<u32>(body_end_ - code_) == r.body_end - r.host_begin && low_ == r.guest_low &&
           insns_[count_ - 1].guest_word + 1 == r.guest_high && mark_count_ == r.mark_count && exit_count_ == r.exit_count &&
           !__builtin_memcmp(marks_, r.marks(), mark_count_ * sizeof marks_[0]) &&
           !__builtin_memcmp(exits_, r.exits(), exit_count_ * sizeof exits_[0]);
    // Where exits lead now is none of the translation.
    for (unsigned i = 0; i < exit_count_ && same; i++) __builtin_memcpy(code_ + exits_[i].site, code + exits_[i].site, 4);
    same = same && !__builtin_memcmp(code_, code, bytes);
  }
  forget();
  return same;
}

BuildResult RegionBuilder::build(cache::Window& w, u64 pc, u64 exec_begin, u64 exec_end, u64* host,
                                 MemoryFault* fault) {
  if (busy_) recover();
  busy_ = true;
  window_ = &w;
  limit_low_ = exec_begin > w.guest_begin ? static_cast<u32>((exec_begin - w.guest_begin) / 4) : 0;
  limit_high_ = static_cast<u32>(((exec_end < w.guest_end ? exec_end : w.guest_end) - w.guest_begin) / 4);
  BuildResult result = BuildResult::Unreadable;
  if (discover(pc, fault)) {
    // A JIT may change what is not kept, and nothing kills the rest then: it says nothing about that.
    if (lockstep_ && !w.of_file) keep_only(lockstep_);
    liveness();
    if (lockstep_) keep_only(lockstep_);
    result = place(host);
    forget();
  }
  busy_ = false;
  return result;
}

}  // namespace grus::a64_to_x64
