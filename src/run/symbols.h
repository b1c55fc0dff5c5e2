// SPDX-License-Identifier: MIT
// What a guest address is called: the module that is mapped there, the address as the module's file has it, and the function.
// For people only: the line about a guest that died, the perf map.
//
// Guarantees: nothing is believed of a file (it may be damaged, or another than the one that was mapped: then there is no name);
// find_location() allocates nothing and takes no lock. Deliberately not here: line numbers, demangling.
#pragma once
#include "base/types.h"

namespace grus::run {

struct Location {
  char module[64];   // the file's name without directories; empty: no file is mapped there
  u64 address;       // in the module: what addr2line and objdump call it
  char symbol[160];  // empty: none is known
  u64 offset;        // into it
};

// By /proc/self/maps and the file's .symtab, or .dynsym where it was stripped. Some milliseconds for a large program.
void find_location(u64 pc, Location* location);

// The same for many addresses of one executable mapping: its functions are read once and kept in memory.
// `begin`, `end`: the mapping.
void find_location_again(u64 pc, u64 begin, u64 end, Location* location);

}  // namespace grus::run
