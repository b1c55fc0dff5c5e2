// SPDX-License-Identifier: MIT
// Text of one instruction, from the assembly column of its row.
//
// Guarantees: architectural mnemonics without aliases (ORR, not MOV; UBFM, not LSL), always NUL-terminated,
// never more than `size` bytes, no allocation, no libc: the engine uses it for --dump and crash reports.
// Agreement with binutils is tested for every row (tests/decode/compare_binutils.py).
#pragma once
#include "insn.h"

namespace grus::a64 {

inline constexpr size_t kDisassemblySize = 96;

// Writes the text of `word` at address `pc` and returns its length. Unallocated words are ".inst 0x........".
size_t disassemble(u32 word, u64 pc, char* out, size_t size);

}  // namespace grus::a64
