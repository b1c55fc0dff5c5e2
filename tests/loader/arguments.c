// SPDX-License-Identifier: MIT
// Prints what it was started with; $STATUS is its exit status.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

int main(int argc, char** argv, char** envp) {
  for (int i = 0; i < argc; i++) printf("<%s>", argv[i]);
  for (int i = 0; envp[i]; i++)
    if (!strncmp(envp[i], "T_", 2) || !strncmp(envp[i], "GRUS_HANDOVER", 13)) printf(" %s", envp[i]);
  printf(" execfn %s\n", (const char*)getauxval(AT_EXECFN));
  const char* status = getenv("STATUS");
  return status ? atoi(status) : 0;
}
