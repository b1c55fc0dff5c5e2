// SPDX-License-Identifier: MIT
// What an arm64 signal frame says about the interrupted instruction, and that a handler's changes take effect. AArch64 only;
// says "0 failures" elsewhere.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static int failures;
#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s\n", __LINE__, #c); } } while (0)

#ifdef __aarch64__
struct head { uint32_t magic, size; };
struct fpsimd { struct head h; uint32_t fpsr, fpcr; __uint128_t v[32]; };

static struct fpsimd *fpsimd_of(ucontext_t *uc) {
  struct head *h = (struct head *)uc->uc_mcontext.__reserved;
  while (h->magic && h->magic != 0x46508001) h = (struct head *)((char *)h + h->size);
  return h->magic ? (struct fpsimd *)h : 0;
}
static uint64_t esr_of(ucontext_t *uc) {
  struct head *h = (struct head *)uc->uc_mcontext.__reserved;
  while (h->magic && h->magic != 0x45535201) h = (struct head *)((char *)h + h->size);
  return h->magic ? *(uint64_t *)(h + 1) : 0;
}

static ucontext_t seen;
static siginfo_t info;
static struct fpsimd seen_fp;
static uint64_t seen_esr, record[2];
static volatile int count;

static void on_fault(int sig, siginfo_t *si, void *p) {
  ucontext_t *uc = p;
  (void)sig;
  memcpy(&seen, uc, 176 + 288);
  info = *si;
  seen_fp = *fpsimd_of(uc);
  seen_esr = esr_of(uc);
  uint64_t *fp = __builtin_frame_address(0);
  memcpy(record, (void *)fp[0], 16);  // the frame below ours is the record that the kernel made
  uc->uc_mcontext.pc += 4;
  uc->uc_mcontext.regs[7] = 0x7777;
  uc->uc_mcontext.pstate ^= 0x80000000;
  fpsimd_of(uc)->v[9] = ((__uint128_t)5 << 64) | 6;
  fpsimd_of(uc)->fpsr = 1 << 27;
  count++;
}

// Fills the registers with known values, then executes `word`; all operands are fixed.
#define AT(label, insn)                                                                                      \
  asm volatile(                                                                                              \
      "mov x1, %[a]\n mov x2, #0x222\n mov x3, #0x333\n mov x7, #7\n mov x19, #0x19\n mov x22, #0x22\n"      \
      "mov x25, #0x25\n movi v0.16b, #0x11\n movi v9.16b, #0x99\n movi v31.16b, #0x31\n msr fpsr, xzr\n"     \
      "mov x4, #5\n cmp x4, #5\n adr x5, 1f\n 1: " insn "\n mrs x6, nzcv\n"                                   \
      "str x5, [%[o]]\n str x6, [%[o], #8]\n str x7, [%[o], #16]\n umov x8, v9.d[1]\n str x8, [%[o], #24]\n"  \
      "mrs x8, fpsr\n str x8, [%[o], #32]\n"                                                                 \
      : : [a] "r"(address), [o] "r"(out)                                                                     \
      : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x19", "x22", "x25", "v0", "v9", "v31", "cc", "memory")

static uint64_t out[5];
static void check_frame(void) {
  CHECK(seen.uc_mcontext.pc == out[0]);
  CHECK(seen.uc_mcontext.regs[2] == 0x222 && seen.uc_mcontext.regs[3] == 0x333 && seen.uc_mcontext.regs[7] == 7);
  CHECK(seen.uc_mcontext.regs[19] == 0x19 && seen.uc_mcontext.regs[22] == 0x22 && seen.uc_mcontext.regs[25] == 0x25);
  CHECK((seen.uc_mcontext.pstate & 0xf0000000) == 0x60000000);
  CHECK((uint64_t)seen_fp.v[0] == 0x1111111111111111 && (uint64_t)(seen_fp.v[9] >> 64) == 0x9999999999999999);
  CHECK((uint64_t)seen_fp.v[31] == 0x3131313131313131);
  CHECK(seen_fp.h.size == 528);
  CHECK(record[0] == seen.uc_mcontext.regs[29] && record[1] == seen.uc_mcontext.regs[30]);
  CHECK(out[1] == 0xe0000000 && out[2] == 0x7777 && out[3] == 5 && out[4] == 1 << 27);
}

static void arm64_frames(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = on_fault;
  a.sa_flags = SA_SIGINFO;
  int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  for (int i = 0; i < 4; i++) sigaction(sigs[i], &a, 0);
  char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t address = (uint64_t)page + 0x10;

  AT(store, "str x3, [x1]");
  check_frame();
  CHECK(info.si_signo == SIGSEGV && info.si_code == SEGV_ACCERR && info.si_addr == (void *)address);
  CHECK(seen.uc_mcontext.fault_address == address && seen_esr == 0x9200004f);
  AT(store_pair_pre, "stp x2, x3, [x1, #-16]!");
  check_frame();
  CHECK(seen.uc_mcontext.regs[1] == address && info.si_addr == (void *)(address - 16));
  address = 0x40;
  AT(load, "ldr x3, [x1], #8");
  check_frame();
  CHECK(seen.uc_mcontext.regs[1] == address);
  CHECK(info.si_code == SEGV_MAPERR && (seen_esr & ~0x3ull) == 0x92000004 && !(seen_esr & 0x40));
  AT(load_vector, "ld1 {v20.16b}, [x1]");
  check_frame();
  CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)address);
  address = 0x5a00000000000040;  // the tag is ignored, and hidden from si_addr
  AT(load_tagged, "ldr x3, [x1]");
  check_frame();
  CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)0x40);
  AT(undefined, ".word 0");
  check_frame();
  CHECK(info.si_signo == SIGILL && info.si_code == ILL_ILLOPC && info.si_addr == (void *)out[0]);
  AT(breakpoint, "brk #7");
  check_frame();
  CHECK(info.si_signo == SIGTRAP && info.si_code == TRAP_BRKPT && info.si_addr == (void *)out[0]);
  CHECK(count == 7);
}

// An access by a misaligned SP faults, whatever its own address is; what only moves SP does not.
#define BY_SP(insns, faults)                                                                                  \
  for (int again = 0; again < 3; again++) {                                                                   \
    count = 0;                                                                                                \
    asm volatile("mov x20, sp\n sub x21, sp, #24\n" insns "\n mov sp, x20"                                    \
                 : : : "x5", "x7", "x20", "x21", "v0", "v9", "cc", "memory");                                 \
    CHECK(count == faults);                                                                                   \
    if (faults)                                                                                               \
      CHECK(info.si_signo == SIGBUS && info.si_code == BUS_ADRALN && seen.uc_mcontext.sp % 16 == 8 &&          \
            info.si_addr == (void *)seen.uc_mcontext.sp && seen_esr == 0x9a000000 && !seen.uc_mcontext.fault_address); \
  }
static void arm64_stack(void) {
  BY_SP("sub sp, sp, #8\n ldr x5, [sp, #8]", 1);
  BY_SP("mov sp, x21\n str x5, [sp]", 1);
  BY_SP("mov x5, #24\n sub sp, sp, x5\n stp x5, x5, [sp]", 1);
  BY_SP("str x5, [sp, #-8]!\n str x5, [sp, #-8]", 1);
  BY_SP("sub sp, sp, #32\n ld1 {v0.8b}, [sp], #8\n nop\n ldr q0, [sp]", 1);
  BY_SP("and sp, x21, #0xfffffffffffffff8\n ldxr x5, [sp]", 1);
  BY_SP("cmp x21, x20\n mov sp, x21\n b.hs 1f\n ldr x5, [sp]\n 1:", 1);
  BY_SP("sub sp, sp, #8\n prfm pldl1keep, [sp]\n sub sp, sp, #8\n ldr x5, [sp]", 0);
  BY_SP("and sp, x21, #0xfffffffffffffff0\n ldr x5, [sp]", 0);
}

// Asynchronous: registers at the interruption must be those of some instruction boundary. The loop keeps x10 + x11 constant at
// every boundary but one, at which it is known how they differ, and N of the flags set by the subs.
static volatile uint64_t bad, ticks;
static uint64_t loop_begin, loop_end;
static void on_tick(int sig, siginfo_t *si, void *p) {
  ucontext_t *uc = p;
  (void)sig;
  (void)si;
  uint64_t pc = uc->uc_mcontext.pc;
  if (pc < loop_begin || pc >= loop_end) return;
  ticks++;
  uint64_t *x = (uint64_t *)uc->uc_mcontext.regs;
  uint64_t sum = x[10] + x[11], want = 1ull << 40;
  uint64_t step = (pc - loop_begin) / 4;
  // 0: add x10; 1: sub x11; 2: mul x12; 3: fmov d16; 4: subs x9; 5: b.ne
  if (sum != want + (step == 1)) bad++;
  if (step >= 3 && x[12] != x[10] * x[13]) bad++;
  if (step >= 4 && (uint64_t)fpsimd_of(uc)->v[16] != x[10]) bad++;
}
static void arm64_async(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = on_tick;
  a.sa_flags = SA_SIGINFO;
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
  asm volatile("adr %0, 1f\n adr %1, 2f\n b 3f\n 1: 2: 3:\n" : "=r"(loop_begin), "=r"(loop_end));
  setitimer(ITIMER_REAL, &t, 0);
  for (int i = 0; i < 1000 && ticks < 300; i++) {
    asm volatile(
        "adr x9, 1f\n str x9, [%0]\n adr x9, 2f\n str x9, [%1]\n"
        "mov x10, #0\n mov x11, #1\n lsl x11, x11, #40\n mov x13, #3\n mov x9, #0x100000\n"
        "1: add x10, x10, #1\n sub x11, x11, #1\n mul x12, x10, x13\n fmov d16, x10\n subs x9, x9, #1\n b.ne 1b\n 2:\n"
        : : "r"(&loop_begin), "r"(&loop_end) : "x9", "x10", "x11", "x12", "x13", "v16", "cc", "memory");
  }
  setitimer(ITIMER_REAL, &off, 0);
  CHECK(ticks >= 300);
  CHECK(bad == 0);
}
#endif

int main(void) {
#ifdef __aarch64__
  arm64_frames();
  arm64_stack();
  arm64_async();
#endif
  printf("%d failures\n", failures);
  return failures != 0;
}
