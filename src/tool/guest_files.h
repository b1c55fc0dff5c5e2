// SPDX-License-Identifier: MIT
// AArch64 ELF files of the host or of a root: which are there, and what a program loads.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace grus::tool {

bool is_guest_elf(const std::filesystem::path& path);
// `path` as it would be found with `root` as /; empty when there is no such file. An empty root: as it is.
std::filesystem::path find_in_root(const std::filesystem::path& root, const std::string& path);
// All AArch64 ELF files in a directory and below, or the file itself.
std::vector<std::filesystem::path> guest_files_in(const std::filesystem::path& path);
// What the program needs at its start (PT_INTERP, DT_NEEDED, and so on), found in `root`.
std::vector<std::filesystem::path> needed_files(const std::filesystem::path& root, const std::filesystem::path& program);

}  // namespace grus::tool
