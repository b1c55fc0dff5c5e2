// SPDX-License-Identifier: MIT
// Cache files in every state that a killed publisher, another process or an accident can leave: what verify_file says of each,
// and what windows on one file see of each other. No translated code runs here.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/address_map.h"
#include "base/clock.h"
#include "cache/file.h"
#include "host/x86_64/features.h"

namespace grus {

u64 host_counter_ns() { return 0; }

namespace cache {
namespace {

constexpr u64 kGuestBytes = 64 << 10, kFirst = address_map::kModuleZones + (u64{16} << 20);
constexpr u32 kBody = 64, kBytes = 128, kSite = 16, kPreamble = 192;

void write_preamble(u8* at) { memset(at, 0x5a, kPreamble); }

// A region for guest words [word, word + 2) with one exit, to `target`.
struct Made {
  u8 code[kBytes];
  InsnMark marks[2];
  Exit exits[1];
  u32 words[2];
  i32 hosts[2];
  Draft draft;

  explicit Made(u32 word, i32 target, u8 filler = 0x90) {
    memset(code, filler, sizeof code);
    i32 displacement = kBody - (kSite + 4);
    memcpy(code + kSite, &displacement, 4);
    marks[0] = InsnMark{0, 0, 0, 0, 0};
    marks[1] = InsnMark{8, 0, 1, 0, 0};
    exits[0] = Exit{kSite, kBody, target};
    words[0] = word;
    words[1] = word + 1;
    hosts[0] = 0;
    hosts[1] = kCovered;
    draft = Draft{code, kBytes, kBody, word, word + 2, word, marks, 2, exits, 1, words, hosts, 2};
  }
};

class CacheFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "grus-cache-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    int fd = open(name.c_str(), O_PATH | O_DIRECTORY);
    set_translator(Translator{0x1234, kPreamble, write_preamble});
    use_directory(fd, trust_in_directory(fd));
    ASSERT_EQ(directory_access(), Access::ReadWrite);
  }
  void TearDown() override {
    for (Window* w : windows_) destroy_window(w);
    for (u64 at : mapped_) munmap(reinterpret_cast<void*>(at), kGuestBytes);
    close(directory());
    std::filesystem::remove_all(directory_);
  }

  // A window on the one content, at the nth place.
  Window& window(unsigned n = 0) {
    u64 at = kFirst + n * (u64{4} << 20);
    void* p = mmap(reinterpret_cast<void*>(at), kGuestBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    EXPECT_EQ(p, reinterpret_cast<void*>(at));
    mapped_.push_back(at);
    for (u64 i = 0; i < kGuestBytes / 4; i++) static_cast<u32*>(p)[i] = static_cast<u32>(i * 2654435761u);
    GuestFile file{1, 2 + n, kGuestBytes, 1'000'000'000, 1'000'000'000, 0, 0};
    Window* w = make_window(at, at + kGuestBytes, 0, &file);
    EXPECT_NE(w, nullptr);
    EXPECT_TRUE(w->publishes());
    windows_.push_back(w);
    return *w;
  }
  // Where it went, counted from the window's code.
  u32 add(Window& w, u32 word, i32 target, u8 filler = 0x90) {
    for (;;) {
      Made m(word, target, filler);
      Room room;
      EXPECT_TRUE(find_room(w, true, &room));
      switch (publish(w, room, m.draft)) {
        case Published::Done: return room.begin;
        case Published::Again: continue;
        case Published::Full: ADD_FAILURE(); return 0;
      }
    }
  }
  u64 host(Window& w, u32 offset) { return reinterpret_cast<u64>(w.code) + offset; }
  bool link(Window& w, u32 from, u32 to) { return link_exit(w, host(w, from + kSite), w, host(w, to)); }

  // The file's parts, as somebody else sees them.
  i32& index(Window& w, u32 word) { return reinterpret_cast<i32*>(w.shared + w.layout.index)[word]; }
  u32& line(Window& w, u32 offset) { return reinterpret_cast<u32*>(w.shared + w.layout.lines)[offset / kLine]; }
  u8* code(Window& w, u32 offset) { return w.shared + w.layout.code + offset; }
  Region& record(Window& w, u32 offset) {
    return *reinterpret_cast<Region*>(w.shared + w.layout.records + line(w, offset) - 1);
  }
  void set_displacement(Window& w, u32 region, i64 to) {
    i32 d = static_cast<i32>(to - (region + kSite + 4));
    memcpy(code(w, region + kSite), &d, 4);
  }
  Header& header(Window& w) { return *reinterpret_cast<Header*>(w.shared); }

  std::filesystem::path directory_;
  std::vector<Window*> windows_;
  std::vector<u64> mapped_;
};

TEST_F(CacheFiles, WhichDirectoriesAreTrusted) {
  auto trust = [](const char* path) {
    int fd = open(path, O_PATH | O_DIRECTORY);
    Access a = trust_in_directory(fd);
    close(fd);
    return a;
  };
  EXPECT_EQ(trust(directory_.c_str()), Access::ReadWrite);
  chmod(directory_.c_str(), 0755);
  EXPECT_EQ(trust(directory_.c_str()), Access::ReadWrite);
  for (unsigned mode : {0720u, 0702u, 01777u}) {
    chmod(directory_.c_str(), mode);
    EXPECT_EQ(trust(directory_.c_str()), Access::None) << mode;
  }
  EXPECT_EQ(trust("/proc/self"), Access::None) << "one of those that are no disk of this machine";
  EXPECT_EQ(trust_in_directory(-1), Access::None);
}

TEST_F(CacheFiles, WhatWasPublishedIsSound) {
  Window& w = window();
  EXPECT_TRUE(verify_file(w));
  u32 a = add(w, 10, 20), b = add(w, 20, 10);
  EXPECT_TRUE(verify_file(w));
  EXPECT_TRUE(link(w, a, b));
  EXPECT_TRUE(link(w, b, a));
  EXPECT_TRUE(verify_file(w));
  EXPECT_FALSE(link(w, a, b)) << "it is linked already";
}

TEST_F(CacheFiles, KilledBeforeTheIndex) {
  Window& w = window();
  add(w, 10, 20);
  u32 b = add(w, 20, 10);
  index(w, 20) = index(w, 21) = 0;
  EXPECT_TRUE(verify_file(w)) << "a record that nothing leads to";
  line(w, b + kLine) = 0;
  EXPECT_TRUE(verify_file(w)) << "lines half set";
  line(w, b) = 0;
  EXPECT_TRUE(verify_file(w)) << "a record, no lines";
  memset(code(w, b), 0, kBytes / 2);
  EXPECT_TRUE(verify_file(w)) << "code half written";
  index(w, 20) = kCovered;
  EXPECT_TRUE(verify_file(w)) << "covered by nothing: translated again when it is needed";
}

// detach and kill_range walk over all regions: a line that leads to no record, or a record without an end, would lead them astray.
TEST_F(CacheFiles, LinesOfWhatNobodyReaches) {
  Window& w = window();
  add(w, 10, 20);
  u32 b = add(w, 20, 10);
  index(w, 20) = index(w, 21) = 0;
  Region& r = record(w, b);
  u32 end = r.host_end, right = line(w, b);
  for (u32 wrong : {u32{0}, b, ~u32{0}}) {
    r.host_end = wrong;
    EXPECT_FALSE(verify_file(w)) << wrong;
  }
  r.host_end = end;
  for (u32 wrong : {right + 1, header(w).records_used, ~u32{0}}) {
    line(w, b) = wrong;
    EXPECT_FALSE(verify_file(w)) << wrong;
  }
  line(w, b) = right;
  EXPECT_TRUE(verify_file(w));
}

TEST_F(CacheFiles, RoomThatWasTakenAndNeverFilled) {
  Window& w = window();
  add(w, 10, 20);
  header(w).code_used += 4096;
  header(w).records_used += 4096;
  add(w, 20, 10);
  EXPECT_TRUE(verify_file(w));
}

TEST_F(CacheFiles, AnIndexThatLeadsNowhere) {
  Window& w = window();
  u32 a = add(w, 10, 20), b = add(w, 20, 10);
  const i32 right = index(w, 20);
  const u32 used = header(w).code_used;
  for (i64 wrong : {i64{a}, i64{b} + 8, i64{b} + 1, i64{b} + kBody, i64{used}, i64{used} + 64, i64{64}, i64{-2}, i64{1} << 30}) {
    index(w, 20) = static_cast<i32>(wrong);
    EXPECT_FALSE(verify_file(w)) << wrong;
  }
  index(w, 20) = right;
  EXPECT_TRUE(verify_file(w));
  index(w, 21) = static_cast<i32>(b) + 8;
  EXPECT_TRUE(verify_file(w)) << "the second instruction's begin";
  index(w, 22) = static_cast<i32>(b);
  EXPECT_FALSE(verify_file(w)) << "another word's code";
}

TEST_F(CacheFiles, AnExitThatLeadsElsewhere) {
  Window& w = window();
  u32 a = add(w, 10, 20), b = add(w, 20, 10), c = add(w, 30, 10);
  const u32 used = header(w).code_used;
  for (i64 wrong : {i64{c}, i64{b} + 8, i64{b} + 4, i64{a} + kBody + 1, i64{used}, i64{-64}, i64{0}}) {
    set_displacement(w, a, wrong);
    EXPECT_FALSE(verify_file(w)) << wrong;
  }
  set_displacement(w, a, b);
  EXPECT_TRUE(verify_file(w));
  // Its target was never finished.
  line(w, b) = 0;
  EXPECT_FALSE(verify_file(w));
}

TEST_F(CacheFiles, DamageCountsWhereItCanBeReached) {
  Window& w = window();
  u32 a = add(w, 10, 20), b = add(w, 20, 10);
  for (u32 offset : {0u, 8u, kBody - 1, kBody, kBytes - 1}) {
    code(w, b + offset)[0] ^= 1;
    EXPECT_FALSE(verify_file(w)) << offset;
    code(w, b + offset)[0] ^= 1;
  }
  Region& r = record(w, b);
  u8* bytes = reinterpret_cast<u8*>(&r);
  for (u32 i = 0; i < r.bytes; i++) {
    if (i >= offsetof(Region, dead) + 1 && i < sizeof(Region)) continue;
    bytes[i] ^= 0x10;
    EXPECT_FALSE(verify_file(w)) << i;
    bytes[i] ^= 0x10;
  }
  EXPECT_TRUE(verify_file(w));
  code(w, kCodeBegin)[3] ^= 1;
  EXPECT_FALSE(verify_file(w)) << "a constant";
  code(w, kCodeBegin)[3] ^= 1;
  w.shared[w.layout.proofs + 100] ^= 1;
  EXPECT_FALSE(verify_file(w)) << "a proof";
  w.shared[w.layout.proofs + 100] ^= 1;
  code(w, b)[0] ^= 1;
  index(w, 20) = index(w, 21) = kCovered;
  EXPECT_TRUE(verify_file(w)) << "nothing leads there";
  set_displacement(w, a, b);
  EXPECT_FALSE(verify_file(w)) << "an exit does";
}

TEST_F(CacheFiles, CountersBeyondTheFile) {
  Window& w = window();
  add(w, 10, 20);
  const Header saved = header(w);
  header(w).code_used = w.layout.code_bytes + 64;
  EXPECT_FALSE(verify_file(w));
  header(w) = saved;
  header(w).records_used = w.layout.records_bytes + 8;
  EXPECT_FALSE(verify_file(w));
  header(w) = saved;
  header(w).records_used = 0;
  EXPECT_FALSE(verify_file(w)) << "the index leads to a record beyond the counter";
}

TEST_F(CacheFiles, TwoWindowsOnOneFile) {
  Window &w = window(0), &v = window(1);
  u32 a = add(w, 10, 20);
  EXPECT_EQ(v.find(v.guest_begin + 40), host(v, a));
  u32 b = add(v, 20, 10);
  EXPECT_EQ(w.find(w.guest_begin + 80), host(w, b));
  EXPECT_TRUE(link(w, a, b));
  EXPECT_FALSE(link(v, a, b)) << "linked for both";
  EXPECT_TRUE(verify_file(v));
}

TEST_F(CacheFiles, RoomIsTakenOnce) {
  Window &w = window(0), &v = window(1);
  Made m(10, 20, 0x11), n(30, 40, 0x22);
  Room of_w, of_v;
  ASSERT_TRUE(find_room(w, true, &of_w) && find_room(v, true, &of_v));
  EXPECT_EQ(of_w.begin, of_v.begin);
  EXPECT_EQ(publish(w, of_w, m.draft), Published::Done);
  EXPECT_EQ(publish(v, of_v, n.draft), Published::Again);
  EXPECT_EQ(v.find(v.guest_begin + 120), 0u);
  // From now on each has room of its own.
  std::vector<u32> begins;
  for (u32 i = 0; i < 200; i++) begins.push_back(add(i % 3 ? v : w, 100 + 4 * i, 20, static_cast<u8>(i)));
  std::sort(begins.begin(), begins.end());
  for (size_t i = 1; i < begins.size(); i++) EXPECT_GE(begins[i], begins[i - 1] + kBytes);
  EXPECT_TRUE(verify_file(w));
}

TEST_F(CacheFiles, RoomTakenAhead) {
  Window &w = window(0), &v = window(1);
  std::vector<u32> begins;
  u32 ahead = 0;
  for (u32 i = 0; i < 1500; i++) {
    if (i == 1300) {  // as in a child
      drop_claims(w);
      EXPECT_EQ(w.filled, 0u);
    }
    Window& x = i % 100 == 99 ? v : w;
    begins.push_back(add(x, 100 + 4 * i, 20, static_cast<u8>(i)));
    ahead = std::max(ahead, w.claimed_end - w.claimed);
  }
  EXPECT_GE(ahead, 32u << 10);
  EXPECT_LT(ahead, 256u << 10);
  EXPECT_LT(header(w).code_used, 1500 * kBytes + (256u << 10)) << "room that nobody uses";
  w.claimed_end = w.claimed;  // as if somebody else had the rest
  for (u32 i = 0; i < 1000 && w.claimed == w.claimed_end; i++) add(w, 6200 + 4 * i, 20);
  u32 left = w.claimed_end - w.claimed;
  EXPECT_GT(left, 0u);
  u32 used = header(w).code_used;
  return_claims(w);
  EXPECT_EQ(header(w).code_used, used - left);
  for (u32 i = 0; i < 1500; i++) {
    EXPECT_EQ(v.find(v.guest_begin + 4 * (100 + 4 * i)), host(v, begins[i]));
    EXPECT_EQ(v.code[begins[i]], static_cast<u8>(i));
  }
  EXPECT_TRUE(verify_file(v));
  std::sort(begins.begin(), begins.end());
  for (size_t i = 1; i < begins.size(); i++) EXPECT_GE(begins[i], begins[i - 1] + kBytes);
}

TEST_F(CacheFiles, NoRoomIsFilledInAnotherFile) {
  Window& w = window(0);
  char name[kNameBytes];
  cache_file_name(w.header->content, w.header->guest_base, name);
  std::filesystem::rename(directory_ / name, directory_ / "away");
  Window& v = window(1);  // makes another
  u32 last = 0;
  for (u32 i = 0; i < 1500; i++) last = add(w, 100 + 4 * i, 20);
  EXPECT_TRUE(w.unfillable);
  EXPECT_EQ(w.claimed_end, 0u);
  EXPECT_GT(last, 1400 * kBytes);
  EXPECT_TRUE(verify_file(w));
  EXPECT_TRUE(verify_file(v));
  EXPECT_EQ(header(v).regions, 0u);
}

TEST_F(CacheFiles, AFullFile) {
  Window &w = window(0), &v = window(1);
  header(w).code_used = w.layout.code_bytes - (70 << 10);
  std::vector<u32> begins;
  for (u32 i = 0; i < 1500; i++) begins.push_back(add(i % 2 ? v : w, 100 + 4 * i, 20));
  EXPECT_FALSE(w.publishes());
  EXPECT_FALSE(v.publishes());
  for (u32 i = 0; i < 1500; i++) {
    Window& x = i % 2 ? v : w;
    EXPECT_EQ(x.find(x.guest_begin + 4 * (100 + 4 * i)), host(x, begins[i]));
  }
  EXPECT_TRUE(verify_file(window(2)));
}

TEST_F(CacheFiles, DetachedWindowsSeeNoMore) {
  Window &w = window(0), &v = window(1);
  u32 a = add(w, 10, 20);
  ASSERT_TRUE(detach(v));
  EXPECT_FALSE(v.publishes());
  EXPECT_EQ(v.find(v.guest_begin + 40), host(v, a));
  add(w, 20, 10);
  EXPECT_EQ(v.find(v.guest_begin + 80), 0u);
  EXPECT_EQ(kill_range(v, v.guest_begin + 40, v.guest_begin + 44), 1u);
  EXPECT_EQ(v.find(v.guest_begin + 40), 0u);
  EXPECT_EQ(w.find(w.guest_begin + 40), host(w, a));
  EXPECT_EQ(w.code[a], 0x90);
  EXPECT_EQ(v.code[a], 0xcc);
  EXPECT_TRUE(verify_file(w));
}

TEST_F(CacheFiles, LinkedWhileItIsDetached) {
  // `b` lies below the counter, was published after the index was copied, and an exit to it was linked before the code was.
  Window &w = window(0), &v = window(1);
  u32 a = add(w, 10, 20), b = add(w, 20, 10);
  add(w, 30, 40);
  ASSERT_TRUE(link(w, a, b));
  v.index[20] = v.index[21] = 0;
  ASSERT_TRUE(detach(v));
  i32 d;
  memcpy(&d, v.code + a + kSite, 4);
  EXPECT_EQ(d, static_cast<i32>(kBody - (kSite + 4)));
}

TEST_F(CacheFiles, KillingDoesNotTrustAPrivateIndex) {
  // The page of the index became private, then somebody else published what covers words of it.
  Window &w = window(0), &v = window(1);
  v.index[1] = v.index[1];
  volatile i32* touch = &v.index[1];
  *touch = *touch;
  add(w, 1023, 20);  // words 1023 and 1024: two pages of the index
  EXPECT_EQ(v.index[1023], 0);
  EXPECT_EQ(v.index[1024], kCovered);
  EXPECT_EQ(kill_range(v, v.guest_begin + 4 * 1023, v.guest_begin + 4 * 1024), 1u);
}

TEST_F(CacheFiles, PrivateLinksOnlyWhereAllIsPublished) {
  Window &w = window(0), &v = window(1);
  std::vector<u32> at;
  for (u32 i = 0; i < 100; i++) at.push_back(add(w, 100 + 4 * i, 20));
  // What v may not publish goes to its own area.
  Made m(20, 10);
  Room room;
  ASSERT_TRUE(find_room(v, false, &room));
  ASSERT_EQ(publish(v, room, m.draft), Published::Done);
  unsigned linked = 0;
  const u32 last_page = header(w).code_used & ~u32{4095};
  for (u32 a : at) {
    bool done = link_exit(v, host(v, a + kSite), v, host(v, room.begin));
    linked += done;
    EXPECT_FALSE(done && a >= last_page);
  }
  EXPECT_GT(linked, 20u);
  u32 b = add(w, 4000, 20, 0x77);
  EXPECT_EQ(v.code[b], 0x77);
  EXPECT_TRUE(verify_file(w)) << "private links are nobody else's";
}

TEST_F(CacheFiles, OtherContentHasAnotherFile) {
  Window& w = window(0);
  EXPECT_TRUE(w.proves(w.guest_begin, proof_of(reinterpret_cast<void*>(w.guest_begin))));
  u32* code = reinterpret_cast<u32*>(w.guest_begin);
  code[kPiece / 4 + 6] ^= 1;
  EXPECT_TRUE(w.proves(w.guest_begin, proof_of(code)));
  EXPECT_FALSE(w.proves(w.guest_begin + kPiece, proof_of(code + kPiece / 4)));
  code[kPiece / 4 + 6] ^= 1;
  EXPECT_TRUE(w.proves(w.guest_begin + kPiece, proof_of(code + kPiece / 4)));
  EXPECT_FALSE(w.proves(w.guest_end, proof_of(code)));
}

/* -- S3: SHA-256 ---------------------------------------------------------------------------------------------------- */

bool has_sha() {
  x64::Features f;
  return x64::detect_features(&f) && f.sha;
}
std::string hex(const Hash256& h) {
  std::string out;
  for (unsigned i = 0; i < 32; i++) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", reinterpret_cast<const u8*>(&h)[i]);
    out += digits;
  }
  return out;
}

// The values of FIPS 180-4's examples; trust.py compares names with hashlib's.
TEST(Sha256, BothWays) {
  std::vector<u8> data(4096);
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<u8>(i * 167 + i / 256);
  for (bool instructions : {false, has_sha()}) {
    set_sha_instructions(instructions);
    EXPECT_EQ(hex(sha256("", 0)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex(sha256("abc", 3)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56)),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    for (size_t n : {64, 128, 512})
      for (size_t count : {0, 1, 2, 3, 8}) {
        std::vector<Hash256> out(count + 1, Hash256{});
        sha256_pieces(data.data(), n, count, out.data());
        for (size_t i = 0; i < count; i++) EXPECT_EQ(hex(out[i]), hex(sha256(data.data() + i * n, n)));
        EXPECT_EQ(out[count], Hash256{});
      }
  }
  if (!has_sha()) return;
  for (size_t n = 0; n < 300; n++) {
    set_sha_instructions(false);
    std::string plain = hex(sha256(data.data() + n % 7, n));
    set_sha_instructions(true);
    EXPECT_EQ(plain, hex(sha256(data.data() + n % 7, n))) << n;
  }
}

TEST(Sha256, VectorRegistersStay) {
  if (!has_sha()) GTEST_SKIP();
  alignas(16) u8 before[256], after[256], data[128] = {};
  u32 state[8] = {}, other[8] = {};
  for (unsigned i = 0; i < sizeof before; i++) before[i] = static_cast<u8>(i * 3 + 1);
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define LOAD(n) "movups 16*" #n "(%%r12), %%xmm" #n "\n\t"
#define STORE(n) "movups %%xmm" #n ", 16*" #n "(%%r13)\n\t"
#define CLOBBERS "rax", "rdx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc", EACH_NAME
#define EACH_NAME "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
  register u8* from asm("r12") = before;
  register u8* to asm("r13") = after;
  asm volatile(EACH(LOAD) "mov %2, %%rdi\n\tmov %3, %%rsi\n\tmov $2, %%edx\n\tsubq $128, %%rsp\n\tcall grus_sha256_blocks\n\taddq $128, %%rsp\n\t" EACH(STORE)
               : : "r"(from), "r"(to), "b"(state), "r"(data) : CLOBBERS);
  EXPECT_EQ(memcmp(before, after, sizeof before), 0);
  memset(after, 0, sizeof after);
  asm volatile(EACH(LOAD) "mov %2, %%rdi\n\tmov %3, %%rsi\n\tmov %4, %%rdx\n\tmov %3, %%rcx\n\tmov $2, %%r8d\n\tsubq $128, %%rsp\n\tcall grus_sha256_two\n\taddq $128, %%rsp\n\t" EACH(STORE)
               : : "r"(from), "r"(to), "b"(state), "r"(data), "r"(other) : CLOBBERS);
  EXPECT_EQ(memcmp(before, after, sizeof before), 0);
}

}  // namespace
}  // namespace cache
}  // namespace grus
