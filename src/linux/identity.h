// SPDX-License-Identifier: MIT
// Who the program is: the guest must never find the engine where native Linux would show it itself.
//
// The kernel's own link /proc/PID/exe names the engine. Every call here does the plain host call first and
// looks at the result; only when that is the engine's inode (or a file of procfs that must be rewritten) the
// path is resolved again, component by component, and /proc/PID/exe is replaced by /proc/PID/fd/<hidden
// descriptor>: the kernel then answers permissions, names and "(deleted)" as it would natively, for this
// process and for other guest processes alike.
//
// Arguments are those of the host's system calls: host flags and structures; `path` is an untagged guest
// pointer that may be bad. Results: the kernel's, -errno. Deliberately not here: which descriptors a listing
// of /proc/PID/fd shows (files' getdents asks is_hidden_fd).
#pragma once
#include "linux/task.h"

namespace grus::linux {

i64 identity_openat(Task& task, int dirfd, const char* path, u64 flags, u64 mode);
// `how` is a host struct open_how in engine memory, flags already converted.
i64 identity_openat2(Task& task, int dirfd, const char* path, const void* how, u64 size);
i64 identity_readlinkat(Task& task, int dirfd, const char* path, char* buffer, u64 size);
// `host_stat` is the host's struct stat in engine memory.
i64 identity_fstatat(Task& task, int dirfd, const char* path, void* host_stat, u64 flags);
// The same for an open descriptor: files that were rewritten on open answer as the procfs file that they
// stand for.
i64 identity_fstat(Task& task, int fd, void* host_stat);
// `statx` is the guest's buffer: the structure is the same on both architectures.
i64 identity_statx(Task& task, int dirfd, const char* path, u64 flags, u64 mask, void* statx);
// flags != 0 uses faccessat2.
i64 identity_faccessat(Task& task, int dirfd, const char* path, u64 mode, u64 flags);

// The program's descriptor is given up: its path stands for it from now on. false: it has none that can be found out.
bool remember_program(int fd);
bool runs_a_program(const Task& task);  // not yet, while the command line's first one is looked for

// The engine's executable: set once at start from a descriptor of it, or without one (-1) from
// its name in /proc.
void identity_init(int engine_fd);

// For exec: `fd` is an O_PATH descriptor of what (dirfd, path, flags) names and turned out to be the engine's
// inode. When the path leads there by a /proc/PID/exe of a guest process, returns an O_PATH descriptor of
// that guest's program; else -ENOENT.
i64 identity_resolve_exe(Task& task, int dirfd, const char* path, bool follow);
bool is_engine_inode(u64 dev, u64 ino);

}  // namespace grus::linux
