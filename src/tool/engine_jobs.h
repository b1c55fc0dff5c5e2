// SPDX-License-Identifier: MIT
// The engine at work on the cache: `grus-aarch64 --cache=MODE FILE`, several at a time.
//
// The engine prints lines "NAME VERDICT words..." for each cache file that it dealt with (engine/cache_modes.cpp), and its
// exit status says whether all is well.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/types.h"

namespace grus::tool {

// The fingerprint of the engine's translator on this host, 0 when it cannot say.
u64 translator_of(const std::filesystem::path& engine);

struct EngineJob {
  std::string mode, argument;
  std::string title;  // for people
};
struct EngineAnswer {
  bool ok;
  std::vector<std::string> lines;
};

// Runs them, as many at a time as there are CPUs, with a bar on stderr when that is a terminal. `done` hears of each in the
// order in which they end. The cache's directory must have been handed over (hand_over_code_directory).
void run_engine_jobs(const std::filesystem::path& engine, const std::vector<EngineJob>& jobs,
                     const std::function<void(const EngineJob&, const EngineAnswer&, std::ostream&)>& done);

}  // namespace grus::tool
