// SPDX-License-Identifier: MIT
// The engine's start: from the host kernel's initial stack to a guest task that is ready to run.
//
// There are three ways in, told apart by what the kernel (not the user) passes:
//   command line   grus-aarch64 [options] PROGRAM ARGUMENTS...
//   binfmt_misc    AT_EXECFD is there, or AT_FLAGS says "preserve argv[0]": argv = { engine, path, [argv0,]
//   arguments... } another engine executed us through its hidden descriptor: AT_EXECFN is /dev/fd/N and the
//   last environment variable is
//                  the hand-over (linux/exec.h)
// The host's initial stack becomes the guest's: the strings of argv and the environment stay where they are,
// so that the kernel's own /proc/PID/cmdline and environ are right, and only the arrays below them are
// rebuilt for arm64.
#include <asm/stat.h>
#include <elf.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include <initializer_list>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "engine/cache_modes.h"
#include "engine/options.h"
#include "host/x86_64/features.h"
#include "linux/address_space.h"
#include "linux/exec.h"
#include "linux/hidden_descriptors.h"
#include "linux/identity.h"
#include "linux/loader/load.h"
#include "linux/prefix.h"
#include "linux/proc/files.h"
#include "linux/seccomp_filter.h"
#include "linux/strace.h"
#include "linux/vdso/vdso.h"
#include "run/dump.h"
#include "run/execute.h"
#include "run/lockstep.h"

extern "C" [[gnu::visibility("hidden")]] char __ehdr_start[];

extern "C" {
[[noreturn]] void grus_call_on_stack(void* top, void (*f)(void*), void* argument);
}

namespace grus {
namespace {

using linux::ElfFile;
using linux::Handover;
using linux::MappedElf;
using linux::Mm;
using linux::Task;

EngineOptions g_options;

constexpr char kUsage[] =
    "usage: grus-aarch64 [options] PROGRAM ARGUMENTS...\n"
    "  -L PREFIX      look for absolute names below PREFIX first (QEMU_LD_PREFIX)\n"
    "  -E NAME=VALUE  set an environment variable of the program\n"
    "  -U NAME        remove one\n"
    "  -0 NAME        argv[0] of the program\n"
    "  --strace[=WORD,...][,FILE]  print its system calls: those named, or file, process, memory, network, signal;\n"
    "                 times: when and how long; to FILE, a path with a '/' (GRUS_STRACE)\n"
    "  --stats        print counters at its end (GRUS_STATS)\n"
    "  --dump=WHAT[:BEGIN-END]  print translations: decode,host (GRUS_DUMP)\n"
    "  --perf-map     write /tmp/perf-PID.map (GRUS_PERF_MAP)\n"
    "  --interpret    no translation (GRUS_INTERPRET)\n"
    "  --lockstep[=N] translation and interpretation, compared every N instructions at most (GRUS_LOCKSTEP)\n"
    "  --version\n";

enum class Start { CommandLine, Binfmt, Engine };

// The kernel's initial stack, read.
struct HostStart {
  Task* task;
  u64* argv;
  u64 argc;
  u64* envp;
  u64 envc;
  u64 auxv_end;
  u64 aux[64];
  Start start;
  int image_fd;  // a copy of the engine where it cannot be opened, or -1
};

// What is to be run.
struct Program {
  u64* argv;
  u64 argc;
  u64* envp;  // an array of the engine's
  u64 envc;
  u64 env_end;  // end of the last string that is the guest's
  const char* execfn;
  int fd;            // -1: `path` could not be opened yet, for want of a descriptor
  const char* path;
  bool log_open;
  const char* cache_mode;  // --cache=: work on the cache instead
};

// An array of pointers for the time of the start.
struct Scratch {
  u64 few[256];
  u64* data = few;
  size_t mapped = 0;
  explicit Scratch(u64 count) {
    if (count <= sizeof few / 8) return;
    mapped = count * 8;
    data = static_cast<u64*>(map_engine_pages(mapped));
  }
  ~Scratch() { release(); }
  void release() {
    if (mapped && data) unmap_engine_pages(data, mapped);
    mapped = 0;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

const char* text(u64 p) { return reinterpret_cast<const char*>(p); }

// strcmp for options: true when `s` begins with `prefix`; *rest is what follows.
bool begins(const char* s, const char* prefix, const char** rest = nullptr) {
  while (*prefix)
    if (*s++ != *prefix++) return false;
  if (rest) *rest = s;
  return true;
}
bool equal(const char* a, const char* b) {
  const char* rest;
  return begins(a, b, &rest) && !*rest;
}

const char* error_text(i64 error) {
  switch (-error) {
    case ENOENT:
      return "No such file or directory";
    case EACCES:
      return "Permission denied";
    case EPERM:
      return "Operation not permitted";
    case ENOEXEC:
      return "Exec format error";
    case ELIBBAD:
      return "Accessing a corrupted shared library";
    case ENOMEM:
      return "Cannot allocate memory";
    case EINVAL:
      return "Invalid argument";
    case EIO:
      return "Input/output error";
    case ELOOP:
      return "Too many levels of symbolic links";
    case ENOTDIR:
      return "Not a directory";
    case ENAMETOOLONG:
      return "File name too long";
    case E2BIG:
      return "Argument list too long";
    case EMFILE:
      return "Too many open files";
    case ETXTBSY:
      return "Text file busy";
    case EFAULT:
      return "the file is shorter than its program headers say";
    case EEXIST:
      return "its addresses are not free";
    default:
      return "cannot be executed";
  }
}

// What a native execve that fails behind its point of no return does (bprm_execve: force_fatal_sig).
[[noreturn]] void die_as_failed_exec() {
  const u64 set_default[4] = {};
  host_syscall(__NR_rt_sigaction, 11, ptr(set_default), 0, 8);
  const u64 none = 0;
  host_syscall(__NR_rt_sigprocmask, 2, ptr(&none), 0, 8);
  host_syscall(__NR_kill, static_cast<u64>(host_syscall(__NR_getpid)), 11);
  host_syscall(__NR_exit_group, 127);
  __builtin_unreachable();
}

[[noreturn]] void cannot_run(const HostStart& host, const char* path, i64 error) {
  if (host.start == Start::Engine) die_as_failed_exec();
  fatal(error == -ENOENT ? 127 : 126, "%s: %s", path, error_text(error));
}

const char* environment(const HostStart& host, const char* name) {
  for (u64 i = 0; i < host.envc; i++) {
    const char* rest;
    if (begins(text(host.envp[i]), name, &rest) && *rest == '=') return rest + 1;
  }
  return nullptr;
}
// --lockstep[=N]: N from text, the longest regions without.
u32 lockstep_length(const char* s) {
  u32 n = 0;
  while (*s >= '0' && *s <= '9' && n < 100000) n = n * 10 + static_cast<u32>(*s++ - '0');
  return n && n < 0xffff ? n : 0xffff;
}

bool environment_flag(const HostStart& host, const char* name) {
  const char* v = environment(host, name);
  return v && *v && !equal(v, "0");
}

void read_environment(const HostStart& host) {
  if (g_options.secure) return;
  if (!g_options.strace && environment_flag(host, "GRUS_STRACE")) g_options.strace = environment(host, "GRUS_STRACE");
  g_options.stats |= environment_flag(host, "GRUS_STATS");
  g_options.perf_map |= environment_flag(host, "GRUS_PERF_MAP");
  g_options.interpret |= environment_flag(host, "GRUS_INTERPRET");
  if (const char* log = environment(host, "GRUS_LOG"); log && *log)
    g_options.log = equal(log, "0") ? LogWanted::Never : LogWanted::Always;
  const char* lockstep = environment(host, "GRUS_LOCKSTEP");
  if (!g_options.lockstep && lockstep && *lockstep && !equal(lockstep, "0"))
    g_options.lockstep = lockstep_length(lockstep);
  if (!g_options.dump && environment_flag(host, "GRUS_DUMP")) g_options.dump = environment(host, "GRUS_DUMP");
  if (!g_options.prefix) g_options.prefix = environment(host, "QEMU_LD_PREFIX");
}

// The descriptor of what is to be written to: the file that was named, unless another engine has opened it already.
int start_strace(int log, bool is_open) {
  const char *wrong, *file;
  if (!linux::strace_wants(g_options.strace, &wrong, &file))
    fatal(kOwnFailure, "--strace=%s: from '%s' on this is no system call, nor file, process, memory, network, signal, times, nor a path with a '/'",
          g_options.strace, wrong);
  if (!file || is_open) return log;
  constexpr u64 kMode = 0666;
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(file), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (is_error(fd)) fatal(kOwnFailure, "--strace: cannot write %s: %s", file, error_text(fd));
  return static_cast<int>(fd);
}

void remove_variable(Program& p, const char* name, size_t length) {
  u64 kept = 0;
  for (u64 i = 0; i < p.envc; i++) {
    const char* v = text(p.envp[i]);
    size_t k = 0;
    while (k < length && v[k] == name[k] && v[k]) k++;
    if (k == length && v[k] == '=') continue;
    p.envp[kept++] = p.envp[i];
  }
  p.envc = kept;
}

// Of a program that gained privileges (AT_SECURE): as ld.so cuts LD_*, so that its children, which are no longer secure, do not
// take orders from its caller.
void remove_own_variables(Program& p) {
  u64 kept = 0;
  for (u64 i = 0; i < p.envc; i++)
    if (!begins(text(p.envp[i]), "GRUS_") && !begins(text(p.envp[i]), "QEMU_LD_PREFIX=")) p.envp[kept++] = p.envp[i];
  p.envc = kept;
}

// What was asked for goes to standard output.
[[noreturn]] void answer(const char* format, const char* text) {
  set_log_fd(1);
  log_raw(format, text);
  for (;;) host_syscall(__NR_exit_group, 0);
}

// /proc/PID/cmdline is what lies from argv[0] to the end of the last argument: the string of -0 has to come last of what lies before
// the arguments, where PROGRAM is. What lay between moves down, and so does whatever points there.
void put_before_arguments(Program& p, const char* argv0) {
  const size_t size = __builtin_strlen(argv0) + 1;
  char* name = static_cast<char*>(__builtin_alloca(size));
  __builtin_memcpy(name, argv0, size);
  const u64 begin = ptr(argv0), end = p.argv[0] + __builtin_strlen(text(p.argv[0])) + 1;
  __builtin_memmove(const_cast<char*>(argv0), argv0 + size, end - begin - size);
  __builtin_memcpy(const_cast<char*>(text(end - size)), name, size);
  auto moved = [&](u64 at) { return at > begin && at < end ? at - size : at; };
  for (const char** pointer : {&p.execfn, &p.cache_mode, &g_options.prefix, &g_options.dump, &g_options.strace})
    *pointer = text(moved(ptr(*pointer)));
  for (u64 i = 0; i < p.envc; i++) p.envp[i] = moved(p.envp[i]);
  p.argv[0] = end - size;
}

// Leaves p.argv at PROGRAM. envp has room for one more entry per argument.
void parse_command_line(HostStart& host, Program& p) {
  u64 i = 1;
  const char* argv0 = nullptr;
  auto value = [&](const char* option) {
    if (i + 1 >= host.argc) fatal(kOwnFailure, "%s needs a value", option);
    return text(host.argv[++i]);
  };
  for (; i < host.argc; i++) {
    const char* a = text(host.argv[i]);
    const char* rest;
    if (a[0] != '-' || !a[1]) break;
    if (equal(a, "--")) {
      i++;
      break;
    }
    if (equal(a, "-L")) {
      g_options.prefix = value(a);
    } else if (equal(a, "-E")) {
      const char* v = value(a);
      size_t n = 0;
      while (v[n] && v[n] != '=') n++;
      if (!v[n]) fatal(kOwnFailure, "-E needs NAME=VALUE");
      remove_variable(p, v, n);
      p.envp[p.envc++] = ptr(v);
    } else if (equal(a, "-U")) {
      const char* v = value(a);
      remove_variable(p, v, __builtin_strlen(v));
    } else if (equal(a, "-0")) {
      argv0 = value(a);
    } else if (equal(a, "--strace")) {
      g_options.strace = "1";
    } else if (begins(a, "--strace=", &rest)) {
      g_options.strace = rest;
    } else if (equal(a, "--stats")) {
      g_options.stats = true;
    } else if (equal(a, "--perf-map")) {
      g_options.perf_map = true;
    } else if (equal(a, "--interpret")) {
      g_options.interpret = true;
    } else if (equal(a, "--lockstep")) {
      g_options.lockstep = lockstep_length("");
    } else if (begins(a, "--lockstep=", &rest)) {
      g_options.lockstep = lockstep_length(rest);
    } else if (begins(a, "--dump=", &rest)) {
      g_options.dump = rest;
    } else if (begins(a, "--cache=", &rest)) {
      p.cache_mode = rest;
    } else if (equal(a, "--version")) {
      answer("grus-aarch64 %s\n", kVersion);
    } else if (equal(a, "--help")) {
      answer("%s", kUsage);
    } else {
      fatal(kOwnFailure, "unknown option %s (--help lists them)", a);
    }
  }
  if (i >= host.argc) {
    log_raw("%s", kUsage);
    host_syscall(__NR_exit_group, kOwnFailure);
  }
  p.argv = host.argv + i;
  p.argc = host.argc - i;
  p.execfn = text(p.argv[0]);
  if (argv0) put_before_arguments(p, argv0);
}

// An open regular file that may be executed, as do_open_execat() wants it; -errno.
int open_executable(const char* path) {
  i64 fd =
      host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (is_error(fd)) return static_cast<int>(fd);
  struct stat st;
  i64 error = host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st));
  if (!error && (st.st_mode & 0170000) != 0100000) error = -EACCES;
  constexpr u64 kExecute = 1;
  if (!error && host_syscall(__NR_faccessat, static_cast<u64>(AT_FDCWD), ptr(path), kExecute) == -EACCES)
    error = -EACCES;
  if (!error) return static_cast<int>(fd);
  host_syscall(__NR_close, static_cast<u64>(fd));
  return static_cast<int>(error);
}
// Leaves p.fd at -1 where the limit on descriptors is reached.
void open_program(const HostStart& host, Program& p, const char* called) {
  static char buffer[linux::kPrefixedPathMax];  // no thread can be here yet
  p.path = g_options.prefix ? linux::look_below_prefix(called, true, buffer) : called;
  p.fd = open_executable(p.path);
  if (p.fd < 0 && p.fd != -EMFILE) cannot_run(host, called, p.fd);
  if (p.fd < 0) p.fd = -1;
}

// Started by binfmt_misc in a place without /proc, the engine has no name: its image is written to a memfd
// while it is still as the file has it. -1 when that fails: then only the kernel can start guest programs.
int copy_image() {
  constexpr u64 kExecutable = 0x10;  // MFD_EXEC: since 6.3
  i64 fd =
      host_syscall(__NR_memfd_create, ptr("grus-aarch64"), MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable);
  if (fd == -EINVAL)
    fd = host_syscall(__NR_memfd_create, ptr("grus-aarch64"), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (is_error(fd)) return -1;
  u64 base = ptr(__ehdr_start);
  Elf64_Ehdr header = *reinterpret_cast<const Elf64_Ehdr*>(base);
  auto* p = reinterpret_cast<const Elf64_Phdr*>(base + header.e_phoff);
  header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
  bool ok = true;
  for (unsigned i = 0; i < header.e_phnum; i++)
    if (p[i].p_type == PT_LOAD && p[i].p_filesz)
      ok &= host_syscall(__NR_pwrite64, static_cast<u64>(fd), p[i].p_vaddr, p[i].p_filesz,
                         p[i].p_offset) == static_cast<i64>(p[i].p_filesz);
  ok &= host_syscall(__NR_pwrite64, static_cast<u64>(fd), ptr(&header), sizeof header, 0) == sizeof header;
  if (ok) {
    host_syscall(__NR_fcntl, static_cast<u64>(fd), F_ADD_SEALS,
                 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return static_cast<int>(fd);
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  return -1;
}

int open_engine(const HostStart& host) {
  if (host.image_fd >= 0) return host.image_fd;
  constexpr u64 kPathOnly = O_PATH | O_CLOEXEC;
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr("/proc/self/exe"), kPathOnly);
  if (is_error(fd) && host.start == Start::CommandLine && host.aux[AT_EXECFN])
    fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), host.aux[AT_EXECFN], kPathOnly);
  return is_error(fd) ? -1 : static_cast<int>(fd);
}

size_t path_of_fd(int fd, char* out, size_t size) {
  char link[64];
  format_to(link, sizeof link, "/proc/self/fd/%d", fd);
  i64 n = host_syscall(__NR_readlinkat, static_cast<u64>(AT_FDCWD), ptr(link), ptr(out), size - 1);
  if (is_error(n)) n = 0;
  out[n] = 0;
  return static_cast<size_t>(n);
}

void set_comm(const char* execfn) {
  const char* base = execfn;
  for (const char* s = execfn; *s; s++)
    if (*s == '/') base = s + 1;
  char name[16] = {};
  for (unsigned i = 0; i < 15 && base[i]; i++) name[i] = base[i];
  for (unsigned i = 0; i < 16; i++)  // memfd and deleted files: the entry's own name
    if (begins(name + i, " (deleted)")) name[i] = 0;
  host_syscall(__NR_prctl, PR_SET_NAME, ptr(name));
}

// An exec by descriptor takes the name of the file (begin_new_exec, comm_from_dentry).
[[gnu::noinline]] void set_comm_of_fd(int fd, const char* execfn) {
  char exe_path[4096];
  set_comm(path_of_fd(fd, exe_path, sizeof exe_path) ? exe_path : execfn);
}

bool is_dev_fd(const char* execfn) {
  const char* rest;
  if (!begins(execfn, "/dev/fd/", &rest)) return false;
  while (*rest >= '0' && *rest <= '9') rest++;
  return !*rest;
}

// Gives the kernel the guest's view for /proc/PID/{cmdline,environ,auxv,stat,maps}; true when its break moved
// as well.
bool tell_kernel(const Mm& mm, const linux::ElfPlan& plan, u64 bias, u64 sp) {
  prctl_mm_map m{};
  u64 any = plan.low + bias ? plan.low + bias : sp;
  m.start_code = plan.start_code ? plan.start_code + bias : any;
  m.end_code = plan.end_code > plan.start_code ? plan.end_code + bias : m.start_code + 1;
  m.start_data = plan.start_data ? plan.start_data + bias : any;
  m.end_data = plan.end_data >= plan.start_data && plan.end_data ? plan.end_data + bias : m.start_data;
  m.start_brk = m.brk = address_map::kBrkStart;
  m.start_stack = sp;
  m.arg_start = mm.arg_start;
  m.arg_end = mm.arg_end;
  m.env_start = mm.env_start;
  m.env_end = mm.env_end;
  m.auxv = reinterpret_cast<__u64*>(mm.auxv_addr);
  m.auxv_size = static_cast<__u32>(mm.auxv_size);
  m.exe_fd = static_cast<__u32>(-1);
  return host_syscall(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, ptr(&m), sizeof m, 0) == 0;
}

// Program and interpreter, mapped.
struct Image {
  Program* p;
  linux::ElfPlan plan;
  MappedElf program, interpreter;
  u64 phdr_count;
  bool has_interpreter, interpreter_missing;
  char interpreter_path[4097];
  i64 error;  // -EMFILE: nothing was mapped yet
};

void map_image(void* argument) {
  Image& image = *static_cast<Image*>(argument);
  Program& p = *image.p;
  int fd = p.fd >= 0 ? p.fd : open_executable(p.path);
  int interpreter_fd = -1;
  ElfFile program, interpreter;
  i64 error = fd < 0 ? fd : open_elf(fd, false, &program);
  bool opened = !error, interpreter_opened = false;
  if (!error && program.plan.interp_size > sizeof image.interpreter_path) error = -ENOEXEC;
  i64 has = error ? error : read_interpreter_path(program, image.interpreter_path);
  if (has < 0) error = has;
  image.has_interpreter = has > 0;
  if (!error && has > 0) {
    interpreter_fd = linux::open_interpreter(image.interpreter_path);
    image.interpreter_missing = interpreter_fd < 0;
    error = interpreter_fd < 0 ? interpreter_fd : open_elf(interpreter_fd, true, &interpreter);
    interpreter_opened = !error;
  }
  if (!error) error = map_elf(program, &image.program);
  if (!error && interpreter_opened) error = map_elf(interpreter, &image.interpreter);
  if (!error && p.fd < 0) linux::remember_program(fd);
  if (opened) {
    image.plan = program.plan;
    image.phdr_count = program.header.e_phnum;
    release_elf(program);
  }
  if (interpreter_opened) release_elf(interpreter);
  if (interpreter_fd >= 0) host_syscall(__NR_close, static_cast<u64>(interpreter_fd));
  if (fd >= 0 && fd != p.fd) host_syscall(__NR_close, static_cast<u64>(fd));
  image.error = error;
}

// Maps program and interpreter, builds the stack, sets the registers.
void load(HostStart& host, Program& p, Task& task) {
  Mm& mm = *task.mm;
  static Image image;  // no thread can be here yet
  image.p = &p;
  map_image(&image);
  if (image.error == -EMFILE) linux::with_spare_descriptors(task, p.fd, map_image, &image);
  if (image.error && image.interpreter_missing && host.start != Start::Engine)
    fatal(image.error == -ENOENT ? 127 : 126, "%s: its interpreter %s: %s (-L PREFIX looks for it elsewhere)",
          p.execfn, image.interpreter_path, error_text(image.error));
  if (image.error) cannot_run(host, p.execfn, image.error);
  i64 vdso = linux::map_vdso();
  if (is_error(vdso)) cannot_run(host, p.execfn, vdso);

  linux::InitialStack s{};
  s.top = host.auxv_end;
  s.argv = p.argv;
  s.argc = p.argc;
  s.envp = p.envp;
  s.envc = p.envc;
  s.execfn = ptr(p.execfn);
  s.random = host.aux[AT_RANDOM];
  s.phdrs = image.program.phdrs;
  s.phdr_count = image.phdr_count;
  s.entry = image.program.entry;
  s.interpreter_base = image.has_interpreter ? image.interpreter.bias : 0;
  s.vdso = static_cast<u64>(vdso);
  s.uid = host.aux[AT_UID];
  s.euid = host.aux[AT_EUID];
  s.gid = host.aux[AT_GID];
  s.egid = host.aux[AT_EGID];
  s.secure = host.aux[AT_SECURE] != 0;

  // Ranges of the strings first: the arrays that point to them are about to be overwritten.
  mm.arg_start = p.argv[0];
  mm.arg_end = p.argv[p.argc - 1] + __builtin_strlen(text(p.argv[p.argc - 1])) + 1;
  mm.env_start = host.envc ? host.envp[0] : mm.arg_end;
  mm.env_end = p.env_end;
  Scratch argv_copy(p.argc);
  if (!argv_copy.data) cannot_run(host, p.execfn, -ENOMEM);
  __builtin_memcpy(argv_copy.data, p.argv, p.argc * 8);
  s.argv = argv_copy.data;

  u64 sp = build_initial_stack(s, &mm.auxv_addr, &mm.auxv_size);
  mm.stack_top = sp;
  mm.vdso = s.vdso;
  linux::answer_clock_hypercalls(s.vdso);
  if (is_dev_fd(p.execfn) && p.fd >= 0)
    set_comm_of_fd(p.fd, p.execfn);
  else
    set_comm(p.execfn);
  linux::kernel_knows_layout = tell_kernel(mm, image.plan, image.program.bias, sp);
  brk_init(mm, linux::kernel_knows_layout);
  if (image.plan.executable_stack) {
    u64 page = page_down(sp);
    host_syscall(__NR_mprotect, page, page_up(host.auxv_end) - page,
                 PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
    linux::note_executable(page - (u64{8} << 20), page_up(host.auxv_end));
  }
  a64::CpuState& cpu = task.thread.cpu;
  cpu.reset();
  cpu.sp = sp;
  cpu.pc = image.has_interpreter ? image.interpreter.entry : image.program.entry;
}

void restore_seccomp(Task& task, int fd) {
  struct stat st;
  bool ok = false;
  if (!host_syscall(__NR_fstat, static_cast<u64>(fd), ptr(&st)) && st.st_size > 0) {
    size_t size = static_cast<size_t>(st.st_size);
    void* saved = map_engine_pages(size);
    if (saved && host_syscall(__NR_pread64, static_cast<u64>(fd), ptr(saved), size, 0) == st.st_size)
      ok = linux::seccomp_restore(task, saved, size);
    if (saved) unmap_engine_pages(saved, size);
  }
  host_syscall(__NR_close, static_cast<u64>(fd));
  if (!ok) die_as_failed_exec();  // a filter that is lost is worse than a program that does not start
}

// Bytes, or with K, M, G; what is none of these is the default (the tool complains).
u64 size_limit(const char* s) {
  u64 n = 0;
  const char* at = s;
  for (; *at >= '0' && *at <= '9' && n < (u64{1} << 59); at++) n = n * 10 + static_cast<u64>(*at - '0');
  unsigned shift = *at == 'K' || *at == 'k' ? 10 : *at == 'M' || *at == 'm' ? 20 : *at == 'G' || *at == 'g' ? 30 : 0;
  if (shift) at++;
  return at == s || *at || n > ~u64{0} >> shift ? cache::kDefaultSizeLimit : n << shift;
}

// -1: closed, since the guest has few descriptors.
int hide_or_close(int fd, int wanted) {
  fd = linux::hide_fd(fd, wanted);
  if (fd >= linux::kFewDescriptors) return fd;
  host_syscall(__NR_close, static_cast<u64>(fd));
  return -1;
}

int open_directory(const char* path) {
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(path), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return is_error(fd) ? -1 : static_cast<int>(fd);
}

// The directory of the translation cache: what another engine or the tool hands over, what GRUS_CACHE names, the user's, the
// system's. Never made here: HOME may be the image that is being built. What is to be shown is translated anew.
// A program under seccomp gets none: what it is confined for is not to change what others execute.
void open_cache(const HostStart& host, Program& p, int inherited, bool confined, Task& task) {
  const char* handed = environment(host, "GRUS_CACHE_FD");  // from the tool
  if (handed && inherited < 0 && !g_options.secure) {
    i64 n = -1;
    for (const char* s = handed; *s >= '0' && *s <= '9' && n < 100'000; s++) n = (n < 0 ? 0 : n) * 10 + (*s - '0');
    // The number may be something else's by now: the tool makes sure that the right one holds this file.
    constexpr u64 kExists = 0;
    if (n >= 0 && !host_syscall(__NR_faccessat, static_cast<u64>(n), ptr("index"), kExists)) inherited = static_cast<int>(n);
  }
  if (handed) remove_variable(p, "GRUS_CACHE_FD", 13);
  const char* choice = environment(host, "GRUS_CACHE");
  bool off = g_options.secure || confined || g_options.interpret || g_options.dump || g_options.perf_map || (choice && equal(choice, "off"));
  if (choice && equal(choice, "ro")) g_options.cache_read_only = true;
  if (off) {
    if (inherited >= 0) host_syscall(__NR_close, static_cast<u64>(inherited));
    return;
  }
  char path[4096 + 32];
  int fd = inherited;
  if (fd < 0 && choice && choice[0] == '/') {
    fd = open_directory(choice);
  } else if (fd < 0) {
    const char* cache = environment(host, "XDG_CACHE_HOME");
    const char* home = environment(host, "HOME");
    if (cache && cache[0] == '/' && format_to(path, sizeof path, "%s/grus/code", cache) + 1 < sizeof path)
      fd = open_directory(path);
    else if (home && home[0] == '/' && format_to(path, sizeof path, "%s/.cache/grus/code", home) + 1 < sizeof path)
      fd = open_directory(path);
    if (fd < 0) fd = open_directory("/var/cache/grus/code");
  }
  if (fd < 0) return;
  cache::Access access = cache::trust_in_directory(fd);
  if (access == cache::Access::None) {
    host_syscall(__NR_close, static_cast<u64>(fd));
    return;
  }
  if (g_options.cache_read_only) access = cache::Access::ReadOnly;
  if (const char* limit = environment(host, "GRUS_CACHE_SIZE")) cache::set_size_limit(size_limit(limit));
  fd = hide_or_close(fd, linux::kCacheFd);
  if (fd < 0) return;
  task.files->cache_fd = fd;
  run::use_translation_cache(task.files->cache_fd, access);
}

void start_main(void* argument) {
  HostStart& host = *static_cast<HostStart*>(argument);
  Task& task = *host.task;
  Program p{};
  p.fd = -1;
  Scratch envp(host.envc + host.argc + 1);
  p.envp = envp.data;
  if (!p.envp) fatal(kOwnFailure, "out of memory");
  __builtin_memcpy(p.envp, host.envp, host.envc * 8);
  p.envc = host.envc;

  Handover handover{-1, -1, -1, -1, -1, 0, 0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr};
  constexpr u64 kPreserveArgv0 = 1;
  const char* rest = nullptr;
  const char* host_execfn = host.aux[AT_EXECFN] ? text(host.aux[AT_EXECFN]) : "";
  bool has_execfd = host.aux[AT_EXECFD] != ~u64{0};
  if (has_execfd || (host.aux[AT_FLAGS] & kPreserveArgv0))
    host.start = Start::Binfmt;
  else if ((begins(host_execfn, "/dev/fd/") || equal(host_execfn, linux::kEngineLink)) && host.envc &&
           begins(text(host.envp[host.envc - 1]), linux::kHandoverName, &rest) &&
           parse_handover(rest, &handover))
    host.start = Start::Engine;
  g_options.secure = host.aux[AT_SECURE] != 0;

  p.argv = host.argv;
  p.argc = host.argc;
  p.execfn = host_execfn;
  if (host.start == Start::Engine) {
    p.envc--;
    host.envc--;
    p.execfn = handover.execfn;
    p.fd = handover.exe_fd;
    if (handover.program_length) {
      char* path = static_cast<char*>(engine_alloc(handover.program_length + 1));
      __builtin_memcpy(path, handover.program, handover.program_length);
      p.path = path;
      p.fd = open_executable(path);
      if (p.fd < 0 && p.fd != -EMFILE) cannot_run(host, path, p.fd);
      if (p.fd < 0) p.fd = -1;
    }
    g_options.stats = handover.flags & linux::kHandoverStats;
    g_options.interpret = handover.flags & linux::kHandoverInterpret;
    g_options.cache_read_only = handover.flags & linux::kHandoverCacheReadOnly;
    g_options.lockstep = handover.flags >> linux::kHandoverLockstepShift;
    auto keep = [](const char* text, size_t length) -> const char* {
      if (!length) return nullptr;
      char* copy = static_cast<char*>(engine_alloc(length + 1));
      __builtin_memcpy(copy, text, length);
      return copy;
    };
    g_options.prefix = keep(handover.prefix, handover.prefix_length);
    g_options.strace = keep(handover.strace, handover.strace_length);
  } else if (host.start == Start::Binfmt) {
    if (host.argc < 2) fatal(kOwnFailure, "started by binfmt_misc without a program");
    unsigned skip = (host.aux[AT_FLAGS] & kPreserveArgv0) && host.argc > 2 ? 2 : 1;
    const char* path = text(host.argv[1]);
    p.argv += skip;
    p.argc -= skip;
    if (!*p.execfn) p.execfn = path;
    p.fd = has_execfd ? static_cast<int>(host.aux[AT_EXECFD]) : -1;
    if (p.fd < 0) open_program(host, p, path);
  } else {
    parse_command_line(host, p);
  }
  p.env_end = host.envc ? host.envp[host.envc - 1] + __builtin_strlen(text(host.envp[host.envc - 1])) + 1
                        : p.argv[p.argc - 1] + __builtin_strlen(text(p.argv[p.argc - 1])) + 1;
  read_environment(host);
  if (g_options.prefix)
    g_options.prefix = *g_options.prefix ? linux::absolute_prefix(g_options.prefix) : nullptr;

  int engine_fd = handover.engine_fd;
  if (engine_fd < 0) engine_fd = open_engine(host);
  if (engine_fd >= 0) engine_fd = linux::hide_fd(engine_fd, linux::kEngineFd);
  linux::identity_init(engine_fd);
  task.files->engine_fd = engine_fd;
  if (engine_fd >= 0 && engine_fd < linux::kFewDescriptors) linux::give_up_engine(task);
  int log = handover.log_fd;
  if (g_options.strace) log = start_strace(log, handover.strace_length);
  if (g_options.strace || g_options.stats || g_options.dump || g_options.lockstep || g_options.log == LogWanted::Always) {
    if (log < 0) {
      i64 copy = host_syscall(__NR_fcntl, 2, F_DUPFD_CLOEXEC, 3);
      log = is_error(copy) ? -1 : static_cast<int>(copy);
    }
    if (log >= 0) log = linux::hide_fd(log, linux::kLogFd);
  }
  if (log >= 0) set_log_fd(log);
  task.files->log_fd = log;
  task.files->exe_fd = -1;
  task.files->cache_fd = -1;
  if (g_options.interpret) run::set_interpret(true);
  if (g_options.lockstep) run::set_lockstep(g_options.lockstep);
  if (g_options.dump && !run::set_dump(g_options.dump))
    fatal(kOwnFailure, "%s is nothing to dump: decode,host[:BEGIN-END] is", g_options.dump);
  if (g_options.perf_map) run::set_perf_map();
  if (g_options.stats) run::time_translation();
  if (handover.features)
    x64::g_features = x64::unpack_features(handover.features);
  else if (!x64::detect_features(&x64::g_features))
    fatal(kOwnFailure, "this CPU is below x86-64-v2 (SSE4.2, POPCNT, CMPXCHG16B): nothing can run here");
  g_options.features = x64::pack_features(x64::g_features);
  if (!g_options.secure) {
    const char* flavour = environment(host, "GRUS_HOST");
    if (flavour && equal(flavour, "sse42")) x64::restrict_features(&x64::g_features, x64::Flavour::Sse42);
    if (flavour && equal(flavour, "avx2")) x64::restrict_features(&x64::g_features, x64::Flavour::Avx2);
  }

  open_cache(host, p, handover.cache_fd, handover.seccomp_fd >= 0, task);
  if (g_options.secure) remove_own_variables(p);
  if (p.cache_mode) work_on_cache(task, p.cache_mode, p.execfn);

  if (p.fd < 0 && !p.path) {
    open_program(host, p, p.execfn);
    u8 head[linux::kScriptHead];
    i64 n = host_syscall(__NR_pread64, static_cast<u64>(p.fd), ptr(head), sizeof head, 0);
    if (p.fd >= 0 && linux::classify_file(head, n > 0 ? static_cast<size_t>(n) : 0) != linux::FileKind::GuestElf) {
      // A script, a program of the host: as if a guest had executed it.
      host_syscall(__NR_close, static_cast<u64>(p.fd));
      p.envp[p.envc] = 0;
      i64 error = exec_program(task, AT_FDCWD, ptr(p.execfn), ptr(p.argv), ptr(p.envp), 0);
      cannot_run(host, p.execfn, error);
    }
  }
  // The guest's own one is loaded from, and then copied if there is room.
  const bool kept = handover.flags & linux::kHandoverKeepProgram;
  if (p.fd >= 0 && !kept) p.fd = linux::hide_fd(p.fd, linux::kExeFd);
  task.files->exe_fd = kept ? -1 : p.fd;
  load(host, p, task);
  if (kept) {
    i64 copy = host_syscall(__NR_fcntl, static_cast<u64>(p.fd), F_DUPFD_CLOEXEC, 0);
    if (is_error(copy)) linux::remember_program(p.fd);
    task.files->exe_fd = is_error(copy) ? -1 : linux::hide_fd(static_cast<int>(copy), linux::kExeFd);
  }
  if (task.files->exe_fd >= 0 && task.files->exe_fd < linux::kFewDescriptors) linux::give_up_program(task);
  envp.release();
  if (handover.seccomp_fd >= 0) restore_seccomp(task, handover.seccomp_fd);
  linux::start_initial_task(task);
}

}  // namespace

const EngineOptions& engine_options() { return g_options; }

}  // namespace grus

// On the host's stack, which is read here and left for good.
extern "C" [[noreturn]] void grus_engine_start(grus::u64* sp) {
  using namespace grus;
  static HostStart host;  // no thread can be here yet
  host.image_fd = -1;
  host.argc = sp[0];
  host.argv = sp + 1;
  host.envp = sp + 1 + host.argc + 1;
  u64* at = host.envp;
  while (*at) at++;
  host.envc = static_cast<u64>(at - host.envp);
  at++;
  for (auto& value : host.aux) value = 0;
  host.aux[AT_EXECFD] = ~u64{0};
  for (; at[0] != AT_NULL; at += 2)
    if (at[0] < 64) host.aux[at[0]] = at[1];
  host.auxv_end = ptr(at + 2);
  // Before anything else changes the image.
  if (host.aux[AT_EXECFD] != ~u64{0} && host_syscall(__NR_access, ptr("/proc/self/exe"), 0))
    host.image_fd = copy_image();
  set_log_fd(2);
  // The name of the program that was started is the last string on the stack, eight zero bytes follow (fs/exec.c, bprm_mm_init).
  const char* name = reinterpret_cast<const char*>(host.aux[AT_EXECFN]);
  linux::host_clock_init(host.aux[AT_SYSINFO_EHDR], name ? page_up(ptr(name + __builtin_strlen(name) + 1 + 8)) : 0);
  host.task = linux::new_initial_task();
  if (!host.task) fatal(kOwnFailure, "out of memory");
  u8* stack = static_cast<u8*>(host.task->engine_stack);
  grus_call_on_stack(stack + host.task->engine_stack_size, start_main, &host);
}
