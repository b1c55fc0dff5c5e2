// SPDX-License-Identifier: MIT
// The engine's first instructions. The kernel enters with rsp at argc.
    .text
    .globl _start
    .hidden _start
    .type _start, @function
_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    andq $-16, %rsp
    call grus_engine_start
    ud2
    .size _start, . - _start

// [[noreturn]] grus_call_on_stack(void* top, void (*f)(void*), void* argument)
    .globl grus_call_on_stack
    .hidden grus_call_on_stack
    .type grus_call_on_stack, @function
grus_call_on_stack:
    movq %rdi, %rsp
    andq $-16, %rsp
    xorl %ebp, %ebp
    movq %rdx, %rdi
    call *%rsi
    ud2
    .size grus_call_on_stack, . - grus_call_on_stack
    .section .note.GNU-stack,"",@progbits
