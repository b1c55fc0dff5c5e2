// SPDX-License-Identifier: MIT
// See hidden_names.h.
#include "linux/hidden_names.h"

#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/kcmp.h>

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/handlers.h"
#include "linux/hidden_descriptors.h"
#include "linux/identity.h"
#include "linux/user_memory.h"

namespace grus::linux {
namespace {

constexpr u64 kNoDescriptor = 0x7fffffff;  // above every RLIMIT_NOFILE: nr_open is smaller

u64 here() { return static_cast<u64>(i64{AT_FDCWD}); }
void close_fd(i64 fd) { host_syscall(__NR_close, static_cast<u64>(fd)); }

bool usual_number(int fd) { return fd >= kEngineFd && fd <= kCacheFd; }
bool may_be_hidden(const Task& task, int fd) { return usual_number(fd) || is_hidden_fd(task, fd); }

i64 open_path(u64 dirfd, const char* path) { return host_syscall(__NR_openat, dirfd, ptr(path), O_PATH | O_DIRECTORY | O_CLOEXEC); }

// A process of the tree keeps its own at the usual numbers; a guest with other files there is told apart by what they are.
bool is_hidden_there(const Task& task, u64 directory, int number) {
  struct stat st, self;
  char name[32];
  const char* const own_names[] = {"/proc/self", "/proc/thread-self"};
  for (const char* own : own_names)
    if (!host_syscall(__NR_newfstatat, directory, ptr(".."), ptr(&st), 0) && !host_syscall(__NR_stat, ptr(own), ptr(&self)) &&
        st.st_dev == self.st_dev && st.st_ino == self.st_ino)
      return is_hidden_fd(task, number);
  if (host_syscall(__NR_newfstatat, directory, ptr("../exe"), ptr(&st), 0) || !is_engine_inode(st.st_dev, st.st_ino)) return false;
  if (!usual_number(number)) return is_hidden_fd(task, number);
  if (number == kExeFd) return true;
  // "../fd/N" from either list.
  format_to(name, sizeof name, "../fd/%d", number);
  if (host_syscall(__NR_newfstatat, directory, ptr(name), ptr(&st), 0)) return false;
  if (number == kEngineFd) return is_engine_inode(st.st_dev, st.st_ino);
  struct stat own;
  const int same = number == kLogFd ? task.files->log_fd : task.files->cache_fd;
  if (same >= 0 && !host_syscall(__NR_fstat, static_cast<u64>(same), ptr(&own)) && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
    return true;
  if (number == kLogFd) return false;
  // Without a cache of our own: a directory that was opened for its path only. Its link has no rights to read or write through it.
  struct stat link;
  constexpr u64 kNoFollow = 0x100;
  return (st.st_mode & 0170000) == 0040000 && !host_syscall(__NR_newfstatat, directory, ptr(name), ptr(&link), kNoFollow) &&
         !(link.st_mode & 0600);
}

// The process's list of descriptors, as it is called in procfs: of any name that `dirfd` may have.
bool lists_descriptors(int dirfd) {
  char link[32], target[256];
  format_to(link, sizeof link, dirfd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dirfd);
  const i64 length = host_syscall(__NR_readlinkat, here(), ptr(link), ptr(target), sizeof target);
  auto ends_with = [&](const char* tail, i64 size) {
    return length > size && length < i64{sizeof target} && !__builtin_memcmp(target + length - size, tail, static_cast<size_t>(size));
  };
  return ends_with("/fd", 3) || ends_with("/fdinfo", 7);
}

bool is_hidden_of(const Task& task, i32 pid, int number) {
  if (!may_be_hidden(task, number)) return false;
  if (pid == task.pid || pid == task.tid) return is_hidden_fd(task, number);
  char path[32];
  format_to(path, sizeof path, "/proc/%d/fd", pid);
  const i64 directory = open_path(here(), path);
  if (is_error(directory)) return false;
  const bool hidden = is_hidden_there(task, static_cast<u64>(directory), number);
  close_fd(directory);
  return hidden;
}

// "Pid:\t12" in its fdinfo; 0: it is no pidfd.
i32 pid_of_pidfd(int pidfd) {
  char path[40], text[520] = {};  // longer than what is compared at its end
  format_to(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  const i64 fd = host_syscall(__NR_openat, here(), ptr(path), O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return 0;
  const i64 n = host_syscall(__NR_read, static_cast<u64>(fd), ptr(text), 512);
  close_fd(fd);
  text[n > 0 ? n : 0] = 0;
  for (const char* s = text; *s; s++) {
    if (__builtin_memcmp(s, "\nPid:\t", 6) != 0) continue;
    i32 pid = 0;
    for (s += 6; *s >= '0' && *s <= '9'; s++) pid = pid * 10 + (*s - '0');
    return pid;
  }
  return 0;
}

struct PollFd {
  int fd;
  i16 events, returned;
};

bool polls_hidden_fd(const Task& task, u64 array, u64 count) {
  constexpr unsigned kPiece = 16;
  PollFd some[kPiece];
  for (u64 at = 0; at < count; at += kPiece) {
    const u64 n = count - at < kPiece ? count - at : kPiece;
    if (copy_from_guest(some, GuestAddr(array + at * sizeof(PollFd)), n * sizeof(PollFd))) return false;  // the kernel says EFAULT
    for (u64 i = 0; i < n; i++)
      if (is_hidden_fd(task, some[i].fd)) return true;
  }
  return false;
}

}  // namespace

bool is_hidden_in(const Task& task, int directory, int number) {
  return may_be_hidden(task, number) && lists_descriptors(directory) && is_hidden_there(task, static_cast<u64>(directory), number);
}

bool path_names_hidden_fd(const Task& task, int dirfd, u64 path) {
  const GuestAddr address = GuestAddr(path).untagged();
  // Most names are told by their first bytes.
  char head[8];
  if (copy_from_guest(head, address, sizeof head)) {
    if (load_guest(address, reinterpret_cast<u8*>(head))) return false;
    __builtin_memset(head + 1, '/', 7);  // at the end of a page: looked at below
  } else {
    const bool number = head[0] >= '1' && head[0] <= '9';
    if (!number && __builtin_memcmp(head, "/proc/", 6) != 0 && __builtin_memcmp(head, "/dev/fd/", 8) != 0) return false;
  }
  constexpr size_t kMost = 256;
  char text[kMost];
  size_t length;
  if (string_length_guest(address, kMost, &length) || length >= kMost || copy_from_guest(text, address, length)) return false;
  text[length] = 0;
  for (size_t begin = 0; begin < length;) {
    size_t end = begin;
    int number = 0;
    while (text[end] >= '0' && text[end] <= '9' && end - begin < 9) number = number * 10 + (text[end++] - '0');
    const bool is_number = end > begin && (text[end] == '/' || !text[end]);
    if (is_number && may_be_hidden(task, number)) {
      if (begin == 0) {
        if (lists_descriptors(dirfd)) {
          const i64 directory = open_path(static_cast<u64>(i64{dirfd}), ".");
          const bool hidden = !is_error(directory) && is_hidden_there(task, static_cast<u64>(directory), number);
          if (!is_error(directory)) close_fd(directory);
          if (hidden) return true;
        }
      } else {
        char parent[kMost];
        __builtin_memcpy(parent, text, begin);
        parent[begin] = 0;
        const i64 directory = open_path(here(), parent);
        const bool hidden = !is_error(directory) && is_hidden_in(task, static_cast<int>(directory), number);
        if (!is_error(directory)) close_fd(directory);
        if (hidden) return true;
      }
    }
    while (text[end] && text[end] != '/') end++;
    while (text[end] == '/') end++;
    begin = end;
  }
  return false;
}

bool message_names_hidden_fd(const Task& task, u64 header) {
  struct {
    u64 name;
    u32 name_length, pad;
    u64 vector, count, control, control_length;
    u32 flags, pad2;
  } message;
  struct {
    u64 length;
    int level, type;
  } control;
  constexpr int kSocket = 1, kRights = 1;  // SOL_SOCKET, SCM_RIGHTS
  constexpr u64 kMost = 64 << 10;          // net.core.optmem_max is of this order: more is ENOBUFS
  if (copy_from_guest(&message, GuestAddr(header).untagged(), sizeof message) || message.control_length < sizeof control ||
      message.control_length > kMost)
    return false;
  const u64 begin = GuestAddr(message.control).untagged().v, end = begin + message.control_length;
  for (u64 at = begin; at + sizeof control <= end;) {
    if (copy_from_guest(&control, GuestAddr(at), sizeof control) || control.length < sizeof control || control.length > end - at) return false;
    if (control.level == kSocket && control.type == kRights)
      for (u64 i = at + sizeof control; i + 4 <= at + control.length; i += 4) {
        int fd;
        if (get_user(&fd, i)) return false;
        if (is_hidden_fd(task, fd)) return true;
      }
    at += (control.length + 7) & ~u64{7};
  }
  return false;
}

i64 sys_ppoll(Task& task, const u64 (&a)[6]) {
  const u64 count = static_cast<u32>(a[1]);
  if (!polls_hidden_fd(task, a[0], count)) return blocking_syscall(task, __NR_ppoll, a[0], a[1], a[2], a[3], a[4]);
  // The kernel looks at a copy with descriptors that nobody has: POLLNVAL, at once, for each.
  const size_t bytes = count * sizeof(PollFd);
  auto* copy = static_cast<PollFd*>(map_engine_pages(page_up(bytes)));
  if (!copy) return -ENOMEM;
  i64 result = copy_from_guest(copy, GuestAddr(a[0]), bytes) ? -EFAULT : 0;
  for (u64 i = 0; i < count && !result; i++)
    if (is_hidden_fd(task, copy[i].fd)) copy[i].fd = static_cast<int>(kNoDescriptor);
  if (!result) result = blocking_syscall(task, __NR_ppoll, ptr(copy), a[1], a[2], a[3], a[4]);
  for (u64 i = 0; i < count && result >= 0; i++)
    if (put_user(a[0] + i * sizeof(PollFd) + offsetof(PollFd, returned), copy[i].returned)) result = -EFAULT;
  unmap_engine_pages(copy, page_up(bytes));
  return result;
}

i64 sys_pselect6(Task& task, const u64 (&a)[6]) {
  const int hidden[] = {task.files->engine_fd, task.files->exe_fd, task.files->log_fd, task.files->cache_fd};
  for (const int fd : hidden) {
    if (fd < 0 || fd >= static_cast<int>(a[0])) continue;
    for (unsigned set = 1; set <= 3; set++) {
      u8 byte = 0;
      if (a[set] && !get_user(&byte, a[set] + static_cast<u32>(fd) / 8) && byte >> fd % 8 & 1) return -EBADF;
    }
  }
  return blocking_syscall(task, __NR_pselect6, a[0], a[1], a[2], a[3], a[4], a[5]);
}

i64 sys_sendmmsg(Task& task, const u64 (&a)[6]) {
  constexpr u32 kMessage = 64, kMostMessages = 1024;  // struct mmsghdr; UIO_MAXIOV
  const u32 count = static_cast<u32>(a[2]) < kMostMessages ? static_cast<u32>(a[2]) : kMostMessages;
  u32 good = 0;
  while (good < count && !message_names_hidden_fd(task, a[1] + u64{good} * kMessage)) good++;
  if (good < count && good == 0) return -EBADF;
  return blocking_syscall(task, __NR_sendmmsg, a[0], a[1], good, a[3]);
}

i64 sys_pidfd_getfd(Task& task, const u64 (&a)[6]) {
  const int number = static_cast<int>(a[1]);
  if (may_be_hidden(task, number) && !static_cast<u32>(a[2])) {
    const i32 pid = pid_of_pidfd(static_cast<int>(a[0]));
    // Where /proc is missing: what may be hidden in any process of the tree is.
    if (pid ? is_hidden_of(task, pid, number) : true) return -EBADF;
  }
  return host_syscall(__NR_pidfd_getfd, a[0], a[1], a[2]);
}

i64 sys_kcmp(Task& task, const u64 (&a)[6]) {
  const int type = static_cast<int>(a[2]);
  const bool first = type == KCMP_FILE || type == KCMP_EPOLL_TFD, second = type == KCMP_FILE;
  if ((first && is_hidden_of(task, static_cast<i32>(a[0]), static_cast<int>(a[3]))) ||
      (second && is_hidden_of(task, static_cast<i32>(a[1]), static_cast<int>(a[4]))))
    return -EBADF;
  return host_syscall(__NR_kcmp, a[0], a[1], a[2], a[3], a[4]);
}

}  // namespace grus::linux
