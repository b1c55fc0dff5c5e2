// SPDX-License-Identifier: MIT
// What --strace makes of single arguments: names of flags and commands, and the structures that are looked at most, where the letters
// of syscalls.def (strace.cpp) do not say enough.
//
// Guarantees: what is not known is printed as a number; nothing is read but through the fixup. Deliberately few structures: `strace -f
// grus run ...` on the host decodes everything.
#pragma once
#include "linux/strace.h"

namespace grus::linux {

// "\n" and NUL always fit.
#define add(line, ...) ((line).length += format_to((line).text + (line).length, sizeof(line).text - 2 - (line).length, __VA_ARGS__))

void add_pointer(StraceLine& line, u64 address);
void add_bytes(StraceLine& line, const char* bytes, size_t n, bool more);
void add_string(StraceLine& line, u64 address);
void add_buffer(StraceLine& line, u64 address, u64 size, bool path = false);  // a path is not shortened
void add_octal(StraceLine& line, u64 value);

// Is this argument filled by the call, and to be printed behind it?
bool is_output(u32 number, unsigned argument);
// Prints argument `i`; false: as its letter says. `result` is of an output only.
bool add_form(StraceLine& line, u32 number, unsigned i, const u64 (&a)[6], i64 result);
// The forms that letters of syscalls.def stand for: o, r, f, c, g.
bool add_letter_form(StraceLine& line, char letter, u64 value);
// An argument that the call does not look at: openat's mode without O_CREAT.
bool is_unused(u32 number, unsigned i, const u64 (&a)[6]);

}  // namespace grus::linux
