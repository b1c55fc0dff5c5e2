# What gcc's sanitizers find, and that they find nothing in a sound program: shadow memory at a fixed place, handlers of faults,
# and at the end LeakSanitizer, which stops all threads by ptrace.
cat > a.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int g[4];
static void *work(void *p) { int *v = malloc(40), s = 0; for (int i = 0; i < 10; i++) v[i] = i; for (int i = 0; i < 10; i++) s += v[i]; free(v); return (void *)(long)s; }
static void *stay(void *p) { char *volatile m = malloc(77); m[0] = *(char *)p; for (;;) getppid(); }
int main(int argc, char **argv) {
  pthread_t t[4]; for (int i = 0; i < 4; i++) pthread_create(t + i, 0, work, 0); for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  pthread_create(t, 0, stay, "x");
  int what = argc > 1 ? atoi(argv[1]) : 0, n = argc + 20; char *volatile p = malloc(10), b[8];
  if (what == 1) p[10] = 1;
  if (what == 2) { free(p); p[0] = 1; }
  if (what == 3) g[n] = 1;
  if (what == 4) { int k = 0x7fffffff; k += argc; printf("%d\n", k); }
  if (what == 5) { memset(b, 0, n); puts(b); }
  if (what == 6) *(volatile int *)8 = 1;
  if (what == 7) { p = malloc(123); p = 0; }
  if (what == 8) { free(p); free(p); }
  if (what != 7) free(p);
  puts("end"); return 0;
}
C
gcc -g -O1 -w -fsanitize=address,undefined a.c -o a -pthread; gcc -g -O1 -w -fsanitize=leak a.c -o l -pthread
# LeakSanitizer walks through a map of 2^28 entries on AArch64: some seconds each time.
for i in 0 1 2 3 4 5 6 7 8; do
  case $i in 0 | 7) leaks=1 ;; *) leaks=0 ;; esac
  ASAN_OPTIONS=detect_leaks=$leaks ./a $i > out 2>&1; echo "$i: $?"; grep -oE '^end|ERROR: [A-Za-z]+: [a-zA-Z-]+|runtime error: [a-z ]+|[0-9]+ byte\(s\) leaked in [0-9]+ allocation' out
done
./l 7 > out 2>&1; echo "l: $?"; grep -oE '^end|ERROR: .*|[0-9]+ byte\(s\) leaked in [0-9]+ allocation' out
