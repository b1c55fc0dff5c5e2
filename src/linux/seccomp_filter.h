// SPDX-License-Identifier: MIT
// The guest's seccomp: its classic BPF runs here, on guest numbers and AUDIT_ARCH_AARCH64, before every
// system call.
//
// Fidelity, not a security boundary: the engine's own calls are not filtered. Filters are inherited by
// threads and children (a pointer copied with the Task) and never freed, since they are few and small.
// Deliberately not here: user notification (SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF) and
// tracers (SECCOMP_RET_TRACE answers ENOSYS, as natively without a tracer).
#pragma once
#include "linux/task.h"

namespace grus::linux {

inline bool seccomp_active(const Task& task) { return task.seccomp_mode || task.process->seccomp_sync; }

// False: the call must not be made. *result is then its result, or kNoResult when a signal was raised
// instead.
bool seccomp_allows(Task& task, u32 number, const u64 (&a)[6], i64* result);

// seccomp(2) and prctl(PR_SET_SECCOMP).
i64 seccomp_operation(Task& task, u64 operation, u64 flags, u64 argument);

// Across exec: the chain as bytes. Size 0: nothing to hand over. The format is private to one version of the
// engine; restore returns false when it does not understand what it gets.
size_t seccomp_saved_size(const Task& task);
void seccomp_save(const Task& task, void* out);
bool seccomp_restore(Task& task, const void* saved, size_t size);

}  // namespace grus::linux
