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
import random
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
# Header (cache/format.h): code_used and records_used at 72, sealed at 96.
HEADER_BYTES = 4096


def xxh64(data, seed):
    p = [11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261]
    mask = (1 << 64) - 1
    rotl = lambda v, n: (v << n | v >> (64 - n)) & mask
    round_ = lambda acc, v: rotl((acc + v * p[1]) & mask, 31) * p[0] & mask
    at = 0
    if len(data) >= 32:
        v = [seed + p[0] + p[1], seed + p[1], seed, seed - p[0]]
        v = [x & mask for x in v]
        while at + 32 <= len(data):
            v = [round_(x, w) for x, w in zip(v, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(rotl(x, n) for x, n in zip(v, (1, 7, 12, 18))) & mask
        for x in v:
            h = ((h ^ round_(0, x)) * p[0] + p[3]) & mask
    else:
        h = (seed + p[4]) & mask
    h = (h + len(data)) & mask
    while at + 8 <= len(data):
        h = (rotl(h ^ round_(0, struct.unpack_from("<Q", data, at)[0]), 27) * p[0] + p[3]) & mask
        at += 8
    if at + 4 <= len(data):
        h = (rotl(h ^ struct.unpack_from("<I", data, at)[0] * p[0] & mask, 23) * p[1] + p[2]) & mask
        at += 4
    for byte in data[at:]:
        h = rotl(h ^ byte * p[4] & mask, 11) * p[0] & mask
    h = (h ^ h >> 33) * p[1] & mask
    h = (h ^ h >> 29) * p[2] & mask
    return h ^ h >> 32


# Where things lie in a cache file.
class Layout:
    def __init__(self, data):
        self.code_used, self.records_used = struct.unpack_from("<II", data, 72)
        (guest_bytes,) = struct.unpack_from("<Q", data, 48)
        code_bytes = (4 * guest_bytes + (320 << 10)) & ~0xffff
        self.index = HEADER_BYTES + (guest_bytes // 512 * 32 + 4095 & ~4095)  # behind the proofs
        self.lines = self.index + guest_bytes
        self.records = self.lines + (code_bytes // 64 * 4 + 4095 & ~4095)
        self.code = self.records + code_bytes // 2
        self.total = self.code + code_bytes


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

    def test_variables(self):
        other = self.home / "elsewhere"
        self.grus("run", "--", self.program, status=None, GRUS_CACHE=str(other))
        self.assertEqual(json.loads(self.grus("cache", "info", "--json", GRUS_CACHE=str(other)).stdout)["directory"], str(other))
        self.assertEqual(other.stat().st_mode & 0o777, 0o700)
        for wrong in ({"GRUS_CACHE": "relative"}, {"GRUS_CACHE_SIZE": "much"}, {"GRUS_CACHE_SIZE": "-1"}, {"GRUS_CACHE_SIZE": "1Gx"}):
            self.grus("cache", "info", status=2, **wrong)
            self.grus("cache", "warm", self.program, status=2, **wrong)

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
        return sorted(p for p in self.code.iterdir() if re.fullmatch(r"[0-9a-f]{64}-[0-9a-f]{16}", p.name))

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

    def test_s6_names_are_no_commands_to_the_terminal(self):
        # Escape, C1 as UTF-8 and as a byte, a newline, the direction of text, and what is to stay: ASCII and other letters.
        evil = os.fsencode(self.home) + b"/\x1b]0;title\x07\xc2\x9b31m\x9b\xe2\x80\xaeb\nc" + "\u00e4".encode()
        shutil.copy(self.program, evil)
        def raw(*arguments, status=0):
            env = {k: v for k, v in os.environ.items() if not k.startswith("GRUS_")}
            env.update(GRUS_ENGINE=OPTIONS.engine, XDG_CACHE_HOME=str(self.home))
            done = subprocess.run([OPTIONS.grus, *arguments], capture_output=True, env=env, stdin=subprocess.DEVNULL, timeout=120)
            self.assertEqual(done.returncode, status, done)
            return done.stdout + done.stderr
        said = [raw("cache", "warm", evil), raw("cache", "info"), raw("cache", "info", "--json"), raw("cache", "verify"),
                raw("cache", "warm", evil + b"gone", status=2)]
        os.unlink(evil)
        said.append(raw("cache", "compact", status=0))
        for out in said:
            self.assertFalse(set(out) & (set(range(32)) - {10} | {0x7f}), out)
            self.assertNotIn(b"\xc2\x9b", out)
            self.assertNotIn("\u202e".encode(), out)
            out.decode()
        self.assertIn(b"\\x1b]0;title\\x07\\xc2\\x9b31m\\x9b\\xe2\\x80\\xaeb", said[0])
        self.assertIn("\u00e4".encode(), said[0])
        json.loads(said[2])

    def test_u11_info_is_short_and_sorted(self):
        self.warm()
        (one,) = self.files()
        for n in range(30):  # of other sizes on disk, and the last one not readable
            copy = self.code / f"{n:032x}-{n:016x}"
            shutil.copy(one, copy)
            with open(copy, "r+b") as file:
                file.seek(Layout(one.read_bytes()).code)
                file.write(b"\x90" * 4096 * n)
        copy.write_bytes(b"x" * 100)
        everything = self.grus("cache", "info", "--all").stdout.splitlines()
        self.assertEqual(len(everything), 2 + 31)
        self.assertRegex(everything[0], r": [0-9.]+ [KM]iB of at most 4.0 GiB, 31 files, 1 not readable")
        self.assertRegex(everything[-1], r"not readable +" + copy.name + "$")
        sizes = [f["disk_bytes"] for f in self.info()["files"]]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertEqual(len(sizes), 31)
        short = self.grus("cache", "info").stdout.splitlines()
        self.assertEqual(short[:22], everything[:22])
        self.assertEqual(len(short), 2 + 20 + 1)
        self.assertRegex(short[-1], r"^ *[0-9.]+ [KM]iB in 11 more files \(`grus cache info --all`\)$")

    def test_u11_no_bar_where_there_is_no_terminal(self):
        self.warm()
        done = self.grus("cache", "verify")
        self.assertEqual(done.stderr, "")
        self.assertNotIn("\x1b", done.stdout)
        # And on one, ten a second at most: 400 files are over in a moment.
        (one,) = self.files()
        for n in range(400):
            shutil.copy(one, self.code / f"{n:032x}-{n:016x}")
        recorded = self.home / "typescript"
        env = dict(os.environ, GRUS_ENGINE=OPTIONS.engine, XDG_CACHE_HOME=str(self.home), TERM="xterm")
        begin = time.monotonic()
        subprocess.run(["script", "-qec", f"{OPTIONS.grus} cache verify >/dev/null", recorded], env=env, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, timeout=120)
        drawn = recorded.read_bytes().count(b"\r\x1b[K[")
        self.assertGreater(drawn, 0)
        self.assertLess(drawn, 15 * (time.monotonic() - begin) + 3)

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

    def test_compaction_and_programs_that_are_killed_do_not_harm_each_other(self):
        expected, _ = self.run_program(GRUS_CACHE="off")
        self.warm(self.program)
        env = dict(os.environ, GRUS_CACHE=str(self.code))
        rng, running, end = random.Random(3), [], time.monotonic() + 3
        commands = [[OPTIONS.engine, "--cache=compact", self.program], [OPTIONS.engine, "--cache=warm", self.program],
                    [OPTIONS.engine, self.program, "x"], [OPTIONS.engine, self.program, "x"]]
        finished = [0] * len(commands)
        while time.monotonic() < end or running:
            while len(running) < 8 and time.monotonic() < end:
                which = rng.randrange(len(commands))
                running.append((which, subprocess.Popen(commands[which], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
            which, process = running.pop(rng.randrange(len(running)))
            if rng.randrange(3) == 0:
                time.sleep(rng.random() * 0.01)
                process.kill()
            out, _ = process.communicate(timeout=60)
            if process.returncode == -9:
                continue
            finished[which] += 1
            if which >= 2:
                self.assertEqual((process.returncode, out), expected)
            else:
                self.assertEqual(process.returncode, 0, out)
        self.assertTrue(all(finished), finished)
        self.assertIn("1 files sound, 0 damaged, 0 differ", self.grus("cache", "verify").stdout)
        self.assertLess(self.run_program()[1], 50)

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
        at = Layout(whole)
        self.assertEqual(len(whole), at.total)
        first = next(n for n in range(at.index, at.lines, 4) if struct.unpack_from("<i", whole, n)[0] > 0)
        places = {"header": 8, "proofs": HEADER_BYTES + 17, "length of the guest": 33, "index": first, "lines": at.lines + at.code_used // 128 * 4,
                  "record": at.records + at.records_used // 2 // 8 * 8, "code": at.code + struct.unpack_from("<i", whole, first)[0] + 1}
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

    def test_a_file_under_anothers_name_is_found(self):
        self.warm(self.program, self.other)
        one, two = self.files()
        one.write_bytes(two.read_bytes())
        self.assertIn("1 files sound, 1 damaged", self.grus("cache", "verify", status=1).stdout)

    def test_a_wrong_translation_with_right_sums_is_found(self):
        # What checksums cannot see, only translating again can: code that is not what the translator makes.
        self.warm()
        (path,) = self.files()
        data = bytearray(path.read_bytes())
        at = Layout(data)
        record = at.records
        size, begin, end = struct.unpack_from("<III", data, record)
        marks, exits = struct.unpack_from("<HH", data, record + 28)
        code = bytearray(data[at.code + begin:at.code + end])
        code[3] ^= 1
        data[at.code + begin + 3] ^= 1
        tables = bytes(data[record + 48:record + 48 + 4 * marks + 8 * exits])
        for n in range(exits):
            (site,) = struct.unpack_from("<H", tables, 4 * marks + 8 * n)
            code[site:site + 4] = bytes(4)
        head = bytearray(data[record:record + 48])
        head[32:40] = bytes(8)
        total = xxh64(head, 0)
        for part in (tables[:4 * marks], tables[4 * marks:], code):
            total = xxh64(part, total)
        struct.pack_into("<Q", data, record + 32, total)
        path.write_bytes(data)
        report = self.grus("cache", "verify", status=1).stdout
        self.assertIn("1 regions are not what the translator makes", report)
        self.assertIn("0 files sound, 0 damaged, 1 differ", report)
        self.grus("cache", "verify", "--repair", status=1)
        self.assertEqual(self.files(), [])

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
