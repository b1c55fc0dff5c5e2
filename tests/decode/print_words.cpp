// SPDX-License-Identifier: MIT
// Reads words (binary, little endian) from standard input and prints one line each: row, tab, feature, tab,
// text. The address of the n-th word is 4 n, as in objdump of a binary file. The half of the comparison with
// binutils that is ours; compare_binutils.py is the other.
#include <cstdio>
#include <cstring>

#include "guest/aarch64/disasm.h"

using namespace grus;
using namespace grus::a64;

int main(int argc, char** argv) {
  if (argc > 1 && !strcmp(argv[1], "--rows")) {
    for (unsigned row = 1; row < static_cast<unsigned>(Op::kCount); row++)
      printf("%s\t%08x\t%08x\n", kRows[row].name, kRows[row].mask, kRows[row].value);
    return 0;
  }
  u32 word;
  for (u64 pc = 0; fread(&word, 4, 1, stdin) == 1; pc += 4) {
    const RowInfo& row = kRows[static_cast<unsigned>(decode(word))];
    char text[kDisassemblySize];
    disassemble(word, pc, text, sizeof text);
    printf("%s\t%s\t%s\n", row.name, feature_name(row.feature), text);
  }
}
