// SPDX-License-Identifier: MIT
// The loop between C++ and translated code: find or make the code for a pc, enter it, act on why it was left.
#include "run/execute.h"

#include "base/guest_memory.h"
#include "base/hash.h"
#include "base/sha256.h"
#include "base/host_syscall.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/x86_64/features.h"
#include "fingerprint.h"
#include "insn.h"
#include "run/code_map.h"
#include "run/dump.h"
#include "run/lockstep.h"
#include "run/offsets.h"
#include "run/reclaim.h"
#include "translate/a64_to_x64/templates.h"
#include "translate/region.h"

namespace grus::run {

using a64::CpuState;
using a64::ExceptionKind;

static_assert(offsetof(ThreadState, cpu) == 0 && kStateBias == GRUS_BIAS);
static_assert(offsetof(CpuState, sp) == GRUS_SP + GRUS_BIAS);
static_assert(offsetof(CpuState, pc) == GRUS_PC + GRUS_BIAS);
static_assert(offsetof(CpuState, mxcsr) == GRUS_MXCSR + GRUS_BIAS);
static_assert(offsetof(CpuState, v) == GRUS_V(0) + GRUS_BIAS);
static_assert(kLookupOffset == GRUS_LOOKUP + GRUS_BIAS && kLookupBits == GRUS_LOOKUP_BITS && sizeof(LookupEntry) == 16);
static_assert(offsetof(ThreadState, engine_sp) == GRUS_ENGINE_SP + GRUS_BIAS);
static_assert(offsetof(ThreadState, return_sp) == GRUS_RETURN_SP + GRUS_BIAS);
static_assert(offsetof(ThreadState, return_base) == GRUS_RETURN_BASE + GRUS_BIAS);
static_assert(offsetof(ThreadState, exit_site) == GRUS_EXIT_SITE + GRUS_BIAS);
static_assert(offsetof(ThreadState, semantics_return) == GRUS_SEMANTICS_RETURN + GRUS_BIAS);
static_assert(offsetof(ThreadState, exit_reason) == GRUS_EXIT_REASON + GRUS_BIAS);
static_assert(offsetof(ThreadState, interrupt) == GRUS_INTERRUPT + GRUS_BIAS);
static_assert(offsetof(ThreadState, wide_homes) == GRUS_WIDE_HOMES + GRUS_BIAS);

extern "C" {
[[gnu::visibility("hidden")]] void grus_enter(ThreadState* t, u64 host);
[[gnu::visibility("hidden")]] void grus_exit_direct();
[[gnu::visibility("hidden")]] void grus_exit_lookup();
[[gnu::visibility("hidden")]] void grus_indirect_miss();
[[gnu::visibility("hidden")]] void grus_exit_exception();
[[gnu::visibility("hidden")]] void grus_call_semantics();
[[gnu::visibility("hidden")]] void grus_return_miss();
[[gnu::visibility("hidden")]] void grus_return_bottom();
[[gnu::visibility("hidden")]] int grus_run_semantics(ThreadState* t, u64 packed, u64 pc);
}

namespace {

Statistics g_statistics;
u64 g_semantics_of[static_cast<unsigned>(a64::Op::kCount)];
bool g_interpret, g_timed;
u64 g_clock_ns;  // what reading the clock adds to what is measured with it
[[gnu::section(".bss.tables")]] a64_to_x64::RegionBuilder g_builder;

// A trap costs 4 us, and all code that a thread goes on with in context Checked is translated for it.
constexpr u32 kMostInvalidOperations = 200;

constexpr u64 kReturnBottom = 128, kNoPrediction = ~u64{0};

u64 address_of(void (*f)()) { return reinterpret_cast<u64>(f); }

u64 lookup_index(u64 pc) { return (pc << 2 & (((1u << kLookupBits) - 1) << 4)) >> 4; }

// After a semantics function: what the exception, if any, means for pc.
void settle_pc(CpuState& cpu) {
  switch (cpu.exception.kind) {
    case ExceptionKind::None:
    case ExceptionKind::Supervisor:
    case ExceptionKind::CacheInvalidate:
    case ExceptionKind::FpContextChange: cpu.pc = cpu.next_pc; break;
    default: break;
  }
}

}  // namespace

void run_row(CpuState& cpu, a64::Insn insn) {
  cpu.next_pc = cpu.pc + 4;
  cpu.exception.kind = ExceptionKind::None;
  a64::Semantics semantics = a64::kSemantics[static_cast<unsigned>(insn.op)];
  // No semantics: unallocated, or a feature that is not advertised.
  if (semantics)
    semantics(cpu, insn);
  else
    cpu.raise(ExceptionKind::Undefined);
  settle_pc(cpu);
}

namespace {

void raise_fetch_abort(CpuState& cpu, u64 pc, MemoryFault f) {
  cpu.exception = a64::Exception{ExceptionKind::InstructionAbort, false, f.sig(), f.code(), 0, pc};
}

// Checks that pc may be fetched from; sets the exception otherwise.
bool check_fetch(CpuState& cpu) {
  if (cpu.pc & 3) {
    cpu.raise(ExceptionKind::PcAlignment, cpu.pc);
    return false;
  }
  if (executable_range(cpu.pc)) return true;
  // Mapped but not executable is SEGV_ACCERR, else SEGV_MAPERR (arch/arm64/mm/fault.c).
  constexpr u64 kSegv = 11, kMapErr = 1, kAccErr = 2;
  u8 probe;
  MemoryFault f = load_guest(GuestAddr(cpu.pc), &probe);
  u64 code = f && f.code() == kMapErr ? kMapErr : kAccErr;
  raise_fetch_abort(cpu, cpu.pc, MemoryFault{kSegv | code << 8, cpu.pc});
  return false;
}

}  // namespace

bool step(CpuState& cpu) {
  {
    LockGuard guard(translator_lock);
    if (!check_fetch(cpu)) return false;
  }
  u32 word;
  if (MemoryFault f = load_guest(GuestAddr(cpu.pc), &word)) {
    raise_fetch_abort(cpu, cpu.pc, f);
    return false;
  }
  a64::Insn insn{word, a64::decode(word)};
  g_semantics_of[static_cast<unsigned>(insn.op)]++;
  run_row(cpu, insn);
  return cpu.exception.kind == ExceptionKind::None;
}

// CPU time, so that other processes do not count; a system call, so only for --stats.
u64 thread_cpu_ns() {
  constexpr u64 kThreadCpuTime = 3;
  u64 now[2] = {};
  host_syscall(__NR_clock_gettime, kThreadCpuTime, ptr(now));
  return now[0] * 1'000'000'000 + now[1];
}

[[noreturn]] static void out_of_code_memory() {
  fatal(kOwnFailure, "out of memory: there is no room for translated code (RLIMIT_AS and RLIMIT_DATA count it)");
}

// Where code for cpu.pc is or may be made.
static cache::Window* have_window(const CpuState& cpu) {
  for (int attempts = 0; attempts < 100; attempts++) {
    if (cache::Window* w = window_for(cpu.pc, static_cast<u8>(cpu.fp_context))) return w;
    // Other threads may have to leave what is not used any more.
    if (!give_up_idle_windows()) break;
    constexpr u64 kAWhile[2] = {0, 1'000'000};
    host_syscall(__NR_nanosleep, ptr(kAWhile), 0);
  }
  out_of_code_memory();
}

static u64 entry_locked(ThreadState& t) {
  CpuState& cpu = t.cpu;
  if (!check_fetch(cpu)) return 0;
  cache::Window* w = have_window(cpu);
  if (cache::take_lost_pages()) detach_windows();
  if (u64 host = w->find(cpu.pc)) return host;
  reclaim();
  if (w->is_mostly_dead()) {
    w = replace_window(w);
    if (!w) out_of_code_memory();
  }
  const Range* range = executable_range(cpu.pc);
  u64 start = g_timed ? thread_cpu_ns() : 0;
  for (int attempt = 0;; attempt++) {
    u64 host = 0;
    MemoryFault f;
    switch (g_builder.build(*w, cpu.pc, range->begin, range->end, &host, &f)) {
      case a64_to_x64::BuildResult::Ok:
        g_statistics.regions++;
        if (g_timed) g_statistics.translate_ns += thread_cpu_ns() - start - g_clock_ns;
        if (shows_regions()) show_region(g_builder, *w, *w->region_of_host(host));
        return host;
      case a64_to_x64::BuildResult::Unreadable: raise_fetch_abort(cpu, cpu.pc, f); return 0;
      case a64_to_x64::BuildResult::Full:
        CHECK(attempt < 2);
        w = replace_window(w);
        if (!w) out_of_code_memory();
    }
  }
}

// The host code for cpu.pc, made if need be; 0: cpu.exception is set.
u64 entry_for(ThreadState& t) {
  leave_code(t);  // who waits for this lock, or has it, is not waited for
  LockGuard guard(translator_lock);
  u64 host = entry_locked(t);
  enter_code(t);
  return host;
}

a64_to_x64::RegionBuilder& region_builder() { return g_builder; }

void clear_lookup(ThreadState& t) {
  u8* table = reinterpret_cast<u8*>(t.lookup);
  for (u64 used = t.lookup_used; used; used &= used - 1)
    __builtin_memset(table + __builtin_ctzll(used) * kGuestPageSize, 0, kGuestPageSize);
  t.lookup[0] = t.lookup[1] = LookupEntry{kLookupEmptyFirst, 0};
  t.lookup_used = 0;
}

namespace {

// Makes a direct exit jump straight to where it leads.
void link(u64 site, u64 host) {
  LockGuard guard(translator_lock);
  cache::Window* w = window_of_host(site);
  cache::Window* to = window_of_host(host);
  // Since `host` was looked up, another thread may have killed what is there (a JIT's call patched, Java), or the table that it
  // is from has not heard of it: such a link would end at an int3 for ever.
  cache::Region* r = to ? to->region_of_host(host) : nullptr;
  if (w && r && !r->dead && !to->retired) cache::link_exit(*w, site, *to, host);
}

void interpret_towards_entry(ThreadState& t) {
  for (int n = 0; n < 64 && !t.interrupt; n++) {
    if (n > 0) {
      LockGuard guard(translator_lock);
      cache::Window* w = find_window(t.cpu.pc, static_cast<u8>(t.cpu.fp_context));
      if (w && w->find(t.cpu.pc)) break;
    }
    if (!step(t.cpu)) return;
  }
  t.resume_by_interpretation = false;
}

// A signal is about to be delivered, and its frame shows NZCV. Where translated code has let them go, it overwrites them on all
// paths before it reads them or comes to what may (RegionBuilder::nzcv_use): the signal waits for that. cpu.exception may be set
// then. A loop may go round in between without end, so not for ever.
void settle_nzcv(ThreadState& t) {
  constexpr unsigned kPatience = 1000;
  for (unsigned n = 0; n < kPatience && t.nzcv_unknown; n++) {
    u32 word;
    if (load_guest(GuestAddr(t.cpu.pc), &word)) return;
    const a64::RowTraits traits = a64::kTraits[static_cast<unsigned>(a64::decode(word))];
    a64::Flow flow = traits.flow();
    bool known = flow == a64::Flow::None || flow == a64::Flow::Branch || flow == a64::Flow::Cond ||
                 flow == a64::Flow::Call;
    if (traits.reads_nzcv() || !known) break;
    if (!step(t.cpu)) return;
    if (traits.writes_nzcv()) break;
  }
  t.nzcv_unknown = false;
}

}  // namespace

// Translated code does not look at SP when it accesses memory by it.
static bool sp_is_misaligned(const CpuState& cpu) { return cpu.sp & 15; }

extern "C" int grus_run_semantics(ThreadState* t, u64 packed, u64 pc) {
  CpuState& cpu = t->cpu;
  a64::Insn insn{static_cast<u32>(packed), static_cast<a64::Op>(packed >> 32)};
  cpu.pc = pc;
  g_semantics_of[static_cast<unsigned>(insn.op)]++;
  run_row(cpu, insn);
  if (cpu.exception.kind != ExceptionKind::None) {
    t->exit_reason = static_cast<u32>(ExitReason::Exception);
    return 1;
  }
  if (a64::kRows[static_cast<unsigned>(insn.op)].flow != a64::Flow::None || sp_is_misaligned(cpu)) {
    t->exit_reason = static_cast<u32>(ExitReason::Lookup);
    return 1;
  }
  return 0;
}

static_assert(kLookupBytes / kGuestPageSize <= 16, "lookup_used has a bit per page");

void prepare_thread(ThreadState& t, u64 return_limit, u64 return_end) {
  t.runtime = RuntimeEntries{address_of(grus_exit_exception), address_of(grus_exit_lookup),
                             address_of(grus_exit_direct),    address_of(grus_indirect_miss),
                             address_of(grus_call_semantics), address_of(grus_return_miss)};
  t.exclusive_versions = a64::exclusive_versions;
  t.lookup = reinterpret_cast<LookupEntry*>(ptr(&t) + kLookupOffset);
  clear_lookup(t);
  t.return_limit = return_limit;
  t.return_base = t.return_sp = return_end - kReturnBottom;
  // A guest may return to any address, to ~0 too: then the host's `ret` finds the stub that goes there by lookup.
  for (u64 a = t.return_base; a < return_end; a += 16) {
    *reinterpret_cast<u64*>(a) = address_of(grus_return_bottom);
    *reinterpret_cast<u64*>(a + 8) = kNoPrediction;
  }
  t.interrupt = 0;
  t.resume_by_interpretation = false;
  t.stepping = false;
  t.predicted_context = t.cpu.fp_context;
}

void after_fork(ThreadState& t) {
  t.interrupt = 0;
  t.stepping = false;
  keep_only_thread(t);
  drop_claims();
}

void register_locks() {
  register_lockstep_lock();
  register_lock(LockOrder::Translator, translator_lock);
}

void use_translation_cache(int directory, cache::Access access) {
  set_sha_instructions(x64::g_features.sha);
  u64 host = hash64(&x64::g_features, sizeof x64::g_features);
  // Lock-step's regions are others: they leave at each call.
  u64 shape = lockstep() ? lockstep_region_insns() : 0;
  cache::set_translator({kTranslatorFingerprint ^ host ^ shape << 32, a64_to_x64::kConstantBytes, a64_to_x64::write_constants});
  cache::use_directory(directory, access);
}
void move_translation_cache(int from, int to) {
  LockGuard guard(translator_lock);
  if (cache::directory() == from) cache::use_directory(to, cache::directory_access());
}

void leave_translation_cache() {
  LockGuard guard(translator_lock);
  stop_publishing();
  cache::leave_directory();
}

void finish() {
  if (!translator_lock.try_acquire()) return;
  return_claims();
  translator_lock.release();
}

void time_translation() {
  g_timed = true;
  g_clock_ns = ~u64{0};
  for (int n = 0; n < 16; n++) {
    u64 start = thread_cpu_ns(), took = thread_cpu_ns() - start;
    if (took < g_clock_ns) g_clock_ns = took;
  }
}
void set_interpret(bool on) { g_interpret = on; }

void execute(ThreadState& t) {
  CpuState& cpu = t.cpu;
  t.wide_homes = x64::g_features.avx512vl;  // not known yet when the first thread is prepared
  cpu.exception.kind = ExceptionKind::None;
  // A signal may have come between an exit that wanted to be linked and now: cpu.pc is not where that exit led.
  t.exit_reason = static_cast<u32>(ExitReason::Lookup);
  t.nzcv_unknown = false;
  // A handler, a frame that sigreturn took, a program's entry: ERET strips what is in ELR (Arm ARM, AArch64.ExceptionReturn:
  // BranchAddr).
  cpu.pc = GuestAddr(cpu.pc).untagged().v;
  if (lockstep()) return execute_in_lockstep(t);
  for (;;) {
    if (t.interrupt) return settle_nzcv(t);
    if (g_interpret || sp_is_misaligned(cpu)) {
      t.exit_reason = static_cast<u32>(ExitReason::Lookup);
      if (!step(cpu)) return;
      continue;
    }
    if (t.resume_by_interpretation) {
      interpret_towards_entry(t);
      if (cpu.exception.kind != ExceptionKind::None) return;
      continue;
    }
    if (cpu.fp_context != t.predicted_context) {
      t.return_sp = t.return_base;
      clear_lookup(t);
      t.predicted_context = cpu.fp_context;
      g_statistics.checked_threads += cpu.fp_context == a64::FpContext::Checked;
    }
    // The way back from a system call is mostly known: no lock then. A page of the table that was not used yet is not read,
    // or its first use would cost two page faults.
    enter_code(t);
    u64 index = lookup_index(cpu.pc);
    LookupEntry& known = t.lookup[index];
    u16 page = static_cast<u16>(1u << (index * sizeof(LookupEntry) / kGuestPageSize));
    u64 host;
    if ((t.lookup_used & page) && known.pc == cpu.pc) {
      host = known.host;
    } else {
      host = entry_for(t);
      if (!host) return leave_code(t);
      g_statistics.lookups++;
      // Two that are needed by turns and have one place cost a way through here each time (sqlite: 2.3 million of them).
      LookupEntry& beside = t.lookup[static_cast<u64>(&known - t.lookup) ^ 1];
      if (known.host) beside = known;
      known = LookupEntry{cpu.pc, host};
      t.lookup_used |= page;
    }
    if (static_cast<ExitReason>(t.exit_reason) == ExitReason::Direct) link(t.exit_site, host);
    t.nzcv_unknown = true;
    grus_enter(&t, host);
    leave_code(t);
    ExitReason reason = static_cast<ExitReason>(t.exit_reason);
    if (reason == ExitReason::Exception) {
      t.exit_reason = static_cast<u32>(ExitReason::Lookup);
      return;
    }
    if (reason == ExitReason::Interrupted) {
      t.resume_by_interpretation = true;
      return settle_nzcv(t);
    }
    if (reason == ExitReason::Reexecute) {
      t.exit_reason = static_cast<u32>(ExitReason::Lookup);
      g_statistics.fixups++;
      t.resume_by_interpretation = true;
      if (!step(cpu)) return;
      if (t.invalid_operations >= kMostInvalidOperations && !cpu.fp_checked) cpu.check_fp();
    }
  }
}

void guest_range_unmapped(u64 begin, u64 end) {
  LockGuard guard(translator_lock);
  set_executable(begin, end, false);
  g_statistics.invalidations += drop_translations(begin, end);
}

void recover_translations() {
  LockGuard guard(translator_lock);
  finish_killing();
}

void guest_range_executable(u64 begin, u64 end) {
  LockGuard guard(translator_lock);
  set_executable(begin, end, true);
}

void guest_code_replaced(u64 begin, u64 end) {
  LockGuard guard(translator_lock);
  replace_code(begin, end);
  g_statistics.invalidations += drop_translations(begin, end);
}

void guest_file_mapped(u64 begin, u64 end, const cache::GuestFile& file) {
  LockGuard guard(translator_lock);
  set_guest_file(begin, end, file);
}

void guest_code_modified(u64 begin, u64 end) {
  LockGuard guard(translator_lock);
  guest_files_changed(begin, end);
  g_statistics.invalidations += kill_translations(begin, end);
}

const Statistics& statistics() {
  LockGuard guard(translator_lock);
  g_statistics.translated_insns = sum_over_windows(&cache::Window::insns_translated);
  g_statistics.translated_bytes = sum_over_windows(&cache::Window::bytes);
  g_statistics.distinct_insns = sum_over_windows(&cache::Window::insns_distinct);
  g_statistics.published_regions = sum_over_windows(&cache::Window::regions_published);
  g_statistics.cached_windows = count_cached_windows();
  g_statistics.semantics_calls = 0;
  for (u64 calls : g_semantics_of) g_statistics.semantics_calls += calls;
  return g_statistics;
}

RowCount next_row(const RowCount* last) {
  RowCount next{};
  for (unsigned row = 0; row < static_cast<unsigned>(a64::Op::kCount); row++) {
    u64 calls = g_semantics_of[row];
    bool behind = !last || calls < last->calls || (calls == last->calls && row > last->row);
    if (behind && calls > next.calls) next = {row, calls, a64::kRows[row].name, a64_to_x64::kTemplates[row] != nullptr};
  }
  return next;
}

u64 guest_pc_of(u64 host_pc) {
  if (translator_lock.is_mine()) return 0;  // the crash is in the translator itself
  LockGuard guard(translator_lock);
  cache::Window* w = window_of_host(host_pc);
  cache::Place p;
  return w && locate(*w, host_pc, &p) ? p.guest_pc : 0;
}

}  // namespace grus::run
