// SPDX-License-Identifier: MIT
// The life of tasks: their memory, their objects, the first one, and the last instructions of a thread.
//
// Two mappings per thread, with the arena's gaps below them as guards: the engine stack, and from low to high the
// return-prediction stack, the Task, the alternate stack, the lookup table. A page fault costs more than a system
// call, so what every thread touches lies together: the return stack's top shares the Task's page.
#include <asm/signal.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/proc/files.h"
#include "linux/process.h"
#include "linux/signal.h"
#include "run/code_map.h"
#include "run/execute.h"

// rdi new stack pointer, rsi function, rdx its argument.
// grus_exit_thread: rdi, rsi a mapping; rdx, rcx the one that holds the current stack; r8d the status, r9d exit or
// exit_group. The stack is gone in between.
asm(R"(
  .text
  .globl grus_enter_stack
  .hidden grus_enter_stack
  .type grus_enter_stack, @function
grus_enter_stack:
  mov %rdi, %rsp
  xor %ebp, %ebp
  mov %rdx, %rdi
  call *%rsi
  ud2
  .size grus_enter_stack, . - grus_enter_stack

  .globl grus_exit_thread
  .hidden grus_exit_thread
  .type grus_exit_thread, @function
grus_exit_thread:
  mov %rdx, %rbx
  mov %rcx, %rbp
  mov $11, %eax
  syscall
  mov %rbx, %rdi
  mov %rbp, %rsi
  mov $11, %eax
  syscall
  mov %r8d, %edi
  mov %r9d, %eax
  syscall
  ud2
  .size grus_exit_thread, . - grus_exit_thread
)");
static_assert(__NR_munmap == 11);

extern "C" {
[[noreturn, gnu::visibility("hidden")]] void grus_enter_stack(void* sp, void (*f)(grus::linux::Task*),
                                                              grus::linux::Task* task);
[[noreturn, gnu::visibility("hidden")]] void grus_exit_thread(void* memory, size_t size, void* stack,
                                                              size_t stack_size, int status, int call);
}

namespace grus::linux {
namespace {

constexpr size_t kStackSize = 512 * 1024;
constexpr size_t kTaskMapping = run::kReturnStackBytes + kHostAltStackSize + run::kLookupBytes;
static_assert(kTaskOffset % alignof(Task) == 0 && kTaskOffset + sizeof(Task) <= kTaskPage);
static_assert(kTaskOffset + run::kLookupOffset == kHostAltStackSize && offsetof(Task, thread) == 0);

u8* memory_of(Task* task) { return reinterpret_cast<u8*>(task) - kTaskOffset - run::kReturnStackBytes; }

// Tasks whose threads have ended, for the next ones: a vfork or a thread then costs no mapping and no page
// faults. One that ended itself still stands on its stack until the kernel says that its tid is gone.
struct Kept {
  Task* task;
  i32 tid;  // 0: free at once
};
Kept g_kept[8];
Lock g_kept_lock;

void set_up(Task* task, void* stack) {
  task->engine_stack = stack;
  task->engine_stack_size = kStackSize;
  task->altstack_flags = 2;  // SS_DISABLE
  task->thread.cpu.reset();
}

bool keep_task(Task* task, i32 tid) {
  LockGuard guard(g_kept_lock);
  for (Kept& k : g_kept) {
    if (k.task) continue;
    k = {task, tid};
    return true;
  }
  return false;
}

Task* reuse_task() {
  constexpr i64 kNoSuchProcess = -3;
  Task* task = nullptr;
  {
    LockGuard guard(g_kept_lock);
    for (Kept& k : g_kept) {
      if (!k.task) continue;
      // tkill: the thread may belong to another process that shares this memory.
      if (k.tid && host_syscall(__NR_tkill, static_cast<u64>(k.tid), 0) != kNoSuchProcess) continue;
      task = k.task;
      k.task = nullptr;
      break;
    }
  }
  if (!task) return nullptr;
  // As new, but for what prepare_thread has made: translations that the table knows may have died since.
  run::ThreadState thread = task->thread;
  void* stack = task->engine_stack;
  __builtin_memset(static_cast<void*>(task), 0, sizeof *task);
  thread.return_sp = thread.return_base;
  thread.exit_reason = 0;
  thread.interrupt = 0;
  thread.invalid_operations = 0;
  thread.resume_by_interpretation = thread.stepping = false;
  run::clear_lookup(thread);
  task->thread = thread;
  set_up(task, stack);
  return task;
}

template <typename T>
void drop(T* object) {
  if (object && __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL) == 0) engine_delete(object);
}

template <typename T>
T* share(T* object) {
  __atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
  return object;
}

// A copy for the child: its own reference count and a free lock.
template <typename T>
T* copy(T* object) {
  T* twin = static_cast<T*>(engine_alloc(sizeof(T)));
  __builtin_memcpy(static_cast<void*>(twin), object, sizeof(T));
  twin->refs = 1;
  return twin;
}
template <typename T>
T* copy_locked(T* object) {
  LockGuard guard(object->lock);
  T* twin = copy(object);
  twin->lock.reset();
  return twin;
}

template <typename T>
T* fresh() {
  T* object = static_cast<T*>(engine_alloc(sizeof(T)));
  object->refs = 1;
  return object;
}

void first_task_on_own_stack(Task* task) { run_task(*task); }

}  // namespace

Task* new_task() {
  if (Task* used = reuse_task()) return used;
  void* stack = map_engine_pages(kStackSize, PageUse::Stack);
  if (!stack) return nullptr;
  u8* memory = static_cast<u8*>(map_engine_pages(kTaskMapping, PageUse::Stack));
  if (!memory) {
    unmap_engine_pages(stack, kStackSize);
    return nullptr;
  }
  u8* base = memory + run::kReturnStackBytes;
  Task* task = reinterpret_cast<Task*>(base + kTaskOffset);  // fresh pages are zero
  set_up(task, stack);
  run::prepare_thread(task->thread, ptr(memory), ptr(task));
  return task;
}

void free_task(Task* task) {
  if (keep_task(task, 0)) return;
  unmap_engine_pages(task->engine_stack, kStackSize);
  unmap_engine_pages(memory_of(task), kTaskMapping);
}

void exit_task(Task& task, int status, bool group) {
  run::remove_thread(task.thread);
  drop_objects(task);
  if (!group && keep_task(&task, task.tid))
    for (;;) host_syscall(__NR_exit, static_cast<u64>(status));
  // Our thread block goes with the Task: no lock can be taken then.
  grus_exit_thread(memory_of(&task), kTaskMapping, task.engine_stack, kStackSize, status,
                   group ? __NR_exit_group : __NR_exit);
}

void forget_kept_tasks() {
  // Their threads stayed in the parent. Mostly there are none: then nothing is written, and no page copied.
  for (Kept& k : g_kept)
    if (k.tid) k.tid = 0;
}

void* stack_top(Task& task) { return static_cast<u8*>(task.engine_stack) + task.engine_stack_size; }

Task* new_initial_task() {
  Task* task = new_task();
  if (!task) fatal(kOwnFailure, "out of memory");
  task->mm = fresh<Mm>();
  task->files = fresh<Files>();
  task->fs = fresh<Fs>();
  task->process = fresh<Process>();
  task->sighand = fresh<Sighand>();  // large: the locks and counts of all of them lie in one page
  task->process->live_threads = 1;
  // getpid() == gettid() in every program that was just exec'ed.
  task->pid = task->tid = static_cast<i32>(host_syscall(__NR_getpid));
  task->host_block.tid = static_cast<u32>(task->tid);
  run::add_thread(task->thread);
  run::identify_thread(task->thread, task->pid, task->tid);
  return task;
}

void prepare_initial_task(Task& task) {
  set_host_thread_block(&task.host_block);
  run::register_locks();
  register_lock(LockOrder::KeptTasks, g_kept_lock);
  register_proc_lock();
  register_memory_locks();
  set_host_altstack(task);
  install_fault_handlers(task.sighand);
  // The mask is inherited through exec; faults may be in it, and are only emulated as blocked.
  u64 faults = kFaultSignals, inherited = 0;
  host_syscall(__NR_rt_sigprocmask, SIG_UNBLOCK, ptr(&faults), ptr(&inherited), 8);
  task.blocked = inherited;
}

void start_initial_task(Task& task) {
  prepare_initial_task(task);
  grus_enter_stack(stack_top(task), first_task_on_own_stack, &task);
}

void share_objects(Task& task, const Task& parent, u64 flags) {
  task.mm = share(parent.mm);  // only called for CLONE_VM: the other children have copied memory
  task.sighand = flags & kCloneSighand ? share(parent.sighand) : copy_locked(parent.sighand);
  task.files = flags & kCloneFiles ? share(parent.files) : copy_locked(parent.files);
  task.fs = flags & kCloneFs ? share(parent.fs) : copy(parent.fs);
  if (flags & kCloneThread) {
    task.process = share(parent.process);
    __atomic_add_fetch(&task.process->live_threads, 1, __ATOMIC_RELAXED);
  } else {
    task.process = copy_locked(parent.process);
    task.process->live_threads = 1;
  }
}

void drop_objects(Task& task) {
  drop(task.mm);
  drop(task.sighand);
  drop(task.files);
  drop(task.fs);
  drop(task.process);
}

}  // namespace grus::linux
