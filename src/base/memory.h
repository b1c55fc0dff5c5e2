// SPDX-License-Identifier: MIT
// The engine's own memory. Everything is mapped inside the engine arena (docs/address-map.md), never from brk
// and never where a guest would look for room first.
//
// `map_engine_pages` is for big things (stacks, windows, tables): page granular, lazily backed, zeroed,
// returned with `unmap_engine_pages`. `engine_new`/`engine_delete` are for small kernel-shaped objects: size
// classes under one spin lock that is taken around fork. Nothing here is called while translated code runs a
// hot path.
#pragma once
#include <new>

#include "base/types.h"

namespace grus {

enum class PageUse : u8 {
  Data,   // beside other data
  Stack,  // with an inaccessible gap of at least 64 KiB below
  Code,   // read-write-execute
};

// nullptr when the host has no memory. Aligned to 64 KiB.
void* map_engine_pages(size_t bytes, PageUse use = PageUse::Data);
void unmap_engine_pages(void* p, size_t bytes);
// The same for what nothing goes on without: dies with a clear line.
void* map_engine_table(size_t bytes);
// Maps the first `bytes` of a file inside the arena; nullptr on any failure. Returned with unmap_engine_pages.
void* map_engine_file(size_t bytes, int fd, u64 prot, u64 flags);
// True when [a, a+n) touches memory that belongs to the engine: its image, arena, windows.
bool is_engine_memory(u64 a, u64 n);
// The first range of the engine's that ends above `a`; false: there is none.
bool next_engine_range(u64 a, u64* begin, u64* end);
// Declares memory mapped elsewhere (a code window beside its module) as the engine's, and back.
void claim_engine_range(u64 a, u64 n);
void release_engine_range(u64 a, u64 n);
// Calls f(context, begin, end) for every engine-owned range, ascending: /proc/self/maps leaves these out.
void for_each_engine_range(void (*f)(void*, u64, u64), void* context);

void* engine_alloc(size_t bytes);  // zeroed; dies with a clear line when there is no memory
void engine_free(void* p, size_t bytes);

void register_memory_locks();

template <typename T, typename... A>
T* engine_new(A... args) {
  return new (engine_alloc(sizeof(T))) T{args...};
}
template <typename T>
void engine_delete(T* p) {
  p->~T();
  engine_free(p, sizeof(T));
}

}  // namespace grus
