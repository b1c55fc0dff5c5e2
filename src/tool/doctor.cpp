// SPDX-License-Identifier: MIT
// grus doctor: does this system run AArch64 programs, and can what they build be trusted?
//
// Guarantees: behaviours are executed, not deduced from versions; two seconds, no network, no root, nothing
// changed; it judges QEMU as it judges Grus. Exit 0 only when nothing that makes builds wrong or fail was
// found.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "tool/binfmt.h"
#include "tool/command.h"
#include "tool/engine_path.h"
#include "tool/platform.h"
#include "tool/probe.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

enum class Verdict { Good, Warning, Bad, Skipped };

struct Check {
  std::string name;
  Verdict verdict;
  std::string detail, hint;
};

constexpr const char* kWords[] = {"ok", "warning", "problem", "skipped"};

// What a finding of the probe means. `builds`: wrong or failed builds are known to come from it.
struct Meaning {
  const char* prefix;
  const char* title;
  bool builds;
  const char* hint;
};
constexpr Meaning kMeanings[] = {
    {"isa.compare_with_zero", "vector compare with zero", true,
     "KB-34: QEMU 8.2.0-8.2.7, 9.0.0-9.0.3 and 9.1.0 on a host CPU without AVX; rustc writes broken objects "
     "(\"file format "
     "not recognized\"). Give the machine AVX (cpu: host), or another emulator"},
    {"isa.shift_then_extend", "shift, then sign extension", true,
     "KB-35: QEMU 8.2.0-8.2.2 on any host (Ubuntu 24.04's package); integers come out wrong. Use another "
     "emulator"},
    {"isa.", "instructions", true, "the emulator computes wrong results"},
    {"uname", "uname says aarch64", true, "configure scripts would build for the wrong machine"},
    {"spawn.missing-program", "a missing program is an error", true,
     "the emulator's vfork is a fork: posix_spawn of a missing program reports success, and build scripts "
     "that look for "
     "tools are misled"},
    {"self.proc-self-exe", "self-execution by /proc/self/exe", true,
     "KB-01: cargo nextest fails with \"Error while loading __double-spawn\"; NEXTEST_DOUBLE_SPAWN=0 avoids "
     "it"},
    {"self.readlink", "self-execution by the name of /proc/self/exe", true,
     "programs that start themselves again fail"},
    {"self.execfn", "self-execution by AT_EXECFN", true, "programs that start themselves again fail"},
    {"self.", "self-execution in other spellings", false,
     "KB-02: sandboxes, AppImages and browsers that start themselves again fail"},
    {"proc", "/proc", true, "/proc is not mounted"},
};

class Doctor {
 public:
  explicit Doctor(std::string engine) : engine_option_(std::move(engine)) {}

  void examine() {
    host();
    bool usable = handlers();
    fs::path engine;
    if (!engine_option_.empty()) engine = find_engine(engine_option_);
    if (!engine.empty()) {
      add("runs through", Verdict::Good, engine.string() + " (--engine)");
    } else if (!usable) {
      engine = find_engine_if_any("");
      if (!engine.empty())
        add("runs through", Verdict::Warning, engine.string() + ", not through the kernel",
            "`grus run` works; `sudo grus install` makes AArch64 programs run by themselves");
    }
    if (!usable && engine.empty()) return;
    if (engine.empty()) kernel_only();
    program(engine);
  }

  int exit_code() const {
    bool bad = false, ran = false;
    for (const Check& check : checks_) {
      bad |= check.verdict == Verdict::Bad;
      ran |= check.name == "AArch64 probe" && check.verdict == Verdict::Good;
    }
    return bad ? kProblems : ran ? kOk : kProbeFailed;
  }

  void print() const {
    static constexpr const char* kMarks[] = {"ok  ", "warn", "FAIL", "skip"};
    for (const Check& check : checks_) {
      std::printf("%s  %-45s %s\n", kMarks[static_cast<int>(check.verdict)], check.name.c_str(),
                  check.detail.c_str());
      if (!check.hint.empty() && check.verdict != Verdict::Good)
        std::printf("      %s\n", check.hint.c_str());
    }
    std::printf("\n%s\n", exit_code() == kOk ? "AArch64 builds on this system can be trusted."
                                             : "AArch64 builds on this system cannot be trusted.");
  }

  void print_json() const {
    nlohmann::ordered_json report;
    report["trusted"] = exit_code() == kOk;
    report["supported"] = {"linux/amd64"};
    if (exit_code() == kOk) report["supported"].push_back("linux/arm64");
    report["emulators"] = names_;
    report["checks"] = nlohmann::json::array();
    for (const Check& check : checks_)
      report["checks"].push_back({{"name", check.name},
                                  {"result", kWords[static_cast<int>(check.verdict)]},
                                  {"detail", check.detail},
                                  {"hint", check.verdict == Verdict::Good ? "" : check.hint}});
    std::cout << report.dump(2) << "\n";
  }

 private:
  std::string engine_option_;
  std::vector<Check> checks_;
  std::vector<std::string> names_;
  Probe probe_;

  void add(const std::string& name, Verdict verdict, const std::string& detail,
           const std::string& hint = "") {
    checks_.push_back({name, verdict, detail, hint});
  }

  void host() {
    utsname name;
    uname(&name);
    add("host", Verdict::Good, std::string(name.sysname) + " " + name.release + " " + name.machine);
  }

  // True when the kernel has a handler that is switched on.
  bool handlers() {
    bool optional = !engine_option_.empty();
    Binfmt binfmt(Binfmt::kDefaultDirectory);
    const char* hint = "`sudo grus install`, or use `grus run`, which needs no registration";
    Verdict missing = optional || !find_engine_if_any("").empty() ? Verdict::Warning : Verdict::Bad;
    if (!binfmt.mounted()) {
      // A handler may be registered all the same: binfmt_misc works without a mount in sight, in containers
      // for example.
      bool runs = answered(probe_.run("child"));
      add("binfmt_misc", runs ? Verdict::Warning : missing, "not mounted here", runs ? "" : hint);
      if (!runs) return false;
      add("handler for AArch64", Verdict::Good, "there is one that cannot be seen from here");
      return true;
    }
    add("binfmt_misc", binfmt.switched_on() ? Verdict::Good : missing,
        binfmt.switched_on() ? "mounted" : "switched off", hint);
    bool any = false;
    for (const Handler& handler : binfmt.handlers()) {
      names_.push_back(handler.name);
      if (!handler.takes_aarch64()) continue;
      std::string detail =
          handler.interpreter + ", flags " + (handler.flags.empty() ? "none" : handler.flags);
      if (!handler.enabled) {
        add("handler " + handler.name, Verdict::Skipped, detail + ", switched off");
        continue;
      }
      if (any) {
        add("handler " + handler.name, Verdict::Warning, detail,
            "two handlers take AArch64; the one registered last wins");
        continue;
      }
      any = true;
      add("handler " + handler.name, Verdict::Good, detail + version_of(handler.interpreter));
      if (!handler.has_flag('C'))
        add("flag C", Verdict::Warning, "missing",
            "set-user-id programs (sudo, ping) do not gain their user");
    }
    if (!any) {
      bool runs = answered(probe_.run("child"));
      add("handler for AArch64", runs ? Verdict::Good : missing, runs ? "one of an outer namespace" : "none",
          hint);
      return runs;
    }
    return any && binfmt.switched_on();
  }

  static std::string version_of(const std::string& interpreter) {
    Outcome outcome = capture({{interpreter, "--version"}, "", -1, "", 500});
    std::string text = outcome.output + outcome.errors;
    return outcome.exited_with(0) ? "; " + text.substr(0, text.find('\n')) : "";
  }

  void kernel_only() {
    Outcome inside = probe_.run_in_empty_root();
    add("survives a chroot (flag F)",
        answered(inside)        ? Verdict::Good
        : inside.error == EPERM ? Verdict::Skipped
                                : Verdict::Bad,
        answered(inside) ? "runs in an empty root" : inside.describe(),
        "without flag F no container and no chroot runs AArch64 programs");
    Outcome named = probe_.run("argv0", {}, "another name");
    bool kept = named.output == "another name\n";
    add("keeps argv[0] (flag P)", kept ? Verdict::Good : Verdict::Warning,
        kept ? "yes" : "no: it is replaced by the path",
        "KB-03: programs that go by their name (busybox, rustup, compiler wrappers) take the wrong one");
  }

  void program(const fs::path& engine) {
    Outcome outcome = probe_.run("all", engine);
    std::map<const Meaning*, std::pair<int, std::vector<std::string>>> results;
    for (const Finding& finding : findings(outcome.output))
      for (const Meaning& meaning : kMeanings)
        if (starts_with(finding.name, meaning.prefix)) {
          auto& [count, faults] = results[&meaning];
          count++;
          if (!finding.good) faults.push_back(finding.name + " (" + finding.detail + ")");
          break;
        }
    if (complete(outcome)) {
      char time[32];
      std::snprintf(time, sizeof time, "ran in %.0f ms", outcome.milliseconds);
      add("AArch64 probe", Verdict::Good, time);
    } else {
      add("AArch64 probe", Verdict::Bad, outcome.describe(),
          "the emulator does not run a plain static program");
    }
    for (const auto& [meaning, result] : results) {
      const auto& [count, faults] = result;
      std::string detail =
          std::to_string(count - static_cast<int>(faults.size())) + " of " + std::to_string(count);
      for (const std::string& fault : faults) detail += faults.front() == fault ? ": " + fault : ", " + fault;
      add(meaning->title,
          faults.empty()    ? Verdict::Good
          : meaning->builds ? Verdict::Bad
                            : Verdict::Warning,
          detail, meaning->hint);
    }
  }
};

}  // namespace

void add_doctor(CLI::App& app, int& result) {
  auto engine = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("doctor", "can this system be trusted to build and run AArch64 programs?");
  command->add_option("--engine", *engine,
                      "examine this emulator (called as ENGINE -0 NAME PROGRAM) instead of the kernel's");
  command->add_flag("--json", *json, "print one JSON object");
  command->callback([engine, json, &result] {
    Doctor doctor(*engine);
    doctor.examine();
    *json ? doctor.print_json() : doctor.print();
    result = doctor.exit_code();
  });
}

}  // namespace grus::tool
