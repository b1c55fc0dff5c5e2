// SPDX-License-Identifier: MIT
// A window: the host code of one executable guest mapping (and one FP context), with what is needed to find a guest pc's
// code, a host address's guest pc, and to kill what a changed mapping made wrong.
//
//   code      [ regions, appended, never moved ........ | free ]
//   index     one i32 per guest instruction: offset of its host code in `code`, 0 = not translated, kCovered = inside a
//             region but not an entry
//   regions   ascending by host address: extents, insn marks (the side table), calls
//   links     direct exits that were patched to jump straight to another region, so that they can be undone
//
// Guarantees: readers of the index take no lock (an entry appears after its code); everything else is under the
// translator's lock. Code that was killed is overwritten with int3 at every boundary and its memory not reused.
// Knows bytes and offsets, not instructions.
#pragma once
#include "base/types.h"

namespace grus::cache {

// How NZCV was held at an instruction's start.
// Home: in nzcv_image, or dead. Float, FloatSwapped: as UCOMISD leaves them for guest operands in order, or the other way round.
enum class FlagsForm : u8 { Home, Sub, Add, Logic, Float, FloatSwapped };

// One guest instruction's start in host code (or a place inside of it), relative to its region. Marks ascend by host offset.
struct InsnMark {
  u32 host : 15;   // bytes from the region's host_begin
  u32 flags : 3;   // FlagsForm
  u32 guest : 12;  // words from the region's guest_low
  u32 call : 1;    // a call: there is a return landing behind it
  u32 inside : 1;  // no instruction's start: only how NZCV is held changes here
};
static_assert(sizeof(InsnMark) == 4);
inline constexpr u32 kMaxRegionBytes = 1 << 15, kMaxRegionWords = 1 << 12;
inline constexpr i32 kCovered = -1;

struct Region {
  u32 host_begin, host_end;    // offsets in the window; body then cold stubs
  u32 body_end;                // marks describe [host_begin, body_end)
  u32 guest_low, guest_high;   // guest words covered, high exclusive (may have gaps)
  u32 mark_begin, mark_count;  // in Window::marks
  bool dead;
};

struct Link {
  u32 site;         // offset of the rel32
  u32 cold;         // offset of its cold stub
  u64 target;       // absolute host address it jumps to now
};

template <typename T>
struct GrowingArray {  // grows in the engine arena; under the translator's lock
  T* data = nullptr;
  u32 size = 0, capacity = 0;
  bool push(const T& v) { return append(&v, 1); }
  bool append(const T* v, u32 n);
};

struct Window {
  u64 guest_begin, guest_end;
  u8 fp_context;
  bool near;           // every guest pc of the mapping is within rip+disp32 of the code
  bool arena;          // code memory came from the arena, not from beside the module
  u8* code;
  u32 capacity, used;
  i32* index;
  GrowingArray<Region> regions;
  GrowingArray<InsnMark> marks;
  GrowingArray<Link> links;
  u64 insns_distinct, insns_translated, bytes;

  bool contains(u64 pc) const { return pc >= guest_begin && pc < guest_end; }
  bool contains_host(u64 host) const {
    return host >= reinterpret_cast<u64>(code) && host < reinterpret_cast<u64>(code) + capacity;
  }
  // Host address for a guest pc, or 0.
  u64 find(u64 pc) const {
    i32 offset = __atomic_load_n(&index[(pc - guest_begin) / 4], __ATOMIC_ACQUIRE);
    return offset > 0 ? reinterpret_cast<u64>(code) + static_cast<u32>(offset) : 0;
  }
  Region* region_of_host(u64 host);
};

// What a host address in translated code means.
struct Place {
  Window* window;
  Region* region;
  u64 guest_pc;       // of the instruction that contains the address
  bool boundary;      // exactly at its first byte
  bool landing;       // at the code behind a call: the return-prediction stack still holds the pair's second word
  bool cold;          // in a cold stub: no guest pc known
  FlagsForm flags;
};

// Creates the window for an executable mapping; nullptr without memory.
Window* make_window(u64 guest_begin, u64 guest_end, u8 fp_context);
void destroy_window(Window* w);
// Finds the place of a host address in `w` (which contains it); false when it is in no region.
bool locate(Window& w, u64 host, Place* out);
// Kills every region that covers any of [begin, end). Returns how many.
u32 kill_range(Window& w, u64 begin, u64 end);
// Repoints links of `from` that lead into dead regions of `to` to their cold stubs.
void unlink_dead(Window& from, Window& to);

}  // namespace grus::cache
