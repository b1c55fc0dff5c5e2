// SPDX-License-Identifier: MIT
// Hashes of bytes: XXH64 and XXH3's 128 bits of Debian's libxxhash-dev, header only, without vector registers. Not cryptographic: against
// accidents, not against somebody who may write to the same files.
#pragma once
#include "base/types.h"

namespace grus {

struct Hash128 {
  u64 low, high;
};
u64 hash64(const void* data, size_t bytes, u64 seed = 0);
Hash128 hash128(const void* data, size_t bytes);

}  // namespace grus
