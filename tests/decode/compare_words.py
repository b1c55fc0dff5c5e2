#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Words with the text they must have: for what binutils 2.40 does not know.

  compare_words.py PRINT_WORDS FILE

A line of FILE is HEXWORD ASSEMBLY; "//" starts a comment. Exit status 1 on a difference.
"""
import struct
import subprocess
import sys

lines = [line.split("//")[0].split(None, 1) for line in open(sys.argv[2]) if line.split("//")[0].strip()]
want = [(int(word, 16), text.strip()) for word, text in lines]
data = struct.pack(f"<{len(want)}I", *(word for word, _ in want))
out = subprocess.run([sys.argv[1]], input=data, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
errors = 0
for (word, text), line in zip(want, out, strict=True):
    got = line.split("\t")[2]
    if got != text:
        print(f"{word:08x}: want '{text}', got '{got}'")
        errors += 1
print(f"{len(want)} words, {errors} differences")
sys.exit(errors != 0)
