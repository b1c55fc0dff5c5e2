// SPDX-License-Identifier: MIT
#include "test_host.h"

#include <ucontext.h>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <initializer_list>

#include "base/clock.h"
#include "base/guest_memory.h"

namespace grus {

// A value whose halves differ, so that a truncated or swapped read of the counter shows.
u64 host_counter_ns() { return 0x0123456789abcdef; }

namespace test {
namespace {

sigjmp_buf fault_jump;
volatile sig_atomic_t armed = 0;

void on_fault(int sig, siginfo_t* info, void* context) {
  auto* uc = static_cast<ucontext_t*>(context);
  auto reg = [&](int r) { return reinterpret_cast<u64*>(&uc->uc_mcontext.gregs[r]); };
  if (sig != SIGABRT && guest_memory_fixup(reg(REG_RIP), reg(REG_RAX), reg(REG_RDX), sig, info->si_code,
                                           reinterpret_cast<u64>(info->si_addr)))
    return;
  if (armed) {
    armed = 0;
    siglongjmp(fault_jump, 1);
  }
  signal(sig, SIG_DFL);
}

}  // namespace

void install_fault_handler() {
  struct sigaction sa = {};
  sa.sa_sigaction = on_fault;
  sa.sa_flags = SA_SIGINFO | SA_NODEFER;
  for (int sig : {SIGSEGV, SIGBUS, SIGABRT}) sigaction(sig, &sa, nullptr);
}

bool survives(void (*f)(void*), void* argument) {
  if (sigsetjmp(fault_jump, 1)) return false;
  armed = 1;
  f(argument);
  armed = 0;
  return true;
}

}  // namespace test
}  // namespace grus
