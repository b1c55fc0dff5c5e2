// SPDX-License-Identifier: MIT
// One line about a guest that dies of a signal of its own making: a fault, an abort, a refused system call.
//
//   grus: crash[1234] died of SIGSEGV at address 0x8: pc 0x400620 is deref+0x14 (crash+0x620), called from main+0x20 (crash+0x700)
//
// Guarantees: only when standard error is a terminal or GRUS_LOG asks for it: build logs stay as they are natively. Deliberately not of
// signals that others send and that have nothing to do with what the guest was doing (SIGTERM, SIGINT): a shell says that. The
// callers are found by frame records (x29); code that keeps none ends the list.
#include <linux/prctl.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "engine/options.h"
#include "linux/handlers.h"
#include "linux/signal.h"
#include "linux/strace.h"
#include "run/symbols.h"

namespace grus::linux {
namespace {

constexpr int kSigabrt = 6, kSigsys = 31;

bool is_wanted() {
  switch (engine_options().log) {
    case LogWanted::Always:
      return true;
    case LogWanted::Never:
      return false;
    case LogWanted::OnTerminal:
      break;
  }
  constexpr u64 kTcgets = 0x5401;
  u8 termios[64];
  return !host_syscall(__NR_ioctl, static_cast<u64>(log_fd()), kTcgets, ptr(termios));
}

struct Line {
  char text[1000];
  size_t length;
};
#define add(line, ...) ((line).length += format_to((line).text + (line).length, sizeof(line).text - (line).length, __VA_ARGS__))

// "deref+0x14 (crash+0x620)", or what is known of it.
void add_place(Line& line, const run::Location& location) {
  if (location.symbol[0])
    add(line, "%s+0x%lx (%s+0x%lx)", location.symbol, location.offset, location.module, location.address);
  else if (location.module[0])
    add(line, "%s+0x%lx", location.module, location.address);
  else
    add(line, "in no file");
}

bool same(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

// The addresses behind calls that are under way, innermost first; 0: no further.
class Callers {
 public:
  Callers(const a64::CpuState& cpu, const run::Location& at) : frame_(cpu.x[29]) {
    u64 record[2];
    if (read_record(record) && record[1] == cpu.x[30]) return;
    // x30 is a caller's where no frame record was made yet: in a leaf, or behind a jump to nowhere. Behind a call it lies in this function.
    run::Location behind;
    run::find_location(cpu.x[30] - 4, &behind);
    bool elsewhere = !at.module[0] || (at.symbol[0] && behind.symbol[0] && !same(at.symbol, behind.symbol));
    if (behind.module[0] && elsewhere) link_ = cpu.x[30];
  }
  u64 next() {
    if (u64 link = link_) {
      link_ = 0;
      return link;
    }
    u64 record[2];
    if (!read_record(record)) return 0;
    frame_ = record[0] > frame_ ? record[0] : 0;
    return record[1];
  }

 private:
  u64 frame_, link_ = 0;
  bool read_record(u64 (&record)[2]) const {
    return frame_ && frame_ % 8 == 0 && !copy_from_guest(record, GuestAddr(frame_), sizeof record);
  }
};

}  // namespace

void report_death(const Task& task, const SignalInfo& info) {
  if (!is_wanted()) return;
  const a64::CpuState& cpu = task.thread.cpu;
  char name[17] = {};
  host_syscall(__NR_prctl, PR_GET_NAME, ptr(name));
  Line line{};
  char buffer[16];
  add(line, "%s[%d] died of %s", name, static_cast<int>(task.pid), signal_name(info.signo, buffer));
  if (info.code <= 0 && info.signo != kSigabrt)
    add(line, " sent by process %d", static_cast<int>(info.addr));
  else if (info.signo == kSigsegv || info.signo == kSigbus)
    add(line, " at address 0x%lx", info.addr);
  else if (info.signo == kSigsys)
    add(line, " of a seccomp filter");
  u32 word;
  if (info.signo == kSigill && info.code > 0 && !load_guest(GuestAddr(cpu.pc), &word)) add(line, ", instruction %08x", word);
  run::Location location;
  run::find_location(cpu.pc, &location);
  Callers callers(cpu, location);
  add(line, ": pc 0x%lx is ", cpu.pc);
  add_place(line, location);
  constexpr int kMostCallers = 6;
  for (int i = 0; i < kMostCallers; i++) {
    u64 behind = callers.next();
    if (!behind) break;
    run::find_location(behind - 4, &location);
    if (!location.module[0]) break;
    add(line, i ? ", " : ", called from ");
    add_place(line, location);
  }
  log_line("%s", line.text);
}

// abort(): the host's default action kills at once, so the line comes before.
void report_abort(const Task& task, int sig) {
  if (sig != kSigabrt || (task.blocked & signal_bit(sig)) || !is_wanted()) return;
  HostSigaction act{};
  if (host_syscall(__NR_rt_sigaction, static_cast<u64>(sig), 0, ptr(&act), 8) || act.handler != kSigDfl) return;
  SignalInfo info{};
  info.signo = sig;
  report_death(task, info);
}

i64 sys_kill(Task& task, const u64 (&a)[6]) {
  if (static_cast<int>(a[0]) == static_cast<int>(task.pid)) report_abort(task, static_cast<int>(a[1]));
  return host_syscall(__NR_kill, a[0], a[1]);
}

i64 sys_tkill(Task& task, const u64 (&a)[6]) {
  if (static_cast<int>(a[0]) == static_cast<int>(task.tid)) report_abort(task, static_cast<int>(a[1]));
  return host_syscall(__NR_tkill, a[0], a[1]);
}

i64 sys_tgkill(Task& task, const u64 (&a)[6]) {
  if (static_cast<int>(a[1]) == static_cast<int>(task.tid)) report_abort(task, static_cast<int>(a[2]));
  return host_syscall(__NR_tgkill, a[0], a[1], a[2]);
}

}  // namespace grus::linux
