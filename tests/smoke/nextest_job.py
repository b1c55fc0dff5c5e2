#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cargo nextest run, natively and under the engine: every test has to end in the same way, with 8 test threads and
nextest's double spawn as it is by default.

Guarantees: outcome, exit code and signal of every attempt of every test are compared. Deliberately no times.

  nextest_job.py workspace|ripgrep BUILD ARM_ROOT NATIVE_ROOT WORK

workspace: examples/workspace, in a chroot by binfmt_misc (POCF), and by `grus run --root` as a user without privileges
and without a registration; also held to examples/workspace/expected-results.txt.
ripgrep: the published crate with its more than 400 tests, from the crate registry, in the chroot.
"""
import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import sandbox

SOURCE = pathlib.Path(__file__).resolve().parents[2]
RESULTS = pathlib.Path(__file__).resolve().parent / "nextest_results.py"
JUNIT = "target/nextest/default/junit.xml"
RIPGREP = "14.1.1"
# ripgrep's own configuration has no junit report; 300 s only because the machine may be busy.
NEXTEST_CONFIG = """[profile.default]
fail-fast = false
slow-timeout = "300s"
test-threads = 8
[profile.default.junit]
path = "junit.xml"
"""
CARGO_CONFIG = """[source.crates-io]
replace-with = "vendored-sources"
[source.vendored-sources]
directory = "vendor"
"""


def copy_workspace(directory):
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(SOURCE / "examples/workspace", directory, ignore=shutil.ignore_patterns("target"))
    give(directory)


def give(directory):
    for path, _, files in os.walk(directory):
        for name in (path, *(os.path.join(path, f) for f in files)):
            os.chown(name, sandbox.USER, sandbox.USER, follow_symlinks=False)


def fetch_ripgrep(root):
    """The crate and everything that it needs, by the native cargo, into <work>/ripgrep."""
    target = root.work / "ripgrep"
    config = target / ".cargo/config.toml"
    if config.exists() and config.read_text() == CARGO_CONFIG:
        return target
    shutil.rmtree(target, ignore_errors=True)
    fetch = root.work / "fetch"
    shutil.rmtree(fetch, ignore_errors=True)
    (fetch / "src").mkdir(parents=True)
    (fetch / "src/lib.rs").touch()
    (fetch / "Cargo.toml").write_text('[package]\nname = "fetch"\nversion = "0.1.0"\nedition = "2021"\n'
                                      f'[dependencies]\nripgrep = "={RIPGREP}"\n')
    script = ("set -e; cargo vendor --quiet >/dev/null; cd vendor/ripgrep; "
              "cargo vendor --quiet --locked > /dev/null; mv $PWD ../../ripgrep")
    give(fetch)
    result = root.run("fetch", ["bash", "-c", script], sandbox.USER)
    if result.returncode:
        sys.exit("ripgrep could not be fetched:\n" + result.stderr.decode(errors="replace"))
    for name, text in ((".config/nextest.toml", NEXTEST_CONFIG), (".cargo/config.toml", CARGO_CONFIG)):
        (fetch / "ripgrep" / name).parent.mkdir(exist_ok=True)
        (fetch / "ripgrep" / name).write_text(text)
    give(fetch / "ripgrep")
    (fetch / "ripgrep").rename(target)
    return target


class Report:
    failed = passed = 0

    def step(self, name, ok, seconds, detail):
        self.failed += not ok
        self.passed += bool(ok)
        print(f"{'ok  ' if ok else 'FAIL'} {name:60} {seconds:7.1f} s  {detail}", flush=True)

    def compare(self, name, seconds, junit, expected):
        """`expected` is a file of lines; the last line of the comparison's output is its summary."""
        if not junit.exists():
            return self.step(name, False, seconds, "no report")
        result = subprocess.run([sys.executable, RESULTS, junit, expected], stdout=subprocess.PIPE, text=True)
        lines = result.stdout.strip().split("\n")
        self.step(name, result.returncode == 0, seconds, lines[-1])
        for line in lines[:-1][:60]:
            print("     " + line)


def nextest(command_runner, directory, report, name):
    """Builds and tests; returns the junit report and the time."""
    begin = time.monotonic()
    shutil.rmtree(directory / "target", ignore_errors=True)
    result = command_runner(["cargo", "nextest", "run", *(["--offline"] if directory.name == "ripgrep" else [])])
    seconds = time.monotonic() - begin
    if result.returncode not in (0, 100):  # 100: tests have failed
        print(result.stderr.decode(errors="replace")[-3000:])
        report.step(name, False, seconds, f"exit status {result.returncode}")
    return directory / JUNIT, seconds


def unprivileged_run(build, arm_root, work):
    """How an ordinary user calls it. Returns a runner of commands in the copy of the workspace."""
    # The checkout and the cache may lie where this user may not look: they are shown to it elsewhere.
    place = pathlib.Path(tempfile.mkdtemp(prefix="grus-test.", dir="/srv"))
    place.chmod(0o755)
    atexit.register(lambda: [path.rmdir() for path in (*place.iterdir(), place)])
    shown = {"root": arm_root, "bin": build, "work": work}
    for name in shown:
        (place / name).mkdir()
    certificates = [f"SSL_CERT_FILE={os.environ['SSL_CERT_FILE']}"] if "SSL_CERT_FILE" in os.environ else []

    def run(command):
        script = "set -e; mount --make-rprivate /\n"
        script += "".join(f"mount --bind '{source}' {place}/{name}\n" for name, source in shown.items())
        script += f"cd {place}/work/workspace\n"
        script += f'exec setpriv --reuid={sandbox.USER} --regid={sandbox.USER} --clear-groups "$@"'
        line = ["unshare", "--mount", "sh", "-c", script, "sh", "env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8",
                f"HOME={place}/work/home", *certificates, f"{place}/bin/grus", "run", "--root", f"{place}/root", "--"]
        return subprocess.run([*line, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=1800)

    return run


def results_of(junit, file):
    if not junit.exists():
        sys.exit("the native run has no report: there is nothing to compare with")
    with open(file, "w", encoding="utf-8") as out:
        subprocess.run([sys.executable, RESULTS, junit], check=True, stdout=out)
    return file


def test_workspace(build, arm, native, work, report):
    user_work = work / "user"
    copy_workspace(user_work / "workspace")
    (user_work / "home").mkdir(exist_ok=True)
    give(user_work)
    # First, while this process has no registration.
    by_user, user_seconds = nextest(unprivileged_run(build, arm, user_work), user_work / "workspace", report, "grus run")
    print("chroot by", sandbox.enter(build / "grus-aarch64"), flush=True)
    junits = {}
    for side, path in (("native", native), ("guest", arm)):
        root = sandbox.Root(path, work / side)
        copy_workspace(root.work / "workspace")
        junits[side] = nextest(lambda c, r=root: r.run("workspace", c, sandbox.USER), root.work / "workspace", report, side)
    report.compare("native against the recorded results", junits["native"][1], junits["native"][0],
                   SOURCE / "examples/workspace/expected-results.txt")
    expected = results_of(junits["native"][0], work / "native-results.txt")
    report.compare("binfmt_misc, chroot, against native", junits["guest"][1], junits["guest"][0], expected)
    report.compare("grus run, unprivileged, against native", user_seconds, by_user, expected)


def test_ripgrep(build, arm, native, work, report):
    print("chroot by", sandbox.enter(build / "grus-aarch64"), flush=True)
    native_root, guest_root = sandbox.Root(native, work / "native"), sandbox.Root(arm, work / "guest")
    source = fetch_ripgrep(native_root)
    shutil.rmtree(guest_root.work / "ripgrep", ignore_errors=True)
    shutil.copytree(source, guest_root.work / "ripgrep", symlinks=True, ignore=shutil.ignore_patterns("target"))
    give(guest_root.work / "ripgrep")
    junit, seconds = nextest(lambda c: native_root.run("ripgrep", c, sandbox.USER), source, report, "native")
    expected = results_of(junit, work / "native-ripgrep.txt")
    count = sum(1 for _ in open(expected, encoding="utf-8"))
    report.step("ripgrep natively has more than 400 tests", count > 400, seconds, f"{count} tests")
    junit, seconds = nextest(lambda c: guest_root.run("ripgrep", c, sandbox.USER), guest_root.work / "ripgrep", report, "guest")
    report.compare("ripgrep, binfmt_misc, chroot, against native", seconds, junit, expected)


def main():
    what, build, arm, native, work = sys.argv[1], *(pathlib.Path(p).resolve() for p in sys.argv[2:6])
    work.mkdir(parents=True, exist_ok=True)
    report = Report()
    {"workspace": test_workspace, "ripgrep": test_ripgrep}[what](build, arm, native, work, report)
    print(f"{what}: {report.passed} passed, {report.failed} failed")
    sys.exit(1 if report.failed or not report.passed else 0)


main()
