// SPDX-License-Identifier: MIT
// Starts, is interpreted, becomes hot: integers, doubles, objects and strings.
let hash = 0;
for (let i = 0; i < 1e8; i++) hash = (Math.imul(hash, 31) + (i ^ (i >>> 3))) | 0;
let sum = 0;
for (let i = 1; i < 2e7; i++) sum += Math.sqrt(i) / i;
const counts = new Map();
for (let i = 0; i < 1e6; i++) {
  const key = 'k' + (i % 1009);
  counts.set(key, { n: (counts.get(key)?.n ?? 0) + i });
}
console.log(hash, sum, [...counts.values()].reduce((a, b) => a + b.n, 0));
