// SPDX-License-Identifier: MIT
// grus: the command line. Exit codes: 0 ok, 1 problems found, 2 usage, 3 not permitted, 4 not supported by this host, 5 the probe
// could not run. `run` and `shell` give the program's own status; what fails before the program runs is 125, or 126 and 127 when
// the program cannot be executed or found, as for env and docker: so neither is taken for the program's.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/version.h"
#include "tool/command.h"

namespace grus::tool {

namespace {

// How many letters to insert, remove, replace or swap with their neighbour make `b` of `a`.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); i++)
    for (size_t j = 0; j <= b.size(); j++) {
      if (!i || !j) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

std::string nearest(const CLI::App& app, const std::string& word) {
  std::string best;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const CLI::App* command : app.get_subcommands({}))
    if (size_t d = distance(word, command->get_name()); d < least) least = d, best = command->get_name();
  return best;
}

// The words of the command line that name subcommands have to be some: CLI11 says only that "a subcommand is required".
void check_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string path = "grus";
  for (int i = 1; i < argc && argv[i][0] != '-'; i++) {
    if (at->get_subcommands({}).empty()) return;
    auto named = at->get_subcommands([&](const CLI::App* command) { return command->get_name() == argv[i]; });
    if (named.empty()) {
      std::string near = nearest(*at, argv[i]);
      throw Failure(kUsage, "there is no command `" + path + " " + argv[i] + "`; " +
                                (near.empty() ? "`" + path + " --help` lists them" : "did you mean `" + path + " " + near + "`?"));
    }
    path += std::string(" ") + argv[i];
    at = named.front();
  }
}

// Names the command that the words were for, and the option that it does not know: CLI11 looks at what is missing first.
void report(const CLI::App& app, const CLI::ParseError& error) {
  std::string path = "grus", what = error.what();
  const CLI::App* at = &app;
  for (auto chosen = at->get_subcommands(); !chosen.empty(); chosen = at->get_subcommands()) {
    at = chosen.front();
    path += " " + at->get_name();
  }
  for (const std::string& word : at->remaining())
    if (word.size() > 1 && word[0] == '-') {
      what = "there is no option " + word;
      break;
    }
  std::fprintf(stderr, "grus: %s; see `%s --help`\n", what.c_str(), path.c_str());
}

int run(CLI::App& app, int argc, char** argv, int& result) {
  try {
    check_command(app, argc, argv);
    app.parse(argc, argv);
    return result;
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    report(app, e);
    return kUsage;
  } catch (const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "grus: %s\n", printable_lines(failure.what()).c_str());
    return failure.code;
  } catch (const std::filesystem::filesystem_error& e) {
    std::fprintf(stderr, "grus: %s: %s\n", printable(e.path1().string()).c_str(), e.code().message().c_str());
    return e.code() == std::errc::permission_denied || e.code() == std::errc::operation_not_permitted ? kNotPermitted
                                                                                                      : kProblems;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "grus: %s\n", printable_lines(e.what()).c_str());
    return kProblems;
  }
}

}  // namespace

}  // namespace grus::tool

int main(int argc, char** argv) {
  using namespace grus::tool;
  int result = kOk;
  CLI::App app{"AArch64 Linux programs on x86-64.", "grus"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("grus ") + grus::kVersion);
  add_doctor(app, result);
  add_install(app, result);
  add_run(app, result);
  add_root(app, result);
  add_cache(app, result);
  add_version(app, result);
  int code = run(app, argc, argv, result);
  bool runs_a_program = argc > 1 && (argv[1] == std::string("run") || argv[1] == std::string("shell"));
  if (runs_a_program && code != kOk && code != kCannotExecute && code != kNotFound) return kRunFailed;
  return code;
}
