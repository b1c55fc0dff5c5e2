// SPDX-License-Identifier: MIT
// struct epoll_event: packed on x86-64 only (EPOLL_PACKED in include/uapi/linux/eventpoll.h).
#pragma once
#include "base/types.h"

namespace grus::linux {

struct GuestEpollEvent {
  u32 events;
  u32 pad;
  u64 data;
};
struct [[gnu::packed]] HostEpollEvent {
  u32 events;
  u64 data;
};
static_assert(sizeof(GuestEpollEvent) == 16 && sizeof(HostEpollEvent) == 12);

inline HostEpollEvent to_host(const GuestEpollEvent& g) { return {g.events, g.data}; }
inline GuestEpollEvent to_guest(const HostEpollEvent& h) { return {h.events, 0, h.data}; }

}  // namespace grus::linux
