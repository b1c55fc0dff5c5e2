// SPDX-License-Identifier: MIT
#include "engine/statistics.h"

#include "base/host_syscall.h"
#include "base/log.h"
#include "engine/options.h"
#include "run/execute.h"
#include "run/lockstep.h"

namespace grus {
namespace {

// The rows that the semantics execute, most frequent first, down to one call of 10,000.
void report_rows(const run::Statistics& s) {
  for (run::RowCount r = run::next_row(nullptr); r.calls && r.calls * 10'000 >= s.semantics_calls; r = run::next_row(&r))
    log_raw("grus: pid %u: by semantics %s %lu%s\n", static_cast<unsigned>(host_syscall(__NR_getpid)), r.name, r.calls,
            r.has_template ? "" : " (no template)");
}

}  // namespace

void report_statistics() {
  if (!engine_options().stats) return;
  if (run::lockstep()) {
    const run::LockstepCounts& l = run::lockstep_counts();
    log_raw("grus: pid %u: lockstep compared %lu instructions of %lu regions, %lu by semantics alone; NZCV kept at the end of %lu runs of regions, not "
            "at that of %lu\n",
            static_cast<unsigned>(host_syscall(__NR_getpid)), l.compared, l.regions, l.skipped, l.nzcv_compared, l.nzcv_dead);
  }
  const run::Statistics& s = run::statistics();
  u64 per_insn = s.translated_insns ? s.translate_ns * 10 / s.translated_insns : 0;
  u64 again = s.distinct_insns ? s.translated_insns * 1000 / s.distinct_insns : 0;
  u64 bytes = s.translated_insns ? s.translated_bytes * 10 / s.translated_insns : 0;
  log_raw(
      "grus: pid %u: %u regions, %u guest instructions translated (%u distinct, x%u.%03u) in %u us: %u.%u ns "
      "and %u.%u "
      "host bytes each\n"
      "grus: pid %u: %u entries looked up, %u return misses, %u by semantics, %u faults, %u regions "
      "invalidated; %u windows from the cache, %u regions published; %u times to checked floating point\n",
      static_cast<unsigned>(host_syscall(__NR_getpid)), static_cast<unsigned>(s.regions),
      static_cast<unsigned>(s.translated_insns), static_cast<unsigned>(s.distinct_insns),
      static_cast<unsigned>(again / 1000), static_cast<unsigned>(again % 1000),
      static_cast<unsigned>(s.translate_ns / 1000), static_cast<unsigned>(per_insn / 10),
      static_cast<unsigned>(per_insn % 10), static_cast<unsigned>(bytes / 10),
      static_cast<unsigned>(bytes % 10), static_cast<unsigned>(host_syscall(__NR_getpid)),
      static_cast<unsigned>(s.lookups), static_cast<unsigned>(s.return_misses),
      static_cast<unsigned>(s.semantics_calls), static_cast<unsigned>(s.fixups),
      static_cast<unsigned>(s.invalidations), static_cast<unsigned>(s.cached_windows),
      static_cast<unsigned>(s.published_regions), static_cast<unsigned>(s.checked_threads));
  report_rows(s);
}

}  // namespace grus
