// SPDX-License-Identifier: MIT
// Floating-point flags where host and guest differ: underflow is decided before rounding, and the NZCV of a comparison survives
// signals and faults between it and its reader. AArch64 only; says "0 failures" elsewhere.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

static int failures;
#define CHECK(c, ...) do { if (!(c)) { failures++; printf("  line %d: %s: ", __LINE__, #c); printf(__VA_ARGS__); printf("\n"); } } while (0)

#ifdef __aarch64__
static double bits64(uint64_t b) { double d; memcpy(&d, &b, 8); return d; }
static float bits32(uint32_t b) { float f; memcpy(&f, &b, 4); return f; }

/* -- Tininess before rounding ---------------------------------------------------------------------------------------- */

// The exact result is below the smallest normal number by less than half a unit of an unbounded exponent, so that rounding makes
// it the smallest normal: Arm calls it an underflow (FPRound: "if biased_exp == 0 && error != 0"), x86 does not.
#define TINY(expected, insn, type, ...)                                                                       \
  do {                                                                                                        \
    type r_;                                                                                                  \
    uint64_t f_;                                                                                              \
    asm volatile("msr fpsr, xzr\n" insn "\n mrs %1, fpsr" : "=&w"(r_), "=r"(f_) : __VA_ARGS__ : "v28", "v29", "v30", "v31"); \
    CHECK(f_ == 0x18 && !memcmp(&r_, &expected, sizeof r_), "%s: fpsr %lx result %g", insn, (unsigned long)f_, (double)r_); \
  } while (0)

static void tininess(void) {
  double one = bits64(0x3ff0000000000001), below = bits64(0x000fffffffffffff), zero = 0, min = bits64(1ull << 52), nmin = -min;
  double eps = bits64(0x3c00000000000000);
  float sone = bits32(0x3f800001), sbelow = bits32(0x007fffff), smin = bits32(1 << 23), nsmin = -smin, szero = 0;
  double wide = bits64(0x380fffffffffffff);
  TINY(min, "fmul %d0, %d2, %d3", double, "w"(one), "w"(below));
  TINY(nmin, "fmul %d0, %d2, %d3", double, "w"(one), "w"(-below));
  TINY(nmin, "fnmul %d0, %d2, %d3", double, "w"(one), "w"(below));
  TINY(smin, "fmul %s0, %s2, %s3", float, "w"(sone), "w"(sbelow));
  TINY(min, "fmadd %d0, %d2, %d3, %d4", double, "w"(one), "w"(below), "w"(zero));
  TINY(nmin, "fmsub %d0, %d2, %d3, %d4", double, "w"(one), "w"(below), "w"(zero));
  TINY(nmin, "fnmadd %d0, %d2, %d3, %d4", double, "w"(one), "w"(below), "w"(zero));
  TINY(min, "fmsub %d0, %d2, %d3, %d4", double, "w"(eps), "w"(min), "w"(min));
  TINY(smin, "fmadd %s0, %s2, %s3, %s4", float, "w"(sone), "w"(sbelow), "w"(szero));
  TINY(smin, "fcvt %s0, %d2", float, "w"(wide));
  TINY(nsmin, "fcvt %s0, %d2", float, "w"(-wide));
  TINY(min, "fmov d30, %d2\n fmov d31, %d3\n fmul v30.2d, v30.2d, v31.2d\n fmov %d0, d30", double, "w"(one), "w"(below));
  TINY(smin, "fmov s30, %s2\n fmov s31, %s3\n fmul v30.2s, v30.2s, v31.2s\n fmov %s0, s30", float, "w"(sone), "w"(sbelow));
  TINY(smin, "fmov s30, %s2\n fmov s31, %s3\n fmul v30.4s, v30.4s, v31.s[0]\n fmov %s0, s30", float, "w"(sone), "w"(sbelow));
  TINY(min, "fmov d30, %d2\n fmov d31, %d3\n movi v29.2d, #0\n fmla v29.2d, v30.2d, v31.2d\n fmov %d0, d29", double, "w"(one),
       "w"(below));
  TINY(nmin, "fmov d30, %d2\n fmov d31, %d3\n movi v29.2d, #0\n fmls v29.2d, v30.2d, v31.d[0]\n fmov %d0, d29", double, "w"(one),
       "w"(below));
  TINY(smin, "fmov d30, %d2\n fcvtn v30.2s, v30.2d\n fmov %s0, s30", float, "w"(wide));
}

/* -- NZCV of comparisons ---------------------------------------------------------------------------------------------- */

// Arm ARM shared/functions/float/fpcompare/FPCompare and ConditionHolds.
static unsigned relation(double a, double b) { return a != a || b != b ? 3 : a == b ? 6 : a < b ? 8 : 2; }
static int holds(unsigned cond, unsigned nzcv) {
  int n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1, r;
  switch (cond >> 1) {
    case 0: r = z; break;
    case 1: r = c; break;
    case 2: r = n; break;
    case 3: r = v; break;
    case 4: r = c && !z; break;
    case 5: r = n == v; break;
    default: r = n == v && !z; break;
  }
  return cond & 1 ? !r : r;
}

static volatile uint64_t place[2];
#define READERS(X) X(eq, 0) X(ne, 1) X(cs, 2) X(cc, 3) X(mi, 4) X(pl, 5) X(vs, 6) X(vc, 7) X(hi, 8) X(ls, 9) X(ge, 10) X(lt, 11) X(gt, 12) X(le, 13)
// Loads, stores and moves between comparison and readers, none of which needs the host's flags: a select and a branch.
#define READER(cc, number)                                                                                                   \
  static unsigned read_##cc(double a, double b) {                                                                            \
    uint64_t r, s;                                                                                                           \
    asm volatile(                                                                                                            \
        "fcmp %d2, %d3\n ldr x9, [%4]\n mov x10, x9\n str x10, [%4]\n ldr d31, [%4]\n mov x11, x10\n str x11, [%4, #8]\n"     \
        "cset %0, " #cc "\n ldr x9, [%4]\n mov %1, #0\n str x9, [%4]\n b." #cc " 1f\n b 2f\n 1: mov %1, #1\n 2:\n"             \
        : "=&r"(r), "=&r"(s) : "w"(a), "w"(b), "r"(place) : "x9", "x10", "x11", "v31", "cc", "memory");                      \
    return r == s ? (unsigned)r : 2;                                                                                         \
  }
READERS(READER)
static unsigned (*const readers[])(double, double) = {
#define NAME(cc, number) [number] = read_##cc,
    READERS(NAME)
};

static volatile unsigned ticks;
static void on_alarm(int sig) { ticks += sig == SIGALRM; }

static double values[5];
static void under_signals(void) {
  struct itimerval every = {{0, 20}, {0, 20}}, never = {{0, 0}, {0, 0}};
  signal(SIGALRM, on_alarm);
  setitimer(ITIMER_REAL, &every, 0);
  for (unsigned round = 0; ticks < 1000 && round < 20000 && !failures; round++)
    for (unsigned i = 0; i < 25; i++) {
      double a = values[i / 5], b = values[i % 5];
      for (unsigned c = 0; c < 14; c++) {
        unsigned r = readers[c](a, b);
        CHECK(r == (unsigned)holds(c, relation(a, b)), "condition %u of %g and %g gave %u", c, a, b, r);
      }
    }
  setitimer(ITIMER_REAL, &never, 0);
  CHECK(ticks >= 10, "%u signals", ticks);
}

static volatile uint64_t seen;
static void on_fault(int sig, siginfo_t *si, void *p) {
  ucontext_t *uc = p;
  (void)sig, (void)si;
  seen = uc->uc_mcontext.pstate >> 28;
  uc->uc_mcontext.pc += 4;
  uc->uc_mcontext.pstate ^= 0xf0000000;
}
// A fault between comparison and reader: the frame says what was compared, and the reader sees what the handler made of it.
#define FAULT(cc, number)                                                                                    \
  {                                                                                                          \
    uint64_t r;                                                                                              \
    asm volatile("fcmp %d1, %d2\n ldr x9, [%3]\n cset %0, " #cc "\n" : "=&r"(r) : "w"(a), "w"(b), "r"(bad) : "x9", "cc"); \
    unsigned nzcv = relation(a, b);                                                                          \
    CHECK(seen == nzcv, "%g and %g: %lx", a, b, (unsigned long)seen);                                        \
    CHECK(r == (unsigned)holds(number, nzcv ^ 15), "%g and %g, " #cc, a, b);                                 \
  }
static void under_faults(void) {
  char *bad = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, 0);
  for (unsigned i = 0; i < 25; i++) {
    double a = values[i / 5], b = values[i % 5];
    READERS(FAULT)
  }
}
#endif

int main(void) {
#ifdef __aarch64__
  values[0] = 0, values[1] = -1, values[2] = 1, values[3] = bits64(0x7ff8000000000000), values[4] = -0.0;
  tininess();
  under_faults();
  under_signals();
#endif
  printf("%d failures\n", failures);
  return 0;
}
