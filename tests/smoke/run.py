#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the scripts of *.smoke in an AArch64 root under Grus and natively, and compares stdout, stderr and status.

Guarantees: both sides get the same script, the same environment and an empty directory of the same name; a script with
an `-- expect` part is compared with that text instead (stdout and status 0). A script is skipped, and counted as such,
when a program it needs is missing in the root or natively. Deliberately no tolerance: a line that may differ does not
belong into a script.

A file is a list of:
  == name
  -- needs: program ...     looked up on both sides (optional)
  -- expect                 what follows is the expected output (optional)
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
HERE = "/tmp/grus-smoke"


def read_scripts(path):
    scripts, part = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("== "):
            scripts.append({"name": f"{path.stem}: {line[3:].strip()}", "needs": [], "text": "", "expect": None})
            part = "text"
        elif not scripts:
            if line.strip() and not line.startswith("#"):
                sys.exit(f"{path}:{number}: text before the first name")
        elif line.startswith("-- needs:"):
            scripts[-1]["needs"] += line[9:].split()
        elif line == "-- expect":
            scripts[-1]["expect"], part = "", "expect"
        else:
            scripts[-1][part] += line + "\n"
    return scripts


def run(command, timeout):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, cwd="/")
        return done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as e:
        return e.stdout or b"", b"(no end in time)", None


class Sides:
    """Both ways of running a script. Each run sees its own empty directory as HERE."""

    def __init__(self, grus, root, engine):
        self.emulated = [grus, "run", "--root", root, "--clean-env", "--env", "LC_ALL=C", "--env", f"PATH={PATH}"]
        if engine:
            self.emulated += ["--engine", engine]
        self.root = pathlib.Path(root)

    def run(self, script, emulated, timeout):
        with tempfile.TemporaryDirectory(prefix="grus-smoke-") as directory:
            if emulated:
                return run(self.emulated + ["--env", f"HOME={HERE}", "--bind", f"{directory}:{HERE}", "--workdir", HERE, "--",
                                            "bash", "-c", script], timeout)
            # The native side sees the directory under the same name by a mount namespace.
            own = "mount --bind \"$1\" /tmp/grus-smoke && cd /tmp/grus-smoke && exec env -i LC_ALL=C TERM=dumb PATH=" \
                  f"{PATH} HOME={HERE} bash -c \"$2\""
            unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-current-user", "--mount"]
            return run(unshare + ["sh", "-c", own, "sh", directory, script], timeout)

    def has(self, program, emulated):
        if not emulated:
            return shutil.which(program, path=PATH) is not None
        return any(os.path.lexists(self.root / d.lstrip("/") / program) for d in PATH.split(":"))


def check(sides, script, timeout):
    needs = script["needs"]
    if not all(sides.has(p, True) and (script["expect"] is not None or sides.has(p, False)) for p in needs):
        return "skip", ""
    got = sides.run(script["text"], True, timeout)
    if script["expect"] is not None:
        want = (script["expect"].strip("\n").encode() + b"\n", got[1], 0)
    else:
        want = sides.run(script["text"], False, timeout)
    if got == want:
        return "ok", ""
    report = ""
    for what, w, g in zip(("stdout", "stderr", "status"), want, got):
        if w != g:
            report += f"    {what}: wanted {str(w)[-600:]}\n    {what}: got    {str(g)[-600:]}\n"
    if want[1] == got[1] and got[1]:
        report += f"    stderr of both: {got[1].decode(errors='replace')[-600:]}\n"
    return "FAIL", report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grus", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--engine", default="")
    parser.add_argument("--only", default="", help="a part of the name")
    parser.add_argument("--timeout", type=float, default=180)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    os.makedirs(HERE, exist_ok=True)
    scripts = [s for path in sorted(pathlib.Path(__file__).parent.glob("*.smoke")) for s in read_scripts(path)
               if options.only in s["name"]]
    sides = Sides(os.path.abspath(options.grus), os.path.abspath(options.root), os.path.abspath(options.engine) if options.engine else "")
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for script, (result, report) in zip(scripts, pool.map(lambda s: check(sides, s, options.timeout), scripts)):
            counts[result] += 1
            print(f"{result:4} {script['name']}\n{report}", end="", flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    sys.exit(1 if counts["FAIL"] or not counts["ok"] else 0)


main()
