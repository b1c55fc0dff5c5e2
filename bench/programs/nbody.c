// SPDX-License-Identifier: MIT
// The n-body problem of five planets in doubles: scalar floating point with division and square root.
#include <math.h>
#include <stdio.h>

enum { kBodies = 5 };
static double x[kBodies] = {0, 4.84, 8.34, 12.89, 15.37}, y[kBodies] = {0, -1.16, 4.12, -15.11, -25.91},
              z[kBodies] = {0, -0.10, -4.03e-1, -2.23e-1, 1.79e-1},
              vx[kBodies] = {0, 6.06e-1, -1.01, 1.08, 9.79e-1},
              vy[kBodies] = {0, 2.81, 1.82, 8.68e-1, 5.94e-1},
              vz[kBodies] = {0, -2.52e-2, 8.41e-3, -1.08e-2, -3.47e-2},
              mass[kBodies] = {39.47, 3.76e-2, 1.12e-2, 1.72e-3, 2.03e-3};

int main(void) {
  const double dt = 0.01;
  for (int step = 0; step < 6000000; step++) {
    for (int i = 0; i < kBodies; i++) {
      for (int j = i + 1; j < kBodies; j++) {
        double dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j];
        double square = dx * dx + dy * dy + dz * dz;
        double magnitude = dt / (square * sqrt(square));
        vx[i] -= dx * mass[j] * magnitude;
        vy[i] -= dy * mass[j] * magnitude;
        vz[i] -= dz * mass[j] * magnitude;
        vx[j] += dx * mass[i] * magnitude;
        vy[j] += dy * mass[i] * magnitude;
        vz[j] += dz * mass[i] * magnitude;
      }
    }
    for (int i = 0; i < kBodies; i++) x[i] += dt * vx[i], y[i] += dt * vy[i], z[i] += dt * vz[i];
  }
  printf("%a %a\n", x[1], vy[2]);
  return 0;
}
