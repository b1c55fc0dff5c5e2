// SPDX-License-Identifier: MIT
// SHA-256 (FIPS 180-4): what names guest code in the cache, where somebody may try to make two that share a name.
//
// Guarantees: the standard's value, with the CPU's SHA instructions or without. The guest's vector registers, which are live while C++ runs,
// are left as they are. Deliberately not here: checksums against accidents (base/hash.h), which are ten times as fast.
#pragma once
#include "base/types.h"

namespace grus {

struct Hash256 {
  u64 words[4];  // the digest's bytes, as they lie
  bool operator==(const Hash256& o) const {
    return !((words[0] ^ o.words[0]) | (words[1] ^ o.words[1]) | (words[2] ^ o.words[2]) | (words[3] ^ o.words[3]));
  }
};

Hash256 sha256(const void* data, size_t bytes);
// Of `count` pieces of `bytes` each (a multiple of 64) that follow each other. Two at a time: one alone leaves the unit waiting for itself.
void sha256_pieces(const void* data, size_t bytes, size_t count, Hash256* out);
// Does this CPU have SHA-NI? Until told, no.
void set_sha_instructions(bool available);

}  // namespace grus
