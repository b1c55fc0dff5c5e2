// SPDX-License-Identifier: MIT
// User and mount namespaces; see namespaces.h. The order of the steps in enter_root is the order in which the
// kernel lets an unprivileged user do them.
#include "tool/namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

[[noreturn]] void no_user_namespace(int error) {
  std::string why = "cannot make a user namespace: " + error_text(error);
  if (read_file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").value_or("0")[0] == '1')
    why += "; this kernel restricts them (sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them)";
  else if (read_file("/proc/sys/kernel/unprivileged_userns_clone").value_or("1")[0] == '0')
    why += "; this kernel forbids them (sysctl kernel.unprivileged_userns_clone=1 allows them)";
  else if (read_file("/proc/sys/user/max_user_namespaces").value_or("1")[0] == '0')
    why += "; sysctl user.max_user_namespaces is 0";
  throw Failure(kUnsupported, why + "; as root none is needed");
}

// The identity on all ids that this namespace has: "0 0 4294967295" is given on as it is.
std::string identity_map(const char* file) {
  std::istringstream lines(read_file(file).value_or("0 0 65536"));
  std::string result;
  for (unsigned long inside, outside, count; lines >> inside >> outside >> count;)
    result += std::to_string(inside) + " " + std::to_string(inside) + " " + std::to_string(count) + "\n";
  return result;
}

// Of the user database, and not of the environment.
std::string user_name() {
  const passwd* entry = getpwuid(getuid());
  return entry ? entry->pw_name : "";
}

// The first range of /etc/subuid or /etc/subgid for the caller.
std::optional<std::pair<unsigned long, unsigned long>> subordinate(const char* file) {
  std::ifstream lines(file);
  const std::string user = user_name(), number = std::to_string(getuid());
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> parts = split(line, ':');
    if (parts.size() == 3 && (parts[0] == user || parts[0] == number))
      return std::pair{std::strtoul(parts[1].c_str(), nullptr, 10), std::strtoul(parts[2].c_str(), nullptr, 10)};
  }
  return std::nullopt;
}

int run_quietly(const std::vector<std::string>& arguments) {
  Outcome outcome = capture({arguments, "", -1, "", 5000});
  if (outcome.exited_with(0)) return 0;
  dprintf(2, "grus: %s: %s\n", arguments[0].c_str(), outcome.describe().c_str());
  return EPERM;
}

// Writes the maps of `pid` from outside its namespace.
int write_full_map(pid_t pid) {
  std::string process = std::to_string(pid);
  if (geteuid() == 0) {
    if (int e = write_file("/proc/" + process + "/uid_map", identity_map("/proc/self/uid_map"))) return e;
    return write_file("/proc/" + process + "/gid_map", identity_map("/proc/self/gid_map"));
  }
  if (std::string lack = lacks_full_mapping(); !lack.empty()) throw Failure(kNotPermitted, lack + ", or use sudo");
  auto uids = *subordinate("/etc/subuid"), gids = *subordinate("/etc/subgid");
  auto line = [](unsigned long self, std::pair<unsigned long, unsigned long> range) {
    return std::vector<std::string>{
        "0", std::to_string(self),        "1",
        "1", std::to_string(range.first), std::to_string(std::min(range.second, 65535ul))};
  };
  std::vector<std::string> u = {"newuidmap", process}, g = {"newgidmap", process};
  for (const std::string& part : line(getuid(), uids)) u.push_back(part);
  for (const std::string& part : line(getgid(), gids)) g.push_back(part);
  if (int e = run_quietly(u)) return e;
  return run_quietly(g);
}

void enter_with_full_map() {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC)) fail_errno("pipe", errno);
  pid_t self = getpid();
  pid_t helper = fork();
  if (helper < 0) fail_errno("fork", errno);
  if (helper == 0) {
    close(ready[1]);
    char byte;
    int result = EPERM;
    if (read(ready[0], &byte, 1) == 1) {
      try {
        result = write_full_map(self);
      } catch (const Failure& failure) {
        dprintf(2, "grus: %s\n", printable_lines(failure.what()).c_str());
      }
    }
    _exit(result);
  }
  close(ready[0]);
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) no_user_namespace(errno);
  if (write(ready[1], "x", 1) != 1) fail_errno("pipe", errno);
  int status = 0;
  waitpid(helper, &status, 0);
  close(ready[1]);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Failure(kNotPermitted,
                  "cannot map user ids into the namespace: " + error_text(WEXITSTATUS(status)) +
                      " (newuidmap and newgidmap, of the package uidmap, do it)");
  if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) fail_errno("cannot become root of the namespace", errno);
}

}  // namespace

std::string lacks_full_mapping() {
  if (geteuid() == 0) return "";
  for (const char* program : {"newuidmap", "newgidmap"}) {
    bool found = false;
    for (const std::string& directory : split(environment("PATH") + ":/usr/bin:/bin", ':'))
      found |= access((directory + "/" + program).c_str(), X_OK) == 0;
    if (!found) return std::string(program) + " is missing: install the package uidmap";
  }
  if (user_name().empty()) return "the user " + std::to_string(getuid()) + " has no name, which newuidmap wants";
  for (const char* file : {"/etc/subuid", "/etc/subgid"})
    if (!subordinate(file))
      return std::string(file) + " has no range for " + user_name() +
             ": add one (sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + user_name() + ")";
  return "";
}

void enter_user_namespace(Mapping mapping) {
  if (mapping == Mapping::Full) return enter_with_full_map();
  std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) no_user_namespace(errno);
  bool as_root = mapping == Mapping::SelfAsRoot;
  // Without privilege the kernel wants setgroups denied before it takes a gid map.
  write_file("/proc/self/setgroups", "deny");
  if (int e = write_file("/proc/self/uid_map", (as_root ? "0" : uid) + " " + uid + " 1\n"))
    no_user_namespace(e);
  if (int e = write_file("/proc/self/gid_map", (as_root ? "0" : gid) + " " + gid + " 1\n"))
    no_user_namespace(e);
}

void enter_mount_namespace(Mapping mapping_without_privilege) {
  if (geteuid() != 0 || unshare(CLONE_NEWNS)) enter_user_namespace(mapping_without_privilege);
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr)) fail_errno("cannot make the mounts private", errno);
}

namespace {

class RootBuilder {
 public:
  explicit RootBuilder(const fs::path& root) : path_(root) { reopen(); }

  // Binds the host's `source` at `target` of the root.
  void bind(const std::string& source, const std::string& target, bool must, bool read_only = false) {
    struct stat info;
    if (stat(source.c_str(), &info)) {
      if (!must) return;
      fail_errno("cannot bind " + source, errno);
    }
    Descriptor at = place(target, S_ISDIR(info.st_mode), must);
    if (!at) return;
    if (mount(source.c_str(), fd_path(at.get()).c_str(), nullptr, MS_BIND | MS_REC, nullptr) && must)
      fail_errno("cannot bind " + source + " at " + target, errno);
    if (!read_only) return;
    at = look_up(target);  // what is mounted there now
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (!at || syscall(SYS_mount_setattr, at.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes))
      fail_errno("cannot make " + target + " read-only (this takes Linux 5.12)", errno);
  }

  // A file of the root shows `content` to this command.
  void replace(const std::string& target, const std::string& content) {
    Descriptor at = look_up(target);
    if (!at) return;
    if (mount("tmpfs", kStage, "tmpfs", 0, "mode=755")) fail_errno("cannot mount a tmpfs", errno);
    const std::string file = std::string(kStage) + "/file";
    if (int e = write_file(file, content, O_CREAT)) fail_errno("cannot write a temporary file", e);
    if (mount(file.c_str(), fd_path(at.get()).c_str(), nullptr, MS_BIND, nullptr)) fail_errno("cannot cover " + target, errno);
    umount2(kStage, MNT_DETACH);
  }

  // The root's own /tmp, or an empty one where that cannot be written.
  void provide_tmp() {
    Descriptor at = place("/tmp", true, true);
    if (faccessat(at.get(), "", W_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0) return;
    if (mount("tmpfs", fd_path(at.get()).c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")) fail_errno("cannot mount a tmpfs", errno);
  }

 private:
  static constexpr char kStage[] = "/tmp";  // covered for a moment, in our namespace only

  fs::path path_;
  Descriptor root_;

  void reopen() {
    root_ = Descriptor(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root_) fail_errno("cannot open the root " + path_.string(), errno);
  }

  // Symbolic links are followed as they will be once this is the root: they cannot lead out of it.
  Descriptor look_up(const std::string& target) {
    open_how how = {};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    return Descriptor(static_cast<int>(syscall(SYS_openat2, root_.get(), target.c_str(), &how, sizeof how)));
  }

  // The mount point, made when it is missing.
  Descriptor place(const std::string& target, bool directory, bool must) {
    Descriptor found = look_up(target);
    if (found || !must) return found;
    if (errno != ENOENT) fail_errno("cannot use " + target + " of the root", errno);
    fs::path path = fs::path("/") / fs::path(target).lexically_normal().relative_path();
    if (!path.has_filename()) path = path.parent_path();
    fs::path parent = path.parent_path();
    Descriptor above = place(parent, true, true);
    if (make(above.get(), path.filename(), directory)) {
      if (errno != EACCES && errno != EROFS && errno != EPERM)
        fail_errno("cannot make " + target + " in the root", errno);
      shadow(parent, above.get());
      above = look_up(parent);
      if (make(above.get(), path.filename(), directory))
        fail_errno("cannot make " + target + " in the root", errno);
    }
    return look_up(path);
  }

  static int make(int parent, const std::string& name, bool directory) {
    if (directory)
      return mkdirat(parent, name.c_str(), 0755) && errno != EEXIST ? -1 : 0;  // another grus was faster
    int fd = openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) close(fd);
    return fd < 0 ? -1 : 0;
  }

  // Covers a directory that we may not write with a tmpfs that shows the same entries, so that a mount point
  // can be made in it and the root on the disk stays as it is.
  void shadow(const std::string& target, int directory) {
    Descriptor list_fd(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!list_fd) fail_errno("cannot read " + target + " of the root", errno);
    if (mount("tmpfs", kStage, "tmpfs", 0, "mode=755")) fail_errno("cannot mount a tmpfs", errno);
    DIR* list = fdopendir(list_fd.release());
    while (dirent* entry = readdir(list)) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      std::string from = fd_path(directory) + "/" + name, to = std::string(kStage) + "/" + name;
      struct stat info;
      if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW)) continue;
      if (S_ISLNK(info.st_mode)) {
        std::error_code ignored;
        fs::create_symlink(fs::read_symlink(from, ignored), to, ignored);
      } else if (make(AT_FDCWD, to, S_ISDIR(info.st_mode)) == 0) {
        mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr);
      }
    }
    closedir(list);
    if (mount(kStage, fd_path(directory).c_str(), nullptr, MS_MOVE, nullptr))
      fail_errno("cannot cover " + target + " of the root", errno);
    if (fs::path(target).relative_path().empty()) reopen();
  }
};

}  // namespace

void enter_root(const RootPlan& plan) {
  if (mount(plan.root.c_str(), plan.root.c_str(), nullptr, MS_BIND | MS_REC, nullptr))
    fail_errno("cannot use " + plan.root.string() + " as a root", errno);
  {
    RootBuilder builder(plan.root);
    for (const char* system : {"/proc", "/sys", "/dev"}) builder.bind(system, system, true);
    builder.provide_tmp();
    for (const auto& [target, content] : plan.files) builder.replace(target, content);
    for (const std::string& file : plan.optional_binds) builder.bind(file, file, false);
    for (const RootPlan::Bind& bind : plan.binds) builder.bind(bind.source, bind.target, true, bind.read_only);
  }
  if (chdir(plan.root.c_str())) fail_errno("cannot enter " + plan.root.string(), errno);
  // pivot_root(".", ".") puts the old root on top of the new one; a chroot would forbid the program its own
  // namespaces.
  if (syscall(SYS_pivot_root, ".", ".")) fail_errno("cannot change the root", errno);
  if (umount2(".", MNT_DETACH)) fail_errno("cannot leave the old root", errno);
  if (chdir(plan.workdir.c_str())) fail_errno("cannot enter " + plan.workdir + " of the root", errno);
}

}  // namespace grus::tool
