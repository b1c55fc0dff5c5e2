// SPDX-License-Identifier: MIT
// grus root create|list|remove: Debian roots for AArch64, made by mmdebstrap with the engine running the
// maintainer scripts.
//
// Guarantees: the host's binfmt_misc is not touched where the kernel has private ones (6.7 and later); a root
// appears under its name only when it is complete; a root is removed with the ids that it was made with.
// Deliberately not here: what is installed later (that is `grus run --root NAME -- apt-get`).
#include "tool/roots.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tool/binfmt.h"
#include "tool/cache_files.h"
#include "tool/command.h"
#include "tool/engine_jobs.h"
#include "tool/engine_path.h"
#include "tool/namespaces.h"

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
  std::string name, engine, suite = "bookworm", variant = "minbase", mirror;
  std::vector<std::string> include, keep;
};

void check_name(const std::string& name) {
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
    throw Failure(kUsage, "a root's name is a plain file name, not '" + name + "'");
}

// Where Debian's packages come from: as this host says when it is the same release, else as mmdebstrap knows.
std::string mirror_for(const CreateOptions& options) {
  if (!options.mirror.empty()) return options.mirror;
  for (const char* file : {"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"}) {
    std::string text = read_file(file).value_or("");
    if (text.find(options.suite) != std::string::npos && text.find("ubuntu") == std::string::npos)
      return file;
  }
  return "";
}

// A proxy or a relaxed date check of the host's apt holds for the root's apt as well.
std::vector<std::string> apt_options() {
  std::vector<std::string> result;
  Outcome dump = capture({{"apt-config", "dump"}, "", -1, "", 5000});
  for (const std::string& line : split(dump.output, '\n'))
    for (const char* name : {"Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::Check-Valid-Until ",
                             "Acquire::Check-Date "})
      if (starts_with(line, name)) result.push_back("--aptopt=" + line);
  return result;
}

std::vector<std::string> mmdebstrap_command(const CreateOptions& options, const fs::path& target) {
  std::vector<std::string> command = {"mmdebstrap", "--mode=root", "--architectures=arm64",
                                      "--skip=check/qemu", "--variant=" + options.variant};
  for (const std::string& option : apt_options()) command.push_back(option);
  for (const std::string& packages : options.include) command.push_back("--include=" + packages);
  command.push_back(options.suite);
  command.push_back(target);
  if (std::string mirror = mirror_for(options); !mirror.empty()) command.push_back(mirror);
  return command;
}

// In a namespace of its own the registration is private and ends with it.
int build_in_namespace(const CreateOptions& options, const fs::path& engine, const fs::path& target) {
  std::filesystem::path code = code_directory();
  enter_user_namespace(Mapping::Full);
  hand_over_code_directory(code);
  mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  Binfmt private_handlers(Binfmt::kDefaultDirectory);
  private_handlers.mount_private();
  private_handlers.add(aarch64_handler(engine));
  return run_visibly(mmdebstrap_command(options, target));
}

int build_with_host_registration(const CreateOptions& options, const fs::path& engine,
                                 const fs::path& target) {
  hand_over_code_directory(code_directory());
  Binfmt handlers(Binfmt::kDefaultDirectory);
  handlers.mount_if_needed();
  Handler handler = aarch64_handler(engine);
  handler.name = "grus-root-" + std::to_string(getpid());
  handlers.add(handler);
  int result = run_visibly(mmdebstrap_command(options, target));
  handlers.remove(handler.name);
  return result;
}

int in_child(const std::function<int()>& work) {
  std::cout.flush();
  pid_t pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    int result = kProblems;
    try {
      result = work();
    } catch (const Failure& failure) {
      std::cerr << "grus: " << printable_lines(failure.what()) << "\n";
      result = failure.code;
    } catch (const std::exception& error) {
      std::cerr << "grus: " << printable_lines(error.what()) << "\n";
    }
    _exit(result);
  }
  return wait_exit_code(pid);
}

void remove_tree(const fs::path& path) {
  // The files belong to the ids of the namespace: only there can they all be removed.
  int result = in_child([&] {
    if (geteuid() != 0) enter_user_namespace(Mapping::Full);
    std::error_code error;
    fs::remove_all(path, error);
    return error ? 1 : 0;
  });
  if (result) throw Failure(kProblems, "cannot remove " + path.string());
}

int create(const CreateOptions& options) {
  check_name(options.name);
  fs::path engine = find_engine(options.engine);
  if (!capture({{"mmdebstrap", "--version"}, "", -1, "", 10000}).exited_with(0))
    throw Failure(kUnsupported, "mmdebstrap is not installed (Debian: apt-get install mmdebstrap uidmap)");
  fs::create_directories(roots_directory());
  fs::path final = roots_directory() / options.name;
  if (fs::exists(final))
    throw Failure(kUsage,
                  "there is a root " + options.name + " already (grus root remove " + options.name + ")");
  fs::path partial = roots_directory() / ("." + options.name + ".partial");
  Descriptor lock(
      open((roots_directory() / ("." + options.name + ".lock")).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (flock(lock.get(), LOCK_EX | LOCK_NB))
    throw Failure(kProblems, "another grus is making the root " + options.name);
  if (fs::exists(partial)) remove_tree(partial);
  trim_cache(code_directory(), [&] { return translator_of(engine); });
  bool private_registration = Binfmt::private_instances_work();
  if (!private_registration && geteuid() != 0)
    throw Failure(kUnsupported, "this kernel has no private binfmt_misc (Linux 6.7 has): use sudo");
  int result = in_child([&] {
    return private_registration ? build_in_namespace(options, engine, partial)
                                : build_with_host_registration(options, engine, partial);
  });
  if (result) {
    std::cerr << "grus: mmdebstrap failed; what it made is in " << partial.string() << "\n";
    return kProblems;
  }
  fs::rename(partial, final);
  std::cout << final.string() << "\n";
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
  command->add_option("--suite", options->suite, "Debian's release")->capture_default_str();
  command->add_option("--variant", options->variant, "mmdebstrap's variant")->capture_default_str();
  command->add_option("--include", options->include, "packages to install, separated by commas")
      ->allow_extra_args(false);
  command->add_option("--mirror", options->mirror, "a mirror or a file of sources; default: as this host");
  command->add_option("--engine", options->engine, "the engine to use (GRUS_ENGINE)");
  command->callback([options, &result] { result = create(*options); });

  auto json = std::make_shared<bool>(false);
  command = root->add_subcommand("list", "the roots that there are");
  command->add_flag("--json", *json, "print one JSON list");
  command->callback([json, &result] { result = list(*json); });

  auto name = std::make_shared<std::string>();
  command = root->add_subcommand("remove", "remove one");
  command->add_option("name", *name)->required();
  command->callback([name] {
    check_name(*name);
    fs::path path = roots_directory() / *name;
    if (!fs::exists(path)) throw Failure(kUsage, "there is no root " + *name);
    fs::path gone = roots_directory() / ("." + *name + ".removed");
    fs::rename(path, gone);
    remove_tree(gone);
  });
}

}  // namespace grus::tool
