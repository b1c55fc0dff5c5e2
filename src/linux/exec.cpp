// SPDX-License-Identifier: MIT
// See exec.h. The order of checks follows do_execveat_common(), do_open_execat(), load_script() and
// load_elf_binary().
//
// Nothing that is shared with others (memory of a vfork parent, descriptors of other threads) is changed
// before the host's execveat, except that hidden descriptors lose close-on-exec for the moment.
#include "linux/exec.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/prctl.h>

#include <initializer_list>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/options.h"
#include "linux/handlers.h"
#include "linux/hidden_descriptors.h"
#include "linux/identity.h"
#include "linux/loader/load.h"
#include "linux/prefix.h"
#include "linux/seccomp_filter.h"
#include "linux/signal.h"
#include "linux/vdso/vdso.h"

namespace grus::linux {
namespace {

constexpr u64 kEmptyPath = 0x1000, kNoFollow = 0x100, kExecCheck = 0x10000, kEffectiveAccess = 0x200;
constexpr u64 kPathMax = 4096;
constexpr unsigned kScriptDepth = 5;  // bprm_execve(): deeper is ELOOP

struct Descriptor {
  int fd = -1;
  Descriptor() = default;
  explicit Descriptor(int n) : fd(n) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void close() {
    if (fd >= 0) host_syscall(__NR_close, static_cast<u64>(fd));
    fd = -1;
  }
  void take(Descriptor& other) {
    close();
    fd = other.fd;
    other.fd = -1;
  }
};

i64 file_status(int fd, struct stat* st) { return host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(st)); }

bool changed_lately(const struct stat& st) {
  constexpr u64 kLately = 60;
  struct {
    i64 seconds, nanoseconds;
  } now{};
  if (host_clock_gettime(0 /* CLOCK_REALTIME */, &now)) return true;
  // In the future, too: the clock of a file server.
  return static_cast<u64>(st.st_mtime) + kLately > static_cast<u64>(now.seconds) ||
         static_cast<u64>(st.st_ctime) + kLately > static_cast<u64>(now.seconds);
}

// do_open_execat() without its last step: what it refuses is refused with the same errno.
i64 check_executable(int fd, const struct stat& st) {
  if ((st.st_mode & 0170000) != 0100000) return -EACCES;
  i64 r = -EINVAL;
  // AT_EXECVE_CHECK builds and drops an address space, 15 us: only for a file that somebody may still be writing.
  if (changed_lately(st)) {
    const char* const argv[] = {"", nullptr};
    r = host_syscall(__NR_execveat, static_cast<u64>(fd), ptr(""), ptr(argv), 0, kEmptyPath | kExecCheck);
  }
  // It tells the permission, not ETXTBSY; older kernels know no more.
  if (r == -EINVAL || r == -ENOSYS)
    r = host_syscall(439 /* faccessat2 */, static_cast<u64>(fd), ptr(""), 1, kEffectiveAccess | kEmptyPath);
  return r == -EACCES || r == -ETXTBSY || r == -EPERM ? r : 0;
}

// The file that (dirfd, path) names: an O_PATH descriptor, and one that can be read when the file may be
// read.
struct Target {
  Descriptor path_only, readable;
  struct stat st;
  bool by_identity = false;  // the path led to the engine and stands for a guest's program
};

i64 open_target(Task& task, int dirfd, const char* path, u64 flags, Target* t) {
  if (!*path) {
    if (!(flags & kEmptyPath)) return -ENOENT;
    if (dirfd == AT_FDCWD) return -EACCES;
    if (is_hidden_fd(task, dirfd)) return -EBADF;
    i64 copy = host_syscall(__NR_fcntl, static_cast<u64>(dirfd), F_DUPFD_CLOEXEC, 0);
    if (is_error(copy)) return copy;
    t->path_only.fd = static_cast<int>(copy);
  } else {
    u64 nofollow = (flags & kNoFollow) ? O_NOFOLLOW : 0;
    i64 fd = host_syscall(__NR_openat, static_cast<u64>(dirfd), ptr(path), O_PATH | O_CLOEXEC | nofollow);
    if (is_error(fd)) return fd;
    t->path_only.fd = static_cast<int>(fd);
  }
  if (i64 error = file_status(t->path_only.fd, &t->st)) return error;
  if ((t->st.st_mode & 0170000) == 0120000) return -ELOOP;
  bool by_name = *path;
  if (by_name && is_engine_inode(t->st.st_dev, t->st.st_ino)) {
    i64 fd = identity_resolve_exe(task, dirfd, path, !(flags & kNoFollow));
    if (fd >= 0) {
      t->path_only.close();
      t->path_only.fd = static_cast<int>(fd);
      by_name = false;
      t->by_identity = true;
      if (i64 error = file_status(t->path_only.fd, &t->st)) return error;
    } else if (fd != -ENOENT) {
      return fd;
    }
  }
  if (i64 error = check_executable(t->path_only.fd, t->st)) return error;

  // Reopen to read: by name when there is one (works without /proc), else through /proc, else the descriptor
  // itself when it was not opened with O_PATH.
  constexpr u64 kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  if (by_name) {
    i64 fd = host_syscall(__NR_openat, static_cast<u64>(dirfd), ptr(path), kRead);
    if (!is_error(fd)) {
      t->readable.fd = static_cast<int>(fd);
      struct stat again;
      if (!file_status(t->readable.fd, &again) && again.st_ino == t->st.st_ino &&
          again.st_dev == t->st.st_dev)
        return 0;
      t->readable.close();
    }
  }
  char link[64];
  format_to(link, sizeof link, "/proc/self/fd/%d", t->path_only.fd);
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(link), kRead);
  if (is_error(fd)) {
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM) return fd;
    if (t->by_identity) {  // an execute-only program of our own: the kernel opened it for us
      struct stat own;
      bool same = task.files->exe_fd >= 0 && !file_status(task.files->exe_fd, &own) && own.st_ino == t->st.st_ino &&
                  own.st_dev == t->st.st_dev;
      fd = same ? host_syscall(__NR_fcntl, static_cast<u64>(task.files->exe_fd), F_DUPFD_CLOEXEC, 0) : fd;
      t->readable.fd = is_error(fd) ? -1 : static_cast<int>(fd);
      return 0;
    }
    u8 byte;
    if (host_syscall(__NR_pread64, static_cast<u64>(t->path_only.fd), ptr(&byte), 1, 0) < 0) return 0;
    fd = host_syscall(__NR_fcntl, static_cast<u64>(t->path_only.fd), F_DUPFD_CLOEXEC, 0);
    if (is_error(fd)) return fd;
  }
  t->readable.fd = static_cast<int>(fd);
  return 0;
}

size_t read_head(int fd, u8* head) {
  i64 n = host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(head), kScriptHead, 0);
  size_t size = n > 0 ? static_cast<size_t>(n) : 0;
  for (size_t i = size; i < kScriptHead; i++) head[i] = 0;
  return size;
}

// Everything that load_elf_binary() refuses before the point of no return.
i64 check_guest_elf(int fd) {
  ElfFile program;
  if (i64 error = open_elf(fd, false, &program))
    return error == -EINVAL ? 0 : error;  // found later: SIGSEGV, as natively
  char* path = static_cast<char*>(__builtin_alloca(program.plan.interp_size + 1));
  i64 has = read_interpreter_path(program, path);
  release_elf(program);
  if (has <= 0) return has;
  Descriptor interpreter(open_interpreter(path));
  if (interpreter.fd < 0) return interpreter.fd;
  ElfFile file;
  i64 error = open_elf(interpreter.fd, true, &file);
  if (!error) release_elf(file);
  return error == -EINVAL ? 0 : error;
}

// Would the kernel give this file's owner, group or capabilities to a process that executes it by name?
bool gains_privileges(const struct stat& st, int fd) {
  if ((st.st_mode & 04000) && st.st_uid != static_cast<u32>(host_syscall(__NR_geteuid))) return true;
  if ((st.st_mode & 02010) == 02010 && st.st_gid != static_cast<u32>(host_syscall(__NR_getegid))) return true;
  if (host_syscall(__NR_geteuid) == 0) return false;
  u8 capabilities[24];
  return host_syscall(__NR_fgetxattr, static_cast<u64>(fd), ptr("security.capability"), ptr(capabilities),
                      sizeof capabilities) > 0;
}

// A file whose capabilities the caller's bounding set does not let through is not executed at all, not even by root, when it says
// that they are effective from the start (security/commoncap.c, bprm_caps_from_vfs_caps).
i64 check_capabilities(int fd) {
  struct vfs_ns_cap_data file {};
  const i64 size = host_syscall(__NR_fgetxattr, static_cast<u64>(fd), ptr("security.capability"), ptr(&file), sizeof file);
  if (size < i64{XATTR_CAPS_SZ_1} || !(file.magic_etc & VFS_CAP_FLAGS_EFFECTIVE)) return 0;
  // With a root of its own it is some other user namespace's: the kernel shows ours as revision 2.
  if ((file.magic_etc & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3) return 0;
  struct statfs fs;
  constexpr u64 kNoSetId = 2;  // ST_NOSUID: the file confers nothing
  if (!host_syscall(__NR_fstatfs, static_cast<u64>(fd), ptr(&fs)) && static_cast<u64>(fs.f_flags) & kNoSetId) return 0;
  struct __user_cap_header_struct header {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct own[2] = {};
  host_syscall(__NR_capget, ptr(&header), ptr(own));
  for (unsigned capability = 0; capability < 64; capability++) {
    const unsigned word = capability / 32;
    const u32 bit = 1u << capability % 32;
    // -EINVAL: a capability that this kernel does not know.
    if (file.data[word].permitted & bit && !(file.data[word].inheritable & own[word].inheritable & bit) &&
        host_syscall(__NR_prctl, PR_CAPBSET_READ, capability) == 0)
      return -EPERM;
  }
  return 0;
}

// A guest's array of string pointers, copied without tags, with room before and behind.
struct PointerArray {
  u64 inline_data[768];
  u64* data = inline_data;
  size_t size = 0, mapped = 0;

  ~PointerArray() { release(); }
  void release() {
    if (mapped) unmap_engine_pages(data, mapped);
    mapped = 0;
    data = inline_data;
  }
  i64 read(u64 array, size_t skip, size_t before, size_t behind) {
    release();
    size_t count = 0;
    u64 value;
    if (array)
      for (;; count++) {
        if (load_guest(GuestAddr(array + 8 * count), &value)) return -EFAULT;
        if (!value) break;
        if (count > (1u << 27)) return -E2BIG;
      }
    if (skip > count) skip = count;
    size_t room = before + count - skip + behind + 1;
    if (room > sizeof inline_data / 8) {
      mapped = page_up(room * 8);
      data = static_cast<u64*>(map_engine_pages(mapped));
      if (!data) {
        mapped = 0;
        return -ENOMEM;
      }
    }
    for (size_t i = skip; i < count; i++) {
      if (load_guest(GuestAddr(array + 8 * i), &value)) return -EFAULT;
      data[before + i - skip] = GuestAddr(value).untagged().v;
    }
    size = before + count - skip;
    data[size] = 0;
    return 0;
  }
};

void set_close_on_exec(int fd, bool on) {
  if (fd >= 0) host_syscall(__NR_fcntl, static_cast<u64>(fd), F_SETFD, on ? FD_CLOEXEC : 0);
}

int save_seccomp(const Task& task) {
  size_t size = seccomp_saved_size(task);
  if (!size) return -1;
  void* bytes = map_engine_pages(size);
  if (!bytes) return -ENOMEM;
  seccomp_save(task, bytes);
  i64 fd = host_syscall(__NR_memfd_create, ptr("seccomp"), MFD_CLOEXEC);
  i64 written = is_error(fd) ? fd : host_syscall(__NR_write, static_cast<u64>(fd), ptr(bytes), size);
  unmap_engine_pages(bytes, size);
  if (is_error(written)) {
    if (!is_error(fd)) host_syscall(__NR_close, static_cast<u64>(fd));
    return static_cast<int>(written);
  }
  return static_cast<int>(fd);
}

bool is_engine_path(const char* path) {
  struct stat st;
  return !host_syscall(__NR_stat, ptr(path), ptr(&st)) && is_engine_inode(st.st_dev, st.st_ino);
}

i64 host_exec(Task& task, int dirfd, const char* path, const u64* argv, const u64* envp, u64 flags) {
  signals_before_exec(task);
  // In the window: a signal that was taken for the guest must be delivered before the program that takes it
  // is gone.
  i64 error =
      blocking_syscall(task, __NR_execveat, static_cast<u64>(dirfd), ptr(path), ptr(argv), ptr(envp), flags);
  signals_after_failed_exec(task);
  return error;
}

char* put_number(char* out, u64 n) {
  char digits[20];
  unsigned count = 0;
  do digits[count++] = static_cast<char>('0' + n % 10);
  while (n /= 10);
  while (count) *out++ = digits[--count];
  *out++ = ';';
  return out;
}
bool take_number(const char*& s, i64* n) {
  u64 v = 0;
  const char* begin = s;
  while (*s >= '0' && *s <= '9' && v < (1u << 30)) v = v * 10 + static_cast<u64>(*s++ - '0');
  if (s == begin || *s != ';') return false;
  s++;
  *n = static_cast<i64>(v);
  return true;
}

}  // namespace

// GRUS_HANDOVER=version;exe;engine;log;seccomp;cache;flags;features;prefix length;strace length;program length;
// PREFIXSTRACEPROGRAMEXECFN - descriptors plus one, 0 for none.
constexpr u64 kHandoverVersion = 5;

size_t format_handover(char* out, size_t size, const Handover& h) {
  size_t name = sizeof kHandoverName - 1, execfn = __builtin_strlen(h.execfn);
  if (name + 11 * 21 + h.prefix_length + h.strace_length + h.program_length + execfn + 1 > size) return 0;
  __builtin_memcpy(out, kHandoverName, name);
  char* at = out + name;
  at = put_number(at, kHandoverVersion);
  for (int fd : {h.exe_fd, h.engine_fd, h.log_fd, h.seccomp_fd, h.cache_fd})
    at = put_number(at, static_cast<u64>(fd + 1));
  at = put_number(at, h.flags);
  at = put_number(at, h.features);
  at = put_number(at, h.prefix_length);
  at = put_number(at, h.strace_length);
  at = put_number(at, h.program_length);
  if (h.prefix_length) __builtin_memcpy(at, h.prefix, h.prefix_length);
  at += h.prefix_length;
  if (h.strace_length) __builtin_memcpy(at, h.strace, h.strace_length);
  at += h.strace_length;
  if (h.program_length) __builtin_memcpy(at, h.program, h.program_length);
  at += h.program_length;
  __builtin_memcpy(at, h.execfn, execfn + 1);
  return static_cast<size_t>(at - out) + execfn;
}

bool parse_handover(const char* s, Handover* h) {
  i64 n[11];
  for (i64& v : n)
    if (!take_number(s, &v)) return false;
  if (n[0] != kHandoverVersion || n[8] < 0 || n[9] < 0 || n[10] < 0 || (!n[1] && !n[10])) return false;
  if (__builtin_strlen(s) < static_cast<size_t>(n[8]) + static_cast<size_t>(n[9]) + static_cast<size_t>(n[10])) return false;
  h->exe_fd = static_cast<int>(n[1] - 1);
  h->engine_fd = static_cast<int>(n[2] - 1);
  h->log_fd = static_cast<int>(n[3] - 1);
  h->seccomp_fd = static_cast<int>(n[4] - 1);
  h->cache_fd = static_cast<int>(n[5] - 1);
  h->flags = static_cast<u32>(n[6]);
  h->features = static_cast<u32>(n[7]);
  h->prefix = s;
  h->prefix_length = static_cast<size_t>(n[8]);
  h->strace = s + n[8];
  h->strace_length = static_cast<size_t>(n[9]);
  h->program = h->strace + n[9];
  h->program_length = static_cast<size_t>(n[10]);
  h->execfn = h->program + n[10];
  return true;
}

// What search_binary_handler() finds, with scripts replaced by their interpreters.
namespace {

enum class Kind : u8 {
  Guest,       // for this engine
  Privileged,  // the same, but it would gain privileges: by a handler with flag C if there is one
  Host,        // for the host's execve
  Unreadable,  // may be executed but not read: only the kernel can start it, through binfmt_misc
};

struct Found {
  Target target;
  Kind kind;
  bool replaced = false;  // front[0 .. fronts) replace argv[0]
  unsigned fronts = 0;
  const char* front[3 * (kScriptDepth + 1)];
  u8 heads[kScriptDepth + 1][kScriptHead];

  void clear() {
    target.path_only.close();
    target.readable.close();
    target.by_identity = replaced = false;
    fronts = 0;
  }
};

// `name` is what scripts see as their own, `inaccessible`: they cannot see it.
i64 find_program(Task& task, int dirfd, const char* path, u64 flags, const char* name, bool inaccessible, Found* found) {
  Target& target = found->target;
  if (i64 error = open_target(task, dirfd, path, flags, &target)) return error;
  found->kind = Kind::Unreadable;
  if (target.readable.fd < 0) return 0;
  found->kind = Kind::Host;
  const char** front = found->front;
  const char* interp = name;
  for (unsigned depth = 0;; depth++) {
    if (depth > kScriptDepth) return -ELOOP;
    u8* head = found->heads[depth];
    size_t size = read_head(target.readable.fd, head);
    FileKind kind = classify_file(head, size);
    if (kind == FileKind::GuestElf) break;
    if (kind != FileKind::Script) return 0;
    const char *interpreter, *argument;
    if (parse_script(head, size, &interpreter, &argument)) return 0;
    if (inaccessible) return -ENOENT;
    // argv[0] of what was so far goes; before the rest come interpreter, argument and the script's name.
    unsigned added = argument ? 3 : 2, kept = found->fronts ? found->fronts - 1 : 0;
    for (unsigned i = kept; i-- > 0;) front[added + i] = front[1 + i];
    front[0] = interpreter;
    if (argument) front[1] = argument;
    front[added - 1] = interp;
    found->fronts = added + kept;
    found->replaced = true;
    interp = interpreter;
    Target next;
    const char* file = interpreter;
    if (engine_options().prefix) file = look_below_prefix(file, true, static_cast<char*>(__builtin_alloca(kPrefixedPathMax)));
    if (i64 error = open_target(task, AT_FDCWD, file, 0, &next)) return error;
    if (next.readable.fd < 0) return 0;
    // Nothing runs here yet that /proc/self/exe could stand for, and the engine would be given the same script again, for ever.
    if (!runs_a_program(task) && is_engine_inode(next.st.st_dev, next.st.st_ino)) return -ELOOP;
    target.path_only.take(next.path_only);
    target.readable.take(next.readable);
    target.st = next.st;
  }
  if (i64 error = check_guest_elf(target.readable.fd)) return error;
  if (i64 error = check_capabilities(target.readable.fd)) return error;
  // A script's privileges are its interpreter's.
  found->kind = gains_privileges(target.st, target.readable.fd) ? Kind::Privileged : Kind::Guest;
  return 0;
}

// The guest's descriptors are all in use: the same with a copy of them, some of which are closed. What was opened is gone afterwards;
// the new engine opens the program by its path.
struct Search {
  Task* task;
  int dirfd;
  const char* path;
  u64 flags;
  const char* name;
  bool inaccessible;
  Found* found;
  char* program;  // of kPathMax bytes; empty: it has no path
  i64 error;
};

void search_beside(void* p) {
  Search& s = *static_cast<Search*>(p);
  if (engine_options().prefix && *s.path)
    s.path = look_below_prefix(s.path, !(s.flags & kNoFollow), static_cast<char*>(__builtin_alloca(kPrefixedPathMax)));
  s.error = find_program(*s.task, s.dirfd, s.path, s.flags, s.name, s.inaccessible, s.found);
  Target& target = s.found->target;
  s.program[0] = 0;
  if (target.readable.fd >= 0) {
    char link[32];
    format_to(link, sizeof link, "/proc/self/fd/%d", target.readable.fd);
    i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(AT_FDCWD), ptr(link), ptr(s.program), kPathMax - 1);
    s.program[n > 0 ? n : 0] = 0;
    struct stat st;
    if (host_syscall(__NR_stat, ptr(s.program), ptr(&st)) || st.st_dev != target.st.st_dev || st.st_ino != target.st.st_ino)
      s.program[0] = 0;
  }
  target.path_only.close();
  target.readable.close();
}

}  // namespace

i64 exec_program(Task& task, int dirfd, u64 guest_path, u64 guest_argv, u64 guest_envp, u64 flags) {
  if (flags & ~(kEmptyPath | kNoFollow | kExecCheck)) return -EINVAL;
  size_t length;
  if (string_length_guest(GuestAddr(guest_path), kPathMax, &length)) return -EFAULT;
  if (length >= kPathMax) return -ENAMETOOLONG;
  // Strings have the size they need, here and below: after a fork each further page of this stack is a copy.
  char* copy = static_cast<char*>(__builtin_alloca(length + 1));
  if (copy_from_guest(copy, GuestAddr(guest_path), length)) return -EFAULT;
  copy[length] = 0;
  const char* path = copy;

  const char* const called = path;
  if (engine_options().prefix && *path)
    path = look_below_prefix(path, !(flags & kNoFollow), static_cast<char*>(__builtin_alloca(kPrefixedPathMax)));

  // alloc_bprm(): what scripts see as their own name.
  const size_t name_size = length + 32;
  char* name = static_cast<char*>(__builtin_alloca(name_size));
  const bool by_path = called[0] == '/' || dirfd == AT_FDCWD;
  if (by_path)
    __builtin_memcpy(name, called, length + 1);
  else
    format_to(name, name_size, *called ? "/dev/fd/%d/%s" : "/dev/fd/%d%s", dirfd, called);
  const bool inaccessible = !by_path && host_syscall(__NR_fcntl, static_cast<u64>(dirfd), F_GETFD) & FD_CLOEXEC;

  Found found;
  char* program = nullptr;
  i64 error = find_program(task, dirfd, path, flags, name, inaccessible, &found);
  if (error == -EMFILE) {
    found.clear();
    program = static_cast<char*>(__builtin_alloca(kPathMax));
    Search search{&task, dirfd, path, flags, name, inaccessible, &found, program, 0};
    if (!with_spare_descriptors(task, dirfd, search_beside, &search)) return -EMFILE;
    error = search.error;
  }
  if (error) return error;
  Target& target = found.target;

  PointerArray argv, envp;
  auto exec_natively = [&]() -> i64 {
    if (i64 error = argv.read(guest_argv, 0, 0, 0)) return error;
    if (i64 error = envp.read(guest_envp, 0, 0, 0)) return error;
    if (target.by_identity) {
      if (program) return -EMFILE;
      // By that name the host would execute the engine. ENOENT: a handler that wants a path, which this descriptor has not.
      i64 error = host_exec(task, target.path_only.fd, "", argv.data, envp.data, kEmptyPath);
      return error == -ENOENT ? -ENOEXEC : error;
    }
    return host_exec(task, dirfd, path, argv.data, envp.data, flags);
  };
  if (found.kind == Kind::Unreadable) {
    i64 error = exec_natively();
    return error == -ENOEXEC ? -EACCES : error;
  }
  if (found.kind == Kind::Host) return exec_natively();
  if (flags & kExecCheck) return 0;
  // The engine through its own descriptor gains nothing: the file's own privileges take a handler with flag
  // C.
  if (found.kind == Kind::Privileged) {
    i64 error = exec_natively();
    if (error != -ENOEXEC) return error;
  }
  // Without a descriptor of the engine: by its name. Without that, too: started by binfmt_misc without /proc, there is a handler.
  const int engine = task.files->engine_fd;
  if (engine < 0 && !is_engine_path(kEngineLink)) return exec_natively();

  const EngineOptions& options = engine_options();
  if (i64 error = argv.read(guest_argv, found.replaced ? 1 : 0, found.fronts, 0)) return error;
  for (unsigned i = 0; i < found.fronts; i++) argv.data[i] = ptr(found.front[i]);
  if (i64 error = envp.read(guest_envp, 0, 0, 1)) return error;
  Descriptor seccomp(save_seccomp(task));
  if (seccomp.fd < -1) return seccomp.fd;

  Handover handover{};
  handover.exe_fd = target.readable.fd;
  handover.engine_fd = engine;
  handover.log_fd = task.files->log_fd;
  handover.seccomp_fd = seccomp.fd;
  handover.cache_fd = task.files->cache_fd;
  handover.flags = (options.stats ? kHandoverStats : 0) |
                   (options.interpret ? kHandoverInterpret : 0) |
                   (options.cache_read_only ? kHandoverCacheReadOnly : 0) | options.lockstep << kHandoverLockstepShift;
  handover.features = options.features;
  handover.prefix = options.prefix;
  handover.prefix_length = options.prefix ? __builtin_strlen(options.prefix) : 0;
  handover.strace = options.strace;
  handover.strace_length = options.strace ? __builtin_strlen(options.strace) : 0;
  handover.execfn = name;
  int kept = -1;
  if (program) {
    // A descriptor that the guest executes has a number already; else the new engine opens the program by its path.
    const bool by_descriptor = !*path && !found.replaced &&
                               !(host_syscall(__NR_fcntl, static_cast<u64>(dirfd), F_GETFL) & O_PATH);
    if (!by_descriptor && !*program) return -EMFILE;
    if (by_descriptor) {
      handover.exe_fd = dirfd;
      if (!inaccessible) kept = dirfd;
    } else {
      handover.program = program;
      handover.program_length = __builtin_strlen(program);
    }
  }
  if (kept >= 0) handover.flags |= kHandoverKeepProgram;
  if (handover.prefix_length > kPathMax || handover.strace_length > kPathMax) return -E2BIG;
  const size_t variable_size =
      handover.prefix_length + handover.strace_length + handover.program_length + __builtin_strlen(name) + 300;
  char* variable = static_cast<char*>(__builtin_alloca(variable_size));
  if (!format_handover(variable, variable_size, handover)) return -E2BIG;
  envp.data[envp.size] = ptr(variable);
  envp.data[envp.size + 1] = 0;

  target.path_only.close();
  const int passed[] = {handover.exe_fd, engine, handover.log_fd, seccomp.fd, handover.cache_fd};
  for (int fd : passed) set_close_on_exec(fd, false);
  error = engine >= 0 ? host_exec(task, engine, "", argv.data, envp.data, kEmptyPath)
                      : host_exec(task, AT_FDCWD, kEngineLink, argv.data, envp.data, 0);
  for (int fd : passed)
    if (fd != kept) set_close_on_exec(fd, true);
  return error;
}

i64 sys_execve(Task& task, const u64 (&a)[6]) { return exec_program(task, AT_FDCWD, a[0], a[1], a[2], 0); }
i64 sys_execveat(Task& task, const u64 (&a)[6]) {
  return exec_program(task, static_cast<int>(a[0]), a[1], a[2], a[3], static_cast<u32>(a[4]));
}

}  // namespace grus::linux
