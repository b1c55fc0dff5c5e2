// SPDX-License-Identifier: MIT
// Numbers in files of /proc/PID that would be the host's: how much memory there is in status, stat, statm and smaps_rollup (without
// the engine's: they agree, and no process is smaller than what it has resident), open flags in fdinfo. Page tables (VmPTE) and swap
// in status stay the host's.
#pragma once
#include "base/types.h"

namespace grus::linux {

struct Text;

enum class Figures : u8 { None, Status, Stat, Statm, Rollup };
Figures figures_of(const char* file_name);

struct EngineShare {  // bytes
  u64 size = 0, resident = 0, anonymous = 0, data = 0, code = 0, proportional = 0, proportional_anonymous = 0;
};
// By the process's smaps; false: it cannot be read. The text is left to the caller: it is memory of the engine's that was
// measured, and has to be there still when the kernel is asked for its numbers.
bool measure_engine(const char* smaps_path, bool own, Text& smaps, EngineShare* share);

// `smaps` is what was measured.
void rewrite_figures(Figures which, const EngineShare& engine, const Text& smaps, bool own, const Text& in, Text& out);
void rewrite_fdinfo(const Text& in, Text& out);

}  // namespace grus::linux
