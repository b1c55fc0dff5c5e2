// SPDX-License-Identifier: MIT
// Guest programs print what they see, one fact a line; the same source runs natively, and the two outputs
// must be equal. Nothing printed may depend on the machine, the time or a process id.
#pragma once
#pragma GCC diagnostic ignored "-Wstringop-overflow"  // bad pointers are the point of some lines
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SHOW(expression) printf("%s = %ld\n", #expression, (long)(expression))
// The result, or the error: both sides must fail alike.
#define TRY(expression)                                        \
  do {                                                         \
    errno = 0;                                                 \
    long try_result = (long)(expression);                      \
    if (try_result == -1)                                      \
      printf("%s: %s\n", #expression, strerrorname_np(errno)); \
    else                                                       \
      printf("%s = %ld\n", #expression, try_result);           \
  } while (0)
// As TRY, when only success is the same everywhere (descriptors, addresses).
#define WORKS(expression)                                                                   \
  do {                                                                                      \
    errno = 0;                                                                              \
    long works_result = (long)(expression);                                                 \
    printf("%s: %s\n", #expression, works_result == -1 ? strerrorname_np(errno) : "works"); \
  } while (0)
