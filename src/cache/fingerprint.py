#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fingerprint.py OUT ROOT SOURCE...: the translator's fingerprint, part of every cache file's name.

It changes when the sources that decide what translated code looks like change - templates, homes, regions, the assembler, the
instruction table, the file's layout, what the code reaches through its state pointer - and not for comments or white space,
nor for anything else in the repository.
"""
import hashlib
import os
import re
import sys

COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)

out, root, *sources = sys.argv[1:]
h = hashlib.sha256()
for path in sorted(sources):
    text = open(path, encoding="utf-8").read()
    text = re.sub(r"#[^\n]*", "", text) if path.endswith(".insn") else COMMENTS.sub("", text)
    h.update(os.path.relpath(path, root).encode() + b"\0" + "".join(text.split()).encode() + b"\0")
value = int.from_bytes(h.digest()[:8], "little")
text = f"#pragma once\nnamespace grus {{\ninline constexpr unsigned long kTranslatorFingerprint = {value:#x};\n}}\n"
if not os.path.exists(out) or open(out).read() != text:
    open(out, "w").write(text)
