#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who shares translations, and who must not."""
import os
import shutil
import subprocess
import time
import unittest

import harness
from harness import CacheTest, version_of


class Sharing(CacheTest):
    def test_the_second_run_translates_nothing(self):
        cache = self.filled()
        copy = self.base / "a-copy"
        shutil.copy(self.work, copy)
        linked = self.base / "a-link"
        os.link(self.work, linked)
        for program in (self.work, copy, linked):
            harness.old(program)
            r = self.run_guest(cache, program, 0, 256, stats=True)
            self.assertEqual((r.out, r.translated, r.cached), (self.expected(self.work, 0, 256), 0, 1), program)
        self.assertEqual(len(self.files(cache)), 1)

    def test_brand_new_files_at_second_sight(self):
        cache = self.new_cache()
        for n, published in enumerate((False, True)):
            program = self.base / f"new-{n}"
            shutil.copy(self.work, program)
            r = self.run_guest(cache, program, 0, 8, stats=True)
            self.assertEqual(r.published > 0, published)

    def test_more_work_is_added(self):
        cache = self.new_cache()
        for n in range(0, 256, 32):
            self.check(cache, self.work, n, n + 32)
        r = self.run_guest(cache, self.work, 0, 256, stats=True)
        self.assertEqual(r.out, self.expected(self.work, 0, 256))
        self.assertLess(r.translated, 100)

    def test_what_a_killed_process_made_stays(self):
        cache = self.new_cache()
        self.check(cache, self.work, 0, 1)
        before = self.run_guest(cache, self.work, 0, 256, stats=True, env={"GRUS_CACHE": "off"}).translated
        process = self.start(cache, self.work, "fork", 200)
        time.sleep(0.15)
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout, process.stderr):
            end.close()
        self.assertLess(self.run_guest(cache, self.work, 0, 256, stats=True).translated, before)

    def rebuild(self, cache, replace):
        """Many versions at one path, with one size and one mtime: each run is the version that is there."""
        original = self.work.read_bytes()
        program = self.base / "rebuilt"
        stamp = time.time() - 86400
        for n in range(40):
            value = 0x100 + n % 7
            replace(program, version_of(original, value))
            os.chmod(program, 0o755)
            os.utime(program, (stamp, stamp))
            for _ in range(2):
                r = self.run_guest(cache, program, n, n + 4)
                self.assertEqual((r.status, r.err, r.out.split()[-1]), (0, "", f"{value:x}"), n)

    def test_rebuilt_in_place(self):
        def overwrite(path, data):
            with open(path, "r+b" if path.exists() else "wb") as f:
                f.write(data)
        self.rebuild(self.new_cache(), overwrite)

    def test_rebuilt_and_renamed(self):
        def rename(path, data):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            os.rename(new, path)
        self.rebuild(self.new_cache(), rename)

    def test_rebuilt_after_it_was_trusted(self):
        original = self.work.read_bytes()
        cache = self.new_cache()
        program = self.base / "trusted"
        for value in (0x111, 0x222):
            with open(program, "r+b" if program.exists() else "wb") as f:
                f.write(version_of(original, value))
            os.chmod(program, 0o755)
            os.utime(program, (1e9, 1e9))
            harness.old(program)
            for _ in range(3):
                self.assertEqual(self.run_guest(cache, program, 3, 9).out.split()[-1], f"{value:x}")

    def test_overwritten_while_it_runs(self):
        # What runs may be as confused as it likes (natively: text file busy); others, whose file has what this one had, not.
        cache = self.new_cache()
        program = self.base / "overwritten"
        shutil.copy(self.work, program)
        twin = self.base / "twin"
        shutil.copy(self.work, twin)
        harness.old(twin)
        process = self.waiting(cache, program, 0, 1)
        data = version_of(program.read_bytes(), 0x666)
        with open(program, "r+b") as f:
            f.write(data)
        self.go_on(process)
        r = self.run_guest(cache, twin, 0, 1)
        self.assertEqual(r.out, self.expected(self.work, 0, 1))

    def test_many_forks_at_once(self):
        for _ in range(3):
            cache = self.new_cache()
            self.check(cache, self.work, 0, 1)
            self.check(cache, self.work, "fork", 60)
            self.check(cache, self.work, "fork", 60)
            self.check(cache, self.work, 0, 256)

    def test_claims_do_not_fill_the_file(self):
        # 120 processes that publish a little each, at the same time.
        cache = self.new_cache()
        self.check(cache, self.work, 0, 1)
        self.check(cache, self.work, "fork", 120)
        (path,) = self.files(cache)
        guest_bytes, used, _ = harness.counters(path)
        l = harness.layout(guest_bytes)
        self.assertLess(used, (l["total"] - l["code"]) // 2)


if __name__ == "__main__":
    harness.main("__main__")
