// SPDX-License-Identifier: MIT
// The subcommands. Each lives in a file of its own and adds itself to the command line; a new one is a line
// here, a line in main.cpp and its file.
//
// `result` is the exit code of the program; a callback sets it or throws Failure.
#pragma once
#include <CLI/CLI.hpp>

#include "tool/support.h"

namespace grus::tool {

void add_run(CLI::App& app, int& result);      // run, shell
void add_root(CLI::App& app, int& result);     // root create|list|remove
void add_install(CLI::App& app, int& result);  // install, uninstall, status
void add_cache(CLI::App& app, int& result);    // cache info|clear|warm|compact|verify
void add_doctor(CLI::App& app, int& result);
void add_version(CLI::App& app, int& result);

}  // namespace grus::tool
