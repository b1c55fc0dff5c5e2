// SPDX-License-Identifier: MIT
// The cache file: translations of one executable mapping's bytes, as they lie in a window (docs/cache-format.md).
//
//   header | proofs | index | lines | records | code
//
// The file has its full size from the start and is sparse. Whoever publishes claims room in `code` and `records` by the
// atomic counters of the header, writes there, and enters the region in `index` last; nothing published is ever changed but
// for the displacements of direct exits, each a store of four bytes inside of one aligned quadword, which other threads see
// whole. Offsets in `index` and in records count from the begin of the code area. The same structures describe a window that has no file.
#pragma once
#include "base/sha256.h"

namespace grus::cache {

// How NZCV was held at an instruction's start.
// Home: in nzcv_image. Float, FloatSwapped: as UCOMISD leaves them for guest operands in order, or the other way round. Unknown:
// nowhere; all paths from here overwrite them before they read them.
enum class FlagsForm : u8 { Home, Sub, Add, Logic, Float, FloatSwapped, Unknown };

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
inline constexpr u32 kLandingBytes = 1;  // pop rcx behind every translated call
inline constexpr i32 kCovered = -1;  // in the index: inside a region, but not an entry

// A direct exit: a displacement that leads to its cold stub until it is linked.
struct Exit {
  u16 site;    // of the displacement, bytes from host_begin
  u16 cold;    // of the stub
  i32 target;  // guest word, may lie outside of the window
};

// The record of a region; marks, then exits follow. 8-byte aligned.
// A region that is being killed, and one that was: who kills may itself be killed in between (vfork), and it is done again.
inline constexpr u32 kDying = 1, kDead = 2;

struct Region {
  u32 bytes;                  // of the whole record
  u32 host_begin, host_end;   // offsets in the window's code; body then cold stubs; host_begin is a multiple of kLine
  u32 body_end;               // marks describe [host_begin, body_end)
  u32 guest_low, guest_high;  // guest words covered, high exclusive (may have gaps)
  u32 entry;                  // the guest word that it was made for
  u16 mark_count, exit_count;
  u64 checksum;  // of the other fields, marks, exits, and the code with its exits' displacements as 0
  u32 dead;      // kDying or kDead; only ever set in private copies
  u32 reserved;

  const InsnMark* marks() const { return reinterpret_cast<const InsnMark*>(this + 1); }
  const Exit* exits() const { return reinterpret_cast<const Exit*>(marks() + mark_count); }
  // Where the host code of mark `n` ends, from host_begin.
  u32 end_of(u32 n) const { return n + 1 < mark_count ? marks()[n + 1].host : body_end - host_begin; }
  // A mark that is no instruction of the region but the jump to what follows a run: it ends with the exit that leads to its own
  // place. (So does a branch to itself where it is not linked inside of the region, which only lock-step does.)
  bool is_way_out(u32 n) const {
    for (u32 i = 0; i < exit_count; i++)
      if (exits()[i].site + 4u == end_of(n) && exits()[i].target == static_cast<i32>(guest_low + marks()[n].guest)) return true;
    return false;
  }
  static constexpr u32 size_of(u32 marks, u32 exits) {
    return static_cast<u32>((sizeof(Region) + marks * sizeof(InsnMark) + exits * sizeof(Exit) + 7) & ~u64{7});
  }
};
static_assert(sizeof(Region) == 48 && sizeof(Exit) == 8);

// `proofs` holds the SHA-256 of each piece of the guest's code. A file may be overwritten while it is mapped: what is published was
// translated from pieces that are still what the file's name says. Proofs take a sixteenth of the code; smaller pieces would be
// hashed faster one by one, and take more.
using Proof = Hash256;
inline constexpr u32 kPiece = 512;

// `lines` says for each line of code which region it belongs to: 1 + the offset of its record, or 0.
inline constexpr u32 kLine = 64;
inline constexpr u32 kCodeBegin = 64;  // offset 0 means "unknown" in the index; the table of constants begins here

// SHA-256 of the proofs, and so of the code: nobody can make other code of the same name.
using ContentId = Hash256;
// "CONTENT-TRANSLATOR" in hexadecimal digits; before version 02 CONTENT had 32.
inline constexpr u32 kContentDigits = 64, kOldContentDigits = 32, kTranslatorDigits = 16;
inline constexpr u32 kNameBytes = 96;  // room for it, and for a temporary one

struct Header {
  u64 magic;
  u64 fingerprint;    // of the translator's sources and of the host features that it uses
  ContentId content;  // of the guest's bytes
  u64 guest_bytes;
  u64 guest_base;  // where these must lie; 0: anywhere in the module zones
  u64 checksum;    // of the above
  // Changed by everyone who publishes:
  u32 code_used, records_used;
  u64 written_ns;   // CLOCK_REALTIME before the last change; a ctime behind it is somebody else's
  u64 attached_s;   // last use, to within an hour
  u32 sealed;       // code_used when compaction had made the file and synced it; 0: never
  u32 inode;        // its low bits, of this file: in a copy, perhaps made while somebody published, it is not
  u64 insns_translated, insns_distinct, regions;
  char path[1024];  // where the guest's file lay for whoever made this: a hint for compaction
};
inline constexpr u64 kMagic = 0x3230'6568'6361'6347;  // "Gcache02"
inline constexpr u64 kHeaderBytes = 4096;
static_assert(sizeof(Header) <= kHeaderBytes);

// Where the parts of a file lie, in bytes; all multiples of a page.
struct Layout {
  u64 proofs, index, lines, records, code, total;
  u32 code_bytes, records_bytes;
};
constexpr u64 lines_bytes(u64 code_bytes) { return (code_bytes / kLine * 4 + 4095) & ~u64{4095}; }
// Translated code is three to four times the size of the guest's.
constexpr Layout layout_of(u64 guest_bytes) {
  Layout l{};
  u64 code = (4 * guest_bytes + (u64{320} << 10)) & ~u64{0xffff};
  if (code > u64{1} << 30) code = u64{1} << 30;
  l.code_bytes = static_cast<u32>(code);
  l.records_bytes = static_cast<u32>(code / 2);
  l.proofs = kHeaderBytes;
  l.index = l.proofs + ((guest_bytes / kPiece * sizeof(Proof) + 4095) & ~u64{4095});
  l.lines = l.index + ((guest_bytes + 4095) & ~u64{4095});
  l.records = l.lines + lines_bytes(code);
  l.code = l.records + l.records_bytes;
  l.total = l.code + code;
  return l;
}

}  // namespace grus::cache
