// SPDX-License-Identifier: MIT
#include "engine/cache_modes.h"

#include <linux/fcntl.h>

#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "linux/loader/functions.h"
#include "linux/loader/load.h"
#include "run/maintain.h"

namespace grus {
namespace {

using linux::ElfFile;
using linux::MappedElf;
using run::Maintained;

[[noreturn]] void end(int status) {
  host_syscall(__NR_exit_group, static_cast<u64>(status));
  __builtin_unreachable();
}

bool equal(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

bool say(const Maintained& m) {
  char line[256];
  size_t n = format_to(line, sizeof line, "%s %s regions=%lu insns=%lu distinct=%lu wrong=%lu\n", m.name[0] ? m.name : "-", m.verdict,
                       m.regions, m.insns, m.distinct, m.wrong);
  host_syscall(__NR_write, 1, ptr(line), n);
  return m.ok;
}

Maintained warm(const ElfFile& elf, u64 bias, u64 begin, u64 end) {
  size_t bytes = page_up((end - begin) / 32 + 8);
  run::CodeBits bits{begin, end, static_cast<u64*>(map_engine_pages(bytes)), static_cast<u64*>(map_engine_pages(bytes))};
  if (!bits.starts || !bits.inside) fatal(1, "out of memory");
  linux::find_functions(elf, bias, bits);
  return run::warm(bits);
}

}  // namespace

void work_on_cache(linux::Task& task, const char* mode, const char* file) {
  linux::prepare_initial_task(task);
  if (!run::translator_fingerprint()) fatal(1, "there is no cache: its directory is missing, not to be trusted, or turned off");
  if (equal(mode, "fingerprint")) {
    char line[32];
    host_syscall(__NR_write, 1, ptr(line), format_to(line, sizeof line, "%lx\n", run::translator_fingerprint()));
    end(0);
  }
  if (equal(mode, "check")) end(!say(run::check(file)));
  bool warms = equal(mode, "warm"), compacts = equal(mode, "compact");
  if (!warms && !compacts && !equal(mode, "verify")) fatal(1, "--cache=%s: there is no such work", mode);
  if ((warms || compacts) && !run::can_publish()) fatal(1, "the cache may only be read");
  i64 fd = host_syscall(__NR_openat, static_cast<u64>(AT_FDCWD), ptr(file), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ElfFile elf;
  MappedElf mapped;
  if (is_error(fd) || linux::open_elf(static_cast<int>(fd), false, &elf) || linux::map_elf(elf, &mapped))
    fatal(2, "%s: not a program or library that could be mapped", file);
  bool ok = true;
  for (unsigned i = 0; i < elf.header.e_phnum; i++) {
    const Elf64_Phdr& p = elf.phdrs[i];
    linux::SegmentPlan s;
    if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || (p.p_flags & PF_W) || linux::plan_segment(p, &s)) continue;
    u64 begin = s.file_begin + mapped.bias, end = s.file_end + mapped.bias;
    if (begin < end) ok &= say(warms ? warm(elf, mapped.bias, begin, end) : compacts ? run::compact(begin) : run::verify(begin));
  }
  end(!ok);
}

}  // namespace grus
