// SPDX-License-Identifier: MIT
#include "translate/a64_to_x64/constants.h"

#include "translate/a64_to_x64/emitter.h"
#include "translate/region.h"

namespace grus::a64_to_x64 {
namespace {

struct Bytes {
  u8 b[16];
};

void fill(Bytes& out, u64 low, u64 high) {
  __builtin_memcpy(out.b, &low, 8);
  __builtin_memcpy(out.b + 8, &high, 8);
}

u64 splat(u64 value, unsigned bits) {
  for (; bits < 64; bits *= 2) value |= value << bits;
  return value;
}

}  // namespace

void write_constants(u8* at) {
  Bytes* table = reinterpret_cast<Bytes*>(at);
  auto entry = [&](Constant c) -> Bytes& { return table[static_cast<unsigned>(c)]; };
  auto both = [&](Constant c, u64 value) { fill(entry(c), value, value); };
  auto pair = [&](Constant c, u64 low, u64 high) { fill(entry(c), low, high); };
  constexpr u64 kNothing = 0x8080808080808080;  // as a shuffle

  for (unsigned n = 0; n < 16; n++) both(Constant::SplatByte + n, splat(n, 8));
  for (unsigned n = 0; n < 8; n++) {
    both(Constant::SplatHalf + n, splat((2 * n + 1) << 8 | 2 * n, 16));
    both(Constant::ShiftLeftBytes + n, splat(0xff << n & 0xff, 8));
    both(Constant::ShiftRightBytes + n, splat(0xff >> n, 8));
  }
  for (unsigned n = 0; n < 4; n++) {
    both(Constant::TableLimit + n, splat(16 * (n + 1) - 1, 8));
    both(Constant::TableStep + n, splat(16 * n, 8));
  }
  both(Constant::Sha1K + 0, splat(0x5a827999, 32));
  both(Constant::Sha1K + 1, splat(0x6ed9eba1, 32));
  both(Constant::Sha1K + 2, splat(0x8f1bbcdc, 32));
  pair(Constant::EvenOddBytes, 0x0e0c0a0806040200, 0x0f0d0b0907050301);
  pair(Constant::EvenOddHalves, 0x0d0c090805040100, 0x0f0e0b0a07060302);
  pair(Constant::NarrowHalves, 0x0e0c0a0806040200, kNothing);
  pair(Constant::NarrowWords, 0x0d0c090805040100, kNothing);
  pair(Constant::NarrowDoubles, 0x0b0a090803020100, kNothing);
  pair(Constant::ReverseBytesIn16, 0x0607040502030001, 0x0e0f0c0d0a0b0809);
  pair(Constant::ReverseBytesIn32, 0x0405060700010203, 0x0c0d0e0f08090a0b);
  pair(Constant::ReverseBytesIn64, 0x0001020304050607, 0x08090a0b0c0d0e0f);
  pair(Constant::ReverseHalvesIn32, 0x0504070601000302, 0x0d0c0f0e09080b0a);
  pair(Constant::ReverseHalvesIn64, 0x0100030205040706, 0x09080b0a0d0c0f0e);
  both(Constant::LowByteOfHalf, splat(0xff, 16));
  both(Constant::LowHalfOfWord, splat(0xffff, 32));
  both(Constant::LowByteOfWord, splat(0xff, 32));
  both(Constant::LowWordOfDouble, 0xffffffff);
  both(Constant::LowByteOfDouble, 0xff);
  both(Constant::HighByteOfHalf, splat(0xff00, 16));
  pair(Constant::LowByte, 0xff, 0);
  pair(Constant::LowHalf, 0xffff, 0);
  pair(Constant::LowWord, 0xffffffff, 0);
  both(Constant::Nibbles, splat(0x0f, 8));
  for (unsigned n = 0; n < 16; n++) {
    unsigned reversed = (n & 1) << 3 | (n & 2) << 1 | (n & 4) >> 1 | (n & 8) >> 3;
    entry(Constant::PopulationOfNibble).b[n] =
        static_cast<u8>((n & 1) + (n >> 1 & 1) + (n >> 2 & 1) + (n >> 3));
    entry(Constant::ReversedNibbleHigh).b[n] = static_cast<u8>(reversed << 4);
    entry(Constant::ReversedNibbleLow).b[n] = static_cast<u8>(reversed);
  }
  pair(Constant::PowersOfTwo, 0x8040201008040201, 0);
  pair(Constant::LowByteTwice, 0x0606040402020000, 0x0e0e0c0c0a0a0808);
  both(Constant::EightInHighByte, splat(0x0800, 16));
  pair(Constant::LeadingZerosHigh, 0x0101010102020308, 0);
  pair(Constant::LeadingZerosLow, 0x0505050506060708, 0x0404040404040404);
  both(Constant::Eight8, splat(8, 8));
  both(Constant::Sixteen16, splat(16, 16));
  both(Constant::SaturateIndex, splat(0x70, 8));
  both(Constant::SaturateIndex32, splat(0x60, 8));
  both(Constant::Sign8, splat(0x80, 8));
  both(Constant::Sign16, splat(0x8000, 16));
  both(Constant::Sign32, splat(0x80000000, 32));
  both(Constant::Sign64, u64{1} << 63);
  both(Constant::One8, splat(1, 8));
  both(Constant::One16, splat(1, 16));
  both(Constant::One32, splat(1, 32));
  both(Constant::Magnitude32, splat(0x7fffffff, 32));
  both(Constant::Magnitude64, ~u64{0} >> 1);
  pair(Constant::MagnitudeLow32, 0x7fffffff, 0);
  pair(Constant::MagnitudeLow64, ~u64{0} >> 1, 0);
  pair(Constant::SignLow32, 0x80000000, 0);
  pair(Constant::SignLow64, u64{1} << 63, 0);
  both(Constant::SmallestNormal32, splat(0x00800000, 32));
  both(Constant::SmallestNormal64, u64{1} << 52);
  both(Constant::ReciprocalFraction, splat(0x007f8000, 32));
  both(Constant::ReciprocalOperand, splat(0x44004000, 32));
  both(Constant::ReciprocalBias, splat(0x2000 - 0x3a000000u, 32));
  both(Constant::ReciprocalOne, splat(1 << 18, 32));
  both(Constant::RootFraction, splat(0x00ff0000, 32));
  both(Constant::RootParity, splat(0x00800000, 32));
  both(Constant::RootOperand, splat(0x43808000, 32));
  both(Constant::RootBias, splat(0x199a - 0x3c800000u, 32));
  both(Constant::RootOne, splat(1 << 28, 32));
  both(Constant::SignAndExponent32, splat(0xff800000, 32));
  both(Constant::SignAndExponent64, u64{0xfff} << 52);
  both(Constant::ReciprocalLimit32, splat((252u << 23) - 1, 32));
  both(Constant::ReciprocalLimit64, (u64{2044} << 52) - 1);
  both(Constant::ReciprocalExponent32, splat(253u << 23, 32));
  both(Constant::ReciprocalExponent64, u64{2045} << 52);
  both(Constant::RootLimit32, splat((254u << 23) - 1, 32));
  both(Constant::RootLimit64, (u64{2046} << 52) - 1);
  both(Constant::RootExponent32, splat(380u << 23, 32));
  both(Constant::RootExponent64, u64{3068} << 52);
  pair(Constant::OnesAboveLow64, 0, splat(0x3f800000, 32));
  both(Constant::Float65536, splat(0x47800000, 32));
  pair(Constant::TransposeBytes, 0x0d0905010c080400, 0x0f0b07030e0a0602);
  pair(Constant::TransposeHalves, 0x0b0a030209080100, 0x0f0e07060d0c0504);
  for (unsigned size = 0; size < 3; size++) {
    unsigned bytes = 1u << size, lanes = 16 / bytes;
    for (unsigned n = 0; n < 3; n++) {
      Bytes& mask = entry(Constant::ThreeMask + 3 * size + n);
      Bytes& gather = entry(Constant::ThreeGather + 3 * size + n);
      Bytes& scatter = entry(Constant::ThreeScatter + 3 * size + n);
      for (unsigned lane = 0; lane < lanes; lane++) {
        unsigned place = (3 * lane + n) % lanes;
        for (unsigned b = 0; b < bytes; b++) {
          mask.b[lane * bytes + b] = lane % 3 == n ? 0xff : 0;
          gather.b[lane * bytes + b] = static_cast<u8>(place * bytes + b);
          scatter.b[place * bytes + b] = static_cast<u8>(lane * bytes + b);
        }
      }
    }
  }
  auto image = [](unsigned nzcv) {
    CpuState s;
    s.set_nzcv(nzcv);
    return u64{s.nzcv_image};
  };
  pair(Constant::CompareImages, image(8) | image(2) << 32, image(6) | image(3) << 32);
}

Mem Emitter::constant(Constant c) const {
  return Mem::rip(region_.constants() + 16 * static_cast<unsigned>(c));
}

}  // namespace grus::a64_to_x64
