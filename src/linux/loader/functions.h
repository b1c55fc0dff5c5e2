// SPDX-License-Identifier: MIT
// Where an ELF file says that its code is: for translating ahead of time, so hints, never trusted.
#pragma once
#include "linux/loader/load.h"
#include "run/maintain.h"

namespace grus::linux {

// Marks in `bits` what lies in its range, of a file that is mapped with this bias: the entry point, functions of .eh_frame (its
// sorted table is there in stripped files too) and of the symbol tables, the begins of sections with code.
void find_functions(const ElfFile& file, u64 bias, run::CodeBits& bits);

}  // namespace grus::linux
