// SPDX-License-Identifier: MIT
// binfmt_misc; see binfmt.h. The formats are those of the kernel's Documentation/admin-guide/binfmt-misc.rst.
#include "tool/binfmt.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "tool/namespaces.h"
#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

// e_ident (64 bit, little endian, version 1, any OS ABI), e_type (ET_EXEC or ET_DYN), e_machine EM_AARCH64.
constexpr char kMagic[] =
    "\x7f"
    "ELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
constexpr char kMask[] = "\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
constexpr size_t kMagicSize = 20;

std::string escaped(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : bytes) text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::strtoul(hex.substr(i, 2).c_str(), nullptr, 16));
  return bytes;
}

Handler parse(const std::string& name, const std::string& text) {
  Handler handler;
  handler.name = name;
  handler.enabled = false;
  for (const std::string& line : split(text, '\n')) {
    auto value = [&](const char* key) {
      return starts_with(line, key) ? line.substr(std::string(key).size()) : "";
    };
    if (line == "enabled") handler.enabled = true;
    if (auto v = value("interpreter "); !v.empty()) handler.interpreter = v;
    if (auto v = value("flags: "); !v.empty()) handler.flags = v;
    if (auto v = value("offset "); !v.empty()) handler.offset = std::strtoul(v.c_str(), nullptr, 10);
    if (auto v = value("magic "); !v.empty()) handler.magic = from_hex(v);
    if (auto v = value("mask "); !v.empty()) handler.mask = from_hex(v);
  }
  return handler;
}

}  // namespace

bool Handler::takes_aarch64() const {
  std::string header(kMagic, kMagicSize);
  header.resize(128, '\0');
  if (magic.empty() || offset + magic.size() > header.size()) return false;
  for (size_t i = 0; i < magic.size(); i++) {
    unsigned char bits = i < mask.size() ? static_cast<unsigned char>(mask[i]) : 0xff;
    if ((header[offset + i] ^ magic[i]) & bits) return false;
  }
  return true;
}

Handler aarch64_handler(const fs::path& engine) {
  Handler handler;
  handler.name = kHandlerName;
  handler.interpreter = engine;
  handler.flags = "POCF";
  handler.magic.assign(kMagic, kMagicSize);
  handler.mask.assign(kMask, kMagicSize);
  return handler;
}

bool proc_is_mounted() {
  struct statfs info;
  return !statfs("/proc", &info) && info.f_type == PROC_SUPER_MAGIC;
}

// The directory itself is locked: it is the same for everybody who changes this instance, in whatever container, which no file
// in /run is; and it leaves nothing behind.
Descriptor Binfmt::lock() const {
  Descriptor directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) fail_errno(directory_.string(), errno);
  while (flock(directory.get(), LOCK_EX))
    if (errno != EINTR) fail_errno("cannot lock " + directory_.string(), errno);
  return directory;
}

bool Binfmt::mounted() const { return fs::exists(directory_ / "register"); }

bool Binfmt::switched_on() const {
  return starts_with(read_file(directory_ / "status").value_or(""), "enabled");
}

void Binfmt::mount_if_needed() const {
  if (mounted()) return;
  if (geteuid() != 0) throw Failure(kNotPermitted, "binfmt_misc is not mounted and only root can mount it");
  if (directory_ == kDefaultDirectory && !proc_is_mounted())
    throw Failure(kUnsupported, "/proc is not mounted: binfmt_misc lies there");
  if (!fs::is_directory(directory_))
    throw Failure(kUnsupported,
                  "this kernel has no binfmt_misc (modprobe binfmt_misc, or CONFIG_BINFMT_MISC)");
  // EBUSY: another did it meanwhile (fs/namespace.c, do_add_mount).
  if (::mount("binfmt_misc", directory_.c_str(), "binfmt_misc", 0, nullptr) && errno != EBUSY)
    fail_errno("cannot mount binfmt_misc at " + directory_.string(), errno);
}

void Binfmt::mount_private() const {
  if (::mount("binfmt_misc", directory_.c_str(), "binfmt_misc", 0, nullptr))
    fail_errno("this kernel has no private binfmt_misc", errno);
}

std::vector<Handler> Binfmt::handlers() const {
  std::vector<Handler> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    std::string name = entry.path().filename();
    if (name == "register" || name == "status") continue;
    result.push_back(parse(name, read_file(entry.path()).value_or("")));
  }
  return result;
}

void Binfmt::add(const Handler& handler) const {
  std::string line = ":" + handler.name + ":M:" + std::to_string(handler.offset) + ":" +
                     escaped(handler.magic) + ":" + escaped(handler.mask) + ":" + handler.interpreter + ":" +
                     handler.flags;
  if (handler.interpreter.size() > 1000 || handler.interpreter.find(':') != std::string::npos)
    throw Failure(kUsage, "the kernel takes no interpreter with a ':' or of more than 1000 bytes: " +
                              handler.interpreter);
  if (int e = write_file(directory_ / "register", line)) fail_errno("cannot register " + handler.name, e);
}

void Binfmt::remove(const std::string& name) const {
  if (int e = write_file(directory_ / name, "-1")) fail_errno("cannot remove the handler " + name, e);
}

void Binfmt::enable(const std::string& name, bool on) const {
  if (int e = write_file(directory_ / name, on ? "1" : "0"))
    fail_errno("cannot change the handler " + name, e);
}

bool Binfmt::private_instances_work() {
  pid_t pid = fork();
  if (pid == 0) {
    try {
      enter_user_namespace(Mapping::SelfAsRoot);
      Binfmt(kDefaultDirectory).mount_private();
      _exit(0);
    } catch (const Failure&) {
      _exit(1);
    }
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status == 0;
}

}  // namespace grus::tool
