// SPDX-License-Identifier: MIT
#include "tool/guest_files.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "tool/support.h"

namespace grus::tool {

namespace fs = std::filesystem;

namespace {

// Reads parts of a file that may say anything.
class ElfReader {
 public:
  explicit ElfReader(const fs::path& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    ok_ = fd_ && read(0, &header_, sizeof header_) && !std::memcmp(header_.e_ident, ELFMAG, SELFMAG) &&
          header_.e_ident[EI_CLASS] == ELFCLASS64 && header_.e_ident[EI_DATA] == ELFDATA2LSB && header_.e_machine == EM_AARCH64 &&
          (header_.e_type == ET_EXEC || header_.e_type == ET_DYN);
    if (!ok_ || header_.e_phentsize != sizeof(Elf64_Phdr)) return;
    for (unsigned i = 0; i < header_.e_phnum; i++) {
      Elf64_Phdr p;
      if (read(header_.e_phoff + i * sizeof p, &p, sizeof p)) segments_.push_back(p);
    }
  }
  bool ok() const { return ok_; }

  std::string interpreter() const {
    for (const Elf64_Phdr& p : segments_)
      if (p.p_type == PT_INTERP) return text(p.p_offset);
    return {};
  }
  struct Dynamic {
    std::vector<std::string> needed, search;
  };
  Dynamic dynamic() const {
    Dynamic result;
    std::vector<Elf64_Dyn> entries;
    u64 strings = 0;
    for (const Elf64_Phdr& p : segments_)
      if (p.p_type == PT_DYNAMIC)
        for (u64 at = 0; at + sizeof(Elf64_Dyn) <= p.p_filesz && at < 4096 * sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
          Elf64_Dyn d;
          if (!read(p.p_offset + at, &d, sizeof d) || d.d_tag == DT_NULL) break;
          entries.push_back(d);
          if (d.d_tag == DT_STRTAB) strings = d.d_un.d_ptr;
        }
    for (const Elf64_Phdr& p : segments_)
      if (p.p_type == PT_LOAD && strings >= p.p_vaddr && strings - p.p_vaddr < p.p_filesz) {
        u64 table = p.p_offset + (strings - p.p_vaddr);
        for (const Elf64_Dyn& d : entries) {
          if (d.d_tag == DT_NEEDED) result.needed.push_back(text(table + d.d_un.d_val));
          if (d.d_tag == DT_RPATH || d.d_tag == DT_RUNPATH)
            for (const std::string& part : split(text(table + d.d_un.d_val), ':')) result.search.push_back(part);
        }
        break;
      }
    return result;
  }

 private:
  using u64 = uint64_t;
  bool read(u64 offset, void* to, size_t size) const {
    return pread(fd_.get(), to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
  }
  std::string text(u64 offset) const {
    char buffer[4096];
    ssize_t n = pread(fd_.get(), buffer, sizeof buffer, static_cast<off_t>(offset));
    return n > 0 ? std::string(buffer, strnlen(buffer, static_cast<size_t>(n))) : std::string();
  }
  Descriptor fd_;
  bool ok_ = false;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace

bool is_guest_elf(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ElfReader(path).ok();
}

fs::path find_in_root(const fs::path& root, const std::string& path) {
  std::error_code error;
  if (root.empty()) return fs::exists(path, error) ? fs::absolute(path) : fs::path();
  Descriptor directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  Descriptor found(static_cast<int>(syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how)));
  if (!found) return {};
  return fs::read_symlink("/proc/self/fd/" + std::to_string(found.get()), error);
}

std::vector<fs::path> guest_files_in(const fs::path& path) {
  std::vector<fs::path> result;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (is_guest_elf(path)) result.push_back(path);
    return result;
  }
  auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(path, options, error), end; !error && at != end; at.increment(error))
    if (at->symlink_status(error).type() == fs::file_type::regular && is_guest_elf(at->path())) result.push_back(at->path());
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<fs::path> needed_files(const fs::path& root, const fs::path& program) {
  std::vector<fs::path> result, queue = {program};
  std::set<fs::path> seen = {program};
  auto add = [&](const fs::path& path) {
    if (path.empty() || !seen.insert(path).second || !is_guest_elf(path)) return;
    result.push_back(path);
    queue.push_back(path);
  };
  for (size_t i = 0; i < queue.size(); i++) {
    fs::path file = queue[i];
    ElfReader elf(file);
    if (std::string interpreter = elf.interpreter(); !interpreter.empty()) add(find_in_root(root, interpreter));
    ElfReader::Dynamic dynamic = elf.dynamic();
    // As ld.so looks, without its cache: what a program asks for, then where Debian and others keep libraries.
    fs::path origin = root.empty() ? file.parent_path() : fs::path("/") / file.parent_path().lexically_relative(root);
    std::vector<std::string> search;
    for (std::string part : dynamic.search) {
      for (const char* name : {"$ORIGIN", "${ORIGIN}"})
        if (size_t at = part.find(name); at != part.npos) part.replace(at, std::strlen(name), origin.string());
      search.push_back(part);
    }
    for (const char* part : {"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"})
      search.push_back(part);
    for (const std::string& name : dynamic.needed) {
      if (name.find('/') != name.npos) {
        add(find_in_root(root, name));
        continue;
      }
      for (const std::string& part : search) {
        fs::path found = find_in_root(root, part + "/" + name);
        if (found.empty() || !is_guest_elf(found)) continue;
        add(found);
        break;
      }
    }
  }
  return result;
}

}  // namespace grus::tool
