// SPDX-License-Identifier: MIT
// What each letter of syscalls.def looks like in a line. Reads the guest's strings and buffers through the
// fixup, so a bad pointer prints as a number. Deliberately not here: decoding of structures.
#include "linux/strace.h"

#include <asm/errno.h>
#include <linux/fcntl.h>

#include "base/guest_memory.h"
#include "base/log.h"
#include "linux/handlers.h"
#include "linux/signal.h"

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
    "",        "EPERM",        "ENOENT", "ESRCH",  "EINTR",     "EIO",     "ENXIO",
    "E2BIG",   "ENOEXEC",      "EBADF",  "ECHILD", "EAGAIN",    "ENOMEM",  "EACCES",
    "EFAULT",  "ENOTBLK",      "EBUSY",  "EEXIST", "EXDEV",     "ENODEV",  "ENOTDIR",
    "EISDIR",  "EINVAL",       "ENFILE", "EMFILE", "ENOTTY",    "ETXTBSY", "EFBIG",
    "ENOSPC",  "ESPIPE",       "EROFS",  "EMLINK", "EPIPE",     "EDOM",    "ERANGE",
    "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP"};
struct NamedErrno {
  u8 number;
  char name[16];
};
constexpr NamedErrno kLaterErrnos[] = {
    {61, "ENODATA"},       {62, "ETIME"},           {71, "EPROTO"},          {75, "EOVERFLOW"},
    {84, "EILSEQ"},        {88, "ENOTSOCK"},        {89, "EDESTADDRREQ"},    {90, "EMSGSIZE"},
    {91, "EPROTOTYPE"},    {92, "ENOPROTOOPT"},     {93, "EPROTONOSUPPORT"}, {94, "ESOCKTNOSUPPORT"},
    {95, "EOPNOTSUPP"},    {97, "EAFNOSUPPORT"},    {98, "EADDRINUSE"},      {99, "EADDRNOTAVAIL"},
    {100, "ENETDOWN"},     {101, "ENETUNREACH"},    {103, "ECONNABORTED"},   {104, "ECONNRESET"},
    {105, "ENOBUFS"},      {106, "EISCONN"},        {107, "ENOTCONN"},       {110, "ETIMEDOUT"},
    {111, "ECONNREFUSED"}, {113, "EHOSTUNREACH"},   {114, "EALREADY"},       {115, "EINPROGRESS"},
    {116, "ESTALE"},       {122, "EDQUOT"},         {125, "ECANCELED"},      {126, "ENOKEY"},
    {130, "EOWNERDEAD"},   {131, "ENOTRECOVERABLE"}};

// "\n" and NUL always fit.
#define add(line, ...) \
  ((line).length +=    \
   format_to((line).text + (line).length, sizeof(line).text - 2 - (line).length, __VA_ARGS__))

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

void add_buffer(StraceLine& line, u64 address, u64 size) {
  char text[32];
  const size_t n = size < sizeof text ? size : sizeof text;
  if (copy_from_guest(text, GuestAddr(address), n))
    add_pointer(line, address);
  else
    add_bytes(line, text, n, n < size);
}

void add_open_flags(StraceLine& line, u64 flags) {
  static constexpr struct {
    u32 bit;
    char name[12];
  } kFlags[] = {{0100, "O_CREAT"},        {0200, "O_EXCL"},        {0400, "O_NOCTTY"},
                {01000, "O_TRUNC"},       {02000, "O_APPEND"},     {04000, "O_NONBLOCK"},
                {040000, "O_DIRECTORY"},  {0100000, "O_NOFOLLOW"}, {0200000, "O_DIRECT"},
                {0400000, "O_LARGEFILE"}, {02000000, "O_CLOEXEC"}, {010000000, "O_PATH"}};
  static constexpr char kAccess[4][12] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "3"};
  add(line, "%s", kAccess[flags & 3]);
  flags &= ~u64{3};
  for (const auto& f : kFlags)
    if (flags & f.bit) {
      add(line, "|%s", f.name);
      flags &= ~u64{f.bit};
    }
  if (flags) add(line, "|0x%lx", flags);
}

void add_octal(StraceLine& line, u64 value) {
  char digits[24];
  size_t n = sizeof digits;
  digits[--n] = 0;
  for (; value && n > 1; value >>= 3) digits[--n] = static_cast<char>('0' + (value & 7));
  digits[--n] = '0';
  add(line, "%s", digits + n);
}

void add_protection(StraceLine& line, u64 protection) {
  if (!protection) {
    add(line, "PROT_NONE");
    return;
  }
  add(line, "%s%s%s", protection & 1 ? "R" : "", protection & 2 ? "W" : "", protection & 4 ? "X" : "");
  if (protection & ~u64{7}) add(line, "|0x%lx", protection & ~u64{7});
}

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

}  // namespace

const char* errno_name(unsigned error) {
  if (error && error < sizeof kErrnoNames / sizeof kErrnoNames[0]) return kErrnoNames[error];
  for (const NamedErrno& e : kLaterErrnos)
    if (e.number == error) return e.name;
  return nullptr;
}

void strace_begin(StraceLine& line, const Task& task, u32 number, const u64 (&a)[6]) {
  line.length = 0;
  line.number = number;
  line.written = false;
  const bool known = number <= kNewestSyscall && kNames.of[number].name[0];
  add(line, "%d ", static_cast<int>(task.tid));
  if (!known) {
    add(line, "syscall_%d(0x%lx,0x%lx,0x%lx)", static_cast<int>(number), a[0], a[1], a[2]);
    return;
  }
  const Name& name = kNames.of[number];
  add(line, "%s(", name.name);
  for (unsigned i = 0; i < 6 && name.arguments[i]; i++) {
    if (i) add(line, ",");
    switch (name.arguments[i]) {
      case 'a':
        if (static_cast<int>(a[i]) == AT_FDCWD) {
          add(line, "AT_FDCWD");
          break;
        }
        [[fallthrough]];
      case 'd':
      case 'i':
      case 'g':
      case 'c':
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
      case 'o':
        add_open_flags(line, a[i]);
        break;
      case 'r':
        add_protection(line, a[i]);
        break;
      case 'p':
        add_pointer(line, a[i]);
        break;
      default:
        add(line, "0x%lx", a[i]);
    }
  }
  add(line, ")");
  // exit, exit_group, rt_sigreturn, execve, execveat
  if (number == 93 || number == 94 || number == 139 || number == 221 || number == 281) {
    const size_t length = line.length;
    add(line, " ...");
    write_line(line);
    line.length = length;
    line.written = number != 221 && number != 281;
  }
}

void strace_end(StraceLine& line, i64 result) {
  if (line.written || result == kNoResult) return;
  if (result == kRestartSyscall) {
    add(line, " = ? (to be restarted)");
  } else if (result < 0 && result > -4096) {
    const char* name = errno_name(static_cast<unsigned>(-result));
    if (name)
      add(line, " = -1 %s", name);
    else
      add(line, " = -1 errno %d", static_cast<int>(-result));
  } else if (result >= i64{1} << 31 || result < 0) {
    add(line, " = 0x%lx", result);
  } else {
    add(line, " = %ld", static_cast<i64>(result));
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
  add(line, "%d --- ", static_cast<int>(task.tid));
  char buffer[16];
  add(line, "%s", signal_name(info.signo, buffer));
  add(line, " code %d", info.code);
  if (info.code > 0 && (kFaultSignals & signal_bit(info.signo)))
    add(line, " address 0x%lx", info.addr);
  add(line, " at pc 0x%lx ---", task.thread.cpu.pc);
  write_line(line);
}

}  // namespace grus::linux
