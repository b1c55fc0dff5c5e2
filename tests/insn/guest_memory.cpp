// SPDX-License-Identifier: MIT
// Accesses of C++ to guest memory, of every size and into the page that is not there.
#include "base/guest_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

#include "test_host.h"

namespace grus {

namespace {

constexpr size_t kPage = 4096;

class GuestMemory : public testing::Test {
 protected:
  void SetUp() override {
    test::install_fault_handler();
    void* p = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(p, MAP_FAILED);
    page = static_cast<u8*>(p);
    ASSERT_EQ(mprotect(page + kPage, kPage, PROT_NONE), 0);
    for (size_t i = 0; i < kPage; i++) page[i] = static_cast<u8>(i * 7 + i / 256);
  }
  void TearDown() override { munmap(page, 2 * kPage); }
  GuestAddr at(size_t offset) const { return GuestAddr(reinterpret_cast<u64>(page) + offset); }
  u64 end() const { return reinterpret_cast<u64>(page) + kPage; }

  u8* page;
};

TEST_F(GuestMemory, CopiesOfAnySize) {
  for (size_t n : {0, 1, 3, 4, 7, 8, 12, 15, 16, 20, 256, 508, 511, 512, 1000}) {
    for (size_t offset : {0, 4, 8, 9}) {
      alignas(8) u8 out[1024];
      memset(out, 0xee, sizeof out);
      EXPECT_FALSE(copy_from_guest(out, at(offset), n));
      EXPECT_EQ(memcmp(out, page + offset, n), 0) << n;
      EXPECT_EQ(out[n], 0xee) << n;
      u8 behind = page[2048 + offset + n];
      EXPECT_FALSE(copy_to_guest(at(2048 + offset), out, n));
      EXPECT_EQ(memcmp(out, page + 2048 + offset, n), 0) << n;
      EXPECT_EQ(page[2048 + offset + n], behind) << n;
    }
  }
}

TEST_F(GuestMemory, CopiesEndWhereThePageEnds) {
  for (size_t n : {8, 12, 64, 260, 600}) {
    for (size_t inside : {0, 1, 4, 8, 52}) {
      alignas(8) u8 own[1024];
      memset(own, 0xee, sizeof own);
      if (inside >= n) continue;
      MemoryFault f = copy_from_guest(own, at(kPage - inside), n);
      EXPECT_TRUE(f);
      EXPECT_EQ(f.addr, end());
      EXPECT_EQ(memcmp(own, page + kPage - inside, inside), 0) << n << " " << inside;
      EXPECT_EQ(own[inside], 0xee);
      memset(own, static_cast<int>(n), sizeof own);
      f = copy_to_guest(at(kPage - inside), own, n);
      EXPECT_TRUE(f);
      EXPECT_EQ(f.addr, end());
      EXPECT_EQ(memcmp(own, page + kPage - inside, inside), 0) << n << " " << inside;
    }
  }
}

TEST_F(GuestMemory, Comparison) {
  alignas(8) u8 own[256];
  memcpy(own, page + 512, sizeof own);
  bool same = false;
  EXPECT_FALSE(compare_with_guest(own, at(512), sizeof own, &same));
  EXPECT_TRUE(same);
  for (size_t i = 0; i < sizeof own; i++) {
    own[i] ^= 0x10;
    EXPECT_FALSE(compare_with_guest(own, at(512), sizeof own, &same));
    EXPECT_FALSE(same) << i;
    own[i] ^= 0x10;
  }
  same = true;
  MemoryFault f = compare_with_guest(own, at(kPage - 128), sizeof own, &same);
  EXPECT_TRUE(f);
  EXPECT_EQ(f.addr, end());
  EXPECT_FALSE(same);
}

TEST_F(GuestMemory, Words) {
  const u32 places[] = {3, 900, 0};
  const i32 values[] = {-1, 77, 5};
  EXPECT_FALSE(store_guest_words(at(0), places, values, 3));
  for (int i = 0; i < 3; i++) EXPECT_EQ(reinterpret_cast<i32*>(page)[places[i]], values[i]);
  EXPECT_FALSE(store_guest_words(at(kPage), places, values, 0));
  const u32 beyond[] = {4, 1024, 5};
  i32 fifth = reinterpret_cast<i32*>(page)[5];
  MemoryFault f = store_guest_words(at(0), beyond, values, 3);
  EXPECT_TRUE(f);
  EXPECT_EQ(f.addr, end());
  EXPECT_EQ(reinterpret_cast<i32*>(page)[4], -1);
  EXPECT_EQ(reinterpret_cast<i32*>(page)[5], fifth) << "nothing is stored behind what failed";
}

}  // namespace
}  // namespace grus
