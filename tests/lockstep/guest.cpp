// SPDX-License-Identifier: MIT
// See guest.h.
#include "guest.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>

#include "../softfloat/operands.h"
#include "base/clock.h"
#include "base/memory.h"
#include "insn.h"

namespace grus {

// A value whose halves differ, so that a truncated or swapped read of the counter shows.
u64 host_counter_ns() { return 0x0123456789abcdef; }

namespace test {

using namespace a64;

namespace {

run::ThreadState* g_thread;

void on_fault(int sig, siginfo_t* info, void* context) {
  if (run::handle_host_fault(*g_thread, sig, info, context)) return;
  auto* uc = static_cast<ucontext_t*>(context);
  char line[200];
  u64 rip = static_cast<u64>(uc->uc_mcontext.gregs[REG_RIP]);
  int n = snprintf(line, sizeof line,
                   "lockstep: signal %d code %d addr %p at rip %#lx, guest pc %#lx: not handled\n", sig,
                   info->si_code, info->si_addr, static_cast<unsigned long>(rip),
                   static_cast<unsigned long>(run::guest_pc_of(rip)));
  if (write(2, line, static_cast<size_t>(n)) < 0) _exit(3);
  signal(sig, SIG_DFL);
  raise(sig);
}

void map(u64 at, u64 size, int protection) {
  void* p = mmap(reinterpret_cast<void*>(at), size, protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != reinterpret_cast<void*>(at)) {
    perror("lockstep: mmap");
    exit(3);
  }
}

bool ends_only_a_block(ExceptionKind kind) {
  return kind == ExceptionKind::CacheInvalidate || kind == ExceptionKind::FpContextChange;
}

}  // namespace

Guest::Guest(u64 seed) : pristine_(kWorkSize) {
  map(kCodeMap, kCodeMapSize, PROT_READ | PROT_WRITE);
  map(kCodeMap + kCodeMapSize, kGuard, PROT_NONE);
  map(kWork, kWorkSize, PROT_READ | PROT_WRITE);
  map(kWork + kWorkSize, kGuard, PROT_NONE);
  Random r{seed | 1};
  for (u64 a = kCodeMap; a < kCodeMap + kCodeMapSize; a += 8) *reinterpret_cast<u64*>(a) = r.next();
  for (u64 i = 0; i < kWorkSize; i += 8) {
    u64 value = r.one_in(4) ? float_operand(r, 64) : r.next();
    memcpy(&pristine_[i], &value, 8);
  }

  constexpr u64 kBytes = run::kReturnStackBytes + run::kLookupOffset + run::kLookupBytes;
  auto* memory = static_cast<u8*>(map_engine_pages((kBytes + 4095) & ~u64{4095}, PageUse::Stack));
  if (!memory) {
    fprintf(stderr, "lockstep: no memory for the thread\n");
    exit(3);
  }
  thread_ = new (memory + run::kReturnStackBytes) run::ThreadState{};
  g_thread = thread_;
  run::prepare_thread(*thread_, reinterpret_cast<u64>(memory), reinterpret_cast<u64>(memory) + run::kReturnStackBytes);
  run::guest_range_executable(kCode, kCode + kCodeSize);

  // Translated code has no C stack.
  static u8 signal_stack[64 << 10];
  stack_t ss = {};
  ss.ss_sp = signal_stack;
  ss.ss_size = sizeof signal_stack;
  sigaltstack(&ss, nullptr);
  struct sigaction sa = {};
  sa.sa_sigaction = on_fault;
  sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int sig : {SIGSEGV, SIGBUS, SIGTRAP, SIGILL, SIGFPE}) sigaction(sig, &sa, nullptr);
}

u64 Guest::place(const std::vector<u32>& words) {
  u64 bytes = (words.size() * 4 + 63) & ~u64{63};
  if (next_ + bytes > kCode + kCodeSize) {
    run::guest_code_modified(kCode, kCode + kCodeSize);
    next_ = kCode;
  }
  u64 at = next_;
  next_ += bytes;
  memcpy(reinterpret_cast<void*>(at), words.data(), words.size() * 4);
  return at;
}

void Guest::restore_work() { memcpy(work(), pristine_.data(), kWorkSize); }

bool Guest::step(CpuState& cpu, Insn i) {
  cpu.next_pc = cpu.pc + 4;
  cpu.exception.kind = ExceptionKind::None;
  if (Semantics semantics = kSemantics[static_cast<unsigned>(i.op)])
    semantics(cpu, i);
  else
    cpu.raise(ExceptionKind::Undefined);
  ExceptionKind kind = cpu.exception.kind;
  if (kind == ExceptionKind::None || kind == ExceptionKind::Supervisor || ends_only_a_block(kind))
    cpu.pc = cpu.next_pc;
  if (ends_only_a_block(kind)) cpu.exception.kind = ExceptionKind::None;
  return cpu.exception.kind == ExceptionKind::None;
}

void Guest::interpret(CpuState& cpu, unsigned limit) {
  for (; limit; limit--) {
    if (cpu.pc & 3) {
      cpu.raise(ExceptionKind::PcAlignment, cpu.pc);
      break;
    }
    if (cpu.pc < kCode || cpu.pc >= kCode + kCodeSize) {
      cpu.exception = Exception{ExceptionKind::InstructionAbort, false, 0, 0, 0, cpu.pc};
      break;
    }
    u32 word = *reinterpret_cast<u32*>(cpu.pc);
    Op op = decode(word);
    if (!step(cpu, Insn{word, op})) break;
  }
}

void Guest::translate(CpuState& cpu) {
  thread_->cpu = cpu;
  thread_->resume_by_interpretation = false;
  thread_->invalid_operations = 0;
  do {
    run::execute(*thread_);
    if (thread_->cpu.exception.kind == ExceptionKind::CacheInvalidate) {
      u64 line = GuestAddr(thread_->cpu.exception.addr).untagged().v & ~u64{63};
      run::guest_code_modified(line, line + 64);
    }
  } while (ends_only_a_block(thread_->cpu.exception.kind));
  cpu = thread_->cpu;
}

}  // namespace test
}  // namespace grus
