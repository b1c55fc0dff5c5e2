// SPDX-License-Identifier: MIT
#include "tool/cache_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace grus::tool {

namespace {

constexpr i64 kHour = 3600, kOldTranslator = 30 * 24 * kHour;

// Hexadecimal digits of the content, a dash, those of the translator.
bool is_cache_name(std::string_view name) {
  size_t dash = name.find('-');
  if (dash != cache::kContentDigits && dash != cache::kOldContentDigits) return false;
  return name.size() == dash + 1 + cache::kTranslatorDigits && name.find_first_not_of("0123456789abcdef-") == name.npos &&
         name.find('-', dash + 1) == name.npos;
}

std::optional<CacheEntryKind> kind_of(std::string_view name) {
  if (is_cache_name(name)) return CacheEntryKind::Translations;
  if (name == "index") return CacheEntryKind::Index;
  if (starts_with(name, ".new-")) return CacheEntryKind::HalfMade;
  return std::nullopt;
}

}  // namespace

std::vector<CacheEntry> list_cache(int directory) {
  std::vector<CacheEntry> result;
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy >= 0 ? fdopendir(copy) : nullptr;
  if (!stream) return result;
  while (const dirent* entry = readdir(stream)) {
    std::optional<CacheEntryKind> kind = kind_of(entry->d_name);
    struct stat info;
    if (!kind || fstatat(directory, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode)) continue;
    result.push_back({*kind, entry->d_name, static_cast<u64>(info.st_blocks) * 512, info.st_mtime});
  }
  closedir(stream);
  return result;
}

std::optional<cache::Header> read_cache_header(int directory, const std::string& name) {
  Descriptor fd(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  cache::Header header;
  struct stat info;
  if (!fd || fstat(fd.get(), &info) || pread(fd.get(), &header, sizeof header, 0) != sizeof header) return std::nullopt;
  constexpr u64 kMostGuestBytes = u64{1} << 32;
  if (header.magic != cache::kMagic || header.guest_bytes > kMostGuestBytes ||
      cache::layout_of(header.guest_bytes).total != static_cast<u64>(info.st_size))
    return std::nullopt;
  header.path[sizeof header.path - 1] = 0;
  return header;
}

Descriptor open_cache_directory(const std::filesystem::path& directory) {
  if (directory.empty()) throw Failure(kProblems, "there is no cache: GRUS_CACHE=off, or its directory cannot be made");
  Descriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) fail_errno(directory.string(), errno);
  return fd;
}

u64 remove_cache_entries(int directory, const std::vector<CacheEntry>& entries) {
  u64 freed = 0;
  for (const CacheEntry& entry : entries)
    if (!unlinkat(directory, entry.name.c_str(), 0)) freed += entry.disk_bytes;
  return freed;
}

u64 cache_size_limit() {
  constexpr u64 kDefault = u64{4} << 30;  // cache::kDefaultSizeLimit
  std::string text = environment("GRUS_CACHE_SIZE");
  if (text.empty()) return kDefault;
  char* end;
  u64 number = std::strtoull(text.c_str(), &end, 10);
  unsigned shift = 0;
  std::string_view unit = end;
  if (!unit.empty()) shift = unit == "K" || unit == "k" ? 10 : unit == "M" || unit == "m" ? 20 : unit == "G" || unit == "g" ? 30 : 64;
  if (text[0] < '0' || text[0] > '9' || shift == 64 || number > ~u64{0} >> shift)
    throw Failure(kUsage, "GRUS_CACHE_SIZE is a number of bytes, or one with K, M or G, not '" + text + "'");
  return number << shift;
}

void trim_cache(const std::filesystem::path& path, const std::function<u64()>& translator) {
  if (path.empty()) return;
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!directory || fstat(directory.get(), &info) || info.st_uid != geteuid()) return;
  i64 now = time(nullptr);
  u64 used = 0;
  std::vector<CacheEntry> files, gone;
  std::optional<u64> own;
  for (CacheEntry& entry : list_cache(directory.get())) {
    used += entry.disk_bytes;
    if (entry.kind == CacheEntryKind::HalfMade && entry.modified_s + kHour < now) gone.push_back(entry);
    if (entry.kind != CacheEntryKind::Translations) continue;
    // Whoever uses a file writes the time into it, to within an hour.
    if (entry.modified_s + kOldTranslator < now) {
      std::optional<cache::Header> header = read_cache_header(directory.get(), entry.name);
      if (!own) own = translator();
      if (!header || (*own && header->fingerprint != *own)) {
        gone.push_back(entry);
        continue;
      }
    }
    files.push_back(std::move(entry));
  }
  used -= std::min(used, remove_cache_entries(directory.get(), gone));
  u64 limit = cache_size_limit();
  if (used <= limit) return;
  std::sort(files.begin(), files.end(), [](const CacheEntry& a, const CacheEntry& b) { return a.modified_s < b.modified_s; });
  // A little more than is needed, so that not every start has to do it again.
  u64 wanted = limit - limit / 10;
  for (const CacheEntry& entry : files) {
    if (used <= wanted) break;
    used -= std::min(used, remove_cache_entries(directory.get(), {entry}));
  }
}

std::string human_size(u64 bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB"};
  unsigned unit = 0;
  double value = static_cast<double>(bytes);
  for (; value >= 1024 && unit < 3; unit++) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

}  // namespace grus::tool
