// SPDX-License-Identifier: MIT
// From a guest's SVC to the host's kernel: the table made of syscalls.def and the path every system call
// takes.
//
// Order as in the kernel: seccomp sees the original number and arguments, then the number is looked up. What
// is common to many calls is done here from the argument letters, so that no handler can forget it: tags of
// pointers go, pointers into the engine lead nowhere, the engine's descriptors do not exist. Deliberately not here: ptrace stops, audit.
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "base/address_map.h"
#include "base/host_syscall.h"
#include "linux/abi/host_numbers.h"
#include "linux/blocking_syscall.h"
#include "linux/handlers.h"
#include "linux/hidden_descriptors.h"
#include "linux/hidden_names.h"
#include "linux/passed_vectors.h"
#include "linux/seccomp_filter.h"
#include "linux/strace.h"

namespace grus::linux {
namespace {

enum class Action : u8 { Missing, Pass, Block, Handle, Refuse, Twice };

struct Row {
  SyscallHandler handler = nullptr;
  i16 host = -1;
  i16 error = 0;
  Action action = Action::Missing;
  u8 pointers = 0;     // bit n: argument n is a pointer
  u8 addresses = 0;    // bit n: argument n begins a range of memory
  u8 descriptors = 0;  // bit n: argument n is a descriptor
  u8 vector = 0;       // of an iovec array; its length is the next argument
  u8 message = 0;      // of a struct msghdr
  u8 names = 0;        // bit n: argument n is a string; what is before it may be the directory that it is relative to
  u8 directories = 0;  // bit n: argument n is one
};

constexpr u8 letters(const char* arguments, const char* wanted) {
  u8 mask = 0;
  for (unsigned i = 0; arguments[i]; i++)
    for (const char* w = wanted; *w; w++)
      if (arguments[i] == *w) mask |= static_cast<u8>(1u << i);
  return mask;
}
constexpr Row make_row(SyscallHandler handler, int host, int error, Action action, const char* arguments) {
  return Row{handler,
             static_cast<i16>(host),
             static_cast<i16>(error),
             action,
             letters(arguments, "swtpPeh"),
             letters(arguments, "v"),
             letters(arguments, "da"),
             letters(arguments, "e"),
             letters(arguments, "h"),
             letters(arguments, "s"),
             letters(arguments, "a")};
}

struct Table {
  Row row[kNewestSyscall + 1];

  constexpr void set(unsigned number, Row r) {
    if (row[number].action != Action::Missing) r.action = Action::Twice;
    row[number] = r;
  }
  constexpr bool complete() const {
    for (const Row& r : row)
      if (r.action == Action::Missing || r.action == Action::Twice) return false;
    return true;
  }
};

constexpr Table make_table() {
  Table t;
#define ROW(number, handler, host, error, action, arguments) \
  t.set(number, make_row(handler, host, error, Action::action, arguments));
#define PASS(number, name, arguments) ROW(number, nullptr, __NR_##name, 0, Pass, arguments)
#define BLOCK(number, name, arguments) ROW(number, nullptr, __NR_##name, 0, Block, arguments)
#define HANDLE(number, name, arguments) ROW(number, sys_##name, -1, 0, Handle, arguments)
#define REFUSE(number, name, error, arguments) ROW(number, nullptr, -1, error, Refuse, arguments)
#define HOLE(first, last) \
  for (unsigned i = first; i <= last; i++) t.set(i, make_row(nullptr, -1, ENOSYS, Action::Refuse, ""));
#include "linux/syscalls.def"
#undef PASS
#undef BLOCK
#undef HANDLE
#undef REFUSE
#undef HOLE
#undef ROW
  return t;
}

constexpr Table kTable = make_table();
static_assert(kTable.complete(), "every number has exactly one line in syscalls.def");

bool names_hidden_fd(const Task& task, const Row& row, const u64 (&a)[6]) {
  for (unsigned mask = row.descriptors; mask; mask &= mask - 1)
    if (is_hidden_fd(task, static_cast<int>(a[__builtin_ctz(mask)]))) return true;
  return false;
}

// /proc/self/fd/N and the like.
bool names_hidden_path(const Task& task, const Row& row, const u64 (&a)[6]) {
  for (unsigned mask = row.names; mask; mask &= mask - 1) {
    const int n = __builtin_ctz(mask);
    if (row.host == __NR_symlinkat && n == 0) continue;  // is not looked up
    const bool relative = n > 0 && row.directories >> (n - 1) & 1;
    if (path_names_hidden_fd(task, relative ? static_cast<int>(a[n - 1]) : AT_FDCWD, a[n])) return true;
  }
  return false;
}

void remove_tags(u64 (&a)[6], unsigned mask) {
  for (; mask; mask &= mask - 1) {
    u64& p = a[__builtin_ctz(mask)];
    p = GuestAddr(p).untagged().v;
  }
}

[[gnu::always_inline]] inline i64 call_host(Task& task, const Row& row, const u64 (&a)[6]) {
  if (row.action == Action::Pass) return host_syscall(row.host, a[0], a[1], a[2], a[3], a[4], a[5]);
  return blocking_syscall(task, row.host, a);
}

// Out of line: nothing of this is on the stack of the common case.
[[gnu::noinline]] i64 call_host_with_vectors(Task& task, const Row& row, u64 (&a)[6]) {
  if (row.vector) {
    u64& array = a[__builtin_ctz(row.vector)];
    const PassedVector vector(array, a[__builtin_ctz(row.vector) + 1], task.tagged_addresses);
    array = vector.address();
    return call_host(task, row, a);
  }
  if (row.message) {
    u64& header = a[__builtin_ctz(row.message)];
    const PassedMessage message(header, task.tagged_addresses);
    header = message.address();
    return message.write_back(call_host(task, row, a));
  }
  return call_host(task, row, a);
}

[[gnu::always_inline]] inline i64 invoke(Task& task, const Row& row, u64 (&a)[6]) {
  if (row.descriptors && names_hidden_fd(task, row, a)) return -EBADF;
  if (row.addresses) remove_tags(a, row.addresses);
  if (task.tagged_addresses) [[unlikely]]
    remove_tags(a, row.pointers);
  for (unsigned mask = row.pointers; mask; mask &= mask - 1)
    if (address_map::in_arena(a[__builtin_ctz(mask)])) [[unlikely]]
      a[__builtin_ctz(mask)] = address_map::kNeverMapped;
  if (row.names && names_hidden_path(task, row, a)) return -ENOENT;
  if (row.message && row.host == __NR_sendmsg && message_names_hidden_fd(task, a[1])) return -EBADF;
  switch (row.action) {
    case Action::Pass:
    case Action::Block:
      if (row.vector | row.message) [[unlikely]]
        return call_host_with_vectors(task, row, a);
      return call_host(task, row, a);
    case Action::Handle:
      return row.handler(task, a);
    default:
      return -row.error;
  }
}

// The guest's limit is reached with descriptors of the engine among its own: EMFILE says that nothing was done yet.
[[gnu::noinline]] i64 invoke_with_room(Task& task, const Row& row, u64 (&a)[6]) {
  i64 result = -EMFILE;
  while (result == -EMFILE && make_room(task)) result = invoke(task, row, a);
  return result;
}

}  // namespace

void handle_syscall(Task& task) {
  a64::CpuState& cpu = task.thread.cpu;
  // el0_svc: `scno` is an int, compared unsigned.
  const u32 number = static_cast<u32>(cpu.x[8]);
  u64 a[6] = {cpu.x[0], cpu.x[1], cpu.x[2], cpu.x[3], cpu.x[4], cpu.x[5]};
  task.syscall_pc = cpu.pc - 4;
  task.syscall_x0 = a[0];

  i64 result = -ENOSYS;
  bool allowed = true;
  if (seccomp_active(task)) [[unlikely]] {
    allowed = seccomp_allows(task, number, a, &result);
    if (!allowed && result == kNoResult) {
      task.syscall_pc = 0;
      return;
    }
  }
  if (strace_enabled) [[unlikely]] {
    StraceLine line;
    const u64 asked[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
    strace_begin(line, task, number, asked);
    if (allowed && number <= kNewestSyscall) result = invoke(task, kTable.row[number], a);
    if (allowed && result == -EMFILE) result = invoke_with_room(task, kTable.row[number], a);
    strace_end(line, asked, result);
  } else if (allowed && number <= kNewestSyscall) {
    result = invoke(task, kTable.row[number], a);
    if (result == -EMFILE) [[unlikely]]
      result = invoke_with_room(task, kTable.row[number], a);
  }

  if (result == kNoResult) {
    task.syscall_pc = 0;
  } else if (result == kRestartSyscall) {
    cpu.pc = task.syscall_pc;
  } else {
    cpu.x[0] = static_cast<u64>(result);
    task.syscall_pc = 0;
  }
}

}  // namespace grus::linux
