// SPDX-License-Identifier: MIT
// The AArch64 side of qemu_oracle.cpp: executes single instructions with given FPCR and operands, as the CPU
// at hand does (QEMU, or a real one), and prints what came out. Binary on stdin and stdout, oracle.h says
// how.
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

// One state through the code at `code` (instruction, ret). x0 is 0 before.
static void execute(const struct OracleIn* in, struct OracleOut* out, const void* code) {
  register const struct OracleIn* i __asm__("x19") = in;
  register struct OracleOut* o __asm__("x20") = out;
  register const void* c __asm__("x21") = code;
  __asm__ volatile(
      "ldp q0, q1, [x19, #16]\n"
      "ldp q2, q3, [x19, #48]\n"
      "mov v18.16b, v2.16b\n"
      "ldr w9, [x19, #4]\n"
      "msr nzcv, x9\n"
      "ldr x1, [x19, #8]\n"
      "ldr w9, [x19]\n"
      "mov x0, #0\n"
      "msr fpsr, xzr\n"
      "msr fpcr, x9\n"
      "blr x21\n"
      "mrs x9, nzcv\n"
      "mrs x10, fpsr\n"
      "msr fpcr, xzr\n"
      "stp w10, w9, [x20]\n"
      "str x0, [x20, #8]\n"
      "str q0, [x20, #16]\n"
      :
      : "r"(i), "r"(o), "r"(c)
      : "x0", "x1", "x9", "x10", "x30", "v0", "v1", "v2", "v3", "v18", "cc", "memory");
}

int main(void) {
  enum { kPage = 4096, kSlots = 64, kSlot = kPage / kSlots };
  char* page = mmap(NULL, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 1;
  static char buffer[1 << 20];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  struct OracleBatch batch;
  for (unsigned n = 0; fread(&batch, sizeof batch, 1, stdin) == 1; n++) {
    uint32_t* code = (uint32_t*)(page + n % kSlots * kSlot);
    code[0] = batch.word;
    code[1] = 0xd65f03c0;  // ret
    __builtin___clear_cache((char*)code, (char*)(code + 2));
    for (uint32_t k = 0; k < batch.count; k++) {
      struct OracleIn in;
      struct OracleOut out;
      if (fread(&in, sizeof in, 1, stdin) != 1) return 1;
      execute(&in, &out, code);
      if (fwrite(&out, sizeof out, 1, stdout) != 1) return 1;
    }
  }
  return 0;
}
