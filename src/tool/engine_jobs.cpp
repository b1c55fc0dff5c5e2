// SPDX-License-Identifier: MIT
#include "tool/engine_jobs.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tool/support.h"

namespace grus::tool {

namespace {

struct Running {
  const EngineJob* job;
  pid_t pid;
  Descriptor output;
  std::string text;
};

Running start(const std::filesystem::path& engine, const EngineJob& job) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) fail_errno("pipe", errno);
  std::string program = engine.string(), mode = "--cache=" + job.mode, argument = job.argument;
  char* argv[] = {program.data(), mode.data(), argument.data(), nullptr};
  pid_t pid = fork();
  if (pid < 0) fail_errno("fork", errno);
  if (pid == 0) {
    dup2(ends[1], 1);
    execv(program.c_str(), argv);
    _exit(127);
  }
  close(ends[1]);
  return {&job, pid, Descriptor(ends[0]), {}};
}

size_t cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 1 : static_cast<size_t>(CPU_COUNT(&set));
}

// On a terminal only, and drawn at most ten times a second: a session that is recorded keeps every one of them.
class Bar {
 public:
  explicit Bar(size_t all) : all_(all), shown_(isatty(2) && environment("TERM") != "dumb") {}
  ~Bar() { wipe(); }
  void show(size_t done, const std::string& title) {
    auto now = std::chrono::steady_clock::now();
    if (!shown_ || !all_ || now - drawn_at_ < std::chrono::milliseconds(100)) return;
    drawn_at_ = now;
    drawn_ = true;
    winsize size{};
    int columns = !ioctl(2, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
    constexpr size_t kWidth = 30;
    std::string bar(done * kWidth / all_, '#');
    bar.resize(kWidth, '.');
    std::string line = "[" + bar + "] " + std::to_string(done) + "/" + std::to_string(all_) + " " + printable(title);
    if (line.size() >= static_cast<size_t>(columns)) line.resize(static_cast<size_t>(columns) - 1);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
  }
  // Before anything else is printed.
  void wipe() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  size_t all_;
  bool shown_, drawn_ = false;
  std::chrono::steady_clock::time_point drawn_at_{};
};

}  // namespace

u64 translator_of(const std::filesystem::path& engine) {
  if (engine.empty()) return 0;
  Outcome outcome = capture({{engine.string(), "--cache=fingerprint", "-"}, "", -1, "", 1500});
  return outcome.exited_with(0) ? std::strtoull(outcome.output.c_str(), nullptr, 16) : 0;
}

void run_engine_jobs(const std::filesystem::path& engine, const std::vector<EngineJob>& jobs,
                     const std::function<void(const EngineJob&, const EngineAnswer&, std::ostream&)>& done) {
  std::vector<Running> running;
  size_t next = 0, finished = 0, most = cpus();
  Bar bar(jobs.size());
  while (finished < jobs.size()) {
    while (running.size() < most && next < jobs.size()) {
      bar.show(finished, jobs[next].title);
      running.push_back(start(engine, jobs[next++]));
    }
    std::vector<pollfd> fds;
    for (const Running& r : running) fds.push_back({r.output.get(), POLLIN, 0});
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) fail_errno("poll", errno);
    for (size_t i = fds.size(); i-- > 0;) {
      if (!fds[i].revents) continue;
      char buffer[4096];
      ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0) {
        running[i].text.append(buffer, static_cast<size_t>(n));
        continue;
      }
      Running r = std::move(running[i]);
      running.erase(running.begin() + static_cast<ptrdiff_t>(i));
      int status = wait_exit_code(r.pid);
      finished++;
      std::ostringstream said;
      done(*r.job, {status == 0, split(r.text, '\n')}, said);
      if (!said.view().empty()) {
        bar.wipe();
        std::cout << said.view();
      }
      bar.show(finished, r.job->title);
    }
  }
}

}  // namespace grus::tool
