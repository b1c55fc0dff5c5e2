// SPDX-License-Identifier: MIT
// See root_build.h. A child in a process group of its own enters the namespaces and becomes mmdebstrap's supervisor; we read what
// mmdebstrap says. The end of that stream is the end of every process that was started.
#include "tool/root_build.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <iostream>
#include <optional>

#include "tool/binfmt.h"
#include "tool/engine_jobs.h"
#include "tool/namespaces.h"
#include "tool/supervise.h"
#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

constexpr char kDebianKeys[] = "/usr/share/keyrings/debian-archive-keyring.gpg";

// A file of sources of this host that has the release.
std::string sources_of_host(const std::string& suite) {
  for (const char* file : {"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"}) {
    std::string text = read_file(file).value_or("");
    if (text.find("ubuntu") != std::string::npos) continue;
    for (const std::string& line : split(text, '\n'))
      for (const std::string& word : split(line, ' '))
        if (line[0] != '#' && word == suite) return file;
  }
  return "";
}

// A proxy or a relaxed date check of the host's apt holds for the root's apt as well.
std::vector<std::string> apt_options() {
  std::vector<std::string> result;
  Outcome dump = capture({{"apt-config", "dump"}, "", -1, "", 5000});
  for (const std::string& line : split(dump.output, '\n'))
    for (const char* name :
         {"Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::Check-Valid-Until ", "Acquire::Check-Date "})
      if (starts_with(line, name)) result.push_back("--aptopt=" + line);
  return result;
}

// For the shell that runs hooks.
std::string quoted(const std::string& word) {
  std::string result = "'";
  for (char c : word) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::vector<std::string> mmdebstrap_command(const RootRecipe& recipe, const fs::path& target) {
  std::string mirror = recipe.mirror.empty() ? sources_of_host(recipe.suite) : recipe.mirror;
  if (mirror.empty() && access(kDebianKeys, R_OK))
    throw Failure(kUnsupported, std::string("the keys of Debian's archive are missing (") + kDebianKeys +
                                    "): apt-get install debian-archive-keyring, or --mirror with a file of sources that says Signed-By");
  // A root that is lost is made again: nothing in it has to reach the disk before dpkg goes on.
  std::vector<std::string> command = {"mmdebstrap", "--verbose", "--mode=root", "--architectures=arm64", "--skip=check/qemu",
                                      "--dpkgopt=force-unsafe-io", "--variant=" + recipe.variant};
  for (const std::string& option : apt_options()) command.push_back(option);
  std::string wanted;
  for (const std::string& packages : recipe.include) {
    command.push_back("--include=" + packages);
    std::string words = packages;
    for (char& c : words) c = c == ',' ? ' ' : c;
    for (const std::string& package : split(words, ' ')) wanted += " " + quoted(package);
  }
  // mmdebstrap asks for these after it has unpacked and configured all that is essential, minutes later.
  if (!wanted.empty())
    command.push_back("--setup-hook=export APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\"; apt-get -q update && apt-get -qq --simulate install" +
                      wanted + " > /dev/null");
  // Programs want the name localhost; sudo and `grus run`, which shows the host's, want the file.
  command.push_back("--customize-hook=test -e \"$1\"/etc/hosts || echo '127.0.0.1 localhost' > \"$1\"/etc/hosts");
  command.push_back(recipe.suite);
  command.push_back(target);
  if (!mirror.empty()) command.push_back(mirror);
  return command;
}

[[noreturn]] void execute(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  throw Failure(kProblems, command[0] + ": " + error_text(errno));
}

// What mmdebstrap, apt and dpkg say, as steps. On a terminal one line changes; elsewhere each step is a line, and one now and then.
class Progress {
 public:
  void feed(std::string_view text) {
    for (char c : text) {
      if (c != '\n' && c != '\r') {
        line_ += c;
        continue;
      }
      if (!line_.empty()) take(line_);
      line_.clear();
    }
  }
  void tick() {
    if (terminal_ || seconds() - shown_ >= kQuiet) show();
  }
  void end() {
    if (terminal_) std::fprintf(stderr, "\r\033[K");
  }
  // The last lines that may say why, and what to do where that is known.
  std::string reasons(const std::string& suite) const {
    std::string result;
    bool errors = false;
    for (const std::string& line : last_) errors |= starts_with(line, "E:");
    for (const std::string& line : last_)
      if (!errors || starts_with(line, "E:") || starts_with(line, "W:")) result += "\n  " + line;
    for (const std::string& line : last_)
      if (line.find("NO_PUBKEY") != std::string::npos)
        return result + "\n  the package debian-archive-keyring of this host is older than " + suite + ": install a newer one";
    return result;
  }

 private:
  static constexpr int kQuiet = 10;  // seconds
  static constexpr size_t kLast = 15;
  const bool terminal_ = isatty(2);
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::string line_, step_ = "starting", detail_;
  std::deque<std::string> last_;
  unsigned fetched_ = 0, unpacked_ = 0, configured_ = 0;
  int shown_ = 0;

  int seconds() const {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin_).count());
  }

  void take(const std::string& line) {
    // A user namespace may not mount another's /sys; mmdebstrap goes on without.
    if (starts_with(line, "mount: ") || line.find("dmesg(1)") != std::string::npos || line.find("/proc normally failed") != std::string::npos)
      return;
    // Of no use beside the reason itself.
    if (starts_with(line, "E: command failed: export APT_CONFIG") || starts_with(line, "E: mmdebstrap failed to run")) return;
    if (starts_with(line, "I: ")) return begin_step(line.substr(3));
    if (starts_with(line, "Get:"))
      detail_ = std::to_string(++fetched_) + " files fetched";
    else if (starts_with(line, "Unpacking ") || starts_with(line, "Selecting previously"))
      detail_ = std::to_string(unpacked_ += starts_with(line, "Unp")) + " packages unpacked";
    else if (starts_with(line, "Setting up "))
      detail_ = std::to_string(++configured_) + " packages set up";
    last_.push_back(line);
    if (last_.size() > kLast) last_.pop_front();
  }

  void begin_step(const std::string& words) {
    for (const char* empty : {"skipping ", "finding correct", "automatically chosen", "main() received", "success in", "running --customize-hook"})
      if (starts_with(words, empty)) return;
    step_ = starts_with(words, "running --setup-hook") ? "looking for the packages" : words;
    if (step_.size() > 3 && step_.ends_with("...")) step_.resize(step_.size() - 3);
    detail_.clear();
    if (!terminal_) show();
  }

  void show() {
    shown_ = seconds();
    const std::string text = "[" + std::to_string(shown_) + " s] " + printable(step_) + (detail_.empty() ? "" : " (" + detail_ + ")");
    if (terminal_)
      std::fprintf(stderr, "\r\033[K%.79s", text.c_str());
    else
      std::fprintf(stderr, "%s\n", text.c_str());
  }
};

// Signals that end a process at its user's will, kept for us to ask for.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
      struct sigaction now;
      sigaction(number, nullptr, &now);
      if (now.sa_handler != SIG_IGN) sigaddset(&set_, number);  // nohup
    }
    sigprocmask(SIG_BLOCK, &set_, &before_);
    fd_ = Descriptor(signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Signals() { restore(); }
  void restore() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  int fd() const { return fd_.get(); }
  int take() const {
    signalfd_siginfo info;
    return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  sigset_t set_, before_;
  Descriptor fd_;
};

void enter_and_execute(bool private_registration, const fs::path& engine, const std::vector<std::string>& command) {
  const fs::path code = code_directory();
  if (private_registration) {
    enter_user_namespace(Mapping::Full);
    hand_over_code_directory(code);
    mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    Binfmt private_handlers(Binfmt::kDefaultDirectory);
    private_handlers.mount_private();
    private_handlers.add(aarch64_handler(engine));
  } else {
    enter_mount_namespace(Mapping::Full);
    hand_over_code_directory(code);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // here: a change of the user takes it back
  supervise([&] { execute(command); });
}

// Runs it to its end, or to a signal, which is returned.
int run_to_the_end(const std::function<void()>& work, const Signals& signals, Progress& progress, int& status) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) fail_errno("pipe", errno);
  Descriptor reading(ends[0]), writing(ends[1]);
  std::cout.flush();
  pid_t self = getpid(), pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    setpgid(0, 0);  // Ctrl-C is for us, who know what to do
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() != self || dup2(null, 0) < 0 || dup2(writing.get(), 1) < 0 || dup2(writing.get(), 2) < 0) _exit(kProblems);
    signals.restore();
    try {
      work();
    } catch (const std::exception& error) {
      dprintf(2, "E: %s\n", error.what());
    }
    _exit(kProblems);
  }
  writing.close();
  int ended_by = 0;
  for (;;) {
    pollfd fds[] = {{reading.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    poll(fds, 2, 1000);
    progress.tick();
    if (int number = signals.take(); number && !ended_by) {
      ended_by = number;
      kill(pid, SIGKILL);
    }
    if (!fds[0].revents) continue;
    char buffer[4096];
    ssize_t n = read(reading.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    progress.feed({buffer, static_cast<size_t>(n)});
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return ended_by;
}

bool remove_below(const fs::path& directory, std::vector<std::string>& left) {
  std::error_code error;
  bool all = true;
  fs::directory_iterator entries(directory, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    const fs::path& path = entries->path();
    std::error_code ignored;
    if (entries->symlink_status(ignored).type() == fs::file_type::directory) {
      if (!remove_below(path, left)) {
        all = false;
        continue;
      }
      if (rmdir(path.c_str()) == 0) continue;
    } else if (unlink(path.c_str()) == 0) {
      continue;
    }
    left.push_back(path.string() + ": " + error_text(errno));
    all = false;
  }
  if (!error) return all;
  left.push_back(directory.string() + ": " + error.message());
  return false;
}

}  // namespace

// The files belong to the ids of the namespace: only there can they all be removed. What belongs to others stays.
std::vector<std::string> remove_tree(const fs::path& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) fail_errno("pipe", errno);
  Descriptor reading(ends[0]), writing(ends[1]);
  std::cout.flush();
  pid_t pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    std::vector<std::string> left;
    try {
      if (geteuid() != 0 && lacks_full_mapping().empty()) enter_user_namespace(Mapping::Full);
      if (remove_below(path, left) && rmdir(path.c_str())) left.push_back(path.string() + ": " + error_text(errno));
    } catch (const std::exception& error) {
      left.push_back(error.what());
    }
    for (const std::string& line : left) dprintf(writing.get(), "%s\n", line.c_str());
    _exit(0);
  }
  writing.close();
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(reading.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  waitpid(pid, nullptr, 0);
  std::error_code error;
  if (text.empty() && fs::exists(fs::symlink_status(path, error))) text = path.string() + ": cannot be removed";
  return split(text, '\n');
}

int build_root(const RootRecipe& recipe, const fs::path& engine, const fs::path& target) {
  if (!capture({{"mmdebstrap", "--version"}, "", -1, "", 10000}).exited_with(0))
    throw Failure(kUnsupported, "mmdebstrap is not installed (Debian: apt-get install mmdebstrap uidmap)");
  if (std::string lack = lacks_full_mapping(); !lack.empty())
    throw Failure(kNotPermitted, "a root's files belong to many users, and " + lack + ", or use sudo");
  const bool private_registration = Binfmt::private_instances_work();
  if (!private_registration && geteuid() != 0)
    throw Failure(kUnsupported, "this kernel has no private binfmt_misc (Linux 6.7 has): use sudo");
  const std::vector<std::string> command = mmdebstrap_command(recipe, target);
  Signals signals;
  Progress progress;
  std::optional<Handler> handler;
  Binfmt handlers(Binfmt::kDefaultDirectory);
  if (!private_registration) {
    handlers.mount_if_needed();
    handler = aarch64_handler(engine);
    handler->name = "grus-root-" + std::to_string(getpid());
    handlers.add(*handler);
  }
  int status = 0;
  int ended_by = run_to_the_end([&] { enter_and_execute(private_registration, engine, command); }, signals, progress, status);
  if (handler) handlers.remove(handler->name);
  progress.end();
  if (!ended_by && WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  std::string why = progress.reasons(recipe.suite);
  for (const std::string& line : remove_tree(target)) why += "\n  not removed: " + line;
  if (ended_by) {
    std::fprintf(stderr, "grus: ended by SIG%s; what was made is removed%s\n", sigabbrev_np(ended_by), why.find("\n  not removed") == why.npos ? "" : why.c_str());
    return ended_by;
  }
  throw Failure(kProblems, "mmdebstrap failed; what it made is removed:" + why);
}

}  // namespace grus::tool
