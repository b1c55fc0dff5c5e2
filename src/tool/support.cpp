// SPDX-License-Identifier: MIT
// Files, child processes and messages for the tool; see support.h.
#include "tool/support.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tool/namespaces.h"

namespace grus::tool {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::string error_text(int error) { return std::strerror(error); }

void fail_errno(const std::string& what, int error) {
  throw Failure(error == EPERM || error == EACCES ? kNotPermitted : kProblems,
                what + ": " + error_text(error));
}

void Descriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}
Descriptor::~Descriptor() { close(); }

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int write_file(const fs::path& path, std::string_view text, int flags) {
  Descriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644));
  if (!fd) return errno;
  ssize_t done = write(fd.get(), text.data(), text.size());
  if (done < 0) return errno;
  return static_cast<size_t>(done) == text.size() ? 0 : EIO;
}

ScratchDirectory::ScratchDirectory(const std::string& name) {
  // A TMPDIR that is gone or full is no reason to fail.
  for (const std::string& place : {environment("TMPDIR", "/tmp"), std::string("/tmp"), std::string("/var/tmp"), std::string("/dev/shm")}) {
    std::string pattern = place + "/grus-" + name + "-XXXXXX";
    if (mkdtemp(pattern.data())) {
      path_ = pattern;
      return;
    }
  }
  fail_errno("cannot make a temporary directory", errno);
}
ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool Outcome::exited_with(int code) const {
  return status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

std::string Outcome::describe() const {
  if (error) return error_text(error);
  if (timed_out) return "did not end in time";
  if (status < 0) return "could not be started";
  if (WIFSIGNALED(status)) return std::string("died of SIG") + sigabbrev_np(WTERMSIG(status));
  std::string text = "exit status " + std::to_string(WEXITSTATUS(status));
  std::string first = errors.substr(0, errors.find('\n'));
  return first.empty() ? text : text + " (" + first + ")";
}

namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& s : strings) result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

// In the child; only what is safe after fork in a program without threads.
[[noreturn]] void become(const Child& child, int error_pipe) {
  auto give_up = [&](int error) {
    [[maybe_unused]] ssize_t n = write(error_pipe, &error, sizeof error);
    _exit(127);
  };
  if (!child.root.empty()) {
    try {
      if (geteuid() != 0) enter_user_namespace(Mapping::SelfAsRoot);
    } catch (const Failure&) {
      give_up(EPERM);
    }
    if (chroot(child.root.c_str()) || chdir("/")) give_up(errno);
  }
  std::vector<char*> argv = pointers(child.arguments);
  if (child.program_fd >= 0)
    syscall(SYS_execveat, child.program_fd, "", argv.data(), environ, AT_EMPTY_PATH);
  else if (child.program.empty())
    execvp(argv[0], argv.data());
  else
    execv(child.program.c_str(), argv.data());
  give_up(errno);
  _exit(127);
}

// Reads both pipes until they are closed or the time is over.
bool drain(int out, int err, std::string& output, std::string& errors, Clock::time_point end) {
  pollfd fds[] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* texts[] = {&output, &errors};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0 || poll(fds, 2, static_cast<int>(left)) < 0) return false;
    for (int i = 0; i < 2; i++) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      char buffer[4096];
      ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0)
        texts[i]->append(buffer, static_cast<size_t>(n));
      else
        fds[i].fd = -1;
    }
  }
  return true;
}

}  // namespace

Outcome capture(const Child& child) {
  Outcome result;
  int out[2], err[2], failed[2];
  if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(failed, O_CLOEXEC)) fail_errno("pipe", errno);
  auto begin = Clock::now();
  pid_t pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    become(child, failed[1]);
  }
  setpgid(pid, pid);
  Descriptor out_read(out[0]), err_read(err[0]), failed_read(failed[0]);
  close(out[1]);
  close(err[1]);
  close(failed[1]);
  if (!drain(out[0], err[0], result.output, result.errors,
             begin + std::chrono::milliseconds(child.timeout_ms))) {
    result.timed_out = true;
    kill(-pid, SIGKILL);
  }
  waitpid(pid, &result.status, 0);
  result.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  if (read(failed[0], &result.error, sizeof result.error) != sizeof result.error) result.error = 0;
  return result;
}

int run_visibly(const std::vector<std::string>& arguments) {
  pid_t pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    std::vector<char*> argv = pointers(arguments);
    execvp(argv[0], argv.data());
    int error = errno;
    dprintf(2, "grus: %s: %s\n", argv[0], std::strerror(error));
    _exit(error == ENOENT ? 127 : 126);
  }
  return wait_exit_code(pid);
}

int wait_exit_code(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

fs::path home_directory() {
  if (const char* home = getenv("HOME"); home && *home == '/') return home;
  if (const passwd* entry = getpwuid(geteuid()); entry && entry->pw_dir[0] == '/') return entry->pw_dir;
  return "/";
}

fs::path code_directory() {
  std::string choice = environment("GRUS_CACHE");
  if (choice == "off") return {};
  if (!choice.empty() && choice[0] == '/') {
    mkdir(choice.c_str(), 0700);
    return choice;
  }
  if (!choice.empty() && choice != "ro" && choice != "rw")
    throw Failure(kUsage, "GRUS_CACHE is off, ro, rw or the absolute path of a directory, not '" + choice + "'");
  fs::path directory = cache_directory() / "code";
  std::error_code error;
  // A home that does not exist is meant not to (/homeless-shelter).
  if (environment("XDG_CACHE_HOME").empty() && !fs::is_directory(home_directory(), error)) return {};
  if (fs::create_directories(directory.parent_path(), error); error) return {};
  if (mkdir(directory.c_str(), 0700) && errno != EEXIST) return {};
  return directory;
}

void hand_over_code_directory(const fs::path& directory) {
  unsetenv("GRUS_CACHE_FD");
  if (directory.empty()) return;
  int fd = open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) return;
  // The engine takes a descriptor for the cache only when it finds this file in it: the number may have been reused.
  int index = openat(fd, "index", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (index >= 0) close(index);
  // Where the caller may: as a mount of its own that is nowhere in the tree, so that ".." does not lead out of it into what a root
  // or a jail of the guest hides.
  if (int mount = static_cast<int>(syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)); mount >= 0) {
    close(fd);
    fd = mount;
  }
  int high = fcntl(fd, F_DUPFD, 500);  // out of the way of scripts that use small numbers
  if (high >= 0) {
    close(fd);
    fd = high;
  }
  setenv("GRUS_CACHE_FD", std::to_string(fd).c_str(), 1);
}

fs::path cache_directory() {
  std::string base = environment("XDG_CACHE_HOME");
  return (base.empty() || base[0] != '/' ? home_directory() / ".cache" : fs::path(base)) / "grus";
}

std::string environment(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

namespace {

// Bytes of the character at the begin of `text`, or 0: no UTF-8 (Unicode 15, table 3-7), or nothing that is to be printed.
size_t printable_prefix(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f && first != '\\';
  size_t length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  unsigned code = length ? first & (0xffu >> (length + 1)) : 0;
  for (size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  bool surrogate = code >= 0xd800 && code < 0xe000;
  bool control = code < 0xa0;  // C1: 0x9b begins a command
  bool layout = (code >= 0x200b && code < 0x2010) || (code >= 0x2028 && code < 0x202f) || (code >= 0x2060 && code < 0x2070) ||
                code == 0x061c || code == 0xfeff;
  return overlong || surrogate || control || layout || code > 0x10ffff ? 0 : length;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    size_t n = printable_prefix(text);
    if (n) {
      result += text.substr(0, n);
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
      result += escaped;
    }
    text.remove_prefix(n ? n : 1);
  }
  return result;
}

std::string printable_lines(std::string_view text) {
  std::string result;
  for (const std::string& line : split(text, '\n')) result += (result.empty() ? "" : "\n") + printable(line);
  return result;
}

}  // namespace grus::tool
