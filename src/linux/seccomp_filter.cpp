// SPDX-License-Identifier: MIT
// The checks and the machine of kernel/seccomp.c and net/core/filter.c, restricted to what seccomp allows.
#include "linux/confinement.h"
#include "linux/seccomp_filter.h"

#include <asm/errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/handlers.h"
#include "linux/signal.h"
#include "linux/user_memory.h"

namespace grus::linux {

struct SeccompFilter {
  const SeccompFilter* previous;
  u32 length;
  bool log;
  struct ::sock_filter code[];
};

namespace {

constexpr u32 kMaxInsnsPerPath = (1u << 18) / sizeof(struct ::sock_filter);  // MAX_INSNS_PER_PATH
constexpr u32 kSysSeccomp = 1;                                               // si_code SYS_SECCOMP
constexpr int kSigsys = 31;

bool valid_load(const struct ::sock_filter& i) { return i.k < sizeof(struct ::seccomp_data) && i.k % 4 == 0; }

// seccomp_check_filter and bpf_check_classic in one.
bool valid_program(const struct ::sock_filter* code, u32 n) {
  for (u32 pc = 0; pc < n; pc++) {
    const struct ::sock_filter& i = code[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (!valid_load(i)) return false;
        break;
      case BPF_LD | BPF_W | BPF_LEN:
      case BPF_LDX | BPF_W | BPF_LEN:
      case BPF_RET | BPF_K:
      case BPF_RET | BPF_A:
      case BPF_LD | BPF_IMM:
      case BPF_LDX | BPF_IMM:
      case BPF_MISC | BPF_TAX:
      case BPF_MISC | BPF_TXA:
      case BPF_ALU | BPF_NEG:
      case BPF_ALU | BPF_ADD | BPF_K:
      case BPF_ALU | BPF_ADD | BPF_X:
      case BPF_ALU | BPF_SUB | BPF_K:
      case BPF_ALU | BPF_SUB | BPF_X:
      case BPF_ALU | BPF_MUL | BPF_K:
      case BPF_ALU | BPF_MUL | BPF_X:
      case BPF_ALU | BPF_DIV | BPF_X:
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_ALU | BPF_AND | BPF_X:
      case BPF_ALU | BPF_OR | BPF_K:
      case BPF_ALU | BPF_OR | BPF_X:
      case BPF_ALU | BPF_XOR | BPF_K:
      case BPF_ALU | BPF_XOR | BPF_X:
      case BPF_ALU | BPF_LSH | BPF_X:
      case BPF_ALU | BPF_RSH | BPF_X:
        break;
      case BPF_ALU | BPF_DIV | BPF_K:
        if (i.k == 0) return false;
        break;
      case BPF_ALU | BPF_LSH | BPF_K:
      case BPF_ALU | BPF_RSH | BPF_K:
        if (i.k >= 32) return false;
        break;
      case BPF_LD | BPF_MEM:
      case BPF_LDX | BPF_MEM:
      case BPF_ST:
      case BPF_STX:
        if (i.k >= BPF_MEMWORDS) return false;
        break;
      case BPF_JMP | BPF_JA:
        if (i.k >= n - pc - 1) return false;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JEQ | BPF_X:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_X:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_X:
      case BPF_JMP | BPF_JSET | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_X:
        if (pc + i.jt + 1 >= n || pc + i.jf + 1 >= n) return false;
        break;
      default:
        return false;
    }
  }
  const u16 last = code[n - 1].code;
  return last == (BPF_RET | BPF_K) || last == (BPF_RET | BPF_A);
}

// The program is valid: it ends, and every jump goes forward. Scratch memory begins as zero; the kernel
// refuses programs that read it uninitialised, which nobody can tell from one that reads zero.
u32 run_program(const SeccompFilter& filter, const struct ::seccomp_data& data) {
  u32 a = 0, x = 0, m[BPF_MEMWORDS] = {};
  for (const struct ::sock_filter* i = filter.code;; i++) {
    const u32 operand = (i->code & BPF_X) ? x : i->k;  // of ALU and JMP
    switch (i->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        __builtin_memcpy(&a, reinterpret_cast<const char*>(&data) + i->k, 4);
        break;
      case BPF_LD | BPF_W | BPF_LEN:
        a = sizeof data;
        break;
      case BPF_LDX | BPF_W | BPF_LEN:
        x = sizeof data;
        break;
      case BPF_RET | BPF_K:
        return i->k;
      case BPF_RET | BPF_A:
        return a;
      case BPF_LD | BPF_IMM:
        a = i->k;
        break;
      case BPF_LDX | BPF_IMM:
        x = i->k;
        break;
      case BPF_LD | BPF_MEM:
        a = m[i->k];
        break;
      case BPF_LDX | BPF_MEM:
        x = m[i->k];
        break;
      case BPF_ST:
        m[i->k] = a;
        break;
      case BPF_STX:
        m[i->k] = x;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_MISC | BPF_TXA:
        a = x;
        break;
      case BPF_JMP | BPF_JA:
        i += i->k;
        break;
      default: {
        if (BPF_CLASS(i->code) == BPF_JMP) {
          bool taken = false;
          switch (BPF_OP(i->code)) {
            case BPF_JEQ:
              taken = a == operand;
              break;
            case BPF_JGT:
              taken = a > operand;
              break;
            case BPF_JGE:
              taken = a >= operand;
              break;
            case BPF_JSET:
              taken = (a & operand) != 0;
              break;
          }
          i += taken ? i->jt : i->jf;
          break;
        }
        switch (BPF_OP(i->code)) {
          case BPF_ADD:
            a += operand;
            break;
          case BPF_SUB:
            a -= operand;
            break;
          case BPF_MUL:
            a *= operand;
            break;
          case BPF_DIV:
            if (operand == 0)
              return 0;  // a run-time division by zero ends the program with 0: SECCOMP_RET_KILL_THREAD
            a /= operand;
            break;
          case BPF_AND:
            a &= operand;
            break;
          case BPF_OR:
            a |= operand;
            break;
          case BPF_XOR:
            a ^= operand;
            break;
          case BPF_LSH:
            a <<= operand & 31;
            break;
          case BPF_RSH:
            a >>= operand & 31;
            break;
          case BPF_NEG:
            a = 0 - a;
            break;
        }
      }
    }
  }
}

// seccomp_run_filters: every filter of the chain runs, the most restrictive action wins, the newest among
// equals.
u32 run_chain(const SeccompFilter* newest, const struct ::seccomp_data& data) {
  u32 result = SECCOMP_RET_ALLOW;
  for (const SeccompFilter* f = newest; f; f = f->previous) {
    const u32 r = run_program(*f, data);
    if (static_cast<i32>(r & SECCOMP_RET_ACTION_FULL) < static_cast<i32>(result & SECCOMP_RET_ACTION_FULL))
      result = r;
  }
  return result;
}

bool is_ancestor(const SeccompFilter* old, const SeccompFilter* chain) {
  for (; chain; chain = chain->previous)
    if (chain == old) return true;
  return old == nullptr;
}

// SECCOMP_FILTER_FLAG_TSYNC reaches each thread at its next system call, which is the first moment it could
// matter.
void adopt_synced(Task& task) {
  const SeccompFilter* chain = task.process->seccomp_sync;
  if (!chain || chain == task.seccomp || is_ancestor(chain, task.seccomp)) return;
  if (!is_ancestor(task.seccomp, chain)) return;
  task.seccomp = chain;
  task.seccomp_mode = SECCOMP_MODE_FILTER;
}

// siginfo's _sigsys begins where `addr` is: the call address, the number, the architecture.
SignalInfo sigsys_info(const Task& task, u32 number, u32 reason) {
  SignalInfo info{};
  info.signo = kSigsys;
  info.error = static_cast<i32>(reason);
  info.code = kSysSeccomp;
  info.addr = task.thread.cpu.pc;
  const u32 call[2] = {number, AUDIT_ARCH_AARCH64};
  __builtin_memcpy(info.rest, call, sizeof call);
  return info;
}

[[noreturn]] void die(Task& task, int sig) {
  SignalInfo info{};
  info.signo = sig;
  default_action(task, info);
  host_syscall(__NR_exit_group, 128 + static_cast<u64>(sig));
  __builtin_unreachable();
}

i64 set_mode_strict(Task& task) {
  if (task.seccomp_mode == SECCOMP_MODE_FILTER) return -EINVAL;
  leave_cache(task);
  task.seccomp_mode = SECCOMP_MODE_STRICT;
  return 0;
}

bool may_install() {
  if (host_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return true;
  struct ::__user_cap_header_struct header {
    _LINUX_CAPABILITY_VERSION_3, 0
  };
  struct ::__user_cap_data_struct data[2]{};
  if (host_syscall(__NR_capget, ptr(&header), ptr(data)) != 0) return false;
  return data[0].effective >> CAP_SYS_ADMIN & 1;
}

i64 set_mode_filter(Task& task, u64 flags, u64 argument) {
  constexpr u64 known = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                        SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  if (flags & ~known) return -EINVAL;
  struct Program {
    u16 length;
    u64 filter;
  } program{};
  if (get_user(&program, argument)) return -EFAULT;
  if (program.length == 0 || program.length > BPF_MAXINSNS) return -EINVAL;
  if (!may_install()) return -EACCES;
  adopt_synced(task);
  if (task.seccomp_mode == SECCOMP_MODE_STRICT) return -EINVAL;

  u64 total = program.length;
  for (const SeccompFilter* f = task.seccomp; f; f = f->previous) total += f->length + 4;
  if (total > kMaxInsnsPerPath) return -ENOMEM;

  const size_t bytes = sizeof(SeccompFilter) + program.length * sizeof(struct ::sock_filter);
  auto* filter = static_cast<SeccompFilter*>(engine_alloc(bytes));
  i64 error = 0;
  if (copy_from_guest(filter->code, GuestAddr(program.filter).untagged(),
                      program.length * sizeof(struct ::sock_filter)))
    error = -EFAULT;
  else if (!valid_program(filter->code, program.length))
    error = -EINVAL;
  if (error) {
    engine_free(filter, bytes);
    return error;
  }
  leave_cache(task);
  filter->previous = task.seccomp;
  filter->length = program.length;
  filter->log = flags & SECCOMP_FILTER_FLAG_LOG;
  task.seccomp = filter;
  task.seccomp_mode = SECCOMP_MODE_FILTER;
  if (flags & SECCOMP_FILTER_FLAG_TSYNC) task.process->seccomp_sync = filter;
  return 0;
}

i64 action_available(u64 argument) {
  u32 action = 0;
  if (get_user(&action, argument)) return -EFAULT;
  switch (action) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
      return 0;
    default:
      return -EOPNOTSUPP;
  }
}

}  // namespace

bool seccomp_allows(Task& task, u32 number, const u64 (&a)[6], i64* result) {
  adopt_synced(task);
  if (task.seccomp_mode == SECCOMP_MODE_STRICT) {
    // mode1_syscalls: read, write, exit, rt_sigreturn
    if (number == 63 || number == 64 || number == 93 || number == 139) return true;
    die(task, kSigkill);
  }
  struct ::seccomp_data data {};
  data.nr = static_cast<i32>(number);
  data.arch = AUDIT_ARCH_AARCH64;
  data.instruction_pointer = task.thread.cpu.pc;  // KSTK_EIP: behind the SVC
  for (unsigned i = 0; i < 6; i++) data.args[i] = a[i];
  const u32 verdict = run_chain(task.seccomp, data);
  const u32 low = verdict & SECCOMP_RET_DATA;
  switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
      return true;
    case SECCOMP_RET_ERRNO:
      *result = -static_cast<i64>(low < 4095 ? low : 4095);
      return false;
    case SECCOMP_RET_TRACE:
      *result = -ENOSYS;
      return false;
    case SECCOMP_RET_TRAP:
      // force_sig_seccomp: one that is blocked or ignored kills.
      *result = force_signal(task, sigsys_info(task, number, low)) ? kNoResult : kRestartSyscall;
      return false;
    case SECCOMP_RET_KILL_THREAD:
      if (task.process->live_threads > 1) {
        const u64 status[6] = {static_cast<u64>(kSigsys)};
        sys_exit(task, status);
      }
      [[fallthrough]];
    default:
      report_death(task, sigsys_info(task, number, low));
      default_action(task, sigsys_info(task, number, low));
      die(task, kSigsys);
  }
}

i64 seccomp_operation(Task& task, u64 operation, u64 flags, u64 argument) {
  switch (static_cast<u32>(operation)) {
    case SECCOMP_SET_MODE_STRICT:
      return flags || argument ? -EINVAL : set_mode_strict(task);
    case SECCOMP_SET_MODE_FILTER:
      return set_mode_filter(task, static_cast<u32>(flags), argument);
    case SECCOMP_GET_ACTION_AVAIL:
      return flags ? -EINVAL : action_available(argument);
    default:
      return -EINVAL;
  }
}

i64 sys_seccomp(Task& task, const u64 (&a)[6]) { return seccomp_operation(task, a[0], a[1], a[2]); }

// --- across exec: for each filter, oldest first: length, log, instructions
// ------------------------------------------

size_t seccomp_saved_size(const Task& task) {
  size_t size = 0;
  for (const SeccompFilter* f = task.seccomp; f; f = f->previous)
    size += 8 + f->length * sizeof(struct ::sock_filter);
  return size;
}

void seccomp_save(const Task& task, void* out) {
  // The chain is newest first: fill from the end.
  char* at = static_cast<char*>(out) + seccomp_saved_size(task);
  for (const SeccompFilter* f = task.seccomp; f; f = f->previous) {
    const size_t bytes = f->length * sizeof(struct ::sock_filter);
    const u32 head[2] = {f->length, f->log};
    at -= bytes;
    __builtin_memcpy(at, f->code, bytes);
    at -= sizeof head;
    __builtin_memcpy(at, head, sizeof head);
  }
}

bool seccomp_restore(Task& task, const void* saved, size_t size) {
  const char* at = static_cast<const char*>(saved);
  const char* const end = at + size;
  const SeccompFilter* chain = nullptr;
  while (at < end) {
    u32 head[2];
    if (static_cast<size_t>(end - at) < sizeof head) return false;
    __builtin_memcpy(head, at, sizeof head);
    at += sizeof head;
    const size_t bytes = head[0] * sizeof(struct ::sock_filter);
    if (head[0] == 0 || head[0] > BPF_MAXINSNS || static_cast<size_t>(end - at) < bytes) return false;
    auto* filter = static_cast<SeccompFilter*>(engine_alloc(sizeof(SeccompFilter) + bytes));
    __builtin_memcpy(filter->code, at, bytes);
    at += bytes;
    if (!valid_program(filter->code, head[0])) return false;
    filter->previous = chain;
    filter->length = head[0];
    filter->log = head[1] & 1;
    chain = filter;
  }
  if (chain) {
    task.seccomp = chain;
    task.seccomp_mode = SECCOMP_MODE_FILTER;
  }
  return true;
}

}  // namespace grus::linux
