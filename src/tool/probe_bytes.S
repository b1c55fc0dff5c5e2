// SPDX-License-Identifier: MIT
// The AArch64 probe as bytes: it travels inside the tool, so that the doctor needs no file of a guest.
  .section .rodata
  .balign 16
  .globl grus_probe_begin, grus_probe_end
grus_probe_begin:
  .incbin GRUS_PROBE_FILE
grus_probe_end:

  .section .note.GNU-stack, "", @progbits
