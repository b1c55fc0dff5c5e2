// SPDX-License-Identifier: MIT
// Where the engine is. It is looked for in this order: --engine, GRUS_ENGINE, beside the tool,
// ../libexec/grus of the tool.
#pragma once
#include <filesystem>
#include <string>

namespace grus::tool {

// Absolute. Throws Failure when there is none or it cannot be executed.
std::filesystem::path find_engine(const std::string& given);
// The same, an empty path instead of a Failure.
std::filesystem::path find_engine_if_any(const std::string& given);

}  // namespace grus::tool
