// SPDX-License-Identifier: MIT
// What a command in a root finds of its user: variables, a home, a name.
//
// Guarantees: variables that lead to the host's programs and libraries do not pass; HOME is a directory that the command may
// write; the user has a name there, and git knows it. Deliberately not here: what the user asks for with --env.
#pragma once
#include <string>

#include "tool/namespaces.h"

namespace grus::tool {

inline constexpr char kRootPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Keeps TERM only.
void clear_environment();
// Removes what is the host's and sets PATH.
void drop_host_variables(const std::filesystem::path& root);

// The variables are still the host's. `homes` keeps a home for each root; `as_root`: the command is user 0 of the root.
void provide_home(RootPlan& plan, const std::filesystem::path& homes, bool as_root);

// The root's lists of users and groups with the caller's line, where they lack it.
void introduce_user(RootPlan& plan);

// `label` in the prompts of the usual shells.
void set_prompt(const std::string& label);

}  // namespace grus::tool
