// SPDX-License-Identifier: MIT
// A window: the host code of one executable guest mapping (and one FP context), with what is needed to find a guest pc's
// code, a host address's guest pc, and to kill what a changed mapping made wrong.
//
//   code      [ of the cache file, shared .............. | own ............. ]
//   index     one i32 per guest instruction: offset of its host code in `code`, 0 = not translated, kCovered = inside a
//             region but not an entry
//   lines, records   of either area: which region a line of code belongs to; extents, marks (the side table), exits
//   jumps     direct exits in private code that lead here, so that they can be undone (kill.cpp)
//
// With a cache file (cache/file.h) its pages are mapped, clean and shared; what others publish appears here by itself, and what
// this process translates is published through a second, writable view. A window is detached - copied, private from then on -
// before anything in it is killed, since other processes' translations stay right. Without a file, or where the file takes
// no more, code goes to the own area.
// Guarantees: readers of the index take no lock (an entry appears after its code); everything else is under the
// translator's lock. Code that was killed is overwritten with int3 at every boundary and its room in the window not used again: a window
// that is mostly dead is replaced.
// Knows bytes and offsets, not instructions.
#pragma once
#include "cache/format.h"

namespace grus::cache {

struct Window;

// A direct exit in private code that jumps straight to a region of this window.
struct Jump {
  Window* from;
  u32 site;    // offset of the rel32 in `from`
  u32 cold;    // offset of its cold stub there
  u32 target;  // offset here
  u32 next;    // of its chain
};
struct RegionNode {
  Region* region;
  u32 next;
};

template <typename T>
struct GrowingArray {  // grows in the engine arena; under the translator's lock
  T* data = nullptr;
  u32 size = 0, capacity = 0;
  bool push(const T& v);
};

// A stretch of a window's code. Offsets count from the window's code.
struct Area {
  u32 begin, end;  // equal: there is none
  u32 used;        // of private areas; a file's counter is in its header
  u32* lines;
  u8* records;
  u32 records_used, records_end;
  bool has(u32 offset) const { return offset >= begin && offset < end; }
};

struct Window {
  u64 guest_begin, guest_end;
  u8 fp_context;
  bool near;           // every guest pc of the mapping is within rip+disp32 of the code
  bool arena;          // code memory came from the arena, not from beside the module
  bool detached;       // the file area is a private copy
  bool code_writable;  // private stores into the file area's code are possible
  bool of_file;        // the guest's code is a file's, not a JIT's
  u8* code;
  u32 capacity;
  i32* index;
  const Proof* proofs;  // with a file: per piece of guest code
  Area file, own;
  // The file's view for publishing, or nullptr; and its header in the private view.
  u8* shared;
  Layout layout;
  const Header* header;
  u32 claimed, claimed_end;  // room in the file that this process took beforehand
  u32 claimed_records, claimed_records_end;
  u32 claim_bytes;  // how much where others publish at the same time, the last time
  u64 filled;       // bytes of code that this process put into the file since it, or its parent, began to
  bool unfillable;  // nothing can be written there but through `shared`
  u64 stamped;               // when it last wrote down the time, by the TSC
  u32* jump_heads;  // chains of `jumps`, by page of this window's code
  GrowingArray<Jump> jumps;
  u32 free_jumps;     // chain of those that were undone
  bool links_out;     // another window has jumps from here
  u32* region_heads;  // chains of regions, by block of guest code, once something was killed here
  GrowingArray<RegionNode> region_nodes;
  u64 insns_distinct, insns_translated, bytes, regions_published;
  u32 dead_bytes;     // of the own area
  bool idle, retired, forgotten;  // run/code_map.h
  u64 retired_in;                 // which epoch began then (run/reclaim.h); 0: none yet
  Window* next_retired;
  u64* used_index;  // a bit per page of the index: this process put something there. nullptr: nowhere yet

  bool contains(u64 pc) const { return pc >= guest_begin && pc < guest_end; }
  bool contains_host(u64 host) const {
    return host >= reinterpret_cast<u64>(code) && host < reinterpret_cast<u64>(code) + capacity;
  }
  // Host address for a guest pc, or 0.
  u64 find(u64 pc) const {
    i32 offset = __atomic_load_n(&index[(pc - guest_begin) / 4], __ATOMIC_ACQUIRE);
    return offset > 0 ? reinterpret_cast<u64>(code) + static_cast<u32>(offset) : 0;
  }
  // The same for what an exit is linked to when it is made: the first look at a page of the index costs a fault, and most pages that
  // this process put nothing into have nothing. An exit that leads to one is linked when it is taken.
  u64 find_nearby(u64 pc) const {
    u64 page = (pc - guest_begin) / kGuestPageSize;
    return used_index && used_index[page / 64] >> page % 64 & 1 ? find(pc) : 0;
  }
  u32 offset_of(u64 host) const { return static_cast<u32>(host - reinterpret_cast<u64>(code)); }
  Area& area_of(u32 offset) { return file.has(offset) ? file : own; }
  // Is `proof`, of the piece that begins at `pc` as it was read, what the file's name says?
  bool proves(u64 pc, const Proof& proof) const { return contains(pc) && proof == proofs[(pc - guest_begin) / kPiece]; }
  // Making the rest again costs less than was spent on what is dead, and is done again only after as much again.
  bool is_mostly_dead() const {
    constexpr u32 kWorthIt = 512 << 10;
    return dead_bytes > kWorthIt && dead_bytes > (own.used - own.begin) / 2;
  }
  bool publishes() const { return shared != nullptr; }
  Region* region_of_host(u64 host);
  // Calls f for every region, dead ones too, until it returns true.
  template <typename F>
  void for_each_region(F f) {
    Area* const areas[] = {&file, &own};
    for (Area* a : areas) {
      u32 end = a == &file && !detached && header ? header->code_used : a->used;
      if (end > a->end) end = a->end;
      for (u32 at = (a->begin + kLine - 1) & ~(kLine - 1); at < end;) {
        u32 record = a->lines[(at - a->begin) / kLine];
        if (!record) {
          at += kLine;
          continue;
        }
        Region* r = reinterpret_cast<Region*>(a->records + record - 1);
        if (f(*r)) return;
        u32 next = (r->host_end + kLine - 1) & ~(kLine - 1);
        at = next > at ? next : at + kLine;
      }
    }
  }
};

// What a host address in translated code means.
struct Place {
  Window* window;
  Region* region;
  u64 guest_pc;       // of the instruction that contains the address
  u64 entry_pc;       // of the first one that begins there: a NOP has no code of its own
  bool boundary;      // exactly at its first byte
  bool landing;       // at the code behind a call: the return-prediction stack still holds the pair's second word
  bool cold;          // in a cold stub: no guest pc known
  FlagsForm flags;
};

struct GuestFile;  // cache/file.h
struct CacheFile;

// Creates the window for an executable mapping; nullptr without memory. With `file`, the translations of others.
Window* make_window(u64 guest_begin, u64 guest_end, u8 fp_context, const GuestFile* file = nullptr);
// On exactly this file, whatever its name is. nullptr: it is not what it seems, or no memory.
Window* make_window_on(u64 guest_begin, u64 guest_end, const CacheFile& file);
void destroy_window(Window* w);
void stop_publishing(Window& w);

Proof proof_of(const void* piece);  // of kPiece bytes

// Where the next region may go: its code will run at code + begin. `shared`: in the file.
struct Room {
  u32 begin, bytes;
  bool shared;
  bool claimed;  // from claimed room: nobody else can take it
};
// false: the window is full.
bool find_room(Window& w, bool shareable, Room* room);

// A translated region that is not anywhere yet.
struct Draft {
  u8* code;  // changed and restored while the checksum is made
  u32 bytes, body_bytes;
  u32 guest_low, guest_high, entry;
  const InsnMark* marks;
  u32 mark_count;
  const Exit* exits;
  u32 exit_count;
  const u32* words;  // the guest words of its instructions,
  const i32* hosts;  // and bytes from the begin of the code for entries, kCovered for others
  u32 word_count;
};
enum class Published : u8 { Done, Again, Full };
// Again: another process took the room, or the file takes no more; find_room says where else.
Published publish(Window& w, const Room& room, const Draft& draft);

// Repoints the exit whose displacement is at `site` to `host`, which is an entry in `to`. Returns false when it stays cold.
bool link_exit(Window& w, u64 site, Window& to, u64 host);

// Finds the place of a host address in `w` (which contains it); false when it is in no region.
bool locate(Window& w, u64 host, Place* out);
// Makes the window private: a copy of what is there; nobody else's translations appear any more. false: no memory.
bool detach(Window& w);
// Kills every region that covers any of [begin, end). Returns how many. A window with a file is detached first.
u32 kill_range(Window& w, u64 begin, u64 end);
// No jump of another window leads here any more, nor inside.
void undo_all_jumps(Window& w);
// Windows that are `forgotten` are about to be destroyed while `to` lives on.
void forget_jumps_from_forgotten(Window& to);

// Of kill.cpp, for window.cpp. What a new region and a jump that was made mean for killing; remember_jump is false without memory,
// and then there must be no jump.
void note_region(Window& w, Region& r);
bool remember_jump(Window& from, u32 site, u32 cold, Window& to, u64 target);
// The jump at `site` leads to `target`: remembered, or undone.
void link_within(Window& w, u32 site, u32 cold, u64 target);
void forget_killing(Window& w);
// At the process's end: what is left of claims is for others, if nobody took more behind it. Nothing depends on it.
void return_claims(Window& w);
// In a child after fork: what the parent claimed is the parent's.
inline void drop_claims(Window& w) {
  w.claimed = w.claimed_end = w.claimed_records = w.claimed_records_end = 0;
  w.filled = 0;
}

}  // namespace grus::cache
