// SPDX-License-Identifier: MIT
// Padding, and the compression function for CPUs without SHA instructions; sha256.S has the other.
#include "base/sha256.h"

extern "C" {
extern const grus::u32 grus_sha256_constants[64];
void grus_sha256_blocks(grus::u32* state, const void* data, size_t blocks);
void grus_sha256_two(grus::u32* state, const void* data, grus::u32* other_state, const void* other_data, size_t blocks);
}

namespace grus {
namespace {

constexpr size_t kBlock = 64;
constexpr u32 kInitial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
bool g_instructions;

u32 rotated(u32 v, unsigned n) { return v >> n | v << (32 - n); }

// FIPS 180-4, 6.2.2; the schedule W is kept in the last sixteen words.
void compress(u32* state, const u8* block) {
  u32 w[16];
  for (unsigned i = 0; i < 16; i++) {
    __builtin_memcpy(&w[i], block + 4 * i, 4);
    w[i] = __builtin_bswap32(w[i]);
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (unsigned i = 0; i < 64; i++) {
    if (i >= 16) {
      u32 before = w[(i - 15) % 16], last = w[(i - 2) % 16];
      w[i % 16] += (rotated(before, 7) ^ rotated(before, 18) ^ before >> 3) + w[(i - 7) % 16] +
                   (rotated(last, 17) ^ rotated(last, 19) ^ last >> 10);
    }
    u32 t1 = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (g ^ (e & (f ^ g))) + grus_sha256_constants[i] + w[i % 16];
    u32 t2 = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) | (c & (a | b)));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void compress(u32* state, const void* data, size_t blocks) {
  if (g_instructions) return grus_sha256_blocks(state, data, blocks);
  for (size_t i = 0; i < blocks; i++) compress(state, static_cast<const u8*>(data) + i * kBlock);
}

Hash256 digest(const u32* state) {
  Hash256 h;
  for (unsigned i = 0; i < 4; i++) h.words[i] = __builtin_bswap32(state[2 * i]) | u64{__builtin_bswap32(state[2 * i + 1])} << 32;
  return h;
}

// The end of a message of `bytes`: its last bytes, a one, zeros, the length in bits. One block or two.
size_t pad(u8 (&out)[2 * kBlock], const u8* rest, size_t bytes) {
  size_t left = bytes % kBlock, size = left < kBlock - 8 ? kBlock : 2 * kBlock;
  __builtin_memset(out, 0, sizeof out);
  __builtin_memcpy(out, rest, left);
  out[left] = 0x80;
  u64 bits = __builtin_bswap64(u64{bytes} * 8);
  __builtin_memcpy(out + size - 8, &bits, 8);
  return size / kBlock;
}

}  // namespace

void set_sha_instructions(bool available) { g_instructions = available; }

Hash256 sha256(const void* data, size_t bytes) {
  u32 state[8];
  u8 end[2 * kBlock];
  __builtin_memcpy(state, kInitial, sizeof state);
  const u8* from = static_cast<const u8*>(data);
  if (bytes >= kBlock) compress(state, from, bytes / kBlock);
  compress(state, end, pad(end, from + bytes / kBlock * kBlock, bytes));
  return digest(state);
}

void sha256_pieces(const void* data, size_t bytes, size_t count, Hash256* out) {
  const u8* from = static_cast<const u8*>(data);
  if (g_instructions && bytes % kBlock == 0) {
    u8 end[2 * kBlock];
    size_t ending = pad(end, from, bytes);
    for (; count >= 2; count -= 2, from += 2 * bytes, out += 2) {
      u32 state[8], other[8];
      __builtin_memcpy(state, kInitial, sizeof state);
      __builtin_memcpy(other, kInitial, sizeof other);
      grus_sha256_two(state, from, other, from + bytes, bytes / kBlock);
      grus_sha256_two(state, end, other, end, ending);
      out[0] = digest(state);
      out[1] = digest(other);
    }
  }
  for (; count; count--, from += bytes) *out++ = sha256(from, bytes);
}

}  // namespace grus
