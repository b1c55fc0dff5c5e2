// SPDX-License-Identifier: MIT
#include "linux/strace_forms.h"

#include "base/guest_memory.h"
#include "base/log.h"

namespace grus::linux {
namespace {

enum class Form : u8 {
  None, OpenFlags, Protection, MapFlags, FcntlCommand, Signal, CloneFlags, FutexOp, SigHow, SigSet, SigAction, Ioctl, Whence, WaitOptions,
  Domain, SocketType, Access, AtFlags, Advice, Resource, Clock, Prctl, RenameFlags, EpollOp, RandomFlags, MessageFlags, RemapFlags, Lock,
  Strings, Address, CloneArgs, DescriptorFlags,
  // Filled by the call.
  Bytes, Stat, Pair, WaitStatus, OldSigSet, OldSigAction, OldAddress, Time, Limit,
};

struct Special {
  u16 number;
  u8 argument;
  Form form;
};
constexpr Special kSpecial[] = {
    {17, 0, Form::Bytes}, {21, 1, Form::EpollOp}, {19, 1, Form::DescriptorFlags}, {20, 0, Form::DescriptorFlags}, {24, 2, Form::DescriptorFlags}, {29, 1, Form::Ioctl}, {32, 1, Form::Lock},
    {35, 2, Form::AtFlags}, {37, 4, Form::AtFlags}, {48, 2, Form::Access}, {54, 4, Form::AtFlags}, {59, 0, Form::Pair}, {59, 1, Form::DescriptorFlags},
    {62, 2, Form::Whence}, {63, 1, Form::Bytes}, {67, 1, Form::Bytes}, {78, 2, Form::Bytes}, {79, 2, Form::Stat}, {79, 3, Form::AtFlags},
    {80, 1, Form::Stat}, {88, 3, Form::AtFlags}, {95, 3, Form::WaitOptions}, {98, 1, Form::FutexOp}, {113, 0, Form::Clock},
    {113, 1, Form::Time}, {114, 0, Form::Clock}, {114, 1, Form::Time}, {115, 0, Form::Clock}, {134, 1, Form::SigAction},
    {134, 2, Form::OldSigAction}, {135, 0, Form::SigHow}, {135, 1, Form::SigSet}, {135, 2, Form::OldSigSet}, {133, 0, Form::SigSet},
    {136, 0, Form::OldSigSet}, {137, 0, Form::SigSet}, {163, 0, Form::Resource}, {163, 1, Form::Limit}, {167, 0, Form::Prctl},
    {198, 0, Form::Domain}, {198, 1, Form::SocketType}, {199, 0, Form::Domain}, {199, 1, Form::SocketType}, {199, 3, Form::Pair},
    {200, 1, Form::Address}, {203, 1, Form::Address}, {206, 3, Form::MessageFlags}, {206, 4, Form::Address}, {207, 1, Form::Bytes},
    {207, 3, Form::MessageFlags}, {211, 2, Form::MessageFlags}, {212, 2, Form::MessageFlags}, {216, 3, Form::RemapFlags},
    {220, 0, Form::CloneFlags}, {221, 1, Form::Strings}, {233, 2, Form::Advice}, {242, 3, Form::SocketType}, {260, 1, Form::WaitStatus},
    {260, 2, Form::WaitOptions}, {261, 1, Form::Resource}, {261, 3, Form::Limit}, {276, 4, Form::RenameFlags}, {278, 2, Form::RandomFlags},
    {281, 2, Form::Strings}, {281, 4, Form::AtFlags}, {291, 2, Form::AtFlags}, {435, 0, Form::CloneArgs}, {439, 2, Form::Access},
    {439, 3, Form::AtFlags}, {452, 3, Form::AtFlags}};

Form form_of(u32 number, unsigned argument) {
  for (const Special& s : kSpecial)
    if (s.number == number && s.argument == argument) return s.form;
  return Form::None;
}

// Arrays of characters, not pointers: nothing to relocate at start.
struct Word {
  u32 value;
  char name[24];
};

constexpr Word kAccessModes[] = {{0, "O_RDONLY"}, {1, "O_WRONLY"}, {2, "O_RDWR"}};
// arm64's own: include/uapi/asm/fcntl.h.
constexpr Word kOpenFlags[] = {{020200000, "O_TMPFILE"}, {0100, "O_CREAT"}, {0200, "O_EXCL"}, {0400, "O_NOCTTY"}, {01000, "O_TRUNC"},
                               {02000, "O_APPEND"}, {04000, "O_NONBLOCK"}, {04010000, "O_SYNC"}, {010000, "O_DSYNC"}, {020000, "O_ASYNC"},
                               {040000, "O_DIRECTORY"}, {0100000, "O_NOFOLLOW"}, {0200000, "O_DIRECT"}, {0400000, "O_LARGEFILE"},
                               {01000000, "O_NOATIME"}, {02000000, "O_CLOEXEC"}, {010000000, "O_PATH"}};
constexpr Word kProtection[] = {{1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}, {0x10, "PROT_BTI"}, {0x20, "PROT_MTE"},
                                {0x1000000, "PROT_GROWSDOWN"}, {0x2000000, "PROT_GROWSUP"}};
constexpr Word kMapFlags[] = {{3, "MAP_SHARED_VALIDATE"}, {1, "MAP_SHARED"}, {2, "MAP_PRIVATE"}, {0x10, "MAP_FIXED"},
                              {0x20, "MAP_ANONYMOUS"}, {0x100, "MAP_GROWSDOWN"}, {0x800, "MAP_DENYWRITE"}, {0x1000, "MAP_EXECUTABLE"},
                              {0x2000, "MAP_LOCKED"}, {0x4000, "MAP_NORESERVE"}, {0x8000, "MAP_POPULATE"}, {0x10000, "MAP_NONBLOCK"},
                              {0x20000, "MAP_STACK"}, {0x40000, "MAP_HUGETLB"}, {0x100000, "MAP_FIXED_NOREPLACE"}};
constexpr Word kRemapFlags[] = {{1, "MREMAP_MAYMOVE"}, {2, "MREMAP_FIXED"}, {4, "MREMAP_DONTUNMAP"}};
constexpr Word kFcntl[] = {{0, "F_DUPFD"}, {1, "F_GETFD"}, {2, "F_SETFD"}, {3, "F_GETFL"}, {4, "F_SETFL"}, {5, "F_GETLK"}, {6, "F_SETLK"},
                           {7, "F_SETLKW"}, {8, "F_SETOWN"}, {9, "F_GETOWN"}, {10, "F_SETSIG"}, {11, "F_GETSIG"}, {36, "F_OFD_GETLK"},
                           {37, "F_OFD_SETLK"}, {38, "F_OFD_SETLKW"}, {1024, "F_SETLEASE"}, {1030, "F_DUPFD_CLOEXEC"},
                           {1031, "F_SETPIPE_SZ"}, {1032, "F_GETPIPE_SZ"}, {1033, "F_ADD_SEALS"}, {1034, "F_GET_SEALS"}};
constexpr Word kClone[] = {{0x100, "CLONE_VM"}, {0x200, "CLONE_FS"}, {0x400, "CLONE_FILES"}, {0x800, "CLONE_SIGHAND"},
                           {0x1000, "CLONE_PIDFD"}, {0x2000, "CLONE_PTRACE"}, {0x4000, "CLONE_VFORK"}, {0x8000, "CLONE_PARENT"},
                           {0x10000, "CLONE_THREAD"}, {0x20000, "CLONE_NEWNS"}, {0x40000, "CLONE_SYSVSEM"}, {0x80000, "CLONE_SETTLS"},
                           {0x100000, "CLONE_PARENT_SETTID"}, {0x200000, "CLONE_CHILD_CLEARTID"}, {0x400000, "CLONE_DETACHED"},
                           {0x800000, "CLONE_UNTRACED"}, {0x1000000, "CLONE_CHILD_SETTID"}, {0x2000000, "CLONE_NEWCGROUP"},
                           {0x4000000, "CLONE_NEWUTS"}, {0x8000000, "CLONE_NEWIPC"}, {0x10000000, "CLONE_NEWUSER"},
                           {0x20000000, "CLONE_NEWPID"}, {0x40000000, "CLONE_NEWNET"}, {0x80000000, "CLONE_IO"}};
constexpr Word kFutex[] = {{0, "FUTEX_WAIT"}, {1, "FUTEX_WAKE"}, {3, "FUTEX_REQUEUE"}, {4, "FUTEX_CMP_REQUEUE"}, {5, "FUTEX_WAKE_OP"},
                           {6, "FUTEX_LOCK_PI"}, {7, "FUTEX_UNLOCK_PI"}, {8, "FUTEX_TRYLOCK_PI"}, {9, "FUTEX_WAIT_BITSET"},
                           {10, "FUTEX_WAKE_BITSET"}, {11, "FUTEX_WAIT_REQUEUE_PI"}, {12, "FUTEX_CMP_REQUEUE_PI"},
                           {13, "FUTEX_LOCK_PI2"}};
constexpr Word kSigHow[] = {{0, "SIG_BLOCK"}, {1, "SIG_UNBLOCK"}, {2, "SIG_SETMASK"}};
constexpr Word kSaFlags[] = {{1, "SA_NOCLDSTOP"}, {2, "SA_NOCLDWAIT"}, {4, "SA_SIGINFO"}, {0x800, "SA_EXPOSE_TAGBITS"},
                             {0x4000000, "SA_RESTORER"}, {0x8000000, "SA_ONSTACK"}, {0x10000000, "SA_RESTART"},
                             {0x40000000, "SA_NODEFER"}, {0x80000000, "SA_RESETHAND"}};
constexpr Word kIoctl[] = {{0x5401, "TCGETS"}, {0x5402, "TCSETS"}, {0x5403, "TCSETSW"}, {0x5404, "TCSETSF"}, {0x5409, "TCSBRK"},
                           {0x540e, "TIOCSCTTY"}, {0x540f, "TIOCGPGRP"}, {0x5410, "TIOCSPGRP"}, {0x5413, "TIOCGWINSZ"},
                           {0x5414, "TIOCSWINSZ"}, {0x541b, "FIONREAD"}, {0x5421, "FIONBIO"}, {0x5422, "TIOCNOTTY"}, {0x5450, "FIONCLEX"},
                           {0x5451, "FIOCLEX"}, {0x80045430, "TIOCGPTN"}, {0x40045431, "TIOCSPTLCK"}, {0x40049409, "FICLONE"},
                           {0x80086601, "FS_IOC_GETFLAGS"}, {0x8910, "SIOCGIFNAME"}, {0x8912, "SIOCGIFCONF"}};
constexpr Word kWhence[] = {{0, "SEEK_SET"}, {1, "SEEK_CUR"}, {2, "SEEK_END"}, {3, "SEEK_DATA"}, {4, "SEEK_HOLE"}};
constexpr Word kWait[] = {{1, "WNOHANG"}, {2, "WSTOPPED"}, {4, "WEXITED"}, {8, "WCONTINUED"}, {0x1000000, "WNOWAIT"},
                          {0x20000000, "__WNOTHREAD"}, {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"}};
constexpr Word kDomains[] = {{0, "AF_UNSPEC"}, {1, "AF_UNIX"}, {2, "AF_INET"}, {10, "AF_INET6"}, {16, "AF_NETLINK"}, {17, "AF_PACKET"},
                             {38, "AF_ALG"}, {40, "AF_VSOCK"}};
constexpr Word kTypes[] = {{1, "SOCK_STREAM"}, {2, "SOCK_DGRAM"}, {3, "SOCK_RAW"}, {5, "SOCK_SEQPACKET"}};
constexpr Word kTypeFlags[] = {{04000, "SOCK_NONBLOCK"}, {02000000, "SOCK_CLOEXEC"}};
constexpr Word kAccess[] = {{4, "R_OK"}, {2, "W_OK"}, {1, "X_OK"}};
constexpr Word kAt[] = {{0x100, "AT_SYMLINK_NOFOLLOW"}, {0x200, "AT_REMOVEDIR"}, {0x400, "AT_SYMLINK_FOLLOW"}, {0x800, "AT_NO_AUTOMOUNT"},
                        {0x1000, "AT_EMPTY_PATH"}, {0x2000, "AT_STATX_FORCE_SYNC"}, {0x4000, "AT_STATX_DONT_SYNC"},
                        {0x8000, "AT_RECURSIVE"}, {0x10000, "AT_EXECVE_CHECK"}};
constexpr Word kAdvice[] = {{0, "MADV_NORMAL"}, {1, "MADV_RANDOM"}, {2, "MADV_SEQUENTIAL"}, {3, "MADV_WILLNEED"}, {4, "MADV_DONTNEED"},
                            {8, "MADV_FREE"}, {9, "MADV_REMOVE"}, {10, "MADV_DONTFORK"}, {11, "MADV_DOFORK"}, {12, "MADV_MERGEABLE"},
                            {14, "MADV_HUGEPAGE"}, {15, "MADV_NOHUGEPAGE"}, {16, "MADV_DONTDUMP"}, {17, "MADV_DODUMP"},
                            {18, "MADV_WIPEONFORK"}, {20, "MADV_COLD"}, {21, "MADV_PAGEOUT"}, {22, "MADV_POPULATE_READ"},
                            {23, "MADV_POPULATE_WRITE"}, {25, "MADV_COLLAPSE"}, {102, "MADV_GUARD_INSTALL"}, {103, "MADV_GUARD_REMOVE"}};
constexpr Word kResources[] = {{0, "RLIMIT_CPU"}, {1, "RLIMIT_FSIZE"}, {2, "RLIMIT_DATA"}, {3, "RLIMIT_STACK"}, {4, "RLIMIT_CORE"},
                               {5, "RLIMIT_RSS"}, {6, "RLIMIT_NPROC"}, {7, "RLIMIT_NOFILE"}, {8, "RLIMIT_MEMLOCK"}, {9, "RLIMIT_AS"},
                               {10, "RLIMIT_LOCKS"}, {11, "RLIMIT_SIGPENDING"}, {12, "RLIMIT_MSGQUEUE"}, {13, "RLIMIT_NICE"},
                               {14, "RLIMIT_RTPRIO"}, {15, "RLIMIT_RTTIME"}};
constexpr Word kClocks[] = {{0, "CLOCK_REALTIME"}, {1, "CLOCK_MONOTONIC"}, {2, "CLOCK_PROCESS_CPUTIME"}, {3, "CLOCK_THREAD_CPUTIME_ID"},
                            {4, "CLOCK_MONOTONIC_RAW"}, {5, "CLOCK_REALTIME_COARSE"}, {6, "CLOCK_MONOTONIC_COARSE"}, {7, "CLOCK_BOOTTIME"},
                            {11, "CLOCK_TAI"}};
constexpr Word kPrctl[] = {{1, "PR_SET_PDEATHSIG"}, {2, "PR_GET_PDEATHSIG"}, {3, "PR_GET_DUMPABLE"}, {4, "PR_SET_DUMPABLE"},
                           {8, "PR_SET_KEEPCAPS"}, {15, "PR_SET_NAME"}, {16, "PR_GET_NAME"}, {21, "PR_GET_SECCOMP"}, {22, "PR_SET_SECCOMP"},
                           {23, "PR_CAPBSET_READ"}, {24, "PR_CAPBSET_DROP"}, {29, "PR_SET_TIMERSLACK"}, {35, "PR_SET_MM"},
                           {36, "PR_SET_CHILD_SUBREAPER"}, {38, "PR_SET_NO_NEW_PRIVS"}, {39, "PR_GET_NO_NEW_PRIVS"}, {47, "PR_CAP_AMBIENT"},
                           {55, "PR_SET_TAGGED_ADDR_CTRL"}, {56, "PR_GET_TAGGED_ADDR_CTRL"}, {0x53564d41, "PR_SET_VMA"}};
constexpr Word kRename[] = {{1, "RENAME_NOREPLACE"}, {2, "RENAME_EXCHANGE"}, {4, "RENAME_WHITEOUT"}};
constexpr Word kEpoll[] = {{1, "EPOLL_CTL_ADD"}, {2, "EPOLL_CTL_DEL"}, {3, "EPOLL_CTL_MOD"}};
constexpr Word kRandom[] = {{1, "GRND_NONBLOCK"}, {2, "GRND_RANDOM"}, {4, "GRND_INSECURE"}};
constexpr Word kMessage[] = {{1, "MSG_OOB"}, {2, "MSG_PEEK"}, {0x20, "MSG_TRUNC"}, {0x40, "MSG_DONTWAIT"}, {0x100, "MSG_WAITALL"},
                             {0x4000, "MSG_NOSIGNAL"}, {0x8000, "MSG_MORE"}, {0x40000000, "MSG_CMSG_CLOEXEC"}};
constexpr Word kLocks[] = {{1, "LOCK_SH"}, {2, "LOCK_EX"}, {4, "LOCK_NB"}, {8, "LOCK_UN"}};
constexpr Word kFileTypes[] = {{0010000, "S_IFIFO"}, {0020000, "S_IFCHR"}, {0040000, "S_IFDIR"}, {0060000, "S_IFBLK"},
                               {0100000, "S_IFREG"}, {0120000, "S_IFLNK"}, {0140000, "S_IFSOCK"}};

// One of a list, or the number.
template <size_t N>
void add_one(StraceLine& line, const Word (&words)[N], u64 value) {
  for (const Word& w : words)
    if (w.value == value) {
      add(line, "%s", w.name);
      return;
    }
  if (value < 10)
    add(line, "%lu", value);
  else
    add(line, "0x%lx", value);
}

// Names of the bits; those with several come first in their table.
template <size_t N>
void add_bits(StraceLine& line, const Word (&words)[N], u64 value, bool after_another = false) {
  const char* between = after_another ? "|" : "";
  for (const Word& w : words)
    if (w.value && (value & w.value) == w.value) {
      add(line, "%s%s", between, w.name);
      between = "|";
      value &= ~u64{w.value};
    }
  if (value || (!*between && !after_another)) add(line, value ? "%s0x%lx" : "%s%lu", between, value);
}

void add_signal_set(StraceLine& line, u64 address) {
  u64 set;
  if (!address || load_guest(GuestAddr(address), &set)) {
    add_pointer(line, address);
    return;
  }
  unsigned count = 0;
  for (u64 rest = set; rest; rest &= rest - 1) count++;
  const bool most = count > 32;
  if (most) set = ~set;
  add(line, most ? "~[" : "[");
  for (const char* between = ""; set; set &= set - 1, between = " ") {
    char buffer[16];
    const char* name = signal_name(__builtin_ctzll(set) + 1, buffer);
    add(line, "%s%s", between, name == buffer ? name + sizeof "signal" : name + 3);
  }
  add(line, "]");
}

void add_action(StraceLine& line, u64 address) {
  u64 action[4];  // handler, flags, restorer, mask
  if (!address || copy_from_guest(action, GuestAddr(address), sizeof action)) {
    add_pointer(line, address);
    return;
  }
  if (action[0] < 2)
    add(line, action[0] ? "{SIG_IGN, " : "{SIG_DFL, ");
  else
    add(line, "{0x%lx, ", action[0]);
  add_signal_set(line, address + 24);
  add(line, ", ");
  add_bits(line, kSaFlags, action[1]);
  add(line, "}");
}

void add_strings(StraceLine& line, u64 address) {
  constexpr unsigned kMost = 16;
  u64 string = 0;
  if (!address || load_guest(GuestAddr(address), &string)) {
    add_pointer(line, address);
    return;
  }
  add(line, "[");
  for (unsigned i = 0; i < kMost && string; i++) {
    if (i) add(line, ", ");
    add_string(line, string);
    if (load_guest(GuestAddr(address + 8 * (i + 1)), &string)) break;
  }
  add(line, string ? ", ...]" : "]");
}

void add_address(StraceLine& line, u64 address, u64 size) {
  u8 bytes[112];
  if (size > sizeof bytes) size = sizeof bytes;
  if (!address || size < 2 || copy_from_guest(bytes, GuestAddr(address), size)) {
    add_pointer(line, address);
    return;
  }
  const unsigned family = bytes[0] | bytes[1] << 8;
  add(line, "{");
  add_one(line, kDomains, family);
  const unsigned port = static_cast<unsigned>(bytes[2] << 8 | bytes[3]);
  if (family == 1 && size > 2) {
    size_t n = bytes[2] ? 0 : size - 2;  // an abstract name has its length
    while (!n && n + 2 < size && bytes[2 + n]) {
      n++;
      while (n + 2 < size && bytes[2 + n]) n++;
    }
    add(line, ", ");
    add_bytes(line, reinterpret_cast<const char*>(bytes) + 2, n, false);
  } else if (family == 2 && size >= 8) {
    add(line, ", %d.%d.%d.%d:%u", bytes[4], bytes[5], bytes[6], bytes[7], port);
  } else if (family == 10 && size >= 24) {
    add(line, ", [");
    for (unsigned i = 0; i < 8; i++) add(line, i ? ":%x" : "%x", static_cast<unsigned>(bytes[8 + 2 * i] << 8 | bytes[9 + 2 * i]));
    add(line, "]:%u", port);
  }
  add(line, "}");
}

void add_status(StraceLine& line, u64 address) {
  u32 status;
  if (!address || load_guest(GuestAddr(address), &status)) {
    add_pointer(line, address);
    return;
  }
  char buffer[16];
  const int sig = status & 0x7f;
  if (!sig)
    add(line, "[exit %u]", status >> 8 & 0xff);
  else if (sig == 0x7f)
    add(line, status == 0xffff ? "[continued]" : "[stopped by %s]", signal_name(status >> 8 & 0xff, buffer));
  else
    add(line, status & 0x80 ? "[%s, core dumped]" : "[%s]", signal_name(sig, buffer));
}

void add_stat(StraceLine& line, u64 address) {
  u8 st[128];  // struct stat of arm64: mode at 16, size at 48
  if (!address || copy_from_guest(st, GuestAddr(address), sizeof st)) {
    add_pointer(line, address);
    return;
  }
  u32 mode;
  u64 size;
  __builtin_memcpy(&mode, st + 16, 4);
  __builtin_memcpy(&size, st + 48, 8);
  add(line, "{");
  add_one(line, kFileTypes, mode & 0170000);
  add(line, "|");
  add_octal(line, mode & 07777);
  add(line, ", size %lu}", size);
}

void add_two(StraceLine& line, u64 address, Form form) {
  u64 two[2];
  u32 fds[2];
  if (form == Form::Pair && address && !copy_from_guest(fds, GuestAddr(address), sizeof fds))
    add(line, "[%d, %d]", static_cast<int>(fds[0]), static_cast<int>(fds[1]));
  else if (form == Form::Time && address && !copy_from_guest(two, GuestAddr(address), sizeof two))
    add(line, "{%ld.%09lu}", static_cast<i64>(two[0]), two[1]);
  else if (form == Form::Limit && address && !copy_from_guest(two, GuestAddr(address), sizeof two))
    for (unsigned i = 0; i < 2; i++) add(line, ~two[i] ? i ? ", %lu}" : "{%lu" : i ? ", infinity}" : "{infinity", two[i]);
  else
    add_pointer(line, address);
}

void add_clone_flags(StraceLine& line, u64 flags, u64 exit_signal) {
  char buffer[16];
  const bool any = flags != 0;
  if (any) add_bits(line, kClone, flags);
  if (exit_signal) add(line, any ? "|%s" : "%s", signal_name(static_cast<int>(exit_signal), buffer));
  if (!any && !exit_signal) add(line, "0");
}

bool add_as(StraceLine& line, Form form, u64 value, u64 next) {
  const u64 word = static_cast<u32>(value);
  char buffer[16];
  switch (form) {
    case Form::OpenFlags:
      add_one(line, kAccessModes, word & 3);
      if (word & ~u64{3}) add_bits(line, kOpenFlags, word & ~u64{3}, true);
      return true;
    case Form::DescriptorFlags: add_bits(line, kOpenFlags, word); return true;
    case Form::Protection:
      if (word)
        add_bits(line, kProtection, word);
      else
        add(line, "PROT_NONE");
      return true;
    case Form::MapFlags: add_bits(line, kMapFlags, word); return true;
    case Form::RemapFlags: add_bits(line, kRemapFlags, word); return true;
    case Form::FcntlCommand: add_one(line, kFcntl, word); return true;
    case Form::Signal: add(line, "%s", signal_name(static_cast<int>(word), buffer)); return true;
    case Form::CloneFlags: add_clone_flags(line, value & 0xffffff00, value & 0xff); return true;
    case Form::FutexOp:
      add_one(line, kFutex, word & 0x7f);
      add(line, "%s%s", word & 0x80 ? "_PRIVATE" : "", word & 0x100 ? "|FUTEX_CLOCK_REALTIME" : "");
      return true;
    case Form::SigHow: add_one(line, kSigHow, word); return true;
    case Form::SigSet:
    case Form::OldSigSet: add_signal_set(line, value); return true;
    case Form::SigAction:
    case Form::OldSigAction: add_action(line, value); return true;
    case Form::Ioctl: add_one(line, kIoctl, word); return true;
    case Form::Whence: add_one(line, kWhence, word); return true;
    case Form::WaitOptions: add_bits(line, kWait, word); return true;
    case Form::Domain: add_one(line, kDomains, word); return true;
    case Form::SocketType:
      if (word & 017) add_one(line, kTypes, word & 017);
      if (word & ~u64{017} || !word) add_bits(line, kTypeFlags, word & ~u64{017}, word & 017);
      return true;
    case Form::Access:
      if (word)
        add_bits(line, kAccess, word);
      else
        add(line, "F_OK");
      return true;
    case Form::AtFlags: add_bits(line, kAt, word); return true;
    case Form::Advice: add_one(line, kAdvice, word); return true;
    case Form::Resource: add_one(line, kResources, word); return true;
    case Form::Clock: add_one(line, kClocks, word); return true;
    case Form::Prctl: add_one(line, kPrctl, word); return true;
    case Form::RenameFlags: add_bits(line, kRename, word); return true;
    case Form::EpollOp: add_one(line, kEpoll, word); return true;
    case Form::RandomFlags: add_bits(line, kRandom, word); return true;
    case Form::MessageFlags: add_bits(line, kMessage, word); return true;
    case Form::Lock: add_bits(line, kLocks, word); return true;
    case Form::Strings: add_strings(line, value); return true;
    case Form::Address: add_address(line, value, next); return true;
    case Form::CloneArgs: {
      u64 clone[5];  // flags, pidfd, child_tid, parent_tid, exit_signal (struct clone_args)
      if (copy_from_guest(clone, GuestAddr(value), sizeof clone)) return false;
      add(line, "{");
      add_clone_flags(line, clone[0], clone[4]);
      add(line, "}");
      return true;
    }
    case Form::WaitStatus: add_status(line, value); return true;
    case Form::Stat: add_stat(line, value); return true;
    case Form::Pair:
    case Form::Time:
    case Form::Limit: add_two(line, value, form); return true;
    default: return false;
  }
}

}  // namespace

bool is_output(u32 number, unsigned argument) { return form_of(number, argument) >= Form::Bytes; }

bool add_form(StraceLine& line, u32 number, unsigned i, const u64 (&a)[6], i64 result) {
  const Form form = form_of(number, i);
  if (form == Form::None) return false;
  if (form >= Form::Bytes && (result < 0 || (form == Form::WaitStatus && !result))) {  // it has filled nothing
    add_pointer(line, a[i]);
    return true;
  }
  if (form == Form::Bytes) {
    const bool counts_nul = number == 17;  // getcwd; readlinkat's result has none
    add_buffer(line, a[i], static_cast<u64>(counts_nul && result ? result - 1 : result), counts_nul || number == 78);
    return true;
  }
  return add_as(line, form, a[i], i < 5 ? a[i + 1] : 0);
}

bool add_letter_form(StraceLine& line, char letter, u64 value) {
  switch (letter) {
    case 'o': return add_as(line, Form::OpenFlags, value, 0);
    case 'r': return add_as(line, Form::Protection, value, 0);
    case 'f': return add_as(line, Form::MapFlags, value, 0);
    case 'c': return add_as(line, Form::FcntlCommand, value, 0);
    case 'g': return add_as(line, Form::Signal, value, 0);
    default: return false;
  }
}

bool is_unused(u32 number, unsigned i, const u64 (&a)[6]) {
  constexpr u64 kCreates = 0100 | 020000000;  // O_CREAT, __O_TMPFILE
  constexpr u64 kHasNone = 1 << 1 | 1 << 3 | 1 << 9 | 1 << 11;  // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG
  if (number == 56) return i == 3 && !(a[2] & kCreates);
  if (number == 25) return i == 2 && a[1] < 16 && (kHasNone >> a[1] & 1);
  return false;
}

}  // namespace grus::linux
