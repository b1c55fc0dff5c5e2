// SPDX-License-Identifier: MIT
// LD1 to LD4 and ST1 to ST4: whole registers, single lanes, replicated elements.
//
// Every access comes before the first register changes. A load of several registers reads its first and its
// last bytes into scratch; as they are at most 64 bytes apart, what lies between cannot fault after that.
// Stores may have written a part when they fault; the semantics then write the same bytes again as far as the
// architecture says.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

// Instructions with a post-index name Rm; the number of bytes when it is 31.
struct Access {
  Reg base;
  unsigned n;
  Mem at(unsigned offset) const { return Mem(base, static_cast<i32>(offset)); }
};

Access access(Emitter& e, Insn i) {
  unsigned n = Emitter::sp(i.Rn());
  return {e.use(n, Reg::rcx), n};
}

// Flags survive.
void write_back(Emitter& e, Insn i, const Access& a, bool post, unsigned bytes) {
  if (!post) return;
  Reg dst = e.def(a.n, Reg::rcx);
  if (i.Rm() == 31)
    e.lea(64, dst, Mem(dst, static_cast<i32>(bytes)));
  else
    e.lea(64, dst, Mem(dst, e.use(i.Rm(), Reg::rdx), 1, 0));
  e.commit(a.n, dst);
}

unsigned vt(Insn i, unsigned k) { return (i.Rt() + k) % 32; }

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

void load(Emitter& e, bool q, Xmm x, Mem m) { q ? e.movups(x, m) : e.movq(x, m); }
void store(Emitter& e, bool q, Mem m, Xmm x) { q ? e.movups(m, x) : e.movq(m, x); }

/* -- LD1 and ST1 of whole registers: elements do not matter
 * ------------------------------------------------------------ */

void load_registers(Emitter& e, Insn i, bool post) {
  unsigned count = registers_of(i), bytes = i.Q() ? 16 : 8;
  Access a = access(e, i);
  if (count == 1) {
    Xmm x = e.vdef(vt(i, 0), kA);
    load(e, i.Q(), x, a.at(0));
    write_back(e, i, a, post, bytes);
    return e.vcommit(vt(i, 0), x);
  }
  load(e, i.Q(), kA, a.at(0));
  load(e, i.Q(), kB, a.at((count - 1) * bytes));
  for (unsigned k = 1; k + 1 < count; k++) {
    Xmm x = e.vdef(vt(i, k), kC);
    load(e, i.Q(), x, a.at(k * bytes));
    e.vcommit(vt(i, k), x);
  }
  write_back(e, i, a, post, count * bytes);
  e.vcommit(vt(i, 0), kA);
  e.vcommit(vt(i, count - 1), kB);
}

void store_registers(Emitter& e, Insn i, bool post) {
  unsigned count = registers_of(i), bytes = i.Q() ? 16 : 8;
  Access a = access(e, i);
  for (unsigned k = 0; k < count; k++) store(e, i.Q(), a.at(k * bytes), e.vuse(vt(i, k), kA));
  write_back(e, i, a, post, count * bytes);
}

/* -- Two interleaved
 * --------------------------------------------------------------------------------------------------- */

// x = even elements in its low half, odd ones in its high half.
void separate(Emitter& e, unsigned size, Xmm x) {
  switch (size) {
    case 0:
      return op(e, kShuffleBytes, x, x, Constant::EvenOddBytes);
    case 1:
      return op(e, kShuffleBytes, x, x, Constant::EvenOddHalves);
    case 2:
      return shuffle_words(e, x, x, 0xd8);
    default:
      return;
  }
}

void load_two(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  e.movups(kA, a.at(0));
  if (i.Q()) e.movups(kB, a.at(16));
  write_back(e, i, a, post, i.Q() ? 32 : 16);
  separate(e, i.vsize(), kA);
  if (i.Q()) {
    separate(e, i.vsize(), kB);
    op(e, kUnpackLow[3], kC, kA, kB);
    e.vcommit(vt(i, 0), kC);
    op(e, kUnpackHigh[3], kA, kA, kB);
    e.vcommit(vt(i, 1), kA);
  } else {
    shift_bytes_right(e, kB, kA, 8);
    e.vcommit64(vt(i, 0), kA);
    e.vcommit(vt(i, 1), kB);
  }
}

void store_two(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize();
  e.vload(kA, vt(i, 0));
  op(e, kUnpackLow[size], kB, kA, vt(i, 1));
  e.movups(a.at(0), kB);
  if (i.Q()) {
    op(e, kUnpackHigh[size], kA, kA, vt(i, 1));
    e.movups(a.at(16), kA);
  }
  write_back(e, i, a, post, i.Q() ? 32 : 16);
}

/* -- Three interleaved
 * ------------------------------------------------------------------------------------------------- */

// Positions in memory's vector `part` that belong to register n: element 3e + n is element position lanes *
// part + p.
Constant three_mask(unsigned size, unsigned n, unsigned part) {
  unsigned lanes = 16u >> size;
  return Constant::ThreeMask + 3 * size + (n + 3 * lanes - lanes * part) % 3;
}

void load_three(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize(), total = i.Q() ? 48 : 24;
  if (size == 3) {
    e.movups(kC, a.at(32));  // nothing can fault when this and the first access did not
    for (unsigned n = 0; n < 3; n++) {
      e.movq(kA, a.at(8 * n));
      e.movq(kB, a.at(24 + 8 * n));
      op(e, kUnpackLow[3], kA, kA, kB);
      e.vcommit(vt(i, n), kA);
    }
    return write_back(e, i, a, post, total);
  }
  for (unsigned n = 0; n < 3; n++) {
    e.movups(kA, a.at(0));
    i.Q() ? e.movups(kB, a.at(16)) : e.movq(kB, a.at(16));
    op(e, kAnd, kA, kA, three_mask(size, n, 0));
    op(e, kAnd, kB, kB, three_mask(size, n, 1));
    if (i.Q()) {
      e.movups(kC, a.at(32));
      op(e, kAnd, kC, kC, three_mask(size, n, 2));
      op(e, kOr, kB, kB, kC);
    }
    op(e, kOr, kA, kA, kB);
    op(e, kShuffleBytes, kA, kA, Constant::ThreeGather + 3 * size + n);
    i.Q() ? e.vcommit(vt(i, n), kA) : e.vcommit64(vt(i, n), kA);
  }
  write_back(e, i, a, post, total);
}

void store_three(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize(), total = i.Q() ? 48 : 24;
  if (size == 3) {
    e.vload(kA, vt(i, 0));
    e.vload(kB, vt(i, 1));
    e.vload(kC, vt(i, 2));
    op(e, kUnpackLow[3], kA, kA, kB);
    e.movups(a.at(0), kA);
    op(e, kUnpackHigh[3], kB, kB, kC);
    e.movups(a.at(32), kB);
    e.vload(kA, vt(i, 0));
    e.sse3(0x66, 1, 0xc6, kC, kC, kA);  // SHUFPD: low of the third, high of the first
    e.byte(2);
    e.movups(a.at(16), kC);
    return write_back(e, i, a, post, total);
  }
  for (unsigned part = 0; part < (i.Q() ? 3u : 2u); part++) {
    for (unsigned n = 0; n < 3; n++) {
      Xmm x = n ? kB : kA;
      e.vload(x, vt(i, n));
      op(e, kShuffleBytes, x, x, Constant::ThreeScatter + 3 * size + n);
      op(e, kAnd, x, x, three_mask(size, n, part));
      if (n) op(e, kOr, kA, kA, kB);
    }
    store(e, i.Q() || part == 0, a.at(16 * part), kA);
  }
  write_back(e, i, a, post, total);
}

/* -- Four interleaved
 * -------------------------------------------------------------------------------------------------- */

// x = a vector of memory with the elements of each register together, as words.
void load_quarter(Emitter& e, unsigned size, Xmm x, Mem m) {
  e.movups(x, m);
  if (size == 0) op(e, kShuffleBytes, x, x, Constant::TransposeBytes);
  if (size == 1) op(e, kShuffleBytes, x, x, Constant::TransposeHalves);
}

void load_four(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize();
  if (size == 3) {
    e.movups(kC, a.at(48));  // nothing can fault when this and the first access did not
    for (unsigned n = 0; n < 4; n++) {
      e.movq(kA, a.at(8 * n));
      e.movq(kB, a.at(32 + 8 * n));
      op(e, kUnpackLow[3], kA, kA, kB);
      e.vcommit(vt(i, n), kA);
    }
    return write_back(e, i, a, post, 64);
  }
  for (unsigned n = 0; n < 4; n += 2) {
    const HostOp& unpack = n ? kUnpackHigh[2] : kUnpackLow[2];
    load_quarter(e, size, kA, a.at(0));
    load_quarter(e, size, kB, a.at(16));
    if (!i.Q()) {
      op(e, unpack, kA, kA, kB);
      shift_bytes_right(e, kB, kA, 8);
      e.vcommit64(vt(i, n), kA);
      e.vcommit(vt(i, n + 1), kB);
      continue;
    }
    op(e, unpack, kA, kA, kB);
    load_quarter(e, size, kB, a.at(32));
    load_quarter(e, size, kC, a.at(48));
    op(e, unpack, kB, kB, kC);
    op(e, kUnpackLow[3], kC, kA, kB);
    op(e, kUnpackHigh[3], kA, kA, kB);
    e.vcommit(vt(i, n), kC);
    e.vcommit(vt(i, n + 1), kA);
  }
  write_back(e, i, a, post, i.Q() ? 64 : 32);
}

void store_four(Emitter& e, Insn i, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize();
  for (unsigned half = 0; half < (i.Q() ? 2u : 1u); half++) {
    const HostOp& unpack = half ? kUnpackHigh[size] : kUnpackLow[size];
    e.vload(kA, vt(i, 0));
    op(e, unpack, kA, kA, vt(i, 1));
    e.vload(kB, vt(i, 2));
    op(e, unpack, kB, kB, vt(i, 3));
    if (size < 3) {
      op(e, kUnpackLow[size + 1], kC, kA, kB);
      op(e, kUnpackHigh[size + 1], kA, kA, kB);
      e.movups(a.at(32 * half), kC);
      e.movups(a.at(32 * half + 16), kA);
    } else {
      e.movups(a.at(32 * half), kA);
      e.movups(a.at(32 * half + 16), kB);
    }
  }
  write_back(e, i, a, post, i.Q() ? 64 : 32);
}

/* -- Single lanes
 * ------------------------------------------------------------------------------------------------------ */

struct Lane {
  unsigned size, index;
};
Lane lane_of(Insn i) {
  unsigned scale = i.lane_scale();
  if (scale == 2 && i.vsize() == 1) scale = 3;
  return {scale, (i.Q() << 3 | i.lane_s() << 2 | i.vsize()) >> scale};
}

// Reads the last element of several, so that none of the others can fault.
void probe(Emitter& e, const Access& a, unsigned size, unsigned count) {
  if (count > 1) e.movzx(8u << size, Reg::rax, a.at((count - 1) << size));
}

void load_lane(Emitter& e, Insn i, unsigned count, bool post) {
  Access a = access(e, i);
  Lane lane = lane_of(i);
  static constexpr HostOp kInsert[4] = {{3, 0x20}, {1, 0xc4}, {3, 0x22}, {3, 0x22}};
  HostOp o = kInsert[lane.size];
  probe(e, a, lane.size, count);
  for (unsigned n = 0; n < count; n++) {
    // The first access must not fault after a commit either: there is none before it.
    Xmm x = e.vuse(vt(i, n), kA);
    e.sse3(0x66, o.map, o.code, x, x, a.at(n << lane.size), 1, lane.size == 3);
    e.byte(static_cast<u8>(lane.index));
    e.vcommit(vt(i, n), x);
  }
  write_back(e, i, a, post, count << lane.size);
}

void store_lane(Emitter& e, Insn i, unsigned count, bool post) {
  Access a = access(e, i);
  Lane lane = lane_of(i);
  static constexpr HostOp kExtract[4] = {{3, 0x14}, {3, 0x15}, {3, 0x16}, {3, 0x16}};
  HostOp o = kExtract[lane.size];
  for (unsigned n = 0; n < count; n++) {
    Mem m = a.at(n << lane.size);
    unsigned t = vt(i, n);
    if (Emitter::vhome(t) == Xmm::none) {
      e.movzx(8u << lane.size, Reg::rax, Emitter::vslot(t, lane.index << lane.size));
      e.mov(8u << lane.size, m, Reg::rax);
    } else if (lane.index == 0 && lane.size >= 2) {
      lane.size == 2 ? e.movd(m, Emitter::vhome(t)) : e.movq(m, Emitter::vhome(t));
    } else {
      e.sse(0x66, o.map, o.code, Emitter::vhome(t), m, lane.size == 3, 1);
      e.byte(static_cast<u8>(lane.index));
    }
  }
  write_back(e, i, a, post, count << lane.size);
}

void replicate(Emitter& e, unsigned size, Xmm x, Mem m) {
  if (e.host().avx2) {
    static constexpr u8 kBroadcast[4] = {0x78, 0x79, 0x58, 0x59};
    return e.sse(0x66, 2, kBroadcast[size], x, m);
  }
  if (size < 2) {
    e.movzx(8u << size, Reg::rax, m);
    e.movd(x, Reg::rax);
    return op(e, kShuffleBytes, x, x, size ? Constant::SplatHalf : Constant::SplatByte);
  }
  size == 2 ? e.movd(x, m) : e.movq(x, m);
  shuffle_words(e, x, x, size == 2 ? 0 : 0x44);
}

void load_replicate(Emitter& e, Insn i, unsigned count, bool post) {
  Access a = access(e, i);
  unsigned size = i.vsize();
  probe(e, a, size, count);
  for (unsigned n = 0; n < count; n++) {
    replicate(e, size, kA, a.at(n << size));
    i.Q() ? e.vcommit(vt(i, n), kA) : e.vcommit64(vt(i, n), kA);
  }
  write_back(e, i, a, post, count << size);
}

}  // namespace

void LD1_multi(Emitter& e, Insn i) { load_registers(e, i, false); }
void LD2_multi(Emitter& e, Insn i) { load_two(e, i, false); }
void LD3_multi(Emitter& e, Insn i) { load_three(e, i, false); }
void LD4_multi(Emitter& e, Insn i) { load_four(e, i, false); }
void ST1_multi(Emitter& e, Insn i) { store_registers(e, i, false); }
void ST2_multi(Emitter& e, Insn i) { store_two(e, i, false); }
void ST3_multi(Emitter& e, Insn i) { store_three(e, i, false); }
void ST4_multi(Emitter& e, Insn i) { store_four(e, i, false); }
void LD1_multi_post(Emitter& e, Insn i) { load_registers(e, i, true); }
void LD2_multi_post(Emitter& e, Insn i) { load_two(e, i, true); }
void LD3_multi_post(Emitter& e, Insn i) { load_three(e, i, true); }
void LD4_multi_post(Emitter& e, Insn i) { load_four(e, i, true); }
void ST1_multi_post(Emitter& e, Insn i) { store_registers(e, i, true); }
void ST2_multi_post(Emitter& e, Insn i) { store_two(e, i, true); }
void ST3_multi_post(Emitter& e, Insn i) { store_three(e, i, true); }
void ST4_multi_post(Emitter& e, Insn i) { store_four(e, i, true); }

#define SINGLE(COUNT)                                                               \
  void LD##COUNT##_lane(Emitter& e, Insn i) { load_lane(e, i, COUNT, false); }      \
  void ST##COUNT##_lane(Emitter& e, Insn i) { store_lane(e, i, COUNT, false); }     \
  void LD##COUNT##R(Emitter& e, Insn i) { load_replicate(e, i, COUNT, false); }     \
  void LD##COUNT##_lane_post(Emitter& e, Insn i) { load_lane(e, i, COUNT, true); }  \
  void ST##COUNT##_lane_post(Emitter& e, Insn i) { store_lane(e, i, COUNT, true); } \
  void LD##COUNT##R_post(Emitter& e, Insn i) { load_replicate(e, i, COUNT, true); }
SINGLE(1)
SINGLE(2)
SINGLE(3)
SINGLE(4)
#undef SINGLE

}  // namespace grus::a64_to_x64::templates
