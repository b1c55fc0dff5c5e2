// SPDX-License-Identifier: MIT
// Atomic instructions executed by several host threads at once: no update is lost, STLR and LDAR are RCsc.
//
// Each test runs a guest routine of a few instructions in a loop through decode() and the semantics. Branches
// are not needed: the loops are the test's own. An implementation without locked operations loses updates
// here within a few thousand rounds.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "../insn/test_host.h"
#include "guest/aarch64/registers.h"
#include "insn.h"

using namespace grus;
using namespace grus::a64;

namespace {

constexpr unsigned kThreads = 4, kRounds = 20000;

void execute(CpuState& cpu, u32 word) {
  Op op = decode(word);
  ASSERT_NE(op, Op::UNALLOCATED) << std::hex << word;
  kSemantics[static_cast<unsigned>(op)](cpu, Insn{word, op});
  ASSERT_EQ(cpu.exception.kind, ExceptionKind::None) << std::hex << word;
}

// Runs `round` kRounds times in each of kThreads threads, with x0 = cell.
template <typename Round>
void together(void* cell, Round round) {
  std::vector<std::thread> threads;
  std::atomic<unsigned> waiting{kThreads};
  for (unsigned t = 0; t < kThreads; t++)
    threads.emplace_back([&] {
      CpuState cpu;
      cpu.reset();
      cpu.x[0] = reinterpret_cast<u64>(cell);
      waiting--;
      while (waiting) std::this_thread::yield();
      for (unsigned n = 0; n < kRounds; n++) round(cpu);
    });
  for (std::thread& t : threads) t.join();
}

constexpr u32 lsize(unsigned log2) { return log2 << 30; }

// ldxr x1, [x0]; x1 + 1; stxr w2, x1, [x0]; again while w2
TEST(Atomicity, Exclusives) {
  for (unsigned size = 0; size < 4; size++) {
    alignas(8) u64 cell = 0;
    together(&cell, [&](CpuState& cpu) {
      do {
        execute(cpu, 0x085f7c01 | lsize(size));
        cpu.x[1]++;
        execute(cpu, 0x08027c01 | lsize(size));
      } while (cpu.x[2]);
    });
    EXPECT_EQ(cell, u64{kThreads * kRounds} & (size == 3 ? ~u64{0} : (u64{1} << (8 << size)) - 1))
        << "size " << size;
  }
}

// ldxp x1, x2, [x0]; both change; stxp w3, x1, x2, [x0]: the halves must stay in step.
TEST(Atomicity, ExclusivePairs) {
  alignas(16) u64 cell[2] = {0, 0};
  together(cell, [&](CpuState& cpu) {
    do {
      execute(cpu, 0xc87f0801);
      cpu.x[1]++;
      cpu.x[2] += 3;
      execute(cpu, 0xc8230801);
    } while (cpu.x[3]);
  });
  EXPECT_EQ(cell[0], u64{kThreads * kRounds});
  EXPECT_EQ(cell[1], u64{3 * kThreads * kRounds});
}

// ldadd x1, x2, [x0]: every value is seen exactly once.
TEST(Atomicity, Add) {
  for (unsigned size = 2; size < 4; size++) {
    alignas(8) u64 cell = 0;
    std::vector<std::atomic<u8>> seen(kThreads * kRounds);
    together(&cell, [&](CpuState& cpu) {
      cpu.x[1] = 1;
      execute(cpu, 0x38210002 | lsize(size));
      seen[cpu.x[2]]++;
    });
    EXPECT_EQ(cell, u64{kThreads * kRounds});
    for (auto& times : seen) ASSERT_EQ(times, 1);
  }
}

// ldr x1; x2 = x1, x3 = x1 + 1; cas x2, x3, [x0]; again while x2 != x1
TEST(Atomicity, CompareAndSwap) {
  alignas(8) u64 cell = 0;
  together(&cell, [&](CpuState& cpu) {
    do {
      execute(cpu, 0xf9400001);
      cpu.x[2] = cpu.x[1];
      cpu.x[3] = cpu.x[1] + 1;
      execute(cpu, 0xc8a27c03);
    } while (cpu.x[2] != cpu.x[1]);
  });
  EXPECT_EQ(cell, u64{kThreads * kRounds});
}

// casp x2, x3, x4, x5, [x0] from a torn read: it may fail, but never mix two states.
TEST(Atomicity, CompareAndSwapPair) {
  alignas(16) u64 cell[2] = {0, 0};
  together(cell, [&](CpuState& cpu) {
    for (;;) {
      execute(cpu, 0xa9400c02);  // ldp x2, x3, [x0]
      u64 low = cpu.x[2], high = cpu.x[3];
      cpu.x[4] = low + 1;
      cpu.x[5] = high + 5;
      execute(cpu, 0x48227c04);
      if (cpu.x[2] == low && cpu.x[3] == high) break;
    }
  });
  EXPECT_EQ(cell[0], u64{kThreads * kRounds});
  EXPECT_EQ(cell[1], u64{5 * kThreads * kRounds});
}

// swpa w1, w2, [x0] takes a lock, stlr wzr, [x0] frees it; what it guards is ordinary memory.
TEST(Atomicity, SwapAsLock) {
  struct {
    alignas(8) u64 lock, counter;
  } cell = {0, 0};
  together(&cell, [&](CpuState& cpu) {
    cpu.x[1] = 1;
    do execute(cpu, 0xb8a18002);
    while (cpu.x[2]);
    execute(cpu, 0xf9400403);  // ldr x3, [x0, #8]
    cpu.x[3]++;
    execute(cpu, 0xf9000403);  // str x3, [x0, #8]
    execute(cpu, 0x889ffc1f);
  });
  EXPECT_EQ(cell.counter, u64{kThreads * kRounds});
}

// Spins, so that both sides leave at once, but not for ever: the other side may be waiting for this
// processor.
void await(const std::atomic<unsigned>& counter, unsigned value) {
  for (unsigned n = 0; counter < value; n++)
    if (n > 1000) std::this_thread::yield();
}

// Store buffering: stlr to one's own cell, then ldar of the other's. With RCsc both cannot read 0. Plain x86
// stores and loads can, which this test sees within a few thousand rounds on two processors.
TEST(Ordering, StoreReleaseThenLoadAcquire) {
  struct alignas(64) Cell {
    u64 value;
  };
  static Cell cells[2];
  static std::atomic<unsigned> arrived, round;
  u64 seen[2];
  arrived = round = 0;
  // stlr x1, [x0]; ldar x3, [x2], decoded before, to have them close together.
  const Insn store{0xc89ffc01, decode(0xc89ffc01)}, load{0xc8dffc43, decode(0xc8dffc43)};
  const Semantics run_store = kSemantics[static_cast<unsigned>(store.op)],
                  run_load = kSemantics[static_cast<unsigned>(load.op)];
  auto side = [&](unsigned me) {
    CpuState cpu;
    cpu.reset();
    for (unsigned n = 0; n < 100000; n++) {
      cpu.x[0] = reinterpret_cast<u64>(&cells[me]);
      cpu.x[1] = 1;
      cpu.x[2] = reinterpret_cast<u64>(&cells[1 - me]);
      arrived++;
      await(arrived, 2 * n + 2);
      run_store(cpu, store);
      run_load(cpu, load);
      seen[me] = cpu.x[3];
      round++;
      await(round, 2 * n + 2);
      if (me == 0) {
        EXPECT_NE(seen[0] + seen[1], 0u) << "round " << n;
        cells[0].value = cells[1].value = 0;
      }
      // The next round's barrier keeps side 1 from starting before the cells are clear.
    }
  };
  std::thread other(side, 1);
  side(0);
  other.join();
}

}  // namespace
