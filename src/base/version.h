// SPDX-License-Identifier: MIT
// The version of both programs, with the commit they were built from: "0.1.0 (b745973a1b2c)"; ", changed" follows the commit when
// the sources differed from it, and it is "unknown" outside of git. Made at every build by version.py.
#pragma once

namespace grus {

extern const char kVersion[];

}  // namespace grus
