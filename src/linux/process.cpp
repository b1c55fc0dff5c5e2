// SPDX-License-Identifier: MIT
// clone, clone3, exit and wait: every guest thread and process is one of the host's, made by the same call.
//
// Two ways. Without CLONE_VM the host copies the memory and the child goes on on its copy of this stack. With
// it (threads, vfork, posix_spawn) the child gets a Task and an engine stack of its own in the shared memory;
// a vfork parent waits in the kernel and frees them afterwards. The kernel itself does the tid words, pidfds,
// namespaces, set_tid, cgroups: the guest's pointers are valid for it. Deliberately not here: exec
// (exec.cpp).
#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/sched.h>

#include "base/host_syscall.h"
#include "base/lock.h"
#include "base/memory.h"
#include "engine/statistics.h"
#include "linux/confinement.h"
#include "linux/address_space.h"
#include "linux/handlers.h"
#include "linux/process.h"
#include "linux/signal.h"
#include "linux/user_memory.h"
#include "run/execute.h"

// edi call, rsi its five arguments, rdx the child's stack with its Task on top. The kernel starts the child
// behind the `syscall` with the parent's registers but rax = 0 and the new stack pointer.
asm(R"(
  .text
  .globl grus_clone_on_stack
  .hidden grus_clone_on_stack
  .type grus_clone_on_stack, @function
grus_clone_on_stack:
  mov %edi, %eax
  mov %rsi, %r11
  mov 0(%r11), %rdi
  mov 8(%r11), %rsi
  mov 16(%r11), %rdx
  mov 24(%r11), %r10
  mov 32(%r11), %r8
  syscall
  test %rax, %rax
  jz 1f
  ret
1:
  xor %ebp, %ebp
  pop %rdi
  call grus_child_start
  ud2
  .size grus_clone_on_stack, . - grus_clone_on_stack
)");

extern "C" {
[[gnu::visibility("hidden")]] grus::i64 grus_clone_on_stack(int call, const grus::u64* args);
[[gnu::visibility("hidden"), gnu::used]] void grus_child_start(grus::linux::Task* task);
}

namespace grus::linux {
namespace {

constexpr size_t kCloneArgsMax = 256;

// clone and clone3 alike. `args3` is the whole structure of clone3 with `size3` bytes; unknown fields pass
// through.
struct CloneRequest {
  u64 flags;  // with the exit signal in the low byte for clone only
  u64 stack;  // the child's sp, 0: the parent's
  u64 parent_tid, child_tid, tls;
  u64* args3;
  size_t size3;
};
enum Clone3Field { kFlags3, kPidfd3, kChildTid3, kParentTid3, kExitSignal3, kStack3, kStackSize3, kTls3 };

void block_all_signals() {
  u64 all = ~u64{0};
  host_syscall(__NR_rt_sigprocmask, SIG_SETMASK, ptr(&all), 0, 8);
}

// Back to the guest's mask, with the faults open. A taken signal keeps the rest blocked until it is delivered.
void unblock_signals(Task& task) {
  open_host_mask(task);
  if (!task.thread.interrupt) return;
  u64 faults = kFaultSignals;
  host_syscall(__NR_rt_sigprocmask, SIG_UNBLOCK, ptr(&faults), 0, 8);
}

void set_identity(Task& task) {
  task.tid = static_cast<i32>(host_syscall(__NR_gettid));
  task.pid = static_cast<i32>(host_syscall(__NR_getpid));
  task.host_block.tid = static_cast<u32>(task.tid);
  run::identify_thread(task.thread, task.pid, task.tid);
}

void clear_handlers(Task& task) {
  // flush_signal_handlers in the kernel: caught becomes default, ignored stays.
  for (GuestSigaction& action : task.sighand->action)
    action = {action.handler == kSigIgn ? kSigIgn : kSigDfl, 0, 0, 0};
  install_fault_handlers(nullptr);
}

// The child's side of what is common to both ways.
void set_child_registers(Task& child, const CloneRequest& r) {
  a64::CpuState& cpu = child.thread.cpu;
  cpu.x[0] = 0;
  if (r.stack) cpu.sp = r.stack;
  if (r.flags & kCloneSettls) cpu.tpidr_el0 = r.tls;
  cpu.exclusive_size = 0;
  child.clear_child_tid = r.flags & kCloneChildCleartid ? r.child_tid : 0;
}

i64 host_clone(const CloneRequest& r, u64 host_flags) {
  if (r.args3) {
    r.args3[kFlags3] = host_flags;
    r.args3[kStack3] = r.args3[kStackSize3] = r.args3[kTls3] = 0;
    return host_syscall(__NR_clone3, ptr(r.args3), r.size3);
  }
  return host_syscall(__NR_clone, host_flags, 0, r.parent_tid, r.child_tid, 0);
}

// Without CLONE_VM: fork.
i64 clone_copied_memory(Task& task, const CloneRequest& r) {
  block_all_signals();
  task.mm->lock.acquire();
  task.sighand->lock.acquire();
  task.files->lock.acquire();
  task.process->lock.acquire();
  acquire_registered_locks();

  i64 result = host_clone(r, r.flags & ~kCloneSettls);
  bool child = result == 0;
  release_registered_locks(child);
  if (!child) {
    task.process->lock.release();
    task.files->lock.release();
    task.sighand->lock.release();
    task.mm->lock.release();
    unblock_signals(task);
    return result;
  }
  // Alone in a new process: what the other threads shared is ours, and pending signals are not inherited.
  set_identity(task);
  task.mm->lock.reset();
  task.sighand->lock.reset();
  task.files->lock.reset();
  task.process->lock.reset();
  volatile u32* const counts[] = {&task.mm->refs, &task.sighand->refs, &task.files->refs, &task.fs->refs,
                                  &task.process->refs};
  if (task.mm->refs > 1) a64::free_exclusive_versions();
  for (volatile u32* refs : counts) *refs = 1;
  task.process->live_threads = 1;
  task.vfork_parent = nullptr;
  task.borrows_memory = false;
  task.signal_taken = 0;
  task.pending_faults = 0;
  task.has_restore_blocked = false;
  task.thread.interrupt = 0;
  forget_kept_tasks();
  if (r.flags & kCloneClearSighand) clear_handlers(task);
  run::after_fork(task.thread);
  task.mm->lock_future = 0;  // locks are not inherited
  set_child_registers(task, r);
  unblock_signals(task);
  return 0;
}

// With CLONE_VM: threads, vfork, and processes that share memory.
i64 clone_shared_memory(Task& task, const CloneRequest& r) {
  Task* child = new_task();
  if (!child) return -ENOMEM;
  child->thread.cpu = task.thread.cpu;
  set_child_registers(*child, r);
  child->blocked = task.blocked;
  child->seccomp = task.seccomp;
  child->seccomp_mode = task.seccomp_mode;
  child->tagged_addresses = task.tagged_addresses;
  if (r.flags & kCloneVfork) {  // copy_process: sas_ss_reset unless CLONE_VFORK
    child->altstack_sp = task.altstack_sp;
    child->altstack_size = task.altstack_size;
    child->altstack_flags = task.altstack_flags;
  }
  bool waits = (r.flags & kCloneVfork) && !(r.flags & kCloneThread);
  child->vfork_parent = waits ? &task : nullptr;
  child->borrows_memory = !(r.flags & kCloneThread);
  child->clears_handlers = r.flags & kCloneClearSighand;
  share_objects(*child, task, r.flags);
  run::add_thread(child->thread);

  u64* sp = static_cast<u64*>(stack_top(*child)) - 2;  // 16 bytes keep the alignment that a call expects
  *sp = ptr(child);
  u64 host_flags = r.flags | kCloneSettls;
  // The child starts with everything blocked: the kernel has taken its alternate stack away.
  block_all_signals();
  i64 result;
  if (r.args3) {
    r.args3[kFlags3] = host_flags;
    r.args3[kStack3] = ptr(child->engine_stack);
    r.args3[kStackSize3] = ptr(sp) - ptr(child->engine_stack);
    r.args3[kTls3] = ptr(&child->host_block);
    const u64 args[5] = {ptr(r.args3), r.size3, 0, 0, 0};
    result = grus_clone_on_stack(__NR_clone3, args);
  } else {
    const u64 args[5] = {host_flags, ptr(sp), r.parent_tid, r.child_tid, ptr(&child->host_block)};
    result = grus_clone_on_stack(__NR_clone, args);
  }
  if (is_error(result)) {
    if (r.flags & kCloneThread) __atomic_sub_fetch(&task.process->live_threads, 1, __ATOMIC_RELAXED);
    run::remove_thread(child->thread);
    drop_objects(*child);
    free_task(child);
  } else if (waits) {
    // It has exec'ed or is dead, perhaps killed while it held a lock.
    const bool held_locks = owns_registered_lock(child->host_block.tid);
    release_locks_of_dead_thread(child->host_block.tid);
    if (held_locks) run::recover_translations();
    const bool in_memory_call = task.mm->lock.owner() == child->host_block.tid;
    if (child->thread.cpu.exclusive_held) a64::free_exclusive_version(GuestAddr(child->thread.cpu.exclusive_addr).untagged().v);
    Lock* const locks[] = {&task.mm->lock, &task.sighand->lock, &task.files->lock, &task.process->lock};
    for (Lock* lock : locks)
      if (lock->owner() == child->host_block.tid) lock->release();
    run::remove_thread(child->thread);
    drop_objects(*child);
    free_task(child);
    if (in_memory_call) {
      LockGuard guard(task.mm->lock);
      recover_address_space(*task.mm);
    }
  }
  unblock_signals(task);
  return result;
}

i64 do_clone(Task& task, const CloneRequest& r) {
  before_namespaces(task, r.flags);  // the child's descriptors are copies
  // What the kernel would refuse for any memory is refused there, except that it sees our own stack and TLS.
  return r.flags & kCloneVm ? clone_shared_memory(task, r) : clone_copied_memory(task, r);
}

}  // namespace

i64 sys_clone(Task& task, const u64 (&a)[6]) {
  // arm64 has CONFIG_CLONE_BACKWARDS: flags, sp, parent_tid, tls, child_tid. The upper half of flags is cut.
  return do_clone(task, {static_cast<u32>(a[0]), a[1], a[2], a[4], a[3], nullptr, 0});
}

i64 sys_clone3(Task& task, const u64 (&a)[6]) {
  u64 args[kCloneArgsMax / 8] = {};
  u64 size = a[1];
  if (size > kGuestPageSize) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (size > sizeof args) {  // a newer caller than we know: only zeros may follow (copy_struct_from_user)
    for (u64 at = sizeof args; at < size; at++) {
      u8 byte;
      if (get_user(&byte, a[0] + at)) return -EFAULT;
      if (byte) return -E2BIG;
    }
    size = sizeof args;
  }
  if (copy_from_guest(args, GuestAddr(a[0]), size)) return -EFAULT;
  // clone3_stack_valid
  u64 stack = args[kStack3], stack_size = args[kStackSize3];
  if ((stack == 0) != (stack_size == 0)) return -EINVAL;
  return do_clone(task, {args[kFlags3], stack + stack_size, 0, args[kChildTid3], args[kTls3], args, size});
}

i64 sys_exit(Task& task, const u64 (&a)[6]) {
  int status = static_cast<int>(a[0]);
  block_all_signals();
  if (task.thread.interrupt) {  // was delivered to this thread before it exits
    unblock_signals(task);
    return kRestartSyscall;
  }
  bool last = __atomic_sub_fetch(&task.process->live_threads, 1, __ATOMIC_ACQ_REL) == 0;
  // The memory dies with the last thread of the process, unless others share it; a vfork parent frees for us.
  if (last && !task.borrows_memory) report_statistics();
  if ((last && !task.borrows_memory) || task.vfork_parent) host_syscall(__NR_exit, static_cast<u64>(status));
  exit_task(task, status, false);
}

i64 sys_exit_group(Task& task, const u64 (&a)[6]) {
  if (task.borrows_memory && !task.vfork_parent) {
    block_all_signals();
    exit_task(task, static_cast<int>(a[0]), true);
  }
  report_statistics();
  run::finish();
  for (;;) host_syscall(__NR_exit_group, a[0]);
}

i64 sys_set_tid_address(Task& task, const u64 (&a)[6]) {
  task.clear_child_tid = a[0];
  return host_syscall(__NR_set_tid_address, a[0]);
}

// rusage and siginfo are the same on both architectures.
i64 sys_wait4(Task& task, const u64 (&a)[6]) {
  return blocking_syscall(task, __NR_wait4, a[0], a[1], a[2], a[3]);
}
i64 sys_waitid(Task& task, const u64 (&a)[6]) {
  return blocking_syscall(task, __NR_waitid, a[0], a[1], a[2], a[3], a[4]);
}

}  // namespace grus::linux

// On the new thread's own stack, all signals blocked.
void grus_child_start(grus::linux::Task* task) {
  using namespace grus::linux;
  set_identity(*task);
  set_host_altstack(*task);
  if (task->clears_handlers) clear_handlers(*task);
  unblock_signals(*task);
  run_task(*task);
}
