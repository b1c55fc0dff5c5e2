// SPDX-License-Identifier: MIT
// Showing what is translated while it is translated: --dump for people, the perf map for perf.
//
// Guarantees: the guest is not changed by it except in time; nothing is kept in memory. The host code is
// shown as bytes (the engine has no disassembler for its own machine): docs/inside.md says how to read them.
// Both cover this process only; programs that it executes follow GRUS_DUMP and GRUS_PERF_MAP.
#pragma once
#include "cache/window.h"
#include "translate/region.h"

namespace grus::run {

// `what`: "decode", "host" or both with a comma, then optionally ":BEGIN-END", guest addresses in
// hexadecimal: only regions with an instruction in there. false: it is none of this.
bool set_dump(const char* what);
// Writes /tmp/perf-PID.map: one line per region, named by the guest's function, else by its address.
void set_perf_map();

bool shows_regions();
// The region that `builder` has just made. Under the translator's lock.
void show_region(const a64_to_x64::RegionBuilder& builder, const cache::Window& w, const cache::Region& r);

}  // namespace grus::run
