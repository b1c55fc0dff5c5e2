// SPDX-License-Identifier: MIT
// Files of procfs whose text the kernel cannot get right for a guest: maps and smaps (the engine's mappings
// go), cpuinfo, and what figures.h changes (status, stat, statm, smaps_rollup, fdinfo).
//
// They are made on open as a sealed memfd, and once more when they are read from the beginning again (lseek to
// 0, pread at 0). Everything else in /proc/PID is the kernel's own: cmdline, environ, auxv and [heap] are right
// because the engine tells the kernel at start (prctl PR_SET_MM_MAP), comm by PR_SET_NAME. Deliberately not
// here: the files of other processes that may not be looked into.
#pragma once
#include "linux/task.h"

struct stat;
struct statx;

namespace grus::linux {

// Set at start when the kernel took what prctl PR_SET_MM_MAP told it. Else (a kernel without CONFIG_CHECKPOINT_RESTORE, a
// seccomp filter) the process's own cmdline, environ and auxv are rewritten too; other processes see the engine's.
extern bool kernel_knows_layout;

// `fd` is an open file of procfs: a new descriptor with the guest's text, -ENOENT when the kernel's is right.
i64 rewrite_proc_file(Task& task, int fd, const struct stat& st);

void register_proc_lock();
bool is_procfs(int fd);
// `fd` is about to be read from its beginning: when it is such a file, a new text takes its place.
void refresh_proc_file(Task& task, int fd);

// A stat of such a memfd becomes that of the procfs file that it stands for. cp(1) compares.
void restore_proc_stat(struct stat* st);
bool restore_proc_statx(struct statx* x, u64 dev);

}  // namespace grus::linux
