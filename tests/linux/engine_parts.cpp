// SPDX-License-Identifier: MIT
// What the tested files need from the rest of the engine, in terms of libc.
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/confinement.h"
#include "linux/handlers.h"
#include "linux/signal.h"

namespace grus {

u64 host_counter_ns() { return 0; }
void* engine_alloc(size_t bytes) { return std::calloc(1, bytes); }
void engine_free(void* p, size_t) { std::free(p); }
void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
  std::abort();
}

namespace linux {

// Exit statuses that the tests look for.
void default_action(Task&, const SignalInfo& info) { _Exit(100 + info.signo); }
void report_death(const Task&, const SignalInfo&) {}
bool force_signal(Task&, const SignalInfo& info) { _Exit(100 + info.signo); }
void leave_cache(Task&) {}
i64 sys_exit(Task&, const u64 (&a)[6]) { _Exit(200 + static_cast<int>(a[0])); }

}  // namespace linux
}  // namespace grus
