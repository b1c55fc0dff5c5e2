// SPDX-License-Identifier: MIT
// grus run, grus shell: a command of an AArch64 root, run by the engine without any registration in the
// kernel.
//
// Guarantees: the engine is opened before the root is entered and executed by descriptor, so nothing is
// copied into the root; arguments, the status and signals are those of the command, and its processes end with it. Deliberately
// no container beyond that: the network and the user are the caller's.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tool/cache_files.h"
#include "tool/command.h"
#include "tool/engine_jobs.h"
#include "tool/engine_path.h"
#include "tool/guest_environment.h"
#include "tool/guest_files.h"
#include "tool/namespaces.h"
#include "tool/platform.h"
#include "tool/roots.h"
#include "tool/supervise.h"
#include "tool/workspace.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

struct RunOptions {
  std::string root, engine, workdir, platform;
  std::vector<std::string> binds, environment, engine_options, command;
  bool as_root = false, clean = false, shell = false;
};

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

// NAME=VALUE, or NAME for the value that it has here.
std::vector<std::pair<std::string, std::string>> assignments(const std::vector<std::string>& options) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const std::string& option : options) {
    size_t equals = option.find('=');
    if (equals == 0 || option.empty()) throw Failure(kUsage, "--env wants NAME=VALUE or NAME, not '" + option + "'");
    const char* value = equals == std::string::npos ? getenv(option.c_str()) : option.c_str() + equals + 1;
    if (!value) throw Failure(kUsage, "--env " + option + ": there is no such variable here; NAME=VALUE sets one");
    result.emplace_back(option.substr(0, equals), value);
  }
  return result;
}

void apply(const std::vector<std::pair<std::string, std::string>>& variables) {
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
}

// HOST[:ROOT[:ro]], as Docker's -v.
RootPlan::Bind parse_bind(const std::string& option) {
  std::vector<std::string> parts = split(option, ':');
  if (parts.empty() || parts.size() > 3 || option.front() == ':')
    throw Failure(kUsage, "--bind wants HOST[:ROOT[:ro]], not '" + option + "'");
  RootPlan::Bind bind = {fs::absolute(parts[0]).lexically_normal(), "", false};
  bind.target = parts.size() > 1 ? parts[1] : bind.source;
  if (bind.target[0] != '/') throw Failure(kUsage, "--bind wants an absolute path in the root: " + option);
  if (parts.size() == 3)
    for (const std::string& word : split(parts[2], ',')) {
      if (word != "ro" && word != "rw") throw Failure(kUsage, "--bind knows ro and rw, not '" + word + "': " + option);
      bind.read_only = word == "ro";
    }
  return bind;
}

// A root for this host's own machine would run without the engine and without a word.
void refuse_other_roots(const fs::path& root, const std::string& name) {
  for (const char* program : {"/bin/sh", "/usr/bin/env", "/bin/bash", "/bin/busybox"}) {
    fs::path file = find_in_root(root, program);
    Elf64_Ehdr header = {};
    Descriptor fd(file.empty() ? -1 : open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || read(fd.get(), &header, sizeof header) != sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG)) continue;
    if (header.e_machine == EM_AARCH64) return;
    const char* machine = header.e_machine == EM_X86_64 ? "x86-64" : header.e_machine == EM_386 ? "i386" : nullptr;
    throw Failure(kUnsupported, name + " is no AArch64 root: its " + program + " is for " + (machine ? machine : "another machine") +
                                    "; `grus root create` makes one");
  }
}

RootPlan plan_root(const RunOptions& options) {
  RootPlan plan;
  plan.root = fs::canonical(resolve_root(options.root));
  refuse_other_roots(plan.root, options.root);
  Workspace workspace = find_workspace(plan.root, options.workdir.empty());
  for (const std::string& option : options.binds) plan.binds.push_back(parse_bind(option));
  plan.optional_binds = {"/etc/resolv.conf", "/etc/hosts"};
  for (const char* name : {"SSL_CERT_FILE", "CARGO_HTTP_CAINFO", "CURL_CA_BUNDLE"})
    if (std::string file = environment(name); !file.empty()) plan.optional_binds.push_back(file);
  for (size_t i = workspace.directories.size(); i-- > 0;)
    plan.binds.insert(plan.binds.begin(), {workspace.directories[i], workspace.directories[i], false});
  plan.workdir = options.workdir.empty() ? workspace.start : options.workdir;
  return plan;
}

[[noreturn]] void run(const RunOptions& options) {
  if (!options.platform.empty() && machine_of(options.platform) != "aarch64")
    throw Failure(kUnsupported, "there is no engine for " + options.platform + " on " + host_machine());
  Descriptor engine(open(find_engine(options.engine).c_str(), O_RDONLY | O_CLOEXEC));
  if (!engine) fail_errno("cannot open the engine", errno);
  fs::path code = code_directory();
  trim_cache(code, [&] { return translator_of(find_engine_if_any(options.engine)); });
  const auto variables = assignments(options.environment);
  if (options.root.empty()) {
    apply(variables);
    hand_over_code_directory(code);
    if (!options.workdir.empty() && chdir(options.workdir.c_str())) fail_errno(options.workdir, errno);
    execute(engine.get(), options);
  }
  RootPlan plan = plan_root(options);
  const fs::path homes = cache_directory() / "home";
  if (options.clean) clear_environment();
  provide_home(plan, homes, options.as_root);
  drop_host_variables(plan.root);
  if (options.shell) set_prompt("arm64 " + plan.root.filename().string());
  setenv("PWD", plan.workdir.c_str(), 1);
  apply(variables);
  Mapping mapping = Mapping::Self;
  if (options.as_root) {
    std::string lack = lacks_full_mapping();
    mapping = lack.empty() ? Mapping::Full : Mapping::SelfAsRoot;
    if (!lack.empty())
      std::fprintf(stderr, "grus: user 0 is the only one in the root, apt-get, su and sudo need others: %s\n", lack.c_str());
  } else if (geteuid() != 0) {
    introduce_user(plan);
  }
  enter_mount_namespace(mapping);
  hand_over_code_directory(code);
  supervise([&] {
    enter_root(plan);
    execute(engine.get(), options);
  });
  std::abort();
}

void common_options(CLI::App* command, RunOptions& options) {
  command->add_option("--root,-r", options.root,
                      "an AArch64 root: a directory, or the name of one that `grus root` made");
  command
      ->add_option("--bind,-b", options.binds,
                   "HOST[:ROOT[:ro]], show a file or directory of the host in the root; the working directory is shown, with "
                   "the repository or workspace that encloses it")
      ->allow_extra_args(false);
  command->add_option("--workdir,-w", options.workdir, "the directory to start in");
  command
      ->add_option("--env,-e", options.environment,
                   "NAME=VALUE for the command, or NAME with the value it has here; JAVA_HOME, PYTHONPATH and others that name "
                   "files of the host pass only so (docs/roots.md)")
      ->allow_extra_args(false);
  command->add_option("--engine", options.engine, "the engine to use (GRUS_ENGINE)");
  command->add_option("--engine-option", options.engine_options, "an option for the engine, such as --strace")
      ->allow_extra_args(false);
  command->add_flag("--as-root", options.as_root,
                    "be user 0 in the root: the caller; other users are ids of /etc/subuid. For apt-get, su, sudo");
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
    shell->command = {find_in_root(root, "/bin/bash").empty() ? "/bin/sh" : "/bin/bash"};
    shell->shell = true;
    run(*shell);
  });
}

}  // namespace grus::tool
