// SPDX-License-Identifier: MIT
// The assembler's encodings as Capstone reads them: mnemonic, operands, operand sizes, length - over every
// register, every addressing form and the boundary immediates. What an instruction must be is written here by
// hand, per operation.
//
// Capstone 4 does not know AVX-512BW and DQ: these are compared with objdump's text.
//
// Capstone accepts encodings that are longer than need be; length is only held where it matters (nop,
// patchable branches).
#include <capstone/capstone.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "host/x86_64/assembler.h"

namespace {

using namespace grus;
using namespace grus::x64;

csh g_capstone;
unsigned g_checked, g_failed;
alignas(64) u8 g_code[64];

std::string name_of(Reg r, unsigned size) {
  static const char* const k64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"};
  static const char* const k32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
  static const char* const k16[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
  static const char* const k8[] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};
  unsigned n = static_cast<unsigned>(r);
  if (n < 8) return (size == 64 ? k64 : size == 32 ? k32 : size == 16 ? k16 : k8)[n];
  return "r" + std::to_string(n) + (size == 64 ? "" : size == 32 ? "d" : size == 16 ? "w" : "b");
}

// One operand in a form that both sides can be brought to.
std::string reg(Reg r, unsigned size) { return name_of(r, size); }
std::string xmm(Xmm x) { return "xmm" + std::to_string(static_cast<unsigned>(x)); }
std::string immediate(i64 v, unsigned size) {
  char text[40];
  u64 mask = size >= 64 ? ~u64{0} : (u64{1} << size) - 1;
  snprintf(text, sizeof text, "$%llx", static_cast<unsigned long long>(static_cast<u64>(v) & mask));
  return text;
}
std::string memory(const Mem& m, unsigned size) {
  char text[120];
  std::string base = m.base == Reg::none ? "" : name_of(m.base, 64),
              index = m.index == Reg::none ? "" : name_of(m.index, 64);
  if (m.rip_target) {
    snprintf(text, sizeof text, "%u[->%llx]", size, static_cast<unsigned long long>(m.rip_target));
    return text;
  }
  snprintf(text, sizeof text, "%u[%s+%s*%d%+d]", size, base.c_str(), index.c_str(),
           m.index == Reg::none ? 1 : m.scale, m.disp);
  return text;
}

std::string operand_text(const cs_insn& insn, const cs_x86_op& op) {
  switch (op.type) {
    case X86_OP_REG:
      return cs_reg_name(g_capstone, op.reg);
    case X86_OP_IMM:
      return immediate(op.imm, op.size * 8u);
    case X86_OP_MEM: {
      char text[120];
      const char* base = op.mem.base == X86_REG_INVALID ? "" : cs_reg_name(g_capstone, op.mem.base);
      const char* index = op.mem.index == X86_REG_INVALID ? "" : cs_reg_name(g_capstone, op.mem.index);
      if (op.mem.base == X86_REG_RIP)
        snprintf(text, sizeof text, "%u[->%llx]", op.size * 8u,
                 static_cast<unsigned long long>(insn.address + insn.size + static_cast<u64>(op.mem.disp)));
      else
        snprintf(text, sizeof text, "%u[%s+%s*%d%+d]", op.size * 8u, base, index, op.mem.scale,
                 static_cast<int>(op.mem.disp));
      return text;
    }
    default:
      return "?";
  }
}

using Operands = std::vector<std::string>;

void expect(const std::function<void(Assembler&)>& emit, const std::string& mnemonic,
            const Operands& operands, bool vex = false) {
  Assembler a;
  a.vex = vex;
  memset(g_code, 0xcc, sizeof g_code);
  a.start(g_code, g_code + sizeof g_code);
  emit(a);
  size_t length = static_cast<size_t>(a.at() - g_code);
  cs_insn* insn;
  size_t count = cs_disasm(g_capstone, g_code, length, reinterpret_cast<u64>(g_code), 1, &insn);
  std::string want = mnemonic, got = "nothing";
  for (const std::string& o : operands) want += " " + o;
  if (count == 1) {
    got = insn->mnemonic;
    for (unsigned i = 0; i < insn->detail->x86.op_count; i++)
      got += " " + operand_text(*insn, insn->detail->x86.operands[i]);
    if (insn->size != length) got += " and more";
    cs_free(insn, count);
  }
  g_checked++;
  if (got == want) return;
  if (g_failed++ < 40) {
    printf("want: %s\n got: %s\nbytes:", want.c_str(), got.c_str());
    for (size_t i = 0; i < length; i++) printf(" %02x", g_code[i]);
    printf("\n");
  }
}

// For objdump: all of them, and what it must say.
std::vector<u8> g_binary;
std::vector<std::string> g_texts;
void expect_text(const std::function<void(Assembler&)>& emit, const std::string& mnemonic, const Operands& operands) {
  Assembler a;
  a.vex = true;
  a.start(g_code, g_code + sizeof g_code);
  emit(a);
  g_binary.insert(g_binary.end(), g_code, a.at());
  std::string text = mnemonic + " ";
  for (const std::string& o : operands) text += (text.back() == ' ' ? "" : ",") + o;
  g_texts.push_back(text);
}
std::string address_text(const Mem& m, const char* size) {
  std::string text = std::string(size) + " PTR [" + name_of(m.base, 64);
  char part[40];
  if (m.index != Reg::none) text += "+" + name_of(m.index, 64) + "*" + std::to_string(m.scale);
  i64 disp = m.disp;
  snprintf(part, sizeof part, "%c0x%llx", disp < 0 ? '-' : '+', static_cast<unsigned long long>(disp < 0 ? -disp : disp));
  bool has_disp = disp || m.base == Reg::rbp || m.base == Reg::r13;
  return text + (has_disp ? part : "") + "]";
}
void compare_texts() {
  char name[] = "/tmp/assembler.XXXXXX";
  int fd = mkstemp(name);
  bool written = fd >= 0 && write(fd, g_binary.data(), g_binary.size()) == static_cast<ssize_t>(g_binary.size());
  close(fd);
  std::string command = std::string("objdump -D -b binary -m i386:x86-64 -M intel --no-show-raw-insn ") + name;
  FILE* f = written ? popen(command.c_str(), "r") : nullptr;
  size_t n = 0;
  char line[200];
  while (f && fgets(line, sizeof line, f)) {
    char* tab = strchr(line, '\t');
    if (!tab) continue;
    // "   0:\tvpaddb xmm0,xmm16,xmm2", columns padded
    std::string got, want = n < g_texts.size() ? g_texts[n] : "nothing";
    for (const char* c = tab + 1; *c && *c != '\n'; c++)
      if (*c != ' ' || (!got.empty() && got.back() != ' ')) got += *c;
    n++;
    g_checked++;
    if (got == want) continue;
    if (g_failed++ < 40) printf("want: %s\n got: %s\n", want.c_str(), got.c_str());
  }
  if (f) pclose(f);
  unlink(name);
  if (n != g_texts.size()) {
    printf("objdump says %zu instructions of %zu\n", n, g_texts.size());
    g_failed++;
  }
}

const unsigned kSizes[] = {8, 16, 32, 64}, kWordSizes[] = {32, 64};
std::vector<Reg> registers() {
  std::vector<Reg> all;
  for (unsigned n = 0; n < 16; n++) all.push_back(static_cast<Reg>(n));
  return all;
}
const std::vector<Reg> kAll = registers();
const std::vector<Reg> kSome = {Reg::rax, Reg::rsp, Reg::rbp, Reg::rdi,
                                Reg::r8,  Reg::r12, Reg::r13, Reg::r15};

// Every base (rsp and r12 want a SIB byte, rbp and r13 a displacement), with and without index, and boundary
// displacements.
std::vector<Mem> addresses() {
  std::vector<Mem> all;
  for (Reg base : kAll)
    for (i32 disp : {0, 1, 127, -128, 128, -129, 0x7fffffff}) {
      all.push_back(Mem(base, disp));
      for (Reg index : {Reg::rax, Reg::rbp, Reg::r12, Reg::r15})
        if (disp == 0 || disp == -128 || disp == 128)
          for (u8 scale : {1, 2, 4, 8}) all.push_back(Mem(base, index, scale, disp));
    }
  all.push_back(Mem::rip(reinterpret_cast<u64>(g_code) + 0x1000));
  all.push_back(Mem::rip(reinterpret_cast<u64>(g_code) - 0x1000));
  return all;
}
const std::vector<Mem> kAddresses = addresses();
const std::vector<Mem> kFewAddresses = {Mem(Reg::rbp, -128), Mem(Reg::rsp, 0), Mem(Reg::r13, 0),
                                        Mem(Reg::r12, Reg::r14, 8, 300),
                                        Mem::rip(reinterpret_cast<u64>(g_code) + 0x2000)};

void moves() {
  for (unsigned s : kSizes) {
    for (Reg d : kAll)
      for (Reg r : kAll) expect([&](Assembler& a) { a.mov(s, d, r); }, "mov", {reg(d, s), reg(r, s)});
    for (const Mem& m : kAddresses)
      for (Reg r : kSome) {
        expect([&](Assembler& a) { a.mov(s, r, m); }, "mov", {reg(r, s), memory(m, s)});
        expect([&](Assembler& a) { a.mov(s, m, r); }, "mov", {memory(m, s), reg(r, s)});
      }
    for (const Mem& m : kFewAddresses)
      for (i32 v : {0, 1, -1, 127, 128})
        expect([&](Assembler& a) { a.mov_imm(s, m, v); }, "mov", {memory(m, s), immediate(v, s)});
  }
  for (Reg d : kAll) {
    for (u64 v : {u64{0}, u64{1}, u64{0x7fffffff}, u64{0x80000000}, u64{0xffffffff}})
      expect([&](Assembler& a) { a.mov_imm(d, v); }, "mov", {reg(d, 32), immediate(static_cast<i64>(v), 32)});
    for (i64 v : {i64{-1}, i64{-0x80000000LL}})
      expect([&](Assembler& a) { a.mov_imm(d, static_cast<u64>(v)); }, "mov", {reg(d, 64), immediate(v, 64)});
    for (u64 v : {u64{0x100000000}, u64{0x123456789abcdef0}, u64{0xffffffff7fffffff}})
      expect([&](Assembler& a) { a.mov_imm(d, v); }, "movabs",
             {reg(d, 64), immediate(static_cast<i64>(v), 64)});
    for (Reg r : kSome) {
      for (unsigned from : {8u, 16u})
        expect([&](Assembler& a) { a.movzx(from, d, r); }, "movzx", {reg(d, 32), reg(r, from)});
      for (unsigned to : kWordSizes)
        for (unsigned from : {8u, 16u})
          expect([&](Assembler& a) { a.movsx(to, from, d, r); }, "movsx", {reg(d, to), reg(r, from)});
      expect([&](Assembler& a) { a.movsx(64, 32, d, r); }, "movsxd", {reg(d, 64), reg(r, 32)});
    }
    for (const Mem& m : kFewAddresses) {
      for (unsigned from : {8u, 16u})
        expect([&](Assembler& a) { a.movzx(from, d, m); }, "movzx", {reg(d, 32), memory(m, from)});
      for (unsigned to : kWordSizes)
        for (unsigned from : {8u, 16u})
          expect([&](Assembler& a) { a.movsx(to, from, d, m); }, "movsx", {reg(d, to), memory(m, from)});
      expect([&](Assembler& a) { a.movsx(64, 32, d, m); }, "movsxd", {reg(d, 64), memory(m, 32)});
      for (unsigned s : kWordSizes)
        expect([&](Assembler& a) { a.lea(s, d, m); }, "lea", {reg(d, s), memory(m, s)});
    }
    expect([&](Assembler& a) { a.push(d); }, "push", {reg(d, 64)});
    expect([&](Assembler& a) { a.pop(d); }, "pop", {reg(d, 64)});
    for (unsigned s : kWordSizes) expect([&](Assembler& a) { a.bswap(s, d); }, "bswap", {reg(d, s)});
  }
  static const char* const kConditions[] = {"o", "no", "b", "ae", "e", "ne", "be", "a",
                                            "s", "ns", "p", "np", "l", "ge", "le", "g"};
  for (unsigned c = 0; c < 16; c++) {
    CC cc = static_cast<CC>(c);
    for (Reg d : kAll) {
      expect([&](Assembler& a) { a.setcc(cc, d); }, std::string("set") + kConditions[c], {reg(d, 8)});
      for (unsigned s : kWordSizes)
        expect([&](Assembler& a) { a.cmov(s, cc, d, Reg::r9); }, std::string("cmov") + kConditions[c],
               {reg(d, s), reg(Reg::r9, s)});
    }
    u64 target = reinterpret_cast<u64>(g_code) + 0x12345;
    expect([&](Assembler& a) { a.jcc(cc, target); }, std::string("j") + kConditions[c],
           {immediate(static_cast<i64>(target), 64)});
  }
}

void arithmetic() {
  static const char* const kAlu[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
  static const char* const kShift[] = {"rol", "ror", "rcl", "rcr", "shl", "shr", nullptr, "sar"};
  for (unsigned n = 0; n < 8; n++) {
    Alu op = static_cast<Alu>(n);
    for (unsigned s : kSizes) {
      for (Reg d : kAll) {
        for (Reg r : kSome)
          expect([&](Assembler& a) { a.alu(op, s, d, r); }, kAlu[n], {reg(d, s), reg(r, s)});
        for (i32 v : {0, 1, 127, -128, 128, -129, 0x7fff}) {
          if (s == 8 && (v < -128 || v > 127)) continue;
          expect([&](Assembler& a) { a.alu_imm(op, s, d, v); }, kAlu[n], {reg(d, s), immediate(v, s)});
        }
      }
      for (const Mem& m : kFewAddresses) {
        for (Reg r : kSome) {
          expect([&](Assembler& a) { a.alu(op, s, r, m); }, kAlu[n], {reg(r, s), memory(m, s)});
          expect([&](Assembler& a) { a.alu(op, s, m, r); }, kAlu[n], {memory(m, s), reg(r, s)});
        }
        for (i32 v : {1, -128, 127})
          expect([&](Assembler& a) { a.alu_imm(op, s, m, v); }, kAlu[n], {memory(m, s), immediate(v, s)});
        if (s > 8)
          for (i32 v : {128, 0x7fff})
            expect([&](Assembler& a) { a.alu_imm(op, s, m, v); }, kAlu[n], {memory(m, s), immediate(v, s)});
      }
    }
    if (!kShift[n]) continue;
    Shift shift = static_cast<Shift>(n);
    for (unsigned s : kSizes)
      for (Reg d : kAll) {
        for (u8 count : {2, 7, 31})
          expect([&](Assembler& a) { a.shift_imm(shift, s, d, count); }, kShift[n],
                 {reg(d, s), immediate(count, 8)});
        expect([&](Assembler& a) { a.shift_cl(shift, s, d); }, kShift[n], {reg(d, s), "cl"});
      }
  }
  for (Reg d : kAll) {
    for (unsigned s : kSizes) {
      expect([&](Assembler& a) { a.test(s, d, Reg::r10); }, "test", {reg(d, s), reg(Reg::r10, s)});
      expect([&](Assembler& a) { a.test_imm(s, d, 5); }, "test", {reg(d, s), immediate(5, s)});
      expect([&](Assembler& a) { a.not_(s, d); }, "not", {reg(d, s)});
      expect([&](Assembler& a) { a.neg(s, d); }, "neg", {reg(d, s)});
    }
    for (unsigned s : kWordSizes) {
      expect([&](Assembler& a) { a.mul(s, d); }, "mul", {reg(d, s)});
      expect([&](Assembler& a) { a.imul1(s, d); }, "imul", {reg(d, s)});
      expect([&](Assembler& a) { a.div(s, d); }, "div", {reg(d, s)});
      expect([&](Assembler& a) { a.idiv(s, d); }, "idiv", {reg(d, s)});
      expect([&](Assembler& a) { a.rorx(s, d, Reg::r11, 9); }, "rorx",
             {reg(d, s), reg(Reg::r11, s), immediate(9, 8)});
      expect([&](Assembler& a) { a.bt_imm(s, d, 17); }, "bt", {reg(d, s), immediate(17, 8)});
      for (Reg r : kSome) {
        expect([&](Assembler& a) { a.imul(s, d, r); }, "imul", {reg(d, s), reg(r, s)});
        expect([&](Assembler& a) { a.shrd(s, d, r, 13); }, "shrd", {reg(d, s), reg(r, s), immediate(13, 8)});
        expect([&](Assembler& a) { a.lzcnt(s, d, r); }, "lzcnt", {reg(d, s), reg(r, s)});
        expect([&](Assembler& a) { a.tzcnt(s, d, r); }, "tzcnt", {reg(d, s), reg(r, s)});
        expect([&](Assembler& a) { a.bsr(s, d, r); }, "bsr", {reg(d, s), reg(r, s)});
        expect([&](Assembler& a) { a.popcnt(s, d, r); }, "popcnt", {reg(d, s), reg(r, s)});
        for (Reg c : {Reg::rcx, Reg::r9, Reg::rbp}) {
          expect([&](Assembler& a) { a.shlx(s, d, r, c); }, "shlx", {reg(d, s), reg(r, s), reg(c, s)});
          expect([&](Assembler& a) { a.shrx(s, d, r, c); }, "shrx", {reg(d, s), reg(r, s), reg(c, s)});
          expect([&](Assembler& a) { a.sarx(s, d, r, c); }, "sarx", {reg(d, s), reg(r, s), reg(c, s)});
        }
      }
    }
    for (unsigned s : kSizes)
      expect([&](Assembler& a) { a.crc32(s, d, Reg::rsi); }, "crc32",
             {reg(d, s == 64 ? 64 : 32), reg(Reg::rsi, s)});
  }
  for (const Mem& m : kFewAddresses) {
    for (unsigned s : kSizes) {
      for (Reg r : kSome) {
        expect([&](Assembler& a) { a.xchg(s, m, r); }, "xchg", {memory(m, s), reg(r, s)});
        expect(
            [&](Assembler& a) {
              a.lock();
              a.xadd(s, m, r);
            },
            "lock xadd", {memory(m, s), reg(r, s)});
        expect(
            [&](Assembler& a) {
              a.lock();
              a.cmpxchg(s, m, r);
            },
            "lock cmpxchg", {memory(m, s), reg(r, s)});
      }
      expect([&](Assembler& a) { a.test_imm(s, m, 100); }, "test", {memory(m, s), immediate(100, s)});
    }
    expect(
        [&](Assembler& a) {
          a.lock();
          a.cmpxchg16b(m);
        },
        "lock cmpxchg16b", {memory(m, 128)});
    expect([&](Assembler& a) { a.jmp(m); }, "jmp", {memory(m, 64)});
    expect([&](Assembler& a) { a.call(m); }, "call", {memory(m, 64)});
    for (unsigned s : kWordSizes) {
      expect([&](Assembler& a) { a.imul(s, Reg::r8, m); }, "imul", {reg(Reg::r8, s), memory(m, s)});
      expect([&](Assembler& a) { a.cmov(s, CC::le, Reg::rdx, m); }, "cmovle",
             {reg(Reg::rdx, s), memory(m, s)});
      expect([&](Assembler& a) { a.bt_imm(s, m, 3); }, "bt", {memory(m, s), immediate(3, 8)});
    }
  }
  for (Reg r : kAll) {
    expect([&](Assembler& a) { a.jmp(r); }, "jmp", {reg(r, 64)});
    expect([&](Assembler& a) { a.call(r); }, "call", {reg(r, 64)});
  }
  u64 target = reinterpret_cast<u64>(g_code) - 0x54321;
  expect([&](Assembler& a) { a.jmp(target); }, "jmp", {immediate(static_cast<i64>(target), 64)});
  expect([&](Assembler& a) { a.call(target); }, "call", {immediate(static_cast<i64>(target), 64)});
  expect([](Assembler& a) { a.cdq(32); }, "cdq", {});
  expect([](Assembler& a) { a.cdq(64); }, "cqo", {});
  expect([](Assembler& a) { a.lahf(); }, "lahf", {});
  expect([](Assembler& a) { a.sahf(); }, "sahf", {});
  expect([](Assembler& a) { a.cmc(); }, "cmc", {});
  expect([](Assembler& a) { a.stc(); }, "stc", {});
  expect([](Assembler& a) { a.clc(); }, "clc", {});
  expect([](Assembler& a) { a.ret(); }, "ret", {});
  expect([](Assembler& a) { a.int3(); }, "int3", {});
  expect([](Assembler& a) { a.ud2(); }, "ud2", {});
}

struct Vector {
  u8 prefix, map, opcode;
  const char* name;
};
const Vector kBinary[] = {{0x66, 1, 0xfc, "paddb"},  {0x66, 1, 0xfe, "paddd"},    {0x66, 1, 0xfb, "psubq"},
                          {0x66, 1, 0xef, "pxor"},   {0x66, 1, 0xdb, "pand"},     {0x66, 2, 0x00, "pshufb"},
                          {0x66, 2, 0x38, "pminsb"}, {0x66, 2, 0x40, "pmulld"},   {0, 1, 0x58, "addps"},
                          {0x66, 1, 0x58, "addpd"},  {0xf3, 1, 0x58, "addss"},    {0xf2, 1, 0x5e, "divsd"},
                          {0, 1, 0x57, "xorps"},     {0x66, 1, 0x62, "punpckldq"}};

// All 32 registers.
void evex() {
  struct Form {
    Vector op;
    bool w;
  };
  const Form forms[] = {{{0, 1, 0x58, "vaddps"}, false},        {{0x66, 1, 0x59, "vmulpd"}, true},
                        {{0xf3, 1, 0x5c, "vsubss"}, false},     {{0xf2, 1, 0x5e, "vdivsd"}, true},
                        {{0x66, 1, 0xef, "vpxord"}, false},     {{0x66, 2, 0xb8, "vfmadd231pd"}, true},
                        {{0x66, 2, 0xb8, "vfmadd231ps"}, false}};
  for (unsigned d = 0; d < 32; d++)
    for (unsigned s = 0; s < 32; s++) {
      Xmm x = static_cast<Xmm>(d), y = static_cast<Xmm>(s), z = static_cast<Xmm>((d * 7 + s) % 32);
      for (const Form& f : forms)
        expect([&](Assembler& a) { a.evex(f.op.prefix, f.op.map, f.op.opcode, x, y, z, f.w); }, f.op.name,
               {xmm(x), xmm(y), xmm(z)}, true);
      expect([&](Assembler& a) { a.evex(0, 1, 0x28, x, Xmm::x0, y, false); }, "vmovaps", {xmm(x), xmm(y)}, true);
      expect([&](Assembler& a) { a.evex(0xf3, 1, 0x7e, x, Xmm::x0, y, true); }, "vmovq", {xmm(x), xmm(y)}, true);
    }
  for (unsigned d = 0; d < 32; d++) {
    Xmm x = static_cast<Xmm>(d);
    Mem m(Reg::rbp, 0x1a0);
    expect([&](Assembler& a) { a.evex(0, 1, 0x28, x, Xmm::x0, m, false); }, "vmovaps", {xmm(x), memory(m, 128)}, true);
  }

  // What sse and sse3 make of registers from x16 on.
  const Vector three[] = {{0, 1, 0x58, "vaddps"},       {0x66, 1, 0x58, "vaddpd"},      {0xf2, 1, 0x59, "vmulsd"},
                          {0xf3, 1, 0x5e, "vdivss"},    {0x66, 1, 0x54, "vandpd"},      {0, 1, 0x57, "vxorps"},
                          {0x66, 1, 0x14, "vunpcklpd"}, {0x66, 1, 0xfc, "vpaddb"},      {0x66, 1, 0xfe, "vpaddd"},
                          {0x66, 1, 0xd4, "vpaddq"},    {0x66, 1, 0xfb, "vpsubq"},      {0x66, 1, 0xf4, "vpmuludq"},
                          {0x66, 1, 0xdb, "vpandd"},    {0x66, 1, 0xdf, "vpandnd"},     {0x66, 1, 0xeb, "vpord"},
                          {0x66, 1, 0x62, "vpunpckldq"}, {0x66, 1, 0x6c, "vpunpcklqdq"}, {0x66, 1, 0x67, "vpackuswb"},
                          {0x66, 1, 0x6b, "vpackssdw"}, {0x66, 1, 0xe5, "vpmulhw"},     {0x66, 1, 0xf6, "vpsadbw"},
                          {0x66, 2, 0x00, "vpshufb"},   {0x66, 2, 0x28, "vpmuldq"},     {0x66, 2, 0x2b, "vpackusdw"},
                          {0x66, 2, 0x38, "vpminsb"},   {0x66, 2, 0x3f, "vpmaxud"},     {0x66, 2, 0x40, "vpmulld"},
                          {0x66, 2, 0x47, "vpsllvd"}};
  const Vector two[] = {{0, 1, 0x28, "vmovaps"},          {0xf3, 1, 0x7e, "vmovq"},          {0x66, 1, 0x51, "vsqrtpd"},
                        {0, 1, 0x5a, "vcvtps2pd"},        {0, 1, 0x5b, "vcvtdq2ps"},         {0xf3, 1, 0x5b, "vcvttps2dq"},
                        {0x66, 2, 0x1e, "vpabsd"},        {0x66, 2, 0x20, "vpmovsxbw"},      {0x66, 2, 0x35, "vpmovzxdq"},
                        {0x66, 2, 0x13, "vcvtph2ps"},     {0x66, 1, 0x2e, "vucomisd"},       {0, 1, 0x2f, "vcomiss"},
                        {0x66, 2, 0x59, "vpbroadcastq"}};
  for (unsigned d = 0; d < 32; d += 3)
    for (unsigned s = d < 16 ? 16 : 0; s < 32; s += 5) {
      Xmm x = static_cast<Xmm>(d), y = static_cast<Xmm>(s), z = static_cast<Xmm>((d + 2 * s) % 32);
      for (const Vector& f : three)
        expect_text([&](Assembler& a) { a.sse3(f.prefix, f.map, f.opcode, x, y, z); }, f.name, {xmm(x), xmm(y), xmm(z)});
      for (const Vector& f : two)
        expect_text([&](Assembler& a) { a.sse(f.prefix, f.map, f.opcode, x, y); }, f.name, {xmm(x), xmm(y)});
      // Comparisons go through k1.
      expect_text([&](Assembler& a) { a.evex(0x66, 2, 0x37, Xmm::x1, y, z, true); }, "vpcmpgtq", {"k1", xmm(y), xmm(z)});
      expect_text([&](Assembler& a) { a.evex(0xf3, 2, 0x28, x, Xmm::x0, Xmm::x1, true); }, "vpmovm2w", {xmm(x), "k1"});
      if (s >= 16) expect_text([&](Assembler& a) { a.compare_only(0x66, x, y, z, 1); }, "vcmpltpd", {"k1", xmm(y), xmm(z)});
    }
  for (const Mem& m : kAddresses) {
    if (m.rip_target) continue;
    Xmm x = Xmm(19), y = Xmm(7);
    std::string wide = address_text(m, "XMMWORD"), eight = address_text(m, "QWORD"), four = address_text(m, "DWORD");
    expect_text([&](Assembler& a) { a.sse3(0x66, 1, 0x58, x, y, m); }, "vaddpd", {xmm(x), xmm(y), wide});
    expect_text([&](Assembler& a) { a.sse3(0x66, 1, 0xfe, y, x, m); }, "vpaddd", {xmm(y), xmm(x), wide});
    expect_text([&](Assembler& a) { a.movups(x, m); }, "vmovups", {xmm(x), wide});
    expect_text([&](Assembler& a) { a.movups(m, x); }, "vmovups", {wide, xmm(x)});
    expect_text([&](Assembler& a) { a.movq(m, x); }, "vmovq", {eight, xmm(x)});
    expect_text([&](Assembler& a) { a.movd(x, m); }, "vmovd", {xmm(x), four});
  }
  Mem near = Mem::rip(reinterpret_cast<u64>(g_code) + 0x2000);
  expect([&](Assembler& a) { a.sse3(0x66, 1, 0x58, Xmm::x31, Xmm::x16, near); }, "vaddpd", {"xmm31", "xmm16", memory(near, 128)}, true);
  for (Reg r : kAll) {
    expect([&](Assembler& a) { a.movq(Xmm::x16, r); }, "vmovq", {"xmm16", reg(r, 64)}, true);
    expect([&](Assembler& a) { a.movd(r, Xmm::x31); }, "vmovd", {reg(r, 32), "xmm31"}, true);
    expect([&](Assembler& a) { a.sse(0xf2, 1, 0x2c, Xmm(r), Xmm::x31, true); }, "vcvttsd2si", {reg(r, 64), "xmm31"}, true);
    expect([&](Assembler& a) { a.evex(0xf2, 1, 0x78, Xmm(r), Xmm::x0, Xmm::x3, true); }, "vcvttsd2usi", {reg(r, 64), "xmm3"}, true);
  }
}

void vectors() {
  for (bool vex : {false, true}) {
    std::string v = vex ? "v" : "";
    for (const Vector& op : kBinary) {
      unsigned width = op.prefix == 0xf3 ? 32 : op.prefix == 0xf2 ? 64 : 128;
      for (unsigned d = 0; d < 16; d++)
        for (unsigned s = 0; s < 16; s++) {
          Xmm x = static_cast<Xmm>(d), y = static_cast<Xmm>(s);
          Operands with = vex ? Operands{xmm(x), xmm(x), xmm(y)} : Operands{xmm(x), xmm(y)};
          expect([&](Assembler& a) { a.sse3(op.prefix, op.map, op.opcode, x, x, y); }, v + op.name, with,
                 vex);
          if (vex)
            expect([&](Assembler& a) { a.sse3(op.prefix, op.map, op.opcode, x, Xmm::x9, y); }, v + op.name,
                   {xmm(x), xmm(Xmm::x9), xmm(y)}, true);
        }
      for (const Mem& m : kFewAddresses)
        for (Xmm x : {Xmm::x0, Xmm::x7, Xmm::x8, Xmm::x15})
          expect([&](Assembler& a) { a.sse3(op.prefix, op.map, op.opcode, x, x, m); }, v + op.name,
                 vex ? Operands{xmm(x), xmm(x), memory(m, width)} : Operands{xmm(x), memory(m, width)}, vex);
    }
    for (Xmm x : {Xmm::x0, Xmm::x3, Xmm::x8, Xmm::x15}) {
      for (Reg r : kAll) {
        expect([&](Assembler& a) { a.movd(x, r); }, v + "movd", {xmm(x), reg(r, 32)}, vex);
        expect([&](Assembler& a) { a.movd(r, x); }, v + "movd", {reg(r, 32), xmm(x)}, vex);
        expect([&](Assembler& a) { a.movq(x, r); }, v + "movq", {xmm(x), reg(r, 64)}, vex);
        expect([&](Assembler& a) { a.movq(r, x); }, v + "movq", {reg(r, 64), xmm(x)}, vex);
      }
      expect([&](Assembler& a) { a.movaps(x, Xmm::x12); }, v + "movaps", {xmm(x), "xmm12"}, vex);
      expect([&](Assembler& a) { a.movq(x, Xmm::x12); }, v + "movq", {xmm(x), "xmm12"}, vex);
      for (const Mem& m : kAddresses) {
        expect([&](Assembler& a) { a.movaps(x, m); }, v + "movaps", {xmm(x), memory(m, 128)}, vex);
        expect([&](Assembler& a) { a.movaps(m, x); }, v + "movaps", {memory(m, 128), xmm(x)}, vex);
        expect([&](Assembler& a) { a.movups(x, m); }, v + "movups", {xmm(x), memory(m, 128)}, vex);
        expect([&](Assembler& a) { a.movups(m, x); }, v + "movups", {memory(m, 128), xmm(x)}, vex);
        expect([&](Assembler& a) { a.movd(x, m); }, v + "movd", {xmm(x), memory(m, 32)}, vex);
        expect([&](Assembler& a) { a.movd(m, x); }, v + "movd", {memory(m, 32), xmm(x)}, vex);
        expect([&](Assembler& a) { a.movq(x, m); }, v + "movq", {xmm(x), memory(m, 64)}, vex);
        expect([&](Assembler& a) { a.movq(m, x); }, v + "movq", {memory(m, 64), xmm(x)}, vex);
      }
    }
  }
  // Legacy three operands: a copy first.
  Assembler a;
  a.start(g_code, g_code + sizeof g_code);
  a.sse3(0x66, 1, 0xfe, Xmm::x1, Xmm::x2, Xmm::x3);
  cs_insn* insn;
  size_t n = cs_disasm(g_capstone, g_code, static_cast<size_t>(a.at() - g_code), 0, 0, &insn);
  g_checked++;
  if (n != 2 || strcmp(insn[0].op_str, "xmm1, xmm2") || strcmp(insn[1].mnemonic, "paddd") ||
      strcmp(insn[1].op_str, "xmm1, xmm3")) {
    printf("legacy three operands: not a copy and paddd xmm1, xmm3\n");
    g_failed++;
  }
  cs_free(insn, n);
}

void padding() {
  for (unsigned length = 1; length <= 15; length++) {
    Assembler a;
    a.start(g_code, g_code + sizeof g_code);
    a.nop(length);
    size_t emitted = static_cast<size_t>(a.at() - g_code);
    cs_insn* insn;
    size_t n = cs_disasm(g_capstone, g_code, emitted, 0, 0, &insn), sum = 0;
    bool nops = true;
    for (size_t i = 0; i < n; i++) sum += insn[i].size, nops &= insn[i].id == X86_INS_NOP;
    g_checked++;
    if (emitted != length || sum != length || !nops) {
      printf("nop(%u): %zu bytes, %zu of them nops\n", length, emitted, sum);
      g_failed++;
    }
    if (n) cs_free(insn, n);
  }
}

}  // namespace

int main() {
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &g_capstone) || cs_option(g_capstone, CS_OPT_DETAIL, CS_OPT_ON))
    return 2;
  moves();
  arithmetic();
  vectors();
  evex();
  padding();
  compare_texts();
  printf("%u instructions, %u wrong\n", g_checked, g_failed);
  return g_failed ? 1 : 0;
}
