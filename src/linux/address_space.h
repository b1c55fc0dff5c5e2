// SPDX-License-Identifier: MIT
// Where guest mappings go and which of them hold code: the guest's side of docs/address-map.md.
//
// One address space per engine image, so the state is global and copied by fork with everything else. All
// functions but the predicates expect mm->lock to be held. run/ hears of every change that touches executable
// memory, and only of those: malloc's munmap costs a look into a short sorted table.
#pragma once
#include "linux/task.h"

namespace grus::linux {

// Maps `size` bytes (a multiple of the page size) into a module zone, as mmap with these arguments would
// elsewhere. `reserve` is how much room the module may take in the end. Falls back to the kernel's choice.
// Address or -errno.
i64 map_in_module_zone(u64 size, u64 reserve, u64 alignment, u64 prot, u64 flags, int fd, u64 offset);
inline constexpr u64 kLargestModule = u64{400} << 20;

// All of these are said after the host did it: other threads run there, and until it is done nothing has changed. Where a call
// does not take the permission to execute away, there is no moment without it.
//
// Code may now be executed from [begin, end), or still: what was translated there is right.
void note_executable(u64 begin, u64 end);
// The same, and it is not what was there before.
void note_other_code(u64 begin, u64 end);
// What note_executable was told of is a private mapping of `fd` that cannot be written: it may be cached.
void note_guest_file(u64 begin, u64 end, int fd, u64 offset);
// What was mapped at [begin, end) goes away or loses its permission to execute.
void forget_range(u64 begin, u64 end);
// A call failed that the kernel may have done in part, or a thread died in the middle of one: what /proc/self/maps says.
void ask_what_is_executable(u64 begin, u64 end);
// A call that may change what is executable in [begin, end), while this object lives. Whoever dies in it leaves its note, and
// recover_address_space takes nothing there for executable until a fetch asks (is_executable_after_all in task_loop.cpp): to ask
// about all of the memory takes 20 ms when children have left 10,000 mappings.
class ChangeOfRange {
 public:
  ChangeOfRange(u64 begin, u64 end);
  ~ChangeOfRange();
  ChangeOfRange(const ChangeOfRange&) = delete;

 private:
  unsigned place_;
};
// After a vfork child was killed in the middle of a change.
void recover_address_space(Mm& mm);
// Is any / all of it executable for the guest?
bool touches_executable(u64 begin, u64 end);
// The executable range that contains `a`; false when there is none.
bool executable_range_of(u64 a, u64* begin, u64* end);

// The program break. `brk_init` is called once, when the program has been mapped; kernel_break says that the
// kernel's own break was moved into the zone (prctl PR_SET_MM), so that it does the accounting and names
// [heap].
void brk_init(Mm& mm, bool kernel_break);
u64 brk_set(Mm& mm, u64 wanted);

// Calls f for each line of the host's /proc/self/maps, the engine's too; f may change mappings. False: nobody can say.
bool for_each_host_mapping(void (*f)(void* context, u64 begin, u64 end, bool executable), void* context);
// The parts of [begin, end) that are not the engine's, from low to high.
class GuestParts {
 public:
  GuestParts(u64 begin, u64 end) : at_(begin), end_(end) {}
  bool next(u64* begin, u64* end);

 private:
  u64 at_, end_;
};

// Does [a, a + n), rounded to pages, touch the engine's memory? Never for ranges that the kernel refuses in any case.
bool touches_engine(u64 a, u64 n);
// How many bytes at `a`, up to n, are not the engine's.
u64 guest_length(u64 a, u64 n);
// An address in a page that is never mapped, as misaligned as `a`: the kernel's answer to it is the one for a hole, after all
// that is wrong with the other arguments.
u64 unmapped_page(u64 a);
// A call that the kernel makes up to a hole, where it fails: call(begin, length).
template <typename Call>
i64 up_to_hole(u64 begin, u64 length, Call call) {
  if (!touches_engine(begin, length)) return call(begin, length);
  const u64 from = page_down(begin);
  if (const u64 n = guest_length(from, page_up(begin + length) - from))
    if (const i64 r = call(begin, from + n - begin)) return r;
  return call(unmapped_page(begin), u64{1});
}

// mmap without an address: where the kernel puts it, but not in or across the engine's memory.
i64 map_anywhere(u64 size, u64 prot, u64 flags, int fd, u64 offset);
// The highest room of `size` bytes below `ceiling` that neither the guest nor the engine uses; 0: there is none.
u64 find_room(u64 size, u64 alignment, u64 ceiling);

}  // namespace grus::linux
