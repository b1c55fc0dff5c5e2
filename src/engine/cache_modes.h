// SPDX-License-Identifier: MIT
// grus-aarch64 --cache=MODE FILE, for `grus cache`: maps FILE as it would be run and works on its cache files. No guest
// instruction is executed.
//
//   warm, compact, verify FILE   a program or a library of the guest
//   check NAME                   a cache file, by its name in the cache's directory
//   fingerprint -                prints the translator's, in hexadecimal
//
// Prints a line "NAME VERDICT regions=N insns=N distinct=N wrong=N" for each cache file (run/maintain.h has the verdicts; NAME is
// "-" where there is none). Status 0: all is well, 1: something is not, 2: FILE is nothing that could be mapped.
#pragma once
#include "linux/task.h"

namespace grus {

[[noreturn]] void work_on_cache(linux::Task& task, const char* mode, const char* file);

}  // namespace grus
