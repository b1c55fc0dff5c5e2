// SPDX-License-Identifier: MIT
// derail ENGINE PROGRAM: waits until the program is up, then sends its host pc to where nothing is, as an engine's own mistake
// would; exits 0 when it died by SIGSEGV. What it reported is on stderr.
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int up[2];
  if (pipe(up)) return 2;
  pid_t child = fork();
  if (!child) {
    dup2(up[1], 1);
    close(up[0]);
    close(up[1]);
    execl(argv[1], argv[1], argv[2], "for-ever", static_cast<char*>(nullptr));
    _exit(126);
  }
  close(up[1]);
  char c;
  if (read(up[0], &c, 1) != 1) return 3;
  usleep(50000);
  int status;
  user_regs_struct r;
  if (ptrace(PTRACE_ATTACH, child, 0, 0) || waitpid(child, &status, 0) != child) return 4;
  if (ptrace(PTRACE_GETREGS, child, 0, &r)) return 5;
  r.rip = 0x10;
  if (ptrace(PTRACE_SETREGS, child, 0, &r) || ptrace(PTRACE_DETACH, child, 0, 0)) return 6;
  if (waitpid(child, &status, 0) != child) return 7;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 8;
}
