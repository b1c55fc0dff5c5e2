// SPDX-License-Identifier: MIT
// fork and exec, vfork and exec, posix_spawn: each starts /bin/true as often as argv[1] says.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char* arguments[] = {"/bin/true", 0};

static int reap(pid_t pid) {
  int status;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char** argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1, good = 0;
  for (int i = 0; i < rounds; i++) {
    pid_t pid = fork();
    if (pid == 0) execv(arguments[0], arguments), _exit(1);
    good += reap(pid);
    pid = vfork();
    if (pid == 0) execv(arguments[0], arguments), _exit(1);
    good += reap(pid);
    if (posix_spawn(&pid, arguments[0], 0, 0, arguments, environ)) return 1;
    good += reap(pid);
  }
  printf("%d\n", good);
  return 0;
}
