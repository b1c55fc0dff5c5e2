// SPDX-License-Identifier: MIT
#include "base/hash.h"

#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#define XXH_NO_STDLIB
#define XXH_VECTOR XXH_SCALAR
#define XXH_memcpy __builtin_memcpy
#define XXH_memset __builtin_memset
#define XXH_memcmp __builtin_memcmp
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

namespace grus {

u64 hash64(const void* data, size_t bytes, u64 seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

Hash128 hash128(const void* data, size_t bytes) {
  XXH128_hash_t h = XXH3_128bits(data, bytes);
  return Hash128{h.low64, h.high64};
}

}  // namespace grus
