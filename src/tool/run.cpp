// SPDX-License-Identifier: MIT
// grus run, grus shell: a command of an AArch64 root, run by the engine without any registration in the
// kernel.
//
// Guarantees: the engine is opened before the root is entered and executed by descriptor, so nothing is
// copied into the root; arguments, the status and signals are those of the command. Deliberately no
// container: the network, the process ids and the user are the caller's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tool/cache_files.h"
#include "tool/command.h"
#include "tool/engine_jobs.h"
#include "tool/engine_path.h"
#include "tool/namespaces.h"
#include "tool/platform.h"
#include "tool/roots.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

struct RunOptions {
  std::string root, engine, workdir, platform;
  std::vector<std::string> binds, environment, engine_options, command;
  bool as_root = false, clean = false;
};

constexpr char kRootPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The file that execvp would execute: 126 and 127 as a shell gives them.
std::string look_up_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  bool denied = false;
  for (const std::string& directory : split(environment("PATH", kRootPath), ':')) {
    std::string path = directory + "/" + name;
    struct stat info;
    if (stat(path.c_str(), &info) || S_ISDIR(info.st_mode)) continue;
    if (access(path.c_str(), X_OK) == 0) return path;
    denied = true;
  }
  throw Failure(denied ? kCannotExecute : kNotFound, name + ": " + (denied ? "permission denied" : "command not found"));
}

[[noreturn]] void execute(int engine, const RunOptions& options) {
  std::string program = look_up_program(options.command[0]);
  std::vector<std::string> arguments = {"grus-aarch64"};
  arguments.insert(arguments.end(), options.engine_options.begin(), options.engine_options.end());
  arguments.insert(arguments.end(), {"-0", options.command[0], program});
  arguments.insert(arguments.end(), options.command.begin() + 1, options.command.end());
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  syscall(SYS_execveat, engine, "", argv.data(), environ, AT_EMPTY_PATH);
  if (errno == E2BIG) throw Failure(kCannotExecute, program + ": " + error_text(errno));
  throw Failure(kRunFailed, "cannot execute the engine: " + error_text(errno));
}

// HOME has to be a directory of the root that the user may write: cargo and many others keep their state
// there. Where the host's is none that he may write (/homeless-shelter, a user that nobody knows) it stays so.
void provide_home(RootPlan& plan, const RunOptions& options) {
  fs::path home = home_directory().lexically_normal();
  if (!home.has_filename()) home = home.parent_path();
  auto lies_in = [&](const std::string& directory) {
    return home == directory || starts_with(home.string(), directory + "/");
  };
  for (const auto& [source, target] : plan.binds)
    if (lies_in(target)) return;
  if (options.as_root || geteuid() == 0) {
    setenv("HOME", "/root", 1);
    return;
  }
  if (home == "/" || lies_in("/tmp") || lies_in("/dev") || !fs::is_directory(home)) return;
  fs::path own = cache_directory() / "home" / plan.root.filename();
  std::error_code error;
  fs::create_directories(own, error);
  if (error) return;
  plan.binds.insert(plan.binds.begin(), {own, home});  // first: the others may lie below it
}

void set_environment(const RunOptions& options) {
  if (options.clean) {
    std::string term = environment("TERM", "dumb");
    clearenv();
    setenv("TERM", term.c_str(), 1);
    setenv("HOME", "/root", 1);
  }
  // The host's PATH names programs of the host.
  setenv("PATH", kRootPath, 1);
  for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "QEMU_LD_PREFIX", "TMPDIR", "RUSTUP_HOME",
                           "RUSTUP_TOOLCHAIN", "CARGO_HOME", "CARGO", "OLDPWD"})
    unsetenv(name);
}

void apply(const std::vector<std::string>& assignments) {
  for (const std::string& assignment : assignments) {
    size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Failure(kUsage, "--env wants NAME=VALUE, not " + assignment);
    setenv(assignment.substr(0, equals).c_str(), assignment.c_str() + equals + 1, 1);
  }
}

// Directories whose content is the root's own: the host's would hide its programs.
bool belongs_to_the_system(const fs::path& directory) {
  if (!directory.has_root_directory()) return true;
  auto first = std::next(directory.begin());
  if (first == directory.end()) return true;
  for (const char* name :
       {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"})
    if (*first == name) return true;
  return *first == "var" && std::next(first) != directory.end() && *std::next(first) == "lib";
}

[[noreturn]] void run(const RunOptions& options) {
  if (!options.platform.empty() && machine_of(options.platform) != "aarch64")
    throw Failure(kUnsupported, "there is no engine for " + options.platform + " on " + host_machine());
  Descriptor engine(open(find_engine(options.engine).c_str(), O_RDONLY | O_CLOEXEC));
  if (!engine) fail_errno("cannot open the engine", errno);
  fs::path code = code_directory();
  trim_cache(code, [&] { return translator_of(find_engine_if_any(options.engine)); });
  if (options.root.empty()) {
    apply(options.environment);
    hand_over_code_directory(code);
    if (!options.workdir.empty() && chdir(options.workdir.c_str())) fail_errno(options.workdir, errno);
    execute(engine.get(), options);
  }
  RootPlan plan;
  plan.root = resolve_root(options.root);
  std::error_code removed;
  fs::path current = fs::current_path(removed);  // empty: there is nothing to bind
  bool bind_current = !belongs_to_the_system(current);
  // A directory of the root itself is there already, under its own name.
  fs::path inside = current.lexically_relative(plan.root);
  bool within = !inside.empty() && *inside.begin() != "..";
  if (within) bind_current = false;
  if (bind_current) plan.binds.emplace_back(current, current);
  for (const std::string& bind : options.binds) {
    size_t colon = bind.find(':');
    std::string source = fs::absolute(bind.substr(0, colon));
    std::string target = colon == std::string::npos ? source : bind.substr(colon + 1);
    if (target.empty() || target[0] != '/')
      throw Failure(kUsage, "--bind wants an absolute path in the root: " + bind);
    plan.binds.emplace_back(source, target);
  }
  plan.optional_binds = {"/etc/resolv.conf", "/etc/hosts"};
  for (const char* name : {"SSL_CERT_FILE", "CARGO_HTTP_CAINFO", "CURL_CA_BUNDLE"})
    if (std::string file = environment(name); !file.empty()) plan.optional_binds.push_back(file);
  if (!options.workdir.empty())
    plan.workdir = options.workdir;
  else if (bind_current)
    plan.workdir = current;
  else
    plan.workdir = within ? (fs::path("/") / inside).lexically_normal() : "/";
  set_environment(options);
  provide_home(plan, options);
  setenv("PWD", plan.workdir.c_str(), 1);
  apply(options.environment);
  enter_mount_namespace(options.as_root ? Mapping::SelfAsRoot : Mapping::Self);
  hand_over_code_directory(code);
  enter_root(plan);
  execute(engine.get(), options);
}

void common_options(CLI::App* command, RunOptions& options) {
  command->add_option("--root,-r", options.root,
                      "an AArch64 root: a directory, or the name of one that `grus root` made");
  command
      ->add_option("--bind,-b", options.binds,
                   "HOST[:ROOT], bind a file or directory of the host into the root")
      ->allow_extra_args(false);
  command->add_option("--workdir,-w", options.workdir, "the directory to start in");
  command->add_option("--env,-e", options.environment, "NAME=VALUE for the command")->allow_extra_args(false);
  command->add_option("--engine", options.engine, "the engine to use (GRUS_ENGINE)");
  command->add_option("--engine-option", options.engine_options, "an option for the engine, such as --strace")
      ->allow_extra_args(false);
  command->add_flag("--as-root", options.as_root, "be user 0 in the root, mapped to the caller");
  command->add_flag("--clean-env", options.clean, "do not pass the environment on");
  command->add_option("--platform", options.platform, "accepted for other tools' sake: linux/arm64");
}

}  // namespace

void add_run(CLI::App& app, int&) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "run an AArch64 command, in a root or in place");
  common_options(command, *options);
  command->add_option("command", options->command, "the command and its arguments, after --")->required();
  command->positionals_at_end();
  command->footer("Status: the command's; 125: grus failed, 126: the command cannot be executed, 127: it is not there.\n"
                  "Example: grus run --root demo -- cargo nextest run");
  command->callback([options] { run(*options); });

  auto shell = std::make_shared<RunOptions>();
  command = app.add_subcommand("shell", "an interactive shell in a root");
  common_options(command, *shell);
  command->get_option("--root")->required();
  command->callback([shell] {
    fs::path root = resolve_root(shell->root);
    shell->command = {fs::exists(root / "bin/bash") ? "/bin/bash" : "/bin/sh"};
    run(*shell);
  });
}

}  // namespace grus::tool
