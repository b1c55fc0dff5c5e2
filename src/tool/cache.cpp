// SPDX-License-Identifier: MIT
// grus cache info|clear|warm|compact|verify: the translation cache from the outside (docs/cache-format.md).
//
// Guarantees: running programs are not disturbed, whatever is done here; only the engine reads or writes translations (it is
// executed with --cache=..., which runs no guest instruction). Exit code 1 when something could not be done or is damaged.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
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

// The largest first: they are what the limit is about.
std::vector<CachedFile> by_size(int directory) {
  std::vector<CachedFile> files = cached_files(directory);
  std::stable_sort(files.begin(), files.end(),
                   [](const CachedFile& a, const CachedFile& b) { return a.entry.disk_bytes > b.entry.disk_bytes; });
  return files;
}

// What a guest called its file.
std::string shown_path(const cache::Header& h, const std::string& name) { return h.path[0] ? printable(h.path) : name; }

const char* state_of(const cache::Header& h) {
  return h.sealed == 0 ? "growing" : h.sealed == h.code_used ? "sealed" : "sealed, grown";
}

double ratio_of(const cache::Header& h) {
  return static_cast<double>(h.insns_translated * 1000 / std::max<u64>(h.insns_distinct, 1)) / 1000;
}

const char* translator_name(u64 own, const cache::Header& h) {
  return !own ? "unknown" : h.fingerprint == own ? "this" : "another";
}

void print_json(const fs::path& path, u64 size, u64 own, const std::vector<CachedFile>& files) {
  nlohmann::json list = nlohmann::json::array();
  for (const CachedFile& f : files) {
    nlohmann::json j = {{"name", f.entry.name}, {"disk_bytes", f.entry.disk_bytes}, {"readable", f.header.has_value()}};
    if (f.header) {
      const cache::Header& h = *f.header;
      j["path"] = h.path;
      j["guest_bytes"] = h.guest_bytes;
      j["code_bytes"] = h.code_used;
      j["regions"] = h.regions;
      j["translated"] = h.insns_translated;
      j["distinct"] = h.insns_distinct;
      j["ratio"] = ratio_of(h);
      j["state"] = state_of(h);
      j["last_use"] = h.attached_s;
      j["translator"] = translator_name(own, h);
    }
    list.push_back(j);
  }
  std::cout << nlohmann::json{{"directory", path.string()}, {"limit_bytes", cache_size_limit()}, {"disk_bytes", size},
                              {"files", list}}.dump(2, ' ', true, nlohmann::json::error_handler_t::replace)  // ASCII only: a terminal may see it
            << "\n";
}

int info(bool json, bool all) {
  constexpr size_t kShort = 20;  // a screen
  fs::path path = code_directory();
  Descriptor directory = open_cache_directory(path);
  u64 own = translator_of(find_engine_if_any("")), size = 0;
  for (const CacheEntry& entry : list_cache(directory.get())) size += entry.disk_bytes;
  std::vector<CachedFile> files = by_size(directory.get());
  if (json) {
    print_json(path, size, own, files);
    return kOk;
  }
  size_t unreadable = 0, others = 0;
  for (const CachedFile& f : files) {
    unreadable += !f.header;
    others += f.header && own && f.header->fingerprint != own;
  }
  std::cout << path.string() << ": " << human_size(size) << " of at most " << human_size(cache_size_limit()) << ", "
            << files.size() << " files";
  if (others) std::cout << ", " << others << " of another translator";
  if (unreadable) std::cout << ", " << unreadable << " not readable: damaged, or of another version";
  std::cout << "\n";
  size_t shown = all ? files.size() : std::min(files.size(), kShort);
  if (shown) std::printf("%10s %10s %10s %9s  %-14s %-16s  %s\n", "on disk", "code", "of guest", "regions", "state", "used", "file");
  u64 rest = 0;
  for (size_t i = 0; i < files.size(); i++) {
    const CacheEntry& entry = files[i].entry;
    if (i >= shown) {
      rest += entry.disk_bytes;
      continue;
    }
    std::string disk = human_size(entry.disk_bytes);
    if (!files[i].header) {
      std::printf("%10s %10s %10s %9s  %-14s %-16s  %s\n", disk.c_str(), "", "", "", "not readable", "", entry.name.c_str());
      continue;
    }
    const cache::Header& h = *files[i].header;
    bool foreign = own && h.fingerprint != own;
    std::printf("%10s %10s %10s %9llu  %-14s %-16s  %s%s\n", disk.c_str(), human_size(h.code_used).c_str(),
                human_size(h.guest_bytes).c_str(), static_cast<unsigned long long>(h.regions), state_of(h),
                local_time(h.attached_s).c_str(), shown_path(h, entry.name).c_str(), foreign ? " (another translator's)" : "");
  }
  if (shown < files.size())
    std::printf("%10s in %zu more files (`grus cache info --all`)\n", human_size(rest).c_str(), files.size() - shown);
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
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer, std::ostream& out) {
    all_well &= answer.ok;
    std::vector<Answer> parts = parse(answer);
    if (parts.empty() && !answer.ok) out << printable(job.argument) << ": failed\n";
    for (Answer& a : parts)
      out << printable(job.argument) << ": " << a.verdict << ", " << a.numbers["insns"] << " instructions in " << a.numbers["regions"]
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
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer, std::ostream& out) {
    all_well &= answer.ok;
    std::vector<Answer> parts = parse(answer);
    if (parts.empty() && !answer.ok) out << printable(job.argument) << ": failed\n";
    for (Answer& a : parts) {
      auto before = due.find(a.name);
      if (before == due.end()) continue;
      std::optional<cache::Header> after = read_cache_header(place.directory.get(), a.name);
      out << printable(job.argument) << ": " << a.verdict;
      if (after) out << ", code " << human_size(before->second.code_used) << " -> " << human_size(after->code_used);
      out << "\n";
      due.erase(before);
    }
  });
  for (const auto& [name, header] : due)
    std::cout << shown_path(header, name) << ": left as it is, the guest's file is gone or has changed\n";
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
    paths[f.entry.name] = f.header ? shown_path(*f.header, f.entry.name) : f.entry.name;
    jobs.push_back({"check", f.entry.name, paths[f.entry.name]});
    if (f.header && f.header->fingerprint == place.translator) add_guests(*f.header, roots, guests);
  }
  for (const fs::path& guest : guests) jobs.push_back({"verify", guest.string(), guest.filename().string()});
  bool all_ran = true;
  u64 regions = 0;
  run_engine_jobs(place.engine, jobs, [&](const EngineJob& job, const EngineAnswer& answer, std::ostream& out) {
    std::vector<Answer> parts = parse(answer);
    all_ran &= answer.ok || !parts.empty();
    for (Answer& a : parts) {
      std::string& verdict = verdicts[a.name];
      if (verdict.empty() || verdict == "sound") verdict = a.verdict;
      if (job.mode != "verify" || a.verdict == "none" || !translated.insert(a.name).second) continue;
      regions += a.numbers["regions"];
      if (a.numbers["wrong"]) out << paths[a.name] << ": " << a.numbers["wrong"] << " regions are not what the translator makes\n";
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

  auto json = std::make_shared<bool>(false), all = std::make_shared<bool>(false);
  CLI::App* command = cache->add_subcommand("info", "where they are, how much, of what: the largest, and the total");
  command->add_flag("--json", *json, "print one JSON object with all files");
  command->add_flag("--all", *all, "list all files");
  command->callback([json, all, &result] { result = info(*json, *all); });

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
