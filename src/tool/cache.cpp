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

/* -- The engine's work --------------------------------------------------------------------------------------------- */

struct Answer {
  std::string name, verdict;
  std::map<std::string, u64> numbers;
};

std::vector<Answer> parse(const EngineAnswer& answer) {
  std::vector<Answer> result;
  for (const std::string& line : answer.lines) {
    std::vector<std::string> words = split(line, ' ');
    if (words.size() < 2) continue;
    Answer a{words[0], words[1], {}};
    for (size_t i = 2; i < words.size(); i++)
      if (size_t equals = words[i].find('='); equals != words[i].npos)
        a.numbers[words[i].substr(0, equals)] = std::strtoull(words[i].c_str() + equals + 1, nullptr, 10);
    result.push_back(std::move(a));
  }
  return result;
}

struct Workplace {
  fs::path engine = find_engine("");
  fs::path path = code_directory();
  Descriptor directory = open_cache_directory(path);
  u64 translator = translator_of(engine);
  Workplace() {
    cache_size_limit();  // a wrong one shows here, not at the end
    if (!translator) throw Failure(kProblems, path.string() + " is not used by the engine: it must belong to you and be writable by nobody else");
    hand_over_code_directory(path);
  }
  ~Workplace() {
    trim_cache(path, [&] { return translator; });
  }
};

std::vector<fs::path> all_roots(const std::vector<std::string>& named) {
  std::set<fs::path> roots;
  std::error_code error;
  for (const std::string& root : named) roots.insert(fs::canonical(resolve_root(root)));
  for (const auto& entry : fs::directory_iterator(roots_directory(), error))
    if (entry.is_directory(error) && entry.path().filename().string()[0] != '.') roots.insert(fs::canonical(entry.path(), error));
  return {roots.begin(), roots.end()};
}

// Guest files that a cache file may have been made from: what its header says, here or in a root.
void add_guests(const cache::Header& header, const std::vector<fs::path>& roots, std::set<fs::path>& guests) {
  std::string path = header.path;
  if (path.empty()) return;
  if (is_guest_elf(path)) guests.insert(path);
  for (const fs::path& root : roots)
    if (fs::path found = find_in_root(root, path); !found.empty() && is_guest_elf(found)) guests.insert(found);
}

struct WarmOptions {
  std::vector<std::string> paths;
  std::string root;
};

int warm(const WarmOptions& options) {
  fs::path root = options.root.empty() ? fs::path() : fs::canonical(resolve_root(options.root));
  std::vector<fs::path> files;
  for (const std::string& path : options.paths) {
    fs::path found = find_in_root(root, path);
    if (found.empty()) throw Failure(kUsage, path + ": no such file" + (root.empty() ? "" : " in " + root.string()));
    std::vector<fs::path> some = guest_files_in(fs::canonical(found));
    if (some.empty()) throw Failure(kUsage, path + ": no AArch64 program or library, nor a directory of such");
    files.insert(files.end(), some.begin(), some.end());
  }
  if (!root.empty())
    for (size_t i = 0, named = files.size(); i < named; i++)
      for (const fs::path& file : needed_files(root, files[i])) files.push_back(file);
  std::set<fs::path> seen;
  std::vector<EngineJob> jobs;
  for (const fs::path& file : files)
    if (seen.insert(fs::canonical(file)).second) jobs.push_back({"warm", file.string(), file.filename().string()});
  Workplace place;
  bool all_well = true;
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer) {
    all_well &= answer.ok;
    std::vector<Answer> parts = parse(answer);
    if (parts.empty() && !answer.ok) std::cout << job.argument << ": failed\n";
    for (Answer& a : parts)
      std::cout << job.argument << ": " << a.verdict << ", " << a.numbers["insns"] << " instructions in " << a.numbers["regions"]
                << " regions\n";
  });
  return all_well ? kOk : kProblems;
}

// Never compacted, or grown by an eighth since.
bool is_due(const cache::Header& h) {
  return h.regions && (!h.sealed || h.code_used < h.sealed || h.code_used - h.sealed > h.sealed / 8);
}

int compact(const std::vector<std::string>& named_roots) {
  Workplace place;
  std::vector<fs::path> roots = all_roots(named_roots);
  std::map<std::string, cache::Header> due;
  std::set<fs::path> guests;
  for (const CachedFile& f : cached_files(place.directory.get()))
    if (f.header && f.header->fingerprint == place.translator && is_due(*f.header)) {
      due[f.entry.name] = *f.header;
      add_guests(*f.header, roots, guests);
    }
  std::vector<EngineJob> jobs;
  for (const fs::path& guest : guests) jobs.push_back({"compact", guest.string(), guest.filename().string()});
  bool all_well = true;
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer) {
    all_well &= answer.ok;
    std::vector<Answer> parts = parse(answer);
    if (parts.empty() && !answer.ok) std::cout << job.argument << ": failed\n";
    for (Answer& a : parts) {
      auto before = due.find(a.name);
      if (before == due.end()) continue;
      std::optional<cache::Header> after = read_cache_header(place.directory.get(), a.name);
      std::cout << job.argument << ": " << a.verdict;
      if (after) std::cout << ", code " << human_size(before->second.code_used) << " -> " << human_size(after->code_used);
      std::cout << "\n";
      due.erase(before);
    }
  });
  for (const auto& [name, header] : due)
    std::cout << (header.path[0] ? header.path : name.c_str()) << ": left as it is, the guest's file is gone or has changed\n";
  return all_well ? kOk : kProblems;
}

struct VerifyOptions {
  std::vector<std::string> roots;
  bool repair = false;
};

int verify(const VerifyOptions& options) {
  Workplace place;
  std::vector<fs::path> roots = all_roots(options.roots);
  std::map<std::string, std::string> paths, verdicts;  // by name
  std::set<std::string> translated;
  std::set<fs::path> guests;
  std::vector<EngineJob> jobs;
  for (const CachedFile& f : cached_files(place.directory.get())) {
    paths[f.entry.name] = f.header && f.header->path[0] ? f.header->path : f.entry.name;
    jobs.push_back({"check", f.entry.name, paths[f.entry.name]});
    if (f.header && f.header->fingerprint == place.translator) add_guests(*f.header, roots, guests);
  }
  for (const fs::path& guest : guests) jobs.push_back({"verify", guest.string(), guest.filename().string()});
  bool all_ran = true;
  u64 regions = 0;
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer) {
    std::vector<Answer> parts = parse(answer);
    all_ran &= answer.ok || !parts.empty();
    for (Answer& a : parts) {
      std::string& verdict = verdicts[a.name];
      if (verdict.empty() || verdict == "sound") verdict = a.verdict;
      if (job.mode != "verify" || a.verdict == "none" || !translated.insert(a.name).second) continue;
      regions += a.numbers["regions"];
      if (a.numbers["wrong"]) std::cout << paths[a.name] << ": " << a.numbers["wrong"] << " regions are not what the translator makes\n";
    }
  });
  verdicts.erase("-");
  std::map<std::string, unsigned> counts;
  for (const auto& [name, verdict] : verdicts) {
    counts[verdict]++;
    if (verdict != "damaged" && verdict != "differs") continue;
    bool removed = options.repair && !unlinkat(place.directory.get(), name.c_str(), 0);
    std::cout << paths[name] << ": " << verdict << " (" << name << ")" << (removed ? ", removed" : "") << "\n";
  }
  std::cout << counts["sound"] << " files sound, " << counts["damaged"] << " damaged, " << counts["differs"] << " differ, "
            << counts["foreign"] << " of another translator, " << counts["busy"] + counts["unreadable"]
            << " busy or unreadable (not checked); " << regions << " regions of " << translated.size()
            << " files translated again\n";
  return counts["damaged"] || counts["differs"] || !all_ran ? kProblems : kOk;
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

  auto what = std::make_shared<WarmOptions>();
  command = cache->add_subcommand("warm", "translate whole programs and libraries ahead of time");
  command->add_option("path", what->paths, "AArch64 programs, libraries, directories of such")->required();
  command->add_option("--root,-r", what->root, "look for them in this root, and take the libraries that they need as well");
  command->callback([what, &result] { result = warm(*what); });

  auto roots = std::make_shared<std::vector<std::string>>();
  command = cache->add_subcommand("compact", "write files that have grown anew, in the guest's order");
  command->add_option("--root,-r", *roots, "a root to look for the guest's files in, besides those of `grus root list`")
      ->allow_extra_args(false);
  command->callback([roots, &result] { result = compact(*roots); });

  auto how = std::make_shared<VerifyOptions>();
  command = cache->add_subcommand("verify", "check all files, and translate once more where the guest's file is at hand");
  command->add_option("--root,-r", how->roots, "a root to look for the guest's files in")->allow_extra_args(false);
  command->add_flag("--repair", how->repair, "remove what is damaged");
  command->callback([how, &result] { result = verify(*how); });
}

}  // namespace grus::tool
