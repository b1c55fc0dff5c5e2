# SPDX-License-Identifier: MIT
"""The n-body problem, in Python's floats."""
import math

bodies = [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 39.47], [[4.84, -1.16, -0.10], [0.606, 2.81, -0.0252], 0.0376],
          [[8.34, 4.12, -0.403], [-1.01, 1.82, 0.00841], 0.0112], [[12.89, -15.11, -0.223], [1.08, 0.868, -0.0108], 0.00172],
          [[15.37, -25.91, 0.179], [0.979, 0.594, -0.0347], 0.00203]]
pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
for _ in range(40000):
    for ([x1, y1, z1], v1, m1), ([x2, y2, z2], v2, m2) in pairs:
        dx, dy, dz = x1 - x2, y1 - y2, z1 - z2
        square = dx * dx + dy * dy + dz * dz
        magnitude = 0.01 / (square * math.sqrt(square))
        b1, b2 = m1 * magnitude, m2 * magnitude
        v1[0] -= dx * b2
        v1[1] -= dy * b2
        v1[2] -= dz * b2
        v2[0] += dx * b1
        v2[1] += dy * b1
        v2[2] += dz * b1
    for r, v, _ in bodies:
        r[0] += 0.01 * v[0]
        r[1] += 0.01 * v[1]
        r[2] += 0.01 * v[2]
print("%.9f" % bodies[1][0][0])
