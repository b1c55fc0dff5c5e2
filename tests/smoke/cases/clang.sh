# clang at its levels, the outliner at -Oz among them, on C and C++: the programs' answers and the messages about wrong ones.
cat > a.c <<'C'
#include <stdio.h>
#include <stdlib.h>
typedef struct { int a; unsigned b; double x; long c; } R;
static R r[64];
__attribute__((noinline)) static int lt(const R *p, const R *q) { if (p->a != q->a) return p->a < q->a; if (p->x != q->x) return p->x < q->x; return p->c < q->c; }
__attribute__((noinline)) static int gt(const R *p, const R *q) { if (p->a != q->a) return p->a > q->a; if (p->x != q->x) return p->x > q->x; return p->c > q->c; }
__attribute__((noinline)) static int le(const R *p, const R *q) { if (p->a != q->a) return p->a <= q->a; if (p->x != q->x) return p->x <= q->x; return p->c <= q->c; }
__attribute__((noinline)) static int near(const R *p, const R *q) { if (p->a != q->a) return 7; if (p->x != q->x) return p->x >= q->x; return p->b <= q->b; }
static int compare(const void *p, const void *q) { return lt(q, p) - lt(p, q); }
int main(void) {
  unsigned long h = 1; for (int i = 0; i < 64; i++) { h = h * 6364136223846793005u + 1442695040888963407u; r[i] = (R){ (int)(h >> 62) - 2, (unsigned)(h >> 40) & 3, (double)((h >> 30) & 3) / 2, (long)(h >> 20 & 15) - 8 }; }
  int n[4] = { 0 }; for (int i = 0; i < 64; i++) for (int j = 0; j < 64; j++) n[0] += lt(r + i, r + j), n[1] += gt(r + i, r + j), n[2] += le(r + i, r + j), n[3] += near(r + i, r + j);
  qsort(r, 64, sizeof *r, compare); for (int i = 1; i < 64; i++) if (lt(r + i, r + i - 1)) puts("not sorted");
  printf("%d %d %d %d %ld %.3f\n", n[0], n[1], n[2], n[3], r[7].c, r[50].x); return r[63].a + 5;
}
C
for o in -O0 -O1 -O2 -O3 -Os -Oz '-Oz -mllvm -enable-machine-outliner=always' '-O2 -g -fPIE'; do clang $o a.c -o p && ./p; echo $?; done
cat > b.cpp <<'C'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
struct Base { virtual ~Base() = default; virtual long f(long x) const { if (x > 40) throw std::out_of_range(std::to_string(x)); return x + 1; } };
struct Next : Base { long f(long x) const override { return Base::f(x) * 3; } };
int main() {
  std::vector<std::unique_ptr<Base>> v; for (int i = 0; i < 6; i++) if (i % 2) v.push_back(std::make_unique<Next>()); else v.push_back(std::make_unique<Base>());
  long x = 0; try { for (auto &b : v) std::cout << (x = b->f(x)) << ' '; } catch (const std::out_of_range &e) { std::cout << "out of range " << e.what() << '\n'; }
  std::map<std::string, int> m; for (int i = 0; i < 500; i++) m["k" + std::to_string(i * i % 31)] += i; std::string s; for (auto &[k, n] : m) s += k + '=' + std::to_string(n) + ' ';
  std::sort(s.begin(), s.end(), [](char a, char b) { return a != b ? (unsigned char)a < (unsigned char)b : false; }); std::cout << s.size() << ' ' << std::count(s.begin(), s.end(), '1') << '\n'; return m.at("none");
}
C
for o in -O0 -O2 -Oz; do clang++ -std=c++17 $o b.cpp -o q && ./q 2> err; echo $?; grep -o 'what().*' err; done
clang -c -O2 -emit-llvm a.c -o a.bc && clang a.bc -o s && ./s; echo 'int f(void) { return x; } int g( { }' > wrong.c; clang -c wrong.c; echo $?
echo 'int main(void) { int x[2]; x[5] = 1; return *x; }' > warn.c; clang -Wall -Wextra -c warn.c; echo $?
