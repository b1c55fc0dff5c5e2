// SPDX-License-Identifier: MIT
// The guest's vDSO: a small AArch64 shared object that is assembled at compile time (image.cpp), and the
// host's vDSO, which is where the engine itself asks for the time.
//
// Guest side: the four functions of arch/arm64/kernel/vdso/vdso.lds.S (version LINUX_2.6.39). CLOCK_MONOTONIC
// is computed from CNTVCT_EL0, which counts its nanoseconds; the other clocks are system calls.
// __kernel_rt_sigreturn is the sequence that unwinders recognise. One page, no section headers, DT_HASH only.
#pragma once
#include "base/types.h"

namespace grus::linux {

inline constexpr u64 kVdsoSize = 4096;
inline constexpr u64 kVdsoText = 0x400;  // offset of the code
inline constexpr u64 kVdsoSigreturn =
    kVdsoText + 4;  // mov x8, #139; svc #0 - behind a nop that unwinders look up

// Maps it for the guest, read-only and executable. Address or -errno. Needs mm->lock, or to be alone.
i64 map_vdso();
// The image, for the tests.
const u8* vdso_image();

// Finds the host's vDSO (its AT_SYSINFO_EHDR, 0 when there is none); without it the clock is a system call.
void host_clock_init(u64 host_vdso);
// clock_gettime through the host's vDSO: `timespec` is in engine memory. -errno.
i64 host_clock_gettime(u64 clock, void* timespec);

}  // namespace grus::linux
