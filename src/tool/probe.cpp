// SPDX-License-Identifier: MIT
// Runs the embedded probe; see probe.h.
#include "tool/probe.h"

#include <fcntl.h>
#include <sys/stat.h>

extern "C" const char grus_probe_begin[], grus_probe_end[];

namespace grus::tool {

Probe::Probe() : scratch_("probe") {
  std::string_view bytes(grus_probe_begin, static_cast<size_t>(grus_probe_end - grus_probe_begin));
  if (int e = write_file(program(), bytes, O_CREAT | O_EXCL)) fail_errno("cannot write the probe", e);
  chmod(program().c_str(), 0755);
  chmod(scratch_.path().c_str(), 0755);
}

Outcome Probe::run(const std::string& mode, const std::filesystem::path& engine,
                   const std::string& argv0) const {
  Child child;
  std::string program = this->program();
  child.arguments =
      engine.empty() ? std::vector<std::string>{argv0.empty() ? program : argv0, mode}
                     : std::vector<std::string>{engine, "-0", argv0.empty() ? program : argv0, program, mode};
  child.program = engine.empty() ? program : engine.string();
  return capture(child);
}

Outcome Probe::run_in_empty_root() const {
  Child child;
  child.arguments = {"/probe", "child"};
  child.program = "/probe";
  child.root = directory();
  return capture(child);
}

std::vector<Finding> findings(const std::string& output) {
  std::vector<Finding> result;
  for (const std::string& line : split(output, '\n')) {
    size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    bool good = value == "ok";
    result.push_back({line.substr(0, equals), good, starts_with(value, "bad ") ? value.substr(4) : ""});
  }
  return result;
}

bool answered(const Outcome& outcome) { return outcome.exited_with(47); }  // kChildStatus of probe/main.c

bool complete(const Outcome& outcome) {
  return outcome.exited_with(0) && outcome.output.find("probe=ok\n") != std::string::npos;
}

}  // namespace grus::tool
