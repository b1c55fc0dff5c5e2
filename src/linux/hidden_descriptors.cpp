// SPDX-License-Identifier: MIT
// See hidden_descriptors.h.
#include "linux/hidden_descriptors.h"

#include <asm/stat.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/resource.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/identity.h"
#include "run/execute.h"

// rdi: the child's stack, with the function and its argument on top. The parent sleeps until the child has ended (CLONE_VM,
// CLONE_FS, CLONE_VFORK; no signal at its end); returns what clone returned.
asm(R"(
  .text
  .globl grus_run_beside
  .hidden grus_run_beside
  .type grus_run_beside, @function
grus_run_beside:
  mov %rdi, %rsi
  mov $0x4300, %edi
  xor %edx, %edx
  xor %r10d, %r10d
  xor %r8d, %r8d
  mov $56, %eax
  syscall
  test %rax, %rax
  jz 1f
  ret
1:
  xor %ebp, %ebp
  pop %rax
  pop %rdi
  call *%rax
  xor %edi, %edi
  mov $60, %eax
  syscall
  ud2
  .size grus_run_beside, . - grus_run_beside
)");

extern "C" {
[[gnu::visibility("hidden")]] grus::i64 grus_run_beside(void* stack);
}

namespace grus::linux {
namespace {

u64 fd_argument(int fd) { return static_cast<u64>(static_cast<i64>(fd)); }
void close_fd(i64 fd) { host_syscall(__NR_close, static_cast<u64>(fd)); }

u64 soft_limit() {
  rlimit64 limit{};
  if (host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, ptr(&limit))) return 0;
  return limit.rlim_cur;
}

bool proc_names_engine() {
  struct stat st;
  return !host_syscall(__NR_stat, ptr("/proc/self/exe"), ptr(&st)) && is_engine_inode(st.st_dev, st.st_ino);
}

// With files.lock held. false: without it something would no longer work.
bool give_up(Files& files, int* place) {
  if (place == &files.engine_fd && !proc_names_engine()) return false;
  if (place == &files.exe_fd && !remember_program(*place)) return false;
  if (place == &files.log_fd) set_log_fd(2);
  close_fd(*place);
  *place = -1;
  return true;
}

struct Beside {
  Task* task;
  int kept;
  void (*f)(void*);
  void* argument;
};

void close_some_and_call(void* p) {
  const Beside& b = *static_cast<Beside*>(p);
  constexpr unsigned kEnough = 8, kTries = 4096;
  const u64 limit = soft_limit();
  unsigned closed = 0, tries = 0;
  for (u64 fd = limit < 0x7fffffff ? limit : 0; fd-- > 0 && closed < kEnough && tries < kTries; tries++) {
    const int n = static_cast<int>(fd);
    if (n != b.kept && !is_hidden_fd(*b.task, n)) closed += !host_syscall(__NR_close, fd);
  }
  b.f(b.argument);
}

}  // namespace

// The soft limit on descriptors is often 1024 with a hard one far above: it is lifted for the moment.
int hide_fd(int fd, int wanted) {
  if (fd == wanted) {
    host_syscall(__NR_fcntl, fd_argument(fd), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  struct {
    u64 soft, hard;
  } limit{}, lifted;
  i64 copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(wanted));
  if (copy == -EINVAL && !host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, ptr(&limit))) {
    lifted = limit;
    u64 needed = static_cast<u64>(wanted) + 8;
    lifted.soft = limit.hard < needed ? limit.hard : needed;
    bool lift = lifted.soft > limit.soft;
    if (lift) host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, ptr(&lifted));
    u64 at = lifted.soft > static_cast<u64>(wanted) ? static_cast<u64>(wanted) : lifted.soft - 1;
    for (; at > 2; at--) {
      copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, at);
      if (!is_error(copy)) break;
    }
    if (lift) host_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, ptr(&limit));
  }
  if (is_error(copy)) {
    host_syscall(__NR_fcntl, fd_argument(fd), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  close_fd(fd);
  return static_cast<int>(copy);
}

bool is_hidden_fd(const Task& task, int fd) {
  return fd >= 0 && (fd == task.files->engine_fd || fd == task.files->exe_fd || fd == task.files->log_fd ||
                     fd == task.files->cache_fd);
}

i64 move_hidden_fd(Task& task, int fd) {
  Files& files = *task.files;
  LockGuard guard(files.lock);
  int* const places[] = {&files.engine_fd, &files.exe_fd, &files.log_fd, &files.cache_fd};
  for (int* place : places) {
    if (*place != fd) continue;
    i64 copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(fd) + 1);
    for (int at = fd - 1; is_error(copy) && at > 2; at--)
      copy = host_syscall(__NR_fcntl, fd_argument(fd), F_DUPFD_CLOEXEC, static_cast<u64>(at));
    if (is_error(copy)) return give_up(files, place) ? 0 : copy;
    *place = static_cast<int>(copy);
    if (place == &files.log_fd) set_log_fd(*place);
    if (place == &files.cache_fd) run::move_translation_cache(fd, *place);
  }
  return 0;
}

void give_up_engine(Task& task) { give_up(*task.files, &task.files->engine_fd); }
void give_up_program(Task& task) { give_up(*task.files, &task.files->exe_fd); }

bool make_room(Task& task) {
  Files& files = *task.files;
  const u64 limit = soft_limit();
  LockGuard guard(files.lock);
  int* const places[] = {&files.cache_fd, &files.exe_fd, &files.engine_fd, &files.log_fd};
  for (int* place : places) {
    if (*place < 0 || static_cast<u64>(*place) >= limit) continue;
    // EMFILE has other reasons too: a user's inotify instances.
    const i64 free = host_syscall(__NR_fcntl, fd_argument(*place), F_DUPFD_CLOEXEC, 0);
    if (!is_error(free)) {
      close_fd(free);
      return false;
    }
    if (give_up(files, place)) return true;
  }
  return false;
}

bool with_spare_descriptors(Task& task, int kept, void (*f)(void*), void* argument) {
  constexpr size_t kStack = 256 << 10;
  u8* stack = static_cast<u8*>(map_engine_pages(kStack));
  if (!stack) return false;
  Beside beside{&task, kept, f, argument};
  u64* top = reinterpret_cast<u64*>(stack + kStack) - 2;
  top[0] = reinterpret_cast<u64>(close_some_and_call);
  top[1] = ptr(&beside);
  // It has our handlers and our alternate stack, and nobody may ask it to run the guest's.
  const u64 faults = 1u << 6 | 1u << 10;  // SIGBUS, SIGSEGV: accesses to guest memory rely on them
  u64 all = ~faults, before;
  host_syscall(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, ptr(&all), ptr(&before), 8);
  const i64 child = grus_run_beside(top);
  constexpr u64 kAnyKind = 0x40000000;  // __WALL: it sends no SIGCHLD
  if (!is_error(child))
    while (host_syscall(__NR_wait4, static_cast<u64>(child), 0, kAnyKind, 0) == -EINTR) {
    }
  host_syscall(__NR_rt_sigprocmask, 2, ptr(&before), 0, 8);
  unmap_engine_pages(stack, kStack);
  return !is_error(child);
}

}  // namespace grus::linux
