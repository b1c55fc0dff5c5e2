// SPDX-License-Identifier: MIT
// A bytecode machine by computed goto, and calls through pointers: every few instructions an indirect branch.
#include <stdint.h>
#include <stdio.h>

static uint64_t add(uint64_t a) { return a + 0x9e3779b97f4a7c15; }
static uint64_t rotate(uint64_t a) { return a << 7 | a >> 57; }
static uint64_t mix(uint64_t a) { return a ^ a >> 29; }
static uint64_t (*volatile calls[])(uint64_t) = {add, rotate, mix, rotate};

int main(void) {
  static const unsigned char program[] = {0, 1, 2, 0, 3, 1, 1, 2, 0, 2, 3, 1, 0, 0, 2, 1, 4};
  static const void* const labels[] = {&&op_add, &&op_xor, &&op_shift, &&op_call, &&op_end};
  uint64_t a = 1, n = 0;
  const unsigned char* p = program;
#define NEXT goto* labels[*p++]
  NEXT;
op_add:
  a += n;
  NEXT;
op_xor:
  a ^= a << 5;
  NEXT;
op_shift:
  a = (a >> 3) + (a << 11);
  NEXT;
op_call:
  a = calls[a & 3](a);
  NEXT;
op_end:
  p = program;
  if (++n < 16000000) NEXT;
  printf("%llu\n", (unsigned long long)a);
  return 0;
}
