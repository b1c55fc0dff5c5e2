// SPDX-License-Identifier: MIT
// Host signals that arrive while translated code or the engine's guest-memory access runs.
//
// A handler never runs guest code and never decides what a fault means: it writes the registers back as they were before
// the interrupted instruction and makes the thread leave; execute() then runs that one instruction by its semantics, which
// either find the same fault in the architecture's terms (address, read or write) or succeed (a tagged pointer, which the host
// calls non-canonical). Asynchronous signals leave at an instruction boundary, reached by single steps.
#include "base/guest_memory.h"
#include "base/host_syscall.h"
#include "base/lock.h"
#include "cache/file.h"
#include "run/code_map.h"
#include "run/execute.h"
#include "translate/a64_to_x64/homes.h"

namespace grus::run {
namespace {

constexpr int kSigTrap = 5, kSigBus = 7, kSigFpe = 8, kSigSegv = 11;
constexpr int kBusAddressError = 2, kTrapTrace = 2, kSiKernel = 0x80;
constexpr u64 kTrapFlag = 1 << 8;

// The kernel's ucontext (arch/x86/include/uapi/asm/{ucontext,sigcontext}.h), as far as it is needed.
struct HostContext {
  u64 uc_flags, uc_link, stack[3];
  u64 r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
  u16 cs, gs, fs, ss;
  u64 err, trapno, oldmask, cr2;
  u8* fpstate;  // XSAVE image: MXCSR at 24, xmm0-15 at 160; and what vector_of says
};

struct HostSiginfo {
  i32 signo, err, code, pad;
  u64 addr;
};

extern "C" {
[[gnu::visibility("hidden")]] extern const char grus_enter[], grus_enter_begin[], grus_enter_end[], grus_semantics_begin[],
    grus_semantics_end[], grus_abort[], grus_leave_spilled[], grus_return_miss[], grus_call_semantics[];
extern const char __executable_start[], etext[];
}

bool in_engine(u64 rip) { return rip >= ptr(__executable_start) && rip < ptr(etext); }

u64 host_register(const HostContext& c, x64::Reg r) {
  const u64 by_number[16] = {c.ax, c.cx, c.dx, c.bx, c.sp, c.bp, c.si, c.di, c.r8, c.r9, c.r10, c.r11, c.r12, c.r13, c.r14, c.r15};
  return by_number[static_cast<unsigned>(r)];
}

// xmmN of the interrupted context. xmm16-31 are the low parts of a state component of its own, which may be absent: then they are
// zero (arch/x86/include/uapi/asm/sigcontext.h; SDM volume 1, 13.4.3, 13.5.5).
const u8* vector_of(const HostContext& c, unsigned n) {
  if (n < 16) return c.fpstate + 160 + 16 * n;
  constexpr u32 kExtended = 0x46505853, kHighVectors = 7;
  constexpr u64 kMagicAt = 464, kPresentAt = 512;
  static const u8 zero[16] = {};
  u32 magic;
  u64 present;
  __builtin_memcpy(&magic, c.fpstate + kMagicAt, sizeof magic);
  __builtin_memcpy(&present, c.fpstate + kPresentAt, sizeof present);
  CHECK(magic == kExtended);
  if (!(present >> kHighVectors & 1)) return zero;
  return c.fpstate + x64::high_vectors_offset() + 64 * (n - 16);
}

bool held_by_host(cache::FlagsForm form) { return form != cache::FlagsForm::Home && form != cache::FlagsForm::Unknown; }

// EFLAGS of the interrupted context as nzcv_image.
u16 flags_image(u64 eflags, cache::FlagsForm form) {
  unsigned ah = eflags & 0xff, of = eflags >> 11 & 1;
  if (form == cache::FlagsForm::Float || form == cache::FlagsForm::FloatSwapped) {
    bool unordered = eflags & 4, equal = eflags & 0x40, below = eflags & 1;
    unsigned nzcv = below == (form == cache::FlagsForm::Float) ? 8 : 2;
    a64::CpuState image;
    image.set_nzcv(unordered ? 3 : equal ? 6 : nzcv);
    return image.nzcv_image;
  }
  if (form == cache::FlagsForm::Add) ah ^= 1;
  if (form == cache::FlagsForm::Logic) {
    ah |= 1;
    of = 0;
  }
  return static_cast<u16>(ah << 8 | of);
}

// Writes the homes back, as the stubs' STORE_HOMES does, and makes the context continue at the exit.
void leave_from(ThreadState& t, HostContext& c, u64 pc, cache::FlagsForm form, ExitReason reason) {
  for (unsigned n = 0; n < 31; n++)
    if (a64_to_x64::kHomes[n] != x64::Reg::none) t.cpu.x[n] = host_register(c, a64_to_x64::kHomes[n]);
  t.cpu.sp = host_register(c, a64_to_x64::kHomes[a64_to_x64::kSP]);
  for (unsigned n = 0; n < 32; n++) {
    x64::Xmm home = a64_to_x64::vector_home(n);
    if (home != x64::Xmm::none) __builtin_memcpy(&t.cpu.v[n], vector_of(c, static_cast<unsigned>(home)), 16);
  }
  __builtin_memcpy(&t.cpu.mxcsr, c.fpstate + 24, 4);
  t.nzcv_unknown = form == cache::FlagsForm::Unknown;
  if (held_by_host(form)) t.cpu.nzcv_image = flags_image(c.flags, form);
  t.cpu.pc = pc;
  t.return_sp = c.sp;
  t.exit_reason = static_cast<u32>(reason);
  t.stepping = false;
  c.bp = ptr(&t) + kStateBias;
  c.flags &= ~kTrapFlag;
  c.ip = ptr(grus_leave_spilled);
}

void abandon(ThreadState& t, HostContext& c) {
  c.bp = ptr(&t) + kStateBias;
  c.flags &= ~kTrapFlag;
  t.stepping = false;
  c.ip = ptr(grus_abort);
}

bool place_of(u64 rip, cache::Place* place) {
  // The host's vDSO, called under the lock: not translated code, and nothing to wait for.
  if (translator_lock.is_mine()) return false;
  LockGuard guard(translator_lock);
  cache::Window* w = window_of_host(rip);
  return w && cache::locate(*w, rip, place);
}

}  // namespace

bool behind_system_call(u64 rip) {
  constexpr u16 kSyscall = 0x050f;
  u16 before;
  if (!in_engine(rip) || !in_engine(rip - sizeof before)) return false;
  __builtin_memcpy(&before, reinterpret_cast<const void*>(rip - sizeof before), sizeof before);
  return before == kSyscall;
}

bool is_between_instructions(u64 rip) {
  if (in_engine(rip)) return rip < ptr(grus_enter) || rip >= ptr(grus_semantics_end);
  cache::Place place;
  return !place_of(rip, &place) || (place.boundary && !place.cold && !place.landing);
}

void registers_of(const ThreadState& t, const HostRegisters& h, a64::CpuState* out) {
  *out = t.cpu;
  cache::Place place;
  if (in_engine(h.rip) || !place_of(h.rip, &place)) return;
  const u64 by_number[16] = {h.rax, h.rcx, h.rdx, h.rbx, h.rsp, h.rbp, h.rsi, h.rdi, h.r8, h.r9, h.r10, h.r11, h.r12, h.r13, h.r14, h.r15};
  for (unsigned n = 0; n < 33; n++) {
    if (a64_to_x64::kHomes[n] == x64::Reg::none) continue;
    (n == a64_to_x64::kSP ? out->sp : out->x[n]) = by_number[static_cast<unsigned>(a64_to_x64::kHomes[n])];
  }
  out->pc = place.guest_pc;
  if (held_by_host(place.flags)) out->nzcv_image = flags_image(h.eflags, place.flags);
}

void interrupt(ThreadState& t, void* host_context) {
  HostContext& c = *static_cast<HostContext*>(host_context);
  if ((c.ip >= ptr(grus_enter_begin) && c.ip < ptr(grus_enter_end)) ||
      (c.ip >= ptr(grus_semantics_begin) && c.ip < ptr(grus_semantics_end)))
    return abandon(t, c);
  // The stubs that go back to translated code without looking at `interrupt`.
  if (c.ip >= ptr(grus_return_miss) && c.ip < ptr(grus_call_semantics)) {
    c.flags |= kTrapFlag;
    t.stepping = true;
    return;
  }
  cache::Place place;
  if (in_engine(c.ip) || !place_of(c.ip, &place)) {
    // C++, which looks at `interrupt` on its way; or the host's vDSO on behalf of it.
    c.flags &= ~kTrapFlag;
    t.stepping = false;
    return;
  }
  if (place.boundary && !place.cold && !place.landing)
    return leave_from(t, c, place.guest_pc, place.flags, ExitReason::Interrupted);
  c.flags |= kTrapFlag;
  t.stepping = true;
}

void undo_lost_trap(void* host_context) {
  HostContext& c = *static_cast<HostContext*>(host_context);
  constexpr u8 kInt3 = 0xcc;
  cache::Place place;
  if (in_engine(c.ip) || !place_of(c.ip - 1, &place) || !place.region->dead || place.cold) return;
  if (*reinterpret_cast<const u8*>(c.ip - 1) == kInt3) c.ip--;
}

bool handle_host_fault(ThreadState& t, int sig, const void* siginfo, void* host_context) {
  HostContext& c = *static_cast<HostContext*>(host_context);
  const HostSiginfo& info = *static_cast<const HostSiginfo*>(siginfo);
  if (sig == kSigSegv || sig == kSigBus) {
    // Non-canonical: nothing is mapped there (SEGV_MAPERR). x86 tells by #GP, or by #SS where the base happens to be rbp or rsp, of
    // which the kernel makes SIGBUS (arch/x86/kernel/traps.c, exc_stack_segment).
    const bool non_canonical = info.code == kSiKernel;
    if (guest_memory_fixup(&c.ip, &c.ax, &c.dx, non_canonical ? kSigSegv : sig, non_canonical ? 1 : info.code,
                           non_canonical ? 0 : info.addr))
      return true;
  }
  if (sig == kSigTrap && info.code == kTrapTrace && t.stepping) {
    interrupt(t, host_context);
    return true;
  }
  // The arena is backed by memory, but for the cache's files.
  if (sig == kSigBus && info.code == kBusAddressError && in_engine(c.ip) && cache::replace_lost_page(info.addr)) return true;
  if (in_engine(c.ip)) return false;
  // The prediction stack ran over: it starts anew, older predictions miss and find their way by lookup.
  if (sig == kSigSegv && info.addr < t.return_limit && info.addr >= t.return_limit - kGuestPageSize) {
    c.sp = t.return_base;
    return true;
  }
  cache::Place place;
  if (sig == kSigTrap) {
    if (!place_of(c.ip - 1, &place) || !place.region->dead || place.cold) return false;
    if (place.landing) c.sp += 8;
    c.ip--;
    clear_lookup(t);
    // Whoever jumped here may have meant the NOP that another thread has just made a branch (Java's entry points).
    leave_from(t, c, place.landing ? place.guest_pc : place.entry_pc, place.flags, ExitReason::Lookup);
    return true;
  }
  if (!place_of(c.ip, &place) || place.cold) return false;
  leave_from(t, c, place.guest_pc, place.flags, ExitReason::Reexecute);
  if (sig == kSigFpe) {
    // The host calls the operation invalid and has written nothing; what it is for the guest, the semantics say.
    constexpr u32 kInvalid = 1;
    t.cpu.mxcsr &= ~kInvalid;
    t.invalid_operations++;
  }
  return true;
}

}  // namespace grus::run
