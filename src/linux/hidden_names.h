// SPDX-License-Identifier: MIT
// Hidden descriptors that are named in another way than by an argument that is a descriptor: in arrays and messages, by another
// process's descriptor of a process, by a name in /proc/PID/fd. Each answer is what a descriptor that is closed gets.
//
// Deliberately not here: names that lead there by symbolic links of the guest's own or through "..". What they lead to is a file, or
// a directory whose root has no parent once anything is confined (confinement.h).
#pragma once
#include "linux/task.h"

namespace grus::linux {

// The control messages of a msghdr: SCM_RIGHTS.
bool message_names_hidden_fd(const Task& task, u64 header);
// /proc/PID/fd/N, /proc/PID/fdinfo/N, /dev/fd/N, and N where `dirfd` is such a directory. `path` is the guest's, tags and all.
bool path_names_hidden_fd(const Task& task, int dirfd, u64 path);
// Is `number` hidden in the process whose descriptors `directory` (of procfs, an open descriptor) lists?
bool is_hidden_in(const Task& task, int directory, int number);

}  // namespace grus::linux
