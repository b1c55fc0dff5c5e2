// SPDX-License-Identifier: MIT
// See supervise.h. Three processes of one process group: we, the first process of the namespace, and the program.
//
// The program is our child and not the first process's: so the kernel tells us of its stops and its end. setns() puts it into the
// namespace. In it, it has a number above 1: process 1 would ignore all signals that it does not handle (signal(7), pid_namespaces(7)).
#include "tool/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tool/support.h"

namespace grus::tool {

namespace {

// What ps shows of the first process: not the words of the command that it was forked from.
void rename_process(const char* name) {
  const size_t size = read_file("/proc/self/cmdline").value_or("").size();
  std::memset(program_invocation_name, 0, size);
  std::strncpy(program_invocation_name, name, size ? size - 1 : 0);
  prctl(PR_SET_NAME, name);
}

// The first process: orphans are reaped by the kernel (SIGCHLD ignored), and nothing has to be done for them. It is in the process
// group as a witness: all signals are blocked, so one that was sent to the group is pending here too, which it is asked for.
[[noreturn]] void be_first_process(int supervisor, bool of_namespace) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGCHLD, SIG_IGN);
  int error = of_namespace && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) ? errno : 0;
  rename_process("grus-init");
  if (dup2(supervisor, 0) < 0) _exit(1);
  close_range(1, ~0u, 0);
  if (write(0, &error, sizeof error) != sizeof error) _exit(1);
  // The end of the stream: the supervisor was gone before PR_SET_PDEATHSIG.
  for (int number; read(0, &number, sizeof number) == sizeof number;) {
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, number);
    timespec none = {};
    int seen = sigtimedwait(&asked, nullptr, &none) == number;
    if (write(0, &seen, sizeof seen) != sizeof seen) break;
  }
  _exit(1);
}

class Supervisor {
 public:
  void start(const std::function<void()>& become) {
    sigset_t all, mask;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    struct sigaction inherited, plain = {};
    plain.sa_handler = SIG_DFL;  // an ignored SIGCHLD would keep the status from us
    sigaction(SIGCHLD, &plain, &inherited);
    proc_ = Descriptor(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    bool contained = start_first_process(true) && enter_namespace_of_first();
    if (!contained) {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      start_first_process(false);
    }
    program_ = fork();
    if (program_ < 0) fail_errno("fork", errno);
    if (program_ > 0) return;
    if (!contained) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
    witness_.close();
    proc_.close();
    sigaction(SIGCHLD, &inherited, nullptr);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    become();
    _exit(kRunFailed);
  }

  [[noreturn]] void watch() {
    release_descriptors();
    sigset_t all;
    sigfillset(&all);
    for (;;) {
      siginfo_t info;
      int number = sigwaitinfo(&all, &info);
      if (number == SIGCHLD)
        look_at_children();
      else if (number > 0)
        pass_on(number, info);
    }
  }

 private:
  pid_t first_ = -1, program_ = -1;
  Descriptor witness_, proc_, terminal_;

  bool start_first_process(bool of_namespace) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) fail_errno("socketpair", errno);
    Descriptor ours(ends[0]), theirs(ends[1]);
    first_ = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD | (of_namespace ? CLONE_NEWPID : 0), 0, 0, 0, 0));
    if (first_ < 0) return false;
    if (first_ == 0) {
      ours.close();
      be_first_process(theirs.get(), of_namespace);
    }
    theirs.close();
    int error = EIO;
    if (read(ours.get(), &error, sizeof error) != sizeof error) error = EIO;
    witness_ = std::move(ours);
    if (error) end_first_process();
    return !error;
  }

  // Children from now on are in it.
  bool enter_namespace_of_first() {
    Descriptor handle(static_cast<int>(syscall(SYS_pidfd_open, first_, 0)));
    if (handle && setns(handle.get(), CLONE_NEWPID) == 0) return true;
    umount2("/proc", MNT_DETACH);  // its own, which is of no use here
    end_first_process();
    return false;
  }

  // Of a namespace: the kernel kills all its processes and has reaped them before this returns.
  void end_first_process() {
    if (first_ <= 0) return;
    kill(first_, SIGKILL);
    waitpid(first_, nullptr, __WALL);
    first_ = -1;
  }

  // Whoever reads a pipe that only the program writes to sees its end when the program closes it.
  void release_descriptors() {
    Descriptor terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    bool foreground = terminal && tcgetpgrp(terminal.get()) == getpgrp();
    for (Descriptor* kept : {&witness_, &proc_, &terminal})
      if (*kept) *kept = Descriptor(fcntl(kept->get(), F_DUPFD_CLOEXEC, 3));
    unsigned next = 0;
    for (Descriptor* kept : {&witness_, &proc_, &terminal})
      if (*kept) *kept = Descriptor(dup2(kept->get(), static_cast<int>(next++)));
    close_range(next, ~0u, 0);
    if (foreground) terminal_ = std::move(terminal);
  }

  void look_at_children() {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
      if (pid == first_ && !WIFSTOPPED(status)) first_ = -1;
      if (pid != program_) continue;
      if (WIFSTOPPED(status))
        stop_as(WSTOPSIG(status));
      else
        end_as(status);
    }
  }

  // The shell has to see its job stop. What continues the group, or us, continues the program as well.
  static void stop_as(int number) {
    sigset_t one, pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGCONT)) return;
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, nullptr);
    sigprocmask(SIG_BLOCK, &one, nullptr);
  }

  // Was the whole process group sent this signal? Then the program has it as well, if it is still in the group.
  bool sent_to_group(int number) {
    int seen = 0;
    return first_ > 0 && send(witness_.get(), &number, sizeof number, MSG_NOSIGNAL) == sizeof number &&
           read(witness_.get(), &seen, sizeof seen) == sizeof seen && seen;
  }

  void pass_on(int number, siginfo_t& info) {
    if (number == SIGCONT) {
      if (first_ > 0) kill(first_, SIGCONT);  // a SIGSTOP for the group stopped the witness, too
    } else if (sent_to_group(number)) {
      return;
    }
    if (info.si_code != SI_QUEUE || syscall(SYS_rt_sigqueueinfo, program_, number, &info)) kill(program_, number);
  }

  // Without a namespace what the program left has become ours.
  void kill_children() {
    for (;;) {
      std::string name = "self/task/" + std::to_string(getpid()) + "/children";
      Descriptor list(openat(proc_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
      char text[4096];
      ssize_t n = list ? read(list.get(), text, sizeof text - 1) : 0;
      if (n <= 0) return;
      for (const std::string& child : split({text, static_cast<size_t>(n)}, ' '))
        if (pid_t pid = std::atoi(child.c_str()); pid > 0) kill(pid, SIGKILL);
      while (waitpid(-1, nullptr, __WALL) < 0 && errno == EINTR) {
      }
    }
  }

  [[noreturn]] void end_as(int status) {
    end_first_process();
    kill_children();
    // A shell of the root that had the terminal could not give it back to a group that it does not see.
    if (terminal_)
      if (pid_t group = tcgetpgrp(terminal_.get()); group > 0 && group != getpgrp() && kill(-group, 0) && errno == ESRCH)
        tcsetpgrp(terminal_.get(), getpgrp());
    if (WIFSIGNALED(status)) {
      int number = WTERMSIG(status);
      prctl(PR_SET_DUMPABLE, 0);  // the program has left its core
      signal(number, SIG_DFL);
      raise(number);
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_UNBLOCK, &all, nullptr);
      _exit(128 + number);
    }
    _exit(WEXITSTATUS(status));
  }
};

}  // namespace

void supervise(const std::function<void()>& become) {
  Supervisor supervisor;
  supervisor.start(become);
  supervisor.watch();
}

}  // namespace grus::tool
