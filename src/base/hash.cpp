// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <string.h>
// Version 0.8.1 includes stdlib.h for two functions that are not used here; its inline functions return doubles, which
// code for general registers cannot (clang++). libstdc++'s guard keeps it out.
#define _GLIBCXX_STDLIB_H 1
extern "C" void* malloc(size_t);
extern "C" void free(void*);
// Freestanding code knows no memcpy: each of its eight-byte loads would be a call.
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#define XXH_NO_STDLIB
#define XXH_VECTOR XXH_SCALAR
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#undef memcpy
#undef memset
#pragma GCC diagnostic pop

namespace grus {

u64 hash64(const void* data, size_t bytes, u64 seed) { return XXH64(data, bytes, seed); }

}  // namespace grus
