#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generated programs, compiled for AArch64 at every level of optimisation and with LLVM's machine outliner, run under
Grus and held to what the same source says when it is compiled for x86-64 and run natively.

Guarantees: the native answer counts only where two native builds agree on it; each program runs on an empty cache, on
the cache that this left, and every other one under --interpret; with the outliner, functions that return flags have to
be there (they are counted in the disassembly), so the comparison cannot pass for want of them.
Deliberately no shrinking: a difference names the first function (C) or step (Rust) that differs, and keeps the source.

  run.py c ENGINE WORK FIRST-LAST           the host's gcc, clang and AArch64 cross compiler
  run.py root-c|root-rust ENGINE WORK FIRST-LAST ARM_ROOT NATIVE_ROOT
                                            clang or rustc of an x86-64 root; C library and std of an AArch64 one
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

import c_programs
import rust_programs

OUTLINER = "-enable-machine-outliner=always"
LIMIT = 120  # seconds; the programs take milliseconds
EXTRA = [[], ["-march=armv8.2-a"], ["-mbranch-protection=standard"], ["-fomit-frame-pointer", "-fno-inline"]]
SETS = re.compile(r"\b(cmp|cmn|tst|adds|subs|ands|bics|adcs|sbcs|ngcs?|negs|fcmpe?|ccmp|ccmn|fccmpe?)\b")
READS = re.compile(r"\b(b\.\w+|cset|csetm|csel|csinc|csinv|csneg|cinc|cinv|cneg|fcsel|adcs?|sbcs?|ngcs?|ccmp|ccmn|fccmpe?|mrs)\b")


class Host:
    """The compilers of this machine."""

    def __init__(self, work):
        self.work = work

    def run(self, command):
        return subprocess.run(command, cwd=self.work, capture_output=True, timeout=LIMIT)

    def builds(self, seed):
        """Guest builds: (label, command without source and output, outlined)."""
        extra = EXTRA[seed % len(EXTRA)]
        for level in ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz"):
            yield f"clang {level}", ["clang", "--target=aarch64-linux-gnu", "-mllvm", OUTLINER, level, *extra], level == "-Oz"
        for level in ("-O0", "-O1", "-O2", "-O3", "-Os"):
            yield f"gcc {level}", ["aarch64-linux-gnu-gcc", level, *extra], False

    native = [["gcc", "-O1"], ["clang", "-O2"]]
    flags = ["-static", "-ffp-contract=off", "-fwrapv", "-w", "-lm"]
    suffix, program = ".c", staticmethod(c_programs.program)


class Root:
    """rustc and clang of an x86-64 root make programs for AArch64 with the libraries of an AArch64 root."""

    def __init__(self, work, arm, native):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "smoke"))
        import sandbox
        sandbox.unshare(sandbox.CLONE_NEWNS)
        sandbox.mount("--make-rprivate", "/")
        self.root = sandbox.Root(native, work)
        for name in ("arm", "build"):
            (work / name).mkdir(exist_ok=True)
        sandbox.mount("--bind", arm, self.root.path / "work/arm")

    def run(self, command):
        return self.root.run("build", command, timeout=LIMIT)

    cross = ["--target=aarch64-linux-gnu", "--sysroot=/work/arm", "-fuse-ld=lld"]


class RootC(Root):
    def builds(self, seed):
        for level in ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz"):
            yield f"clang {level}", ["clang", *self.cross, "-mllvm", OUTLINER, level, *EXTRA[seed % len(EXTRA)]], level == "-Oz"

    native = [["gcc", "-O1"], ["clang", "-O2"]]
    flags, suffix, program = Host.flags, ".c", staticmethod(c_programs.program)


class RootRust(Root):
    def builds(self, seed):
        rustc = ["rustc", "--target=aarch64-unknown-linux-gnu", "--sysroot=/work/arm/usr", "-Clinker=clang",
                 *(f"-Clink-arg={a}" for a in self.cross), f"-Cllvm-args={OUTLINER}", f"-Cpanic={('unwind', 'abort')[seed & 1]}"]
        for level in ("0", "1", "2", "3", "s", "z"):
            yield f"rustc {level}", [*rustc, f"-Copt-level={level}"], level == "z"

    native = [["rustc", "-Copt-level=1"], ["rustc", "-Copt-level=3"]]
    flags = ["--edition=2021", "-Ctarget-feature=+crt-static", "-Awarnings", "-Coverflow-checks=on"]
    suffix, program = ".rs", staticmethod(rust_programs.program)


def outlined_functions(binary):
    """How many functions the outliner made, and in how many of them flags are set that nothing after them reads."""
    text = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", binary], check=True, stdout=subprocess.PIPE, text=True).stdout
    made = returning = 0
    for function in re.split(r"\n\n", text):
        if not re.match(r"\w+ <[^>]*OUTLINED_FUNCTION_", function):
            continue
        made += 1
        lines = [line.split("\t", 1)[1] for line in function.split("\n")[1:] if "\t" in line]
        last = max((i for i, line in enumerate(lines) if SETS.match(line)), default=None)
        returning += last is not None and not any(READS.match(line) for line in lines[last + 1:])
    return made, returning


def first_difference(expected, got):
    for a, b in zip(expected.split(b"\n"), got.split(b"\n")):
        if a != b:
            return f"native '{a.decode()}', grus '{b.decode(errors='replace')}'"
    return f"native {len(expected)} bytes, grus {len(got)} bytes"


class Seed:
    def __init__(self, toolchain, engine, work, seed):
        self.chain, self.engine, self.work, self.seed = toolchain, engine, work, seed
        self.passed, self.failures, self.made, self.returning = 0, [], 0, 0
        self.name = f"p{seed}"
        self.keep = False

    def fail(self, message):
        self.failures.append(f"seed {self.seed}: {message}")
        self.keep = True

    def build(self, command, output):
        result = self.chain.run([*command, self.name + self.chain.suffix, "-o", output, *self.chain.flags])
        if result.returncode:
            self.fail(f"{' '.join(command)}: does not compile: {result.stderr.decode(errors='replace')[:2000]}")
        return result.returncode == 0

    def expected(self):
        answers = []
        for i, command in enumerate(self.chain.native):
            output = f"{self.name}.native{i}"
            if not self.build(command, output):
                return None
            r = subprocess.run([self.work / output], capture_output=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
            answers.append((r.returncode, r.stdout))
            (self.work / output).unlink()
        if answers[0] != answers[1] or answers[0][0] < 0 or answers[0][1].count(b"\n") < 10:
            self.fail("the native builds do not agree: the generator is at fault")
            return None
        return answers[0]

    def run_guest(self, binary, label, expected, cache, *options):
        environment = {"GRUS_CACHE": str(cache), "PATH": os.environ["PATH"]}
        try:
            r = subprocess.run([self.engine, *options, binary], capture_output=True, timeout=LIMIT, env=environment,
                               stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return self.fail(f"{label}: does not end")
        if r.stdout != expected[1] or r.returncode != expected[0]:
            return self.fail(f"{label}: {first_difference(expected[1], r.stdout)}, exit status native {expected[0]}, "
                             f"grus {r.returncode} {r.stderr.decode(errors='replace')[:300]}")
        self.passed += 1

    def test(self):
        source = self.work / (self.name + self.chain.suffix)
        source.write_text(self.chain.program(self.seed))
        expected = self.expected()
        for number, (label, command, outlined) in enumerate(self.chain.builds(self.seed) if expected else ()):
            output = f"{self.name}.{label.replace(' ', '').replace('-', '')}"
            if not self.build(command, output):
                continue
            binary, cache = self.work / output, self.work / (output + ".cache")
            shutil.rmtree(cache, ignore_errors=True)
            before = len(self.failures)
            self.run_guest(binary, f"{label}, no cache yet", expected, cache)
            self.run_guest(binary, f"{label}, cached", expected, cache)
            if (number + self.seed) % 2:
                self.run_guest(binary, f"{label}, --interpret", expected, "off", "--interpret")
            if outlined:
                made, returning = outlined_functions(binary)
                self.made, self.returning = self.made + made, self.returning + returning
            shutil.rmtree(cache, ignore_errors=True)
            if len(self.failures) == before:
                binary.unlink()
        if not self.keep:
            source.unlink()
        return self


def main():
    what, engine, work, seeds = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    chain = Host(work) if what == "c" else {"root-c": RootC, "root-rust": RootRust}[what](work, *(pathlib.Path(p).resolve() for p in sys.argv[5:7]))
    place = work if what == "c" else work / "build"
    first, last = map(int, seeds.split("-"))
    passed, failures, made, returning = 0, [], 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for seed in pool.map(lambda n: Seed(chain, engine, place, n).test(), range(first, last + 1)):
            passed += seed.passed
            failures += seed.failures
            made += seed.made
            returning += seed.returning
            for failure in seed.failures:
                print("FAIL " + failure, flush=True)
    if returning < 3 * (last - first + 1):
        failures.append("too few")
        print("FAIL too few functions return flags: the outliner did nothing that this could test")
    print(f"seeds {seeds}: {made} outlined functions at the smallest size, {returning} of them return flags; "
          + (f"what differs is kept in {place}" if failures else "nothing is kept"))
    print(f"generated {what}: {passed} passed, {len(failures)} failed")
    sys.exit(bool(failures))


main()
