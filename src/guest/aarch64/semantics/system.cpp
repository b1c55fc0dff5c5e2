// SPDX-License-Identifier: MIT
// Hints, barriers, system registers and cache maintenance, as EL0 sees them under Linux on a Neoverse N1.
//
// What Linux makes trap and does not emulate is Undefined here, with the reason beside it. The ID registers
// show what we execute and nothing more, in the form in which the kernel lets EL0 read them
// (arch/arm64/kernel/cpufeature.c, emulate_sys_reg() and the FTR_VISIBLE fields; hidden fields read as their
// safe values).
#include "access.h"
#include "base/clock.h"

namespace grus::a64::semantics {
namespace {

void undefined(CpuState& cpu) { cpu.raise(ExceptionKind::Undefined); }

// op0..op2 as the assembler writes them: S<op0>_<op1>_C<crn>_C<crm>_<op2>.
constexpr u32 sysreg(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2) {
  return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}
u32 sysreg(Insn i) { return sysreg(2 + i.o0(), i.op1(), i.CRn(), i.CRm(), i.op2()); }

constexpr u64 kMidrNeoverseN1 = 0x413fd0c1;  // r3p1, the part every N1 server reports
constexpr u64 kMpidrSafe = u64{1} << 31;     // SYS_MPIDR_SAFE_VAL: affinity is hidden from EL0

// FP and AdvSIMD = 1: with half precision. EL1 and EL0 = 1: AArch64 only.
constexpr u64 kIdAa64Pfr0 = 1u << 20 | 1u << 16 | 1u << 4 | 1u << 0;
// DP = 1, RDM = 1, Atomic = 2 (LSE), CRC32 = 1, SHA2 = 1 (SHA256), SHA1 = 1, AES = 2 (with PMULL).
constexpr u64 kIdAa64Isar0 = u64{1} << 44 | 1u << 28 | 2u << 20 | 1u << 16 | 1u << 12 | 1u << 8 | 2u << 4;
// LRCPC = 1, DPB = 1 (DC CVAP).
constexpr u64 kIdAa64Isar1 = 1u << 20 | 1u << 0;
// All hidden: DebugVer = 6, no translation granule claimed.
constexpr u64 kIdAa64Dfr0 = 6;
constexpr u64 kIdAa64Mmfr0 = 0x111ff000000;

// CTR_EL0: IDC = 1, DIC = 0, CWG = ERG = 64 bytes, D and I lines of 64 bytes, PIPT. DIC must be 0 whatever N1
// says: we need the guest's IC IVAU to learn of new code.
constexpr u64 kCtr = 1u << 31 | 1u << 28 | 4u << 24 | 4u << 20 | 4u << 16 | 3u << 14 | 4u << 0;
constexpr u64 kCounterFrequency = 1'000'000'000;

// What emulate_sys_reg() answers for op0 = 3, op1 = 0, CRn = 0; false when the kernel sends SIGILL.
bool id_register(unsigned crm, unsigned op2, u64* value) {
  *value = 0;  // registers that are reserved, AArch32's (no AArch32 here), or all hidden
  switch (crm) {
    case 0:
      if (op2 == 0) return *value = kMidrNeoverseN1, true;
      if (op2 == 5) return *value = kMpidrSafe, true;
      return op2 == 6;  // REVIDR_EL1 reads as zero; the others are not emulated
    case 2:
    case 3:
      return true;
    case 4:
      if (op2 == 0) *value = kIdAa64Pfr0;
      return true;
    case 5:
      if (op2 == 0) *value = kIdAa64Dfr0;
      return true;
    case 6:
      if (op2 == 0) *value = kIdAa64Isar0;
      if (op2 == 1) *value = kIdAa64Isar1;
      return true;
    case 7:
      if (op2 == 0) *value = kIdAa64Mmfr0;
      return true;
    default:
      return false;
  }
}

bool read_system_register(CpuState& cpu, Insn i, u64* value) {
  if (i.o0() == 1 && i.op1() == 0 && i.CRn() == 0) return id_register(i.CRm(), i.op2(), value);
  switch (sysreg(i)) {
    case sysreg(3, 3, 0, 0, 1):
      return *value = kCtr, true;  // CTR_EL0
    case sysreg(3, 3, 0, 0, 7):
      return *value = kDczid, true;  // DCZID_EL0
    case sysreg(3, 3, 13, 0, 3):
      return *value = 0, true;  // TPIDRRO_EL0: Linux leaves 0 in it
    case sysreg(3, 3, 14, 0, 0):
      return *value = kCounterFrequency, true;  // CNTFRQ_EL0
    case sysreg(3, 3, 9, 14, 0):
      return *value = 0, true;  // PMUSERENR_EL0: counters are off
    // Undefined: CNTPCT_EL0 and the timers (CNTKCTL_EL1 gives EL0 the virtual counter only), DAIF
    // (SCTLR_EL1.UMA = 0), the performance counters (PMUSERENR_EL0 = 0), DBGDTR (MDSCR_EL1.TDCC = 1), DIT,
    // SSBS, TCO, RNDR, SCXTNUM, TPIDR2 (not implemented), CurrentEL and everything of EL1 and above.
    default:
      return false;
  }
}

// Cache maintenance by address needs a readable address (permission fault otherwise); the data is coherent
// for us.
void check_readable(CpuState& cpu, Insn i) {
  u8 ignored;
  (void)read_memory(cpu, cpu.X(i.Rt()), &ignored);
}

}  // namespace

void HINT(CpuState& cpu, Insn i) {}

void DSB(CpuState& cpu, Insn i) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void DMB(CpuState& cpu, Insn i) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void ISB(CpuState& cpu, Insn i) {}  // code that changed is gone since IC IVAU
void CLREX(CpuState& cpu, Insn i) { cpu.exclusive_size = 0; }

void MSR_imm(CpuState& cpu, Insn i) { undefined(cpu); }
void SYS(CpuState& cpu, Insn i) { undefined(cpu); }
void SYSL(CpuState& cpu, Insn i) { undefined(cpu); }
void MSR_reg(CpuState& cpu, Insn i) {
  undefined(cpu);
}  // the registers that EL0 may write have rows of their own

void MRS(CpuState& cpu, Insn i) {
  u64 value;
  if (!read_system_register(cpu, i, &value)) return undefined(cpu);
  cpu.set_X(i.Rt(), value);
}

void MRS_NZCV(CpuState& cpu, Insn i) { cpu.set_X(i.Rt(), static_cast<u64>(cpu.nzcv()) << 28); }
void MSR_NZCV(CpuState& cpu, Insn i) { cpu.set_nzcv(cpu.X(i.Rt()) >> 28 & 15); }
void MRS_FPCR(CpuState& cpu, Insn i) { cpu.set_X(i.Rt(), cpu.fpcr); }
void MSR_FPCR(CpuState& cpu, Insn i) {
  FpContext before = cpu.fp_context;
  cpu.set_fpcr(cpu.W(i.Rt()));
  if (cpu.fp_context != before) cpu.raise(ExceptionKind::FpContextChange);
}

// Whoever looks at FPSR wants it exact, and so Checked code from now on (registers.h): feclearexcept, fetestexcept and the like.
// Not so three common accesses, for which it is exact already or does not matter:
//  * MRS directly behind an operation. Somebody to whom its exceptions matter has cleared FPSR before. libgcc's long double
//    raises its exceptions so, and does not use what it reads.
//  * MSR with an MRS behind it and only conversions to integers between them: Java's (int)f. These miss no underflow.
//  * Both beside NZCV: Go's preemption saves and restores all registers.
static void check_fp(CpuState& cpu, bool is_read) {
  if (cpu.fp_checked) return;
  constexpr u32 kRegister = ~31u, kMrsFpsr = 0xd53b4420, kMrsNzcv = 0xd53b4200, kMsrNzcv = 0xd51b4200;
  auto word_at = [&](i64 n) {
    u32 word = 0;
    return load_guest(GuestAddr(cpu.pc + static_cast<u64>(4 * n)), &word) ? 0 : word;
  };
  auto is_operation = [](u32 word) { return (word >> 25 & 7) == 7; };  // Arm ARM C4.1: floating point and Advanced SIMD
  if (is_read) {
    if (is_operation(word_at(-1)) || (word_at(-2) & kRegister) == kMrsNzcv) return;
  } else {
    for (i64 n = 1; n <= 4; n++) {
      u32 word = word_at(n);
      if ((word & kRegister) == kMrsFpsr || (n == 2 && (word & kRegister) == kMsrNzcv)) return;
      bool is_conversion = (word & 0x7fa0fc00) == 0x1e200000;  // between floating point and integer
      if (is_operation(word) ? !is_conversion : (word >> 26 & 7) == 5) break;  // or a branch
    }
  }
  FpContext before = cpu.fp_context;
  cpu.check_fp();
  if (cpu.fp_context != before) cpu.raise(ExceptionKind::FpContextChange);
}
void MRS_FPSR(CpuState& cpu, Insn i) {
  cpu.set_X(i.Rt(), cpu.fpsr_merged());
  check_fp(cpu, true);
}
void MSR_FPSR(CpuState& cpu, Insn i) {
  cpu.set_fpsr(cpu.W(i.Rt()));
  check_fp(cpu, false);
}
void MRS_TPIDR_EL0(CpuState& cpu, Insn i) { cpu.set_X(i.Rt(), cpu.tpidr_el0); }
void MSR_TPIDR_EL0(CpuState& cpu, Insn i) { cpu.tpidr_el0 = cpu.X(i.Rt()); }
void MRS_CNTVCT_EL0(CpuState& cpu, Insn i) { cpu.set_X(i.Rt(), host_counter_ns()); }

void DC_ZVA(CpuState& cpu, Insn i) {
  static constexpr u8 kZeros[kZvaSize] = {};
  u64 address = cpu.X(i.Rt()) & ~(kZvaSize - 1);
  if (MemoryFault f = copy_to_guest(GuestAddr(address), kZeros, kZvaSize)) fault(cpu, f, true);
}
void DC_CVAC(CpuState& cpu, Insn i) { check_readable(cpu, i); }
void DC_CVAU(CpuState& cpu, Insn i) { check_readable(cpu, i); }
void DC_CVAP(CpuState& cpu, Insn i) { check_readable(cpu, i); }
void DC_CIVAC(CpuState& cpu, Insn i) { check_readable(cpu, i); }
void IC_IVAU(CpuState& cpu, Insn i) { cpu.raise(ExceptionKind::CacheInvalidate, cpu.X(i.Rt())); }

}  // namespace grus::a64::semantics
