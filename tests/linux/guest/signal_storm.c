// SPDX-License-Identifier: MIT
// A timer signal every 100 microseconds while code runs that has never run before: an exit from translated code that was
// waiting to be linked must not be linked to the handler.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile unsigned ticks;
static void on_alarm(int sig) { ticks += sig == SIGALRM; }

#define F(n)                                                                  \
  __attribute__((noinline)) static unsigned f##n(unsigned x) {                \
    asm volatile("" : "+r"(x));                                               \
    if (x & 1) return x * 3 + n;                                              \
    return x + n;                                                             \
  }
#define F10(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define F100(n) F10(n##0) F10(n##1) F10(n##2) F10(n##3) F10(n##4) F10(n##5) F10(n##6) F10(n##7) F10(n##8) F10(n##9)
F100(1) F100(2) F100(3) F100(4) F100(5) F100(6) F100(7) F100(8)

#define C(n) x = f##n(x);
#define C10(n) C(n##0) C(n##1) C(n##2) C(n##3) C(n##4) C(n##5) C(n##6) C(n##7) C(n##8) C(n##9)
#define C100(n) C10(n##0) C10(n##1) C10(n##2) C10(n##3) C10(n##4) C10(n##5) C10(n##6) C10(n##7) C10(n##8) C10(n##9)

int main(void) {
  signal(SIGALRM, on_alarm);
  struct itimerval every = {{0, 100}, {0, 100}};
  setitimer(ITIMER_REAL, &every, 0);
  unsigned x = 1;
  for (int round = 0; round < 200 || ticks < 50; round++) {
    C100(1) C100(2) C100(3) C100(4) C100(5) C100(6) C100(7) C100(8)
    if (round < 200 && round % 50 == 0) printf("%u\n", x);
    if (round == 199) printf("%u\n", x);
  }
  printf("many ticks: %d\n", ticks >= 50);
  return 0;
}
