// SPDX-License-Identifier: MIT
// A branch that leads, for the first time, to code that this thread has executed by another way, and that another thread has
// rewritten since: it must be linked to the new code, not to the old one whose address this thread's table still holds. And an
// entry whose NOP has become a branch: the old code, which this thread still finds, has nothing for a NOP.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

static uint32_t* page;
static atomic_int step;
static int first, entered;
static long sum;

static void* worker(void* none) {
  int (*volatile directly)(void) = (int (*)(void))(page + 8200);
  int (*volatile by_jump)(void) = (int (*)(void))page;
  int (*volatile entry)(void) = (int (*)(void))(page + 8300);
  first = directly();
  entered = entry();
  step = 1;
  while (step != 2) {}
  entered = entered * 10 + entry();
  for (int i = 0; i < 100000; i++) sum += by_jump();
  return none;
}

int main(void) {
  page = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 2;
  page[0] = 0x14000000 | 8200;  // b page + 8200: too far for one region
  page[8200] = 0x52800020;      // mov w0, #1
  page[8201] = 0xd65f03c0;      // ret
  page[8300] = 0xd503201f;      // nop
  page[8301] = 0x52800020;      // mov w0, #1
  page[8302] = 0xd65f03c0;      // ret
  page[8303] = 0x52800040;      // mov w0, #2
  page[8304] = 0xd65f03c0;      // ret
  pthread_t thread;
  if (pthread_create(&thread, NULL, worker, NULL)) return 2;
  while (step != 1) {}
  page[8200] = 0x52800040;  // mov w0, #2
  page[8300] = 0x14000003;  // b page + 8303
  __builtin___clear_cache((char*)page, (char*)page + 65536);
  step = 2;
  pthread_join(thread, NULL);
  printf("%d %d %ld\n", first, entered, sum);
  return first != 1 || entered != 12 || sum != 200000;
}
