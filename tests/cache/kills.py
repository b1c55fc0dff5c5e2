#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes that start, publish and are killed at any moment, while files are replaced under them."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time
import unittest

import harness
from harness import CacheTest, version_of

SEED = int(os.environ.get("GRUS_TEST_SEED", "5"))
SECONDS = float(os.environ.get("GRUS_TEST_SECONDS", "7"))


class Kills(CacheTest):
    def programs(self):
        """(program, arguments) of several contents, one of which is common to two files."""
        twin = self.base / "twin"
        shutil.copy(self.work, twin)
        other = self.base / "other"
        other.write_bytes(version_of(self.work.read_bytes(), 0x777))
        os.chmod(other, 0o755)
        harness.old(other)
        return [(p, a) for p in (self.work, twin, other)
                for a in ((0, 256), (100, 130), ("fork", 12), ("exec", 3, 50, 60), (7, 9))] + [(self.tricks, ("patch", "rw"))]

    def spawn(self, cache, program, arguments):
        # A group of its own: its children die with it.
        return self.start(cache, program, *arguments, start_new_session=True)

    def end(self, process, killed):
        try:
            out, err = process.communicate(timeout=0.001 if killed else harness.LIMIT)
        except subprocess.TimeoutExpired:
            if not killed:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        return process.returncode, out.decode(), err.decode()

    def replacing(self, cache, stop, rng):
        """As compaction does: a copy takes the file's place. Sometimes the file just goes."""
        while not stop.wait(rng.random() * 0.02):
            for p in self.files(cache):
                what = rng.randrange(8)
                try:
                    if what < 2:
                        copy = p.with_name(".replacement")
                        shutil.copy(p, copy)
                        os.rename(copy, p)
                    elif what == 2 and rng.randrange(4) == 0:
                        p.unlink()
                except FileNotFoundError:
                    pass

    def storm(self, replace):
        rng = random.Random(SEED + replace)
        cache = self.new_cache()
        programs = self.programs()
        expected = {(p, a): self.expected(p, *a) for p, a in programs}
        stop = threading.Event()
        replacer = threading.Thread(target=self.replacing, args=(cache, stop, random.Random(SEED)))
        if replace:
            replacer.start()
        try:
            end = time.monotonic() + SECONDS
            running, killed, finished = [], 0, 0
            # On a busy machine few are started: it goes on for longer.
            while time.monotonic() < end or (min(killed, finished) <= 10 and time.monotonic() < end + 60):
                while len(running) < 50:
                    program = rng.choice(programs)
                    running.append((self.spawn(cache, *program), program))
                # Who is killed has only just started: the others have mostly ended.
                kill = rng.randrange(4) != 0
                process, program = running.pop(len(running) - 1 - rng.randrange(3 if kill else len(running)))
                if kill:
                    os.killpg(process.pid, signal.SIGKILL)
                    status, out, err = self.end(process, True)
                    killed += status == -signal.SIGKILL
                    if status == -signal.SIGKILL:
                        continue
                else:
                    status, out, err = self.end(process, False)
                finished += 1
                self.assertEqual((status, err, out), (0, "", expected[program]), program)
            for process, program in running:
                status, out, err = self.end(process, False)
                self.assertEqual((status, err, out), (0, "", expected[program]), program)
        finally:
            stop.set()
            if replace:
                replacer.join()
            for process, _ in running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        self.assertGreater(killed, 10)
        self.assertGreater(finished, 10)
        # What is left behind is sound: read by a process that trusts nothing (another's change makes it verify) ...
        before = {p.name: p.stat().st_ino for p in self.files(cache)}
        for p in self.files(cache):
            os.utime(p)
        time.sleep(0.05)
        for program, arguments in programs:
            self.check(cache, program, *arguments)
        # ... and kept: a killed publisher's half of a region is nothing that leads anywhere.
        self.assertEqual({p.name: p.stat().st_ino for p in self.files(cache)}, {**{p.name: p.stat().st_ino for p in self.files(cache)}, **before})
        for program, arguments in programs:
            if arguments == (0, 256):
                self.assertEqual(self.run_guest(cache, program, *arguments, stats=True).translated, 0)

    def test_a_storm(self):
        self.storm(False)

    def test_a_storm_while_files_are_replaced(self):
        self.storm(True)

    def test_killed_at_any_moment_of_a_first_run(self):
        # Most of a run of `work` is translation: a kill finds a publisher between two of its steps.
        rng = random.Random(SEED)
        for _ in range(8):
            cache = self.new_cache()
            for _ in range(10):
                process = self.spawn(cache, self.work, (0, 256))
                time.sleep(rng.random() * 0.006)
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            for p in self.files(cache):
                os.utime(p)
            self.check(cache, self.work, 0, 256)
            self.check(cache, self.work, 0, 256)
            self.assertEqual(self.run_guest(cache, self.work, 0, 256, stats=True).translated, 0)


if __name__ == "__main__":
    harness.main("__main__")
