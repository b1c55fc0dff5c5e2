// SPDX-License-Identifier: MIT
// The guest's vDSO: a small AArch64 shared object that is assembled at compile time (image.cpp), and the
// host's vDSO, which is where the engine itself asks for the time.
//
// Guest side: the four functions of arch/arm64/kernel/vdso/vdso.lds.S (version LINUX_2.6.39). The clocks are
// asked for by HVC (base/clock.h), resolutions by a system call.
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

// The host's vDSO (its AT_SYSINFO_EHDR, 0 when there is none) and the pages of its data beside it become the engine's, so that
// guests can neither see them nor take them away; without it the clock is a system call. Nothing but what the kernel has
// mapped may be near it yet; the stack, which may be, ends at `stack_end`.
void host_clock_init(u64 host_vdso, u64 stack_end);
// For the host's handler: the host's vDSO has faulted, which the guest must have done somehow. True when the context was
// changed so that the call fails; from then on the clock is a system call.
bool leave_host_vdso(u64* rip, u64* rsp, u64 outside_sp);
// The HVC of the guest's vDSO at that address is answered from now on.
void answer_clock_hypercalls(u64 guest_vdso);
// clock_gettime through the host's vDSO: `timespec` is in engine memory. -errno.
i64 host_clock_gettime(u64 clock, void* timespec);

}  // namespace grus::linux
