// SPDX-License-Identifier: MIT
// Invalid operations, which the engine may let the host trap: results and FPSR.IOC as the architecture has them, for a process
// that has not looked at FPSR yet and for one that has; many of them; beside SIGFPEs of the guest's own. AArch64 only; says
// "0 failures" elsewhere.
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
#define CHECK(c, ...) do { if (!(c)) { failures++; printf("  line %d: %s: ", __LINE__, #c); printf(__VA_ARGS__); printf("\n"); fflush(stdout); } } while (0)

#ifdef __aarch64__
enum { kInvalid = 1 };
static const uint64_t zero = 0, one = 0x3ff0000000000000, minus = 0xbff0000000000000, inf = 0x7ff0000000000000, ninf = 0xfff0000000000000,
                      dflt = 0x7ff8000000000000, quiet = 0x7ff8000000000123, nquiet = 0xfff8000000000456, third = 0x7ff8000000000789,
                      signalling = 0xfff0000000000abc, quieted = 0xfff8000000000abc, huge = 0x4530000000000000;

struct operation {
  const char *name;
  uint64_t (*run)(uint64_t n, uint64_t m, uint64_t a);
};
#define OP(id, insn)                                                                                                           \
  static uint64_t id(uint64_t n, uint64_t m, uint64_t a) {                                                                     \
    uint64_t r;                                                                                                                \
    asm volatile("fmov d1, %1\n fmov d2, %2\n fmov d3, %3\n dup v1.2d, v1.d[0]\n dup v2.2d, v2.d[0]\n dup v3.2d, v3.d[0]\n" insn \
                 "\n fmov %0, d3" : "=r"(r) : "r"(n), "r"(m), "r"(a) : "v1", "v2", "v3", "v24", "x9", "cc");                    \
    return r;                                                                                                                  \
  }
#define OPS(X)                                                                                                                 \
  X(add, "fadd d3, d1, d2") X(sub, "fsub d3, d1, d2") X(mul, "fmul d3, d1, d2") X(div_, "fdiv d3, d1, d2")                      \
  X(add_in_place, "fmov d3, d2\n fadd d3, d1, d3") X(mul_high, "fmov d24, d1\n fmul d24, d24, d2\n fmov d3, d24")               \
  X(nmul, "fnmul d3, d1, d2") X(root, "fsqrt d3, d1") X(madd, "fmadd d3, d1, d2, d3") X(msub, "fmsub d3, d1, d2, d3")           \
  X(nmadd, "fnmadd d3, d1, d2, d3") X(max, "fmax d3, d1, d2") X(maxnm, "fmaxnm d3, d1, d2")                                     \
  X(round_, "frintm d3, d1") X(to_single, "fcvt s3, d1\n fcvt d3, s3")                                                          \
  X(to_int, "fcvtzs x9, d1\n fmov d3, x9") X(to_word, "fcvtzs w9, d1\n fmov d3, x9") X(to_unsigned, "fcvtzu x9, d1\n fmov d3, x9") \
  X(to_floor, "fcvtms x9, d1\n fmov d3, x9") X(less, "fcmpe d1, d2\n cset x9, mi\n fmov d3, x9")                                \
  X(carried, "mov x9, #-1\n adds x9, x9, x9\n fccmpe d1, d2, #0, hi\n cset x9, vs\n fmov d3, x9")                                 \
  X(not_carried, "mov x9, #-1\n adds x9, x9, x9\n fccmpe d1, d2, #0, ls\n cset x9, vs\n fmov d3, x9")                             \
  X(equal, "fcmp d1, d2\n cset x9, eq\n fmov d3, x9")                                                                           \
  X(vadd, "fadd v3.2d, v1.2d, v2.2d") X(vpair, "fadd v3.2d, v1.2d, v2.2d\n faddp v3.2d, v1.2d, v2.2d")                          \
  X(vmla, "fmla v3.2d, v1.2d, v2.2d") X(vmls, "fmls v3.2d, v1.2d, v2.d[1]") X(vmax, "fmax v3.2d, v1.2d, v2.2d")                 \
  X(vint, "fcvtzs v3.2d, v1.2d") X(vless, "fcmgt v3.2d, v2.2d, v1.2d")
OPS(OP)

// Arm ARM, shared/functions/float: FPAdd to FPMulAdd, FPProcessNaNs (signalling before quiet, then the order of the operands;
// FPMulAdd's is addend, n, m), FPDefaultNaN (positive), FPToFixed (saturates).
struct expectation {
  struct operation op;
  uint64_t n, m, a, result;
  int invalid;
};
#define E(id, n, m, a, result, invalid) {{#id, id}, n, m, a, result, invalid}
static const struct expectation *table(unsigned *count) {
  static struct expectation t[100];
  const struct expectation all[] = {
      E(add, inf, ninf, zero, dflt, 1), E(add, quiet, nquiet, zero, quiet, 0), E(add, nquiet, quiet, zero, nquiet, 0),
      E(add, quiet, signalling, zero, quieted, 1), E(add, signalling, quiet, zero, quieted, 1), E(add, one, nquiet, zero, nquiet, 0),
      E(add_in_place, quiet, nquiet, zero, quiet, 0), E(add_in_place, inf, ninf, zero, dflt, 1),
      E(sub, inf, inf, zero, dflt, 1), E(sub, one, quiet, zero, quiet, 0), E(mul, zero, ninf, zero, dflt, 1),
      E(mul, nquiet, quiet, zero, nquiet, 0), E(mul_high, zero, inf, zero, dflt, 1), E(mul_high, one, nquiet, zero, nquiet, 0),
      E(div_, zero, zero, zero, dflt, 1), E(div_, ninf, inf, zero, dflt, 1), E(div_, quiet, signalling, zero, quieted, 1),
      E(nmul, zero, inf, zero, dflt ^ 1ull << 63, 1), E(nmul, quiet, one, zero, quiet ^ 1ull << 63, 0),
      E(root, minus, zero, zero, dflt, 1), E(root, nquiet, zero, zero, nquiet, 0), E(root, 1ull << 63, zero, zero, 1ull << 63, 0),
      E(madd, zero, inf, one, dflt, 1), E(madd, zero, inf, quiet, dflt, 1), E(madd, quiet, nquiet, third, third, 0),
      E(madd, quiet, nquiet, one, quiet, 0), E(madd, one, nquiet, third, third, 0), E(madd, quiet, one, signalling, quieted, 1),
      E(madd, signalling, one, quiet, quieted, 1), E(madd, inf, one, ninf, dflt, 1),
      E(msub, quiet, one, one, quiet ^ 1ull << 63, 0), E(msub, one, quiet, one, quiet, 0), E(msub, inf, one, inf, dflt, 1),
      E(nmadd, one, one, quiet, quiet ^ 1ull << 63, 0), E(nmadd, quiet, one, one, quiet ^ 1ull << 63, 0),
      E(max, quiet, one, zero, quiet, 0), E(max, one, signalling, zero, quieted, 1), E(max, 1ull << 63, zero, zero, zero, 0),
      E(maxnm, quiet, one, zero, one, 0), E(maxnm, one, signalling, zero, quieted, 1), E(maxnm, quiet, nquiet, zero, quiet, 0),
      E(round_, signalling, zero, zero, quieted, 1), E(round_, quiet, zero, zero, quiet, 0),
      E(to_single, 0x7ff8000020000000, zero, zero, 0x7ff8000020000000, 0), E(to_single, signalling, zero, zero, 0xfff8000000000000, 1),
      E(to_int, quiet, zero, zero, 0, 1), E(to_int, inf, zero, zero, ~0ull >> 1, 1), E(to_int, ninf, zero, zero, 1ull << 63, 1),
      E(to_int, 0xc3e0000000000000, zero, zero, 1ull << 63, 0), E(to_word, 0x41e0000000000000, zero, zero, 0x7fffffff, 1),
      E(to_word, 0xc1e0000000000000, zero, zero, 0x80000000, 0), E(to_unsigned, minus, zero, zero, 0, 1),
      E(to_unsigned, huge, zero, zero, ~0ull, 1), E(to_unsigned, 0x43e0000000000000, zero, zero, 1ull << 63, 0),
      E(to_floor, huge, zero, zero, ~0ull >> 1, 1), E(less, quiet, one, zero, 0, 1), E(less, minus, one, zero, 1, 0),
      E(carried, quiet, one, zero, 1, 1), E(not_carried, quiet, one, zero, 0, 0), E(equal, quiet, one, zero, 0, 0), E(equal, signalling, one, zero, 0, 1),
      E(vadd, inf, ninf, zero, dflt, 1), E(vadd, quiet, nquiet, zero, quiet, 0), E(vpair, quiet, nquiet, zero, quiet, 0),
      E(vpair, inf, one, zero, inf, 0), E(vmla, quiet, nquiet, third, third, 0), E(vmla, zero, inf, quiet, dflt, 1),
      E(vmls, quiet, one, one, quiet ^ 1ull << 63, 0), E(vmax, one, quiet, zero, quiet, 0), E(vint, quiet, zero, zero, 0, 1),
      E(vint, inf, zero, zero, ~0ull >> 1, 1), E(vless, one, quiet, zero, 0, 1), E(vless, minus, one, zero, ~0ull, 0),
  };
  _Static_assert(sizeof all <= sizeof t, "");
  memcpy(t, all, sizeof all);
  *count = sizeof all / sizeof *all;
  return t;
}

static unsigned long fpsr(void) {
  unsigned long f;
  asm volatile("mrs %0, fpsr" : "=r"(f));
  return f;
}

static void check(const struct expectation *e, const char *how) {
  uint64_t r = e->op.run(e->n, e->m, e->a);
  CHECK(r == e->result, "%s of %lx %lx %lx, %s: %lx", e->op.name, e->n, e->m, e->a, how, r);
}

// Each in a process that has not seen FPSR yet; then FPSR says whether it was invalid. And once more after that.
static void one_each(void) {
  unsigned count;
  const struct expectation *t = table(&count);
  for (unsigned i = 0; i < count; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      check(&t[i], "first");
      unsigned long f = fpsr() & kInvalid;
      CHECK(f == (unsigned long)t[i].invalid, "FPSR of %s of %lx %lx %lx", t[i].op.name, t[i].n, t[i].m, t[i].a);
      asm volatile("msr fpsr, xzr");
      check(&t[i], "after FPSR was read");
      f = fpsr() & kInvalid;
      CHECK(f == (unsigned long)t[i].invalid, "second FPSR of %s", t[i].op.name);
      fflush(stdout);
      _exit(failures != 0);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(status == 0, "child %u: status %x", i, status);
  }
}

// More than the engine lets trap, in threads that come and go; none of them looks at FPSR.
static void *many(void *p) {
  unsigned count;
  const struct expectation *t = table(&count);
  for (unsigned round = 0; round < 40; round++)
    for (unsigned i = 0; i < count; i++) check(&t[i], "many");
  return p;
}

static volatile int taken;
static void on_fpe(int sig, siginfo_t *si, void *p) {
  (void)p;
  taken += sig == SIGFPE && si->si_code <= 0;
  check(&(struct expectation)E(add, inf, ninf, zero, dflt, 1), "in a handler");
}

static void beside_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fpe;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGFPE, &action, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGFPE);
  for (int i = 0; i < 20; i++) {
    raise(SIGFPE);
    check(&(struct expectation)E(mul, zero, inf, zero, dflt, 1), "beside signals");
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGFPE);
    check(&(struct expectation)E(to_int, inf, zero, zero, ~0ull >> 1, 1), "with SIGFPE blocked");
    CHECK(taken == 2 * i + 1, "%d", taken);
    sigprocmask(SIG_UNBLOCK, &set, 0);
    CHECK(taken == 2 * i + 2, "%d", taken);
  }
  signal(SIGFPE, SIG_IGN);
  check(&(struct expectation)E(div_, zero, zero, zero, dflt, 1), "with SIGFPE ignored");
  signal(SIGFPE, SIG_DFL);
  check(&(struct expectation)E(div_, zero, zero, zero, dflt, 1), "with SIGFPE's default");
}
#endif

int main(void) {
#ifdef __aarch64__
  pid_t child = fork();
  if (child == 0) {
    beside_signals();
    fflush(stdout);
    _exit(failures != 0);
  }
  int status;
  waitpid(child, &status, 0);
  CHECK(status == 0, "beside signals: %x", status);
  one_each();
  for (int i = 0; i < 4; i++) {
    pthread_t thread[2];
    for (int k = 0; k < 2; k++) pthread_create(&thread[k], 0, many, 0);
    for (int k = 0; k < 2; k++) pthread_join(thread[k], 0);
  }
  CHECK((fpsr() & kInvalid) == 0, "other threads' operations");
#endif
  printf("%d failures\n", failures);
  return 0;
}
