// SPDX-License-Identifier: MIT
// Names of platforms; see platform.h.
#include "tool/platform.h"

#include <sys/utsname.h>

#include "tool/support.h"

namespace grus::tool {

std::string machine_of(const std::string& name) {
  for (const char* known :
       {"arm64", "aarch64", "aarch64-linux", "linux/arm64", "linux/arm64/v8", "linux/aarch64", "arm64v8",
        "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "qemu-aarch64", "grus-aarch64"})
    if (name == known) return "aarch64";
  for (const char* known :
       {"amd64", "x86_64", "x86-64", "x86_64-linux", "linux/amd64", "x86_64-unknown-linux-gnu"})
    if (name == known) return "x86_64";
  throw Failure(kUsage, "unknown platform " + name +
                            "; this program knows arm64 (aarch64, aarch64-linux, linux/arm64)");
}

std::string host_machine() {
  utsname name;
  uname(&name);
  return name.machine;
}

}  // namespace grus::tool
