#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the cache may lie: read-only, foreign, full, mounted noexec, behind a chroot. Slower at worst."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import unittest

import harness
from harness import CacheTest

ROOT = os.geteuid() == 0
SOMEBODY = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]


@contextlib.contextmanager
def mounted(where, *arguments):
    if subprocess.run(["mount", *arguments, where], capture_output=True).returncode:
        raise unittest.SkipTest("nothing can be mounted here")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where])


def snapshot(cache):
    return {p.name: p.read_bytes() for p in pathlib.Path(cache).iterdir()}


class ReadOnly(CacheTest):
    def tries(self, cache, **how):
        """Nothing is translated that the cache has; what it lacks is, each time again, and stays private."""
        before = snapshot(cache)
        r = self.run_guest(cache, self.work, 0, 128, stats=True, **how)
        self.assertEqual((r.status, r.out, r.translated, r.cached), (0, self.expected(self.work, 0, 128), 0, 1))
        r = self.run_guest(cache, self.work, 0, 256, stats=True, **how)
        self.assertEqual((r.status, r.out), (0, self.expected(self.work, 0, 256)))
        self.assertGreater(r.translated, 1000)
        self.check(cache, self.work, "fork", 8, **how)
        self.assertEqual(snapshot(cache), before)

    def half_filled(self):
        cache = self.new_cache()
        self.check(cache, self.work, 0, 128)
        return cache

    def users(self, cache, name):
        """Moved to where a user's own cache lies, for GRUS_CACHE=ro."""
        home = self.base / name
        (home / "grus").mkdir(parents=True)
        os.rename(cache, home / "grus" / "code")
        return home / "grus" / "code", {"GRUS_CACHE": "ro", "XDG_CACHE_HOME": str(home)}

    def test_by_choice(self):
        cache, env = self.users(self.half_filled(), "choice")
        self.tries(cache, env=env)

    @unittest.skipUnless(ROOT, "needs root")
    def test_by_mount(self):
        cache = self.half_filled()
        with mounted(cache, "--bind", cache):
            if subprocess.run(["mount", "-o", "remount,bind,ro", cache]).returncode:
                self.skipTest("no read-only bind mounts")
            self.tries(cache)

    @unittest.skipUnless(ROOT and shutil.which("setpriv"), "needs root and setpriv")
    def test_by_owner(self):
        cache = self.new_cache()
        os.chmod(cache, 0o755)
        self.check(cache, self.work, 0, 128)
        os.chmod(cache / "index", 0o644)
        self.tries(cache, before=SOMEBODY)

    @unittest.skipUnless(ROOT and shutil.which("setpriv"), "needs root and setpriv")
    def test_what_others_may_write_is_ignored(self):
        cache = self.filled()
        for owner, mode in ((65532, 0o777), (65532, 0o755), (0, 0o777), (65533, 0o770), (65533, 0o702)):
            os.chown(cache, owner, owner)
            os.chmod(cache, mode)
            r = self.run_guest(cache, self.work, 0, 8, stats=True, before=SOMEBODY)
            self.assertEqual((r.status, r.out, r.cached), (0, self.expected(self.work, 0, 8), 0), (owner, oct(mode)))

    def test_others_publish_meanwhile(self):
        # A reader links exits in its own copies of pages that others go on to publish into, and then runs what they published.
        cache = self.new_cache()
        self.check(cache, self.tricks, "steps")
        cache, reader = self.users(cache, "reader")
        steps = {c + d: None for c in "abcdefghijklmnop" for d in "01"}
        alone = self.start("off", self.tricks, "steps")
        for step in steps:
            steps[step] = self.step(alone, step)
        self.finish(alone)
        publisher, follower = self.start(cache, self.tricks, "steps"), self.start(cache, self.tricks, "steps", env=reader)
        for c in "abcdefghijklmnop":
            for process, step in ((publisher, c + "0"), (follower, c + "1"), (follower, c + "0")):
                self.assertEqual(self.step(process, step), steps[step], step)
        self.finish(publisher)
        self.finish(follower)

    def step(self, process, which):
        process.stdin.write(which.encode())
        process.stdin.flush()
        return process.stdout.readline()

    def finish(self, process):
        out, err = process.communicate(timeout=harness.LIMIT)
        self.assertEqual((process.returncode, out, err), (0, b"", b""))


class Mounts(CacheTest):
    @unittest.skipUnless(ROOT, "needs root")
    def test_noexec(self):
        cache = self.new_cache()
        with mounted(cache, "-t", "tmpfs", "-o", "mode=700,noexec", "none"):
            self.check(cache, self.work, 0, 256)
            r = self.run_guest(cache, self.work, 0, 256, stats=True)
            self.assertEqual((r.status, r.out), (0, self.expected(self.work, 0, 256)))
            self.check(cache, self.work, "fork", 8)

    @unittest.skipUnless(ROOT, "needs root")
    def test_full(self):
        # From nothing at all to a little less than is needed.
        for kib in (4, 16, 40, 100, 200, 400, 800, 1400):
            cache = self.new_cache()
            with mounted(cache, "-t", "tmpfs", "-o", f"mode=700,size={kib}k", "none"):
                for arguments in ((0, 256), (0, 256), ("fork", 8)):
                    self.check(cache, self.work, *arguments)

    @unittest.skipUnless(ROOT, "needs root")
    def test_filled_by_somebody_else(self):
        cache = self.new_cache()
        with mounted(cache, "-t", "tmpfs", "-o", "mode=700,size=8m", "none"):
            self.check(cache, self.work, 0, 100)
            with open(cache / "ballast", "wb", buffering=0) as f, contextlib.suppress(OSError):
                while True:
                    f.write(bytes(4096))
            for arguments in ((0, 256), (50, 256), ("fork", 8)):
                self.check(cache, self.work, *arguments)

    @unittest.skipUnless(ROOT and shutil.which("mke2fs") and shutil.which("debugfs"), "needs root and e2fsprogs")
    def test_images_that_look_alike(self):
        # Two images that were made reproducibly: all that stat says of their programs is the same, but for the program.
        cache, place = self.new_cache(), self.base / "place"
        place.mkdir()
        for n in range(2):
            content, image = self.base / f"content{n}", self.base / f"image{n}"
            content.mkdir()
            (content / "work").write_bytes(harness.version_of(self.work.read_bytes(), 0x100 + n))
            os.chmod(content / "work", 0o755)
            image.touch()
            os.truncate(image, 8 << 20)
            subprocess.run(["mke2fs", "-q", "-t", "ext2", "-I", "128", "-d", content, image], check=True, capture_output=True)
            for field in ("atime", "ctime", "mtime"):
                subprocess.run(["debugfs", "-w", "-R", f"sif /work {field} @1700000000", image], check=True, capture_output=True)
            with mounted(place, "-o", "loop,ro", image):
                for _ in range(2):
                    r = self.run_guest(cache, place / "work", 0, 8, stats=True)
                    self.assertEqual((r.status, r.out.split()[1]), (0, f"{0x100 + n:x}"))
                self.assertEqual(r.translated, 0)

    @unittest.skipUnless(ROOT, "needs root")
    def test_chroot_keeps_it(self):
        cache = self.filled()
        root = self.base / "chroot"
        root.mkdir()
        shutil.copy(self.work, root / "work")
        harness.old(root / "work")
        self.run_guest(cache, self.tricks, "chroot", root, "/work", 0, 256)
        r = self.run_guest(cache, self.tricks, "chroot", root, "/work", 0, 256, stats=True)
        self.assertEqual((r.status, r.out, r.translated, r.cached), (0, self.expected(self.work, 0, 256), 0, 1))


class Descriptors(CacheTest):
    def test_exec_chains_keep_it(self):
        cache = self.filled()
        self.check(cache, self.work, "exec", 5, 0, 256)
        r = self.run_guest(cache, self.work, "exec", 5, 0, 256, stats=True)
        self.assertEqual((r.out, r.translated), (self.expected(self.work, 0, 256), 0))

    def test_it_survives_a_guest_that_closes_everything(self):
        # ... and its program gets an empty environment.
        cache = self.filled()
        for _ in range(2):
            self.check(cache, self.tricks, "descriptors", self.work, 0, 256)
        r = self.run_guest(cache, self.tricks, "descriptors", self.work, 0, 256, stats=True)
        self.assertEqual((r.out, r.translated), (self.expected(self.tricks, "descriptors", self.work, 0, 256), 0))

    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_few_descriptors(self):
        cache = self.filled()
        for n in (5, 6, 7, 8, 16, 64, 70, 1024, 1030):
            r = self.run_guest(cache, self.work, 0, 256, before=["prlimit", f"--nofile={n}:{n}"])
            self.assertEqual((r.status, r.err, r.out), (0, "", self.expected(self.work, 0, 256)), n)


if __name__ == "__main__":
    harness.main("__main__")
