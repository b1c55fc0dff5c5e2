// SPDX-License-Identifier: MIT
// emit_golden DIRECTORY [--bless]: the host code of the cases in DIRECTORY/*.txt, compared with what is
// written there.
//
// A case is a line "## title", then guest words (eight hex digits; the text behind is filled in), each
// followed by its host code, indented. --bless writes what is emitted now, and counts.txt: host instructions
// per guest instruction, per family. The translator runs as for a machine with AVX2, BMI2 and FMA (avx512.txt: with AVX-512VL),
// whatever this one is; the code is never executed. Behind each case stands a comparison, so NZCV is dead there. Addresses
// that depend on where the kernel maps things are shown as names.
#include <capstone/capstone.h>
#include <dirent.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "guest/aarch64/disasm.h"
#include "translate/region.h"

namespace grus {

u64 host_counter_ns() { return 0; }

namespace {

// The case stands in the middle of comparisons and some RETs, so that looking ahead at a branch's target finds something.
constexpr u64 kMap = 0x20000000, kMapSize = 1 << 16, kCode = kMap + kMapSize / 2;
constexpr u32 kRet = 0xd65f03c0, kCompare = 0xeb1f03ff;
csh g_capstone;
a64_to_x64::RegionBuilder g_builder;

struct Count {
  unsigned guest, host;
};

std::string replaced(const cs_insn& insn, u64 region, u64 region_end, u64 window, u64 window_end) {
  std::string operands = insn.op_str;
  const cs_x86& x = insn.detail->x86;
  for (unsigned i = 0; i < x.op_count; i++) {
    bool branch = x.operands[i].type == X86_OP_IMM && (cs_insn_group(g_capstone, &insn, X86_GRP_JUMP) ||
                                                       cs_insn_group(g_capstone, &insn, X86_GRP_CALL));
    bool rip = x.operands[i].type == X86_OP_MEM && x.operands[i].mem.base == X86_REG_RIP;
    if (!branch && !rip) continue;
    u64 target = branch ? static_cast<u64>(x.operands[i].imm)
                        : insn.address + insn.size + static_cast<u64>(x.operands[i].mem.disp);
    char name[64];
    if (target >= region && target < region_end)
      snprintf(name, sizeof name, "rarely");
    else if (target >= window && target < window_end)
      snprintf(name, sizeof name, branch ? "in the region" : "constant");
    else
      snprintf(name, sizeof name, "guest");
    if (branch) return name;
    size_t open = operands.find("[rip"), close = operands.find(']', open);
    if (open != std::string::npos) operands.replace(open, close - open + 1, std::string("[") + name + "]");
  }
  return operands;
}

// The text of one case; adds to `count`.
std::string translate(const std::vector<u32>& words, Count* count) {
  u32* map = reinterpret_cast<u32*>(kMap);
  for (u64 i = 0; i < kMapSize / 4; i++) map[i] = i % 16 == 15 ? kRet : kCompare;
  std::copy(words.begin(), words.end(), reinterpret_cast<u32*>(kCode));
  cache::Window* w = cache::make_window(kMap, kMap + kMapSize, 0);
  if (w) w->of_file = true;  // what compilers make
  u64 host;
  MemoryFault fault;
  if (!w || g_builder.build(*w, kCode, kMap, kMap + kMapSize, &host, &fault) != a64_to_x64::BuildResult::Ok) {
    fprintf(stderr, "emit_golden: no translation\n");
    exit(2);
  }
  const cache::Region& r = *w->region_of_host(host);
  const cache::InsnMark* marks = r.marks();
  u64 window = reinterpret_cast<u64>(w->code), begin = window + r.host_begin, body_end = window + r.body_end;
  std::string out;
  for (u32 m = 0; m < r.mark_count;) {
    u32 next = m + 1;
    while (next < r.mark_count && marks[next].inside) next++;
    u64 pc = kMap + u64{4} * (r.guest_low + marks[m].guest);
    u64 from = begin + marks[m].host, to = next < r.mark_count ? begin + marks[next].host : body_end;
    m = next;
    u64 index = (pc - kCode) / 4;
    if (index >= words.size()) continue;
    char text[a64::kDisassemblySize], line[160];
    a64::disassemble(words[index], pc, text, sizeof text);
    snprintf(line, sizeof line, "%08x  %s\n", words[index], text);
    out += line;
    count->guest++;
    cs_insn* insns;
    size_t n = cs_disasm(g_capstone, reinterpret_cast<const u8*>(from), to - from, from, 0, &insns);
    u64 decoded = 0;
    for (size_t i = 0; i < n; i++) {
      decoded += insns[i].size;
      std::string operands = insns[i].id == X86_INS_NOP ? ""
                                                        : replaced(insns[i], body_end, window + r.host_end,
                                                                   window, window + w->capacity);
      out += std::string("    ") + insns[i].mnemonic + (operands.empty() ? "" : " " + operands) + "\n";
      if (insns[i].id != X86_INS_NOP) count->host++;
    }
    if (n) cs_free(insns, n);
    if (decoded == to - from) continue;
    out += "    bytes";  // AVX-512BW and DQ: Capstone 4 does not know them
    for (u64 at = from + decoded; at < to; at++) {
      char text[4];
      snprintf(text, sizeof text, " %02x", *reinterpret_cast<const u8*>(at));
      out += text;
    }
    out += "\n";
  }
  cache::destroy_window(w);
  return out;
}

// What the file would be if it were right.
std::string generate(const std::string& text, Count* count) {
  std::istringstream in(text);
  std::string line, out, head;
  std::vector<u32> words;
  auto finish = [&] {
    if (!words.empty()) out += translate(words, count);
    words.clear();
  };
  while (std::getline(in, line)) {
    if (line.rfind("    ", 0) == 0) continue;  // host code
    if (line.size() >= 8 && line.find_first_not_of("0123456789abcdef") >= 8 && line[0] != '#') {
      words.push_back(static_cast<u32>(strtoul(line.substr(0, 8).c_str(), nullptr, 16)));
      continue;
    }
    finish();
    out += line + "\n";
  }
  finish();
  return out;
}

std::string contents(const std::string& path) {
  std::ifstream f(path);
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}

void show_difference(const std::string& path, const std::string& have, const std::string& now) {
  std::istringstream a(have), b(now);
  std::string x, y, title;
  for (unsigned line = 1;; line++) {
    bool more_a = static_cast<bool>(std::getline(a, x)), more_b = static_cast<bool>(std::getline(b, y));
    if (!more_a && !more_b) return;
    if (more_a && x.rfind("##", 0) == 0) title = x;
    if (more_a && more_b && x == y) continue;
    printf("%s:%u: %s\n  written: %s\n  emitted: %s\n", path.c_str(), line, title.c_str(),
           more_a ? x.c_str() : "(end)", more_b ? y.c_str() : "(end)");
    return;
  }
}

}  // namespace
}  // namespace grus

int main(int argc, char** argv) {
  using namespace grus;
  bool bless = argc == 3 && !strcmp(argv[2], "--bless");
  if (argc < 2 || (argc > 2 && !bless)) return 2;
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &g_capstone) || cs_option(g_capstone, CS_OPT_DETAIL, CS_OPT_ON))
    return 2;
  if (mmap(reinterpret_cast<void*>(kMap), kMapSize, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != reinterpret_cast<void*>(kMap))
    return 2;

  std::string directory = argv[1];
  std::vector<std::string> names;
  DIR* d = opendir(directory.c_str());
  if (!d) return 2;
  while (dirent* entry = readdir(d)) {
    std::string name = entry->d_name;
    if (name.size() > 4 && name.substr(name.size() - 4) == ".txt" && name != "counts.txt")
      names.push_back(name);
  }
  closedir(d);
  std::sort(names.begin(), names.end());

  int wrong = 0;
  std::string counts =
      "# Host instructions per guest instruction of the cases beside, rarely executed code not counted.\n";
  auto hold = [&](const std::string& path, const std::string& now) {
    std::string have = contents(path);
    if (have == now) return;
    if (bless) {
      std::ofstream(path) << now;
    } else {
      wrong++;
      show_difference(path, have, now);
    }
  };
  for (const std::string& name : names) {
    Count count{};
    // As on a machine that has everything, restricted; but nothing is executed.
    x64::g_features = {x64::Flavour::Avx512, true, true, true, true, true, true, true, true, true, true, true};
    if (name != "avx512.txt") x64::restrict_features(&x64::g_features, x64::Flavour::Avx2);
    hold(directory + "/" + name, generate(contents(directory + "/" + name), &count));
    if (!count.guest) {
      printf("%s: no case\n", name.c_str());
      return 1;
    }
    char line[100];
    snprintf(line, sizeof line, "%-16s %4u guest %5u host  %5.2f\n", name.substr(0, name.size() - 4).c_str(),
             count.guest, count.host, count.guest ? static_cast<double>(count.host) / count.guest : 0.0);
    counts += line;
  }
  hold(directory + "/counts.txt", counts);
  if (wrong)
    printf("%d files differ; look at the change, then: emit_golden %s --bless\n", wrong, directory.c_str());
  return wrong || names.empty() ? 1 : 0;
}
