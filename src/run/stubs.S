// SPDX-License-Identifier: MIT
// The border between C++ and translated code. In translated code rbp = &cpu.x[16], rsp = the return-prediction stack, guest
// registers in their homes (translate/a64_to_x64/homes.h); C++ runs on the thread's engine stack with every home written back.
//
// Two windows exist in which a signal must not slip between "nothing is pending" and "translated code runs":
// grus_enter_begin..end and grus_semantics_begin..end. run::interrupt sends a thread that is inside one to the abort label.
#include "run/offsets.h"

.macro LOAD_HOMES
  movaps GRUS_V(0)(%rbp), %xmm3
  movaps GRUS_V(1)(%rbp), %xmm4
  movaps GRUS_V(2)(%rbp), %xmm5
  movaps GRUS_V(3)(%rbp), %xmm6
  movaps GRUS_V(4)(%rbp), %xmm7
  movaps GRUS_V(5)(%rbp), %xmm8
  movaps GRUS_V(6)(%rbp), %xmm9
  movaps GRUS_V(7)(%rbp), %xmm10
  movaps GRUS_V(16)(%rbp), %xmm11
  movaps GRUS_V(17)(%rbp), %xmm12
  movaps GRUS_V(18)(%rbp), %xmm13
  movaps GRUS_V(19)(%rbp), %xmm14
  movaps GRUS_V(20)(%rbp), %xmm15
  cmpb $0, GRUS_WIDE_HOMES(%rbp)
  je 9f
  vmovaps GRUS_V(8)(%rbp), %xmm16
  vmovaps GRUS_V(9)(%rbp), %xmm17
  vmovaps GRUS_V(10)(%rbp), %xmm18
  vmovaps GRUS_V(11)(%rbp), %xmm19
  vmovaps GRUS_V(12)(%rbp), %xmm20
  vmovaps GRUS_V(13)(%rbp), %xmm21
  vmovaps GRUS_V(14)(%rbp), %xmm22
  vmovaps GRUS_V(15)(%rbp), %xmm23
  vmovaps GRUS_V(21)(%rbp), %xmm24
  vmovaps GRUS_V(22)(%rbp), %xmm25
  vmovaps GRUS_V(23)(%rbp), %xmm26
  vmovaps GRUS_V(24)(%rbp), %xmm27
  vmovaps GRUS_V(25)(%rbp), %xmm28
  vmovaps GRUS_V(26)(%rbp), %xmm29
  vmovaps GRUS_V(27)(%rbp), %xmm30
  vmovaps GRUS_V(28)(%rbp), %xmm31
9:
  ldmxcsr GRUS_MXCSR(%rbp)
  mov GRUS_X(0)(%rbp), %rdi
  mov GRUS_X(1)(%rbp), %rsi
  mov GRUS_X(2)(%rbp), %rbx
  mov GRUS_X(3)(%rbp), %r8
  mov GRUS_X(4)(%rbp), %r9
  mov GRUS_X(8)(%rbp), %r10
  mov GRUS_X(19)(%rbp), %r14
  mov GRUS_X(20)(%rbp), %r15
  mov GRUS_X(21)(%rbp), %r12
  mov GRUS_X(22)(%rbp), %r11
  mov GRUS_SP(%rbp), %r13
.endm

.macro STORE_HOMES
  mov %rdi, GRUS_X(0)(%rbp)
  mov %rsi, GRUS_X(1)(%rbp)
  mov %rbx, GRUS_X(2)(%rbp)
  mov %r8, GRUS_X(3)(%rbp)
  mov %r9, GRUS_X(4)(%rbp)
  mov %r10, GRUS_X(8)(%rbp)
  mov %r14, GRUS_X(19)(%rbp)
  mov %r15, GRUS_X(20)(%rbp)
  mov %r12, GRUS_X(21)(%rbp)
  mov %r11, GRUS_X(22)(%rbp)
  mov %r13, GRUS_SP(%rbp)
  movaps %xmm3, GRUS_V(0)(%rbp)
  movaps %xmm4, GRUS_V(1)(%rbp)
  movaps %xmm5, GRUS_V(2)(%rbp)
  movaps %xmm6, GRUS_V(3)(%rbp)
  movaps %xmm7, GRUS_V(4)(%rbp)
  movaps %xmm8, GRUS_V(5)(%rbp)
  movaps %xmm9, GRUS_V(6)(%rbp)
  movaps %xmm10, GRUS_V(7)(%rbp)
  movaps %xmm11, GRUS_V(16)(%rbp)
  movaps %xmm12, GRUS_V(17)(%rbp)
  movaps %xmm13, GRUS_V(18)(%rbp)
  movaps %xmm14, GRUS_V(19)(%rbp)
  movaps %xmm15, GRUS_V(20)(%rbp)
  cmpb $0, GRUS_WIDE_HOMES(%rbp)
  je 9f
  vmovaps %xmm16, GRUS_V(8)(%rbp)
  vmovaps %xmm17, GRUS_V(9)(%rbp)
  vmovaps %xmm18, GRUS_V(10)(%rbp)
  vmovaps %xmm19, GRUS_V(11)(%rbp)
  vmovaps %xmm20, GRUS_V(12)(%rbp)
  vmovaps %xmm21, GRUS_V(13)(%rbp)
  vmovaps %xmm22, GRUS_V(14)(%rbp)
  vmovaps %xmm23, GRUS_V(15)(%rbp)
  vmovaps %xmm24, GRUS_V(21)(%rbp)
  vmovaps %xmm25, GRUS_V(22)(%rbp)
  vmovaps %xmm26, GRUS_V(23)(%rbp)
  vmovaps %xmm27, GRUS_V(24)(%rbp)
  vmovaps %xmm28, GRUS_V(25)(%rbp)
  vmovaps %xmm29, GRUS_V(26)(%rbp)
  vmovaps %xmm30, GRUS_V(27)(%rbp)
  vmovaps %xmm31, GRUS_V(28)(%rbp)
9:
  stmxcsr GRUS_MXCSR(%rbp)
.endm

.macro FUNCTION name
  .globl \name
  .hidden \name
  .type \name, @function
\name:
.endm

  .text

// void grus_enter(ThreadState* t, u64 host): runs translated code; returns when it was left.
FUNCTION grus_enter
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  sub $8, %rsp
  mov %rsp, (GRUS_ENGINE_SP + GRUS_BIAS)(%rdi)
  lea GRUS_BIAS(%rdi), %rbp
  mov %rsi, %rax
FUNCTION grus_enter_begin
  cmpl $0, GRUS_INTERRUPT(%rbp)
  jne grus_abort
  mov GRUS_RETURN_SP(%rbp), %rsp
  LOAD_HOMES
  jmp *%rax
FUNCTION grus_enter_end

// Also where run::interrupt and the fault handler send a thread whose registers are already in ThreadState.
FUNCTION grus_abort
  movl $0, GRUS_EXIT_REASON(%rbp)
FUNCTION grus_leave_spilled
  mov GRUS_ENGINE_SP(%rbp), %rsp
  add $8, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

leave:
  mov %rsp, GRUS_RETURN_SP(%rbp)
  STORE_HOMES
  jmp grus_leave_spilled

// rax = guest pc, rcx = displacement to patch.
FUNCTION grus_exit_direct
  mov %rax, GRUS_PC(%rbp)
  mov %rcx, GRUS_EXIT_SITE(%rbp)
  movl $3, GRUS_EXIT_REASON(%rbp)
  jmp leave

// cpu.pc is set.
FUNCTION grus_exit_lookup
  movl $1, GRUS_EXIT_REASON(%rbp)
  jmp leave

// cpu.pc and cpu.exception are set.
FUNCTION grus_exit_exception
  movl $2, GRUS_EXIT_REASON(%rbp)
  jmp leave

// rax = guest pc.
FUNCTION grus_exit_indirect
  mov %rax, GRUS_PC(%rbp)
  movl $4, GRUS_EXIT_REASON(%rbp)
  jmp leave

// rax = guest pc of a RET whose prediction is not on top. Frames that were never returned from (longjmp, unwinding) lie
// above the right one: look a little deeper before falling back to the lookup table.
FUNCTION grus_return_miss
  cmp 24(%rsp), %rax
  je 1f
  cmp 40(%rsp), %rax
  je 2f
  cmp 56(%rsp), %rax
  je 3f
  mov %eax, %ecx
  and $(((1 << GRUS_LOOKUP_BITS) - 1) << 2), %ecx
  cmp GRUS_LOOKUP(%rbp, %rcx, 4), %rax
  jne grus_indirect_miss
  jmp *(GRUS_LOOKUP + 8)(%rbp, %rcx, 4)
1:add $16, %rsp
  ret
2:add $32, %rsp
  ret
3:add $48, %rsp
  ret

// The host return address below everything that was predicted: a RET to kNoPrediction matched it.
FUNCTION grus_return_bottom
  mov GRUS_RETURN_BASE(%rbp), %rsp
  movq $-1, GRUS_PC(%rbp)
  jmp grus_exit_lookup

// rax = guest pc, rcx = a quarter of the offset of the entry of the lookup table that is not it: the one beside it is its second chance.
// A target with a tag goes where it goes without: bit 55 fills the top byte (Arm ARM, AArch64.BranchAddr; Linux sets TCR_EL1.TBI0 and
// leaves TBID0 clear, arch/arm64/mm/proc.S). No entry of the table has a tag.
FUNCTION grus_indirect_miss
  xor $4, %ecx
  cmp GRUS_LOOKUP(%rbp, %rcx, 4), %rax
  jne 1f
  jmp *(GRUS_LOOKUP + 8)(%rbp, %rcx, 4)
1:mov %rax, %rcx
  shl $8, %rcx
  sar $8, %rcx
  cmp %rcx, %rax
  je grus_exit_indirect
  mov %rcx, %rax
  and $(((1 << GRUS_LOOKUP_BITS) - 1) << 2), %ecx
  cmp GRUS_LOOKUP(%rbp, %rcx, 4), %rax
  jne grus_indirect_miss
  jmp *(GRUS_LOOKUP + 8)(%rbp, %rcx, 4)

// rax = Op << 32 | word, rcx = guest pc; the return address is on the prediction stack.
FUNCTION grus_call_semantics
  pop GRUS_SEMANTICS_RETURN(%rbp)
  mov %rsp, GRUS_RETURN_SP(%rbp)
  STORE_HOMES
  mov GRUS_ENGINE_SP(%rbp), %rsp
  lea -GRUS_BIAS(%rbp), %rdi
  mov %rax, %rsi
  mov %rcx, %rdx
  call grus_run_semantics
  test %eax, %eax
  jne grus_leave_spilled
FUNCTION grus_semantics_begin
  cmpl $0, GRUS_INTERRUPT(%rbp)
  jne grus_abort
  mov GRUS_RETURN_SP(%rbp), %rsp
  LOAD_HOMES
  // A return, not a jump: the processor predicts the returns behind it by the calls before (two mispredictions, 15 ns).
  push GRUS_SEMANTICS_RETURN(%rbp)
  ret
FUNCTION grus_semantics_end

  .section .note.GNU-stack, "", @progbits
