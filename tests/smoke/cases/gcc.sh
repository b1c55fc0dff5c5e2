# cc1, as, ld, ar, make a program of several files and a shared library; wrong programs get the same messages.
cat > a.c <<'C'
#include <stdio.h>
int sum(const int *, int); double mean(const int *, int);
int main(void) { int v[100]; for (int i = 0; i < 100; i++) v[i] = i * i % 37; printf("%d %.10f\n", sum(v, 100), mean(v, 100)); return sum(v, 3); }
C
cat > b.c <<'C'
int sum(const int *v, int n) { int s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
double mean(const int *v, int n) { return (double)sum(v, n) / n; }
C
for o in -O0 -O1 -O2 -O3 -Os '-O2 -flto' '-O2 -g'; do gcc $o a.c b.c -o p && ./p; echo $?; done
gcc -c -O2 a.c b.c && ar rcs libb.a b.o && gcc a.o -L. -lb -o q && ./q; ranlib libb.a; ar t libb.a
gcc -shared -fPIC -O2 b.c -o libb.so && gcc a.c -L. -Wl,-rpath,. -lb -o r -Wl,--no-as-needed && ./r; echo $?
echo 'int f(void) { return x; } int g( { }' > wrong.c; gcc -c wrong.c; echo $?; gcc a.c -o s 2>&1 | grep -o 'undefined reference.*' | sort -u
echo 'int main(void) { int x[2]; x[5] = 1; return *x; }' > warn.c; gcc -O2 -Wall -Wextra -c warn.c; echo $?
gcc -E -P - <<< '#define F(x) #x
F(a + b) __LINE__ __STDC_VERSION__'; gcc -O2 -fsyntax-only -x c /dev/null; nm b.o | cut -c18- | sort; size -A b.o > /dev/null; strip p; ./p; echo $?
