// SPDX-License-Identifier: MIT
// The window of blocking_syscall.h, and the temporary masks of the calls that have one.
#include "linux/blocking_syscall.h"

#include <asm/errno.h>
#include <asm/unistd_64.h>

#include "base/host_syscall.h"
#include "linux/signal.h"
#include "linux/user_memory.h"

// rdi flag, rsi number, rdx arguments. The kernel keeps every register but rax, rcx and r11, so that a
// restarted `syscall` finds its arguments.
asm(R"(
  .text
  .globl grus_windowed_syscall
  .hidden grus_windowed_syscall
  .type grus_windowed_syscall, @function
grus_windowed_syscall:
  mov %rdi, %rcx
  mov %rsi, %rax
  mov %rdx, %r11
  mov 0(%r11), %rdi
  mov 8(%r11), %rsi
  mov 16(%r11), %rdx
  mov 24(%r11), %r10
  mov 32(%r11), %r8
  mov 40(%r11), %r9
  .globl grus_window_begin
  .hidden grus_window_begin
grus_window_begin:
  cmpl $0, (%rcx)
  jne grus_window_abandon
  syscall
  .globl grus_window_end
  .hidden grus_window_end
grus_window_end:
  ret
  .globl grus_window_abandon
  .hidden grus_window_abandon
grus_window_abandon:
  mov $-512, %rax
  ret
  .size grus_windowed_syscall, . - grus_windowed_syscall
)");
static_assert(grus::linux::kRestartSyscall == -512);

extern "C" {
[[gnu::visibility("hidden")]] extern const char grus_window_begin[], grus_window_end[], grus_window_abandon[];
}

namespace grus::linux {

bool leave_syscall_window(u64* rip) {
  if (*rip < reinterpret_cast<u64>(grus_window_begin) || *rip >= reinterpret_cast<u64>(grus_window_end))
    return false;
  *rip = reinterpret_cast<u64>(grus_window_abandon);
  return true;
}

bool interrupted_syscall(u64 rip, u64 rax) {
  return rip == reinterpret_cast<u64>(grus_window_end) && static_cast<i64>(rax) == -EINTR;
}

// The guest's signal mask argument of the calls that set one for their duration: address, 0 when there is
// none.
static u64 temporary_mask_address(i64 n, const u64 (&args)[6]) {
  switch (n) {
    case __NR_rt_sigsuspend:
      return args[0];
    case __NR_ppoll:
      return args[3];
    case __NR_epoll_pwait:
    case __NR_epoll_pwait2:
      return args[4];
    case __NR_pselect6:
    case __NR_io_pgetevents: {  // a pointer to {mask, size}
      u64 address = 0;
      return args[5] && get_user(&address, args[5]) == 0 ? address : 0;
    }
    default:
      return 0;
  }
}

static i64 windowed_syscall(Task& task, i64 n, const u64 (&args)[6]) {
  i64 result;
  do result = grus_windowed_syscall(&task.thread.interrupt, n, args);
  while (result == kRepeatSyscall);
  return result;
}

// The same call when it must not sleep: a fault signal that its mask lets through waits for us already. do_poll,
// do_select and ep_poll look at their descriptors once before they look at signals. The others stay pending: fault
// signals come first (dequeue_synchronous_signal).
static i64 look_once(i64 n, const u64 (&args)[6]) {
  if (n == __NR_rt_sigsuspend) return -EINTR;
  const i64 no_time[2] = {};
  const u64 all = ~u64{0}, all_and_size[2] = {ptr(&all), sizeof all};
  u64 a[6] = {args[0], args[1], args[2], args[3], args[4], args[5]};
  switch (n) {
    case __NR_ppoll:
      a[2] = ptr(no_time);
      a[3] = ptr(&all);
      break;
    case __NR_epoll_pwait:
    case __NR_epoll_pwait2:
      a[3] = n == __NR_epoll_pwait ? 0 : ptr(no_time);
      a[4] = ptr(&all);
      break;
    default:
      a[4] = ptr(no_time);
      a[5] = ptr(all_and_size);
  }
  const i64 result = host_syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
  return result ? result : -EINTR;
}

// The signal came under the call's own mask: its handler runs with that mask (and its own), and the frame
// restores the one before (saved_sigmask and set_user_sigmask in kernel/signal.c).
[[gnu::noinline]] static i64 masked_syscall(Task& task, i64 n, const u64 (&args)[6], u64 mask) {
  task.call_mask = mask & ~kUnblockable;
  task.taken_in_call = false;
  __atomic_store_n(&task.has_call_mask, true, __ATOMIC_RELAXED);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);  // then the look: what the handler records from now on sets `interrupt`
  i64 result;
  if (!task.thread.interrupt && (task.pending_faults & ~task.call_mask)) {
    result = look_once(n, args);
    if (result == -EINTR) task.taken_in_call = true;
  } else {
    result = windowed_syscall(task, n, args);
  }
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  __atomic_store_n(&task.has_call_mask, false, __ATOMIC_RELAXED);
  if (result == -EINTR && task.taken_in_call) {
    task.restore_blocked = task.blocked;
    task.has_restore_blocked = true;
    task.blocked = task.call_mask;
    task.thread.interrupt = 1;
  }
  return result;
}

i64 blocking_syscall(Task& task, i64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  const u64 args[6] = {a, b, c, d, e, f};
  return blocking_syscall(task, n, args);
}

i64 blocking_syscall(Task& task, i64 n, const u64 (&args)[6]) {
  u64 mask;
  const u64 address = temporary_mask_address(n, args);
  if (address && get_user(&mask, address) == 0) [[unlikely]]
    return masked_syscall(task, n, args, mask);
  return windowed_syscall(task, n, args);
}

}  // namespace grus::linux
