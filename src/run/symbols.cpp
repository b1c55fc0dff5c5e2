// SPDX-License-Identifier: MIT
#include "run/symbols.h"

#include <asm/stat.h>
#include <elf.h>
#include <linux/fcntl.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"

namespace grus::run {
namespace {

// A file that is mapped, open for reading.
class Module {
 public:
  ~Module() {
    if (fd_ >= 0) host_syscall(__NR_close, static_cast<u64>(fd_));
  }
  // The one that is mapped at `pc`, by the name that /proc/self/maps has for it. `name` is filled in even when the file cannot be had.
  bool open(u64 pc, char (&name)[64]);
  u64 address_of(u64 pc) const { return pc - bias_; }
  // Calls f(context, symbol) for every function with a name, of .symtab or else .dynsym, whose strings are `*strings`.
  void for_each_function(void (*f)(void*, const Elf64_Sym&), void* context, Elf64_Shdr* strings) const;
  bool read(void* to, size_t bytes, u64 offset) const {
    return host_syscall(__NR_pread64, static_cast<u64>(fd_), ptr(to), bytes, offset) == static_cast<i64>(bytes);
  }
  // As much as there is.
  size_t read_some(void* to, size_t bytes, u64 offset) const {
    i64 n = host_syscall(__NR_pread64, static_cast<u64>(fd_), ptr(to), bytes, offset);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }

 private:
  int fd_ = -1;
  u64 bias_ = 0;

  bool walk(u32 section_type, void (*f)(void*, const Elf64_Sym&), void* context, Elf64_Shdr* strings) const;
  bool is_inode(u64 inode) const {
    struct stat st;
    return !host_syscall(__NR_fstat, static_cast<u64>(fd_), ptr(&st)) && (st.st_mode & 0170000) == 0100000 && st.st_ino == inode;
  }
  bool find_bias(u64 pc, u64 file_offset);
};

struct Mapping {
  u64 begin, end, offset, inode;
  char path[4096];
};

u64 number(const char*& s, unsigned base) {
  u64 v = 0;
  for (;; s++) {
    unsigned digit = *s >= '0' && *s <= '9' ? static_cast<unsigned>(*s - '0') : *s >= 'a' && *s <= 'f' ? static_cast<unsigned>(*s - 'a' + 10) : 16;
    if (digit >= base) return v;
    v = v * base + digit;
  }
}

// "begin-end perms offset device inode   path"
void parse_mapping(const char* s, Mapping* m) {
  auto skip = [&] {
    while (*s && *s != ' ') s++;
    while (*s == ' ') s++;
  };
  m->begin = number(s, 16);
  if (*s == '-') s++;
  m->end = number(s, 16);
  skip();
  skip();
  m->offset = number(s, 16);
  skip();
  skip();
  m->inode = number(s, 10);
  skip();
  format_to(m->path, sizeof m->path, "%s", s);
}

bool find_mapping(u64 pc, Mapping* m) {
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/maps"), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return false;
  char line[4096 + 128], buffer[2048];
  size_t length = 0;
  bool found = false;
  for (i64 n; !found && (n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(buffer), sizeof buffer)) > 0;)
    for (i64 i = 0; i < n && !found; i++) {
      if (buffer[i] != '\n') {
        if (length + 1 < sizeof line) line[length++] = buffer[i];
        continue;
      }
      line[length] = 0;
      length = 0;
      const char* s = line;
      u64 begin = number(s, 16), end = number(++s, 16);
      if (pc < begin || pc >= end) continue;
      parse_mapping(line, m);
      found = true;
    }
  host_syscall(__NR_close, static_cast<u64>(fd));
  return found;
}

bool Module::open(u64 pc, char (&name)[64]) {
  Mapping m;
  name[0] = 0;
  if (!find_mapping(pc, &m) || m.path[0] != '/') return false;
  const char* base = m.path;
  for (const char* s = m.path; *s; s++)
    if (*s == '/') base = s + 1;
  format_to(name, sizeof name, "%s", base);
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(m.path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (is_error(fd)) return false;
  fd_ = static_cast<int>(fd);
  return is_inode(m.inode) && find_bias(pc, pc - m.begin + m.offset);
}

// By the segment that the file's byte belongs to.
bool Module::find_bias(u64 pc, u64 file_offset) {
  Elf64_Ehdr header;
  if (!read(&header, sizeof header, 0) || header.e_ident[0] != 0x7f || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  for (unsigned i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr p;
    if (!read(&p, sizeof p, header.e_phoff + i * sizeof p)) return false;
    if (p.p_type != PT_LOAD || file_offset < p.p_offset || file_offset - p.p_offset >= p.p_filesz) continue;
    bias_ = pc - (file_offset - p.p_offset + p.p_vaddr);
    return true;
  }
  return false;
}

bool is_function(const Elf64_Sym& s) {
  unsigned type = ELF64_ST_TYPE(s.st_info);
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && s.st_shndx != SHN_UNDEF && s.st_name;
}

void Module::for_each_function(void (*f)(void*, const Elf64_Sym&), void* context, Elf64_Shdr* strings) const {
  *strings = {};
  if (!walk(SHT_SYMTAB, f, context, strings)) walk(SHT_DYNSYM, f, context, strings);
}

// False: there is no such section.
bool Module::walk(u32 section_type, void (*f)(void*, const Elf64_Sym&), void* context, Elf64_Shdr* strings) const {
  Elf64_Ehdr header;
  if (!read(&header, sizeof header, 0) || header.e_shentsize != sizeof(Elf64_Shdr)) return false;
  for (unsigned i = 0; i < header.e_shnum; i++) {
    Elf64_Shdr section;
    if (!read(&section, sizeof section, header.e_shoff + i * sizeof section)) return false;
    if (section.sh_type != section_type || section.sh_entsize != sizeof(Elf64_Sym) || section.sh_link >= header.e_shnum ||
        !read(strings, sizeof *strings, header.e_shoff + section.sh_link * sizeof *strings))
      continue;
    constexpr u64 kAtOnce = 64;
    Elf64_Sym symbols[kAtOnce];
    u64 count = section.sh_size / sizeof(Elf64_Sym);
    for (u64 at = 0; at < count; at += kAtOnce) {
      u64 n = count - at < kAtOnce ? count - at : kAtOnce;
      if (!read(symbols, n * sizeof(Elf64_Sym), section.sh_offset + at * sizeof(Elf64_Sym))) break;
      for (u64 k = 0; k < n; k++)
        if (is_function(symbols[k])) f(context, symbols[k]);
    }
    return true;
  }
  return false;
}

// A damaged file shall not write to a terminal.
void make_printable(char* name) {
  for (char* c = name; *c; c++)
    if (*c <= ' ' || *c > '~') *c = '?';
}

// --- one address -------------------------------------------------------------------------------------------------

struct Search {
  u64 address;
  bool found;
  u64 begin, name;
};

void consider(void* context, const Elf64_Sym& s) {
  Search& search = *static_cast<Search*>(context);
  if (search.address < s.st_value || search.address - s.st_value >= s.st_size) return;
  if (search.found && s.st_value < search.begin) return;  // the innermost
  search = {search.address, true, s.st_value, s.st_name};
}

// --- many addresses ----------------------------------------------------------------------------------------------

struct Function {
  u64 begin, end;
  u32 name;  // in the module's strings
};

// The functions of a mapping. Whether it is still the same is told by its first bytes.
struct Functions {
  u64 begin, end;
  u8 first[256];
  Location location;  // of `begin`, without a symbol
  Function* list;
  size_t count, capacity;
  char* strings;
  size_t strings_size;
};

constexpr unsigned kModules = 64;
Functions g_modules[kModules];
unsigned g_next;

void collect(void* context, const Elf64_Sym& s) {
  Functions& m = *static_cast<Functions*>(context);
  if (!s.st_size) return;
  if (m.count == m.capacity) {
    size_t bigger = m.capacity ? m.capacity * 2 : 4096;
    auto* list = static_cast<Function*>(map_engine_pages(bigger * sizeof(Function)));
    if (!list) return;
    if (m.count) __builtin_memcpy(list, m.list, m.count * sizeof(Function));
    if (m.list) unmap_engine_pages(m.list, m.capacity * sizeof(Function));
    m.list = list;
    m.capacity = bigger;
  }
  m.list[m.count++] = {s.st_value, s.st_value + s.st_size, s.st_name};
}

void sift(Function* v, size_t root, size_t n) {
  for (size_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && v[child].begin < v[child + 1].begin) child++;
    if (v[root].begin >= v[child].begin) return;
    Function swap = v[root];
    v[root] = v[child];
    v[child] = swap;
  }
}

void sort(Function* v, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(v, i, n);
  for (size_t end = n; end-- > 1;) {
    Function swap = v[0];
    v[0] = v[end];
    v[end] = swap;
    sift(v, 0, end);
  }
}

bool is_same(const Functions& m, u64 begin, u64 end) {
  u8 now[sizeof m.first];
  return m.begin == begin && m.end == end && !copy_from_guest(now, GuestAddr(begin), sizeof now) &&
         !__builtin_memcmp(now, m.first, sizeof now);
}

Functions& functions_of(u64 begin, u64 end) {
  for (Functions& m : g_modules)
    if (m.end && is_same(m, begin, end)) return m;
  Functions& m = g_modules[g_next++ % kModules];
  if (m.list) unmap_engine_pages(m.list, m.capacity * sizeof(Function));
  if (m.strings) unmap_engine_pages(m.strings, m.strings_size);
  m = {};
  m.begin = begin;
  m.end = end;
  if (copy_from_guest(m.first, GuestAddr(begin), sizeof m.first)) __builtin_memset(m.first, 0, sizeof m.first);
  Module module;
  if (!module.open(begin, m.location.module)) return m;
  m.location.address = module.address_of(begin);
  Elf64_Shdr strings;
  module.for_each_function(collect, &m, &strings);
  sort(m.list, m.count);
  constexpr u64 kMost = u64{1} << 30;
  if (!m.count || !strings.sh_size || strings.sh_size > kMost) return m;
  m.strings = static_cast<char*>(map_engine_pages(strings.sh_size));
  if (m.strings) m.strings_size = strings.sh_size;
  if (m.strings) module.read_some(m.strings, m.strings_size, strings.sh_offset);
  return m;
}

}  // namespace

void find_location(u64 pc, Location* location) {
  *location = {};
  Module module;
  if (!module.open(pc, location->module)) return;
  location->address = module.address_of(pc);
  Search search{location->address, false, 0, 0};
  Elf64_Shdr strings;
  module.for_each_function(consider, &search, &strings);
  if (!search.found) return;
  location->symbol[module.read_some(location->symbol, sizeof location->symbol - 1, strings.sh_offset + search.name)] = 0;
  make_printable(location->symbol);
  location->offset = location->address - search.begin;
}

void find_location_again(u64 pc, u64 begin, u64 end, Location* location) {
  Functions& m = functions_of(begin, end);
  *location = m.location;
  location->address += pc - begin;
  size_t low = 0, high = m.count;  // the last that begins at the address or before
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (m.list[middle].begin <= location->address)
      low = middle + 1;
    else
      high = middle;
  }
  // An inner one may have ended before; a few of those that begin earlier may contain it.
  for (size_t i = low; i > 0 && i + 4 > low; i--) {
    if (location->address >= m.list[i - 1].end) continue;
    for (size_t n = 0, at = m.list[i - 1].name; at < m.strings_size && m.strings[at] && n + 1 < sizeof location->symbol; n++, at++)
      location->symbol[n] = m.strings[at];
    make_printable(location->symbol);
    location->offset = location->address - m.list[i - 1].begin;
    return;
  }
}

}  // namespace grus::run
