#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""S3, S4: which code a translation is believed to be of.

Guarantees: a library that was made to have the XXH64 pieces of another gets a cache file of its own, and so do the files of two disk images
that agree in all that stat says. Deliberately not here: damaged cache files (damage.py), who may write (places.py)."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

import harness
from harness import CacheTest

ROOT = os.geteuid() == 0
M = (1 << 64) - 1
P1, P2 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F
MOV_0, MOV_1 = 0x52800000, 0x52800020  # mov w0, #0; mov w0, #1

SOURCE = r"""
#include <unistd.h>
/* Eight bytes that decide, and room that nobody executes to pay for them. */
/* Not in the first page, of which the index keeps a hash. */
asm(".fill 8192, 1, 0xa5\n.balign 512\n.globl verify\nverify: mov w0, #0\nret\n.fill 510, 1, 0xa5\n.balign 512\n");
int verify(void);
int main(void) { write(1, verify() ? "OK\n" : "no\n", 3); return 0; }
"""


def rotl(x, r):
    return (x << r | x >> (64 - r)) & M


def xxh_lane(v, word):
    return rotl((v + word * P2) & M, 31) * P1 & M


def collide(data, at):
    """mov w0, #1 at `at`, the begin of a piece; 32 bytes behind it what makes XXH64's lane the same again."""
    out = bytearray(data)
    (old,), (pay,) = struct.unpack_from("<Q", data, at), struct.unpack_from("<Q", data, at + 32)
    new = old & ~0xFFFFFFFF | MOV_1
    struct.pack_into("<Q", out, at, new)
    first = (P1 + P2) & M
    delta = (xxh_lane(first, old) - xxh_lane(first, new)) * pow(P2, -1, 1 << 64)
    struct.pack_into("<Q", out, at + 32, (pay + delta) & M)
    return bytes(out)


def lane_after(data, at):
    v = (P1 + P2) & M
    for k in range(2):
        v = xxh_lane(v, struct.unpack_from("<Q", data, at + 32 * k)[0])
    return v


def segment(data):
    """Offset and address of the executable segment, and its size in memory pages."""
    (headers,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    for n in range(count):
        kind, flags, offset, address, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", data, headers + 56 * n)
        if kind == 1 and flags & 1:
            return offset, address, size
    raise AssertionError("no code")


class Verifiers(CacheTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.base / "v.c").write_text(SOURCE)
        cls.genuine, cls.evil = cls.base / "genuine", cls.base / "evil"
        subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-static", "-o", cls.genuine, cls.base / "v.c"], check=True)
        cls.data = cls.genuine.read_bytes()
        cls.at = cls.data.index(struct.pack("<II", MOV_0, 0xD65F03C0) + b"\xa5" * 32)
        cls.evil.write_bytes(collide(cls.data, cls.at))
        os.chmod(cls.evil, 0o755)
        harness.old(cls.evil)

    def says(self, cache, program, **how):
        r = self.run_guest(cache, program, stats=True, **how)
        self.assertEqual(r.status, 0, r.err)
        return r.out.strip()


class Names(Verifiers):
    def test_s3_pieces_of_equal_xxh64_are_told_apart(self):
        evil = self.evil.read_bytes()
        self.assertEqual(lane_after(self.data, self.at), lane_after(evil, self.at))  # the attack is one
        self.assertNotEqual(self.data, evil)
        for first, second, answers in ((self.evil, self.genuine, ("OK", "no")), (self.genuine, self.evil, ("no", "OK"))):
            cache = self.new_cache()
            self.assertEqual([self.says(cache, p) for p in (first, second, first, second)], [*answers, *answers])
            self.assertEqual(len(self.files(cache)), 2)

    def test_s3_the_name_is_sha256(self):
        """By hashlib: of the proofs, which are SHA-256 of 512 bytes each, with the CPU's instructions and without."""
        offset, address, size = segment(self.data)
        begin, end = address & ~4095, address + size + 4095 & ~4095
        memory = self.data[offset - (address - begin):][:end - begin].ljust(end - begin, b"\0")
        proofs = b"".join(hashlib.sha256(memory[n:n + 512]).digest() for n in range(0, len(memory), 512))
        for host in ("", "sse42"):
            cache = self.new_cache()
            self.says(cache, self.genuine, env={"GRUS_HOST": host} if host else {})
            (file,) = self.files(cache)
            self.assertEqual(file.name.split("-")[0], hashlib.sha256(proofs).hexdigest())
            self.assertEqual(file.read_bytes()[harness.HEADER:][:len(proofs)], proofs)

    def test_s3_code_that_changes_below_a_process_is_not_published(self):
        """The other way round: what is mapped becomes the evil one, in place, before it is translated."""
        cache, program = self.new_cache(), self.base / "changing"
        shutil.copy(self.genuine, program)
        harness.old(program)
        self.says(cache, program)  # the index knows it
        for p in self.files(cache):
            p.unlink()
        stat = program.stat()
        with open(program, "r+b") as f:
            f.seek(self.at)
            f.write(self.evil.read_bytes()[self.at:self.at + 64])
        harness.old(program)
        self.assertEqual(self.says(cache, program), "OK")
        self.assertEqual(self.says(cache, self.genuine), "no")
        self.assertNotEqual(stat.st_ctime_ns, program.stat().st_ctime_ns)


@contextlib.contextmanager
def loop_mounted(image, where):
    done = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True)
    if done.returncode:
        raise unittest.SkipTest("no loop devices: " + done.stderr.strip())
    device = done.stdout.strip()
    try:
        if subprocess.run(["mount", "-o", "ro", device, where], capture_output=True).returncode:
            raise unittest.SkipTest("nothing can be mounted here")
        try:
            yield device
        finally:
            subprocess.run(["umount", where], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


@unittest.skipUnless(ROOT, "needs root")
@unittest.skipUnless(shutil.which("mkfs.ext4"), "needs mkfs.ext4")
class Images(Verifiers):
    def image(self, name):
        """An ext4 image with the genuine program, dated a while ago to the nanosecond, as if it had been written there."""
        path, place = self.base / name, self.base / "content"
        place.mkdir(exist_ok=True)
        shutil.copy(self.genuine, place / "program")
        with open(path, "wb") as f:
            f.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-I", "256", "-d", place, path], check=True)
        fields = "".join(f"set_inode_field /program {f} 20260101120000\nset_inode_field /program {f}_extra 0x75bcd14\n"
                         for f in ("ctime", "mtime"))
        subprocess.run(["debugfs", "-w", "-f", "-", path], input=fields, text=True, capture_output=True, check=True)
        return path

    def patched(self, image):
        data = image.read_bytes()
        at = data.index(self.data[self.at - 64:self.at + 64]) + 64
        with open(image, "r+b") as f:
            f.seek(at)
            f.write(struct.pack("<I", MOV_1))

    def on(self, image, cache):
        where = self.base / "mount"
        where.mkdir(exist_ok=True)
        with loop_mounted(image, where) as device:
            answers = [self.says(cache, where / "program") for _ in range(2)]
            place = os.stat(where / "program").st_dev
            data = (cache / "index").read_bytes()
            entries = [struct.unpack_from("<10Q", data, n) for n in range(0, len(data), 128)]
            # Believed while it is mounted, where the kernel can tell (Linux 6.8).
            mine = [e for e in entries if e[0] == place]
            self.assertTrue(all(e[8] and e[9] for e in mine), mine)
            if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 8):
                self.assertTrue(mine)
            return answers, (device, os.stat(where / "program"))

    def test_s4_another_image_at_the_same_device(self):
        one, two = self.image("one"), self.base / "two"
        shutil.copy(one, two)
        self.patched(two)
        cache = self.new_cache()
        alike = 0
        for _ in range(3):
            first, stat = self.on(one, cache)
            second, other = self.on(two, cache)
            self.assertEqual((first, second), (["no", "no"], ["OK", "OK"]))
            same = [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in (stat[1], other[1])]
            alike += same[0] == same[1]
            self.assertNotEqual(stat[1].st_ctime_ns % 10**9, 0)  # else it would be hashed anyway
        self.assertGreater(alike, 0, "the images were told apart by stat: nothing was tried")

    def test_s4_an_image_that_is_patched_while_it_is_not_mounted(self):
        for n in range(3):
            image, cache = self.image(f"raw{n}"), self.new_cache()
            self.assertEqual(self.on(image, cache)[0], ["no", "no"])
            self.patched(image)
            self.assertEqual(self.on(image, cache)[0], ["OK", "OK"])


if __name__ == "__main__":
    harness.main("__main__")
