// SPDX-License-Identifier: MIT
// The kernel-shaped objects: what Linux shares or copies per clone flag is one object each here, reference counted.
//
// A host thread per guest thread; host tid = guest tid, host pid = guest pid, host descriptors = guest descriptors (the
// engine's own live high, see Files). The host's blocked-signal mask equals the guest's whenever guest code runs.
#pragma once
#include "base/lock.h"
#include "run/thread_state.h"

namespace grus::linux {

// arm64's struct sigaction as the kernel takes it (include/uapi/asm-generic/signal.h).
struct GuestSigaction {
  u64 handler;
  u64 flags;
  u64 restorer;
  u64 mask;
};
inline constexpr unsigned kSignals = 64;

struct Mm {  // CLONE_VM
  volatile u32 refs;
  Lock lock;  // mmap family, brk, executable ranges
  u64 brk_start, brk, brk_end_mapped;
  u64 stack_top;                                 // of the initial thread
  u64 arg_start, arg_end, env_start, env_end;    // guest's argv and environment strings
  u64 auxv_addr, auxv_size;                      // the guest's auxiliary vector
  u64 vdso;
  u8 lock_future;                                // of mlockall: MCL_FUTURE, perhaps with MCL_ONFAULT, or 0
};

struct Sighand {  // CLONE_SIGHAND
  volatile u32 refs;
  Lock lock;
  GuestSigaction action[kSignals + 1];  // by signal number
  // The signals whose action above is right. The others still have what exec inherited (default or ignored): only the
  // host's table knows, and is asked when the guest first asks.
  u64 known;
};

struct Files {  // CLONE_FILES
  volatile u32 refs;
  Lock lock;
  int engine_fd;  // the engine's own executable, for exec of guest programs without binfmt_misc
  int exe_fd;     // O_PATH of the guest program: /proc/<pid>/fd/<exe_fd> is how other guests find its identity
  int log_fd;
  int cache_fd;  // the directory of the translation cache
};

struct Fs {  // CLONE_FS: the host thread's cwd, root and umask are the guest's; nothing to keep yet
  volatile u32 refs;
};

struct SeccompFilter;  // linux/seccomp_filter.h

struct Process {  // CLONE_THREAD: the thread group
  volatile u32 refs;
  Lock lock;
  volatile u32 live_threads;
  u64 personality;
  const SeccompFilter* volatile seccomp_sync;  // a chain that SECCOMP_FILTER_FLAG_TSYNC wants every thread to adopt
};

struct alignas(16) HostSigset {
  u64 bits;
};

struct Task {
  run::ThreadState thread;  // first: run/ only knows this part
  Mm* mm;
  Sighand* sighand;
  Files* files;
  Fs* fs;
  Process* process;

  i32 tid, pid;
  u64 blocked;         // the guest's signal mask
  u64 restore_blocked; // of sigsuspend, ppoll, pselect, epoll_pwait: restored by the frame
  bool has_restore_blocked;
  u64 call_mask;       // of the same calls while they run: the mask that is in force inside of the host's call
  bool has_call_mask;
  bool taken_in_call;  // what made the host's call return EINTR was taken under the call's own mask

  // The one signal the host handler has taken for us. From then until it is delivered the host blocks all signals, so
  // one place is enough, and `blocked` does not change: a signal is delivered under the mask that it was taken under.
  volatile u32 signal_taken;
  alignas(16) u8 signal_info[128];  // siginfo_t: the layout is the same on both architectures

  // SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGTRAP are never blocked on the host: the engine's own accesses to guest memory
  // rely on them. When one is sent (not raised by an instruction) it waits here until the guest's mask lets it
  // through. One place per signal is what Linux has for standard signals.
  volatile u64 pending_faults;  // by signal bit
  alignas(16) u8 pending_fault_info[5][128];
  // What the last fault left for the frames (thread.fault_address and thread.fault_code of arch/arm64).
  u64 fault_address;
  u64 fault_esr;

  u64 altstack_sp, altstack_size;
  u32 altstack_flags;

  u64 clear_child_tid;  // for PR_GET_TID_ADDRESS; the host kernel has this address and the robust list's itself

  HostThreadBlock host_block;  // the host's fs base
  Task* vfork_parent;          // non-null while this task runs in its parent's memory and the parent waits for it
  bool borrows_memory;         // a process that shares its memory with others (CLONE_VM without CLONE_THREAD)
  bool clears_handlers;        // CLONE_CLEAR_SIGHAND: the host's table has lost our handlers
  void* engine_stack;          // host stack of this thread's C++: its lowest address and size
  size_t engine_stack_size;
  u64 syscall_pc;       // pc of the SVC being executed, to restart it
  u64 syscall_x0;       // original x0

  const SeccompFilter* seccomp;  // newest filter of the chain; immutable, so a new thread copies the pointer
  u8 seccomp_mode;               // SECCOMP_MODE_*: inherited by threads and processes
  bool tagged_addresses;         // PR_TAGGED_ADDR_ENABLE: inherited by threads and processes, cleared by exec
};

// The host's handlers run on an alternate stack that ends an aligned block of kHostAltStackSize; the Task lies in the first
// page of the block, which is not the stack's: no thread-local storage is needed to find it.
inline constexpr size_t kHostAltStackSize = 64 * 1024, kTaskOffset = 1024, kTaskPage = 4096;
inline Task& task_of_thread(run::ThreadState& t) { return reinterpret_cast<Task&>(t); }

// A syscall handler: guest arguments x0-x5, result or -errno. kRestartSyscall: a signal must be delivered first and the
// SVC executed again (or -EINTR returned), as the kernel's -ERESTARTSYS.
using SyscallHandler = i64 (*)(Task& task, const u64 (&a)[6]);
inline constexpr i64 kRestartSyscall = -512;
// The handler has set all registers itself (rt_sigreturn, a successful exec never returns).
inline constexpr i64 kNoResult = -513;
// Of a windowed host call only: it ended with EINTR for a signal that the guest does not see now. Make it again.
inline constexpr i64 kRepeatSyscall = -514;

// A host call that may block: can be interrupted by a guest signal without losing it. Returns -errno; -EINTR or
// kRestartSyscall when a signal came first.
i64 blocking_syscall(Task& task, i64 n, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0);

// Executes the guest's system call in task.thread.cpu (x8, x0-x5) and stores the result (linux/dispatch.cpp).
void handle_syscall(Task& task);

// --- life of tasks (linux/task.cpp) ---------------------------------------------------------------------------------

// A task with its stacks and everything run/ needs, without kernel objects, all zero; nullptr: no memory.
Task* new_task();
void free_task(Task* task);
// The same with new, empty kernel objects: what the start of a program fills.
Task* new_initial_task();
// Faults of C++ in guest memory come back to it from now on.
void prepare_initial_task(Task& task);
// Makes the calling (only) thread `task`: host thread block, alternate stack, handlers, the inherited signal mask; goes on
// on the task's own stack, with run_task. The host's stack is the guest's from then on.
[[noreturn]] void start_initial_task(Task& task);
// References of `task` to its objects; copies those whose clone flag is missing.
void share_objects(Task& task, const Task& parent, u64 clone_flags);
void drop_objects(Task& task);

// --- exec -------------------------------------------------------------------------------------------------------------

// The host's mask and ignored signals as the guest sees them, because exec inherits them; and back when exec failed.
void signals_before_exec(Task& task);
void signals_after_failed_exec(Task& task);

// The loop of every guest thread: run, handle, deliver; never returns (linux/task_loop.cpp).
[[noreturn]] void run_task(Task& task);

}  // namespace grus::linux
