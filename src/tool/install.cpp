// SPDX-License-Identifier: MIT
// grus install, uninstall, status: the engine as the kernel's handler of AArch64 programs.
//
// Guarantees: `install` reports success only after the kernel has run an AArch64 program through the new
// handler, in an empty root as well; otherwise everything is as before. Handlers of others that take AArch64
// are switched off, and switched on again by `uninstall`. Several at once take turns. Deliberately not persistent across a reboot: that
// is a package's file in binfmt.d.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tool/binfmt.h"
#include "tool/command.h"
#include "tool/engine_path.h"
#include "tool/platform.h"
#include "tool/probe.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

// The kernel forgets registrations at a reboot, and /run is emptied then too.
constexpr char kDisabledList[] = "/run/grus/disabled-handlers";

// The system's translations: made by root's programs, read by everybody's (engine/start.cpp looks there last).
constexpr char kSystemCache[] = "/var/cache/grus";

struct InstallOptions {
  std::vector<std::string> platforms;
  std::string engine, directory = Binfmt::kDefaultDirectory;
  bool json = false;
};

void check_platforms(const std::vector<std::string>& platforms, bool install) {
  for (const std::string& list : platforms)
    for (const std::string& name : split(list, ',')) {
      if (name == "all") continue;
      std::string machine = machine_of(name);
      if (machine == host_machine() && install)
        throw Failure(kUsage, "this machine is " + machine + ": it runs " + name +
                                  " itself, and a handler would break it");
      if (machine != "aarch64")
        throw Failure(kUnsupported, "there is no engine for " + name + " on " + host_machine());
    }
  if (host_machine() != "x86_64")
    throw Failure(kUnsupported, "the engine runs on x86_64, this machine is " + host_machine());
}

void need_root() {
  if (geteuid() != 0)
    throw Failure(kNotPermitted, "only root can change binfmt_misc; `grus run` needs no registration");
}

std::vector<std::string> remembered() { return split(read_file(kDisabledList).value_or(""), '\n'); }

void remember(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  std::error_code ignored;
  if (names.empty()) {
    fs::remove(kDisabledList, ignored);
    return;
  }
  fs::create_directories(fs::path(kDisabledList).parent_path());
  if (int e = write_file(kDisabledList, text, O_CREAT | O_TRUNC)) fail_errno(kDisabledList, e);
}

int install(const InstallOptions& options) {
  check_platforms(options.platforms, true);
  need_root();
  fs::path engine = find_engine(options.engine);
  Binfmt binfmt(options.directory);
  binfmt.mount_if_needed();
  if (!binfmt.switched_on())
    throw Failure(kUnsupported, "binfmt_misc is switched off as a whole (echo 1 > " +
                                    (fs::path(options.directory) / "status").string() + " switches it on)");
  Descriptor lock = binfmt.lock();
  std::vector<Handler> before = binfmt.handlers();
  const std::vector<std::string> known = remembered();
  std::vector<std::string> disabled;
  const Handler* old = nullptr;
  auto restore = [&] {
    for (const Handler& handler : binfmt.handlers())
      if (handler.name == kHandlerName) binfmt.remove(kHandlerName);
    if (old) {
      binfmt.add(*old);
      binfmt.enable(old->name, old->enabled);
    }
    for (const std::string& name : disabled) binfmt.enable(name, true);
    remember(known);
  };
  try {
    for (const Handler& handler : before) {
      if (handler.name == kHandlerName) {
        old = &handler;
        binfmt.remove(handler.name);
      } else if (handler.enabled && handler.takes_aarch64()) {
        disabled.push_back(handler.name);
        std::vector<std::string> all = known;
        all.insert(all.end(), disabled.begin(), disabled.end());
        remember(all);  // first: whoever is killed here leaves what `uninstall` needs
        binfmt.enable(handler.name, false);
      }
    }
    binfmt.add(aarch64_handler(engine));
    Probe probe;
    Outcome outcome = probe.run("child");
    if (!answered(outcome))
      throw Failure(kProbeFailed, "the kernel does not run AArch64 programs through " + engine.string() +
                                      ": " + outcome.describe());
    if (Outcome inside = probe.run_in_empty_root(); !answered(inside))
      throw Failure(kProbeFailed, "the handler does not survive a chroot: " + inside.describe());
    for (const std::string& name : disabled)
      std::cerr << "switched off: " << name << " (grus uninstall switches it on)\n";
    if (options.directory == Binfmt::kDefaultDirectory) {
      std::error_code ignored;  // without it everything works, slower
      fs::path code = fs::path(kSystemCache) / "code";
      if (fs::create_directories(code, ignored))  // for everybody to read, whatever the umask
        for (const fs::path& path : {fs::path(kSystemCache), code}) fs::permissions(path, fs::perms(0755), ignored);
    }
    std::printf("installing: arm64 OK (probe: %.0f ms)\n", outcome.milliseconds);
  } catch (...) {
    restore();
    throw;
  }
  return kOk;
}

int uninstall(const InstallOptions& options) {
  check_platforms(options.platforms, false);
  need_root();
  Binfmt binfmt(options.directory);
  if (!binfmt.mounted()) throw Failure(kUnsupported, "binfmt_misc is not mounted");
  Descriptor lock = binfmt.lock();
  std::vector<Handler> now = binfmt.handlers();
  auto there = [&](const std::string& name) {
    return std::any_of(now.begin(), now.end(), [&](const Handler& h) { return h.name == name; });
  };
  bool found = there(kHandlerName);
  if (found) binfmt.remove(kHandlerName);
  for (const std::string& name : remembered())
    if (there(name)) {
      binfmt.enable(name, true);
      std::cerr << "switched on: " << name << "\n";
    }
  remember({});
  std::error_code ignored;
  if (options.directory == Binfmt::kDefaultDirectory) fs::remove_all(kSystemCache, ignored);
  std::cout << "uninstalling: arm64 " << (found ? "OK" : "was not installed") << "\n";
  return kOk;
}

int status(const InstallOptions& options) {
  Binfmt binfmt(options.directory);
  nlohmann::ordered_json report;
  report["supported"] = {"linux/amd64"};
  report["emulators"] = nlohmann::json::array();
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const Handler& handler : binfmt.handlers()) {
    report["emulators"].push_back(handler.name);
    if (!handler.takes_aarch64()) continue;
    list.push_back({{"name", handler.name},
                    {"interpreter", handler.interpreter},
                    {"flags", handler.flags},
                    {"enabled", handler.enabled}});
  }
  Outcome outcome = Probe().run("child");
  bool works = answered(outcome);
  if (works) report["supported"].push_back("linux/arm64");
  report["handlers"] = list;
  report["installed"] =
      std::any_of(list.begin(), list.end(), [](const auto& h) { return h["name"] == kHandlerName; });
  report["mounted"] = binfmt.mounted();
  report["switched_on"] = binfmt.switched_on();
  report["probe"] = works ? "ok" : outcome.describe();
  if (options.json) {
    std::cout << report.dump(2) << "\n";
    return works ? kOk : kProblems;
  }
  std::cout << "binfmt_misc: "
            << (!binfmt.mounted()        ? proc_is_mounted() ? "not mounted" : "cannot be seen: /proc is not mounted"
                : !binfmt.switched_on() ? "switched off as a whole"
                                         : "mounted")
            << "\n";
  for (const auto& h : list)
    std::cout << h["name"].get<std::string>() << ": " << h["interpreter"].get<std::string>() << ", flags "
              << h["flags"].get<std::string>() << (h["enabled"].get<bool>() ? "" : ", switched off") << "\n";
  std::cout << "AArch64 programs run through the kernel: " << (works ? "yes" : "no, " + outcome.describe())
            << "\n";
  return works ? kOk : kProblems;
}

}  // namespace

void add_install(CLI::App& app, int& result) {
  auto options = std::make_shared<InstallOptions>();
  CLI::App* command =
      app.add_subcommand("install", "register the engine with the kernel (flags POCF) and prove it");
  command->add_option("platform", options->platforms, "arm64, aarch64, aarch64-linux, linux/arm64 or all");
  command->add_option("--engine", options->engine, "the engine to register (GRUS_ENGINE)");
  command->add_option("--mount", options->directory, "where binfmt_misc is mounted")->capture_default_str();
  command->callback([options, &result] { result = install(*options); });

  command = app.add_subcommand("uninstall",
                               "take the registration back; what it switched off is switched on again");
  command->add_option("platform", options->platforms, "as for `grus install`");
  command->add_option("--mount", options->directory, "where binfmt_misc is mounted")->capture_default_str();
  command->callback([options, &result] { result = uninstall(*options); });

  command = app.add_subcommand("status", "what handles AArch64 programs here");
  command->add_flag("--json", options->json, "print one JSON object");
  command->add_option("--mount", options->directory, "where binfmt_misc is mounted")->capture_default_str();
  command->footer("Status: 0 when the kernel runs AArch64 programs, 1 when not.");
  command->callback([options, &result] { result = status(*options); });
}

}  // namespace grus::tool
