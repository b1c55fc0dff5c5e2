#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a C file of about 10,000 lines, the same one for a seed: small functions of loops, switches, structs and floats."""
import random
import sys

random.seed(int(sys.argv[1]) if len(sys.argv) > 1 else 20240501)
print("#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\nstruct node { struct node *next; int64_t key; double weight; char name[16]; };")
lines, n = 3, 0
body = []
while lines < 9900:
    ops = random.sample(["+", "-", "^", "|", "&"], 3)
    cases = "\n".join(f"    case {c}: a {random.choice('+-^')}= (uint64_t){random.randrange(1, 1 << 30)} * (i + {c}); break;"
                      for c in range(random.randrange(3, 9)))
    callee = f"f{random.randrange(n)}" if n else ""
    table = "\n".join(f"    {{{random.randrange(1 << 20)}, {random.random():.4f}, \"entry{k}\"}}," for k in range(24))
    text = f"""
static const struct {{ int64_t key; double weight; const char *name; }} t{n}[] = {{
{table}
}};
__attribute__((noinline)) int64_t f{n}(struct node *list, const int64_t *v, int64_t n) {{
  uint64_t a = {random.randrange(1 << 31)};
  double w = {random.random():.6f};
  for (int64_t i = 0; i < n; i++) {{
    switch ((v[i] {ops[0]} i) & 7) {{
{cases}
    default: a = (a << {random.randrange(1, 20)}) {ops[1]} (uint64_t)v[i];
    }}
    if (a % {random.randrange(3, 100)} == 0) w += (double)(v[i] {ops[2]} n) / {random.randrange(2, 50)};
  }}
  for (struct node *p = list; p; p = p->next) {{
    if (p->key > (int64_t)a && p->weight < w)
      a += strlen(p->name);
    else
      p->weight *= t{n}[a % 24].weight;
    p->key = p->key {ops[0]} (int64_t)a;
  }}
{f"  if (n > {random.randrange(4, 40)}) a += (uint64_t){callee}(list, v, n / 2);" if callee else "  (void)w;"}
  return (int64_t)a + (int64_t)w;
}}"""
    print(text)
    lines += text.count("\n") + 1
    n += 1
print(f"int main(void) {{ int64_t v[4] = {{1, 2, 3, 4}}; printf(\"%lld\\n\", (long long)f{n - 1}(0, v, 4)); return 0; }}")
