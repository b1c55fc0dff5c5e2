// SPDX-License-Identifier: MIT
// SHA-256's compression function with the CPU's SHA instructions (SDM volume 2, SHA256RNDS2; what is in which half of a register: there).
//
// Guarantees: every vector register is what it was, since the guest's live there. Legacy SSE encodings leave the upper parts alone.
// Deliberately not here: padding, and a look at whether the CPU has them (sha256.cpp).
//
//   void grus_sha256_blocks(u32* state, const void* data, size_t blocks)
//   void grus_sha256_two(u32* state, const void* data, u32* other_state, const void* other_data, size_t blocks)
//
// blocks > 0. Each round waits for the one before; two messages side by side share that time.

#define SAVED 256  /* bytes for xmm0-15 */
#define STATE(n) SAVED + 32 * (n)(%rsp)
#define STATE_HIGH(n) SAVED + 32 * (n) + 16(%rsp)

.macro each_register operation
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  \operation \n
  .endr
.endm
.macro save n
  movups %xmm\n, 16 * \n(%rsp)
.endm
.macro restore n
  movups 16 * \n(%rsp), %xmm\n
.endm

// a..h in memory -> ABEF, CDGH; and back.
.macro load_state from, abef, cdgh
  movdqu (\from), %xmm15
  movdqu 16(\from), \cdgh
  pshufd $0xb1, %xmm15, %xmm15
  pshufd $0x1b, \cdgh, \cdgh
  movdqa %xmm15, \abef
  palignr $8, \cdgh, \abef
  pblendw $0xf0, %xmm15, \cdgh
.endm
.macro store_state to, abef, cdgh
  pshufd $0x1b, \abef, %xmm15
  pshufd $0xb1, \cdgh, \cdgh
  movdqa %xmm15, \abef
  pblendw $0xf0, \cdgh, \abef
  palignr $8, %xmm15, \cdgh
  movdqu \abef, (\to)
  movdqu \cdgh, 16(\to)
.endm

// Four rounds, the n-th of sixteen such. m: W of these; before, next: of the four before, of the four after (and of the twelve before).
.macro rounds n, data, abef, cdgh, before, m, next
  .if (\n) < 4
  movdqu 16 * (\n)(\data), \m
  pshufb swap(%rip), \m
  .endif
  movdqa 16 * (\n) + grus_sha256_constants(%rip), %xmm0
  paddd \m, %xmm0
  sha256rnds2 %xmm0, \abef, \cdgh
  .if (\n) >= 3 && (\n) < 15
  movdqa \m, %xmm15
  palignr $4, \before, %xmm15
  paddd %xmm15, \next
  sha256msg2 \m, \next
  .endif
  pshufd $0x0e, %xmm0, %xmm0
  sha256rnds2 %xmm0, \cdgh, \abef
  .if (\n) >= 1 && (\n) < 13
  sha256msg1 \m, \before
  .endif
.endm

#define ONE(n, before, m, next) rounds n, %rsi, %xmm1, %xmm2, before, m, next
#define OTHER(n, before, m, next) rounds n, %rcx, %xmm7, %xmm8, before, m, next
#define ONE_FOUR(n) \
  ONE(n, %xmm6, %xmm3, %xmm4); ONE(n + 1, %xmm3, %xmm4, %xmm5); ONE(n + 2, %xmm4, %xmm5, %xmm6); ONE(n + 3, %xmm5, %xmm6, %xmm3)
#define BOTH_FOUR(n) \
  ONE(n, %xmm6, %xmm3, %xmm4); OTHER(n, %xmm12, %xmm9, %xmm10); \
  ONE(n + 1, %xmm3, %xmm4, %xmm5); OTHER(n + 1, %xmm9, %xmm10, %xmm11); \
  ONE(n + 2, %xmm4, %xmm5, %xmm6); OTHER(n + 2, %xmm10, %xmm11, %xmm12); \
  ONE(n + 3, %xmm5, %xmm6, %xmm3); OTHER(n + 3, %xmm11, %xmm12, %xmm9)

  .text
  .globl grus_sha256_blocks
  .hidden grus_sha256_blocks
  .type grus_sha256_blocks, @function
grus_sha256_blocks:
  subq $SAVED, %rsp
  each_register save
  load_state %rdi, %xmm1, %xmm2
1:
  movdqa %xmm1, %xmm13
  movdqa %xmm2, %xmm14
  ONE_FOUR(0)
  ONE_FOUR(4)
  ONE_FOUR(8)
  ONE_FOUR(12)
  paddd %xmm13, %xmm1
  paddd %xmm14, %xmm2
  addq $64, %rsi
  decq %rdx
  jnz 1b
  store_state %rdi, %xmm1, %xmm2
  each_register restore
  addq $SAVED, %rsp
  ret
  .size grus_sha256_blocks, . - grus_sha256_blocks

  .globl grus_sha256_two
  .hidden grus_sha256_two
  .type grus_sha256_two, @function
grus_sha256_two:
  subq $SAVED + 64, %rsp
  each_register save
  load_state %rdi, %xmm1, %xmm2
  load_state %rdx, %xmm7, %xmm8
1:
  movups %xmm1, STATE(0)
  movups %xmm2, STATE_HIGH(0)
  movups %xmm7, STATE(1)
  movups %xmm8, STATE_HIGH(1)
  BOTH_FOUR(0)
  BOTH_FOUR(4)
  BOTH_FOUR(8)
  BOTH_FOUR(12)
  movups STATE(0), %xmm13
  movups STATE_HIGH(0), %xmm14
  paddd %xmm13, %xmm1
  paddd %xmm14, %xmm2
  movups STATE(1), %xmm13
  movups STATE_HIGH(1), %xmm14
  paddd %xmm13, %xmm7
  paddd %xmm14, %xmm8
  addq $64, %rsi
  addq $64, %rcx
  decq %r8
  jnz 1b
  store_state %rdi, %xmm1, %xmm2
  store_state %rdx, %xmm7, %xmm8
  each_register restore
  addq $SAVED + 64, %rsp
  ret
  .size grus_sha256_two, . - grus_sha256_two

  .section .rodata
  .balign 64
  .globl grus_sha256_constants
  .hidden grus_sha256_constants
// FIPS 180-4, 4.2.2
grus_sha256_constants:
  .long 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
  .long 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
  .long 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
  .long 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
  .long 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
  .long 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
  .long 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
  .long 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
// A big-endian word of four bytes, four times.
  .balign 16
swap:
  .quad 0x0405060700010203, 0x0c0d0e0f08090a0b
  .section .note.GNU-stack, "", @progbits
