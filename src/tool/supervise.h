// SPDX-License-Identifier: MIT
// The guest's process tree in a root: a process namespace whose processes end with the program, or with us.
//
// Guarantees: what `become` executes is our child, in our process group and session, with the signal mask that we were called
// with. Its status, its stops and the signals that it dies of are ours; a signal that only we get is sent on to it; when it ends,
// or we do by whatever means, every process that it left behind is killed before our own end is seen.
// Where the kernel allows no new /proc (a container that hides parts of its own) there is no namespace: what is left behind is
// killed all the same, except when we die of SIGKILL: then only the program itself does.
// Deliberately not here: the mounts (namespaces.h). A mount namespace of our own is there already; /proc in it is changed.
#pragma once
#include <functional>

namespace grus::tool {

// In the child what `become` throws is thrown on: the caller's end is the child's then.
void supervise(const std::function<void()>& become);

}  // namespace grus::tool
