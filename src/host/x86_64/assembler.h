// SPDX-License-Identifier: MIT
// An x86-64 assembler that writes where it is told: exact control of encodings, no allocation, no labels of its own.
//
// Guarantees: every instruction goes to `at()`, which advances. Room is not checked per byte: whoever emits makes sure
// beforehand that there is some (region.cpp, per guest instruction) and asks `overflow()` now and then. Operand sizes are bits.
// Vector instructions take VEX forms when `vex` was asked for, else the SSE ones; the caller picks forms that exist.
// Deliberately not here: instruction selection, register allocation, relaxation of branches.
#pragma once
#include "base/log.h"
#include "base/types.h"

namespace grus::x64 {

enum class Reg : u8 { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, none = 0xff };
// From x16 on: with AVX-512VL, in instructions that have an EVEX form (`evex_w` in assembler.cpp).
enum class Xmm : u8 {
  x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16, x31 = 31, none = 0xff
};
// Condition codes as encoded.
enum class CC : u8 { o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g };
inline constexpr CC invert(CC c) { return static_cast<CC>(static_cast<u8>(c) ^ 1); }

// [base + index * scale + disp], or rip-relative to an absolute host address.
struct Mem {
  Reg base = Reg::none;
  Reg index = Reg::none;
  u8 scale = 1;
  i32 disp = 0;
  u64 rip_target = 0;
  constexpr Mem(Reg b, i32 d) : base(b), disp(d) {}
  constexpr Mem(Reg b, Reg i, u8 s, i32 d) : base(b), index(i), scale(s), disp(d) {}
  static constexpr Mem rip(u64 target) {
    Mem m(Reg::none, 0);
    m.rip_target = target;
    return m;
  }
};

// The eight classic ALU operations, by their /digit.
enum class Alu : u8 { add, or_, adc, sbb, and_, sub, xor_, cmp };
enum class Shift : u8 { rol, ror, rcl, rcr, shl, shr, sal, sar };

class Assembler {
 public:
  // What is written at `at` will run at `at + bias`; targets below are where things run.
  void start(u8* at, u8* limit, u64 bias = 0) {
    at_ = at;
    limit_ = limit;
    bias_ = bias;
  }
  u8* at() const { return at_; }
  u64 runs_at(const u8* written) const { return reinterpret_cast<u64>(written) + bias_; }
  // Fewer than `slack` bytes are left.
  bool overflow(size_t slack = 0) const { return at_ + slack > limit_; }

  // Which general registers were written since `keep` was said of them: by the instructions named below, not by the generic forms
  // and the SSE ones with a general destination. At a place that is reached from elsewhere: all of them.
  bool written(Reg r) const { return written_ >> static_cast<u8>(r) & 1; }
  void keep(Reg r) { written_ &= static_cast<u16>(~(1u << static_cast<u8>(r))); }
  void join() { written_ = 0xffff; }

  void byte(u8 b) { *at_++ = b; }
  void word(u16 v) { put(v); }
  void dword(u32 v) { put(v); }
  void qword(u64 v) { put(v); }

  // --- moves ---
  void mov(unsigned size, Reg dst, Reg src) {
    if (size == 8)
      rr(8, 0x88, src, wrote(dst));
    else
      rr(size, 0x89, src, wrote(dst));
  }
  void mov(unsigned size, Reg dst, const Mem& src) { rm(size, size == 8 ? 0x8a : 0x8b, wrote(dst), src); }
  void mov(unsigned size, const Mem& dst, Reg src) { rm(size, size == 8 ? 0x88 : 0x89, src, dst); }
  void mov_imm(unsigned size, const Mem& dst, i32 imm);  // imm32 sign-extended for 64
  // Shortest form of loading a constant; never touches flags.
  void mov_imm(Reg dst, u64 imm);
  void movzx(unsigned from, Reg dst, Reg src);
  void movzx(unsigned from, Reg dst, const Mem& src);
  void movsx(unsigned to, unsigned from, Reg dst, Reg src);
  void movsx(unsigned to, unsigned from, Reg dst, const Mem& src);
  void lea(unsigned size, Reg dst, const Mem& m) { rm(size, 0x8d, wrote(dst), m); }
  void cmov(unsigned size, CC cc, Reg dst, Reg src) { rr0f(size, 0x40 | cc_(cc), wrote(dst), src); }
  void cmov(unsigned size, CC cc, Reg dst, const Mem& src) { rm0f(size, 0x40 | cc_(cc), wrote(dst), src); }
  void setcc(CC cc, Reg dst) { rr0f(8, 0x90 | cc_(cc), Reg::rax, wrote(dst)); }
  void push(Reg r) {
    if (hi(r)) byte(0x41);
    byte(0x50 | lo(r));
  }
  void pop(Reg r) {
    wrote(r);
    if (hi(r)) byte(0x41);
    byte(0x58 | lo(r));
  }

  // --- integer arithmetic ---
  void alu(Alu op, unsigned size, Reg dst, Reg src) {
    if (op != Alu::cmp) wrote(dst);
    rr(size, op_(op) << 3 | (size == 8 ? 0 : 1), src, dst);
  }
  void alu(Alu op, unsigned size, Reg dst, const Mem& src) {
    if (op != Alu::cmp) wrote(dst);
    rm(size, op_(op) << 3 | (size == 8 ? 2 : 3), dst, src);
  }
  void alu(Alu op, unsigned size, const Mem& dst, Reg src) { rm(size, op_(op) << 3 | (size == 8 ? 0 : 1), src, dst); }
  void alu_imm(Alu op, unsigned size, Reg dst, i32 imm);
  void alu_imm(Alu op, unsigned size, const Mem& dst, i32 imm);
  void test(unsigned size, Reg a, Reg b) { rr(size, size == 8 ? 0x84 : 0x85, b, a); }
  void test_imm(unsigned size, Reg a, i32 imm);
  void test_imm(unsigned size, const Mem& a, i32 imm);
  void not_(unsigned size, Reg r) { rr(size, size == 8 ? 0xf6 : 0xf7, Reg(2), wrote(r)); }
  void neg(unsigned size, Reg r) { rr(size, size == 8 ? 0xf6 : 0xf7, Reg(3), wrote(r)); }
  void mul(unsigned size, Reg r) { wide(), rr(size, 0xf7, Reg(4), r); }
  void imul1(unsigned size, Reg r) { wide(), rr(size, 0xf7, Reg(5), r); }
  void div(unsigned size, Reg r) { wide(), rr(size, 0xf7, Reg(6), r); }
  void idiv(unsigned size, Reg r) { wide(), rr(size, 0xf7, Reg(7), r); }
  void imul(unsigned size, Reg dst, Reg src) { rr0f(size, 0xaf, wrote(dst), src); }
  void imul(unsigned size, Reg dst, const Mem& src) { rm0f(size, 0xaf, wrote(dst), src); }
  void cdq(unsigned size) {
    wide();
    if (size == 64) byte(0x48);
    byte(0x99);
  }
  void shift_imm(Shift op, unsigned size, Reg r, u8 n);
  void shift_cl(Shift op, unsigned size, Reg r) { rr(size, size == 8 ? 0xd2 : 0xd3, Reg(op_(op)), wrote(r)); }
  void shrd(unsigned size, Reg dst, Reg src, u8 n) {
    rr0f(size, 0xac, src, wrote(dst));
    byte(n);
  }
  // BMI2: shifts that take any count register and leave flags alone. 64 or 32 bits.
  void shlx(unsigned size, Reg dst, Reg src, Reg count) { vex_gpr(size, 1, 0xf7, wrote(dst), count, src); }
  void shrx(unsigned size, Reg dst, Reg src, Reg count) { vex_gpr(size, 3, 0xf7, wrote(dst), count, src); }
  void sarx(unsigned size, Reg dst, Reg src, Reg count) { vex_gpr(size, 2, 0xf7, wrote(dst), count, src); }
  void rorx(unsigned size, Reg dst, Reg src, u8 n);
  void bswap(unsigned size, Reg r) {
    rex(size == 64, Reg::rax, Reg::none, wrote(r), false);
    byte(0x0f);
    byte(0xc8 | lo(r));
  }
  void lzcnt(unsigned size, Reg dst, Reg src) {
    byte(0xf3);
    rr0f(size, 0xbd, wrote(dst), src);
  }
  void tzcnt(unsigned size, Reg dst, Reg src) {  // BMI1
    byte(0xf3);
    rr0f(size, 0xbc, wrote(dst), src);
  }
  void bsr(unsigned size, Reg dst, Reg src) { rr0f(size, 0xbd, wrote(dst), src); }
  void bt_imm(unsigned size, Reg r, u8 bit) {
    rr0f(size, 0xba, Reg(4), r);
    byte(bit);
  }
  void bt_imm(unsigned size, const Mem& m, u8 bit) {
    rm0f(size, 0xba, Reg(4), m, 1);
    byte(bit);
  }
  void bts_imm(unsigned size, const Mem& m, u8 bit) {
    rm0f(size, 0xba, Reg(5), m, 1);
    byte(bit);
  }
  void crc32(unsigned size, Reg dst, Reg src);  // CRC-32C step; dst is 64 bits wide when size is 64
  void popcnt(unsigned size, Reg dst, Reg src) {
    byte(0xf3);
    rr0f(size, 0xb8, wrote(dst), src);
  }

  // --- flags ---
  void lahf() { wrote(Reg::rax), byte(0x9f); }
  void sahf() { byte(0x9e); }
  void cmc() { byte(0xf5); }
  void stc() { byte(0xf9); }
  void clc() { byte(0xf8); }

  // --- atomics ---
  void lock() { byte(0xf0); }
  void xchg(unsigned size, const Mem& m, Reg r) { rm(size, size == 8 ? 0x86 : 0x87, wrote(r), m); }
  void xadd(unsigned size, const Mem& m, Reg r) { rm0f(size, size == 8 ? 0xc0 : 0xc1, wrote(r), m); }
  void cmpxchg(unsigned size, const Mem& m, Reg r) { wrote(Reg::rax), rm0f(size, size == 8 ? 0xb0 : 0xb1, r, m); }
  void cmpxchg16b(const Mem& m) { wide(), rm0f(64, 0xc7, Reg(1), m); }

  // --- control flow; targets are absolute host addresses within reach ---
  // jmp and jcc to code that is there already take the short form where it reaches.
  void jmp(u64 target) {
    if (reaches8(target)) {
      byte(0xeb);
      byte(static_cast<u8>(target - (runs_at(at_) + 1)));
    } else {
      branch32(0xe9, target);
    }
  }
  void call(u64 target) { join(), branch32(0xe8, target); }
  void jcc(CC cc, u64 target) {
    if (reaches8(target)) {
      byte(0x70 | cc_(cc));
      return byte(static_cast<u8>(target - (runs_at(at_) + 1)));
    }
    byte(0x0f);
    byte(0x80 | cc_(cc));
    dword(rel(target));
  }
  void jmp(Reg r) { rr(32, 0xff, Reg(4), r); }
  void call(Reg r) { join(), rr(32, 0xff, Reg(2), r); }
  void jmp(const Mem& m) { rm(32, 0xff, Reg(4), m); }
  void call(const Mem& m) { join(), rm(32, 0xff, Reg(2), m); }
  void ret() { byte(0xc3); }
  void int3() { byte(0xcc); }
  void ud2() { word(0x0b0f); }
  // A forward short jump: returns the place of its displacement for `patch8`.
  u8* jcc8(CC cc) {
    byte(0x70 | cc_(cc));
    byte(0);
    return at_ - 1;
  }
  u8* jmp8() {
    byte(0xeb);
    byte(0);
    return at_ - 1;
  }
  void patch8(u8* place) {
    join();
    i64 d = at_ - (place + 1);
    CHECK(d >= -128 && d <= 127);
    *place = static_cast<u8>(d);
  }
  u8* jcc32(CC cc) {
    put(u64{0x800f} | u64{cc_(cc)} << 8);
    at_ -= 2;
    return at_ - 4;
  }
  u8* jmp32() {
    put(u64{0xe9});
    at_ -= 3;
    return at_ - 4;
  }
  void patch32(u8* place, u64 target) {
    i32 d = static_cast<i32>(target - (runs_at(place) + 4));
    __builtin_memcpy(place, &d, 4);
  }
  void nop(unsigned bytes);

  // --- vector: legacy SSE encoding `prefix 0f [38|3a] opcode`, or VEX.128 of the same, or EVEX.128 for registers from x16 on ---
  bool vex = false;
  // prefix: 0, 0x66, 0xf3, 0xf2. map: 1 = 0f, 2 = 0f38, 3 = 0f3a. Two operands (dst, src).
  void sse(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm src, bool w = false);
  void sse(u8 prefix, u8 map, u8 opcode, Xmm dst, const Mem& src, bool w = false, unsigned trailing = 0);
  // Three operands dst = a op b: VEX when available, else movaps dst, a first (dst must not be b then).
  void sse3(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, Xmm b, bool w = false);
  void sse3(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Mem& b, unsigned trailing = 0, bool w = false);
  void movaps(Xmm dst, Xmm src) {
    if (dst != src) sse(0, 1, 0x28, dst, src);
  }
  void movups(Xmm dst, const Mem& src) { sse(0, 1, 0x10, dst, src); }
  void movups(const Mem& dst, Xmm src) { sse(0, 1, 0x11, src, dst); }
  void movaps(Xmm dst, const Mem& src) { sse(0, 1, 0x28, dst, src); }
  void movaps(const Mem& dst, Xmm src) { sse(0, 1, 0x29, src, dst); }
  void movd(Xmm dst, const Mem& src) { sse(0x66, 1, 0x6e, dst, src); }
  void movd(const Mem& dst, Xmm src) { sse(0x66, 1, 0x7e, src, dst); }
  void movd(Xmm dst, Reg src) { sse(0x66, 1, 0x6e, dst, Xmm(src)); }
  void movd(Reg dst, Xmm src) { sse(0x66, 1, 0x7e, src, Xmm(wrote(dst))); }
  void movq(Xmm dst, const Mem& src) { sse(0xf3, 1, 0x7e, dst, src); }
  void movq(const Mem& dst, Xmm src) { sse(0x66, 1, 0xd6, src, dst); }
  void movq(Xmm dst, Xmm src) { sse(0xf3, 1, 0x7e, dst, src); }  // clears the upper half
  void movq(Xmm dst, Reg src) { sse(0x66, 1, 0x6e, dst, Xmm(src), true); }
  void movq(Reg dst, Xmm src) { sse(0x66, 1, 0x7e, src, Xmm(wrote(dst)), true); }
  void pxor(Xmm dst, Xmm a, Xmm b) { sse3(0x66, 1, 0xef, dst, a, b); }
  void xorps_self(Xmm r) { sse3(0, 1, 0x57, r, r, r); }

  // CMPPS, CMPPD, CMPSS, CMPSD, by `prefix`: dst = a predicate b ? ones : zeros. `compare_only` is for its exceptions: with
  // registers from x16 on dst stays as it is. Both may change k1.
  void compare(u8 prefix, Xmm dst, Xmm a, Xmm b, u8 predicate);
  void compare_only(u8 prefix, Xmm dst, Xmm a, Xmm b, u8 predicate);

  // EVEX.128, no masking. Two-operand instructions have a = x0.
  void evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, Xmm b, bool w);
  void evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Mem& b, bool w, unsigned trailing = 0);

  // --- generic forms, for templates that need an opcode not named above ---
  void rr(unsigned size, u8 opcode, Reg reg, Reg rm_);
  void rm(unsigned size, u8 opcode, Reg reg, const Mem& m, unsigned trailing = 0);
  void rr0f(unsigned size, u8 opcode, Reg reg, Reg rm_);
  void rm0f(unsigned size, u8 opcode, Reg reg, const Mem& m, unsigned trailing = 0);

 private:
  static u8 lo(Reg r) { return static_cast<u8>(r) & 7; }
  static bool hi(Reg r) { return r != Reg::none && (static_cast<u8>(r) & 8); }
  static u8 cc_(CC c) { return static_cast<u8>(c); }
  static u8 op_(Alu o) { return static_cast<u8>(o); }
  static u8 op_(Shift o) { return static_cast<u8>(o); }
  template <typename T>
  void put(T v) {
    __builtin_memcpy(at_, &v, sizeof v);
    at_ += sizeof v;
  }
  bool reaches8(u64 target) const {
    i64 d = static_cast<i64>(target - (runs_at(at_) + 2));
    return d == static_cast<i8>(d);
  }
  u32 rel(u64 target) { return static_cast<u32>(target - (runs_at(at_) + 4)); }
  void branch32(u8 opcode, u64 target) {
    byte(opcode);
    dword(rel(target));
  }
  void rex(bool w, Reg reg, Reg index, Reg base, bool force);
  void modrm(Reg reg, Reg rm_) { byte(0xc0 | lo(reg) << 3 | lo(rm_)); }
  void modrm(Reg reg, const Mem& m, unsigned trailing);
  u8* modrm_at(u8* p, Reg reg, const Mem& m, unsigned trailing, bool disp8 = true) const;
  static bool high(Xmm x) { return static_cast<u8>(x) & 16; }
  template <typename Operand>
  void sse3_evex(u8 prefix, u8 map, u8 opcode, Xmm dst, Xmm a, const Operand& b, unsigned trailing, bool w);
  void vex_prefix(u8 prefix, u8 map, bool w, u8 reg, u8 vvvv, u8 index, u8 base);
  void evex_prefix(u8 prefix, u8 map, bool w, u8 reg, u8 vvvv, u8 index, u8 base, u8 opcode);
  void vex_gpr(unsigned size, u8 pp, u8 opcode, Reg reg, Reg vvvv, Reg rm_);

  Reg wrote(Reg r) {
    written_ |= static_cast<u16>(1u << static_cast<u8>(r));
    return r;
  }
  void wide() { wrote(Reg::rax), wrote(Reg::rdx); }

  u16 written_ = 0xffff;
  u8* at_ = nullptr;
  u64 bias_ = 0;
  u8* limit_ = nullptr;
};

}  // namespace grus::x64
