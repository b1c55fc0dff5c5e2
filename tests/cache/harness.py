# SPDX-License-Identifier: MIT
"""What the cache's tests share: running guests with a cache directory, reading what --stats says, looking into files."""
import argparse
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = None
HEADER = 4096
LIMIT = 60  # seconds: nothing here takes one; more is a hang


class Result:
    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout.decode(), process.stderr.decode()

    def number(self, pattern):
        """The sum over all processes of a number in their statistics."""
        return sum(int(n) for n in re.findall(r"(\d+) " + pattern, self.err))

    @property
    def translated(self):
        return self.number("guest instructions translated")

    @property
    def published(self):
        return self.number("regions published")

    @property
    def cached(self):
        return self.number("windows from the cache")


def environment(cache, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GRUS_") and k not in ("HOME", "XDG_CACHE_HOME")}
    env["GRUS_CACHE"] = str(cache)
    env.update(more)
    return env


def old(path):
    """An mtime says nothing; what counts is how long ago the file changed last: git's racy rule of two seconds."""
    while time.time() - os.stat(path).st_ctime < 2.1:
        time.sleep(0.1)


def layout(guest_bytes):
    """layout_of in src/cache/format.h."""
    code = min((4 * guest_bytes + (320 << 10)) & ~0xFFFF, 1 << 30)
    up = lambda n: (n + 4095) & ~4095
    proofs = HEADER
    index = proofs + up(guest_bytes // 512 * 32)
    lines = index + up(guest_bytes)
    records = lines + up(code // 64 * 4)
    return {"header": 0, "proofs": proofs, "index": index, "lines": lines, "records": records, "code": records + code // 2,
            "total": records + code // 2 + code}


def counters(path):
    """guest_bytes, code_used, records_used of a cache file."""
    with open(path, "rb") as f:
        head = f.read(HEADER)
    return struct.unpack_from("<Q", head, 48)[0], *struct.unpack_from("<II", head, 72)


class CacheTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="grus-cache-"))
        os.chmod(cls.base, 0o755)
        cls.work = cls.base / "work"
        cls.tricks = cls.base / "tricks"
        shutil.copy(OPTIONS.work, cls.work)
        shutil.copy(OPTIONS.tricks, cls.tricks)
        cls.confined = cls.base / "confined"
        shutil.copy(OPTIONS.confined, cls.confined)
        cls.locks = cls.base / "locks"
        shutil.copy(OPTIONS.locks, cls.locks)
        old(cls.locks)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base, ignore_errors=True)

    def new_cache(self, name="cache"):
        path = pathlib.Path(tempfile.mkdtemp(prefix=name, dir=self.base))
        os.chmod(path, 0o700)
        return path

    def start(self, cache, *arguments, **how):
        env = environment(cache, **how.pop("env", {}))
        return subprocess.Popen([how.pop("engine", OPTIONS.engine), *map(str, arguments)], env=env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)

    def waiting(self, cache, program, begin, end, **how):
        """A process that has called one of its functions, and waits."""
        process = self.start(cache, program, "wait", begin, end, **how)
        self.assertTrue(process.stdout.readline())
        return process

    def go_on(self, process):
        out, err = process.communicate(b"x", timeout=LIMIT)
        return process.returncode, out.decode(), err.decode()

    def run_guest(self, cache, *arguments, stats=False, **how):
        env = environment(cache, **({"GRUS_STATS": "1"} if stats else {}), **how.pop("env", {}))
        return Result(subprocess.run([*how.pop("before", []), how.pop("engine", OPTIONS.engine), *map(str, arguments)], env=env,
                                     stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, **how))

    def expect(self, *arguments):
        """What the program says without a cache."""
        r = self.run_guest("off", *arguments)
        self.assertEqual((r.status, r.err), (0, ""), arguments)
        return r.out

    def check(self, cache, *arguments, **how):
        """Runs it with the cache: the same answer, and not a word."""
        r = self.run_guest(cache, *arguments, **how)
        self.assertEqual((r.status, r.err), (0, ""), arguments)
        self.assertEqual(r.out, self.expected(*arguments))
        return r

    _expected = {}

    def expected(self, *arguments):
        key = tuple(map(str, arguments))
        if key not in CacheTest._expected:
            CacheTest._expected[key] = self.expect(*arguments)
        return CacheTest._expected[key]

    def files(self, cache):
        return sorted(p for p in pathlib.Path(cache).iterdir() if p.name != "index" and p.name[0] != ".")

    def filled(self, name="filled"):
        """A cache that holds all of `work`."""
        cache = self.new_cache(name)
        self.check(cache, self.work, 0, 256)
        self.assertEqual(self.run_guest(cache, self.work, 0, 256, stats=True).translated, 0)
        return cache


def version_of(binary, value):
    """The program with another constant, at the same size. In place of movz w?, #0x1234."""
    data = bytearray(binary)
    for at in range(0, len(data) - 3, 4):
        (word,) = struct.unpack_from("<I", data, at)
        if word & 0xFFFFFFE0 == 0x52800000 | 0x1234 << 5:
            struct.pack_into("<I", data, at, word & ~(0xFFFF << 5) | value << 5)
            return bytes(data)
    raise ValueError("no constant in this program")


def main(module):
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--tricks", required=True)
    parser.add_argument("--locks", required=True)
    parser.add_argument("--confined", required=True)
    parser.add_argument("--grus", required=True)
    OPTIONS, rest = parser.parse_known_args()
    result = unittest.main(module=module, argv=[sys.argv[0], *rest], exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    # Everything was skipped: what could not be looked at is not passed.
    sys.exit(77 if result.testsRun and len(result.skipped) == result.testsRun else 0)
