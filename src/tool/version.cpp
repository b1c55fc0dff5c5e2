// SPDX-License-Identifier: MIT
// grus version: this program's version and the engine's.
#include <iostream>

#include "base/version.h"
#include "tool/command.h"
#include "tool/engine_path.h"

namespace grus::tool {

void add_version(CLI::App& app, int& result) {
  CLI::App* command = app.add_subcommand("version", "the versions of the tool and of its engine");
  command->callback([&result] {
    std::cout << "grus " << kVersion << "\n";
    std::filesystem::path engine = find_engine_if_any("");
    if (engine.empty()) {
      std::cout << "no engine\n";
      result = kProblems;
      return;
    }
    Outcome outcome = capture({{engine.string(), "--version"}, "", -1, "", 1500});
    std::cout
        << engine.string() << ": "
        << (outcome.exited_with(0)
                ? (outcome.output + outcome.errors).substr(0, (outcome.output + outcome.errors).find('\n'))
                : outcome.describe())
        << "\n";
  });
}

}  // namespace grus::tool
