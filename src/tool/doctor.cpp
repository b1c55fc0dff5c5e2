// SPDX-License-Identifier: MIT
// grus doctor: does this system run AArch64 programs, and can what they build be trusted?
//
// Guarantees: behaviours are executed, not deduced from versions; two seconds, no network, no root, nothing changed; it judges QEMU
// as it judges Grus. The verdict is a rank: right and fast, right but slow, things break, wrong output, nothing runs. Exit 0 for the
// first two only. What is said of the kernel's handlers is said of what they did when they were tried.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
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

// What the worst finding makes of the system.
enum class Rank { Right, Slow, Breaks, Wrong, Nothing };
constexpr const char* kRanks[] = {"right", "slow", "breaks", "wrong", "nothing"};

struct Check {
  std::string name;
  Verdict verdict;
  std::string detail, hint;
  Rank rank;  // if it is bad
};

constexpr const char* kWords[] = {"ok", "warning", "problem", "skipped"};

// What a finding of the probe means. Breaks: builds are known to fail, or to be misled, by it. Right: a warning.
struct Meaning {
  const char* prefix;
  const char* title;
  Rank rank;
  const char* hint;
};
constexpr Meaning kMeanings[] = {
    {"isa.compare_with_zero", "vector compare with zero", Rank::Wrong,
     "QEMU 8.2.0-8.2.7, 9.0.0-9.0.3 and 9.1.0 on a host CPU without AVX; rustc writes broken objects (\"symbols.o: file not "
     "recognized: file format not recognized\"). Give the machine AVX (cpu: host), or use another emulator"},
    {"isa.shift_", "shift, then sign extension", Rank::Wrong,
     "QEMU 8.2.0-8.2.2 on any host (Ubuntu 24.04's package); integers come out wrong. Use another emulator"},
    {"isa.", "instructions", Rank::Wrong, "the emulator computes wrong results"},
    {"uname", "uname says aarch64", Rank::Wrong, "configure scripts would build for the wrong machine"},
    {"spawn.", "posix_spawn", Rank::Breaks,
     "the emulator's vfork is a fork: a program that is missing is started \"successfully\" (posix_spawn, Rust's Command, Python's "
     "subprocess), and build scripts that look for tools are misled"},
    {"self.proc-self-exe", "self-execution by /proc/self/exe", Rank::Breaks,
     "cargo nextest fails with \"Error while loading __double-spawn\"; NEXTEST_DOUBLE_SPAWN=0 avoids it"},
    {"self.readlink", "self-execution by the name of /proc/self/exe", Rank::Breaks, "programs that start themselves again fail"},
    {"self.execfn", "self-execution by AT_EXECFN", Rank::Breaks, "programs that start themselves again fail"},
    {"self.", "self-execution in other spellings", Rank::Right,
     "sandboxes, AppImages and browsers that start themselves again fail"},
    {"proc", "/proc/self/exe of the guest", Rank::Breaks, "there is no /proc: programs that start themselves again fail"},
};

constexpr const char* kInstall = "`sudo grus install`, or use `grus run`, which needs no registration";

class Doctor {
 public:
  explicit Doctor(std::string engine) : engine_option_(std::move(engine)) {}

  void examine() {
    host();
    Outcome kernel = probe_.run("child");
    kernel_runs_ = answered(kernel);
    for (const Handler& handler : binfmt_.handlers()) names_.push_back(handler.name);
    if (!engine_option_.empty()) {
      fs::path engine = find_engine(engine_option_);
      add("runs through", Verdict::Good, engine.string() + " (--engine)");
      program(engine);
      return;
    }
    handlers(kernel);
    if (kernel_runs_) {
      kernel_only();
      program({});
      return;
    }
    nothing_runs_ = true;
    of_program_ = checks_.size();
    if (fs::path engine = find_engine_if_any(""); !engine.empty()) {
      add("grus run", Verdict::Good, "runs AArch64 programs through " + engine.string() + ", without the kernel's help");
      program(engine);
    }
  }

  Rank rank() const { return nothing_runs_ ? Rank::Nothing : rank_of_program(); }

  int exit_code() const { return rank() == Rank::Right || rank() == Rank::Slow ? kOk : kProblems; }

  void print() const {
    static constexpr const char* kMarks[] = {"ok  ", "warn", "FAIL", "skip"};
    for (const Check& check : checks_) {
      std::printf("%s  %-45s %s\n", kMarks[static_cast<int>(check.verdict)], check.name.c_str(), check.detail.c_str());
      if (!check.hint.empty() && check.verdict != Verdict::Good) std::printf("      %s\n", check.hint.c_str());
    }
    std::printf("\n%s\n", summary().c_str());
  }

  void print_json() const {
    nlohmann::ordered_json report;
    report["trusted"] = exit_code() == kOk;
    report["verdict"] = kRanks[static_cast<int>(rank())];
    report["summary"] = summary();
    report["supported"] = {"linux/amd64"};  // by the kernel, as in `grus status`
    if (kernel_runs_) report["supported"].push_back("linux/arm64");
    report["emulators"] = names_;
    if (slowness_ > 0) report["times_native"] = std::round(slowness_ * 100) / 100;
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
  Binfmt binfmt_{Binfmt::kDefaultDirectory};
  bool kernel_runs_ = false, nothing_runs_ = false;
  size_t of_program_ = 0;  // checks from here on are of what rank_of_program() judges
  double slowness_ = 0;    // times the native CPU time; 0: could not be measured

  void add(const std::string& name, Verdict verdict, const std::string& detail, const std::string& hint = "",
           Rank rank = Rank::Nothing) {
    checks_.push_back({name, verdict, detail, hint, rank});
  }

  // Of what runs programs here: the kernel's handler, --engine, or what `grus run` would use.
  Rank rank_of_program() const {
    Rank worst = Rank::Right;
    for (size_t i = of_program_; i < checks_.size(); i++)
      if (checks_[i].verdict == Verdict::Bad) worst = std::max(worst, checks_[i].rank);
    if (worst == Rank::Right && (slowness_ >= kSlow || slowness_ <= 0)) worst = Rank::Slow;
    return worst;
  }

  std::string names_of(Rank rank) const {
    std::string text;
    for (size_t i = of_program_; i < checks_.size(); i++)
      if (checks_[i].verdict == Verdict::Bad && checks_[i].rank == rank) text += (text.empty() ? "" : "; ") + checks_[i].name;
    return text;
  }

  std::string sentence(Rank rank) const {
    char times[32];
    std::snprintf(times, sizeof times, "%.1f", slowness_);
    switch (rank) {
      case Rank::Right:
        return "Right and fast: AArch64 builds can be trusted.";
      case Rank::Slow:
        return "Right but slow: AArch64 builds can be trusted; " +
               (slowness_ > 0 ? std::string("computing takes ") + times + " times as long as natively." : "how slow could not be measured.");
      case Rank::Breaks:
        return "These things break: " + names_of(Rank::Breaks) + ". Instructions are right; builds that need these things fail or are misled.";
      case Rank::Wrong:
        return "Output cannot be trusted: wrong results in " + names_of(Rank::Wrong) + "." +
               (names_of(Rank::Breaks).empty() ? "" : " These things break as well: " + names_of(Rank::Breaks) + ".");
      default:
        return "AArch64 programs do not run.";
    }
  }

  std::string summary() const {
    if (!nothing_runs_) return sentence(rank());
    const std::string text = "Nothing runs AArch64 programs here";
    return of_program_ == checks_.size() ? text + "." : text + " by itself. With `grus run`: " + sentence(rank_of_program());
  }

  void host() {
    utsname name;
    uname(&name);
    add("host", Verdict::Good, std::string(name.sysname) + " " + name.release + " " + name.machine);
  }

  // What is registered, and what became of it when the kernel was asked to run the probe.
  void handlers(const Outcome& kernel) {
    if (!proc_is_mounted()) {
      add("/proc", Verdict::Bad, "not mounted", "nothing can be seen of binfmt_misc, and programs that start themselves again fail",
          Rank::Breaks);
      add("handler for AArch64", kernel_runs_ ? Verdict::Good : Verdict::Bad,
          kernel_runs_ ? "there is one that cannot be seen from here" : "none that works: " + kernel.describe(), kInstall);
      return;
    }
    bool mounted = binfmt_.mounted(), on = mounted && binfmt_.switched_on();
    // A handler may be registered all the same: what is mounted here need not be what this user namespace uses.
    Verdict missing = kernel_runs_ ? Verdict::Warning : Verdict::Bad;
    if (!mounted)
      add("binfmt_misc", missing, "not mounted here", kernel_runs_ ? "" : kInstall);
    else if (!on)
      add("binfmt_misc", missing, "switched off as a whole",
          std::string("`echo 1 > ") + Binfmt::kDefaultDirectory + "/status` (as root) switches it on; `grus run` needs no registration");
    else
      add("binfmt_misc", Verdict::Good, "mounted, switched on");
    std::vector<Handler> enabled;
    bool some_off = false;
    for (const Handler& handler : binfmt_.handlers()) {
      if (!handler.takes_aarch64()) continue;
      if (handler.enabled && on) {
        enabled.push_back(handler);
        continue;
      }
      some_off |= on;
      add("handler " + handler.name, Verdict::Skipped, described(handler) + ", switched off" + (on ? "" : " with binfmt_misc"));
    }
    if (enabled.empty() && on)
      add("handler for AArch64", kernel_runs_ ? Verdict::Good : Verdict::Bad,
          kernel_runs_ ? "one of an outer namespace" : some_off ? "none that is switched on" : "none", kInstall);
    if (!kernel_runs_)
      for (const Handler& handler : enabled) broken_handler(handler, kernel);
    else if (enabled.size() == 1)
      working_handler(enabled.front());
    else if (!enabled.empty())
      several_handlers(enabled);
  }

  static std::string described(const Handler& handler) {
    return handler.interpreter + ", flags " + (handler.flags.empty() ? "none" : handler.flags);
  }

  void broken_handler(const Handler& handler, const Outcome& kernel) {
    const std::string name = "handler " + handler.name, detail = described(handler);
    // With flag F the file was opened when it was registered; its name may be gone.
    bool by_name = !handler.has_flag('F');
    if (by_name && access(handler.interpreter.c_str(), F_OK))
      add(name, Verdict::Bad, detail + ": the interpreter is not there",
          "AArch64 programs fail with \"" + kernel.describe() + "\" though they are there. Install " + handler.interpreter +
              " again, or `sudo grus install`");
    else if (by_name && access(handler.interpreter.c_str(), X_OK))
      add(name, Verdict::Bad, detail + ": the interpreter may not be executed", kInstall);
    else
      add(name, Verdict::Bad, detail + ": does not run a plain static program: " + kernel.describe(), kInstall);
  }

  void working_handler(const Handler& handler) {
    add("handler " + handler.name, Verdict::Good, described(handler) + version_of(handler.interpreter));
    if (!handler.has_flag('C'))
      add("flag C", Verdict::Warning, "missing", "set-user-id programs (sudo, ping) do not gain their user");
  }

  // The kernel takes the one that was registered last, which its directory does not show: a process of the probe does.
  void several_handlers(const std::vector<Handler>& enabled) {
    fs::path used = probe_.emulator_in_use();
    auto is_used = [&](const Handler& handler) {
      std::error_code error;
      return !used.empty() && fs::equivalent(handler.interpreter, used, error);
    };
    bool known = std::count_if(enabled.begin(), enabled.end(), is_used) == 1;
    for (const Handler& handler : enabled)
      if (known && is_used(handler))
        working_handler(handler);
      else
        add("handler " + handler.name, Verdict::Warning, described(handler) + (known ? ": not the one that is used" : ""),
            "several handlers take AArch64, and the one registered last wins; `grus install` switches the others off");
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
        "without flag F no container and no chroot runs AArch64 programs", Rank::Breaks);
    Outcome named = probe_.run("argv0", {}, "another name");
    bool kept = named.output == "another name\n";
    add("keeps argv[0] (flag P)", kept ? Verdict::Good : Verdict::Bad, kept ? "yes" : "no: it is replaced by the path",
        "programs that go by their name (busybox, rustup, compiler wrappers) take the wrong one", Rank::Breaks);
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
    } else if (results.empty()) {
      add("AArch64 probe", Verdict::Bad, outcome.describe(), "the emulator does not run a plain static program");
    } else {
      add("AArch64 probe", Verdict::Bad, "did not come to its end: " + outcome.describe(), "the emulator fails half-way", Rank::Breaks);
    }
    for (const auto& [meaning, result] : results) {
      const auto& [count, faults] = result;
      std::string detail = std::to_string(count - static_cast<int>(faults.size())) + " of " + std::to_string(count);
      for (const std::string& fault : faults) detail += faults.front() == fault ? ": " + fault : ", " + fault;
      add(meaning->title,
          faults.empty()                  ? Verdict::Good
          : meaning->rank == Rank::Right ? Verdict::Warning
                                          : Verdict::Bad,
          detail, meaning->hint, meaning->rank);
    }
    if (complete(outcome)) speed(engine);
  }

  // Measured: 4.0 to 6.6 under QEMU 7.2 to 11.1, 1.1 under this engine, 90 when it interprets.
  static constexpr double kSlow = 2;

  void speed(const fs::path& engine) {
    slowness_ = probe_.times_native(engine);
    char text[64];
    std::snprintf(text, sizeof text, "computing takes %.1f times as long as natively", slowness_);
    if (slowness_ <= 0)
      add("speed", Verdict::Warning, "could not be measured: it takes too long", "QEMU is at 4 to 7, Grus's engine at 1.1");
    else
      add("speed", slowness_ < kSlow ? Verdict::Good : Verdict::Warning, text,
          "QEMU is at 4 to 7, Grus's engine at 1.1");
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
  command->footer("Status: 0 when AArch64 builds can be trusted (right and fast, or right but slow), else 1.");
  command->callback([engine, json, &result] {
    Doctor doctor(*engine);
    doctor.examine();
    *json ? doctor.print_json() : doctor.print();
    result = doctor.exit_code();
  });
}

}  // namespace grus::tool
