// SPDX-License-Identifier: MIT
// grus cache info|clear|warm|compact|verify: the translation cache from the outside (docs/cache-format.md).
//
// Guarantees: running programs are not disturbed, whatever is done here; only the engine reads or writes translations (it is
// executed with --cache=..., which runs no guest instruction). Exit code 1 when something could not be done or is damaged.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tool/cache_files.h"
#include "tool/command.h"
#include "tool/engine_jobs.h"
#include "tool/engine_path.h"
#include "tool/guest_files.h"
#include "tool/roots.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

struct CachedFile {
  CacheEntry entry;
  std::optional<cache::Header> header;  // none: damaged, or of another format
};

std::vector<CachedFile> cached_files(int directory) {
  std::vector<CachedFile> result;
  for (CacheEntry& entry : list_cache(directory)) {
    if (entry.kind != CacheEntryKind::Translations) continue;
    std::optional<cache::Header> header = read_cache_header(directory, entry.name);
    result.push_back({std::move(entry), header});
  }
  std::sort(result.begin(), result.end(), [](const CachedFile& a, const CachedFile& b) {
    int order = a.header && b.header ? std::strcmp(a.header->path, b.header->path) : a.header.has_value() - b.header.has_value();
    return order ? order < 0 : a.entry.name < b.entry.name;
  });
  return result;
}

/* -- info, clear --------------------------------------------------------------------------------------------------- */

std::string local_time(u64 seconds) {
  time_t at = static_cast<time_t>(seconds);
  tm parts;
  char text[32];
  return localtime_r(&at, &parts) && strftime(text, sizeof text, "%F %R", &parts) ? text : "?";
}

int info(bool json) {
  fs::path path = code_directory();
  Descriptor directory = open_cache_directory(path);
  u64 own = translator_of(find_engine_if_any("")), size = 0;
  for (const CacheEntry& entry : list_cache(directory.get())) size += entry.disk_bytes;
  nlohmann::json files = nlohmann::json::array();
  for (const CachedFile& f : cached_files(directory.get())) {
    nlohmann::json j = {{"name", f.entry.name}, {"disk_bytes", f.entry.disk_bytes}, {"readable", f.header.has_value()}};
    if (f.header) {
      const cache::Header& h = *f.header;
      u64 distinct = h.insns_distinct ? h.insns_distinct : 1;
      j["path"] = h.path;
      j["guest_bytes"] = h.guest_bytes;
      j["code_bytes"] = h.code_used;
      j["regions"] = h.regions;
      j["translated"] = h.insns_translated;
      j["distinct"] = h.insns_distinct;
      j["ratio"] = static_cast<double>(h.insns_translated * 1000 / distinct) / 1000;
      j["state"] = h.sealed == 0 ? "growing" : h.sealed == h.code_used ? "sealed" : "sealed, grown";
      j["last_use"] = h.attached_s;
      j["translator"] = !own ? "unknown" : h.fingerprint == own ? "this" : "another";
    }
    files.push_back(j);
  }
  if (json) {
    std::cout << nlohmann::json{{"directory", path.string()}, {"limit_bytes", cache_size_limit()}, {"disk_bytes", size},
                                {"files", files}}.dump(2)
              << "\n";
    return kOk;
  }
  std::cout << path.string() << ": " << human_size(size) << " of at most " << human_size(cache_size_limit()) << ", "
            << files.size() << " files\n";
  for (const auto& f : files) {
    if (!f["readable"].get<bool>()) {
      std::cout << f["name"].get<std::string>() << ": not readable: damaged, or of another version\n";
      continue;
    }
    std::string where = f["path"].get<std::string>();
    std::cout << (where.empty() ? f["name"].get<std::string>() : where) << ": " << human_size(f["disk_bytes"].get<u64>())
              << "; guest " << human_size(f["guest_bytes"].get<u64>()) << ", code " << human_size(f["code_bytes"].get<u64>())
              << ", " << f["regions"].get<u64>() << " regions, " << f["translated"].get<u64>() << " instructions (x"
              << f["ratio"].get<double>() << "), " << f["state"].get<std::string>() << ", used "
              << local_time(f["last_use"].get<u64>());
    if (f["translator"] != "this") std::cout << ", " << f["translator"].get<std::string>() << " translator's";
    std::cout << "\n";
  }
  return kOk;
}

int clear() {
  fs::path path = code_directory();
  Descriptor directory = open_cache_directory(path);
  std::vector<CacheEntry> entries = list_cache(directory.get());
  u64 freed = remove_cache_entries(directory.get(), entries);
  std::cout << path.string() << ": " << human_size(freed) << " freed\n";
  return list_cache(directory.get()).empty() ? kOk : kProblems;
}

}  // namespace

void add_cache(CLI::App& app, int& result) {
  CLI::App* cache = app.add_subcommand("cache", "the translations that are kept between processes");
  cache->require_subcommand(1);

  auto json = std::make_shared<bool>(false);
  CLI::App* command = cache->add_subcommand("info", "where they are, how much, of what");
  command->add_flag("--json", *json);
  command->callback([json, &result] { result = info(*json); });

  command = cache->add_subcommand("clear", "remove them all");
  command->callback([&result] { result = clear(); });
}

}  // namespace grus::tool
