// SPDX-License-Identifier: MIT
// 128-bit constants that vector templates use as memory operands: a table at the start of every window, so
// that translated code reaches it rip-relative wherever the window lies and holds no address of the engine.
#pragma once
#include "base/types.h"

namespace grus::a64_to_x64 {

enum class Constant : u8 {
  SplatByte = 0,         // + n: a shuffle that copies byte n everywhere
  SplatHalf = 16,        // + n: the same for 16-bit lanes
  ShiftLeftBytes = 24,   // + n: 0xff << n in each byte
  ShiftRightBytes = 32,  // + n: 0xff >> n in each byte
  TableLimit = 40,       // + n: 16 * (n + 1) - 1 in each byte
  TableStep = 44,        // + n: 16 * n in each byte
  Sha1K = 48,            // + 0, 1, 2: of SHA1C, SHA1P, SHA1M
  EvenOddBytes = 51,     // shuffle: even bytes to the low half, odd ones to the high half
  EvenOddHalves,
  NarrowHalves,   // shuffle: low bytes of 16-bit lanes to the low half, zero above
  NarrowWords,    // the same for 16 of 32 bits
  NarrowDoubles,  // the same for 32 of 64 bits
  ReverseBytesIn16,
  ReverseBytesIn32,
  ReverseBytesIn64,
  ReverseHalvesIn32,
  ReverseHalvesIn64,
  LowByteOfHalf,  // masks
  LowHalfOfWord,
  LowByteOfWord,
  LowWordOfDouble,
  LowByteOfDouble,
  HighByteOfHalf,
  LowByte,  // of the whole register
  LowHalf,
  LowWord,
  Nibbles,
  PopulationOfNibble,
  ReversedNibbleHigh,  // the bits of a nibble in reverse, in the high nibble
  ReversedNibbleLow,
  PowersOfTwo,        // 1 << n for n < 8, then zeros
  LowByteTwice,       // shuffle: the low byte of 16-bit lanes in both of their bytes
  EightInHighByte,    // of 16-bit lanes
  LeadingZerosHigh,   // of a byte by its high nibble: 8 where that is zero
  LeadingZerosLow,    // and by its low nibble below zeros
  Eight8,
  Sixteen16,
  SaturateIndex,  // 0x70 in each byte: indices up to 15 stay, others become zero
  SaturateIndex32,  // 0x60: up to 31, modulo 16
  Sign8,
  Sign16,
  Sign32,
  Sign64,
  One8,
  One16,
  One32,
  Magnitude32,             // of floating-point numbers: every bit except signs
  Magnitude64,
  MagnitudeLow32,          // of the low element, zero above
  MagnitudeLow64,
  SignLow32,
  SignLow64,
  SmallestNormal32,
  SmallestNormal64,
  // For estimates, in words; of doubles only the upper ones count. See simd_fp.cpp.
  ReciprocalFraction, ReciprocalOperand, ReciprocalBias, ReciprocalOne,
  RootFraction, RootParity, RootOperand, RootBias, RootOne,
  SignAndExponent32, SignAndExponent64,
  ReciprocalLimit32, ReciprocalLimit64, ReciprocalExponent32, ReciprocalExponent64,
  RootLimit32, RootLimit64, RootExponent32, RootExponent64,
  OnesAboveLow64,          // 0, 0, 1.0f, 1.0f
  Float65536,
  CompareImages,           // nzcv_image in words: less, greater, equal, unordered
  TransposeBytes,          // shuffle: four by four bytes
  TransposeHalves,         // two by four halves
  // Three interleaved registers, + 3 * size + n. Element e of register n is element 3e + n of memory, so in each vector of
  // memory every third element belongs to it.
  ThreeMask,               // elements congruent n mod 3
  ThreeGather = ThreeMask + 9,      // shuffle: memory's positions (mod 16 bytes) to register n's order
  ThreeScatter = ThreeGather + 9,   // its inverse
  AfterThree = ThreeScatter + 9,
  kCount = AfterThree,
};
inline constexpr Constant operator+(Constant c, unsigned n) {
  return static_cast<Constant>(static_cast<unsigned>(c) + n);
}

inline constexpr unsigned kConstantBytes = 16 * static_cast<unsigned>(Constant::kCount);

// Writes the table; `at` is 16-byte aligned.
void write_constants(u8* at);

}  // namespace grus::a64_to_x64
