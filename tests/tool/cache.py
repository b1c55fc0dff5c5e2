#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `grus cache`: what is translated ahead of time is not translated again, compaction changes nothing but the order,
damage is found and repaired, the cache stays below its limit, and nothing of anybody else's is ever touched.

Every test has a cache of its own in a temporary directory.
"""
import argparse
import json
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
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }
static int kind(int n) {
  switch (n) { case 0: return 11; case 1: return puts("one"); case 2: return 5; case 3: return abs(-n); case 4: return n * n; default: return 2; }
}
int main(int argc, char** argv) {
  int v[64], sum = 0;
  double d = 1;
  for (int i = 0; i < 64; i++) v[i] = i * 7919 % 101;
  qsort(v, 64, sizeof v[0], compare);
  for (int i = 0; i < 64; i++) { sum += v[i] * kind(i % 7); d = d * 1.01 + v[i]; }
  printf("%d %.6f %s\n", sum, d, argc > 1 ? argv[1] : "-");
  return sum & 1;
}
"""
# Header (cache/format.h): code_used and records_used at 56, sealed at 80.
HEADER_BYTES = 4096


class Cache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="grus-cache-"))
        os.chmod(cls.base, 0o755)
        (cls.base / "p.c").write_text(PROGRAM)
        cls.program = cls.base / "p"
        cls.other = cls.base / "other"
        subprocess.run([OPTIONS.cc, "-O1", "-static", "-o", cls.program, cls.base / "p.c"], check=True)
        subprocess.run([OPTIONS.cc, "-O2", "-static", "-o", cls.other, cls.base / "p.c"], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(dir=self.base))
        self.code = self.home / "grus/code"

    def grus(self, *arguments, status=0, **environment):
        env = {k: v for k, v in os.environ.items() if not k.startswith("GRUS_")}
        env.update(GRUS_ENGINE=OPTIONS.engine, XDG_CACHE_HOME=str(self.home), **environment)
        done = subprocess.run([OPTIONS.grus, *map(str, arguments)], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL,
                              timeout=120)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    # Output, and how many instructions were translated.
    def run_program(self, program=None, status=None, **environment):
        done = self.grus("run", "--", program or self.program, "x", status=status, GRUS_STATS="1", **environment)
        counts = re.search(r"(\d+) guest instructions translated", done.stderr)
        self.assertTrue(counts, done.stderr)
        return (done.returncode, done.stdout), int(counts.group(1))

    def info(self, **environment):
        return json.loads(self.grus("cache", "info", "--json", **environment).stdout)

    def files(self):
        return sorted(p for p in self.code.iterdir() if re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{16}", p.name))

    def warm(self, *paths):
        return self.grus("cache", "warm", *(paths or [self.program]))

    def test_usage(self):
        self.grus("cache", status=2)
        self.grus("cache", "nonsense", status=2)
        self.grus("cache", "warm", status=2)
        self.grus("cache", "warm", self.base / "no-such-file", status=2)
        self.grus("cache", "warm", "/bin/sh", status=2)
        self.grus("cache", "info", status=1, GRUS_CACHE="off")

    def test_info(self):
        self.assertEqual(self.info()["files"], [])
        self.warm()
        (file,) = self.info()["files"]
        self.assertEqual((file["path"], file["translator"], file["state"]), (str(self.program), "this", "growing"))
        self.assertGreaterEqual(file["ratio"], 1)
        self.assertLess(file["ratio"], 1.3)
        self.assertLess(abs(file["last_use"] - time.time()), 3700)
        self.assertEqual(self.info(GRUS_HOST="sse42")["files"][0]["translator"], "another")
        self.assertIn(str(self.program), self.grus("cache", "info").stdout)

    def test_clear_removes_what_is_the_caches_and_nothing_else(self):
        self.warm()
        (self.code / ".new-1-abc").write_text("half")
        for name in ("mine", "0123", "index.bak"):
            (self.code / name).write_text("mine")
        (self.code / ("0" * 32 + "-" + "1" * 16)).mkdir()
        self.grus("cache", "clear")
        self.assertEqual(sorted(p.name for p in self.code.iterdir()),
                         sorted(["mine", "0123", "index.bak", "0" * 32 + "-" + "1" * 16]))

    def test_after_warm_nothing_is_left_to_translate(self):
        expected, cold = self.run_program(GRUS_CACHE="off")
        self.assertGreater(cold, 500)
        self.warm()
        answer, translated = self.run_program()
        self.assertEqual(answer, expected)
        self.assertLess(translated, 50)  # the vDSO is no file's; switch cases that fall through

    def test_compaction(self):
        expected, _ = self.run_program(GRUS_CACHE="off")
        for _ in range(2):  # a brand-new file's translations are kept when it is seen again
            self.run_program()
        answer, left = self.run_program()
        self.assertEqual(answer, expected)
        self.assertLess(left, 50)
        before = self.info()["files"]
        self.assertIn("compacted", self.grus("cache", "compact").stdout)
        self.assertEqual([f["state"] for f in self.info()["files"]], ["sealed"] * len(before))
        self.assertEqual([f["name"] for f in self.info()["files"]], [f["name"] for f in before])
        self.assertEqual([f["path"] for f in self.info()["files"]], [f["path"] for f in before])
        self.assertEqual(self.run_program(), (expected, left))
        self.assertNotIn("compacted", self.grus("cache", "compact").stdout)  # not due
        self.assertIn(f"{len(before)} files sound, 0 damaged, 0 differ", self.grus("cache", "verify").stdout)
        self.assertEqual([p for p in self.code.iterdir() if p.name.startswith(".new")], [])

    def test_a_changed_guest_is_not_compacted(self):
        copy = self.home / "copy"
        shutil.copy(self.program, copy)
        self.warm(copy)
        shutil.copy(self.other, copy)
        self.assertIn("gone or has changed", self.grus("cache", "compact").stdout)
        self.assertEqual([f["state"] for f in self.info()["files"]], ["growing"])

    def test_damage_is_found_and_repaired(self):
        expected, _ = self.run_program(GRUS_CACHE="off")
        self.warm()
        (path,) = self.files()
        whole = path.read_bytes()
        code_used, records_used = struct.unpack_from("<II", whole, 56)
        guest_bytes, = struct.unpack_from("<Q", whole, 32)
        code_bytes = (4 * guest_bytes + (320 << 10)) & ~0xffff
        lines = HEADER_BYTES + guest_bytes
        records = lines + (code_bytes // 64 * 4 + 4095 & ~4095)
        code = records + code_bytes // 2
        self.assertEqual(len(whole), code + code_bytes)
        first = next(n for n in range(HEADER_BYTES, lines, 4) if struct.unpack_from("<i", whole, n)[0] > 0)
        places = {"header": 8, "length of the guest": 33, "index": first, "lines": lines + code_used // 128 * 4,
                  "record": records + records_used // 2 // 8 * 8, "code": code + struct.unpack_from("<i", whole, first)[0] + 1}
        for name, place in places.items():
            with self.subTest(name):
                damaged = bytearray(whole)
                damaged[place] ^= 4
                path.write_bytes(damaged)
                os.chmod(path, 0o600)
                report = self.grus("cache", "verify", status=None)
                if name == "header":  # as if another translator had made it
                    self.assertIn("0 files sound, 0 damaged, 0 differ, 1 of another translator", report.stdout)
                    continue
                self.assertEqual(report.returncode, 1, report.stdout)
                self.assertIn("0 files sound, 1 damaged", report.stdout)
                self.assertTrue(path.exists())
                self.assertEqual(self.grus("cache", "verify", "--repair", status=None).returncode, 1)
                self.assertEqual(self.files(), [])
                self.grus("cache", "verify")
                self.assertEqual(self.run_program()[0], expected)

    def test_a_wrong_translation_with_right_sums_is_found(self):
        # What checksums cannot see: a file that was made from other bytes. Here: by renaming the other program's file.
        self.warm(self.program, self.other)
        self.assertEqual(len(self.files()), 2)
        one, two = self.files()
        one.write_bytes(two.read_bytes())
        report = self.grus("cache", "verify", status=1)
        self.assertIn("1 files sound, 1 damaged", report.stdout)

    def test_the_least_recently_used_go_first(self):
        programs = []
        for n in range(3):
            programs.append(self.home / f"p{n}")
            text = PROGRAM.replace("7919", str(7919 + 2 * n))
            (self.home / "p.c").write_text(text)
            subprocess.run([OPTIONS.cc, "-O1", "-static", "-o", programs[n], self.home / "p.c"], check=True)
            self.warm(programs[n])
        by_path = {pathlib.Path(f["path"]).name: self.code / f["name"] for f in self.info()["files"]}
        now = time.time()
        for name, age in (("p0", 100), ("p1", 3000), ("p2", 2000)):
            os.utime(by_path[name], (now - age, now - age))
        (self.code / "mine").write_text("mine")
        (self.code / ".new-1-1").write_text("old")
        os.utime(self.code / ".new-1-1", (now - 4000, now - 4000))
        (self.code / ".new-2-2").write_text("recent")
        size = self.info()["disk_bytes"]
        self.grus("run", "--", self.program, status=None, GRUS_CACHE_SIZE=str(size + (1 << 20)))  # below: nothing happens
        self.assertTrue(all(p.exists() for p in by_path.values()))
        limit = (size - by_path["p1"].stat().st_blocks * 512) // 1024 * 1024
        self.grus("run", "--", self.program, status=None, GRUS_CACHE_SIZE=f"{limit // 1024}K", GRUS_CACHE=str(self.code))
        self.assertEqual([by_path[n].exists() for n in ("p0", "p1")], [True, False])
        self.assertTrue((self.code / "mine").exists() and (self.code / ".new-2-2").exists())
        self.assertFalse((self.code / ".new-1-1").exists())

    def test_old_files_of_other_translators_go(self):
        self.grus("cache", "warm", self.program, GRUS_HOST="sse42")
        self.warm()
        old = time.time() - 31 * 24 * 3600
        for path in self.files():
            os.utime(path, (old, old))
        self.run_program()
        self.assertEqual([f["translator"] for f in self.info()["files"]], ["this"])

    def test_roots_and_what_a_program_needs(self):
        root = self.home / "root"
        (root / "usr/lib").mkdir(parents=True)
        (root / "usr/bin").mkdir()
        (root / "lib").symlink_to("/usr/lib")  # leads out of the root for whoever does not look
        (self.home / "l.c").write_text("int twice(int n) { return n < 2 ? n : 2 * n; }")
        (self.home / "m.c").write_text("int twice(int); void _start(void) { twice(3); for (;;); }")
        flags = ["-O1", "-nostdlib", "-fPIC"]
        subprocess.run([OPTIONS.cc, *flags, "-shared", "-Wl,-soname,libtwice.so", "-o", root / "usr/lib/libtwice.so", self.home / "l.c"], check=True)
        subprocess.run([OPTIONS.cc, *flags, "-o", root / "usr/bin/m", self.home / "m.c", root / "usr/lib/libtwice.so",
                        "-Wl,-rpath,/lib", "-Wl,--dynamic-linker,/lib/none"], check=True)
        report = self.grus("cache", "warm", "--root", root, "/usr/bin/m").stdout
        self.assertEqual({line.split(",")[0] for line in report.splitlines()},
                         {f"{root}/usr/bin/m: warm", f"{root}/usr/lib/libtwice.so: warm"})
        self.assertEqual(len(self.grus("cache", "warm", "--root", root, "/usr").stdout.splitlines()), 2)
        self.assertIn(str(root / "usr/lib/libtwice.so"), [f["path"] for f in self.info()["files"]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("grus", "engine", "cc"):
        parser.add_argument(f"--{name}", default="")
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.grus, OPTIONS.engine = os.path.abspath(OPTIONS.grus), os.path.abspath(OPTIONS.engine)
    unittest.main(argv=[sys.argv[0], *rest])
