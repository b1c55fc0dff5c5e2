// SPDX-License-Identifier: MIT
// INSTRUCTION -> HOST CODE: a region is the connected direct control flow around an entry, in guest order.
//
// Discovery stops at an instruction that the window already holds and jumps there; every leader becomes an entry of the
// index. So nothing is translated twice for being reached twice. Pass A decodes into a flat array, marks leaders and runs
// backward NZCV liveness to its fixed point; pass B calls the templates. Both linear; no allocation per instruction.
// NZCV is saved at every way out of a region, calls and returns among them, unless the code there overwrites it on all paths. No
// convention of compilers is believed: LLVM's outliner and Erlang's JIT make functions that return NZCV.
// One builder exists; whoever uses it holds the translator's lock. Deliberately not here: kernel calls, execution.
#pragma once
#include "base/guest_memory.h"
#include "translate/a64_to_x64/emitter.h"

namespace grus::a64_to_x64 {

// Measured with rustc and cc1: below 64 the exits cost more than they save, above 192 code is translated that never runs
// (1024: 2.0 M instructions for 0.85 M executed ones; 96: 1.37 M). A region goes on a little behind that, to the branch that
// reads its flags: a loop that was cut between CMP and B.NE takes twice its time.
inline constexpr unsigned kRegionInsns = 92, kMaxRegionInsns = kRegionInsns + 8;
inline constexpr unsigned kRegionSpan = 4094;  // guest words around the entry that a region may reach

enum class BuildResult : u8 { Ok, Full, Unreadable };

class RegionBuilder {
 public:
  // Translates from `pc` in `w`; nothing outside of [exec_begin, exec_end) is taken for code. Ok: *host is the entry. Full: the window has no room left. Unreadable: the first instruction
  // could not be fetched, *fault says how.
  BuildResult build(cache::Window& w, u64 pc, u64 exec_begin, u64 exec_end, u64* host, MemoryFault* fault);
  // Translates once more what is translated in `r`, of this window's guest bytes, to a new place in `w`. The record says which
  // instructions belong to the region; which of them are leaders and where NZCV lives follows from these and the guest's bytes.
  // Unreadable: this is no record.
  BuildResult build_again(cache::Window& w, const cache::Region& r);
  // The same for the place where it is: is the result what `r` is, but for where its exits lead?
  bool matches(cache::Window& w, const cache::Region& r);
  cache::Window& window() { return *window_; }
  // Regions of at most `insns` instructions whose code goes upwards only and leaves at every call and at every other region
  // (run/lockstep.h). 0: as usual.
  void set_lockstep(unsigned insns) { lockstep_ = insns; }
  // The instructions of the region that was built last, in no order.
  unsigned size() const { return count_; }
  u64 guest_pc(unsigned i) const { return window_->guest_begin + u64{4} * insns_[i].guest_word; }
  bool word_at(u64 pc, u32* word) const;

  // Code of a file was changed or unmapped.
  void file_code_changed() { nzcv_generation_++; }

  u64 constants() const { return reinterpret_cast<u64>(window_->code) + cache::kCodeBegin; }
  // The region holds an address that other processes may have elsewhere: it cannot go to the cache file.
  void set_position_dependent() { position_dependent_ = true; }

  // For the emitter.
  void jump(Emitter& e, u64 target);
  void jump_if(Emitter& e, CC cc, u64 target);
  void jump_if_saving(Emitter& e, CC cc, u64 target, FlagsForm form, u16 image);
  bool jump_if_decided(Emitter& e, CC cc, unsigned nzcv);
  bool live_at_target() const { return insns_[current_].target_live; }
  void call(Emitter& e, u64 target);
  void add_cold_semantics(u8* place);
  void add_cold_indirect(u8* place, bool is_call);

  void add_cold_return(u8* place);
  void mark_flags(Emitter& e, FlagsForm form);
  // The condition that the next reader of NZCV behind the current instruction asks for; 14 when there is none nearby.
  unsigned reader_condition() const;

 private:
  struct Decoded {
    u32 word;
    u32 guest_word;
    a64::Op op;
    a64::RowTraits traits;
    bool leader, live_in, live_out;
    bool target_live, next_live;  // of a conditional branch: where it leads, and behind it
  };
  // What code does first with NZCV. Returns: nothing on some path to its RET, and on all others Overwrites.
  enum class NzcvUse : u8 { Overwrites = 1, Returns, Reads };
  struct Fixup {
    u8* place;
    u16 target;
  };
  enum class Cold : u8 { Edge, Semantics, Indirect, IndirectCall, Return, Misaligned, Exit };
  struct ColdStub {
    Cold kind;
    u16 index;    // instruction
    u8* place;    // displacement to patch
    u8* back;     // where to continue
    u64 target;   // Exit, Misaligned: guest pc
    u64 known;    // Exit: host address that the site jumps to already, or 0; Edge: the image of NZCV, and 16 bits up how EFLAGS hold them
  };
  static constexpr unsigned kMaxColds = 4 * kMaxRegionInsns;  // the most that any template asks for
  static constexpr u32 kMaxRegionCode = 1 << 16;
  struct Run {
    u16 first, count;
  };

  void recover();
  void forget();
  bool fetch(u64 pc, u32* word);
  bool discover(u64 pc, MemoryFault* fault);
  bool rediscover(const cache::Region& r);
  void mark_branch_targets();
  void keep_only(unsigned insns);
  void decode_run(u32 guest_word);
  a64::RowTraits add_insn(u32 guest_word, u32 word, bool leader);
  void liveness();
  // How deep calls are followed. At 2, one in twenty saves of perl is for a call that cannot be told; at 3 hardly any.
  static constexpr unsigned kCallDepth = 3;
  NzcvUse nzcv_use(u64 pc, unsigned depth);
  bool live_at(u64 pc);
  bool live_after(unsigned i);
  ColdStub& add_cold() {
    CHECK(colds_ < kMaxColds);
    return cold_[colds_++];
  }
  void emit(Emitter& e);
  void emit_cold(Emitter& e);
  BuildResult place(u64* host);
  int index_of(u64 pc) const;
  int reachable(u64 pc) const;
  void exit_site(Emitter& e, u8* place, u64 target);
  bool mark_target(u32 guest_word);

  unsigned lockstep_;
  cache::Window* window_;
  bool busy_;  // in build(); found set there: the one who built is dead
  bool position_dependent_;
  cache::Room room_;  // where the region is about to go
  // Pieces of guest code as they were read. Regions that are made one after the other look at the same ones, and at the begins of
  // the same functions; each region looks again whether they are what they were.
  struct Piece {
    u64 pc, build;  // looked at for this build_
    cache::Proof proof;  // of the words; made where it is asked for
    bool has_proof;
    u32 words[cache::kPiece / 4];
  };
  static constexpr unsigned kPieces = 64;
  alignas(64) Piece piece_[kPieces];
  u64 build_;
  // What nzcv_use answered, while the code that it looked at stays as it is.
  struct NzcvAnswer {
    u64 pc;
    const cache::Window* window;
    u32 generation;
    u8 depth;
    NzcvUse use;
  };
  static constexpr unsigned kNzcvAnswers = 512;
  NzcvAnswer nzcv_answers_[kNzcvAnswers];
  u32 nzcv_generation_;
  const Piece* piece_at(u64 pc);
  bool changed_;  // a piece of code was read that is not what the cache's file is named by
  u32 entry_word_;
  u32 map_base_, limit_low_, limit_high_;
  bool loops_;  // liveness met a branch backwards
  u32 low_;       // lowest guest word of the region
  u8* body_end_;  // in code_
  unsigned count_, fixups_, colds_, runs_, queued_, branches_;
  unsigned current_, next_in_order_;
  Decoded insns_[kMaxRegionInsns];
  u8* host_[kMaxRegionInsns];
  cache::InsnMark marks_[3 * kMaxRegionInsns];
  unsigned mark_count_;
  Fixup fixup_[kMaxRegionInsns * 2];
  Fixup behind_[kMaxRegionInsns];  // jumps that lead behind an instruction which is emitted soon
  unsigned behinds_;
  ColdStub cold_[kMaxColds];
  Run run_[kMaxRegionInsns];
  u8 branch_[kMaxRegionInsns];  // the instructions that branch or call directly
  static_assert(kMaxRegionInsns <= 256);
  u32 queue_[kMaxRegionInsns];
  u16 map_[kRegionSpan];  // guest word - map_base_ -> index + 1
  cache::Exit exits_[kMaxColds];
  unsigned exit_count_;
  u32 words_[kMaxRegionInsns];
  i32 entries_[kMaxRegionInsns];
  // The region's code while it is made: its place may be memory that this process only shares.
  alignas(64) u8 code_[kMaxRegionCode];
};

}  // namespace grus::a64_to_x64
