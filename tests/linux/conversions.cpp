// SPDX-License-Identifier: MIT
// Structures and flags that differ between arm64 and x86-64. Expected numbers are those of the arm64 headers.
// struct stat is not here: the kernel's name collides with libc's; guest programs test it.
#include <gtest/gtest.h>

#include "linux/abi/epoll.h"
#include "linux/abi/open_flags.h"
#include "linux/abi/sem.h"
#include "linux/guest_limits.h"

namespace grus::linux {
namespace {

TEST(OpenFlags, Arm64NumbersBecomeHostNumbers) {
  // O_RDWR|O_CREAT|O_DIRECTORY|O_CLOEXEC as aarch64-linux-gnu-gcc evaluates it, and as gcc does.
  EXPECT_EQ(open_flags_to_host(02040102), u64{02200102});
  EXPECT_EQ(open_flags_to_host(0100000), u64{0400000});      // O_NOFOLLOW
  EXPECT_EQ(open_flags_to_host(0200000), u64{040000});       // O_DIRECT
  EXPECT_EQ(open_flags_to_host(0400000), u64{0100000});      // O_LARGEFILE
  EXPECT_EQ(open_flags_to_host(020040000), u64{020200000});  // O_TMPFILE
  for (unsigned bit = 0; bit < 64; bit++) {
    const u64 f = u64{1} << bit;
    EXPECT_EQ(open_flags_to_guest(open_flags_to_host(f)), f);
  }
}

TEST(Epoll, DataFollowsItsAlignment) {
  const GuestEpollEvent g = to_guest(HostEpollEvent{1, 0x1122334455667788});
  EXPECT_EQ(g.events, 1u);
  EXPECT_EQ(g.data, 0x1122334455667788u);
  EXPECT_EQ(offsetof(GuestEpollEvent, data), 8u);
}

TEST(Semaphores, TimesLoseTheirSpareWords) {
  struct ::semid64_ds h {};
  h.sem_otime = 1, h.sem_ctime = 2, h.sem_nsems = 3;
  const GuestSemidDs g = to_guest(h);
  u64 words[11];
  memcpy(words, &g, sizeof g);
  EXPECT_EQ(words[6], 1u);
  EXPECT_EQ(words[7], 2u);
  EXPECT_EQ(words[8], 3u);
}

TEST(Limits, BiasIsInvisible) {
  for (u64 v : {u64{0}, u64{4096}, u64{2} << 30, u64{1} << 45, kUnlimited})
    EXPECT_EQ(limit_to_guest(limit_to_host(v, kUnlimited)), v);
  EXPECT_EQ(limit_to_host(2 << 20, 1 << 30),
            u64{2 << 20});  // under a limit from outside the kernel's own rules hold
  EXPECT_EQ(limit_to_guest(1 << 30), u64{1 << 30});
}

}  // namespace
}  // namespace grus::linux
