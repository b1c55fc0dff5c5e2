// SPDX-License-Identifier: MIT
// Work on cache files for `grus cache`: translating ahead of time, compaction, verification. No guest instruction runs.
//
// The guest's file is mapped as for running it (engine/cache_modes.cpp); everything else is as in any process, so whoever runs
// the same file meanwhile is not disturbed.
#pragma once
#include "base/types.h"

namespace grus::run {

// One bit per word of a mapping.
struct CodeBits {
  u64 begin, end;
  u64* starts;  // functions and other places that are branched to
  u64* inside;  // of functions
  void start(u64 pc) {
    if (pc >= begin && pc < end && !(pc & 3)) starts[(pc - begin) / 256] |= u64{1} << (pc - begin) / 4 % 64;
  }
  void extent(u64 from, u64 to) {
    for (u64 pc = from < begin ? begin : from & ~u64{3}; pc < to && pc < end; pc += 4)
      inside[(pc - begin) / 256] |= u64{1} << (pc - begin) / 4 % 64;
  }
};

struct Maintained {
  char name[96];        // of the cache file; empty: there is none
  const char* verdict;  // one word
  bool ok;
  u64 regions, insns, distinct, wrong;
};

// Translates all that `bits` names and what that branches to. Verdicts: warm, full, not-cached.
Maintained warm(CodeBits& bits);
// Writes the file of the mapping at `pc` anew, in guest order, exits linked, and puts it in place of the old one. Verdicts:
// compacted, none, failed.
Maintained compact(u64 pc);
// Is the file of the mapping at `pc` sound, and each region what the translator makes of the guest's bytes? Verdicts: sound,
// none, damaged, differs, unreadable (an I/O error, a full tmpfs), busy (others
// published all the time).
Maintained verify(u64 pc);
// Is this cache file sound in itself? Verdicts: sound, damaged, foreign, unreadable, busy.
Maintained check(const char* name);

u64 translator_fingerprint();
bool can_publish();

}  // namespace grus::run
