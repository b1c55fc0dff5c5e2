#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every cases/*.sh in the AArch64 root under the engine and in the x86-64 root natively, and compares stdout,
stderr and the exit status.

Guarantees: both sides run the same script with the same packages. The only differences that are forgiven are the
architecture's name, process ids in the messages of bash, and addresses. Deliberately has no expected outputs: the
native run is the expectation.

  programs.py ENGINE ARM_ROOT NATIVE_ROOT WORK [CASE...]
"""
import concurrent.futures
import difflib
import pathlib
import re
import shutil
import sys
import time

import sandbox

CASES = pathlib.Path(__file__).resolve().parent / "cases"
AS_ROOT = {"dpkg", "apt", "apt_install"}  # they change the root and undo it
ONLY_NAMED = {"clang"}  # bookworm's root has none
FORGIVEN = [
    (rb"aarch64|x86[-_]64|amd64|arm64", b"ARCH"),
    (rb"0x[0-9a-f]{6,}", b"ADDRESS"),
    (rb"^[0-9A-F]{16}(?=:error:)", b"THREAD"),
    (rb"(line \d+:) +\d+ (Segmentation fault|Aborted|Killed|Terminated)", rb"\1 PID \2"),
    (rb"^thread '(.*)' \(\d+\)", rb"thread '\1' (ID)"),
    (rb"No record of process \d+", b"No record of process PID"),
    (rb"/tmp/cc\w{6}", b"/tmp/ccTEMP"),
    (rb"Reading database \.\.\. \d+", b"Reading database ... N"),  # the roots differ by what their own packages bring
]


def forgiven(data):
    for pattern, replacement in FORGIVEN:
        data = re.sub(pattern, replacement, data, flags=re.M)
    return data


def run(root, case):
    directory = root.work / case
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copy(CASES / f"{case}.sh", root.work / f"{case}.sh")
    begin = time.monotonic()
    user = 0 if case in AS_ROOT else sandbox.USER
    result = root.run(case, ["/bin/bash", f"/work/{case}.sh"], user, timeout=900)
    shutil.rmtree(directory, ignore_errors=True)
    for stream in ("stdout", "stderr"):  # to look at
        (root.work / f"{case}.{stream}").write_bytes(getattr(result, stream))
    return result, time.monotonic() - begin


def differences(native, guest):
    for stream in ("stdout", "stderr"):
        a, b = (forgiven(getattr(r, stream)).decode(errors="replace").splitlines() for r in (native, guest))
        yield from difflib.unified_diff(a, b, f"native {stream}", f"grus {stream}", lineterm="", n=1)
    if native.returncode != guest.returncode:
        yield f"exit status: native {native.returncode}, grus {guest.returncode}"
    if not native.stdout.strip():
        yield "the native run printed nothing: the case shows nothing"
    if native.returncode:
        yield f"the native run failed: {native.stderr.decode(errors='replace')[-1000:]}"


def main():
    engine, arm, native, work = sys.argv[1:5]
    cases = sys.argv[5:] or sorted({path.stem for path in CASES.glob("*.sh")} - ONLY_NAMED)
    print(f"{len(cases)} cases, by {sandbox.enter(engine)}", flush=True)
    guest_root, native_root = sandbox.Root(arm, work + "/guest"), sandbox.Root(native, work + "/native")
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case in cases:
            a, b = pool.submit(run, native_root, case), pool.submit(run, guest_root, case)
            (expected, native_time), (got, guest_time) = a.result(), b.result()
            difference = list(differences(expected, got))
            passed += not difference
            print(f"{'FAIL' if difference else 'ok  '} {case:20} {len(expected.stdout):6} bytes "
                  f"native {native_time:6.1f} s  grus {guest_time:6.1f} s", flush=True)
            for line in difference[:60]:
                print("     " + line)
    print(f"programs: {passed} passed, {len(cases) - passed} failed")
    sys.exit(passed != len(cases))


main()
