// SPDX-License-Identifier: MIT
// Random classic BPF programs run by the kernel's seccomp and by ours: same verdict for the same arguments,
// and the same answer to whether a program may be installed at all.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <vector>

#include "linux/seccomp_filter.h"

// The kernel's own header, which src/linux must not hide.
#include <linux/seccomp.h>

namespace grus::linux {
namespace {

using Program = std::vector<sock_filter>;
constexpr int kNumber = SYS_getppid;

sock_filter stmt(unsigned code, u32 k) { return BPF_STMT(static_cast<u16>(code), k); }
sock_filter jump(unsigned code, u32 k, unsigned jt, unsigned jf) {
  return BPF_JUMP(static_cast<u16>(code), k, static_cast<u8>(jt), static_cast<u8>(jf));
}

// Only arguments are looked at (number, architecture and address differ), and only calls of kNumber get a
// verdict.
Program random_program(std::mt19937& random, unsigned body) {
  auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  Program p{stmt(BPF_LD | BPF_W | BPF_ABS, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, kNumber, 1, 0),
            stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  for (u32 m = 0; m < BPF_MEMWORDS; m++) p.push_back(stmt(BPF_ST, m));  // no uninitialised loads
  p.push_back(stmt(BPF_LDX | BPF_IMM, static_cast<u32>(random())));
  for (unsigned i = 0; i < body; i++) {
    const unsigned room = body - i - 1;  // instructions of the body behind this one
    const u32 k = pick(3) ? pick(40) : static_cast<u32>(random());
    switch (pick(8)) {
      case 0:
        p.push_back(stmt(BPF_LD | BPF_W | BPF_ABS, 16 + 4 * pick(12)));
        break;
      case 1:
        p.push_back(stmt(pick(2) ? BPF_LD | BPF_MEM : BPF_LDX | BPF_MEM, pick(BPF_MEMWORDS)));
        break;
      case 2:
        p.push_back(stmt(pick(2) ? BPF_ST : BPF_STX, pick(BPF_MEMWORDS)));
        break;
      case 3:
        p.push_back(stmt(pick(2) ? BPF_MISC | BPF_TAX : BPF_MISC | BPF_TXA, 0));
        break;
      case 4: {
        static constexpr unsigned op[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
        p.push_back(
            jump(BPF_JMP | op[pick(4)] | (pick(2) ? BPF_X : BPF_K), k, pick(room + 1), pick(room + 1)));
        break;
      }
      case 5:
        p.push_back(stmt(pick(2) ? BPF_LD | BPF_IMM : BPF_LDX | BPF_W | BPF_LEN, k));
        break;
      default: {
        static constexpr unsigned op[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
                                          BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
        const unsigned o = op[pick(10)];
        if (o == BPF_NEG) {
          p.push_back(stmt(BPF_ALU | BPF_NEG, 0));
        } else if (pick(2) && o != BPF_DIV) {  // a division by X may be by zero, which kills: its own test
          p.push_back(stmt(BPF_ALU | o | BPF_X, 0));
        } else {
          const u32 shift = o == BPF_LSH || o == BPF_RSH ? k & 31 : o == BPF_DIV ? k | 1 : k;
          p.push_back(stmt(BPF_ALU | o | BPF_K, shift));
        }
      }
    }
  }
  p.push_back(stmt(BPF_ALU | BPF_AND | BPF_K, 0xfff));
  p.push_back(stmt(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO));
  p.push_back(stmt(BPF_RET | BPF_A, 0));
  return p;
}

struct Verdicts {
  int installed;  // errno of the installation
  i64 result[8];  // -errno of each call
  int died;       // status of the process that installed the program, 0 when it lived
};

u64 argument(unsigned call, unsigned n) {
  return 0x9e3779b97f4a7c15u * (call * 7 + n + 1) >> (call % 3 * 16);
}

template <typename Body>
Verdicts in_child(Body body) {
  auto* shared = static_cast<Verdicts*>(
      mmap(nullptr, sizeof(Verdicts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  if (child == 0) {
    body(*shared);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Verdicts v = *shared;
  v.died = status;
  munmap(shared, sizeof(Verdicts));
  return v;
}

Verdicts by_kernel(const Program& p) {
  return in_child([&](Verdicts& v) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const sock_fprog program{static_cast<unsigned short>(p.size()), const_cast<sock_filter*>(p.data())};
    v.installed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? errno : 0;
    if (v.installed) return;
    for (unsigned c = 0; c < 8; c++) {
      const long r = syscall(kNumber, argument(c, 0), argument(c, 1), argument(c, 2), argument(c, 3),
                             argument(c, 4), argument(c, 5));
      v.result[c] = r == -1 ? -errno : 0;
    }
  });
}

Verdicts by_us(const Program& p) {
  return in_child([&](Verdicts& v) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    static Task task{};
    static Process process{};
    process.live_threads = 1;
    task.process = &process;
    const sock_fprog program{static_cast<unsigned short>(p.size()), const_cast<sock_filter*>(p.data())};
    v.installed = static_cast<int>(
        -seccomp_operation(task, SECCOMP_SET_MODE_FILTER, 0, reinterpret_cast<u64>(&program)));
    if (v.installed) return;
    for (unsigned c = 0; c < 8; c++) {
      const u64 a[6] = {argument(c, 0), argument(c, 1), argument(c, 2),
                        argument(c, 3), argument(c, 4), argument(c, 5)};
      i64 result = 0;
      if (!seccomp_allows(task, kNumber, a, &result)) v.result[c] = result;
    }
  });
}

TEST(Seccomp, RandomProgramsGiveTheKernelsVerdict) {
  std::mt19937 random(1);
  unsigned distinct = 0;
  for (unsigned n = 0; n < 150; n++) {
    const Program p = random_program(random, 30);
    const Verdicts kernel = by_kernel(p), ours = by_us(p);
    ASSERT_EQ(kernel.installed, 0);
    ASSERT_EQ(ours.installed, 0);
    for (unsigned c = 0; c < 8; c++) {
      ASSERT_EQ(ours.result[c], kernel.result[c]) << "program " << n << " call " << c;
      distinct += c && kernel.result[c] != kernel.result[c - 1];
    }
  }
  EXPECT_GT(distinct, 100u) << "the programs must look at their arguments";
}

TEST(Seccomp, RandomBytesAreAcceptedOrRefusedAsByTheKernel) {
  std::mt19937 random(2);
  unsigned accepted = 0, refused = 0;
  for (unsigned n = 0; n < 600; n++) {
    Program p = random_program(random, 6);
    // Damage one instruction behind the first three, which keep other calls alive.
    sock_filter& i = p[3 + random() % (p.size() - 3)];
    switch (random() % 4) {
      case 0:
        i.code = static_cast<u16>(random() % 256);
        break;
      case 1:
        i.k = static_cast<u32>(random()) >> random() % 32;
        break;
      case 2:
        i.jt = static_cast<u8>(random());
        break;
      case 3:
        i.jf = static_cast<u8>(random());
        break;
    }
    // Our exception, which seccomp_filter.cpp names: loads of scratch memory that was never stored.
    bool loads = false;
    for (const sock_filter& f : p) loads |= f.code == (BPF_LD | BPF_MEM) || f.code == (BPF_LDX | BPF_MEM);
    if (loads) continue;
    const Verdicts kernel = by_kernel(p), ours = by_us(p);
    ASSERT_EQ(ours.installed, kernel.installed) << "program " << n << " code " << i.code << " k " << i.k;
    (kernel.installed ? refused : accepted)++;
  }
  EXPECT_GT(accepted, 50u);
  EXPECT_GT(refused, 50u);
}

TEST(Seccomp, DivisionByZeroKills) {
  const Program p{stmt(BPF_LD | BPF_W | BPF_ABS, 0),        jump(BPF_JMP | BPF_JEQ | BPF_K, kNumber, 1, 0),
                  stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), stmt(BPF_LDX | BPF_IMM, 0),
                  stmt(BPF_ALU | BPF_DIV | BPF_X, 0),       stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const Verdicts kernel = by_kernel(p), ours = by_us(p);
  ASSERT_TRUE(WIFSIGNALED(kernel.died));
  EXPECT_EQ(WTERMSIG(kernel.died), 31);
  ASSERT_TRUE(WIFEXITED(ours.died));
  EXPECT_EQ(WEXITSTATUS(ours.died), 131);
}

TEST(Seccomp, TheStrictestOfAChainWinsAndTheChainSurvivesExec) {
  auto constant = [](u32 verdict) {
    return Program{stmt(BPF_LD | BPF_W | BPF_ABS, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, kNumber, 1, 0),
                   stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), stmt(BPF_RET | BPF_K, verdict)};
  };
  static constexpr u32 order[] = {SECCOMP_RET_ERRNO | 5, SECCOMP_RET_LOG, SECCOMP_RET_ERRNO | 7,
                                  SECCOMP_RET_ALLOW};
  auto install = [&](auto seccomp) {
    for (u32 verdict : order) {
      const Program p = constant(verdict);
      const sock_fprog program{static_cast<unsigned short>(p.size()), const_cast<sock_filter*>(p.data())};
      if (seccomp(&program)) return false;
    }
    return true;
  };
  const Verdicts kernel = in_child([&](Verdicts& v) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    v.installed =
        !install([](const sock_fprog* p) { return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, p); });
    v.result[0] = syscall(kNumber) == -1 ? -errno : 0;
  });
  const Verdicts ours = in_child([&](Verdicts& v) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    static Task task{}, next{};
    static Process process{};
    task.process = next.process = &process;
    v.installed = !install([](const sock_fprog* p) {
      return seccomp_operation(task, SECCOMP_SET_MODE_FILTER, 0, reinterpret_cast<u64>(p));
    });
    std::vector<char> saved(seccomp_saved_size(task));
    seccomp_save(task, saved.data());
    if (!seccomp_restore(next, saved.data(), saved.size())) _exit(1);
    const u64 a[6] = {};
    seccomp_allows(task, kNumber, a, &v.result[0]);
    seccomp_allows(next, kNumber, a, &v.result[1]);
  });
  ASSERT_EQ(kernel.installed, 0);
  ASSERT_EQ(ours.installed, 0);
  EXPECT_EQ(ours.died, 0);
  EXPECT_EQ(kernel.result[0], -7);
  EXPECT_EQ(ours.result[0], kernel.result[0]);
  EXPECT_EQ(ours.result[1], kernel.result[0]);
}

}  // namespace
}  // namespace grus::linux
