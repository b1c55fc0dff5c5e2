// SPDX-License-Identifier: MIT
// See workspace.h.
#include "tool/workspace.h"

#include <sys/stat.h>

#include "tool/guest_files.h"
#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

// Directories whose content in a root is the root's own: the host's would hide its programs.
bool of_the_system(const fs::path& directory) {
  auto first = std::next(directory.begin());
  if (first == directory.end()) return true;
  for (const char* name : {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr"})
    if (*first == name) return true;
  return *first == "var" && (std::next(first) == directory.end() || *std::next(first) == "lib" || *std::next(first) == "cache");
}

// The kernel's: the same in the root as outside.
bool of_the_kernel(const fs::path& directory) {
  const fs::path first = directory == "/" ? fs::path() : *std::next(directory.begin());
  return first == "proc" || first == "sys" || first == "dev";
}

// What is the root of sources that belong together, and of tools that look for it upwards.
bool encloses_work(const fs::path& directory) {
  std::error_code error;
  for (const char* mark : {".git", ".hg", ".jj", ".svn", ".bzr", "go.work", "pnpm-workspace.yaml", "WORKSPACE", "MODULE.bazel",
                           "settings.gradle", "settings.gradle.kts", "nx.json", "lerna.json", "rush.json"})
    if (fs::exists(directory / mark, error)) return true;
  for (const std::string& line : split(read_file(directory / "Cargo.toml").value_or(""), '\n'))
    if (starts_with(line, "[workspace")) return true;
  std::string package = read_file(directory / "package.json").value_or("");
  return package.find("\"workspaces\"") != std::string::npos;
}

bool everybody_writes(const fs::path& directory) {
  struct stat info;
  return stat(directory.c_str(), &info) || (info.st_mode & S_IWOTH);
}

bool lies_in(const fs::path& path, const fs::path& directory) {
  return path == directory || starts_with(path.string(), directory.string() + "/");
}

// A work tree of `git worktree add`, a submodule: .git is a file that names a directory elsewhere.
fs::path repository_of(const fs::path& directory) {
  std::string text = read_file(directory / ".git").value_or("");
  if (!starts_with(text, "gitdir: ")) return {};
  fs::path repository = (directory / text.substr(8, text.find('\n') - 8)).lexically_normal();
  if (repository.parent_path().filename() == "worktrees") repository = repository.parent_path().parent_path();
  std::error_code error;
  return fs::is_directory(repository / "objects", error) ? repository : fs::path();
}

}  // namespace

Workspace find_workspace(const fs::path& root, bool must_start) {
  Workspace result;
  std::error_code removed;
  fs::path current = fs::current_path(removed);
  if (removed || !current.has_root_directory()) {
    result.start = "/";  // it was removed: there is nothing to bind
    return result;
  }
  // A directory of the root itself is there already, under its own name.
  fs::path inside = current.lexically_relative(root);
  if (!inside.empty() && *inside.begin() != "..") {
    result.start = (fs::path("/") / inside).lexically_normal();
    return result;
  }
  if (current == "/" || of_the_kernel(current)) {
    result.start = current;
    return result;
  }
  auto may_be_bound = [&](const fs::path& directory) { return !of_the_system(directory) || find_in_root(root, directory).empty(); };
  if (!may_be_bound(current)) {
    if (must_start)
      throw Failure(kRunFailed, "the root has a " + current.string() + " of its own, which the host's does not hide: -w " + current.string() +
                                    " starts in the root's, -b " + current.string() + " shows the host's");
    return result;
  }
  fs::path outermost = current;
  const fs::path home = home_directory().lexically_normal();
  for (fs::path at = current; at != at.root_path() && at != home && may_be_bound(at) && !lies_in(home, at); at = at.parent_path()) {
    if (at != current && everybody_writes(at)) break;
    if (encloses_work(at)) outermost = at;
  }
  result.directories.push_back(outermost);
  for (fs::path at = current;; at = at.parent_path()) {
    if (fs::path repository = repository_of(at); !repository.empty() && !lies_in(repository, outermost) && may_be_bound(repository))
      result.directories.push_back(repository);
    if (at == outermost) break;
  }
  result.start = current;
  return result;
}

}  // namespace grus::tool
