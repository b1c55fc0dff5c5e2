// SPDX-License-Identifier: MIT
// The one clock that instructions can see: CNTVCT_EL0 counts nanoseconds, so that CNTFRQ_EL0 is 1 GHz.
#pragma once
#include "base/types.h"

namespace grus {

// Nanoseconds of CLOCK_MONOTONIC: never runs backwards, same for every thread. Defined by the engine; the tests
// define their own.
u64 host_counter_ns();

}  // namespace grus
