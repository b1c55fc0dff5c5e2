// SPDX-License-Identifier: MIT
// AES, SHA-1, SHA-256 and long polynomial multiplication.
//
// Guarantees: results as the Arm ARM's pseudocode and FIPS 197 and 180-4. AES computes in GF(2^8) instead of
// using tables: slower, short, and independent of the guest's data in its memory accesses.
#include "access.h"

namespace grus::a64::semantics {
namespace {

// --- AES: the state is 16 bytes, column by column

// Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2).
u8 gf_multiply(u8 a, u8 b) {
  unsigned product = 0, shifted = a;
  for (unsigned bit = 0; bit < 8; bit++) {
    product ^= (0u - (b >> bit & 1u)) & shifted;
    shifted = shifted << 1 ^ ((0u - (shifted >> 7 & 1)) & 0x11b);
  }
  return static_cast<u8>(product);
}

// x^254, which is 1/x, and 0 for 0.
u8 gf_inverse(u8 x) {
  u8 result = 1, power = x;
  for (unsigned bit = 1; bit < 8; bit++) {
    power = gf_multiply(power, power);
    result = gf_multiply(result, power);
  }
  return result;
}

u8 rotated(u8 x, unsigned n) { return static_cast<u8>(x << n | x >> (8 - n)); }

u8 sub_byte(u8 x) {
  u8 b = gf_inverse(x);
  return static_cast<u8>(b ^ rotated(b, 1) ^ rotated(b, 2) ^ rotated(b, 3) ^ rotated(b, 4) ^ 0x63);
}

u8 inverse_sub_byte(u8 x) {
  return gf_inverse(static_cast<u8>(rotated(x, 1) ^ rotated(x, 3) ^ rotated(x, 6) ^ 0x05));
}

struct Block {
  u8 b[16];
};

Block block_of(const Vec& v) {
  Block r;
  __builtin_memcpy(&r, &v, 16);
  return r;
}

Vec vector_of(const Block& b) {
  Vec r;
  __builtin_memcpy(&r, &b, 16);
  return r;
}

// Byte (row, column) is at column * 4 + row. MixColumns with the first row of its circulant matrix.
Block mix_columns(const Block& s, const u8 (&first_row)[4]) {
  Block r;
  for (unsigned column = 0; column < 4; column++)
    for (unsigned row = 0; row < 4; row++) {
      u8 sum = 0;
      for (unsigned k = 0; k < 4; k++) sum ^= gf_multiply(s.b[column * 4 + k], first_row[(k + 4 - row) % 4]);
      r.b[column * 4 + row] = sum;
    }
  return r;
}

// --- SHA

u32 rotate_left(u32 x, unsigned n) { return x << n | x >> (32 - n); }
u32 rotate_right(u32 x, unsigned n) { return x >> n | x << (32 - n); }
u32 choose(u32 x, u32 y, u32 z) { return ((y ^ z) & x) ^ z; }
u32 majority(u32 x, u32 y, u32 z) { return (x & y) | ((x | y) & z); }
u32 parity(u32 x, u32 y, u32 z) { return x ^ y ^ z; }

// Four rounds on the state (Vd = a..d, Vn = e); Vm holds the schedule plus the constant.
template <typename Function>
void sha1_rounds(CpuState& cpu, Insn i, Function function) {
  Vec x = cpu.v[i.Rd()];
  const Vec w = cpu.v[i.Rm()];
  u32 y = cpu.v[i.Rn()].get<u32>(0);
  for (unsigned e = 0; e < 4; e++) {
    u32 t = function(x.get<u32>(1), x.get<u32>(2), x.get<u32>(3));
    y += rotate_left(x.get<u32>(0), 5) + t + w.get<u32>(e);
    x.set<u32>(1, rotate_left(x.get<u32>(1), 30));
    // <Y:X> = ROL(Y:X, 32)
    u32 out = x.get<u32>(3);
    for (unsigned lane = 3; lane > 0; lane--) x.set<u32>(lane, x.get<u32>(lane - 1));
    x.set<u32>(0, y);
    y = out;
  }
  cpu.v[i.Rd()] = x;
}

// SHA256hash(X, Y, W, part1): four rounds on (X = a..d, Y = e..h); returns both halves.
void sha256_rounds(Vec& x, Vec& y, const Vec& w) {
  u32 s[8];
  __builtin_memcpy(s, &x, 16);
  __builtin_memcpy(s + 4, &y, 16);
  for (unsigned e = 0; e < 4; e++) {
    u32 sigma1 = rotate_right(s[4], 6) ^ rotate_right(s[4], 11) ^ rotate_right(s[4], 25);
    u32 sigma0 = rotate_right(s[0], 2) ^ rotate_right(s[0], 13) ^ rotate_right(s[0], 22);
    u32 t = s[7] + sigma1 + choose(s[4], s[5], s[6]) + w.get<u32>(e);
    s[3] += t;
    s[7] = t + sigma0 + majority(s[0], s[1], s[2]);
    // <Y:X> = ROL(Y:X, 32)
    u32 out = s[7];
    for (unsigned n = 7; n > 0; n--) s[n] = s[n - 1];
    s[0] = out;
  }
  __builtin_memcpy(&x, s, 16);
  __builtin_memcpy(&y, s + 4, 16);
}

// --- polynomials over {0, 1}

Vec polynomial_multiply(u64 a, u64 b) {
  Vec r = {};
  for (unsigned bit = 0; bit < 64; bit++) {
    u64 mask = 0 - (b >> bit & 1);
    r.d[0] ^= a << bit & mask;
    if (bit) r.d[1] ^= a >> (64 - bit) & mask;
  }
  return r;
}

}  // namespace

void AESE(CpuState& cpu, Insn i) {
  const Vec &d = cpu.v[i.Rd()], &n = cpu.v[i.Rn()];
  Block s = block_of(Vec{{d.d[0] ^ n.d[0], d.d[1] ^ n.d[1]}}), r;
  // ShiftRows: row r comes from r columns to the right.
  for (unsigned at = 0; at < 16; at++) r.b[at] = sub_byte(s.b[(at + at % 4 * 4) % 16]);
  cpu.v[i.Rd()] = vector_of(r);
}

void AESD(CpuState& cpu, Insn i) {
  const Vec &d = cpu.v[i.Rd()], &n = cpu.v[i.Rn()];
  Block s = block_of(Vec{{d.d[0] ^ n.d[0], d.d[1] ^ n.d[1]}}), r;
  for (unsigned at = 0; at < 16; at++) r.b[at] = inverse_sub_byte(s.b[(at + 16 - at % 4 * 4) % 16]);
  cpu.v[i.Rd()] = vector_of(r);
}

void AESMC(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = vector_of(mix_columns(block_of(cpu.v[i.Rn()]), {2, 3, 1, 1}));
}

void AESIMC(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = vector_of(mix_columns(block_of(cpu.v[i.Rn()]), {14, 11, 13, 9}));
}

void SHA1C(CpuState& cpu, Insn i) { sha1_rounds(cpu, i, choose); }
void SHA1P(CpuState& cpu, Insn i) { sha1_rounds(cpu, i, parity); }
void SHA1M(CpuState& cpu, Insn i) { sha1_rounds(cpu, i, majority); }

void SHA1H(CpuState& cpu, Insn i) { cpu.v[i.Rd()] = Vec{{rotate_left(cpu.v[i.Rn()].get<u32>(0), 30), 0}}; }

void SHA1SU0(CpuState& cpu, Insn i) {
  const Vec d = cpu.v[i.Rd()], n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
  // operand2<63:0>:operand1<127:64> EOR operand1 EOR operand3
  cpu.v[i.Rd()] = Vec{{d.d[1] ^ d.d[0] ^ m.d[0], n.d[0] ^ d.d[1] ^ m.d[1]}};
}

void SHA1SU1(CpuState& cpu, Insn i) {
  const Vec d = cpu.v[i.Rd()], n = cpu.v[i.Rn()];
  u32 t[4];
  for (unsigned lane = 0; lane < 4; lane++)
    t[lane] = d.get<u32>(lane) ^ (lane < 3 ? n.get<u32>(lane + 1) : 0);
  Vec r;
  for (unsigned lane = 0; lane < 4; lane++) r.set<u32>(lane, rotate_left(t[lane], 1));
  r.set<u32>(3, r.get<u32>(3) ^ rotate_left(t[0], 2));
  cpu.v[i.Rd()] = r;
}

void SHA256H(CpuState& cpu, Insn i) {
  Vec x = cpu.v[i.Rd()], y = cpu.v[i.Rn()];
  sha256_rounds(x, y, cpu.v[i.Rm()]);
  cpu.v[i.Rd()] = x;
}

void SHA256H2(CpuState& cpu, Insn i) {
  Vec x = cpu.v[i.Rn()], y = cpu.v[i.Rd()];
  sha256_rounds(x, y, cpu.v[i.Rm()]);
  cpu.v[i.Rd()] = y;
}

void SHA256SU0(CpuState& cpu, Insn i) {
  const Vec d = cpu.v[i.Rd()], n = cpu.v[i.Rn()];
  Vec r;
  for (unsigned lane = 0; lane < 4; lane++) {
    u32 t = lane < 3 ? d.get<u32>(lane + 1) : n.get<u32>(0);
    r.set<u32>(lane, (rotate_right(t, 7) ^ rotate_right(t, 18) ^ t >> 3) + d.get<u32>(lane));
  }
  cpu.v[i.Rd()] = r;
}

void SHA256SU1(CpuState& cpu, Insn i) {
  const Vec d = cpu.v[i.Rd()], n = cpu.v[i.Rn()], m = cpu.v[i.Rm()];
  Vec r;
  for (unsigned lane = 0; lane < 4; lane++) {
    u32 before = lane < 2 ? m.get<u32>(lane + 2) : r.get<u32>(lane - 2);
    u32 sigma = rotate_right(before, 17) ^ rotate_right(before, 19) ^ before >> 10;
    u32 t0 = lane < 3 ? n.get<u32>(lane + 1) : m.get<u32>(0);
    r.set<u32>(lane, sigma + d.get<u32>(lane) + t0);
  }
  cpu.v[i.Rd()] = r;
}

void PMULL(CpuState& cpu, Insn i) {
  u64 n = cpu.v[i.Rn()].d[i.Q()], m = cpu.v[i.Rm()].d[i.Q()];
  Vec r;
  for (unsigned lane = 0; lane < 8; lane++) {
    Vec product = polynomial_multiply(n >> (8 * lane) & 0xff, m >> (8 * lane) & 0xff);
    r.set<u16>(lane, static_cast<u16>(product.d[0]));
  }
  cpu.v[i.Rd()] = r;
}

void PMULL_64(CpuState& cpu, Insn i) {
  cpu.v[i.Rd()] = polynomial_multiply(cpu.v[i.Rn()].d[i.Q()], cpu.v[i.Rm()].d[i.Q()]);
}

}  // namespace grus::a64::semantics
