// SPDX-License-Identifier: MIT
// Making the files of a root: mmdebstrap with the engine running the maintainer scripts, and removing them.
//
// Guarantees: the host's binfmt_misc is not touched where the kernel has private ones (6.7 and later), else it is as before at the end;
// packages that are not to be had are found before anything is unpacked; whatever ends this process (SIGKILL as well) ends mmdebstrap
// and all that it started; after a failure or a signal the directory is gone. Deliberately not here: names of roots (roots.h).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace grus::tool {

struct RootRecipe {
  std::string suite = "bookworm", variant = "minbase", mirror;
  std::vector<std::string> include;
};

// Tells what it does on standard error. Throws Failure. Returns 0, or the signal that is to end this process: all is removed.
int build_root(const RootRecipe& recipe, const std::filesystem::path& engine, const std::filesystem::path& target);

// Removes what can be removed, whoever owns it, and returns a line for each thing that cannot.
std::vector<std::string> remove_tree(const std::filesystem::path& path);

}  // namespace grus::tool
