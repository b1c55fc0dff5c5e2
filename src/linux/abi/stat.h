// SPDX-License-Identifier: MIT
// struct stat: arm64 has the asm-generic layout (include/uapi/asm-generic/stat.h), x86-64 its own older one.
// statx and statfs are the same on both.
#pragma once
#include <asm/stat.h>

#include "base/types.h"

namespace grus::linux {

struct GuestStat {
  u64 dev, ino;
  u32 mode, nlink, uid, gid;
  u64 rdev, pad1;
  i64 size;
  i32 blksize, pad2;
  i64 blocks;
  i64 atime;
  u64 atime_nsec;
  i64 mtime;
  u64 mtime_nsec;
  i64 ctime;
  u64 ctime_nsec;
  u32 unused[2];
};
static_assert(sizeof(GuestStat) == 128 && offsetof(GuestStat, mode) == 16 &&
              offsetof(GuestStat, rdev) == 32 && offsetof(GuestStat, blksize) == 56 &&
              offsetof(GuestStat, blocks) == 64 && offsetof(GuestStat, ctime_nsec) == 112);
static_assert(sizeof(struct ::stat) == 144);

inline GuestStat to_guest_stat(const struct ::stat& h) {
  GuestStat g{};
  g.dev = h.st_dev;
  g.ino = h.st_ino;
  g.mode = h.st_mode;
  g.nlink = static_cast<u32>(h.st_nlink);
  g.uid = h.st_uid;
  g.gid = h.st_gid;
  g.rdev = h.st_rdev;
  g.size = h.st_size;
  g.blksize = static_cast<i32>(h.st_blksize);
  g.blocks = h.st_blocks;
  g.atime = static_cast<i64>(h.st_atime);
  g.atime_nsec = h.st_atime_nsec;
  g.mtime = static_cast<i64>(h.st_mtime);
  g.mtime_nsec = h.st_mtime_nsec;
  g.ctime = static_cast<i64>(h.st_ctime);
  g.ctime_nsec = h.st_ctime_nsec;
  return g;
}

}  // namespace grus::linux
