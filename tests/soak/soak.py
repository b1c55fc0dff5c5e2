#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Memory of code that is thrown away: how much more does the guest take in the end than natively?

  soak.py ENGINE NATIVE GUEST [SECONDS]

Runs the program of soak.c natively and under the engine. Both must find every result right. What each takes, the engine's part
included (the host's VmRSS), is looked at from the first fifth of the time on: in the last fifth it may be, on average, as much
more than in the second as twice what it is natively, and some windows of code that wait for their threads (FLOOR).
Deliberately not here: speed.
"""
import subprocess
import sys
import tempfile
import time

FLOOR = 6000  # kB


def resident_kb(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmRSS:")), 0)
    except OSError:
        return 0


def run(command, seconds):
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([*command, str(seconds)], stdout=output, stderr=subprocess.STDOUT)
        begin, samples = time.monotonic(), []
        while process.poll() is None:
            if time.monotonic() - begin > 3 * seconds + 60:
                process.kill()
                process.wait()
                sys.exit(f"FAILED: {command[0]} does not end")
            samples.append((time.monotonic() - begin, resident_kb(process.pid)))
            time.sleep(0.05)
        output.seek(0)
        print(output.read().rstrip().replace("\n", ", "))
    if process.returncode:
        sys.exit(f"FAILED: {command[0]} ended with {process.returncode}")
    fifth = seconds / 5

    def mean(n):
        part = [kb for at, kb in samples if n * fifth <= at < (n + 1) * fifth and kb]
        return sum(part) / max(1, len(part))

    grown = mean(4) - mean(1)
    print(f"{mean(1):.0f} kB, at the end {mean(4):.0f} kB")
    return grown


def main():
    engine, native, guest = sys.argv[1:4]
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    natively = run([native], max(3, seconds // 4))
    grown = run([engine, guest], seconds)
    allowed = 2 * max(0, natively) + FLOOR
    if grown > allowed:
        sys.exit(f"FAILED: it grew by {grown:.0f} kB, natively by {natively:.0f}")
    print(f"grown by {grown:.0f} kB, natively by {natively:.0f}")


if __name__ == "__main__":
    main()
