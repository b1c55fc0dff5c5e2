// SPDX-License-Identifier: MIT
// What the command line and the environment asked of the engine. Read-only once the guest runs.
#pragma once
#include "base/types.h"

namespace grus {

// The line about a guest that died (linux/death_report.cpp).
enum class LogWanted : u8 { OnTerminal, Always, Never };

struct EngineOptions {
  const char* prefix = nullptr;  // -L, QEMU_LD_PREFIX: where absolute names are looked for first; absolute
  const char* strace = nullptr;  // --strace[=WORDS], GRUS_STRACE; "1": everything (linux/strace.h)
  const char* dump = nullptr;    // --dump=what[,what][:begin-end], GRUS_DUMP
  u32 lockstep = 0;  // --lockstep[=N], GRUS_LOCKSTEP: run/lockstep.h with regions of at most N instructions
  bool stats = false;      // --stats, GRUS_STATS
  bool perf_map = false;         // --perf-map, GRUS_PERF_MAP
  LogWanted log = LogWanted::OnTerminal;  // GRUS_LOG=1, 0
  bool interpret = false;  // --interpret, GRUS_INTERPRET: semantics only
  bool cache_read_only = false;  // GRUS_CACHE=ro
  u32 features = 0;        // what the CPU offers, for the next engine (x64::pack_features)
  bool secure = false;     // AT_SECURE: all of the above were ignored
};

// Zero-initialised until main has run.
const EngineOptions& engine_options();

}  // namespace grus
