// SPDX-License-Identifier: MIT
// The names under which people know a platform: OCI's, Nix's, Rust's and uname's.
#pragma once
#include <string>

namespace grus::tool {

// "aarch64" or "x86_64"; throws Failure for what this program does not know.
std::string machine_of(const std::string& name);
std::string host_machine();

}  // namespace grus::tool
