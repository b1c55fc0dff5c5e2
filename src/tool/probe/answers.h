// SPDX-License-Identifier: MIT
// Operands and answers of instructions.S. The answers are those of QEMU 7.2 and of the Arm ARM's definitions worked out
// by hand (integers, comparisons), not of this project's engine.
// clang-format off
// lanes 0, -1, 0, 5
static const u64 operands_compare_with_zero[] = {0xffffffff00000000, 0x500000000};
SEQUENCE(compare_with_zero, {
    0xffffffff, 0xffffffff, 0xffffffff, 0xffffffffffffffff,
    0x0, 0xffffffff00000000, 0xffffffffffffffff, 0xffffffff,
    0xffffffff00000000, 0x0, 0xffffffff, 0x0})

// a value that is not 0
static const u64 operands_shift_then_extend[] = {0x1};
SEQUENCE(shift_then_extend, {
    0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff})

// a value below 0, a shift of 5, a byte and a half word below 0
static const u64 operands_shift_by_register[] = {0x8000000000000001, 0x5, 0x8180};
SEQUENCE(shift_by_register, {
    0xffffffffffffffff, 0xffffffff, 0xfffffffffffffffc, 0xc,
    0xffffffffffffffff, 0xfffffffffffffffc, 0x0, 0xfffffffffffffffc})

// the largest and nearly the smallest number
static const u64 operands_flags[] = {0x7fffffffffffffff, 0x8000000000000001};
SEQUENCE(flags, {
    0x0, 0x60000000, 0x2, 0x30000000,
    0xfffffffe, 0xa0000000, 0x50000000})

// any two numbers
static const u64 operands_integers[] = {0xfedcba9876543210, 0x8123456789abcdef};
SEQUENCE(integers, {
    0x8090574ce8a1f04a, 0x90574ce8a1f04b, 0x0, 0xdcfe98ba54761032,
    0xffffffffffffff43, 0x432108123456789a, 0xf7b3d591e6a2c481, 0x6,
    0xdca5e20890f2a520})

// lanes at and around the limits
static const u64 operands_vectors[] = {0x80ff7f01fe028040, 0x7fff8000c0de0102, 0xf0180ff02fd7f03, 0x100f00ff01fe0403};
SEQUENCE(vectors, {
    0x8f00ff0000ffff43, 0x7f0e80ffc1dc0505, 0x71fe0000fb05013d, 0x6ff07f01bee00000,
    0xfffa0c7c76e740c0, 0xf88e3971cc0101ff, 0x7f800000020000fe, 0x7f4000800001fe,
    0xffffc1e000007e42, 0x110e060190008200, 0x7fff800080008000, 0x0,
    0xffff0000ffffffff, 0xffffffffffff0000, 0x407fbf80f0140200, 0x3fffc00006f00810})

// 1 + ulp, -(1 + 2 ulp), -3e9, 2.5
static const u64 operands_floats[] = {0x3ff0000000000001, 0xbff0000000000002, 0xc1e65a0bc0000000, 0x4004000000000000};
SEQUENCE(floats, {
    0x3970000000000000, 0x4000000000000000, 0xc1e65a0bbfb00000, 0x3ff0000000000001,
    0x7ff8000000000000, 0x4004000000000000, 0x80000000})
