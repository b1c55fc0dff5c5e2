// SPDX-License-Identifier: MIT
// Finds the engine; see engine_path.h.
#include "tool/engine_path.h"

#include <sys/auxv.h>
#include <unistd.h>

#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

fs::path find_engine(const std::string& given) {
  if (fs::path path = find_engine_if_any(given); !path.empty()) return path;
  std::string named = given.empty() ? environment("GRUS_ENGINE") : given;
  throw Failure(kProblems,
                named.empty()
                    ? "grus-aarch64 is neither beside this program nor in ../libexec/grus; name it with "
                      "--engine or GRUS_ENGINE"
                    : "the engine " + named + " is not an executable file");
}

fs::path find_engine_if_any(const std::string& given) {
  auto usable = [](const fs::path& path) {
    return fs::is_regular_file(path) && access(path.c_str(), X_OK) == 0;
  };
  std::string named = given.empty() ? environment("GRUS_ENGINE") : given;
  if (!named.empty()) return usable(named) ? fs::absolute(named) : fs::path();
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) self = fs::canonical(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), error);  // there is no /proc
  fs::path own = self.parent_path();
  for (const fs::path& path : {own / "grus-aarch64", own.parent_path() / "libexec/grus/grus-aarch64"})
    if (usable(path)) return path;
  return {};
}

}  // namespace grus::tool
