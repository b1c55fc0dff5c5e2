#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what the compiler made of the engine: the guest's vector registers live in the host's while C++ runs.

Guarantees: no C++ object uses a vector or x87 register; the program is static, at its address in the engine arena, without
relocations, undefined symbols, thread-local storage, constructors or an interpreter. Deliberately does not look into the assembly files: they
save and restore the vector registers on purpose.

  engine_image.py ENGINE OBJECT...
"""
import re
import subprocess
import sys

VECTOR = re.compile(r"%(?:[xyz]mm\d+|mm\d|st\b)")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def vector_uses(path):
    function, seen = "?", set()
    for line in output("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        match = FUNCTION.match(line)
        if match:
            function = match.group(1)
        elif VECTOR.search(line) and function not in seen:
            seen.add(function)
            yield f"{path}: {function} uses a vector register: {line.split(None, 1)[1]}"


def image_problems(engine):
    undefined = output("nm", "--undefined-only", engine).split("\n")
    # A weak reference is a table's way to say "no such function".
    yield from (f"undefined symbol: {line.strip()}" for line in undefined if line.strip() and " w " not in line)
    if not re.search(r"LOAD\s+0x0+ 0x00007d0000000000", output("readelf", "-lW", engine)):
        yield "does not lie at the beginning of the engine arena (src/base/address_map.h)"
    if "no relocations" not in output("readelf", "-r", engine):
        yield "needs relocations: page faults and copies of each start"
    segments = output("readelf", "-lW", engine)
    for name in ("INTERP", "TLS"):
        if re.search(rf"^\s+{name}\s", segments, re.M):
            yield f"has a segment {name}"
    if re.search(r"GNU_STACK.*RWE", segments):
        yield "has an executable stack"
    if re.search(r"\.(init_array|ctors)\b", output("readelf", "-SW", engine)):
        yield "has constructors, which nobody would call"
    if "(NEEDED)" in output("readelf", "-d", engine):
        yield "needs a shared library"


def main():
    engine, objects = sys.argv[1], [o for o in sys.argv[2:] if o.endswith(".cpp.o")]
    problems = list(image_problems(engine)) + [p for o in objects for p in vector_uses(o)]
    print("\n".join(problems + [f"{len(objects)} objects, {len(problems)} problems"]))
    sys.exit(1 if problems or not objects else 0)


main()
