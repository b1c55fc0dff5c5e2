#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The instruction table -> C++.

Reads table/*.insn (format: docs/adding-an-instruction.md) and writes, deterministically,
  insn.h               enum Op, struct Insn with one accessor per field, RowInfo
  decode.cpp           Op decode(u32): exactly one row or Op::UNALLOCATED
  semantics_table.cpp  Op -> semantics function
  translate_table.cpp  Op -> template, null where the row has none and the semantics run instead
  disasm_table.cpp     Op -> name and assembly format
  row_conditions.cpp   Op -> its `when` as a function, for the test that checks decode() against the table
It refuses tables in which a field name has two meanings, a row is not 32 bits, or two rows of equal specificity overlap.
"""
import functools
import re
import sys
from pathlib import Path


class Row:
    def __init__(self, where, name, bits, asm, attrs):
        self.where, self.name, self.asm = where, name, asm
        self.mask = self.value = 0
        self.fields = []  # (name, lo, width)
        pos = 32
        for tok in bits.split():
            m = re.fullmatch(r"([A-Za-z_]\w*):(\d+)", tok)
            if m:
                width = int(m[2])
                pos -= width
                self.fields.append((m[1], pos, width))
            elif re.fullmatch(r"[01x]+", tok):
                for c in tok:
                    pos -= 1
                    if c != "x":
                        self.mask |= 1 << pos
                        self.value |= int(c) << pos
            else:
                sys.exit(f"{where}: {name}: bad bit token '{tok}'")
        if pos != 0:
            sys.exit(f"{where}: {name}: {32 - pos} bits, not 32")
        self.family = Path(where.split(":")[0]).stem
        self.feature, self.nzcv, self.flow, self.mem, self.when = "", "", "", "", []
        for a in attrs.split(";"):
            a = a.strip()
            if not a:
                continue
            key, _, val = a.partition("=")
            key, val = key.strip(), val.strip()
            if key == "feat":
                self.feature = val
            elif key == "nzcv":
                self.nzcv = val
            elif key == "flow":
                self.flow = val
            elif key == "mem":
                self.mem = val
            elif key == "when":
                self.when.append(val)
            else:
                sys.exit(f"{where}: {name}: unknown attribute '{key}'")
        if self.nzcv not in ("", "r", "w", "rw"):
            sys.exit(f"{where}: {name}: nzcv={self.nzcv}")
        if self.flow not in FLOWS:
            sys.exit(f"{where}: {name}: flow={self.flow}")
        if self.mem not in ("", "load", "store", "both"):
            sys.exit(f"{where}: {name}: mem={self.mem}")
        if self.feature not in EXECUTED:
            self.flow = "exception"


# What auxv, the ID registers and /proc/cpuinfo show. Rows of any other feature decode and raise SIGILL, whatever flow they
# would have: they end a block, and nothing runs through them.
EXECUTED = {"", "LSE", "CRC32", "RDM", "DotProd", "LRCPC", "DPB", "AES", "PMULL", "SHA1", "SHA256", "FP16"}

FLOWS = {"": "None", "branch": "Branch", "cond": "Cond", "call": "Call", "indirect": "Indirect",
         "indirect_call": "IndirectCall", "ret": "Ret", "svc": "Svc", "exception": "Exception", "sync": "Sync"}


def cond_expr(row, text):
    """A field condition such as 'sf==0 -> imms<32' or 'size!=3' as a C++ expression over the word."""
    lhs, arrow, rhs = text.partition("->")
    expr = f"(!({lhs}) || ({rhs}))" if arrow else f"({text})"
    for name, lo, width in sorted(row.fields, key=lambda f: -len(f[0])):
        expr = re.sub(rf"(?<![\w.])\b{name}\b", f"((w >> {lo}) & {(1 << width) - 1:#x})", expr)
    left = re.findall(r"[A-Za-z_]\w*", re.sub(r"0[xb][0-9a-fA-F]+|\bw\b", "", expr))
    if left:
        sys.exit(f"{row.where}: {row.name}: unknown field {left[0]} in '{text}'")
    return expr


def read_tables(directory):
    rows, names = [], {}
    for path in sorted(Path(directory).glob("*.insn")):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            line = line.split("#!")[0].rstrip()
            if not line or line.lstrip().startswith("//"):
                continue
            parts = [p.strip() for p in line.split("|", 3)]
            where = f"{path.name}:{n}"
            if len(parts) not in (3, 4):
                sys.exit(f"{where}: want 'name | bits | assembly | attributes'")
            row = Row(where, parts[0], parts[1], parts[2], parts[3] if len(parts) == 4 else "")
            if row.name in names:
                sys.exit(f"{where}: {row.name} is already at {names[row.name]}")
            names[row.name] = where
            rows.append(row)
    return rows


def check_fields(rows):
    """One field name, one place: accessors need no row."""
    seen = {}
    for r in rows:
        for name, lo, width in r.fields:
            if seen.setdefault(name, (lo, width, r)) [:2] != (lo, width):
                o = seen[name]
                sys.exit(f"{r.where}: field {name} is {lo}:{width} here but {o[0]}:{o[1]} in {o[2].where}")
    return {k: v[:2] for k, v in sorted(seen.items())}


def check_overlaps(rows):
    """Rows may overlap only when one is strictly more specific (a superset of the other's fixed bits), or when a
    `when` condition separates them; the exhaustive scan in the tests proves the latter."""
    bad = []
    by_bucket = {}
    for r in rows:
        by_bucket.setdefault(r.mask & r.value & 0x1E000000, []).append(r)
    for i, a in enumerate(rows):
        for b in rows[i + 1:]:
            if (a.value ^ b.value) & a.mask & b.mask:
                continue
            if a.mask == b.mask or (a.mask & b.mask) not in (a.mask, b.mask):
                if not a.when and not b.when:
                    bad.append(f"{a.where}: {a.name} overlaps {b.where}: {b.name}")
    if bad:
        sys.exit("\n".join(bad))


def specificity(r):
    return (-bin(r.mask).count("1"), -len(r.when), r.name)


def condition_cubes(row):
    """The row's fixed bits and its `when`s as a short list of (mask, value), or None when that takes too many."""
    if not row.when:
        return [(row.mask, row.value)]
    used = [f for f in row.fields if any(re.search(rf"(?<![\w.]){f[0]}\b", t) for t in row.when)]
    bits = [lo + n for _, lo, width in used for n in reversed(range(width))]
    if len(bits) > 12:
        return None
    text = " and ".join(f"({cond_expr(row, t)})" for t in row.when)
    text = text.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?!=)", " not ", text)
    test = eval(compile(f"lambda w: bool({text})", row.where, "eval"))
    cubes = []

    def split(n, mask, value, table):
        """`table`: the truth of the condition for all values of bits[n:], the first of them the most significant."""
        if all(table):
            cubes.append((mask, value))
        elif any(table):
            bit, half = 1 << bits[n], len(table) // 2
            if table[:half] == table[half:]:
                split(n + 1, mask, value, table[:half])
            else:
                split(n + 1, mask | bit, value, table[:half])
                split(n + 1, mask | bit, value | bit, table[half:])

    words = [sum(1 << b for i, b in enumerate(reversed(bits)) if n >> i & 1) for n in range(1 << len(bits))]
    split(0, row.mask, row.value, [test(row.value | w) for w in words])
    return cubes if len(cubes) <= 16 else None


def emit_decode(rows, out):
    """A tree of tables indexed by bit fields of the word, its leaves lists of (mask, value, row).

    Conditions become masks where that is cheap, so that the tables resolve them, too: a decode is two to four dependent
    loads and one compare, with hardly a branch to mispredict. Lists are in order of specificity, as the table demands."""
    entries = []  # (mask, value, row, needs its condition)
    for r in sorted(rows, key=specificity):
        cubes = condition_cubes(r)
        entries += [(m, v, r, False) for m, v in cubes] if cubes else [(r.mask, r.value, r, True)]
    tree, leaves, leaf_at, node_at = [0] * 2048, [], {}, {}

    def leaf(ids):
        if ids not in leaf_at:
            leaf_at[ids] = len(leaves)
            leaves.extend(ids)
            leaves.append(None)
        return 0x8000 | leaf_at[ids]

    def under(ids, mask, value):
        return tuple(i for i in ids if not (entries[i][1] ^ value) & entries[i][0] & mask)

    def reduce(ids, known):
        """Drops what comes behind an entry that always matches."""
        for n, i in enumerate(ids):
            if not entries[i][0] & ~known and not entries[i][3]:
                return ids[:n + 1]
        return ids

    def place(ids, known):
        ids = reduce(ids, known)
        if len(ids) <= 1:
            return leaf(ids)
        key = (ids, known & functools.reduce(lambda m, i: m | entries[i][0], ids, 0))
        if key not in node_at:
            best = None
            for width in range(1, 7):
                for shift in range(0, 33 - width):
                    mask = ((1 << width) - 1) << shift
                    if mask & known:
                        continue
                    lists = [reduce(under(ids, mask, v << shift), known | mask) for v in range(1 << width)]
                    cost = sum(len(x) for x in lists) / len(lists) + len(lists) / 80
                    if best is None or cost < best[0]:
                        best = (cost, shift, width, mask)
            if best is None or best[0] > len(ids) - 0.3:
                node_at[key] = leaf(ids)
            else:
                _, shift, width, mask = best
                at = len(tree)
                node_at[key] = at
                tree.append(shift | width << 8)
                tree.extend([0] * (1 << width))
                for v in range(1 << width):
                    tree[at + 1 + v] = place(under(ids, mask, v << shift), known | mask)
        return node_at[key]

    top = 0x7FF << 21
    for n in range(2048):
        tree[n] = place(under(tuple(range(len(entries))), top, n << 21), top)
    if len(tree) >= 0x8000 or len(leaves) >= 0x8000:
        sys.exit("decode tree too large for 15-bit indices")

    hard = sorted({e[2].name: e[2] for e in entries if e[3]}.values(), key=lambda r: r.name)
    number = {r.name: n for n, r in enumerate(hard, 1)}
    out.append("// Generated by generate.py; do not edit.\n#include \"insn.h\"\n\nnamespace grus::a64 {\nnamespace {\n")
    out.append("// What masks cannot say cheaply.\nbool holds(unsigned condition, u32 w) {\n  switch (condition) {")
    for r in hard:
        out.append(f"    case {number[r.name]}: return {' && '.join(cond_expr(r, c) for c in r.when)};")
    out.append("    default: return true;\n  }\n}\n")
    out.append("struct Entry {\n  u32 mask, value;\n  Op op;\n  u16 condition;\n};\nconst Entry kEntries[] = {")
    for i in leaves:
        if i is None:
            out.append("    {0, 0, Op::UNALLOCATED, 0},")
        else:
            m, v, r, needs = entries[i]
            out.append(f"    {{{m:#010x}, {v:#010x}, Op::{r.name}, {number[r.name] if needs else 0}}},")
    out.append("};\n\n// The first 2048 are indexed by bits 31..21. 0x8000 | n: the list at kEntries[n]. Else a node: shift | width << 8,\n"
               "// followed by as many of the same.\nconst u16 kTree[] = {")
    for n in range(0, len(tree), 16):
        out.append("    " + ", ".join(f"{x:#x}" for x in tree[n:n + 16]) + ",")
    out.append("};\n\n}  // namespace\n")
    out.append("""Op decode(u32 w) {
  u32 n = kTree[w >> 21];
  while (!(n & 0x8000)) {
    u32 node = kTree[n];
    n = kTree[n + 1 + (w >> (node & 31) & ((1u << (node >> 8)) - 1))];
  }
  const Entry* e = kEntries + (n & 0x7fff);
  while ((w & e->mask) != e->value || (e->condition && !holds(e->condition, w))) e++;
  return e->op;
}

}  // namespace grus::a64""")


def main():
    table, outdir = sys.argv[1], Path(sys.argv[2])
    rows = read_tables(table)
    fields = check_fields(rows)
    check_overlaps(rows)
    outdir.mkdir(parents=True, exist_ok=True)

    h = ["// Generated by generate.py; do not edit.\n#pragma once\n#include \"base/types.h\"\n\nnamespace grus::a64 {\n"]
    h.append("struct CpuState;\n\nenum class Op : u16 {\n  UNALLOCATED,")
    h += [f"  {r.name}," for r in rows]
    h.append("  kCount,\n};\n")
    feats = sorted({r.feature for r in rows if r.feature})
    h.append("enum class Feature : u8 {\n  Base,")
    h += [f"  {f}," for f in feats]
    h.append("};\n")
    h.append("enum class Flow : u8 { " + ", ".join(FLOWS.values()) + " };\n")
    h.append("// One decoded instruction: the word, its row, and an accessor for each field of the table.\nstruct Insn {\n"
             "  u32 word = 0;\n  Op op = Op::UNALLOCATED;\n")
    for name, (lo, width) in fields.items():
        h.append(f"  unsigned {name}() const {{ return (word >> {lo}) & {(1 << width) - 1:#x}; }}")
    h.append("};\n")
    h.append("struct RowInfo {\n  const char* name;\n  const char* assembly;\n  u32 mask, value;\n  Feature feature;\n"
             "  Flow flow;\n  bool reads_nzcv, writes_nzcv, loads, stores;\n};\n")
    h.append("// What the translator asks of every row, in one byte: RowInfo's table is too big for the first-level cache.\n"
             "struct RowTraits {\n  u8 bits;\n  bool reads_nzcv() const { return bits & 1; }\n"
             "  bool writes_nzcv() const { return bits & 2; }\n"
             "  Flow flow() const { return static_cast<Flow>(bits >> 2); }\n};\n"
             "extern const RowTraits kTraits[];\n")
    h.append("Op decode(u32 word);\nextern const RowInfo kRows[];\nconst char* feature_name(Feature);\n")
    h.append("using Semantics = void (*)(CpuState&, Insn);\nextern const Semantics kSemantics[];\n"
             "// The table file of each row.\nextern const char* const kRowFamily[];\n")
    h.append("namespace semantics {")
    h += [f"void {r.name}(CpuState& cpu, Insn i);" for r in rows]
    h.append("}  // namespace semantics\n\n}  // namespace grus::a64")
    write(outdir / "insn.h", h)

    d = []
    emit_decode(rows, d)
    write(outdir / "decode.cpp", d)

    b = lambda v: "true" if v else "false"
    t = ["// Generated by generate.py; do not edit.\n#include \"insn.h\"\n\nnamespace grus::a64 {\n",
         "const RowInfo kRows[] = {\n    {\"UNALLOCATED\", \"unallocated\", 0, 0, Feature::Base, Flow::Exception, false, "
         "false, false, false},"]
    for r in rows:
        asm = r.asm.replace("\\", "\\\\").replace('"', '\\"')
        t.append(f"    {{\"{r.name}\", \"{asm}\", {r.mask:#010x}, {r.value:#010x}, Feature::{r.feature or 'Base'}, "
                 f"Flow::{FLOWS[r.flow]}, {b('r' in r.nzcv)}, {b('w' in r.nzcv)}, {b(r.mem in ('load', 'both'))}, "
                 f"{b(r.mem in ('store', 'both'))}}},")
    flow_number = {f: n for n, f in enumerate(FLOWS)}
    t.append("};\n\nconst RowTraits kTraits[] = {\n    {" + str(flow_number["exception"] << 2) + "},")
    t += [f"    {{{('r' in r.nzcv) | ('w' in r.nzcv) << 1 | flow_number[r.flow] << 2}}}," for r in rows]
    t.append("};\n\nconst char* const kRowFamily[] = {\n    \"\",")
    t += [f"    \"{r.family}\"," for r in rows]
    t.append("};\n\nconst char* feature_name(Feature f) {\n  static const char* const names[] = {\"Base\", "
             + ", ".join(f'"{f}"' for f in feats) + "};\n  return names[static_cast<unsigned>(f)];\n}\n")
    t.append("\n}  // namespace grus::a64")
    write(outdir / "disasm_table.cpp", t)

    c = ["// Generated by generate.py; do not edit.\n#include \"insn.h\"\n\nnamespace grus::a64 {\n"]
    for r in rows:
        if r.when:
            c.append(f"static bool when_{r.name}(u32 w) {{ return {' && '.join(cond_expr(r, t) for t in r.when)}; }}")
    c.append("\nextern bool (*const kRowConditions[])(u32);\nbool (*const kRowConditions[])(u32) = {\n    nullptr,")
    c += [f"    {'when_' + r.name if r.when else 'nullptr'}," for r in rows]
    c.append("};\n\n}  // namespace grus::a64")
    write(outdir / "row_conditions.cpp", c)

    # Weak: a row whose feature is not advertised needs no semantics, a row without a template runs its semantics.
    # tests/ check that every row that must have semantics has them.
    s = ["// Generated by generate.py; do not edit.\n#include \"insn.h\"\n\nnamespace grus::a64 {\nnamespace semantics {"]
    s += [f"[[gnu::weak]] void {r.name}(CpuState&, Insn);" for r in rows]
    s.append("}  // namespace semantics\n\nconst Semantics kSemantics[] = {\n    nullptr,")
    s += [f"    semantics::{r.name}," for r in rows]
    s.append("};\n\n}  // namespace grus::a64")
    write(outdir / "semantics_table.cpp", s)

    x = ["// Generated by generate.py; do not edit.\n#include \"translate/a64_to_x64/templates.h\"\n\n"
         "namespace grus::a64_to_x64 {\nnamespace templates {"]
    x += [f"[[gnu::weak]] void {r.name}(Emitter&, a64::Insn);" for r in rows]
    x.append("}  // namespace templates\n\nconst Template kTemplates[] = {\n    nullptr,")
    x += [f"    templates::{r.name}," for r in rows]
    x.append("};\n\n}  // namespace grus::a64_to_x64")
    write(outdir / "translate_table.cpp", x)
    th = ["// Generated by generate.py; do not edit.\n#pragma once"]
    th += [f"void {r.name}(Emitter& e, a64::Insn i);" for r in rows]
    write(outdir / "template_names.inc", th)


def write(path, lines):
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


if __name__ == "__main__":
    main()
