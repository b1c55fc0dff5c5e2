// SPDX-License-Identifier: MIT
// The architectural state of one AArch64 EL0 thread, as the semantics and the translator share it.
//
// Guarantees: plain data, no pointers into the engine, usable in ordinary test programs. The general registers lie
// first and together, so that a state pointer biased to x16 reaches every one of them with an 8-bit displacement.
// While translated code runs, registers with a host home (translate/a64_to_x64/homes.h) are stale here; the stubs
// that leave translated code write them back before any C++ sees this structure.
#pragma once
#include <cstring>

#include "base/types.h"
#include "guest/aarch64/exclusive_version.h"

namespace grus::a64 {

// One 128-bit vector register. Lanes are little endian: lane 0 is the least significant.
struct alignas(16) Vec {
  u64 d[2];
  template <typename T>
  T get(unsigned lane) const {
    T r;
    __builtin_memcpy(&r, reinterpret_cast<const char*>(d) + lane * sizeof(T), sizeof(T));
    return r;
  }
  template <typename T>
  void set(unsigned lane, T value) {
    __builtin_memcpy(reinterpret_cast<char*>(d) + lane * sizeof(T), &value, sizeof(T));
  }
};

// Why an instruction did not simply complete. `None` means: registers are committed, pc is `next_pc`.
// For every other kind nothing was committed and pc still names the instruction, except where said.
enum class ExceptionKind : u8 {
  None,
  DataAbort,         // addr, write, sig, code (SIGSEGV or SIGBUS as the host kernel reported them); imm 1: SP is misaligned
  InstructionAbort,  // fetch from addr failed: sig, code
  Undefined,         // SIGILL, ILL_ILLOPC
  Breakpoint,        // BRK #imm: SIGTRAP, TRAP_BRKPT
  Supervisor,        // SVC #imm: committed, pc already behind the instruction
  PcAlignment,       // branch to a misaligned pc: SIGBUS, BUS_ADRALN
  CacheInvalidate,   // IC IVAU: committed; code at the 64-byte line of addr may have changed
  FpContextChange,   // FPCR or FPSR was accessed such that translated code must be looked up anew: committed
};

struct Exception {
  ExceptionKind kind;
  bool write;
  u8 sig, code;
  u32 imm;
  u64 addr;
};

inline constexpr u64 kDczid = 4;  // DCZID_EL0: DC ZVA allowed, 2^4 words
inline constexpr u64 kZvaSize = 64;
inline constexpr u32 kFpcrAHP = 1u << 26, kFpcrDN = 1u << 25, kFpcrFZ = 1u << 24, kFpcrFZ16 = 1u << 19;
inline constexpr unsigned kFpcrRModeShift = 22;
inline constexpr u32 kFpsrIOC = 1, kFpsrDZC = 2, kFpsrOFC = 4, kFpsrUFC = 8, kFpsrIXC = 16, kFpsrIDC = 128,
                     kFpsrQC = 1u << 27;
// The bits of FPCR that exist for us: no trap enables (RAZ/WI, as on most implementations), no NEP/AH/FIZ.
inline constexpr u32 kFpcrWritable = kFpcrAHP | kFpcrDN | kFpcrFZ | kFpcrFZ16 | (3u << kFpcrRModeShift);

// What translated code for floating point was made for. Trapping: FZ, DN, AHP and FZ16 are clear, and the host traps invalid
// operations (MXCSR.IM clear; IE is never left set). Semantics: any of them is set. Checked: as Trapping, but nothing traps and
// FPSR is exact at any time. See translate/a64_to_x64/fp.h.
enum class FpContext : u8 { Trapping, Semantics, Checked };
inline constexpr unsigned kFpContexts = 3;

struct alignas(64) CpuState {
  u64 x[31];
  u64 sp;
  u64 pc;
  u64 next_pc;  // set to pc + 4 before a semantics function runs; branches overwrite it

  // NZCV as translated code keeps it: low byte OF (0 or 1), high byte LAHF's image with SF, ZF and CF, where CF is
  // a borrow (the inverse of the guest's C). Use nzcv() and set_nzcv().
  u16 nzcv_image;
  FpContext fp_context;
  bool fp_checked;  // Checked instead of Trapping from now on
  u32 fpcr;
  u32 fpsr;   // cumulative flags; while translated code runs, MXCSR may hold more (see fpsr_merged)
  u32 mxcsr;  // the guest's MXCSR while C++ runs: rounding mode of fpcr, sticky flags not yet merged into fpsr

  u64 tpidr_el0;

  // The local exclusive monitor: address, size in bytes (0 = open) and the value that was loaded; see exclusive_version below.
  u64 exclusive_addr;
  u64 exclusive_value[2];
  u32 exclusive_size;

  Exception exception;

  Vec v[32];

  // Of exclusive_addr (exclusive_version.h): what it was before the value was loaded, and whether this thread is inside of a store.
  u32 exclusive_version;
  u32 exclusive_held;

  // Register 31 is the zero register in these...
  u64 X(unsigned n) const { return n == 31 ? 0 : x[n]; }
  u32 W(unsigned n) const { return static_cast<u32>(X(n)); }
  void set_X(unsigned n, u64 value) {
    if (n != 31) x[n] = value;
  }
  void set_W(unsigned n, u32 value) { set_X(n, value); }
  // ... and the stack pointer in these.
  u64 XSP(unsigned n) const { return n == 31 ? sp : x[n]; }
  void set_XSP(unsigned n, u64 value) {
    if (n == 31)
      sp = value;
    else
      x[n] = value;
  }

  // NZCV in the low four bits, N highest.
  unsigned nzcv() const {
    unsigned ah = nzcv_image >> 8;
    return ((ah >> 7) & 1) << 3 | ((ah >> 6) & 1) << 2 | ((ah & 1) ^ 1) << 1 | (nzcv_image & 1);
  }
  void set_nzcv(unsigned nzcv) {
    unsigned ah = ((nzcv >> 3) & 1) << 7 | ((nzcv >> 2) & 1) << 6 | 2 | (((nzcv >> 1) & 1) ^ 1);
    nzcv_image = static_cast<u16>(ah << 8 | (nzcv & 1));
  }

  // The exceptions that MXCSR collected since the last merge belong to FPSR: IE->IOC, ZE->DZC, OE->OFC, UE->UFC,
  // PE->IXC. x86's DE has no counterpart (IDC is only raised under FZ, which translated code does not run under).
  u32 fpsr_merged() {
    u32 m = mxcsr;
    fpsr |= (m & 1) | ((m >> 2) & 1) << 1 | ((m >> 3) & 1) << 2 | ((m >> 4) & 1) << 3 | ((m >> 5) & 1) << 4;
    mxcsr = m & ~0x3fu;
    return fpsr;
  }
  void set_fpsr(u32 value) {
    mxcsr &= ~0x3fu;
    fpsr = value & (kFpsrQC | kFpsrIDC | 0x1f);
  }
  // Arm's RMode counts N, P, M, Z; MXCSR.RC counts N, M, P, Z.
  void set_fpcr(u32 value) {
    fpcr = value & kFpcrWritable;
    bool special = fpcr & (kFpcrAHP | kFpcrDN | kFpcrFZ | kFpcrFZ16);
    fp_context = special ? FpContext::Semantics : fp_checked ? FpContext::Checked : FpContext::Trapping;
    unsigned rm = (fpcr >> kFpcrRModeShift) & 3;
    unsigned rc = ((rm & 1) << 1) | (rm >> 1);
    fpsr_merged();
    mxcsr = (fp_context == FpContext::Trapping ? 0x1f00 : 0x1f80) | rc << 13;
  }
  void check_fp() {
    fp_checked = true;
    set_fpcr(fpcr);
  }

  void raise(ExceptionKind kind, u64 addr = 0, u32 imm = 0) {
    exception = Exception{kind, false, 0, 0, imm, addr};
  }
  void reset() {
    __builtin_memset(this, 0, sizeof *this);
    set_nzcv(0);
    set_fpcr(0);
  }
};

static_assert(offsetof(CpuState, x) == 0 && offsetof(CpuState, sp) == 31 * 8,
              "a disp8 from &x[16] must reach every general register");

}  // namespace grus::a64
