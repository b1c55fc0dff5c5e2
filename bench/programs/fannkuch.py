# SPDX-License-Identifier: MIT
"""Pancake flips over all permutations of 9: lists and small integers."""
import itertools

most = checksum = 0
for index, permutation in enumerate(itertools.permutations(range(9))):
    p, flips = list(permutation), 0
    while p[0]:
        k = p[0] + 1
        p[:k] = p[k - 1::-1] if k == len(p) else p[:k][::-1]
        flips += 1
    most = max(most, flips)
    checksum += -flips if index & 1 else flips
print(checksum, most)
