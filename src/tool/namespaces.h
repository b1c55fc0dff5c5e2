// SPDX-License-Identifier: MIT
// User and mount namespaces, and a directory tree that becomes the root.
//
// Guarantees: without privileges everything works through a user namespace; as root no user namespace is made
// unless asked for. After enter_root no host path is reachable but those bound in. Deliberately no network
// namespace; the process namespace is supervise.h's.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace grus::tool {

enum class Mapping {
  Self,        // one id, kept: what a program run in a root sees is the user
  SelfAsRoot,  // one id, shown as 0
  Full,        // ids 0 to 65535: for root those that it has now, for others 0 is the user and the rest is
               // /etc/subuid's
};

// Makes a user namespace and a mount namespace and moves into them. Throws Failure with the reason and a way
// out.
void enter_user_namespace(Mapping mapping);
// Empty when Mapping::Full works for the caller, else what is missing and how to get it.
std::string lacks_full_mapping();
// A mount namespace of our own, from which nothing gets out: with a user namespace when the caller has no privilege.
void enter_mount_namespace(Mapping mapping_without_privilege);

struct RootPlan {
  std::filesystem::path root;
  struct Bind {
    std::string source, target;  // host path, path in the root: made there when missing
    bool read_only;
  };
  std::vector<Bind> binds;
  std::vector<std::pair<std::string, std::string>> files;  // path in the root where there is a file, what it is to hold
  std::vector<std::string> optional_binds;  // files of the host that are bound when both sides have them
  std::string workdir;
};

// Mounts /proc, /sys, /dev, the files and the binds, an empty /tmp where the root's cannot be written, then makes the tree the root
// and `workdir` the current directory.
void enter_root(const RootPlan& plan);

}  // namespace grus::tool
