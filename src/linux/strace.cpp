// SPDX-License-Identifier: MIT
// Lines of --strace: what each letter of syscalls.def looks like (strace_forms.cpp knows more of some), which calls are wanted, times.
// Reads the guest's strings and buffers through the fixup, so a bad pointer prints as a number.
#include "linux/strace.h"

#include <linux/fcntl.h>

#include "base/clock.h"
#include "base/guest_memory.h"
#include "base/log.h"
#include "linux/handlers.h"
#include "linux/signal.h"
#include "linux/strace_forms.h"

namespace grus::linux {

bool strace_enabled = false;

namespace {

// Plain arrays instead of pointers: nothing to relocate at start.
struct Name {
  char name[24];
  char arguments[7];
};
struct Names {
  Name of[kNewestSyscall + 1];
};
constexpr void copy(char* to, size_t size, const char* from) {
  for (size_t i = 0; i + 1 < size && from[i]; i++) to[i] = from[i];
}
constexpr Names make_names() {
  Names n{};
#define ANY(number, name_, letters)                          \
  copy(n.of[number].name, sizeof n.of[number].name, #name_); \
  copy(n.of[number].arguments, sizeof n.of[number].arguments, letters);
#define PASS(number, name, arguments) ANY(number, name, arguments)
#define BLOCK(number, name, arguments) ANY(number, name, arguments)
#define HANDLE(number, name, arguments) ANY(number, name, arguments)
#define REFUSE(number, name, error, arguments) ANY(number, name, arguments)
#define HOLE(first, last)
#include "linux/syscalls.def"
#undef PASS
#undef BLOCK
#undef HANDLE
#undef REFUSE
#undef HOLE
#undef ANY
  return n;
}
constexpr Names kNames = make_names();

constexpr char kErrnoNames[][16] = {
    "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD", "EAGAIN",
    "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL",
    "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM",
    "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP", "", "ENOMSG", "EIDRM", "ECHRNG",
    "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO",
    "EBADRQC", "EBADSLT", "", "EBFONT", "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE",
    "ENOLINK", "EADV", "ESRMNT", "ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ",
    "EBADFD", "EREMCHG", "ELIBACC", "ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE",
    "EUSERS", "ENOTSOCK", "EDESTADDRREQ", "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "ENETDOWN",
    "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN",
    "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE",
    "EUCLEAN", "ENOTNAM", "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED",
    "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL", ""};

// What was asked for.
u64 g_calls[kNewestSyscall / 64 + 1];
bool g_times;

}  // namespace

void add_pointer(StraceLine& line, u64 address) {
  if (address)
    add(line, "0x%lx", address);
  else
    add(line, "NULL");
}

void add_bytes(StraceLine& line, const char* bytes, size_t n, bool more) {
  add(line, "\"");
  for (size_t i = 0; i < n; i++) {
    const u8 c = static_cast<u8>(bytes[i]);
    if (c == '"' || c == '\\')
      add(line, "\\%c", c);
    else if (c == '\n')
      add(line, "\\n");
    else if (c < 32 || c >= 127)
      add(line, "\\%d%d%d", c >> 6, c >> 3 & 7, c & 7);
    else
      add(line, "%c", c);
  }
  add(line, "%s", more ? "\"..." : "\"");
}

void add_string(StraceLine& line, u64 address) {
  char text[128];
  size_t n = 0;
  if (string_length_guest(GuestAddr(address), sizeof text, &n) ||
      copy_from_guest(text, GuestAddr(address), n))
    add_pointer(line, address);
  else
    add_bytes(line, text, n, n == sizeof text);
}

void add_buffer(StraceLine& line, u64 address, u64 size, bool path) {
  char text[256];
  const size_t most = path ? sizeof text : 32, n = size < most ? size : most;
  if (copy_from_guest(text, GuestAddr(address), n))
    add_pointer(line, address);
  else
    add_bytes(line, text, n, n < size);
}

void add_octal(StraceLine& line, u64 value) {
  char digits[24];
  size_t n = sizeof digits;
  digits[--n] = 0;
  for (; value && n > 1; value >>= 3) digits[--n] = static_cast<char>('0' + (value & 7));
  digits[--n] = '0';
  add(line, "%s", digits + n);
}

namespace {

void add_timespec(StraceLine& line, u64 address) {
  i64 time[2];
  if (!address || copy_from_guest(time, GuestAddr(address), sizeof time))
    add_pointer(line, address);
  else
    add(line, "{%ld,%ld}", static_cast<i64>(time[0]), static_cast<i64>(time[1]));
}

void write_line(StraceLine& line) {
  line.text[line.length] = '\n';
  line.text[line.length + 1] = 0;
  log_raw("%s", line.text);
  line.written = true;
}

// "file" and the like.
bool is_class(const char* word, size_t length) {
  static constexpr char kClasses[][8] = {"file", "process", "memory", "network", "signal"};
  for (const auto& c : kClasses)
    if (__builtin_strlen(c) == length && !__builtin_memcmp(c, word, length)) return true;
  return false;
}

// By the first letter of the class.
bool is_in_class(u32 number, char name) {
  auto within = [&](u32 first, u32 last) { return number >= first && number <= last; };
  const char* letters = kNames.of[number].arguments;
  switch (name) {
    case 'f':
      for (; *letters; letters++)
        if (*letters == 's') return number != 279;  // memfd_create's is no path
      return number == 17;                          // getcwd
    case 'p':  // exit to waitid, kill to tgkill, clone, execve, wait4, execveat, pidfd_open, clone3
      return within(93, 95) || within(129, 131) || within(220, 221) || number == 260 || number == 281 || within(434, 435);
    case 'm':  // shmget to shmdt, brk to mremap, clone is none, mmap, swapon to move_pages, process_madvise, mseal
      return within(194, 197) || within(214, 216) || within(222, 223) || within(226, 239) || number == 440 || number == 462;
    case 'n':
      return within(198, 212) || within(242, 243) || number == 269;
    default:
      return within(129, 139) || number == 240 || number == 74;
  }
}

bool select(const char* word, size_t length) {
  bool any = false;
  const bool of_class = is_class(word, length);
  for (u32 n = 0; n <= kNewestSyscall; n++) {
    const char* name = kNames.of[n].name;
    const bool named = name[0] && __builtin_strlen(name) == length && !__builtin_memcmp(name, word, length);
    if (!named && !(of_class && name[0] && is_in_class(n, word[0]))) continue;
    g_calls[n / 64] |= u64{1} << n % 64;
    any = true;
  }
  return any;
}

void add_time(StraceLine& line, u64 ns) { add(line, "%lu.%06lu", ns / 1'000'000'000, ns / 1000 % 1'000'000); }

void begin_line(StraceLine& line, const Task& task) {
  line.length = 0;
  add(line, "%d ", static_cast<int>(task.tid));
  if (!g_times) return;
  line.began = host_counter_ns();
  add_time(line, line.began);
  add(line, " ");
}

void add_argument(StraceLine& line, unsigned i, const u64 (&a)[6], i64 result) {
  if (add_form(line, line.number, i, a, result)) return;
  const char letter = kNames.of[line.number].arguments[i];
  if (add_letter_form(line, letter, a[i])) return;
  switch (letter) {
    case 'a':
      if (static_cast<int>(a[i]) == AT_FDCWD) {
        add(line, "AT_FDCWD");
        break;
      }
      [[fallthrough]];
    case 'd':
    case 'i':
      add(line, "%d", static_cast<int>(a[i]));
      break;
    case 's':
      add_string(line, a[i]);
      break;
    case 'w':
      add_buffer(line, a[i], i < 5 ? a[i + 1] : 0);
      break;
    case 't':
      add_timespec(line, a[i]);
      break;
    case 'n':
      add(line, "%ld", static_cast<i64>(a[i]));
      break;
    case 'm':
      add_octal(line, a[i] & 0177777);
      break;
    case 'p':
      add_pointer(line, a[i]);
      break;
    default:
      add(line, a[i] < 10 ? "%lu" : "0x%lx", a[i]);
  }
}

// To the first that the call fills, or to the end.
void add_arguments(StraceLine& line, const u64 (&a)[6], bool done, i64 result) {
  const char* letters = kNames.of[line.number].arguments;
  for (unsigned& i = line.next; i < 6 && letters[i]; i++) {
    if (!done && is_output(line.number, i)) return;
    if (is_unused(line.number, i, a)) continue;
    if (i) add(line, ", ");
    add_argument(line, i, a, result);
  }
}

bool is_known(u32 number) { return number <= kNewestSyscall && kNames.of[number].name[0]; }
bool returns_address(u32 number) { return number == 196 || number == 214 || number == 216 || number == 222; }  // shmat, brk, mremap, mmap

}  // namespace

bool strace_wants(const char* what, const char** wrong, const char** file) {
  *file = nullptr;
  bool some = false;
  for (u64& word : g_calls) word = 0;
  for (const char* s = what; *s;) {
    size_t n = 0;
    bool path = false;
    while (s[n] && (path || s[n] != ',')) path |= s[n++] == '/';
    *wrong = s;
    if (path) {
      *file = s;  // the rest, so that it may contain commas
    } else if (n == 5 && !__builtin_memcmp(s, "times", 5)) {
      g_times = true;
    } else if (n && !(n == 1 && *s == '1')) {  // GRUS_STRACE=1
      if (!select(s, n)) return false;
      some = true;
    }
    s += n + (s[n] == ',');
  }
  if (!some)
    for (u64& word : g_calls) word = ~u64{0};
  strace_enabled = true;
  return true;
}

const char* errno_name(unsigned error) {
  return error && error < sizeof kErrnoNames / sizeof kErrnoNames[0] && kErrnoNames[error][0] ? kErrnoNames[error] : nullptr;
}

void strace_begin(StraceLine& line, const Task& task, u32 number, const u64 (&a)[6]) {
  line.number = number;
  line.next = 0;
  // One that is not wanted counts as written.
  line.written = number <= kNewestSyscall && !(g_calls[number / 64] >> number % 64 & 1);
  if (line.written) return;
  begin_line(line, task);
  if (!is_known(number)) {
    add(line, "syscall_%u(0x%lx, 0x%lx, 0x%lx", number, a[0], a[1], a[2]);
    return;
  }
  add(line, "%s(", kNames.of[number].name);
  add_arguments(line, a, false, 0);
  // exit, exit_group, rt_sigreturn, execve, execveat
  if (number == 93 || number == 94 || number == 139 || number == 221 || number == 281) {
    const size_t length = line.length;
    add(line, ") ...");
    write_line(line);
    line.length = length;
    line.written = number != 221 && number != 281;
  }
}

void strace_end(StraceLine& line, const u64 (&a)[6], i64 result) {
  if (line.written || result == kNoResult) return;
  if (!result && (line.number == 220 || line.number == 435)) return;  // clone, clone3: the child; the parent prints it
  const bool known = is_known(line.number);
  if (known) add_arguments(line, a, true, result);
  add(line, ")");
  if (result == kRestartSyscall) {
    add(line, " = ? (to be restarted)");
  } else if (result < 0 && result > -4096) {
    const char* name = errno_name(static_cast<unsigned>(-result));
    if (name)
      add(line, " = -1 %s", name);
    else
      add(line, " = -1 errno %d", static_cast<int>(-result));
  } else if (result >= i64{1} << 31 || result < 0 || (known && returns_address(line.number))) {
    add(line, " = 0x%lx", result);
  } else {
    add(line, " = %ld", static_cast<i64>(result));
    if (line.number == 25 && a[1] == 3) {  // F_GETFL
      add(line, " (");
      add_letter_form(line, 'o', static_cast<u64>(result));
      add(line, ")");
    }
  }
  if (g_times) {
    add(line, " <");
    add_time(line, host_counter_ns() - line.began);
    add(line, ">");
  }
  write_line(line);
}

const char* signal_name(int sig, char (&buffer)[16]) {
  static constexpr char kNames[][10] = {"0",       "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",    "SIGTRAP", "SIGABRT", "SIGBUS",
                                        "SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",   "SIGPIPE", "SIGALRM", "SIGTERM",
                                        "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
                                        "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",  "SIGPWR",  "SIGSYS"};
  if (sig >= 0 && static_cast<size_t>(sig) < sizeof kNames / sizeof kNames[0]) return kNames[sig];
  format_to(buffer, sizeof buffer, "signal %d", sig);
  return buffer;
}

void strace_signal(const Task& task, const SignalInfo& info) {
  StraceLine line{};
  begin_line(line, task);
  add(line, "--- ");
  char buffer[16];
  add(line, "%s", signal_name(info.signo, buffer));
  add(line, " code %d", info.code);
  if (info.code > 0 && (kFaultSignals & signal_bit(info.signo)))
    add(line, " address 0x%lx", info.addr);
  add(line, " at pc 0x%lx ---", task.thread.cpu.pc);
  write_line(line);
}

}  // namespace grus::linux
