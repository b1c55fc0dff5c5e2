// SPDX-License-Identifier: MIT
// W6: operations that the host calls invalid, and loads that fault, with something else in their destinations: right results, and no
// difference under --lockstep, which runs this too. AArch64 only; says "0 wrong" elsewhere.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static int wrong;

#ifdef __aarch64__
static void is(const char* what, const uint64_t* got, uint64_t low, uint64_t high) {
  if (got[0] == low && got[1] == high) return;
  wrong++;
  printf("wrong: %s: %lx_%lx, not %lx_%lx\n", what, got[1], got[0], high, low);
}

// v1 = a, v2 = b in all lanes of 64 bits, v0 all ones before; what v0 is then.
#define RESULT(insn, a, b, low, high)                                                                           \
  do {                                                                                                          \
    uint64_t out[2], x1 = (a), x2 = (b);                                                                        \
    __asm__ volatile("dup v1.2d, %1\n dup v2.2d, %2\n movi v0.16b, #0xff\n " insn "\n str q0, [%0]"             \
                     :: "r"(out), "r"(x1), "r"(x2) : "v0", "v1", "v2", "x9", "cc", "memory");                   \
    is(insn, out, low, high);                                                                                   \
  } while (0)

#define S(x) ((uint64_t)(x) << 32 | (x))
static const uint64_t kNan = 0x7fc00000, kInf = 0x7f800000, kOne = 0x3f800000, kQuiet = 0x7fc12345, kSignalling = 0x7f812345;
static const uint64_t kNanD = 0x7ff8000000000000, kInfD = 0x7ff0000000000000, kSignallingD = 0x7ff0000000012345;

static void arithmetic(void) {
  RESULT("fdiv s0, s1, s2", 0, 0, kNan, 0);
  RESULT("fdiv d0, d1, d2", 0, 0, kNanD, 0);
  RESULT("fdiv v0.4s, v1.4s, v2.4s", S(kInf), S(kInf), S(kNan), S(kNan));
  RESULT("fdiv v0.2s, v1.2s, v2.2s", 0, 0, S(kNan), 0);
  RESULT("fdiv v0.2d, v1.2d, v2.2d", kInfD, kInfD, kNanD, kNanD);
  RESULT("fmul s0, s1, s2", kInf, 0, kNan, 0);
  RESULT("fnmul d0, d1, d2", kInfD, 0, kNanD | 1ull << 63, 0);  // Arm ARM: FPNeg(FPMul())
  RESULT("fadd d0, d1, d2", kInfD, kInfD | 1ull << 63, kNanD, 0);
  RESULT("fsub s0, s1, s2", kInf, kInf, kNan, 0);
  RESULT("fsub v0.4s, v1.4s, v2.4s", S(kInf), S(kInf), S(kNan), S(kNan));
  RESULT("fsqrt s0, s1", 0xbf800000, 0, kNan, 0);
  RESULT("fsqrt v0.2d, v1.2d", 0xbff0000000000000, 0, kNanD, kNanD);
  RESULT("fmadd s0, s1, s2, s1", kInf, 0, kNan, 0);
  RESULT("fmla v0.4s, v1.4s, v2.4s", S(kInf), 0, S(kNan), S(kNan));  // FPMulAdd: not the addend's NaN
  RESULT("fmax s0, s1, s2", kSignalling, kOne, kSignalling | 0x400000, 0);
  RESULT("fminnm d0, d1, d2", kSignallingD, kInfD, kSignallingD | 1ull << 51, 0);
  RESULT("fcvt d0, s1", kSignalling, 0, 0x7ff8000000000000 + (0x12345ull << 29), 0);
  RESULT("fcvtzs x9, d1\n fmov d0, x9", 0x43f0000000000000, 0, 0x7fffffffffffffff, 0);
  RESULT("fcvtzu w9, s1\n fmov d0, x9", 0xbf800000, 0, 0, 0);
  RESULT("fcvtzs v0.2d, v1.2d", kNanD, 0, 0, 0);
  RESULT("frintz s0, s1", kSignalling, 0, kSignalling | 0x400000, 0);
  RESULT("fcmpe s1, s2\n cset x9, vs\n fmov d0, x9", kQuiet, kOne, 1, 0);
  RESULT("fcmp s1, s2\n cset x9, vs\n fmov d0, x9", kSignalling, kOne, 1, 0);
}

static uint64_t g_good[8];
static void on_fault(int sig, siginfo_t* info, void* context) {
  (void)sig, (void)info;
  ucontext_t* uc = context;
  uc->uc_mcontext.regs[2] = (uint64_t)g_good;
  // What the instruction would have loaded is as it was.
  if (uc->uc_mcontext.regs[3] != 33 || uc->uc_mcontext.regs[4] != 44) wrong++;
}
static void loads(void) {
  uint64_t page = (uint64_t)mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap((void*)(page + 4096), 4096);
  memset((void*)page, 0x77, 4096);
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, 0);
  sigaction(SIGBUS, &sa, 0);
  for (unsigned n = 0; n < 8; n++) g_good[n] = 0x100 + n;
#define LOAD(insn, at, low, high)                                                                               \
  do {                                                                                                          \
    register uint64_t x2 __asm__("x2") = (at), x3 __asm__("x3") = 33, x4 __asm__("x4") = 44;                     \
    __asm__ volatile(".arch armv8.1-a\n " insn : "+r"(x2), "+r"(x3), "+r"(x4) :: "memory");                                          \
    uint64_t out[2] = {x3, x4};                                                                                 \
    is(insn, out, low, high);                                                                                   \
  } while (0)
  for (int n = 0; n < 3; n++) {
    LOAD("ldp x3, x4, [x2]", page + 4088, 0x100, 0x101);
    LOAD("ldr x3, [x2, #16]", page + 4096, 0x102, 44);
    LOAD("ldp x3, x4, [x2, #8]!", page + 4080, 0x101, 0x102);
    LOAD("ldr w3, [x2], #8", page + 4094, 0x100, 44);
    LOAD("ldaxr x3, [x2]", page + 4096, 0x100, 44);
    LOAD("stp x3, x4, [x2]", page + 4088, 33, 44);
    if (g_good[0] != 33 || g_good[1] != 44) wrong++;
    g_good[0] = 0x100, g_good[1] = 0x101;
    LOAD("ldadd x3, x4, [x2]", page + 4096, 33, 0x100);
    if (g_good[0] != 0x100 + 33) wrong++;
    g_good[0] = 0x100;
  }
}
#endif

int main(void) {
#ifdef __aarch64__
  for (int n = 0; n < 3; n++) arithmetic();
  loads();
#else
  (void)wrong;
#endif
  printf("%d wrong\n", wrong);
  return wrong != 0;
}
