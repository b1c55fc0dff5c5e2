// SPDX-License-Identifier: MIT
// LD1..LD4, ST1..ST4 of whole registers and of single lanes, LD1R..LD4R.
//
// Guarantees: elements are accessed one by one in the order of the pseudocode; a load that faults leaves all
// of its registers as they were, a store that faults has written the elements before. Registers wrap from V31
// to V0.
#include "address.h"

namespace grus::a64::semantics {
namespace {

enum class Post { No, Yes };

bool read_element(CpuState& cpu, u64 addr, unsigned bytes, Vec* v, unsigned lane) {
  char* p = reinterpret_cast<char*>(v->d) + lane * bytes;
  if (MemoryFault f = load_guest_bytes(GuestAddr(addr), bytes, p)) return fault(cpu, f, false);
  return true;
}

bool write_element(CpuState& cpu, u64 addr, unsigned bytes, const Vec& v, unsigned lane) {
  const char* p = reinterpret_cast<const char*>(v.d) + lane * bytes;
  if (MemoryFault f = store_guest_bytes(GuestAddr(addr), bytes, p)) return fault(cpu, f, true);
  return true;
}

// "m == 31" means: by what was accessed.
void write_back(CpuState& cpu, Insn i, Post post, u64 base, unsigned accessed) {
  if (post == Post::Yes) cpu.set_XSP(i.Rn(), base + (i.Rm() == 31 ? accessed : cpu.X(i.Rm())));
}

// --- multiple structures: `repeat` times `structure` registers, interleaved

void load_multiple(CpuState& cpu, Insn i, unsigned repeat, unsigned structure, Post post) {
  u64 base;
  if (!base_address(cpu, i.Rn(), false, &base)) return;
  unsigned bytes = 1u << i.vsize(), lanes = (i.Q() ? 16 : 8) / bytes;
  Vec v[4] = {};
  u64 addr = base;
  for (unsigned r = 0; r < repeat; r++)
    for (unsigned lane = 0; lane < lanes; lane++)
      for (unsigned s = 0; s < structure; s++, addr += bytes)
        if (!read_element(cpu, addr, bytes, &v[r + s], lane)) return;
  write_back(cpu, i, post, base, static_cast<unsigned>(addr - base));
  for (unsigned n = 0; n < repeat * structure; n++) cpu.v[(i.Rt() + n) % 32] = v[n];
}

void store_multiple(CpuState& cpu, Insn i, unsigned repeat, unsigned structure, Post post) {
  u64 base;
  if (!base_address(cpu, i.Rn(), true, &base)) return;
  unsigned bytes = 1u << i.vsize(), lanes = (i.Q() ? 16 : 8) / bytes;
  u64 addr = base;
  for (unsigned r = 0; r < repeat; r++)
    for (unsigned lane = 0; lane < lanes; lane++)
      for (unsigned s = 0; s < structure; s++, addr += bytes)
        if (!write_element(cpu, addr, bytes, cpu.v[(i.Rt() + r + s) % 32], lane)) return;
  write_back(cpu, i, post, base, static_cast<unsigned>(addr - base));
}

// LD1 and ST1: the number of registers is encoded in the opcode.
unsigned registers_of(Insn i) {
  switch (i.ld1_regs()) {
    case 7:
      return 1;
    case 10:
      return 2;
    case 6:
      return 3;
    default:
      return 4;
  }
}

// --- single structures

// log2 of the element size and the lane's number: Q:S:size, of which the size takes away low bits.
struct Lane {
  unsigned bytes, index;
};

Lane lane_of(Insn i) {
  unsigned scale = i.lane_scale();
  if (scale == 2 && i.vsize() == 1) scale = 3;
  return {1u << scale, (i.Q() << 3 | i.lane_s() << 2 | i.vsize()) >> scale};
}

void load_lane(CpuState& cpu, Insn i, unsigned structure, Post post) {
  u64 base;
  if (!base_address(cpu, i.Rn(), false, &base)) return;
  Lane lane = lane_of(i);
  Vec v[4];
  for (unsigned n = 0; n < structure; n++) {
    v[n] = cpu.v[(i.Rt() + n) % 32];
    if (!read_element(cpu, base + n * lane.bytes, lane.bytes, &v[n], lane.index)) return;
  }
  write_back(cpu, i, post, base, structure * lane.bytes);
  for (unsigned n = 0; n < structure; n++) cpu.v[(i.Rt() + n) % 32] = v[n];
}

void store_lane(CpuState& cpu, Insn i, unsigned structure, Post post) {
  u64 base;
  if (!base_address(cpu, i.Rn(), true, &base)) return;
  Lane lane = lane_of(i);
  for (unsigned n = 0; n < structure; n++)
    if (!write_element(cpu, base + n * lane.bytes, lane.bytes, cpu.v[(i.Rt() + n) % 32], lane.index)) return;
  write_back(cpu, i, post, base, structure * lane.bytes);
}

void load_replicate(CpuState& cpu, Insn i, unsigned structure, Post post) {
  u64 base;
  if (!base_address(cpu, i.Rn(), false, &base)) return;
  unsigned bytes = 1u << i.vsize();
  Vec v[4] = {};
  for (unsigned n = 0; n < structure; n++) {
    if (!read_element(cpu, base + n * bytes, bytes, &v[n], 0)) return;
    for (unsigned width = bytes; width < 8; width *= 2) v[n].d[0] |= v[n].d[0] << (8 * width);
    if (i.Q()) v[n].d[1] = v[n].d[0];
  }
  write_back(cpu, i, post, base, structure * bytes);
  for (unsigned n = 0; n < structure; n++) cpu.v[(i.Rt() + n) % 32] = v[n];
}

}  // namespace

void LD1_multi(CpuState& cpu, Insn i) { load_multiple(cpu, i, registers_of(i), 1, Post::No); }
void LD2_multi(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 2, Post::No); }
void LD3_multi(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 3, Post::No); }
void LD4_multi(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 4, Post::No); }
void ST1_multi(CpuState& cpu, Insn i) { store_multiple(cpu, i, registers_of(i), 1, Post::No); }
void ST2_multi(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 2, Post::No); }
void ST3_multi(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 3, Post::No); }
void ST4_multi(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 4, Post::No); }
void LD1_multi_post(CpuState& cpu, Insn i) { load_multiple(cpu, i, registers_of(i), 1, Post::Yes); }
void LD2_multi_post(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 2, Post::Yes); }
void LD3_multi_post(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 3, Post::Yes); }
void LD4_multi_post(CpuState& cpu, Insn i) { load_multiple(cpu, i, 1, 4, Post::Yes); }
void ST1_multi_post(CpuState& cpu, Insn i) { store_multiple(cpu, i, registers_of(i), 1, Post::Yes); }
void ST2_multi_post(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 2, Post::Yes); }
void ST3_multi_post(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 3, Post::Yes); }
void ST4_multi_post(CpuState& cpu, Insn i) { store_multiple(cpu, i, 1, 4, Post::Yes); }

void LD1_lane(CpuState& cpu, Insn i) { load_lane(cpu, i, 1, Post::No); }
void LD2_lane(CpuState& cpu, Insn i) { load_lane(cpu, i, 2, Post::No); }
void LD3_lane(CpuState& cpu, Insn i) { load_lane(cpu, i, 3, Post::No); }
void LD4_lane(CpuState& cpu, Insn i) { load_lane(cpu, i, 4, Post::No); }
void ST1_lane(CpuState& cpu, Insn i) { store_lane(cpu, i, 1, Post::No); }
void ST2_lane(CpuState& cpu, Insn i) { store_lane(cpu, i, 2, Post::No); }
void ST3_lane(CpuState& cpu, Insn i) { store_lane(cpu, i, 3, Post::No); }
void ST4_lane(CpuState& cpu, Insn i) { store_lane(cpu, i, 4, Post::No); }
void LD1_lane_post(CpuState& cpu, Insn i) { load_lane(cpu, i, 1, Post::Yes); }
void LD2_lane_post(CpuState& cpu, Insn i) { load_lane(cpu, i, 2, Post::Yes); }
void LD3_lane_post(CpuState& cpu, Insn i) { load_lane(cpu, i, 3, Post::Yes); }
void LD4_lane_post(CpuState& cpu, Insn i) { load_lane(cpu, i, 4, Post::Yes); }
void ST1_lane_post(CpuState& cpu, Insn i) { store_lane(cpu, i, 1, Post::Yes); }
void ST2_lane_post(CpuState& cpu, Insn i) { store_lane(cpu, i, 2, Post::Yes); }
void ST3_lane_post(CpuState& cpu, Insn i) { store_lane(cpu, i, 3, Post::Yes); }
void ST4_lane_post(CpuState& cpu, Insn i) { store_lane(cpu, i, 4, Post::Yes); }

void LD1R(CpuState& cpu, Insn i) { load_replicate(cpu, i, 1, Post::No); }
void LD2R(CpuState& cpu, Insn i) { load_replicate(cpu, i, 2, Post::No); }
void LD3R(CpuState& cpu, Insn i) { load_replicate(cpu, i, 3, Post::No); }
void LD4R(CpuState& cpu, Insn i) { load_replicate(cpu, i, 4, Post::No); }
void LD1R_post(CpuState& cpu, Insn i) { load_replicate(cpu, i, 1, Post::Yes); }
void LD2R_post(CpuState& cpu, Insn i) { load_replicate(cpu, i, 2, Post::Yes); }
void LD3R_post(CpuState& cpu, Insn i) { load_replicate(cpu, i, 3, Post::Yes); }
void LD4R_post(CpuState& cpu, Insn i) { load_replicate(cpu, i, 4, Post::Yes); }

}  // namespace grus::a64::semantics
