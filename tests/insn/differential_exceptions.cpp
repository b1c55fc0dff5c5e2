// SPDX-License-Identifier: MIT
// Rows and cases in which VIXL 5.1's simulator is not an oracle. Each entry says why; an entry is never a way
// to hide a difference that is ours. What is listed here must be covered by vectors (tests/insn/*.txt)
// instead.
//
// Add entries in the section of their family.
#include "differential_exceptions.h"

namespace grus::a64 {

const DoNotTest kDoNotTest[] = {
    // branch: VIXL uses HLT for its own calls (printf, log, trace) and aborts on the other exception
    // generators.
    {"HLT", nullptr, "VIXL's simulator calls"},
    {"BRK", nullptr, "VIXL traps into the host"},
    {"SVC", nullptr, "VIXL does not implement it"},
    {"HVC", nullptr, "VIXL does not implement it"},
    {"SMC", nullptr, "VIXL does not implement it"},
    {"DCPS*", nullptr, "VIXL does not implement it"},
    {"UDF", nullptr, "VIXL treats it as unallocated"},

    // system: VIXL knows NZCV, FPCR, RNDR, RNDRRS only.
    {"MRS", nullptr, "VIXL has few system registers"},
    {"MSR_reg", nullptr, "VIXL has few system registers"},
    {"ISB", nullptr, "raises ContextSync, which VIXL has not"},
    {"SYS*", nullptr, "VIXL does not execute maintenance operations as we must"},
    {"HINT", nullptr, "VIXL executes pointer authentication"},
};

const unsigned kDoNotTestCount = sizeof kDoNotTest / sizeof kDoNotTest[0];

}  // namespace grus::a64
