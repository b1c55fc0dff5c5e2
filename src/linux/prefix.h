// SPDX-License-Identifier: MIT
// -L PREFIX: an absolute name is looked for below a directory first, as qemu-user does (QEMU's util/path.c).
//
// Guarantees: a name is another's only where PREFIX holds a file of that name; links in PREFIX lead where they would if it were the
// root. Names in /proc, /sys and /dev are the kernel's, those in PREFIX itself stay as they are. Deliberately not here: calls that make,
// rename or remove names, and relative names: they mean the host's files, so a name that PREFIX lacks is made there.
#pragma once
#include "engine/options.h"

namespace grus::linux {

inline constexpr unsigned kPrefixedPathMax = 4096;

// `path` is an untagged pointer of the guest, or the engine's; it may be bad. `follow`: the call follows a link that the name ends at.
// Returns `path` itself, or the name in `buffer`, which has room for kPrefixedPathMax bytes. There is a prefix.
const char* look_below_prefix(const char* path, bool follow, char* buffer);

template <typename Call>
[[gnu::noinline]] i64 call_below_prefix(const char* path, bool follow, Call call) {
  char buffer[kPrefixedPathMax];
  return call(look_below_prefix(path, follow, buffer));
}

// call(path), or with what stands for it.
template <typename Call>
i64 with_prefix(const char* path, bool follow, Call call) {
  return engine_options().prefix ? call_below_prefix(path, follow, call) : call(path);
}

// What -L names as an absolute name that stays; nullptr where it names the root.
const char* absolute_prefix(const char* prefix);

}  // namespace grus::linux
