// SPDX-License-Identifier: MIT
// struct semid64_ds: x86 keeps a spare word behind each time (arch/x86/include/uapi/asm/sembuf.h), arm64 has
// the asm-generic layout. msqid64_ds, shmid64_ds and ipc64_perm are the same on both.
#pragma once
#include <linux/sem.h>

#include "base/types.h"

namespace grus::linux {

struct GuestSemidDs {
  struct ::ipc64_perm perm;
  i64 otime, ctime;
  u64 nsems;
  u64 unused[2];
};
static_assert(sizeof(struct ::ipc64_perm) == 48 && sizeof(GuestSemidDs) == 88);
static_assert(sizeof(struct ::semid64_ds) == 104);

inline GuestSemidDs to_guest(const struct ::semid64_ds& h) {
  return {h.sem_perm, static_cast<i64>(h.sem_otime), static_cast<i64>(h.sem_ctime), h.sem_nsems, {0, 0}};
}
// IPC_SET reads the permissions only.
inline struct ::semid64_ds to_host(const GuestSemidDs& g) {
  struct ::semid64_ds h {};
  h.sem_perm = g.perm;
  return h;
}

}  // namespace grus::linux
