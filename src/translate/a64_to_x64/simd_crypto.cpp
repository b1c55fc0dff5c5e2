// SPDX-License-Identifier: MIT
// The cryptographic extension on the host's own: AES-NI, PCLMULQDQ, SHA extensions. A host without them runs the semantics.
#include "translate/a64_to_x64/simd.h"

namespace grus::a64_to_x64::templates {

using namespace simd;

namespace {

constexpr HostOp kAesEnc{2, 0xdc}, kAesEncLast{2, 0xdd}, kAesDec{2, 0xde}, kAesDecLast{2, 0xdf}, kAesImc{2, 0xdb};
using AesRound = Emitter::AesRound;
constexpr u8 kSha256Rounds2 = 0xcb, kSha256Message1 = 0xcc, kSha256Message2 = 0xcd;

// The SHA extensions have no VEX forms.
class LegacyEncoding {
 public:
  explicit LegacyEncoding(Emitter& e) : e_(e), vex_(e.vex) { e.vex = false; }
  ~LegacyEncoding() { e_.vex = vex_; }

 private:
  Emitter& e_;
  bool vex_;
};

void sha(Emitter& e, u8 code, Xmm dst, Xmm src) {
  LegacyEncoding legacy(e);
  e.sse(0, 2, code, dst, src);
}

// The last round with a zero key is SubBytes and ShiftRows (or their inverses).
void aes_round(Emitter& e, Insn i, HostOp last, AesRound kind) {
  if (!e.host().aes) return e.call_semantics();
  op(e, kXor, kA, e.vuse(i.Rd(), kA), i.Rn());
  zero(e, kB);
  Xmm x = e.vdef_low(i.Rd(), kC);
  op(e, last, x, kA, kB);
  e.vcommit(i.Rd(), x);
  e.set_aes_round(kind, i.Rd());
}

// A host round of what AESE or AESD began with is its result mixed.
bool mixed_round(Emitter& e, Insn i, HostOp round, AesRound kind) {
  if (!e.behind_aes_round(kind, i.Rn())) return false;
  Xmm x = e.vdef_low(i.Rd(), kA);
  op(e, round, x, kA, kB);
  e.vcommit(i.Rd(), x);
  return true;
}

void shuffle_ps(Emitter& e, Xmm dst, Xmm a, Xmm b, u8 imm) {
  e.sse3(0, 1, 0xc6, dst, a, b);
  e.byte(imm);
}

// Four rounds as two times two. SHA256RNDS2 keeps {f, e, b, a} and {h, g, d, c} (lowest lane first) and takes two of W + K in xmm0.
// kC, kB = the state after them.
void sha256_rounds(Emitter& e, Insn i, unsigned abcd, unsigned efgh) {
  e.vload(kC, efgh);
  e.vload(kB, efgh);
  Xmm x = e.vuse(abcd, kA);
  shuffle_ps(e, kC, kC, x, 0x11);
  shuffle_ps(e, kB, kB, x, 0xbb);
  e.vload(kA, i.Rm());
  sha(e, kSha256Rounds2, kB, kC);
  shift_bytes_right(e, kA, kA, 8);
  sha(e, kSha256Rounds2, kC, kB);
}

// SHA1RNDS4 wants the lanes in reverse, W + e in the highest, and adds K itself: K is taken away first.
void sha1_rounds(Emitter& e, Insn i, u8 function) {
  if (!e.host().sha) return e.call_semantics();
  e.vload(kA, i.Rn());
  shift_bytes_left(e, kA, kA, 12);
  e.vload(kB, i.Rm());
  op(e, kSub[2], kB, kB, Constant::Sha1K + function);
  shuffle_words(e, kB, kB, 0x1b);
  op(e, kAdd[2], kB, kB, kA);
  shuffle_words(e, kA, i.Rd(), 0x1b);
  {
    LegacyEncoding legacy(e);
    e.sse(0, 3, 0xcc, kA, kB);
    e.byte(function);
  }
  Xmm x = e.vdef(i.Rd(), kA);
  shuffle_words(e, x, kA, 0x1b);
  e.vcommit(i.Rd(), x);
}

// x = x rotated left by n in each word.
void rotate_words(Emitter& e, Xmm x, unsigned n, Xmm scratch) {
  shift_right(e, 2, scratch, x, 32 - n);
  shift_left(e, 2, x, x, n);
  op(e, kOr, x, x, scratch);
}

}  // namespace

void AESE(Emitter& e, Insn i) { aes_round(e, i, kAesEncLast, AesRound::Encrypt); }
void AESD(Emitter& e, Insn i) { aes_round(e, i, kAesDecLast, AesRound::Decrypt); }

void AESMC(Emitter& e, Insn i) {
  if (!e.host().aes) return e.call_semantics();
  if (mixed_round(e, i, kAesEnc, AesRound::Encrypt)) return;
  // The inverse of a last round, then a whole one: MixColumns remains.
  e.vload(kA, i.Rn());
  zero(e, kB);
  op(e, kAesDecLast, kA, kA, kB);
  op(e, kAesEnc, kA, kA, kB);
  e.vcommit(i.Rd(), kA);
}

void AESIMC(Emitter& e, Insn i) {
  if (!e.host().aes) return e.call_semantics();
  if (mixed_round(e, i, kAesDec, AesRound::Decrypt)) return;
  Xmm x = e.vdef_low(i.Rd(), kA);
  op1(e, kAesImc, x, e.vuse_low(i.Rn(), kA));
  e.vcommit(i.Rd(), x);
}

void PMULL_64(Emitter& e, Insn i) {
  if (!e.host().pclmul) return e.call_semantics();
  e.vload(kA, i.Rn());
  op_imm(e, HostOp{3, 0x44}, kA, kA, e.vuse_low(i.Rm(), kB), i.Q() ? 0x11 : 0x00);
  e.vcommit(i.Rd(), kA);
}

void SHA256H(Emitter& e, Insn i) {
  if (!e.host().sha) return e.call_semantics();
  sha256_rounds(e, i, i.Rd(), i.Rn());
  Xmm x = e.vdef(i.Rd(), kA);
  shuffle_ps(e, x, kC, kB, 0xbb);
  e.vcommit(i.Rd(), x);
  if (i.Rd() != i.Rn() && i.Rd() != i.Rm()) e.set_sha256_rounds(i.Rd(), i.Rn(), i.Rm());
}
void SHA256H2(Emitter& e, Insn i) {
  if (!e.host().sha) return e.call_semantics();
  if (!e.behind_sha256_rounds({static_cast<u8>(i.Rn()), static_cast<u8>(i.Rd()), static_cast<u8>(i.Rm())}))
    sha256_rounds(e, i, i.Rn(), i.Rd());
  Xmm x = e.vdef(i.Rd(), kA);
  shuffle_ps(e, x, kC, kB, 0x11);
  e.vcommit(i.Rd(), x);
}

void SHA256SU0(Emitter& e, Insn i) {
  if (!e.host().sha) return e.call_semantics();
  Xmm n = e.vuse_low(i.Rn(), kB);
  e.vload(kA, i.Rd());
  sha(e, kSha256Message1, kA, n);
  e.vcommit(i.Rd(), kA);
}

void SHA256SU1(Emitter& e, Insn i) {
  if (!e.host().sha) return e.call_semantics();
  Xmm m = e.vuse_low(i.Rm(), kB);
  e.movaps(kA, m);
  op_imm(e, kAlign, kA, kA, i.Rn(), 4);  // Vm:Vn, from the second word
  op(e, kAdd[2], kA, kA, i.Rd());
  sha(e, kSha256Message2, kA, m);
  e.vcommit(i.Rd(), kA);
}

void SHA1C(Emitter& e, Insn i) { sha1_rounds(e, i, 0); }
void SHA1P(Emitter& e, Insn i) { sha1_rounds(e, i, 1); }
void SHA1M(Emitter& e, Insn i) { sha1_rounds(e, i, 2); }

void SHA1H(Emitter& e, Insn i) {
  e.vload(kA, i.Rn());
  rotate_words(e, kA, 30, kB);
  op(e, kAnd, kA, kA, Constant::LowWord);
  e.vcommit(i.Rd(), kA);
}

void SHA1SU0(Emitter& e, Insn i) {
  // Vd ^ (Vn<63:0>:Vd<127:64>) ^ Vm
  e.vload(kA, i.Rn());
  op_imm(e, kAlign, kA, kA, i.Rd(), 8);
  op(e, kXor, kA, kA, i.Rd());
  op(e, kXor, kA, kA, i.Rm());
  e.vcommit(i.Rd(), kA);
}

void SHA1SU1(Emitter& e, Insn i) {
  // T = Vd ^ (Vn >> 32); each word rotated by 1, the highest also takes T<31:0> rotated by 2.
  e.vload(kA, i.Rn());
  shift_bytes_right(e, kA, kA, 4);
  op(e, kXor, kA, kA, i.Rd());
  rotate_words(e, kA, 1, kB);
  shift_bytes_left(e, kC, kA, 12);
  rotate_words(e, kC, 1, kB);
  op(e, kXor, kA, kA, kC);
  e.vcommit(i.Rd(), kA);
}

}  // namespace grus::a64_to_x64::templates
