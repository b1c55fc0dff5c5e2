// SPDX-License-Identifier: MIT
// grus: the command line. Exit codes: 0 ok, 1 problems found, 2 usage, 3 not permitted, 4 not supported by
// this host, 5 the probe could not run. `run` and `shell` give the program's own status.
#include <cstdio>
#include <filesystem>

#include "tool/command.h"

int main(int argc, char** argv) {
  using namespace grus::tool;
  int result = kOk;
  CLI::App app{"AArch64 Linux programs on x86-64.", "grus"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "grus " GRUS_VERSION);
  add_doctor(app, result);
  add_install(app, result);
  add_run(app, result);
  add_root(app, result);
  add_cache(app, result);
  add_version(app, result);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    app.exit(e);
    return kUsage;
  } catch (const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "grus: %s\n", failure.what());
    return failure.code;
  } catch (const std::filesystem::filesystem_error& e) {
    std::fprintf(stderr, "grus: %s: %s\n", e.path1().c_str(), e.code().message().c_str());
    return e.code() == std::errc::permission_denied || e.code() == std::errc::operation_not_permitted ? kNotPermitted
                                                                                                      : kProblems;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "grus: %s\n", e.what());
    return kProblems;
  }
  return result;
}
