#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""S1, S2: what confines a process, or takes its identity, takes the cache from it. Looked at from outside, as the host sees the
process: its descriptors, and its shared mappings that can be written to."""
import os
import pathlib
import subprocess
import unittest

import harness
from harness import CacheTest

ROOT = os.geteuid() == 0
WAYS_OUT, NOWHERE, GONE = "leads out", "leads nowhere", "gone"


def seen_from_outside(pid, cache):
    """What the process has of the cache's directory, and how many views of the cache it could write to."""
    directory = os.stat(cache)
    state = GONE
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = f"/proc/{pid}/fd/{fd}"
            there = os.stat(link)
            if (there.st_dev, there.st_ino) != (directory.st_dev, directory.st_ino):
                continue
            above = os.stat(link + "/../..")
        except FileNotFoundError:
            continue
        state = NOWHERE if above.st_ino == there.st_ino and above.st_dev == there.st_dev else WAYS_OUT
    inodes = {p.stat().st_ino for p in cache.iterdir()}
    views = 0
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        _, rights, _, _, inode = line.split()[:5]
        views += rights[1] == "w" and rights[3] == "s" and int(inode) in inodes
    files = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            files += os.stat(f"/proc/{pid}/fd/{fd}").st_ino in inodes
        except FileNotFoundError:
            pass
    return state, views, files


@unittest.skipUnless(ROOT, "needs root")
class Confined(CacheTest):
    def after(self, *steps):
        cache = self.cache
        process = self.start(cache, self.confined, *steps)
        said = process.stdout.readline().decode().split()
        self.assertEqual(said[:1], ["done"], steps)
        try:
            return seen_from_outside(int(said[1]), cache)
        finally:
            process.communicate(b"x", timeout=harness.LIMIT)
            self.assertEqual(process.returncode, 0, steps)

    def setUp(self):
        self.cache = self.new_cache()
        os.chmod(self.cache, 0o755)
        for _ in range(2):
            self.after("nothing")

    def test_without_it_there_is_one(self):
        # Else the tests below say nothing.
        for steps in (["nothing"], ["fork"], ["exec"], ["setuid-same"], ["capset-same"], ["thread-nothing"]):
            state, views, _ = self.after(*steps)
            self.assertEqual(state, WAYS_OUT, steps)
            self.assertGreaterEqual(views, 2, steps)  # the index and the program's own

    def test_s1_other_roots_and_mounts_leave_the_cache_alone(self):
        for step in ("chroot", "chroot-fails", "pivot_root", "mounts", "users", "both", "clone-mounts"):
            for steps in ([step], ["fork", step], ["thread-" + step] if step in ("chroot", "chroot-fails") else [step]):
                state, views, _ = self.after(*steps)
                self.assertEqual(state, NOWHERE, steps)
                self.assertGreaterEqual(views, 2, steps)
        for steps in (["chroot", "chroot"], ["mounts", "chroot", "mounts"], ["chroot", "exec"], ["setns"]):
            self.assertEqual(self.after(*steps)[0], NOWHERE, steps)

    def test_s1_who_may_not_mount_loses_it(self):
        for steps in (["capset", "users"], ["capset", "both"]):
            self.assertEqual(self.after(*steps), (GONE, 0, 0), steps)

    def test_s1_nothing_is_left_under_seccomp_and_landlock(self):
        for step in ("filter", "filter-by-prctl", "strict", "landlock"):
            for steps in ([step], ["fork", step], ["chroot", step], ["mounts", "chroot", step]):
                self.assertEqual(self.after(*steps), (GONE, 0, 0), steps)
        self.assertEqual(self.after("filter", "exec"), (GONE, 0, 0))

    def test_s2_nothing_is_left_after_a_change_of_identity(self):
        for step in ("setuid", "setreuid", "setresuid", "seteuid", "setfsuid", "libc-setuid", "capset"):
            for steps in ([step], ["fork", step], ["chroot", step], ["thread-" + step], ["mounts", "fork", step, "fork"]):
                self.assertEqual(self.after(*steps), (GONE, 0, 0), steps)

    def test_s2_a_new_program_has_what_its_own_identity_may_have(self):
        # The directory is root's: others read it, and cannot write.
        for step in ("setuid", "setresuid"):
            state, views, _ = self.after(step, "exec")
            self.assertEqual(views, 0, step)
            self.assertIn(state, (GONE, WAYS_OUT), step)

    def descendant(self, ancestor, name):
        """The number that the host gives it: in a root it has another one."""
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (directory / "comm").read_text().strip() != name:
                    continue
                pid = int(directory.name)
                while pid > 1 and pid != ancestor:
                    pid = int((pathlib.Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
                if pid == ancestor:
                    return int(directory.name)
            except FileNotFoundError:
                continue
        self.fail("no process " + name)

    def test_s1_a_root_of_the_tool(self):
        # The tool enters its namespaces and makes the mount: the guest is confined from its first instruction.
        root = self.base / "root"
        for name in ("proc", "sys", "dev", "tmp"):
            (root / name).mkdir(parents=True, exist_ok=True)
        program = root / "confined"
        program.write_bytes(self.confined.read_bytes())
        os.chmod(program, 0o755)
        for extra in ([], ["--as-root"]):
            env = harness.environment(self.cache, GRUS_ENGINE=harness.OPTIONS.engine)
            process = subprocess.Popen([harness.OPTIONS.grus, "run", *extra, "--root", root, "--workdir", "/", "--", "/confined", "nothing"],
                                       env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            said = process.stdout.readline().decode().split()
            self.assertEqual(said[:1], ["done"])
            state, _, _ = seen_from_outside(self.descendant(process.pid, "confined"), self.cache)
            process.communicate(b"x", timeout=harness.LIMIT)
            self.assertEqual(state, NOWHERE)


if __name__ == "__main__":
    harness.main("__main__")
