/* SPDX-License-Identifier: MIT
 * Runs on AArch64 Linux (QEMU or a real machine): executes the records of a file, one instruction each, and writes them back.
 *
 *   executor INPUT OUTPUT
 *
 * Every register, the flags, FPCR and FPSR are loaded by returning from a signal handler and read in the handler of the
 * BRK that follows the instruction, or of the fault it raises; so an instruction may use every register, SP too.
 * Deliberately not here: branches, system registers, anything that would not reach the BRK.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "record.h"

static struct Record *current, *first, *end;
static uint8_t* pristine;
static const char* output;

static void die(const char* what) {
  if (write(2, what, strlen(what)) < 0 || write(2, "\n", 1) < 0) _exit(2);
  _exit(1);
}

static void finish(void) {
  if (memcmp(pristine, (void*)(uintptr_t)kDataBase, kDataSize) != 0) die("executor: a store outside of its window");
  int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const char* p = (const char*)first;
  while (p < (const char*)end) {
    ssize_t n = write(fd, p, (const char*)end - p);
    if (n <= 0) die("executor: write");
    p += n;
  }
  _exit(0);
}

static void step(int sig, siginfo_t* info, void* context) {
  static int running;
  mcontext_t* m = &((ucontext_t*)context)->uc_mcontext;
  struct fpsimd_context* fp = (struct fpsimd_context*)m->__reserved;
  if (fp->head.magic != FPSIMD_MAGIC) die("executor: no FPSIMD context");
  uint32_t* code = (uint32_t*)(uintptr_t)kCodeAt;

  if (running) {
    memcpy(current->x, m->regs, sizeof current->x);
    current->sp = m->sp;
    current->pc = m->pc;
    current->nzcv = (uint32_t)m->pstate >> 28;
    memcpy(current->v, fp->vregs, sizeof current->v);
    current->fpsr = fp->fpsr;
    current->fpcr = fp->fpcr;
    int completed = sig == SIGTRAP && m->pc == kCodeAt + 8;
    current->sig = completed ? 0 : (uint32_t)sig;
    current->code = completed ? 0 : (uint32_t)info->si_code;
    current->address = completed ? 0 : (uintptr_t)info->si_addr;
    void* window = (void*)(uintptr_t)current->window;
    memcpy(current->memory, window, kWindow);
    memcpy(window, pristine + (current->window - kDataBase), kWindow);
    current++;
  }
  if (current == end) finish();

  running = 1;
  code[0] = current->prefix;
  code[1] = current->word;
  code[2] = 0xd4200000; /* brk #0 */
  __builtin___clear_cache((char*)code, (char*)(code + 3));
  memcpy(m->regs, current->x, sizeof current->x);
  m->sp = current->sp;
  m->pc = kCodeAt + (current->prefix ? 0 : 4);
  m->pstate = (uint64_t)current->nzcv << 28;
  memcpy(fp->vregs, current->v, sizeof current->v);
  fp->fpsr = current->fpsr;
  fp->fpcr = current->fpcr;
}

static void* map(uintptr_t at, size_t size, int protection) {
  void* p = mmap((void*)at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p != (void*)at) die("executor: mmap");
  return p;
}

int main(int argc, char** argv) {
  struct stat st;
  int fd = argc == 3 ? open(argv[1], O_RDONLY) : -1;
  if (fd < 0 || fstat(fd, &st) != 0) die("usage: executor INPUT OUTPUT");
  output = argv[2];
  first = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (first == MAP_FAILED) die("executor: mmap of the input");
  current = first;
  end = first + st.st_size / sizeof *first;

  fill(map(kDataBase, kDataSize, PROT_READ | PROT_WRITE), kDataSize, 1);
  map(kDataBase + kDataSize, 4096, PROT_NONE);
  fill(map(kCodeBase, kCodeSize, PROT_READ | PROT_WRITE | PROT_EXEC), kCodeSize, 2);
  pristine = malloc(kDataSize);
  memcpy(pristine, (void*)(uintptr_t)kDataBase, kDataSize);

  stack_t stack = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
  struct sigaction sa = {.sa_sigaction = step, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaltstack(&stack, NULL);
  int signals[] = {SIGTRAP, SIGILL, SIGSEGV, SIGBUS};
  for (unsigned n = 0; n < sizeof signals / sizeof signals[0]; n++) sigaction(signals[n], &sa, NULL);
  __asm__ volatile("brk #0");
  die("executor: not reached");
  return 1;
}
