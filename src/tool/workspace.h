// SPDX-License-Identifier: MIT
// Which directories of the host a command sees that is run in a root: where its work lies.
//
// Guarantees: the working directory and what encloses it up to the root of its repository or workspace; never the home itself, a
// directory that everybody may write, or one that the root has as its own part of the system. Deliberately not here: anything that
// lies beside these (--bind).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace grus::tool {

struct Workspace {
  std::vector<std::string> directories;  // to be bound where they are
  std::string start;                     // the working directory in the root; empty: there is none
};

// Throws Failure when the working directory cannot be had in the root and `must_start` says that it has to.
Workspace find_workspace(const std::filesystem::path& root, bool must_start);

}  // namespace grus::tool
