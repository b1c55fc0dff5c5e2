// SPDX-License-Identifier: MIT
// The roots that `grus root create` makes, by name.
#pragma once
#include <filesystem>
#include <string>

namespace grus::tool {

std::filesystem::path roots_directory();  // <cache>/roots
// A directory as it is, else the root of that name. Throws Failure when there is neither.
std::filesystem::path resolve_root(const std::string& name_or_path);

}  // namespace grus::tool
