// SPDX-License-Identifier: MIT
// See guest_environment.h.
#include "tool/guest_environment.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tool/guest_files.h"
#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

// Each names files of the host that a program would load or run, or a state that belongs to the host's programs. In README's list.
constexpr const char* kOfTheHost[] = {
    // the loader and shells
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LOCPATH", "GCONV_PATH", "QEMU_LD_PREFIX", "BASH_ENV", "OLDPWD", "TMPDIR",
    "TMP", "TEMP", "MANPATH", "INFOPATH", "XDG_RUNTIME_DIR", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS",
    // C, C++ and what builds them
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX",
    "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR", "ACLOCAL_PATH", "CMAKE_PREFIX_PATH", "CMAKE_TOOLCHAIN_FILE",
    "CMAKE_ROOT", "CONFIG_SITE", "LIBCLANG_PATH", "LLVM_CONFIG_PATH", "OPENSSL_DIR", "OPENSSL_LIB_DIR", "OPENSSL_INCLUDE_DIR",
    "OPENSSL_CONF", "OPENSSL_MODULES", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR",
    // Rust
    "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME", "CARGO", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
    // Java
    "JAVA_HOME", "JDK_HOME", "JRE_HOME", "JAVA_ROOT", "JAVA_BINDIR", "CLASSPATH", "M2_HOME", "M2", "MAVEN_HOME", "GRADLE_HOME",
    "GRADLE_USER_HOME", "ANT_HOME", "KOTLIN_HOME", "SCALA_HOME", "SBT_HOME", "GROOVY_HOME", "GRAALVM_HOME", "SDKMAN_DIR",
    "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_NDK_HOME", "ANDROID_NDK_ROOT",
    // Go
    "GOROOT", "GOTOOLDIR", "GOPATH", "GOBIN", "GOCACHE", "GOMODCACHE", "GOENV",
    // Python
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONEXECUTABLE", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_EXE",
    "CONDA_DEFAULT_ENV", "CONDA_PYTHON_EXE", "PYENV_ROOT", "PYENV_VERSION", "PIPX_HOME", "UV_PYTHON", "POETRY_HOME",
    // Node
    "NODE_PATH", "NVM_DIR", "NVM_BIN", "NVM_INC", "N_PREFIX", "NPM_CONFIG_PREFIX", "npm_config_prefix",
    "NPM_CONFIG_USERCONFIG", "PNPM_HOME", "VOLTA_HOME", "BUN_INSTALL", "DENO_DIR",
    // Perl, Ruby, Lua, PHP, Tcl, R, OCaml, Haskell, Erlang, .NET
    "PERL5LIB", "PERLLIB", "PERL5DB", "PERL_MB_OPT", "PERL_MM_OPT", "PERL_LOCAL_LIB_ROOT", "RUBYLIB", "GEM_HOME",
    "GEM_PATH", "RBENV_ROOT", "RBENV_VERSION", "LUA_PATH", "LUA_CPATH", "PHPRC", "PHP_INI_SCAN_DIR",
    "TCLLIBPATH", "TCL_LIBRARY", "TK_LIBRARY", "R_HOME", "R_LIBS", "R_LIBS_USER", "R_LIBS_SITE", "OPAM_SWITCH_PREFIX", "OPAMROOT",
    "OCAMLPATH", "OCAMLLIB", "CAML_LD_LIBRARY_PATH", "GHC_PACKAGE_PATH", "GHCUP_INSTALL_BASE_PREFIX", "ERL_LIBS", "ERL_ROOTDIR",
    "ELIXIR_HOME", "DOTNET_ROOT", "DOTNET_HOST_PATH", "MSBuildSDKsPath", "JULIA_DEPOT_PATH",
    "JULIA_LOAD_PATH", "GUILE_LOAD_PATH", "GUILE_LOAD_COMPILED_PATH", "SWIFT_EXEC", "FLUTTER_ROOT", "ASDF_DIR", "ASDF_DATA_DIR",
    "MISE_DATA_DIR", "HOMEBREW_PREFIX", "HOMEBREW_CELLAR", "HOMEBREW_REPOSITORY"};

// A command and its arguments: kept when it is a name (CC=clang), or when the root has the file.
constexpr const char* kCommands[] = {"CC", "CXX", "CPP", "AS", "AR", "LD", "NM", "RANLIB", "STRIP", "OBJCOPY", "OBJDUMP", "READELF",
                                     "FC", "F77", "HOSTCC", "HOSTCXX", "BUILD_CC", "CC_FOR_BUILD", "CXX_FOR_BUILD", "MAKE", "CMAKE", "NINJA",
                                     "PKG_CONFIG", "PYTHON", "PERL", "RUBY", "NODE", "SHELL", "EDITOR", "VISUAL", "PAGER", "GIT_EDITOR",
                                     "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "SUDO_ASKPASS", "GIT_PAGER", "BROWSER",
                                     "CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"};

// Does a line of /etc/passwd or /etc/group in `text` have the number, or name the user, in its field?
bool has_line(const std::string& text, const std::string& number) {
  for (const std::string& line : split(text, '\n')) {
    size_t name = line.find(':'), password = line.find(':', name + 1), end = line.find(':', password + 1);
    if (password != std::string::npos && line.substr(password + 1, end - password - 1) == number) return true;
  }
  return false;
}

// A field holds no separator.
std::string field(const char* text) {
  std::string result = text ? text : "";
  for (char& c : result)
    if (c == ':' || c == '\n') c = ' ';
  return result;
}

// What git calls the user is taken over once: later both have their own. Read here, for git itself would be two processes at each start.
void introduce_to_git(const fs::path& host_home, const fs::path& home) {
  std::error_code error;
  if (fs::exists(home / ".gitconfig", error) || fs::exists(home / ".config/git/config", error)) return;
  std::string identity;
  for (const char* file : {".config/git/config", ".gitconfig"}) {  // git reads both, the second one prevails
    std::string own;
    bool in_user = false;
    for (const std::string& line : split(read_file(host_home / file).value_or(""), '\n')) {
      size_t begin = line.find_first_not_of(" \t");
      if (begin == std::string::npos) continue;
      if (line[begin] == '[') in_user = line.compare(begin, 6, "[user]") == 0;
      for (const char* name : {"name", "email"})
        if (in_user && line.compare(begin, std::strlen(name), name) == 0) own += line + "\n";
    }
    if (!own.empty()) identity = own;
  }
  if (!identity.empty()) write_file(home / ".gitconfig", "[user]\n" + identity, O_CREAT | O_EXCL);
}

}  // namespace

void clear_environment() {
  std::string term = environment("TERM", "dumb");
  clearenv();
  setenv("TERM", term.c_str(), 1);
  setenv("HOME", "/root", 1);
}

void drop_host_variables(const fs::path& root) {
  setenv("PATH", kRootPath, 1);  // the host's names programs of the host
  for (const char* name : kOfTheHost) unsetenv(name);
  for (const char* name : kCommands) {
    std::string value = environment(name), program = value.substr(0, value.find(' '));
    if (program.find('/') != std::string::npos && find_in_root(root, program).empty()) unsetenv(name);
  }
}

// HOME has to be a directory of the root that the user may write: cargo and many others keep their state
// there. Where the host's is none that he may write (/homeless-shelter, a user that nobody knows) it stays so.
void provide_home(RootPlan& plan, const fs::path& homes, bool as_root) {
  fs::path home = home_directory().lexically_normal();
  if (!home.has_filename()) home = home.parent_path();
  auto lies_in = [&](const std::string& directory) {
    return home == directory || starts_with(home.string(), directory + "/");
  };
  for (const RootPlan::Bind& bind : plan.binds)
    if (lies_in(bind.target)) return;
  if (as_root || geteuid() == 0) {
    setenv("HOME", "/root", 1);
    return;
  }
  if (home == "/" || lies_in("/dev") || !fs::is_directory(home)) return;
  fs::path own = homes / plan.root.filename();
  std::error_code error;
  fs::create_directories(own, error);
  if (error) return;
  introduce_to_git(home, own);
  plan.binds.insert(plan.binds.begin(), {own, home, false});  // first: the others may lie below it
}

void introduce_user(RootPlan& plan) {
  std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  auto content = [&](const char* file) {
    fs::path found = find_in_root(plan.root, file);
    return found.empty() ? std::nullopt : read_file(found);
  };
  auto with_line = [](std::string text, const std::string& line) {
    if (!text.empty() && text.back() != '\n') text += '\n';
    return text + line + "\n";
  };
  const passwd* entry = getpwuid(geteuid());
  std::string name = entry ? field(entry->pw_name) : "user" + uid;
  if (auto text = content("/etc/passwd"); text && !has_line(*text, uid)) {
    const char* shell = find_in_root(plan.root, "/bin/bash").empty() ? "/bin/sh" : "/bin/bash";
    plan.files.emplace_back("/etc/passwd", with_line(*text, name + ":x:" + uid + ":" + gid + ":" + field(entry ? entry->pw_gecos : "") +
                                                               ":" + field(environment("HOME", "/").c_str()) + ":" + shell));
  }
  if (auto text = content("/etc/group"); text && !has_line(*text, gid)) {
    const group* own = getgrgid(getegid());
    plan.files.emplace_back("/etc/group", with_line(*text, (own ? field(own->gr_name) : name) + ":x:" + gid + ":"));
  }
}

// Debian's bash.bashrc puts $debian_chroot before the prompt; others take PS1 as it comes.
void set_prompt(const std::string& label) {
  setenv("debian_chroot", label.c_str(), 1);
  setenv("PS1", ("(" + label + ") $ ").c_str(), 1);
}

}  // namespace grus::tool
