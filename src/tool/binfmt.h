// SPDX-License-Identifier: MIT
// binfmt_misc: what is registered for AArch64, and changes to it that can be undone.
//
// Guarantees: a change that fails leaves the registrations as they were; handlers of others are disabled,
// never removed.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tool/support.h"

namespace grus::tool {

struct Handler {
  std::string name, interpreter, flags;
  bool enabled = true;
  std::string magic, mask;  // bytes
  size_t offset = 0;
  bool has_flag(char flag) const { return flags.find(flag) != std::string::npos; }
  bool takes_aarch64() const;  // the header of an AArch64 program matches
};

inline constexpr char kHandlerName[] = "grus-aarch64";
Handler aarch64_handler(const std::filesystem::path& engine);

// Without it nothing can be said of binfmt_misc, whose directory lies there.
bool proc_is_mounted();

class Binfmt {
 public:
  static constexpr char kDefaultDirectory[] = "/proc/sys/fs/binfmt_misc";
  explicit Binfmt(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // One at a time changes what is registered: held until the descriptor is closed. Others are waited for.
  Descriptor lock() const;

  bool mounted() const;
  bool switched_on() const;
  void mount_if_needed() const;  // throws Failure
  void mount_private() const;    // in a user namespace: an empty instance of its own
  std::vector<Handler> handlers() const;
  void add(const Handler& handler) const;
  void remove(const std::string& name) const;
  void enable(const std::string& name, bool on) const;

  // Can a user namespace have its own instance here? Tried in a child.
  static bool private_instances_work();

 private:
  std::filesystem::path directory_;
};

}  // namespace grus::tool
