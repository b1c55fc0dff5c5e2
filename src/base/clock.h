// SPDX-License-Identifier: MIT
// The clocks that instructions can see. CNTVCT_EL0 counts nanoseconds, so that CNTFRQ_EL0 is 1 GHz; the guest's vDSO reads all of
// the host's by an HVC of its own, as guests of a hypervisor do, because a system call costs twice as much.
#pragma once
#include "base/types.h"

namespace grus {

// Nanoseconds of CLOCK_MONOTONIC: never runs backwards, same for every thread. Defined by the engine; the tests
// define their own.
u64 host_counter_ns();

// HVC #kClockHypercall in the page `caller` (0: nowhere) is clock_gettime(w0): x0 = 0 or -errno, x2 seconds, x3 nanoseconds.
inline constexpr unsigned kClockHypercall = 1;
struct ClockHypercall {
  u64 caller;
  i64 (*gettime)(u64 clock, void* timespec);
};
inline ClockHypercall g_clock_hypercall;

}  // namespace grus
