// SPDX-License-Identifier: MIT
// Softfloat's single and double precision against this machine's SSE unit, in all four rounding modes: values
// and the flags that IEEE 754 leaves no freedom in (invalid, divide by zero, overflow, inexact).
//
// Deliberately not compared: NaN payloads (x86 and Arm choose differently; qemu_oracle.cpp has them) and
// underflow (x86 detects tininess after rounding, Arm before).
#include <gtest/gtest.h>
#include <immintrin.h>

#include <cstring>

#include "operands.h"
#include "softfloat/softfloat.h"

using namespace grus;
using namespace grus::fp;

namespace {

struct Outcome {
  u64 bits;
  u32 flags;  // as FPSR counts them
};

// FPCR.RMode to MXCSR.RC, everything masked, no flags.
u32 mxcsr_for(unsigned rmode) {
  static const u32 kRc[] = {0, 2, 1, 3};
  return 0x1f80 | kRc[rmode] << 13;
}
u32 flags_of(u32 mxcsr) {
  return (mxcsr & 1) | (mxcsr >> 2 & 1) << 1 | (mxcsr >> 3 & 1) << 2 | (mxcsr >> 5 & 1) << 4;
}
constexpr u32 kCompared = 1 | 2 | 4 | 16;

// The operation between two settings of MXCSR; volatile keeps the compiler from moving or folding it.
template <typename Fn>
u32 under(unsigned rmode, Fn fn) {
  u32 saved = _mm_getcsr();
  _mm_setcsr(mxcsr_for(rmode));
  asm volatile("" ::: "memory");
  fn();
  asm volatile("" ::: "memory");
  u32 after = _mm_getcsr();
  _mm_setcsr(saved);
  return flags_of(after);
}

template <typename F>
struct HostType;
template <>
struct HostType<u32> {
  using type = float;
};
template <>
struct HostType<u64> {
  using type = double;
};

template <typename F>
bool is_nan(F a) {
  typename HostType<F>::type x;
  memcpy(&x, &a, sizeof x);
  return x != x;
}

enum class Operation { Add, Sub, Mul, Div, Sqrt, ToOther, ToI32, ToI64, FromI32, FromI64, kCount };

template <typename F>
Outcome host(Operation op, F a, F b, unsigned rmode) {
  using T = typename HostType<F>::type;
  volatile T x, y, z = 0;
  memcpy(const_cast<T*>(&x), &a, sizeof a);
  memcpy(const_cast<T*>(&y), &b, sizeof b);
  Outcome o{0, 0};
  auto store = [&](auto value) { memcpy(&o.bits, &value, sizeof value); };
  switch (op) {
    case Operation::Add:
      o.flags = under(rmode, [&] { z = x + y; });
      break;
    case Operation::Sub:
      o.flags = under(rmode, [&] { z = x - y; });
      break;
    case Operation::Mul:
      o.flags = under(rmode, [&] { z = x * y; });
      break;
    case Operation::Div:
      o.flags = under(rmode, [&] { z = x / y; });
      break;
    case Operation::Sqrt:
      if constexpr (sizeof(F) == 4) {
        o.flags = under(rmode, [&] { z = _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); });
      } else {
        o.flags = under(rmode, [&] { z = _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x))); });
      }
      break;
    case Operation::ToOther:
      if constexpr (sizeof(F) == 4) {
        volatile double w = 0;
        o.flags = under(rmode, [&] { w = x; });
        store(static_cast<double>(w));
      } else {
        volatile float w = 0;
        o.flags = under(rmode, [&] { w = static_cast<float>(x); });
        store(static_cast<float>(w));
      }
      return o;
    case Operation::ToI32: {
      volatile i32 w = 0;
      if constexpr (sizeof(F) == 4)
        o.flags = under(rmode, [&] { w = _mm_cvtss_si32(_mm_set_ss(x)); });
      else
        o.flags = under(rmode, [&] { w = _mm_cvtsd_si32(_mm_set_sd(x)); });
      store(static_cast<i32>(w));
      return o;
    }
    case Operation::ToI64: {
      volatile i64 w = 0;
      if constexpr (sizeof(F) == 4)
        o.flags = under(rmode, [&] { w = _mm_cvtss_si64(_mm_set_ss(x)); });
      else
        o.flags = under(rmode, [&] { w = _mm_cvtsd_si64(_mm_set_sd(x)); });
      store(static_cast<i64>(w));
      return o;
    }
    case Operation::FromI32: {
      volatile i32 w = static_cast<i32>(a);
      o.flags = under(rmode, [&] { z = static_cast<T>(w); });
      break;
    }
    case Operation::FromI64: {
      volatile i64 w = static_cast<i64>(static_cast<u64>(b) << 32 ^ a);
      o.flags = under(rmode, [&] { z = static_cast<T>(w); });
      break;
    }
    case Operation::kCount:
      break;
  }
  store(static_cast<T>(z));
  return o;
}

template <typename F>
Outcome ours(Operation op, F a, F b, unsigned rmode) {
  Env env{rmode << 22, 0};
  Rounding r = env.rounding();
  u64 bits = 0;
  switch (op) {
    case Operation::Add:
      bits = FPAdd(a, b, env);
      break;
    case Operation::Sub:
      bits = FPSub(a, b, env);
      break;
    case Operation::Mul:
      bits = FPMul(a, b, env);
      break;
    case Operation::Div:
      bits = FPDiv(a, b, env);
      break;
    case Operation::Sqrt:
      bits = FPSqrt(a, env);
      break;
    case Operation::ToOther:
      if constexpr (sizeof(F) == 4)
        bits = FPConvert<u64, u32>(a, r, env);
      else
        bits = FPConvert<u32, u64>(a, r, env);
      break;
    case Operation::ToI32:
      bits = FPToFixed(a, 0, false, r, 32, env);
      break;
    case Operation::ToI64:
      bits = FPToFixed(a, 0, false, r, 64, env);
      break;
    case Operation::FromI32:
      bits = FixedToFP<F>(a, 32, 0, false, r, env);
      break;
    case Operation::FromI64:
      bits = FixedToFP<F>(static_cast<u64>(b) << 32 ^ a, 64, 0, false, r, env);
      break;
    case Operation::kCount:
      break;
  }
  return {bits, env.fpsr & kCompared};
}

const char* const kNames[] = {"add",     "sub",    "mul",    "div",      "sqrt",
                              "convert", "to i32", "to i64", "from i32", "from i64"};

template <typename F>
void compare_all(unsigned cases) {
  test::Random r{0x1234567};
  for (unsigned n = 0; n < cases; n++) {
    F a = static_cast<F>(test::float_operand(r, sizeof(F) * 8));
    F b = static_cast<F>(test::related_operand(r, sizeof(F) * 8, a));
    for (unsigned k = 0; k < static_cast<unsigned>(Operation::kCount); k++) {
      Operation op = static_cast<Operation>(k);
      unsigned rmode = r.below(4);
      Outcome we = ours(op, a, b, rmode), they = host(op, a, b, rmode);
      // Only the flag is common ground where the host has its "integer indefinite".
      bool invalid_conversion = (op == Operation::ToI32 || op == Operation::ToI64) && (they.flags & 1);
      bool nan = op == Operation::ToOther
                     ? (sizeof(F) == 4 ? is_nan(they.bits) : is_nan(static_cast<u32>(they.bits)))
                 : op < Operation::ToOther || op >= Operation::FromI32 ? is_nan(static_cast<F>(they.bits))
                                                                       : false;
      bool same_value = invalid_conversion || we.bits == they.bits;
      if (nan)
        same_value = op == Operation::ToOther && sizeof(F) == 8 ? is_nan(static_cast<u32>(we.bits))
                     : op == Operation::ToOther                 ? is_nan(we.bits)
                                                                : is_nan(static_cast<F>(we.bits));
      ASSERT_TRUE(same_value && we.flags == they.flags)
          << std::hex << kNames[k] << " of " << +a << " and " << +b << " rmode " << rmode << ": ours "
          << we.bits << " flags " << we.flags << ", host " << they.bits << " flags " << they.flags;
    }
  }
}

TEST(SoftfloatHost, Single) { compare_all<u32>(300000); }
TEST(SoftfloatHost, Double) { compare_all<u64>(300000); }

#ifdef __x86_64__
// Every rounding mode of the fused operation, where this machine has it.
[[gnu::target("fma")]] double host_fma(double a, double b, double c) {
  return _mm_cvtsd_f64(_mm_fmadd_sd(_mm_set_sd(a), _mm_set_sd(b), _mm_set_sd(c)));
}
[[gnu::target("fma")]] float host_fma(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}

template <typename F>
void compare_fma(unsigned cases) {
  using T = typename HostType<F>::type;
  test::Random r{0x7654321};
  for (unsigned n = 0; n < cases; n++) {
    F a = static_cast<F>(test::float_operand(r, sizeof(F) * 8));
    F b = static_cast<F>(test::related_operand(r, sizeof(F) * 8, a));
    F c = static_cast<F>(test::addend_for(r, sizeof(F) * 8, a, b));
    unsigned rmode = r.below(4);
    T x, y, z;
    memcpy(&x, &a, sizeof a), memcpy(&y, &b, sizeof b), memcpy(&z, &c, sizeof c);
    volatile T result;
    u32 flags = under(rmode, [&] { result = host_fma(x, y, z); });
    F they;
    memcpy(&they, const_cast<T*>(&result), sizeof they);
    Env env{rmode << 22, 0};
    F we = FPMulAdd(c, a, b, env);
    bool same = is_nan(they) ? is_nan(we) : we == they;
    // Infinity times zero plus a quiet NaN: IEEE 754 leaves the flag to the implementation, and the two
    // differ.
    if (is_nan(c)) flags = env.fpsr & kCompared;
    ASSERT_TRUE(same && (env.fpsr & kCompared) == flags)
        << std::hex << +c << " + " << +a << " * " << +b << " rmode " << rmode << ": ours " << +we << " flags "
        << env.fpsr << ", host " << +they << " flags " << flags;
  }
}

TEST(SoftfloatHost, FusedMultiplyAdd) {
  if (!__builtin_cpu_supports("fma")) GTEST_SKIP() << "this machine has no FMA";
  compare_fma<u32>(500000);
  compare_fma<u64>(500000);
}
#endif

}  // namespace
