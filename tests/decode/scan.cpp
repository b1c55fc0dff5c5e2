// SPDX-License-Identifier: MIT
// All 2^32 words: decode() must give exactly the row that the table gives, or unallocated.
//
// The reference is brute force over the rows themselves: every row whose fixed bits and `when` accept the
// word; the one with the most fixed bits wins, and a tie is an error of the table. To make that fast, rows
// are first sorted into buckets by 18 bits of the word (31..20 and 15..10), which changes nothing in what is
// compared. Prints how many words are allocated and how long a decode takes. Exit status 1 on any difference.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "insn.h"

using namespace grus;
using namespace grus::a64;

namespace grus::a64 {
extern bool (*const kRowConditions[])(u32);
}

namespace {

constexpr unsigned kRowCount = static_cast<unsigned>(Op::kCount);
constexpr u32 kKeyMask = 0xfff0fc00;

constexpr u32 word_of(u32 key, u32 rest) {
  return (key >> 6) << 20 | (key & 63) << 10 | (rest >> 10) << 16 | (rest & 0x3ff);
}

std::atomic<u64> errors{0}, allocated{0};

void complain(const char* what, u32 word, unsigned got, unsigned want, unsigned other) {
  if (errors++ < 20)
    fprintf(stderr, "%08x: %s: decode %s, table %s, %s\n", word, what, kRows[got].name, kRows[want].name,
            kRows[other].name);
}

void scan_bucket(u32 key, u64* count) {
  unsigned rows[64], n = 0;
  u32 fixed = word_of(key, 0);
  for (unsigned row = 1; row < kRowCount; row++) {
    if ((fixed ^ kRows[row].value) & kRows[row].mask & kKeyMask) continue;
    if (n == 64) {
      fprintf(stderr, "bucket %08x holds more than 64 rows\n", fixed);
      exit(1);
    }
    rows[n++] = row;
  }
  for (u32 rest = 0; rest < 1u << 14; rest++) {
    u32 word = word_of(key, rest);
    unsigned best = 0, tie = 0;
    int best_bits = -1;
    for (unsigned k = 0; k < n; k++) {
      const RowInfo& row = kRows[rows[k]];
      if ((word & row.mask) != row.value) continue;
      if (kRowConditions[rows[k]] && !kRowConditions[rows[k]](word)) continue;
      int bits = __builtin_popcount(row.mask);
      if (bits > best_bits)
        best = rows[k], best_bits = bits, tie = 0;
      else if (bits == best_bits)
        tie = rows[k];
    }
    unsigned got = static_cast<unsigned>(decode(word));
    if (tie) complain("two rows", word, got, best, tie);
    if (got != best) complain("differs", word, got, best, 0);
    *count += got != 0;
  }
}

}  // namespace

int main() {
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> pool;
  std::atomic<u32> next{0};
  for (unsigned t = 0; t < threads; t++)
    pool.emplace_back([&] {
      u64 count = 0;
      for (u32 key; (key = next++) < 1u << 18;) scan_bucket(key, &count);
      allocated += count;
    });
  for (std::thread& t : pool) t.join();

  // Decoding speed on words in random order, all allocated: an upper bound for real code, which repeats
  // itself.
  std::vector<u32> words;
  for (u64 s = 1; words.size() < 1 << 16;) {
    s ^= s >> 12, s ^= s << 25, s ^= s >> 27;
    u32 w = static_cast<u32>(s * 0x2545F4914F6CDD1Dull >> 32);
    if (decode(w) != Op::UNALLOCATED) words.push_back(w);
  }
  auto start = std::chrono::steady_clock::now();
  unsigned sum = 0;
  for (int round = 0; round < 64; round++)
    for (u32 w : words) sum += static_cast<unsigned>(decode(w));
  double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  printf("%u rows, %.2f %% of all words allocated, %.1f ns per decode (checksum %u)\n", kRowCount - 1,
         static_cast<double>(allocated) * 100 / 4294967296.0, ns / (64.0 * words.size()), sum);
  if (errors) fprintf(stderr, "%lu words differ\n", errors.load());
  return errors != 0;
}
