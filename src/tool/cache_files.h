// SPDX-License-Identifier: MIT
// The files of the translation cache as the tool sees them: names, sizes, headers (cache/format.h).
//
// Guarantees: nothing is removed but what an engine makes in there: cache files by their names, the index, what a killed
// engine left half made. A file that is removed stays with the processes that have it mapped; the others make a new one.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cache/format.h"
#include "tool/support.h"

namespace grus::tool {

enum class CacheEntryKind { Translations, Index, HalfMade };

struct CacheEntry {
  CacheEntryKind kind;
  std::string name;
  u64 disk_bytes;
  i64 modified_s;
};

// What there is; what has another name or is no regular file is not the cache's.
std::vector<CacheEntry> list_cache(int directory);
// The header of a file, when it is one of this format: of this size, with its own checksum left to the engine.
std::optional<cache::Header> read_cache_header(int directory, const std::string& name);
// The directory, opened; throws Failure where there is none.
Descriptor open_cache_directory(const std::filesystem::path& directory);
// Removes them by name; how many bytes of the disk that frees.
u64 remove_cache_entries(int directory, const std::vector<CacheEntry>& entries);

// GRUS_CACHE_SIZE, or 4 GiB.
u64 cache_size_limit();
// Keeps the cache below its limit, least recently used files first, and removes what nobody will use again: files of another
// translator that were not used for 30 days, half-made files older than an hour. A look at the directory when there is nothing
// to do. `translator` is only called when it matters; 0: unknown. Never throws.
void trim_cache(const std::filesystem::path& directory, const std::function<u64()>& translator);

std::string human_size(u64 bytes);

}  // namespace grus::tool
