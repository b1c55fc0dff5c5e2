// SPDX-License-Identifier: MIT
// Prints who it is, whether the kernel says that it gained privileges, and its environment; "child" does so in a child that has
// the gained identity for its own.
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
  if (argc > 1 && !strcmp(argv[1], "child")) {
    setresgid(getegid(), getegid(), getegid());
    setresuid(geteuid(), geteuid(), geteuid());
    execl(argv[0], argv[0], (char*)0);
    return 1;
  }
  printf("uid %d euid %d secure %lu\n", getuid(), geteuid(), getauxval(AT_SECURE));
  for (char** e = environ; *e; e++) puts(*e);
  return 0;
}
