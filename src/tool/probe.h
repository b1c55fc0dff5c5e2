// SPDX-License-Identifier: MIT
// Runs the embedded AArch64 probe (probe/main.c) through the kernel's handler or through an engine.
//
// Guarantees: every run is bounded in time; an exec that fails is told apart from a probe that found faults.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tool/support.h"

namespace grus::tool {

struct Finding {
  std::string name;
  bool good;
  std::string detail;
};

class Probe {
 public:
  Probe();  // writes the program to a scratch directory
  const std::filesystem::path& directory() const { return scratch_.path(); }
  std::filesystem::path program() const { return scratch_.path() / "probe"; }

  // An empty engine: through the kernel.
  Outcome run(const std::string& mode, const std::filesystem::path& engine = {}, const std::string& argv0 = "",
              const std::string& argument = "") const;
  Outcome run_in_empty_root() const;
  // The file that the kernel runs as the emulator of a probe that it starts; empty: it cannot be seen.
  std::filesystem::path emulator_in_use() const;
  // How many times the CPU time that the same work takes natively (probe/speed.h); 0: it did not run, or computed something else.
  double times_native(const std::filesystem::path& engine) const;

 private:
  ScratchDirectory scratch_;
};

std::vector<Finding> findings(const std::string& output);
// A run of mode "child" gave its answer.
bool answered(const Outcome& outcome);
// A run of mode "all" came to its end.
bool complete(const Outcome& outcome);

}  // namespace grus::tool
