// SPDX-License-Identifier: MIT
// A small program over large headers: most of the compiler's time is parsing and templates.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

using Value = std::variant<long, std::string, std::vector<long>>;

int main() {
  std::map<std::string, std::vector<int>> words;
  std::istringstream in("the quick brown fox jumps over the lazy dog and the cat");
  int position = 0;
  for (std::string word; in >> word;) words[word].push_back(position++);
  std::unordered_map<long, std::shared_ptr<Value>> values;
  for (const auto& [word, places] : words) {
    long sum = std::accumulate(places.begin(), places.end(), 0L);
    values[sum] = std::make_shared<Value>(word);
  }
  std::vector<std::pair<long, std::string>> sorted;
  for (const auto& [key, value] : values)
    std::visit(
        [&, k = key](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) sorted.emplace_back(k, v);
        },
        *value);
  std::stable_sort(sorted.begin(), sorted.end(), std::greater<>());
  std::regex vowels("[aeiou]+");
  for (const auto& [key, word] : sorted) std::cout << key << ' ' << std::regex_replace(word, vowels, "-") << '\n';
}
