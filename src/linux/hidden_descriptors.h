// SPDX-License-Identifier: MIT
// The engine's own descriptors, which live among the guest's numbers: EBADF for it, absent from listings, never in its way.
//
// Guarantees: a guest can open as many as natively, under every RLIMIT_NOFILE: what is hidden lies above the soft limit where the
// hard one allows, and is given up, one after the other, when the guest wants the last number. Given up stays given up: then the
// engine is named by /proc/self/exe, the program by the path that it had, and new modules find no cache.
// Deliberately not here: system calls that name descriptors (descriptor.cpp).
#pragma once
#include "linux/task.h"

namespace grus::linux {

// Where hidden descriptors live when the limits allow: just above the usual soft limit, where a guest that
// opens all it may does not meet them. Not higher: fork copies the descriptor table up to the highest.
inline constexpr int kEngineFd = 1024;
inline constexpr int kExeFd = 1025;
inline constexpr int kLogFd = 1026;
inline constexpr int kCacheFd = 1027;
// A guest that has only a handful needs those below more than we do.
inline constexpr int kFewDescriptors = 64;

// Moves `fd` to `wanted`, or as high as the limits allow; close-on-exec. Returns the new number, `fd` itself when there is none.
int hide_fd(int fd, int wanted);

bool is_hidden_fd(const Task& task, int fd);
// The guest wants this number: moves what is there, or gives it up. 0 or -errno.
i64 move_hidden_fd(Task& task, int fd);
// Where there are only a few numbers, from the start; not if nothing else leads there.
void give_up_engine(Task& task);
void give_up_program(Task& task);
// After an EMFILE: gives up one that counts. false: there is none, the guest's limit is reached.
bool make_room(Task& task);

// Calls f(argument) in a process of its own that shares this memory and lives for that long: of its copy of the descriptors some
// are closed, so that f can open a few however full the guest's table is. What f maps stays, what it opens does not. `kept` is
// not closed. false: no process could be made.
bool with_spare_descriptors(Task& task, int kept, void (*f)(void*), void* argument);

}  // namespace grus::linux
