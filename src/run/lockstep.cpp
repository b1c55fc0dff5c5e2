// SPDX-License-Identifier: MIT
// One comparison: run the region's path by the semantics, recording what every store overwrites; undo the
// stores; run the translated code from the same registers; compare. Regions are translated without backward
// branches, calls and jumps to other regions (RegionBuilder::set_lockstep), so both take one short path
// upwards that ends at the same place.
//
// NZCV: where a path overwrites them before it reads them, the translated code begins with the opposite of what the semantics end
// with. So they agree at the end only if it kept them, and whether it did does not depend on luck. Where it has not, it takes
// them to be dead: then whoever reads them next, an instruction or a system call, is what the report is about.
#include "run/lockstep.h"

#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "guest/aarch64/disasm.h"
#include "run/code_map.h"
#include "run/execute.h"

extern "C" [[gnu::visibility("hidden")]] void grus_enter(grus::run::ThreadState* t, grus::u64 host);

namespace grus::run {

using a64::CpuState;
using a64::ExceptionKind;
using a64::Flow;

namespace {

Lock g_lock;  // taken before translator_lock
unsigned g_region_insns;
LockstepCounts g_counts;

/* -- Stores of the semantics
 * ------------------------------------------------------------------------------------------ */

struct Store {
  u64 addr, size, old, fresh;
};
constexpr unsigned kMaxStores = 2048;  // 96 instructions of at most 64 bytes
[[gnu::section(".bss.tables")]] Store g_stores[kMaxStores];
unsigned g_store_count;
u64 g_stack_low,
    g_stack_high;  // of the thread that runs semantics: other threads' system calls store as well

void record_store(u64 addr, size_t size) {
  u64 here = ptr(__builtin_frame_address(0));
  if (here < g_stack_low || here >= g_stack_high) return;
  while (size) {
    CHECK(g_store_count < kMaxStores);
    size_t n = size < 8 ? size : 8;
    Store& s = g_stores[g_store_count];
    s = Store{addr, n, 0, 0};
    // What cannot be read cannot be written either: the store itself is about to fault.
    if (!copy_from_guest(&s.old, GuestAddr(addr), n)) g_store_count++;
    addr += n;
    size -= n;
  }
}

void begin_recording() {
  g_store_count = 0;
  g_stack_high = ptr(__builtin_frame_address(0)) + 256;
  g_stack_low = g_stack_high - (64 << 10);
  guest_store_hook = record_store;
}

void end_recording() {
  guest_store_hook = nullptr;
  for (unsigned i = 0; i < g_store_count; i++)
    if (copy_from_guest(&g_stores[i].fresh, GuestAddr(g_stores[i].addr), g_stores[i].size))
      g_stores[i].size = 0;
}

// A fault can only be that of the semantics' own store, which changed nothing.
void put(const Store& s, const u64& value) {
  if (copy_to_guest(GuestAddr(s.addr), &value, s.size)) return;
}
void undo_stores() {
  for (unsigned i = g_store_count; i-- > 0;) put(g_stores[i], g_stores[i].old);
}

/* -- What belongs to a region
 * ----------------------------------------------------------------------------------------- */

struct Code {
  u64 key;  // host address of the region
  u64 count;
  u64* pcs;  // ascending
  bool contains(u64 pc) const {
    u64 low = 0, high = count;
    while (low < high) {
      u64 mid = (low + high) / 2;
      if (pcs[mid] < pc)
        low = mid + 1;
      else
        high = mid;
    }
    return low < count && pcs[low] == pc;
  }
};
constexpr u64 kCodes = u64{1} << 21;
Code* g_codes;  // open addressing

// Its way out has the place and the target of one that stands behind it. Where it is one, this costs nothing: both sides stop there.
bool branches_to_itself(u64 pc) {
  u32 word;
  if (load_guest(GuestAddr(pc), &word)) return false;
  if ((word & 0x7e000000) == 0x36000000) return !(word >> 5 & 0x3fff);                                      // TBZ, TBNZ
  if ((word & 0x7e000000) == 0x34000000 || word >> 24 == 0x54) return !(word >> 5 & 0x7ffff);  // CBZ, CBNZ, B.cond
  return word == 0x14000000;
}

const Code& code_of(u64 host) {
  if (!g_codes) g_codes = static_cast<Code*>(map_engine_pages(kCodes * sizeof(Code)));
  CHECK(g_codes != nullptr);
  LockGuard guard(translator_lock);
  cache::Window* w = window_of_host(host);
  cache::Region* r = w ? w->region_of_host(host) : nullptr;
  CHECK(r != nullptr);
  u64 key = ptr(w->code) + r->host_begin;
  u64 at = key * 0x9e3779b97f4a7c15 >> 43;
  static_assert(kCodes == u64{1} << (64 - 43));
  for (; g_codes[at].key != key; at = (at + 1) % kCodes) {
    if (g_codes[at].key) continue;
    // From its record, which is all that there is of a region from the cache.
    Code& c = g_codes[at];
    c.key = key;
    c.pcs = static_cast<u64*>(engine_alloc(8 * r->mark_count));
    for (u32 i = 0; i < r->mark_count; i++) {
      const cache::InsnMark& m = r->marks()[i];
      u64 pc = w->guest_begin + u64{4} * (r->guest_low + m.guest);
      if (m.inside || (r->is_way_out(i) && !branches_to_itself(pc))) continue;
      u64 k = c.count++;
      for (; k > 0 && c.pcs[k - 1] > pc; k--) c.pcs[k] = c.pcs[k - 1];
      c.pcs[k] = pc;
    }
    CHECK(++g_counts.regions < kCodes / 2);
    return c;
  }
  return g_codes[at];
}

/* -- The semantics' side
 * ---------------------------------------------------------------------------------------------- */

struct Path {
  u64 pc[a64_to_x64::kMaxRegionInsns + 1];
  u32 word[a64_to_x64::kMaxRegionInsns + 1];
  unsigned count;
  bool clock;
  bool reads_nzcv, writes_nzcv;  // reads: what the path began with
};
[[gnu::section(".bss.tables")]] Path g_path;

void add_to_path(u64 pc, u32 word) {
  a64::RowTraits traits = a64::kTraits[static_cast<unsigned>(a64::decode(word))];
  g_path.pc[g_path.count] = pc;
  g_path.word[g_path.count++] = word;
  g_path.reads_nzcv |= traits.reads_nzcv() && !g_path.writes_nzcv;
  g_path.writes_nzcv |= traits.writes_nzcv();
}

// From cpu.pc to where the region's translation leaves, or before `stop`, at most `most` instructions.
void run_path(CpuState& cpu, const Code& code, u64 stop, unsigned most) {
  g_path.count = 0;
  g_path.clock = g_path.reads_nzcv = g_path.writes_nzcv = false;
  cpu.exception.kind = ExceptionKind::None;
  while (g_path.count < most) {
    u64 pc = cpu.pc;
    if (g_path.count && (pc <= g_path.pc[g_path.count - 1] || !code.contains(pc))) break;
    if (pc == stop) break;
    u32 word;
    if (load_guest(GuestAddr(pc), &word)) break;  // unmapped by another thread since it was translated
    a64::Op op = a64::decode(word);
    add_to_path(pc, word);
    g_path.clock |= op == a64::Op::MRS_CNTVCT_EL0 || op == a64::Op::HVC;
    run_row(cpu, a64::Insn{word, op});
    if (cpu.exception.kind != ExceptionKind::None) break;
    Flow flow = a64::kRows[static_cast<unsigned>(op)].flow;
    if (flow == Flow::Call || flow == Flow::IndirectCall || flow == Flow::Indirect || flow == Flow::Ret)
      break;
  }
}

bool on_path(u64 pc) {
  for (unsigned i = 0; i < g_path.count; i++)
    if (g_path.pc[i] == pc) return true;
  return false;
}

/* -- The comparison
 * --------------------------------------------------------------------------------------------------- */

constexpr unsigned kOne = ~0u;  // there is only one of this name

// What became of the translated side's NZCV since the thread was last outside.
struct Nzcv {
  bool lost;       // taken to be dead
  u64 from, host;  // by this region: its first instruction's pc, its host code
};

struct Report {
  const CpuState* before;
  u64 host;
  bool begun;

  void begin() {
    if (begun) return;
    begun = true;
    log_raw("grus: lockstep: translated code differs from the semantics, pid %u, host code 0x%lx, after\n",
            static_cast<unsigned>(host_syscall(__NR_getpid)), host);
    for (unsigned i = 0; i < g_path.count; i++) {
      char text[a64::kDisassemblySize];
      a64::disassemble(g_path.word[i], g_path.pc[i], text, sizeof text);
      log_raw("  %lx: %08x  %s\n", g_path.pc[i], g_path.word[i], text);
    }
  }
  [[noreturn]] void die() {
    log_raw(
        "registers before (nzcv %x; fpcr %x fpsr %x):\n", before->nzcv(),
        before->fpcr, before->fpsr);
    for (unsigned i = 0; i < 31; i++) log_raw("  x%u=%lx%s", i, before->x[i], i % 6 == 5 ? "\n" : "");
    log_raw("  sp=%lx\n", before->sp);
    for (unsigned i = 0; i < 32; i++)
      log_raw("  v%u=%016lx_%016lx%s", i, before->v[i].d[1], before->v[i].d[0], i % 3 == 2 ? "\n" : "");
    log_raw("\n");
    host_syscall(__NR_exit_group, static_cast<u64>(kLockstepStatus));
    __builtin_unreachable();
  }
  void value(const char* name, unsigned number, u64 semantics, u64 translated) {
    if (semantics == translated) return;
    begin();
    char index[24] = "";
    if (number != kOne) format_to(index, sizeof index, "%u", number);
    log_raw("%s%s: semantics %lx, translated %lx\n", name, index, semantics, translated);
  }
};

void compare_memory(Report& report) {
  for (unsigned i = 0; i < g_store_count; i++) {
    const Store& m = g_stores[i];
    u64 now = 0;
    if (!m.size || copy_from_guest(&now, GuestAddr(m.addr), m.size) || now == m.fresh) continue;
    report.begin();
    log_raw("memory at %lx, %lu bytes: was %lx, semantics %lx, translated %lx\n", m.addr, m.size, m.old,
            m.fresh, now);
  }
}

// `s` and `t` after the same path. Dies when they differ.
void compare(Report& report, CpuState& s, CpuState& t, bool exceptions) {
  bool before_checked = report.before->fp_checked;
  report.value("pc", kOne, s.pc, t.pc);
  for (unsigned i = 0; i < 31; i++) report.value("x", i, s.x[i], t.x[i]);
  report.value("sp", kOne, s.sp, t.sp);
  for (unsigned i = 0; i < 32; i++) {
    report.value("low half of v", i, s.v[i].d[0], t.v[i].d[0]);
    report.value("high half of v", i, s.v[i].d[1], t.v[i].d[1]);
  }
  report.value("tpidr_el0", kOne, s.tpidr_el0, t.tpidr_el0);
  report.value("fpcr", kOne, s.fpcr, t.fpcr);
  // Context Trapping does not look for every underflow (translate/a64_to_x64/fp.h).
  constexpr u32 kUnderflow = 8;
  u32 unknown = before_checked ? 0 : s.fpsr_merged() & kUnderflow;
  report.value("fpsr", kOne, s.fpsr_merged(), t.fpsr_merged() | unknown);
  report.value("exclusive size", kOne, s.exclusive_size, t.exclusive_size);
  if (s.exclusive_size) {
    report.value("exclusive address", kOne, s.exclusive_addr, t.exclusive_addr);
    u64 mask = s.exclusive_size >= 8 ? ~u64{0} : (u64{1} << 8 * s.exclusive_size) - 1;
    report.value("exclusive value ", 0, s.exclusive_value[0] & mask, t.exclusive_value[0] & mask);
    if (s.exclusive_size == 16)
      report.value("exclusive value ", 1, s.exclusive_value[1], t.exclusive_value[1]);
  }
  if (exceptions) {
    report.value("exception kind", kOne, static_cast<u64>(s.exception.kind),
                 static_cast<u64>(t.exception.kind));
    if (s.exception.kind == ExceptionKind::CacheInvalidate)
      report.value("exception address", kOne, s.exception.addr, t.exception.addr);
  }
  compare_memory(report);
  if (report.begun) report.die();
}

// The instruction at pc, which the translated code left to its semantics: a fault, or an operation that the host calls invalid. So do
// execute() and this, each side from its own registers: what the instruction overwrites without reading it may be gone already
// (translate/a64_to_x64/fp.h computes in the destination).
void compare_reexecuted(Report& report, CpuState& s, CpuState& t) {
  compare_memory(report);
  report.value("pc", kOne, s.pc, t.pc);
  u32 word;
  if (report.begun) report.die();
  if (load_guest(GuestAddr(s.pc), &word)) return;  // unmapped by another thread
  a64::Insn insn{word, a64::decode(word)};
  add_to_path(s.pc, word);
  if (a64::kTraits[static_cast<unsigned>(insn.op)].reads_nzcv()) report.value("nzcv", kOne, s.nzcv(), t.nzcv());
  begin_recording();
  run_row(s, insn);
  end_recording();
  undo_stores();
  run_row(t, insn);
  compare(report, s, t, true);
}

// Somebody reads NZCV at the path's end or on it.
void check_kept(Report& report, const Nzcv& nzcv, const char* reader) {
  if (!nzcv.lost) return;
  report.begin();
  log_raw("nzcv: %s reads what translated code took to be dead: the region at %lx, host code 0x%lx\n", reader, nzcv.from, nzcv.host);
  report.die();
}

u16 nzcv_opposite(const CpuState& cpu) {
  CpuState image;
  image.set_nzcv(~cpu.nzcv() & 15);
  return image.nzcv_image;
}

// One region. false: cpu.exception is set.
bool compare_region(ThreadState& t, Nzcv& nzcv) {
  CpuState& cpu = t.cpu;
  u64 host = entry_for(t);
  if (!host) return false;
  const Code& code = code_of(host);
  [[gnu::section(".bss.tables")]] static CpuState before, semantics;  // under g_lock
  before = cpu;
  Report report{&before, host, false};

  begin_recording();
  run_path(cpu, code, 0, a64_to_x64::kMaxRegionInsns);
  end_recording();
  if (g_path.reads_nzcv) check_kept(report, nzcv, "this");
  if (g_path.clock) {
    g_counts.skipped += g_path.count;
    if (g_path.writes_nzcv) nzcv.lost = false;
    return cpu.exception.kind == ExceptionKind::None;
  }
  semantics = cpu;
  undo_stores();

  cpu = before;
  if (g_path.writes_nzcv && !g_path.reads_nzcv) cpu.nzcv_image = nzcv_opposite(semantics);
  const unsigned entered = cpu.nzcv();
  t.exit_reason = static_cast<u32>(ExitReason::Lookup);
  t.return_sp = t.return_base;
  grus_enter(&t, host);
  ExitReason reason = static_cast<ExitReason>(t.exit_reason);
  t.exit_reason = static_cast<u32>(ExitReason::Lookup);
  t.resume_by_interpretation = false;

  // The path goes upwards: an instruction on it that was interrupted was met for the first time, even if the
  // path's end leads back to it.
  bool early = reason == ExitReason::Interrupted || reason == ExitReason::Reexecute || cpu.pc != semantics.pc;
  if (early && on_path(cpu.pc)) {
    // Left on the way: a signal, an instruction that ends translated code, a fault that the host alone sees.
    // Compare there.
    [[gnu::section(".bss.tables")]] static CpuState left;
    left = cpu;
    // The translated code wrote part of what the semantics did; all of it is in the list.
    [[gnu::section(".bss.tables")]] static Store written[kMaxStores];
    unsigned count = g_store_count;
    for (unsigned i = 0; i < count; i++) {
      written[i] = g_stores[i];
      if (copy_from_guest(&written[i].fresh, GuestAddr(written[i].addr), written[i].size))
        written[i].size = 0;
    }
    undo_stores();
    cpu = before;
    begin_recording();
    run_path(cpu, code, left.pc, a64_to_x64::kMaxRegionInsns);
    end_recording();
    semantics = cpu;
    undo_stores();
    for (unsigned i = 0; i < count; i++) put(written[i], written[i].fresh);
    cpu = left;
  }
  g_counts.compared += g_path.count;
  if (reason == ExitReason::Reexecute) {
    compare_reexecuted(report, semantics, cpu);
    g_counts.skipped++;
  } else {
    compare(report, semantics, cpu, reason == ExitReason::Exception);
  }
  bool kept = cpu.nzcv() == (g_path.writes_nzcv ? semantics.nzcv() : entered);
  if (g_path.writes_nzcv) (kept ? g_counts.nzcv_compared : g_counts.nzcv_dead)++;
  if (!kept || g_path.writes_nzcv) nzcv = Nzcv{!kept, before.pc, host};
  cpu = semantics;
  if (cpu.exception.kind == ExceptionKind::Supervisor) check_kept(report, nzcv, "the system call");
  return cpu.exception.kind == ExceptionKind::None;
}

}  // namespace

void set_lockstep(unsigned region_insns) {
  g_region_insns = region_insns;
  region_builder().set_lockstep(region_insns);
}
unsigned lockstep_region_insns() { return g_region_insns; }
bool lockstep() { return g_region_insns != 0; }
const LockstepCounts& lockstep_counts() { return g_counts; }

void register_lockstep_lock() { register_lock(LockOrder::Lockstep, g_lock); }

void execute_in_lockstep(ThreadState& t) {
  // Whoever changed registers since we left (a system call, a signal frame) changed them for both sides.
  Nzcv nzcv{};
  while (!t.interrupt) {
    LockGuard guard(g_lock);
    if (t.cpu.sp & 15) {  // by semantics alone, as execute() does
      if (!step(t.cpu)) return;
      nzcv = Nzcv{};
      g_counts.skipped++;
      continue;
    }
    if (!compare_region(t, nzcv)) return;
  }
}

}  // namespace grus::run
