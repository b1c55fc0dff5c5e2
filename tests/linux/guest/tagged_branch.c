// SPDX-License-Identifier: MIT
// W2: branches to addresses with a tag. arm64 Linux has TBI on for EL0's instruction addresses too (TCR_EL1.TBI0 set, TBID0 clear:
// arch/arm64/mm/proc.S), so every branch and every ERET goes where bit 55 extended over the top byte leads (Arm ARM,
// AArch64.BranchAddr, AArch64.ExceptionReturn). Every case is met twice: made for it, and known.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __aarch64__
static const uint64_t kTags[] = {0xab, 0x2b, 0xff, 0x80, 0x01, 0x00};
enum { kTagCount = sizeof kTags / sizeof kTags[0] };

static int wrong;
static void is(const char* what, uint64_t got, uint64_t expected) {
  if (got == expected) return;
  wrong++;
  printf("wrong: %s: %lx, not %lx\n", what, got, expected);
}
static uint64_t tagged(const void* p, unsigned n) { return (uint64_t)p | kTags[n % kTagCount] << 56; }

// Each says where it runs and what BLR left in x30: no tag in either.
uint64_t where(uint64_t* link);
__asm__(
    ".text\n.globl where\nwhere:\n adr x9, where\n str x30, [x0]\n mov x0, x9\n ret\n"
    ".globl by_br\nby_br:\n mov x10, x1\n br x10\n"
    ".globl by_blr\nby_blr:\n stp x29, x30, [sp, #-16]!\n blr x1\n.globl behind_blr\nbehind_blr:\n ldp x29, x30, [sp], #16\n ret\n"
    ".globl by_ret\nby_ret:\n orr x30, x30, x1\n ret\n"
    ".globl by_ret_of_x9\nby_ret_of_x9:\n orr x9, x30, x1\n ret x9\n");
uint64_t by_br(uint64_t* link, uint64_t target);
uint64_t by_blr(uint64_t* link, uint64_t target);
void by_ret(uint64_t unused, uint64_t tag);
void by_ret_of_x9(uint64_t unused, uint64_t tag);
extern const char behind_blr[];

static void branches(void) {
  for (unsigned n = 0; n < 3000; n++) {
    uint64_t link = 0;
    is("place by BLR", by_blr(&link, tagged(where, n)), (uint64_t)where);
    is("x30 of BLR", link, (uint64_t)behind_blr);
    is("place by BR", by_br(&link, tagged(where, n)), (uint64_t)where);
    by_ret(0, tagged(0, n));
    by_ret_of_x9(0, tagged(0, n));
  }
}

// Handlers, and the pc that sigreturn takes.
static volatile uint64_t g_at, g_go_on, g_frame_pc;
static uint64_t here(void) {
  uint64_t pc;
  __asm__ volatile("adr %0, ." : "=r"(pc));
  return pc;
}
static void on_user(int sig, siginfo_t* info, void* context) {
  ucontext_t* uc = context;
  (void)sig, (void)info;
  g_at = here();
  g_frame_pc = uc->uc_mcontext.pc;
  uc->uc_mcontext.pc |= g_go_on;
}
static void signals(void) {
  for (unsigned n = 0; n < 60; n++) {
    struct sigaction sa = {.sa_flags = SA_SIGINFO};
    sa.sa_sigaction = (void (*)(int, siginfo_t*, void*))tagged(on_user, n);
    g_go_on = tagged(0, n + 1);
    sigaction(SIGUSR1, &sa, 0);
    kill(getpid(), SIGUSR1);
    is("tag of a handler's pc", g_at >> 56, 0);
    is("tag of the pc in the frame", g_frame_pc >> 56, 0);
    is("tag of the pc behind sigreturn", here() >> 56, 0);
  }
}

// Where nothing can be executed: what the kernel says.
static sigjmp_buf g_back;
static volatile uint64_t g_signal, g_code, g_address, g_pc;
static void on_fault(int sig, siginfo_t* info, void* context) {
  g_signal = (uint64_t)sig, g_code = (uint64_t)info->si_code, g_address = (uint64_t)info->si_addr;
  g_pc = ((ucontext_t*)context)->uc_mcontext.pc;
  siglongjmp(g_back, 1);
}
static uint64_t g_data[4];
static void fault(uint64_t target, uint64_t sig, uint64_t code, uint64_t address) {
  for (volatile int n = 0; n < 3; n++) {
    uint64_t link;
    g_signal = 0;
    if (!sigsetjmp(g_back, 1)) n == 1 ? by_br(&link, target) : by_blr(&link, target);
    is("signal", g_signal, sig);
    is("code", g_code, code);
    is("address", g_address, address);
    is("pc", g_pc, address);
  }
}
static void faults(void) {
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, 0);
  sigaction(SIGBUS, &sa, 0);
  sigaction(SIGILL, &sa, 0);
  fault(0x2b6455a4109dc648, SIGSEGV, SEGV_MAPERR, 0x006455a4109dc648);
  fault(0x2b6455a4109dc64a, SIGBUS, BUS_ADRALN, 0x006455a4109dc64a);
  fault(0x2b00000000001001, SIGBUS, BUS_ADRALN, 0x1001);
  fault(0x2b00000000000000, SIGSEGV, SEGV_MAPERR, 0);
  fault(0xffff000000000000, SIGSEGV, SEGV_MAPERR, 0xffff000000000000);
  fault(0x1280000000000000, SIGSEGV, SEGV_MAPERR, 0xff80000000000000);
  fault(tagged(g_data, 0), SIGSEGV, SEGV_ACCERR, (uint64_t)g_data);
}

int main(void) {
  branches();
  signals();
  faults();
  printf("%d wrong\n", wrong);
  return wrong != 0;
}
#else
int main(void) { printf("%d wrong\n", 0); }
#endif
