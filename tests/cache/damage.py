#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that are not what they were: the guest's answer is right and its error output its own."""
import os
import random
import shutil
import stat
import struct
import time
import unittest

import harness
from harness import CacheTest

SEED = int(os.environ.get("GRUS_TEST_SEED", "3"))


class Damage(CacheTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        cls.good = cls.base / "good"
        cls.good.mkdir(mode=0o700)
        it = cls("runTest")
        it.check(cls.good, cls.work, 0, 256)
        it.check(cls.good, cls.tricks, "patch", "rw")
        time.sleep(0.1)  # more than a publisher may need between noting the time and writing

    def runTest(self):
        pass

    def damaged(self, damage, name="the file", runs=1, seen=False):
        """A copy of the good cache, damaged: all is right, then and for whoever comes next. With `seen` the file goes."""
        cache = self.new_cache()
        for p in self.good.iterdir():
            # Sparse, as it was.
            os.system(f"cp --sparse=always --preserve=mode {p} {cache / p.name}")
        # The copy is somebody else's change already: read it once, so that it is trusted.
        self.check(cache, self.work, 0, 4)
        time.sleep(0.03)
        target = [p for p in self.files(cache) if self.belongs_to_work(p)][0] if name == "the file" else cache / name
        try:
            damage(target)
        except FileNotFoundError:
            self.fail("no such cache file")
        before = os.lstat(target).st_ino
        with open(target, "rb") if seen else open(os.devnull, "rb"):  # so that its number is not given to another
            for _ in range(runs):
                self.check(cache, self.work, 0, 256)
            if seen:
                self.assertFalse(target.exists() and os.lstat(target).st_ino == before, target)
        shutil.rmtree(cache)

    def belongs_to_work(self, path):
        with open(path, "rb") as f:
            return b"/work\0" in f.read(harness.HEADER)

    def flip(self, path, offset, bit):
        with open(path, "r+b") as f:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([byte ^ 1 << bit]))

    def areas(self, path):
        """(begin, end) of what is used of each part."""
        guest_bytes, code, records = harness.counters(path)
        l = harness.layout(guest_bytes)
        self.assertEqual(os.stat(path).st_size, l["total"])
        return {"header": (0, 104), "proofs": (l["proofs"], l["proofs"] + guest_bytes // 16),
                "index": (l["index"], l["index"] + guest_bytes), "lines": (l["lines"], l["lines"] + code // 16),
                "records": (l["records"], l["records"] + records), "code": (l["code"], l["code"] + code)}

    def flips(self, area, count, per_file):
        """Bits of nonzero words, where most of what matters is."""
        def damage(path):
            begin, end = self.areas(path)[area]
            with open(path, "rb") as f:
                f.seek(begin)
                data = f.read(end - begin)
            used = [i for i in range(len(data)) if data[i]] or range(len(data))
            for _ in range(per_file):
                self.flip(path, begin + self.random.choice(used), self.random.randrange(8))
        for _ in range(count):
            self.damaged(damage, seen=area != "header")

    def test_flips_in_the_header(self):
        self.flips("header", 20, 1)

    def test_flips_in_proofs(self):
        self.flips("proofs", 8, 1)

    def test_flips_in_the_index_of_code(self):
        self.flips("index", 20, 2)

    def test_flips_in_lines(self):
        self.flips("lines", 15, 2)

    def test_flips_in_records(self):
        self.flips("records", 20, 2)

    def test_flips_in_code(self):
        self.flips("code", 25, 2)

    def test_flips_in_constants(self):
        # At the begin of the code; no region's checksum covers them.
        def damage(path):
            begin, _ = self.areas(path)["code"]
            self.flip(path, begin + 64 + self.random.randrange(256), self.random.randrange(8))
        for _ in range(4):
            self.damaged(damage, seen=True)

    def test_flips_under_a_clock_that_was_set_back(self):
        def damage(path):
            begin, end = self.areas(path)["index"]
            with open(path, "r+b") as f:
                f.seek(64)
                f.write(struct.pack("<Q", time.time_ns() + 3600 * 10**9))
                f.seek(begin)
                data = f.read(end - begin)
                at = self.random.choice([i for i in range(len(data)) if data[i]])
            self.flip(path, begin + at, self.random.randrange(8))
        for _ in range(4):
            self.damaged(damage, seen=True)

    def test_truncated(self):
        for k in range(16):
            def damage(path):
                size = os.stat(path).st_size
                os.truncate(path, (0, 1, 100, 4095, 4096, size - 1, size - 4096, size + 1)[k] if k < 8 else self.random.randrange(size))
            self.damaged(damage)

    def test_zeros(self):
        def damage(path):
            size = os.stat(path).st_size
            os.truncate(path, 0)
            os.truncate(path, size)
        self.damaged(damage, runs=2)
        self.damaged(damage, "index", runs=2)

    def test_the_index_of_files(self):
        def garbage(path):
            with open(path, "r+b") as f:
                f.write(self.random.randbytes(786432))
        def short(path):
            os.truncate(path, 4096)
        def empty(path):
            os.truncate(path, 0)
        def flips(path):
            with open(path, "rb") as f:
                data = f.read()
            used = [i for i in range(len(data)) if data[i]]
            for _ in range(3):
                self.flip(path, self.random.choice(used), self.random.randrange(8))
        for damage in (garbage, short, empty, *[flips] * 8):
            self.damaged(damage, "index", runs=2)

    def in_its_place(self, make):
        def damage(path):
            os.unlink(path)
            make(path)
        self.damaged(damage, runs=2)
        self.damaged(damage, "index", runs=2)

    def test_directory(self):
        self.in_its_place(os.mkdir)

    def test_fifo(self):
        self.in_its_place(os.mkfifo)

    def test_symlinks(self):
        self.in_its_place(lambda p: os.symlink("/dev/null", p))
        self.in_its_place(lambda p: os.symlink(p, p))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_devices(self):
        self.in_its_place(lambda p: os.mknod(p, stat.S_IFCHR | 0o600, os.makedev(1, 3)))
        self.in_its_place(lambda p: os.mknod(p, stat.S_IFCHR | 0o600, os.makedev(1, 5)))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_foreign_owner(self):
        # What somebody else wrote is not even looked at: the version in it would answer.
        self.damaged(lambda p: os.chown(p, 65533, 65533), runs=2)
        self.damaged(lambda p: os.chown(p, 65533, 65533), "index", runs=2)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_s6_an_index_of_another_owner_is_left_as_it_is(self):
        for owner, mode in ((65533, 0o600), (0, 0o622)):
            cache = self.new_cache()
            (cache / "index").touch()
            os.chown(cache / "index", owner, owner)
            os.chmod(cache / "index", mode)
            self.check(cache, self.work, 0, 8)
            self.assertEqual((cache / "index").stat().st_size, 0)

    def test_writable_by_others(self):
        self.damaged(lambda p: os.chmod(p, 0o660), runs=2)
        self.damaged(lambda p: os.chmod(p, 0o602), "index", runs=2)

    def test_mode_without_permissions(self):
        self.damaged(lambda p: os.chmod(p, 0), runs=2)

    def test_another_header(self):
        # Fields that are checked by more than the checksum: it is made right again here.
        for offset in range(0, 64, 8):
            def damage(path):
                with open(path, "r+b") as f:
                    head = bytearray(f.read(104))
                    struct.pack_into("<Q", head, offset, struct.unpack_from("<Q", head, offset)[0] + 4096)
                    f.seek(0)
                    f.write(head)
            self.damaged(damage, runs=2)

    def test_a_file_under_anothers_name(self):
        def damage(path):
            other = [p for p in self.files(path.parent) if p != path][0]
            shutil.copy(other, path)
        self.damaged(damage, runs=2)

    def test_counters(self):
        for code, records in ((0, 0), (0xFFFFFFFF, 0), (0, 0xFFFFFFFF), (64, 8), (0x7FFFFFC0, 0x7FFFFFF8)):
            def damage(path):
                with open(path, "r+b") as f:
                    f.seek(72)
                    f.write(struct.pack("<II", code, records))
            self.damaged(damage, runs=2)


if __name__ == "__main__":
    harness.main("__main__")
