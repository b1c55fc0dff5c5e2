// SPDX-License-Identifier: MIT
// Instruction sequences with known answers. Each is the shape in which an emulator is known to have gone wrong; the
// operands come from memory so that no compiler can fold them.
//
// int f(const void* operands, void* results): writes results; main.c compares.
  .text
  .arch armv8-a+crc

// QEMU 8.2.0-8.2.7, 9.0.0-9.0.3, 9.1.0 on hosts without AVX: vector compare with zero leaves every second 32-bit lane
// unwritten (QEMU commits 9622c697d1 and 9d8d5a5b9078). Destinations are filled with a pattern first.
  .globl compare_with_zero
compare_with_zero:
  ldr q0, [x0]
  movi v1.16b, #0x5a
  mov v2.16b, v1.16b
  mov v3.16b, v1.16b
  mov v4.16b, v1.16b
  mov v5.16b, v1.16b
  mov v6.16b, v1.16b
  cmeq v1.4s, v0.4s, #0
  cmge v2.4s, v0.4s, #0
  cmgt v3.4s, v0.4s, #0
  cmle v4.4s, v0.4s, #0
  cmlt v5.4s, v0.4s, #0
  cmeq v6.2s, v0.2s, #0
  stp q1, q2, [x1]
  stp q3, q4, [x1, #32]
  stp q5, q6, [x1, #64]
  ret

// QEMU 8.2.0-8.2.2 on any host: lsr of a value known to be 0 or -1, then sxtb (QEMU commit 2911e9b95f3b).
  .globl shift_then_extend
shift_then_extend:
  ldr x2, [x0]
  cmp x2, #0
  csetm x3, ne
  lsr x3, x3, #2
  sxtb x4, w3
  str x4, [x1]
  csetm x5, ne
  lsr x5, x5, #1
  sxth x6, w5
  sxtw x7, w5
  stp x6, x7, [x1, #8]
  ret

// QEMU 8.2.0-8.2.2 on any host: a right shift by a register, of a value whose upper bits are known to repeat its sign (from
// csetm, a sign-extending load, an arithmetic shift), then a sign extension, which is left out. Shifts by a constant are right.
  .globl shift_by_register
shift_by_register:
  ldp x2, x9, [x0]
  ldrsb x10, [x0, #16]
  ldrsh w11, [x0, #16]
  cmp x2, #0
  csetm x3, ne
  lsr x3, x3, x9
  sxtb x4, w3
  csetm w5, ne
  lsr w5, w5, w9
  sxth w6, w5
  stp x4, x6, [x1]
  lsr x7, x10, x9
  sxtb x7, w7
  lsr w8, w11, w9
  sxtb w8, w8
  stp x7, x8, [x1, #16]
  asr x12, x2, #63
  lsr x12, x12, x9
  sxtw x12, w12
  sxtw x13, w10
  lsr x13, x13, x9
  sxth x13, w13
  stp x12, x13, [x1, #32]
  lsl x14, x10, x9
  sxtb x14, w14
  ror x15, x10, x9
  sxth x15, w15
  stp x14, x15, [x1, #48]
  ret

// Flags: adds, subs, adcs, ccmp, and NZCV as a whole.
  .globl flags
flags:
  ldp x2, x3, [x0]
  adds x4, x2, x3
  mrs x5, nzcv
  sbcs x6, x3, x2
  mrs x7, nzcv
  subs w8, w2, w3
  mrs x9, nzcv
  ccmp x2, x3, #5, eq
  mrs x10, nzcv
  stp x4, x5, [x1]
  stp x6, x7, [x1, #16]
  stp x8, x9, [x1, #32]
  str x10, [x1, #48]
  ret

// Bit fields, byte order, 128-bit products, division by zero.
  .globl integers
integers:
  ldp x2, x3, [x0]
  umulh x4, x2, x3
  smulh x5, x2, x3
  sdiv x6, x2, xzr
  rev16 x7, x2
  sbfx x8, x2, #12, #9
  extr x9, x2, x3, #20
  rbit x10, x3
  cls x11, x2
  msub x12, x2, x3, x2
  stp x4, x5, [x1]
  stp x6, x7, [x1, #16]
  stp x8, x9, [x1, #32]
  stp x10, x11, [x1, #48]
  str x12, [x1, #64]
  ret

// Vectors: saturation, widening, narrowing, tables, pairwise.
  .globl vectors
vectors:
  ldp q0, q1, [x0]
  sqadd v2.16b, v0.16b, v1.16b
  uqsub v3.8h, v0.8h, v1.8h
  smull v4.2d, v0.2s, v1.2s
  tbl v5.16b, {v0.16b}, v1.16b
  addp v6.8h, v0.8h, v1.8h
  sqxtn v7.4h, v0.4s
  cmhi v16.8h, v0.8h, v1.8h
  ushl v17.4s, v0.4s, v1.4s
  stp q2, q3, [x1]
  stp q4, q5, [x1, #32]
  stp q6, q7, [x1, #64]
  stp q16, q17, [x1, #96]
  ret

// Scalar floating point: one rounding in fmadd, saturating conversion, round to odd multiples, NaN payload.
  .globl floats
floats:
  ldp d0, d1, [x0]
  ldp d2, d3, [x0, #16]
  fmadd d4, d0, d0, d1
  fcvtzs w2, d2
  frintn d5, d3
  fadd d6, d2, d3
  fmaxnm d7, d0, d1
  fsqrt d16, d1
  stp d4, d5, [x1]
  stp d6, d7, [x1, #16]
  stp d16, d3, [x1, #32]
  str x2, [x1, #48]
  ret
