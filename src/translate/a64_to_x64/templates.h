// SPDX-License-Identifier: MIT
// A template emits host code for one guest instruction. The table is generated; rows without a template are null and
// run by their semantics (Emitter::call_semantics).
#pragma once
#include "translate/a64_to_x64/emitter.h"

namespace grus::a64_to_x64 {

namespace templates {
#include "template_names.inc"
}

using Template = void (*)(Emitter&, a64::Insn);
extern const Template kTemplates[];

}  // namespace grus::a64_to_x64
