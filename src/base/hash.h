// SPDX-License-Identifier: MIT
// Checksums of bytes: XXH64 of Debian's libxxhash-dev, header only, without vector registers. Against accidents only: it can be inverted
// (base/sha256.h names what somebody else may choose).
#pragma once
#include "base/types.h"

namespace grus {

u64 hash64(const void* data, size_t bytes, u64 seed = 0);

}  // namespace grus
