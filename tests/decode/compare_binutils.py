#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decoder and disassembler against binutils.

  compare_binutils.py PRINT_WORDS OBJDUMP [--per-row N] [--random N] [--seed S] [--row NAME] [--all]

1. For every row of the table, N random words of it: the text must be that of objdump, with or without its aliases.
2. Random words of the whole space: what one calls allocated, the other must, too.
Numbers are compared by value, not spelling. Differences that are binutils' (2.40), or a matter of taste, are in
KNOWN_TEXT and KNOWN_ALLOCATION below, each with its reason. Exit status 1 on any other difference.
"""
import argparse
import random
import re
import struct
import subprocess
import sys
import tempfile

# Features newer than binutils 2.40: it shows ".inst".
NEWER = {"CPA", "CSSC", "CMPBR", "D128", "F16F32DOT", "F16F32MM", "F16MM", "F8F16MM", "F8F32MM", "FAMINMAX", "FP8", "FP8DOT2",
         "FP8DOT4", "FP8FMA", "FPRCVT", "GCS", "LRCPC3", "LSE128", "LSFE", "LSUI", "LUT", "PAuth_LR", "THE"}



def known_text(row, word, text):
    """Whether a text may differ, because binutils' is of another kind."""
    if row == "MSR_imm":
        return True  # binutils knows fewer fields of PSTATE and wants CRm < 2 for most
    if row in ("MRS", "MSR_reg"):
        # Binutils has names for most registers; where it has none, both print S3_op1_Cn_Cm_op2.
        return not re.search(r"\bs[0-3]_\d_c\d", text)
    if row in ("CFINV", "XAFLAG", "AXFLAG"):
        return word >> 8 & 15 != 0  # CRm is (0)(0)(0)(0): binutils wants the zeros
    return False


# Words that binutils 2.40 does not know, as LLVM 20's tests of its assembler give them: the text begins so.
NEWER_TEXT = {
    0xDAC1A3FE: "paciasppc", 0xDAC1A7FE: "pacibsppc", 0xDAC183FE: "pacnbiasppc", 0xDAC187FE: "pacnbibsppc",
    0xF380009F: "autiasppc", 0x7423A005: "cbbge w5, w3,", 0x7443A005: "cbbhi w5, w3,", 0x7463A005: "cbbhs w5, w3,",
    0x7403E005: "cbhgt w5, w3,", 0x7423E005: "cbhge w5, w3,", 0x75002005: "cbgt w5, #0,", 0xF51FA005: "cbgt x5, #63,",
    0x75402005: "cbhi w5, #0,", 0xF55FA005: "cbhi x5, #63,", 0x9A032FE1: "addpt x1, sp, x3, lsl #3",
    0x9B639041: "msubpt x1, x2, x3, x4", 0xD9421861: "ldiapp x1, x2, [x3]", 0xD9C00841: "ldapr x1, [x2], #8",
    0x1DC04841: "ldapur q1, [x2, #4]", 0x4D418441: "ldap1 {v1.d}[1], [x2]", 0xE8FF0861: "ldtp x1, x2, [x3], #-16",
    0xC95F7C41: "ldtxr x1, [x2]", 0xC9C1FC62: "casalt x1, x2, [x3]",
}

# Differences in what is allocated, each a function whose text is the reason.
KNOWN_ALLOCATION = []


def known_allocation(test):
    KNOWN_ALLOCATION.append(test)
    return test


@known_allocation
def newer(row, word, feature, text):
    "feature newer than binutils 2.40"
    return feature in NEWER


@known_allocation
def sve_sme(row, word, feature, text):
    "SVE and SME are not ours"
    return row == "UNALLOCATED" and (
        word >> 25 & 15 == 2 or word >> 31 and word >> 25 & 15 == 0 or re.match(r"sm(start|stop)", text))


@known_allocation
def reserved_system(row, word, feature, text):
    "op0 = 0: binutils prints MSR and MRS of registers S0_*; the Arm ARM has no such instructions"
    return row == "UNALLOCATED" and word >> 22 == 0x354 and re.match(r"m[rs][rs]\s", text) and "s0_" in text


@known_allocation
def fmlal_size(row, word, feature, text):
    "FMLAL (vector): binutils ignores bit 22, the Arm ARM wants 0"
    return row == "UNALLOCATED" and re.match(r"fml[as]l2?\s", text) and word >> 22 & 1


@known_allocation
def ls64_registers(row, word, feature, text):
    "ST64B and its kin with an odd register or one above x22 are UNDEFINED; binutils prints them"
    return row == "UNALLOCATED" and re.match(r"(st|ld)64b", text) and (word & 1 or word & 24 == 24)


@known_allocation
def should_be_one(row, word, feature, text):
    "fields marked (1) that are not ones: CONSTRAINED UNPREDICTABLE, executed by cores; binutils wants the ones"
    return row in ("LDAR", "STLR", "LDXR", "STXR", "LDXP", "STXP") and text.startswith(".inst")


@known_allocation
def unpredictable_pair(row, word, feature, text):
    "LDPSW of two equal registers: CONSTRAINED UNPREDICTABLE, binutils prints .inst"
    return row.startswith("LDPSW")


def run(argv, data=None):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout.decode()


def objdump(tool, words, aliases):
    with tempfile.NamedTemporaryFile() as f:
        f.write(struct.pack(f"<{len(words)}I", *words))
        f.flush()
        out = run([tool, "-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "aliases" if aliases else "no-aliases", f.name])
    lines = [m[1] for m in re.finditer(r"^\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$", out, re.M)]
    if len(lines) != len(words):
        sys.exit(f"objdump printed {len(lines)} lines for {len(words)} words")
    return lines


def ours(tool, words):
    lines = run([tool], struct.pack(f"<{len(words)}I", *words)).splitlines()
    return [line.split("\t") for line in lines]


def number(m):
    text = m[0]
    if "." in text or ("e" in text and not text.startswith(("0x", "-0x"))):
        return repr(float(text))
    return str(int(text, 0) & 0xFFFFFFFFFFFFFFFF)


def expand_list(m):
    kind, first, suffix, last = m[1], int(m[2]), m[3], int(m[4])
    count = (last - first) % 32 + 1
    return "{" + ", ".join(f"{kind}{(first + n) % 32}{suffix}" for n in range(count)) + "}"


def normal(text):
    text = re.sub(r"\s*//.*", "", text.lower())
    text = re.sub(r"\s*<[^>]*>", "", text)
    text = re.sub(r"\s+", " ", text.strip())
    text = re.sub(r"\{(v)(\d+)(\.\w+)-v(\d+)\.\w+\}", expand_list, text)
    text = re.sub(r"(?<![\w.])-?(0x[0-9a-f]+|\d+\.\d+(e[+-]\d+)?|\d+)(?![\w.])", number, text)
    text = text.replace("#", "")
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("print_words")
    parser.add_argument("objdump")
    parser.add_argument("--per-row", type=int, default=40)
    parser.add_argument("--random", type=int, default=300000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--row")
    parser.add_argument("--all", action="store_true", help="print every difference")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    errors = 0

    rows = [line.split("\t") for line in run([args.print_words, "--rows"]).splitlines()]
    words = []
    for name, mask, value in rows:
        if args.row and name != args.row:
            continue
        mask, value = int(mask, 16), int(value, 16)
        words += [rng.getrandbits(32) & ~mask | value for _ in range(args.per_row)]
    random_from = len(words)
    if not args.row:
        words += [rng.getrandbits(32) for _ in range(args.random)]
    mine = ours(args.print_words, words)
    plain, aliased = objdump(args.objdump, words, False), objdump(args.objdump, words, True)

    for word, (row, _, text) in zip(NEWER_TEXT, ours(args.print_words, list(NEWER_TEXT))):
        if not text.startswith(NEWER_TEXT[word]):
            print(f"{word:08x}: {row}: ours '{text}', LLVM '{NEWER_TEXT[word]}'")
            errors += 1

    seen, compared, shown, explained = set(), 0, {}, {}
    for n, word in enumerate(words):
        row, feature, text = mine[n]
        theirs_allocated = not ("undefined" in plain[n] or plain[n].startswith(".inst"))
        if (row != "UNALLOCATED") != theirs_allocated:
            for test in KNOWN_ALLOCATION:
                if test(row, word, feature, plain[n]):
                    explained[test.__doc__] = explained.get(test.__doc__, 0) + 1
                    break
            else:
                errors += 1
                key = ("allocation", row, plain[n].split("\t")[0].split(" ")[0])
                shown[key] = shown.get(key, 0) + 1
                if args.all or shown[key] <= 2:
                    print(f"{word:08x}: ours {row} '{text}', binutils '{plain[n]}'")
            seen.add(row)
            continue
        if row == "UNALLOCATED":
            continue
        seen.add(row)
        if "?" in text:
            print(f"{word:08x}: {row}: unknown operand in '{text}'")
            errors += 1
            continue
        compared += 1
        if normal(text) in (normal(plain[n]), normal(aliased[n])) or known_text(row, word, plain[n]):
            continue
        errors += 1
        key = ("text", row)
        shown[key] = shown.get(key, 0) + 1
        if args.all or shown[key] <= 2:
            print(f"{word:08x}: {row}: ours '{text}', binutils '{plain[n]}'")

    missing = [name for name, _, _ in rows if name not in seen and not args.row]
    for name in missing:
        print(f"{name}: no random word of this row")
        errors += 1
    for reason, count in sorted(explained.items()):
        print(f"known: {count:7} {reason}")
    print(f"{len(rows)} rows, {compared} texts compared, {len(words) - random_from} random words, {errors} differences")
    return errors != 0


sys.exit(main())
