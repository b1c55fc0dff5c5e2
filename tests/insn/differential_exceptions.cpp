// SPDX-License-Identifier: MIT
// Rows and cases in which VIXL 5.1's simulator is not an oracle. Each entry says why; an entry is never a way
// to hide a difference that is ours. What is listed here must be covered by vectors (tests/insn/*.txt)
// instead.
//
// Add entries in the section of their family.
#include "differential_exceptions.h"

namespace grus::a64 {

namespace {

bool word_form(Insn i, const CpuState&) { return !i.sf(); }
bool kernel_address(Insn i, const CpuState& s) { return s.X(i.Rn()) >> 55 & 1; }

bool misaligned_base(Insn i, const CpuState& s) { return s.XSP(i.Rn()) % (1u << i.lsize()) != 0; }
bool narrow(Insn i, const CpuState&) { return i.lsize() < 2; }
bool misaligned_pair(Insn i, const CpuState& s) { return s.XSP(i.Rn()) % (i.Q() ? 16 : 8) != 0; }
bool misaligned_stack(Insn i, const CpuState& s) { return i.Rn() == 31 && s.sp % 16 != 0; }
bool stack_base(Insn i, const CpuState&) { return i.Rn() == 31; }
bool source_is_base(Insn i, const CpuState&) { return i.Rt() == i.Rn() || i.Rt2() == i.Rn(); }
bool odd_status(Insn i, const CpuState&) {
  return i.Rs() == 31 || i.Rs() == i.Rn() || i.Rs() == i.Rt() || i.Rs() == i.Rt2();
}
bool post_structure(Insn i) { return (i.word & 0xbe800000) == 0x0c800000; }
bool overwrites_source(Insn i, const CpuState&) { return i.Rd() == i.Rn() || i.Rd() == i.Rm(); }
bool keeps_upper_half(Insn i, const CpuState&) { return !i.Q(); }
// The register of the element: V(Rm4) for halves (size 0), else V(M:Rm4).
bool overwrites_element(Insn i, const CpuState&) {
  return i.Rd() == (i.size() == 0 ? i.Rm4() : (i.M() << 4 | i.Rm4()));
}

}  // namespace

const DoNotTest kDoNotTest[] = {
    // integer
    {"MOVK", word_form, "VIXL sign-extends the old W register into X"},

    // branch
    {"BR", kernel_address, "VIXL clears the tag instead of copying bit 55 into it (AArch64.BranchAddr)"},
    {"BLR", kernel_address, "as BR"},
    {"RET", kernel_address, "as BR"},
    {"HLT", nullptr, "VIXL's own simulator calls"},
    {"BRK", nullptr, "VIXL traps into the host"},
    {"SVC", nullptr, "not implemented by VIXL"},
    {"HVC", nullptr, "not implemented by VIXL"},
    {"SMC", nullptr, "not implemented by VIXL"},
    {"DCPS*", nullptr, "not implemented by VIXL"},
    {"ERET", nullptr, "not implemented by VIXL"},
    {"DRPS", nullptr, "not implemented by VIXL"},
    {"UDF", nullptr, "VIXL prints and goes on"},

    // system: VIXL has NZCV and FPCR, the rest of what EL0 may touch is not there.
    {"MSR_imm", nullptr, "not implemented by VIXL"},
    {"SYS*", nullptr, "Undefined for us, not implemented by VIXL"},
    {"MRS", nullptr, "not implemented by VIXL"},
    {"MSR_reg", nullptr, "not implemented by VIXL"},
    {"M?S_FPSR", nullptr, "not implemented by VIXL"},
    {"M?S_TPIDR_EL0", nullptr, "not implemented by VIXL"},
    {"MRS_CNTVCT_EL0", nullptr, "not implemented by VIXL"},
    {"DC_ZVA", nullptr, "VIXL only reads the address"},
    {"DC_*", [](Insn i, const CpuState&) { return i.Rt() == 31; }, "address 0 is not mapped"},
    {"IC_IVAU", nullptr, "VIXL reads the address, we need not"},
    {"HINT", nullptr, "VIXL executes pointer authentication; a NOP for us"},

    // memory: tests/qemu compares all of these.
    {"PRF*", misaligned_stack, "VIXL checks SP for prefetches too"},
    {"ST?_p*", source_is_base,
     "CONSTRAINED UNPREDICTABLE: VIXL stores the new base, we and QEMU the old one"},
    {"STTR", nullptr, "not implemented by VIXL"},
    {"LDTR*", nullptr, "not implemented by VIXL"},

    // atomic: VIXL executes misaligned accesses, which fault without FEAT_LSE2.
    {"CASP", misaligned_pair, "VIXL has FEAT_LSE2"},
    {"STXP", misaligned_pair, "VIXL has FEAT_LSE2"},
    {"LDXP", misaligned_pair, "VIXL has FEAT_LSE2"},
    {"STX?", odd_status, "CONSTRAINED UNPREDICTABLE, or a random failure that the tester cannot see"},
    {"STXR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDXR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDAR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDAPR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDADD", misaligned_base, "VIXL has FEAT_LSE2"},
    {"STLR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"CAS", misaligned_base, "VIXL has FEAT_LSE2"},
    {"SWP", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDCLR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDEOR", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDSET", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDSM??", misaligned_base, "VIXL has FEAT_LSE2"},
    {"LDSM??", narrow, "VIXL returns the old value sign-extended to 32 bits"},
    {"LDUM??", misaligned_base, "VIXL has FEAT_LSE2"},

    // simd_memory
    {"LD*", [](Insn i, const CpuState& s) { return post_structure(i) && stack_base(i, s); },
     "VIXL does not write SP back"},
    {"ST*", [](Insn i, const CpuState& s) { return post_structure(i) && stack_base(i, s); },
     "VIXL does not write SP back"},

    // simd_fp, simd_fp_convert: tests/softfloat compares all of these with QEMU.
    {"FML?_elem*", overwrites_element, "VIXL clears the destination's upper part before it reads the element"},
    {"FML?_s_elem*", overwrites_element, "as FMLA_elem"},
    {"FMUL_elem*", overwrites_element, "as FMLA_elem"},
    {"FMUL_s_elem*", overwrites_element, "as FMLA_elem"},
    {"FMULX_elem*", overwrites_element, "as FMLA_elem"},
    {"FMULX_s_elem*", overwrites_element, "as FMLA_elem"},
    {"FRSQRTS_v*", nullptr, "VIXL rounds twice: 3 - a * b, then half of that"},
    {"FRSQRTS_s*", nullptr, "as FRSQRTS_v"},
    {"?CVTF_v*", keeps_upper_half, "VIXL keeps the upper half of the destination"},
    {"?CVTF_s*", nullptr, "VIXL keeps the upper part of the destination"},
    {"FCVTN", keeps_upper_half, "VIXL keeps the upper half of the destination"},
    {"FCVTXN_?", [](Insn i, const CpuState&) { return i.Rd() == i.Rn(); },
     "VIXL clears the destination before it reads the source"},

    // simd_crypto
    {"AES*", nullptr, "not implemented by VIXL"},
    {"SHA*", nullptr, "not implemented by VIXL"},
    {"PMULL_64", nullptr, "not implemented by VIXL"},
    {"PMULL", overwrites_source, "VIXL clears the destination before it reads the sources"},
};

const unsigned kDoNotTestCount = sizeof kDoNotTest / sizeof kDoNotTest[0];

}  // namespace grus::a64
