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


def emit_decode(rows, out):
    """A tree of switches over bits that every remaining row fixes, then a list in order of specificity."""
    out.append("// Generated by generate.py; do not edit.\n#include \"insn.h\"\n\nnamespace grus::a64 {\n")
    out.append("Op decode(u32 w) {")

    def tree(rs, used, depth):
        pad = "  " * (depth + 1)
        common = ~used & 0xFFFFFFFF
        for r in rs:
            common &= r.mask
        # Split on the fixed bits that separate best; stop when the list is short.
        if len(rs) > 4:
            cand = common
            if not cand:  # use the bits that most rows fix; the others appear under both values
                counts = {b: sum(1 for r in rs if r.mask >> b & 1) for b in range(32) if not used >> b & 1}
                best = sorted(counts, key=lambda b: (-counts[b], -b))[:3]
                best = [b for b in best if any((r.mask >> b & 1) and True for r in rs)]
                gain = [b for b in best if len({(r.value >> b & 1) if r.mask >> b & 1 else 2 for r in rs}) > 1]
                cand = sum(1 << b for b in gain)
            else:
                varying = [b for b in range(32) if cand >> b & 1 and len({r.value >> b & 1 for r in rs}) > 1]
                cand = sum(1 << b for b in varying[-6:])
            if cand:
                bits = [b for b in range(32) if cand >> b & 1]
                out.append(f"{pad}switch (w & {cand:#x}) {{")
                for n in range(1 << len(bits)):
                    v = sum(1 << b for i, b in enumerate(bits) if n >> i & 1)
                    sub = [r for r in rs if not (r.value ^ v) & r.mask & cand]
                    if not sub:
                        continue
                    out.append(f"{pad}  case {v:#x}:")
                    tree(sub, used | cand, depth + 2)
                out.append(f"{pad}  default: return Op::UNALLOCATED;\n{pad}}}")
                return
        for r in sorted(rs, key=specificity):
            test = [f"(w & {r.mask:#010x}) == {r.value:#010x}"] + [cond_expr(r, c) for c in r.when]
            out.append(f"{pad}if ({' && '.join(test)}) return Op::{r.name};")
        out.append(f"{pad}return Op::UNALLOCATED;")

    tree(rows, 0, 0)
    out.append("}\n\n}  // namespace grus::a64")


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
