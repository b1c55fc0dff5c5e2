# C++: templates, exceptions over frames, threads, iostreams, sanitised undefined behaviour.
cat > a.cpp <<'C'
#include <algorithm>
#include <atomic>
#include <future>
#include <iostream>
#include <map>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>
struct Noisy { const char *n; ~Noisy() { std::cout << "~" << n << "\n"; } };
template <int N> long depth(long x) { Noisy n{"frame"}; if constexpr (N == 0) throw std::runtime_error(std::to_string(x)); else return depth<N - 1>(x * 3 + 1); }
int main() {
  std::mt19937_64 r(42); std::vector<unsigned long> v(10000); std::generate(v.begin(), v.end(), r); std::sort(v.begin(), v.end());
  std::cout << v[0] << " " << v[5000] << " " << std::accumulate(v.begin(), v.end(), 0ul) << "\n";
  try { depth<4>(1); } catch (const std::exception &e) { std::cout << e.what() << "\n"; }
  std::map<std::string, int> m; std::istringstream in("a b a c b a"); for (std::string w; in >> w;) m[w]++; for (auto &[k, n] : m) std::cout << k << n << " ";
  std::atomic<long> total{0}; std::vector<std::thread> t; for (int i = 0; i < 8; i++) t.emplace_back([&, i] { for (int j = 0; j < 20000; j++) total += i; }); for (auto &x : t) x.join();
  auto f = std::async(std::launch::async, [] { return 6 * 7; }); std::cout << total << " " << f.get() << "\n";
  std::cout << std::regex_replace("2024-05-17", std::regex("(\\d+)-(\\d+)"), "$2/$1") << " " << std::hexfloat << 1.0 / 3 << std::defaultfloat << " " << 1e100 << "\n";
  std::cout.flush(); return m.at("zz");
}
C
g++ -std=c++20 -O2 -pthread a.cpp -o a && ./a; echo $?
g++ -std=c++17 -O0 -g -pthread a.cpp -o b && ./b | md5sum
echo '#include <vector>
template <class T> struct S { typename T::type x; }; S<int> s;' > wrong.cpp; g++ -c wrong.cpp; echo $?
