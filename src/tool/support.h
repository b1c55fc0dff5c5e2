// SPDX-License-Identifier: MIT
// What every subcommand of the tool uses: exit codes, failures with a reason, files, child processes.
//
// Guarantees: a Failure carries the exit code that the program ends with and a message that names the cause;
// no function here prints. Deliberately not here: anything about roots, binfmt_misc or the engine.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grus::tool {

// Of the tool's own commands. A guest's status passes through unchanged.
enum ExitCode { kOk = 0, kProblems = 1, kUsage = 2, kNotPermitted = 3, kUnsupported = 4, kProbeFailed = 5 };
// Of `run` and `shell` where no guest gives one; the first stands for all of the above.
enum RunExitCode { kRunFailed = 125, kCannotExecute = 126, kNotFound = 127 };

struct Failure : std::runtime_error {
  Failure(int exit_code, const std::string& message) : std::runtime_error(message), code(exit_code) {}
  int code;
};

std::string error_text(int error);
// A Failure whose code follows from errno: EPERM and EACCES are "not permitted", all else is "problems".
[[noreturn]] void fail_errno(const std::string& what, int error);

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

 private:
  int fd_;
};

std::optional<std::string> read_file(const std::filesystem::path& path);
// 0 or errno. One write call: procfs and binfmt_misc want whole lines.
int write_file(const std::filesystem::path& path, std::string_view text, int flags = 0);

// A new empty directory below $TMPDIR, removed with its content at the end.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& name);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int status = -1;         // as waitpid gives it; -1: could not be started
  int error = 0;           // errno of the exec
  bool timed_out = false;  // was killed
  double milliseconds = 0;
  std::string output;  // standard output
  std::string errors;  // standard error
  bool exited_with(int code) const;
  std::string describe() const;
};

struct Child {
  std::vector<std::string> arguments;  // [0] is argv[0]
  std::string program;                 // empty: arguments[0], looked up in PATH
  int program_fd = -1;                 // executed instead of `program`
  std::filesystem::path root;          // chroot there first, in a user namespace when not root
  int timeout_ms = 1500;
};

// Runs `child` with captured output and an empty standard input.
Outcome capture(const Child& child);
// The exit code of a child as a shell gives it.
int wait_exit_code(pid_t pid);
// Runs `arguments` with our own streams; the exit status as a shell gives it.
int run_visibly(const std::vector<std::string>& arguments);

std::filesystem::path home_directory();
std::filesystem::path cache_directory();  // $XDG_CACHE_HOME/grus
// The directory of the translation cache, made if need be (GRUS_CACHE names another): the engine makes none. Empty when
// there is to be none.
std::filesystem::path code_directory();
// Leaves it open for the engines that this process will start, in whatever root, and tells them by GRUS_CACHE_FD. Call it
// when the environment is otherwise ready.
void hand_over_code_directory(const std::filesystem::path& directory);
std::string environment(const char* name, const std::string& otherwise = "");
std::vector<std::string> split(std::string_view text, char separator);
bool starts_with(std::string_view text, std::string_view prefix);
// For a terminal: names that a guest chose may hold commands to it. What is no printable UTF-8, what changes the direction of
// text, and backslashes are written as \xNN of each byte.
std::string printable(std::string_view text);
// The same for a message: its lines stay lines.
std::string printable_lines(std::string_view text);

}  // namespace grus::tool
