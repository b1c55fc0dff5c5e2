// SPDX-License-Identifier: MIT
// Offsets of ThreadState's fields for stubs.S, from the biased state pointer. execute.cpp asserts each of them.
#pragma once
#define GRUS_BIAS 128
#define GRUS_X(n) (8 * (n) - GRUS_BIAS)
#define GRUS_SP GRUS_X(31)
#define GRUS_PC (256 - GRUS_BIAS)
#define GRUS_MXCSR (284 - GRUS_BIAS)
#define GRUS_V(n) (352 + 16 * (n) - GRUS_BIAS)
#define GRUS_LOOKUP (63 * 1024 - GRUS_BIAS)
#define GRUS_LOOKUP_BITS 12
#define GRUS_ENGINE_SP (952 - GRUS_BIAS)
#define GRUS_RETURN_SP (960 - GRUS_BIAS)
#define GRUS_RETURN_BASE (968 - GRUS_BIAS)
#define GRUS_EXIT_SITE (984 - GRUS_BIAS)
#define GRUS_SEMANTICS_RETURN (992 - GRUS_BIAS)
#define GRUS_EXIT_REASON (1000 - GRUS_BIAS)
#define GRUS_INTERRUPT (1004 - GRUS_BIAS)
#define GRUS_WIDE_HOMES (1010 - GRUS_BIAS)
