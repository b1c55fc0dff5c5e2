#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HOUSE 0.1: does the translator's fingerprint cover what decides translated code?

Guarantees: whatever the translator, the assembler and the placement of code include, read from the sources and not asked of the compiler
as fingerprint.py does, is in the list of what the fingerprint was made of; so are the instruction table and its generator. A
change of a header that was once forgotten gives another fingerprint.
Deliberately not here: what is decided by functions that are called and not included; window.cpp and stubs.S are named for that.

  fingerprint.py SOURCE_ROOT COMPILER GEN
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def closure(src, files):
    seen, queue = set(), list(files)
    while queue:
        file = queue.pop().resolve()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        for name in INCLUDE.findall(file.read_text(encoding="utf-8")):
            queue += [src / name, file.parent / name]
    return seen


def fingerprint(root, compiler, gen, scratch, sources):
    out = scratch / "fingerprint.h"
    subprocess.run([sys.executable, root / "src/cache/fingerprint.py", out, root, compiler, gen, *sources], check=True)
    return out.read_text()


def main():
    root, compiler, gen = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], pathlib.Path(sys.argv[3])
    src = root / "src"
    covered = {root / line for line in (gen / "fingerprint.h.txt").read_text().split("\n") if line}
    roots = [*src.glob("translate/**/*.cpp"), *src.glob("translate/**/*.h"), *src.glob("host/**/*.cpp"), *src.glob("host/**/*.h"),
             src / "cache/window.cpp", src / "cache/format.h", src / "run/stubs.S"]
    table = [*src.glob("guest/aarch64/table/*.insn"), src / "guest/aarch64/generate.py"]
    wanted = closure(src, roots) | set(table) | {src / "base/address_map.h", src / "guest/aarch64/operands.h"}
    problems = [f"{file.relative_to(root)} is not part of the fingerprint" for file in sorted(wanted - covered)]
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / "tree"
        shutil.copytree(src, copy / "src")
        sources = [copy / f.relative_to(root) for f in [*roots, *table] if f.suffix != ".h"]
        before = fingerprint(copy, compiler, gen, copy, sources)
        for name in ("base/address_map.h", "guest/aarch64/operands.h", "cache/window.cpp"):
            file = copy / "src" / name
            text = file.read_text()
            file.write_text(text + "// a comment\n")
            if fingerprint(copy, compiler, gen, copy, sources) != before:
                problems.append(f"src/{name}: a comment changes the fingerprint")
            file.write_text(text + "static_assert(true);\n")
            if fingerprint(copy, compiler, gen, copy, sources) == before:
                problems.append(f"src/{name}: a change leaves the fingerprint as it was")
            file.write_text(text)
    print("\n".join(problems + [f"{len(wanted)} files, {len(problems)} problems"]))
    sys.exit(1 if problems or len(wanted) < 50 else 0)


main()
