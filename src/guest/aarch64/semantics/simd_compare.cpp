// SPDX-License-Identifier: MIT
// Integer Advanced SIMD compares: every bit of an element is set where the condition holds and clear
// elsewhere.
#include "lanes.h"

namespace grus::a64::semantics {

namespace {

constexpr auto kGreater = [](auto a, auto b) { return a > b ? ~u64{0} : 0; };
constexpr auto kGreaterEqual = [](auto a, auto b) { return a >= b ? ~u64{0} : 0; };
constexpr auto kEqual = [](auto a, auto b) { return a == b ? ~u64{0} : 0; };
constexpr auto kTest = [](auto a, auto b) { return (a & b) != 0 ? ~u64{0} : 0; };

constexpr auto kGreaterZero = [](auto a) { return a > 0 ? ~u64{0} : 0; };
constexpr auto kGreaterEqualZero = [](auto a) { return a >= 0 ? ~u64{0} : 0; };
constexpr auto kEqualZero = [](auto a) { return a == 0 ? ~u64{0} : 0; };
constexpr auto kLessEqualZero = [](auto a) { return a <= 0 ? ~u64{0} : 0; };
constexpr auto kLessZero = [](auto a) { return a < 0 ? ~u64{0} : 0; };

}  // namespace

void CMGT_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kGreater); }
void CMGT_s(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, scalar_bytes(i), kGreater); }
void CMHI_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kGreater); }
void CMHI_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kGreater); }
void CMGE_v(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, vector_bytes(i), kGreaterEqual); }
void CMGE_s(CpuState& cpu, Insn i) { binary<kSigned>(cpu, i, scalar_bytes(i), kGreaterEqual); }
void CMHS_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kGreaterEqual); }
void CMHS_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kGreaterEqual); }
void CMEQ_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kEqual); }
void CMEQ_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kEqual); }
void CMTST_v(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, vector_bytes(i), kTest); }
void CMTST_s(CpuState& cpu, Insn i) { binary<kUnsigned>(cpu, i, scalar_bytes(i), kTest); }

void CMGT_zero_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kGreaterZero); }
void CMGT_zero_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kGreaterZero); }
void CMGE_zero_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kGreaterEqualZero); }
void CMGE_zero_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kGreaterEqualZero); }
void CMEQ_zero_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kEqualZero); }
void CMEQ_zero_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kEqualZero); }
void CMLE_zero_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kLessEqualZero); }
void CMLE_zero_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kLessEqualZero); }
void CMLT_zero_v(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, vector_bytes(i), kLessZero); }
void CMLT_zero_s(CpuState& cpu, Insn i) { unary<kSigned>(cpu, i, scalar_bytes(i), kLessZero); }

}  // namespace grus::a64::semantics
