// SPDX-License-Identifier: MIT
// A matrix product that the compiler vectorises: NEON with memory operands.
#include <stdio.h>

enum { kN = 256 };
static float a[kN][kN], b[kN][kN], c[kN][kN];

int main(void) {
  for (int i = 0; i < kN; i++)
    for (int j = 0; j < kN; j++)
      a[i][j] = (float)((i * 7 + j) % 17) / 16, b[i][j] = (float)((i + j * 5) % 13) / 8;
  for (int round = 0; round < 240; round++)
    for (int i = 0; i < kN; i++)
      for (int k = 0; k < kN; k++)
        for (int j = 0; j < kN; j++) c[i][j] += a[i][k] * b[k][j];
  double sum = 0;
  for (int i = 0; i < kN; i++)
    for (int j = 0; j < kN; j++) sum += (double)c[i][j];
  printf("%.6e\n", sum);
  return 0;
}
