#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fingerprint.py OUT ROOT COMPILER GEN SOURCE...: the translator's fingerprint, part of every cache file's name.

Guarantees: it changes when a file changes that decides what translated code looks like: SOURCE (templates, regions, the assembler, where code
is placed, the instruction table, what translated code calls) and all that the compiler reads of the source tree when it compiles these
(-MM). OUT.d is for the build: it says what OUT was made of; so does OUT.txt, for the test.
Deliberately not here: comments, white space, the system's headers, and what is generated: its generator and the table count.
"""
import hashlib
import os
import re
import subprocess
import sys

COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)

out, root, compiler, gen, *sources = sys.argv[1:]
compiled = [s for s in sources if s.endswith((".cpp", ".S"))]
rules = subprocess.run([compiler, "-std=c++20", "-Ulinux", "-MM", "-I", os.path.join(root, "src"), "-I", gen, *compiled], check=True,
                       stdout=subprocess.PIPE, text=True).stdout
read = {os.path.realpath(word) for word in rules.replace("\\\n", " ").split() if not word.endswith(":")}
src = os.path.realpath(os.path.join(root, "src")) + os.sep
closure = sorted({os.path.realpath(s) for s in sources} | {path for path in read if path.startswith(src)})

h = hashlib.sha256()
for path in closure:
    text = open(path, encoding="utf-8").read()
    text = re.sub(r"#[^\n]*", "", text) if path.endswith(".insn") else COMMENTS.sub("", text)
    h.update(os.path.relpath(path, os.path.realpath(root)).encode() + b"\0" + "".join(text.split()).encode() + b"\0")
value = int.from_bytes(h.digest()[:8], "little")
text = f"#pragma once\nnamespace grus {{\ninline constexpr unsigned long kTranslatorFingerprint = {value:#x};\n}}\n"
if not os.path.exists(out) or open(out).read() != text:
    open(out, "w").write(text)
open(out + ".txt", "w").write("".join(os.path.relpath(path, os.path.realpath(root)) + "\n" for path in closure))
stamp = os.path.splitext(out)[0] + ".stamp"
open(out + ".d", "w").write(stamp + ": " + " ".join(path.replace(" ", "\\ ") for path in closure) + "\n")
