// SPDX-License-Identifier: MIT
// A branch that leads, for the first time, to code that was executed by another way, then rewritten: it must be linked to the
// new code, not to the old one whose address the indirect-branch table still holds.
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
  uint32_t* page = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 2;
  uint32_t *jump = page, *target = page + 8192;  // too far for one region
  *jump = 0x14000000 | 8192;  // b target
  target[0] = 0x52800020;   // mov w0, #1
  target[1] = 0xd65f03c0;   // ret
  int (*volatile directly)(void) = (int (*)(void))target;
  int (*volatile by_jump)(void) = (int (*)(void))jump;
  int first = directly();
  target[0] = 0x52800040;  // mov w0, #2
  __builtin___clear_cache((char*)page, (char*)page + 65536);
  long sum = 0;
  for (int i = 0; i < 100000; i++) sum += by_jump();
  printf("%d %ld\n", first, sum);
  return first != 1 || sum != 200000;
}
