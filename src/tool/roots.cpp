// SPDX-License-Identifier: MIT
// grus root create|list|remove: Debian roots for AArch64.
//
// Guarantees: a root appears under its name only when it is complete; one that cannot be removed as a whole keeps its name.
// Deliberately not here: how one is made (root_build.h); what is installed later (`grus run --root NAME --as-root -- apt-get`).
#include "tool/roots.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tool/cache_files.h"
#include "tool/command.h"
#include "tool/engine_jobs.h"
#include "tool/engine_path.h"
#include "tool/root_build.h"

namespace grus::tool {

namespace fs = std::filesystem;

fs::path roots_directory() { return cache_directory() / "roots"; }

fs::path resolve_root(const std::string& name_or_path) {
  std::error_code error;
  if (name_or_path.find('/') == std::string::npos) {
    fs::path named = roots_directory() / name_or_path;
    if (fs::is_directory(named, error)) return named;
  }
  fs::path path = fs::absolute(name_or_path).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (fs::is_directory(path, error)) return path;
  throw Failure(kUsage, "there is no root " + name_or_path + ", neither as a directory nor in " +
                            roots_directory().string());
}

namespace {

struct CreateOptions {
  std::string name, engine;
  RootRecipe recipe;
};

void check_name(const std::string& name) {
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
    throw Failure(kUsage, "a root's name is a plain file name, not '" + name + "'");
}

fs::path hidden(const std::string& name, const char* kind) { return roots_directory() / ("." + name + "." + kind); }

// Held while the root is made or removed; the file goes with it.
class RootLock {
 public:
  explicit RootLock(const std::string& name) : path_(hidden(name, "lock")), name_(name) {
    for (;;) {
      fd_ = Descriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
      if (!fd_) fail_errno("cannot make " + path_.string(), errno);
      if (flock(fd_.get(), LOCK_EX | LOCK_NB)) throw Failure(kProblems, "another grus is at work on the root " + name_);
      struct stat ours, there;
      if (fstat(fd_.get(), &ours) == 0 && stat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino) return;
      // Its holder has removed it in between.
    }
  }
  ~RootLock() { unlink(path_.c_str()); }
  RootLock(const RootLock&) = delete;

 private:
  fs::path path_;
  std::string name_;
  Descriptor fd_;
};

void report_left(const std::vector<std::string>& left, const fs::path& root) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < left.size() && i < kShown; i++) text += "\n  " + left[i];
  if (left.size() > kShown) text += "\n  and " + std::to_string(left.size() - kShown) + " more";
  throw Failure(kProblems, "these could not be removed, all else of the root is gone (sudo rm -rf " + root.string() + " removes them):" + text);
}

// Returns the signal that ended it, or 0.
int make(const CreateOptions& options) {
  fs::path engine = find_engine(options.engine);
  fs::create_directories(roots_directory());
  fs::path final = roots_directory() / options.name;
  RootLock lock(options.name);
  if (fs::exists(final))
    throw Failure(kUsage,
                  "there is a root " + options.name + " already (grus root remove " + options.name + ")");
  fs::path partial = hidden(options.name, "partial");
  // Left by one that was killed, or whose machine was.
  if (fs::exists(partial))
    if (auto left = remove_tree(partial); !left.empty()) report_left(left, partial);
  trim_cache(code_directory(), [&] { return translator_of(engine); });
  if (int number = build_root(options.recipe, engine, partial)) return number;
  fs::rename(partial, final);
  std::cout << final.string() << "\n";
  return 0;
}

int create(const CreateOptions& options) {
  check_name(options.name);
  if (int number = make(options)) raise(number);  // as the caller expects of a program that was ended
  return kOk;
}

int remove(const std::string& name) {
  check_name(name);
  fs::path path = roots_directory() / name;
  std::error_code error;
  if (!fs::is_directory(roots_directory(), error)) throw Failure(kUsage, "there is no root " + name);
  RootLock lock(name);
  bool found = false;
  // First under another name: nobody shall start a program in half a root.
  fs::path gone = hidden(name, "removed");
  if (fs::exists(path) && !fs::exists(gone)) fs::rename(path, gone);
  for (const fs::path& part : {gone, hidden(name, "partial"), path}) {
    if (!fs::exists(fs::symlink_status(part, error))) continue;
    found = true;
    std::vector<std::string> left = remove_tree(part);
    if (left.empty()) continue;
    fs::path shown = part;
    if (part == gone && !fs::exists(path)) {
      fs::rename(gone, path);  // not hidden: `grus root list` names it
      shown = path;
      for (std::string& line : left)
        if (starts_with(line, gone.string())) line = path.string() + line.substr(gone.string().size());
    }
    report_left(left, shown);
  }
  if (!found) throw Failure(kUsage, "there is no root " + name);
  return kOk;
}

int list(bool json) {
  nlohmann::json roots = nlohmann::json::array();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(roots_directory(), error)) {
    std::string name = entry.path().filename();
    if (name[0] == '.' || !entry.is_directory()) continue;
    std::string release = "unknown";
    for (const std::string& line : split(read_file(entry.path() / "etc/os-release").value_or(""), '\n'))
      if (starts_with(line, "PRETTY_NAME=")) release = line.substr(13, line.size() - 14);
    roots.push_back({{"name", name}, {"path", entry.path().string()}, {"release", release}});
  }
  if (json) {
    std::cout << roots.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    for (const auto& root : roots)
      std::cout << printable(root["name"].get<std::string>()) << "\t" << printable(root["release"].get<std::string>()) << "\t"
                << printable(root["path"].get<std::string>()) << "\n";
  }
  return kOk;
}

}  // namespace

void add_root(CLI::App& app, int& result) {
  CLI::App* root = app.add_subcommand("root", "AArch64 Debian roots");
  root->require_subcommand(1);
  auto options = std::make_shared<CreateOptions>();
  CLI::App* command =
      root->add_subcommand("create", "make one with mmdebstrap; the engine runs the maintainer scripts");
  command->add_option("name", options->name)->required();
  command->add_option("--suite", options->recipe.suite, "Debian's release: bookworm, trixie, sid, ...")->capture_default_str();
  command->add_option("--variant", options->recipe.variant, "mmdebstrap's variant")->capture_default_str();
  command->add_option("--include", options->recipe.include, "packages to install, separated by commas")
      ->allow_extra_args(false);
  command->add_option("--mirror", options->recipe.mirror, "a mirror or a file of sources; default: as this host");
  command->add_option("--engine", options->engine, "the engine to use (GRUS_ENGINE)");
  command->callback([options, &result] { result = create(*options); });

  auto json = std::make_shared<bool>(false);
  command = root->add_subcommand("list", "the roots that there are");
  command->add_flag("--json", *json, "print one JSON list");
  command->callback([json, &result] { result = list(*json); });

  auto name = std::make_shared<std::string>();
  command = root->add_subcommand("remove", "remove one");
  command->add_option("name", *name)->required();
  command->callback([name, &result] { result = remove(*name); });
}

}  // namespace grus::tool
