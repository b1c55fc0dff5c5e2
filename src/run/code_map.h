// SPDX-License-Identifier: MIT
// Which guest addresses may be executed, which windows hold their translations, and the one lock over both.
//
// Guarantees: everything here is called with `translator_lock` held. Executable ranges are disjoint and merged; windows do
// not overlap within one FP context. A window whose whole range is not executable any more is idle: its code is killed, its room is
// used when the range is executable again (JITs that write and execute by turns), and a few of them are given back together. A
// window that is full, or mostly dead code, or idle and the cache's, is retired: nothing leads there, and its memory is given
// back when no thread can be in it any more (reclaim.h).
#pragma once
#include "base/lock.h"
#include "base/switched_array.h"
#include "cache/file.h"

namespace grus::run {

extern Lock translator_lock;

// The executable range that contains pc, or nullptr.
const Range* executable_range(u64 pc);
void set_executable(u64 begin, u64 end, bool executable);
// [begin, end) is executable, and of no file that was known.
void replace_code(u64 begin, u64 end);
// [begin, end) is a private, unwritable mapping of `file`: its translations may come from, and go to, the cache. Forgotten
// where set_executable(false) is said of it, since it may have been written to then.
void set_guest_file(u64 begin, u64 end, const cache::GuestFile& file);
// Code in [begin, end) has changed: mappings there are no longer what their files were.
void guest_files_changed(u64 begin, u64 end);
// The mapping of a file that contains pc.
bool guest_file_at(u64 pc, u64* begin, u64* end);
// The window for pc (made when there is none); nullptr without memory or when pc is not executable.
cache::Window* window_for(u64 pc, u8 fp_context);
cache::Window* find_window(u64 pc, u8 fp_context);
cache::Window* window_of_host(u64 host);
// The window ran full: everything in it is killed and translation goes on in a new one.
cache::Window* replace_window(cache::Window* w);
// Gives back what retired windows hold, as far as the threads have left them.
void reclaim();
// There is no room for a new window: what could be given back is retired and asked for. False: there is nothing.
bool give_up_idle_windows();
// Kills translations of [begin, end) in every window. Returns the number of regions.
u32 kill_translations(u64 begin, u64 end);
// Whoever killed something was killed itself.
void finish_killing();
// The same where all of [begin, end) is gone: not executable any more, or something else.
u32 drop_translations(u64 begin, u64 end);
u64 sum_over_windows(u64 cache::Window::*field);
u32 count_cached_windows();
// In a child after fork.
void drop_claims();
void return_claims();  // at the process's end
void stop_publishing();  // of every window
// Every window becomes private.
void detach_windows();

}  // namespace grus::run
