// SPDX-License-Identifier: MIT
// What the engine does around the semantics, for ordinary test programs: faults on guest memory become
// values, the counter is a fixed one.
#pragma once
#include "guest/aarch64/registers.h"

namespace grus::test {

// Routes SIGSEGV and SIGBUS through guest_memory_fixup; any other such fault jumps to `test_fault_jump` when
// armed.
void install_fault_handler();

// Runs `f` and says whether it ended without a host fault.
bool survives(void (*f)(void*), void* argument);
template <typename F>
bool survives(F&& f) {
  return survives([](void* p) { (*static_cast<F*>(p))(); }, &f);
}

}  // namespace grus::test
