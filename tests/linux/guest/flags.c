// SPDX-License-Identifier: MIT
// W1: NZCV is what the last instruction that set it says, whatever lies between it and its reader: returns, calls, tail calls, blr,
// ret used as a jump, code that changes behind its caller, and the frames of asynchronous signals. No compiler convention holds
// here. AArch64 only; says "0 failures" elsewhere.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static int failures;
#define CHECK(c) do { if (!(c)) { failures++; printf("  line %d: %s\n", __LINE__, #c); } } while (0)

#ifdef __aarch64__
#define TEXT(...) __asm__(".text\n.p2align 4\n" __VA_ARGS__)

/* -- Conditions that functions return ------------------------------------------------------------------------------- */
TEXT("ret_cmp: cmp x0, #1\n ret\n"
     "ret_adds: adds x9, x0, x1\n mov x2, #7\n ret\n"
     "ret_tst: tst x0, #4\n mov x3, x4\n mov x5, x6\n ret\n"
     "ret_ands: ands x9, x0, x1\n eor x10, x11, x12\n add x13, x14, x15\n ret\n"
     "ret_ccmp: cmp x0, #3\n ccmp x1, #4, #8, eq\n ret\n"
     "ret_fcmp: scvtf d16, x0\n fcmp d16, #0.0\n fadd d17, d16, d16\n ret\n"
     "ret_branch: cmp x0, #1\n b.ls 1f\n add x9, x9, #1\n ret\n1: add x9, x9, #2\n ret\n"
     "ret_loop: mov x9, #3\n1: subs x9, x9, #1\n b.ne 1b\n cmp x0, #2\n mov x10, #4\n2: sub x10, x10, #1\n cbnz x10, 2b\n ret\n"
     "tail: mov x9, x1\n add x10, x9, #1\n b ret_cmp\n"
     "tail_far: b tail\n"
     "nested: stp x29, x30, [sp, #-16]!\n bl ret_cmp\n ldp x29, x30, [sp], #16\n ret\n"
     "keeps: stp x29, x30, [sp, #-16]!\n cmp x0, #1\n bl nothing\n ldp x29, x30, [sp], #16\n ret\n"
     "nothing: ret\n"
     "by_br: adr x9, ret_cmp\n br x9\n"
     "by_ret: mov x10, x30\n adr x30, 1f\n cmp x0, #1\n ret\n1: mov x30, x10\n ret\n");
#define RETURNS(name, condition, a, b)                                                                                 \
  ({                                                                                                                   \
    register uint64_t x0 __asm__("x0") = (a), x1 __asm__("x1") = (b), r;                                                 \
    __asm__ volatile("msr nzcv, xzr\n bl " #name "\n cset %0, " #condition                                             \
                     : "=r"(r), "+r"(x0), "+r"(x1)                                                                     \
                     :: "x2", "x3", "x4", "x5", "x6", "x9", "x10", "x11", "x12", "x13", "x30", "v16", "v17", "cc", "memory"); \
    (int)r;                                                                                                            \
  })
// The same through BLR, and with the reader behind a jump.
#define RETURNS_BLR(name, condition, a, b)                                                                             \
  ({                                                                                                                   \
    register uint64_t x0 __asm__("x0") = (a), x1 __asm__("x1") = (b), r;                                                 \
    __asm__ volatile("msr nzcv, xzr\n adrp x9, " #name "\n add x9, x9, :lo12:" #name "\n blr x9\n add x10, x10, #1\n b 1f\n" \
                     " brk #1\n1: mov x11, #3\n2: sub x11, x11, #1\n cbnz x11, 2b\n b." #condition " 3f\n mov %0, #0\n b 4f\n"  \
                     "3: mov %0, #1\n4:"                                                                               \
                     : "=r"(r), "+r"(x0), "+r"(x1)                                                                     \
                     :: "x2", "x3", "x4", "x5", "x6", "x9", "x10", "x11", "x12", "x13", "x30", "v16", "v17", "cc", "memory"); \
    (int)r;                                                                                                            \
  })
#define BOTH(name, condition, a, b, expected)                                                                          \
  do {                                                                                                                 \
    CHECK(RETURNS(name, condition, a, b) == (expected));                                                               \
    CHECK(RETURNS_BLR(name, condition, a, b) == (expected));                                                           \
  } while (0)

static void returned(void) {
  for (uint64_t v = 0; v < 40; v++) {
    uint64_t k = v % 5;
    BOTH(ret_cmp, eq, k, 0, k == 1);
    BOTH(ret_cmp, hi, k, 0, k > 1);
    BOTH(ret_adds, cs, -k, 2, k == 1 || k == 2);
    BOTH(ret_adds, mi, k, -2, k < 2);
    BOTH(ret_tst, ne, k, 0, k == 4);
    BOTH(ret_ands, eq, k, 1, !(k & 1));
    BOTH(ret_ccmp, eq, k, v, k == 3 && v == 4);
    BOTH(ret_ccmp, mi, k, 3, 1);
    BOTH(ret_fcmp, gt, k - 2, 0, k > 2);
    BOTH(ret_branch, ls, k, 0, k <= 1);
    BOTH(ret_loop, lt, k, 0, k < 2);
    BOTH(tail, eq, k, v, k == 1);
    BOTH(tail_far, ne, k, v, k != 1);
    BOTH(nested, cc, k, 0, k < 1);
    BOTH(keeps, eq, k, 0, k == 1);
    BOTH(by_br, eq, k, 0, k == 1);
    BOTH(by_ret, eq, k, 0, k == 1);
  }
}

/* -- Conditions that functions are given ---------------------------------------------------------------------------- */
#define PAD(n) ".rept " #n "\n add x1, x1, #1\n.endr\n"
TEXT("given_0: cset x0, eq\n ret\n"
     "given_8: " PAD(8) "cset x0, eq\n ret\n"
     "given_60: " PAD(60) "cset x0, eq\n ret\n"
     "given_500: " PAD(500) "cset x0, eq\n ret\n"
     "given_cbz: cbz x1, 1f\n add x2, x2, #1\n1: add x1, x1, #2\n b.eq 2f\n mov x0, #0\n ret\n2: mov x0, #1\n ret\n"
     "given_tail: b 1f\n.p2align 6\n1: add x1, x1, #1\n b given_8\n"
     "given_deep: stp x29, x30, [sp, #-16]!\n bl given_tail\n ldp x29, x30, [sp], #16\n ret\n"
     "given_loop: mov x1, #200\n1: sub x1, x1, #1\n cbnz x1, 1b\n cset x0, eq\n ret\n");
#define GIVEN(name, a)                                                                                                 \
  ({                                                                                                                   \
    register uint64_t x0 __asm__("x0") = (a);                                                                            \
    __asm__ volatile("cmp x0, #7\n bl " #name : "+r"(x0)::"x1", "x2", "x9", "x30", "cc", "memory");                    \
    (int)x0;                                                                                                           \
  })
#define GIVEN_BLR(name, a)                                                                                             \
  ({                                                                                                                   \
    register uint64_t x0 __asm__("x0") = (a);                                                                            \
    __asm__ volatile("adrp x9, " #name "\n add x9, x9, :lo12:" #name "\n cmp x0, #7\n blr x9"                          \
                     : "+r"(x0)::"x1", "x2", "x9", "x30", "cc", "memory");                                             \
    (int)x0;                                                                                                           \
  })
static void given(void) {
  for (int v = 0; v < 40; v++) {
#define EACH(name) CHECK(GIVEN(name, v) == (v == 7)); CHECK(GIVEN_BLR(name, v) == (v == 7));
    EACH(given_0) EACH(given_8) EACH(given_60) EACH(given_500) EACH(given_cbz) EACH(given_tail) EACH(given_deep) EACH(given_loop)
  }
}

/* -- Code that changes behind its caller ---------------------------------------------------------------------------- */
// callee(): first `cmp x0, x0; cset x0, eq` (overwrites NZCV), then `nop; cset x0, eq` (reads what the caller has set).
TEXT(".globl patched, patched_caller\npatched_caller: stp x29, x30, [sp, #-16]!\n cmp x0, #1\n bl patched\n ldp x29, x30, [sp], #16\n ret\n"
     ".p2align 12\npatched: cmp x0, x0\n cset x0, eq\n ret\n.p2align 12\n");
extern char patched[];
long patched_caller(long);
static void changed(void) {
  for (int n = 0; n < 300; n++) CHECK(patched_caller(n & 1) == 1);
  CHECK(mprotect(patched, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  *(volatile uint32_t *)patched = 0xd503201f;
  __builtin___clear_cache(patched, patched + 4);
  for (int n = 0; n < 300; n++) CHECK(patched_caller(n & 1) == (n & 1));
  uint32_t *jit = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // f: cmp x0, #1; b g  and  g: cmp x0, x0 or nop; cset x0, eq; ret
  const uint32_t code[] = {0xf100041f, 0x14000000 | 15, [16] = 0xeb00001f, 0x9a9f17e0, 0xd65f03c0};
  memcpy(jit, code, sizeof code);
  __builtin___clear_cache((char *)jit, (char *)jit + 4096);
  long (*f)(long) = (long (*)(long))jit;
  for (int n = 0; n < 300; n++) CHECK(f(n & 1) == 1);
  jit[16] = 0xd503201f;
  __builtin___clear_cache((char *)(jit + 16), (char *)(jit + 17));
  for (int n = 0; n < 300; n++) CHECK(f(n & 1) == (n & 1));
}

/* -- Signal frames ---------------------------------------------------------------------------------------------------- */
static volatile int wrong, seen, last;
extern char loop_in[], loop_middle[], loop_end[];
void loop(uint64_t n, uint64_t *memory);
static void on_signal(int sig, siginfo_t *si, void *p) {
  (void)sig, (void)si;
  ucontext_t *uc = p;
  char *pc = (char *)uc->uc_mcontext.pc;
  last = uc->uc_mcontext.pstate >> 28;
  if (pc < loop_in || pc > loop_end) return;
  seen++;
  if (last != (pc > loop_in && pc <= loop_middle ? 6 : 8)) wrong++;
}
// Up to loop_middle Z and C are set, behind it N, whether anything reads them or not.
TEXT(".globl loop, loop_in, loop_middle, loop_end\n"
     "loop: mov x9, #0x80000000\n msr nzcv, x9\n mov x9, x0\n"
     "loop_in: cmp x9, x9\n add x10, x10, #3\n eor x11, x10, x9\n ldr x12, [x1]\n add x12, x12, x11\n str x12, [x1]\n"
     " cbz x12, 1f\n sub x13, x12, x10\n1: tbnz x13, #3, 2f\n and x14, x13, x12\n2: eor x15, x14, x13\n"
     "loop_middle: subs xzr, xzr, x9\n lsl x14, x13, x12\n and x15, x14, x13\n cbz x15, 3f\n orr x15, x15, x14\n3: eor x14, x15, x10\n"
     " sub x0, x0, #1\n cbnz x0, 4f\n cmp x0, #5\n ret\n4: mov x9, x0\nloop_end: b loop_in\n");

static void frames(void) {
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGALRM, &sa, 0);
  struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  uint64_t memory = 0;
  for (int n = 0; n < 4000 && seen < 300; n++) loop(100000, &memory);
  setitimer(ITIMER_REAL, &never, 0);
  CHECK(seen >= 300);
  CHECK(wrong == 0);
  // At a system call: the signal comes when it returns.
  sigaction(SIGUSR1, &sa, 0);
  for (int n = 0; n < 40; n++) {
    uint64_t pid = getpid(), tid = syscall(SYS_gettid);
    last = -1;
    register uint64_t x8 __asm__("x8") = SYS_tgkill, x0 __asm__("x0") = pid, x1 __asm__("x1") = tid, x2 __asm__("x2") = SIGUSR1;
    __asm__ volatile("msr nzcv, xzr\n mov x9, %4\n cmp x9, #1\n add x10, x9, #4\n eor x11, x10, x9\n svc #0\n cmp x9, #100"
                     : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8), "r"((uint64_t)(n % 3)) : "x9", "x10", "x11", "cc", "memory");
    CHECK(last == (n % 3 == 0 ? 8 : n % 3 == 1 ? 6 : 2));
  }
}

static void all(void) {
  returned();
  given();
  changed();
  frames();
}
#else
static void all(void) {}
#endif

int main(void) {
  all();
  printf("%d failures\n", failures);
  return failures != 0;
}
