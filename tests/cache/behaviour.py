#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What guests do to themselves - limits, patched code, locked memory - and engines that are not alike."""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import unittest

import harness
from harness import CacheTest, old, version_of


class Limits(CacheTest):
    def under(self, *limits):
        """Cold, warm, and with an index but no file, as `prlimit` starts it: the limit is there before the engine."""
        cache = self.new_cache()
        for _ in range(3):
            r = self.run_guest(cache, self.work, 0, 256, before=["prlimit", *limits])
            self.assertEqual((r.status, r.err, r.out), (0, "", self.expected(self.work, 0, 256)), limits)
        self.check(cache, self.work, 0, 256)
        for p in self.files(cache):
            p.unlink()
        for _ in range(2):
            r = self.run_guest(cache, self.work, "fork", 8, before=["prlimit", *limits])
            self.assertEqual((r.status, r.err, r.out), (0, "", self.expected(self.work, "fork", 8)), limits)

    def test_file_size(self):
        for size in (0, 1, 512, 4096, 786431, 786432, 1 << 20):
            self.under(f"--fsize={size}:{size}")

    def test_address_space(self):
        for mib in (64, 128, 1024):
            self.under(f"--as={mib << 20}")

    def test_data(self):
        for mib in (8, 16, 64):
            self.under(f"--data={mib << 20}")

    def test_locked(self):
        self.under("--memlock=0:0")

    def test_mlockall_locks_the_guests_memory_only(self):
        cache = self.new_cache()
        self.assertIn("16 << 10 = 1\n", self.expected(self.locks))
        for _ in range(3):
            self.check(cache, self.locks)

    def test_mdwe_is_refused(self):
        cache = self.new_cache()
        for _ in range(2):
            self.check(cache, self.tricks, "mdwe")


class Patches(CacheTest):
    def test_a_patch_is_its_process_own(self):
        for how in ("rwx", "rw", "mem"):
            cache = self.new_cache()
            # Before the cache has it, while it is made, and afterwards.
            for _ in range(3):
                processes = [self.start(cache, self.tricks, "patch", how) for _ in range(4)]
                processes += [self.start(cache, self.tricks, "mdwe") for _ in range(2)]
                for n, process in enumerate(processes):
                    out, err = process.communicate(timeout=harness.LIMIT)
                    arguments = ("patch", how) if n < 4 else ("mdwe",)
                    self.assertEqual((process.returncode, err.decode(), out.decode()), (0, "", self.expected(self.tricks, *arguments)))

    def test_code_files_one_after_the_other_at_one_place(self):
        codes = []
        for n in range(4):
            # add w0, w0, #n; b.ne over nothing; mul by itself; ret
            words = [0x11000000 | n + 1 << 10, 0x1B007C00, 0x11000400, 0xD65F03C0]
            path = self.base / f"code{n}"
            path.write_bytes(struct.pack(f"<{len(words)}I", *words).ljust(4096, b"\0"))
            codes.append(path)
        harness.old(codes[-1])
        cache = self.new_cache()
        line = " ".join(f"{(5 + n + 1) ** 2 + 1:x}" for n in range(4)) + " \n"
        for _ in range(3):
            r = self.run_guest(cache, self.tricks, "overlay", *codes)
            self.assertEqual((r.status, r.err, r.out), (0, "", 3 * line))


    def test_a_file_that_changes_between_mapping_and_running(self):
        cache = self.new_cache()
        path = self.base / "late"
        path.write_bytes(bytes(4096) + struct.pack("<2I", 0x52800000 | 7 << 5, 0xD65F03C0).ljust(4096, b"\0"))
        harness.old(path)
        for value, answer in ((None, 7), (None, 7), (9, 9), (11, 11), (None, 11)):
            r = self.run_guest(cache, self.tricks, "late", path, *([value] if value else []))
            self.assertEqual((r.status, r.err, int(r.out, 16)), (0, "", answer))


class Engines(CacheTest):
    def test_hosts_side_by_side(self):
        cache = self.new_cache()
        for _ in range(2):
            for host in ("sse42", "avx2", "native"):
                self.check(cache, self.work, 0, 256, env={"GRUS_HOST": host})
        self.assertGreaterEqual(len(self.files(cache)), 1)
        for host in ("sse42", "avx2", "native"):
            r = self.run_guest(cache, self.work, 0, 256, stats=True, env={"GRUS_HOST": host})
            self.assertEqual((r.out, r.translated), (self.expected(self.work, 0, 256), 0))

    def other_engine(self, cache):
        """An engine with another fingerprint, as if its templates were others."""
        header = pathlib.Path(harness.OPTIONS.engine).parent / "gen" / "fingerprint.h"
        if not header.exists():
            self.skipTest("no generated fingerprint beside the engine")
        (value,) = re.findall(r"kTranslatorFingerprint = (0x[0-9a-f]+)", header.read_text())
        data = pathlib.Path(harness.OPTIONS.engine).read_bytes()
        old = struct.pack("<Q", int(value, 16))
        if data.count(old) != 1:
            self.skipTest("the fingerprint is not one constant in the engine")
        engine = self.base / "other-engine"
        engine.write_bytes(data.replace(old, struct.pack("<Q", int(value, 16) ^ 0xFF00)))
        os.chmod(engine, 0o755)
        return engine

    def test_versions_side_by_side(self):
        cache = self.new_cache()
        other = self.other_engine(cache)
        for engine in (harness.OPTIONS.engine, other, harness.OPTIONS.engine, other):
            self.check(cache, self.work, 0, 256, engine=engine)
        self.assertEqual(len(self.files(cache)), 2)
        for engine in (harness.OPTIONS.engine, other):
            self.assertEqual(self.run_guest(cache, self.work, 0, 256, engine=engine, stats=True).translated, 0)


class Size(CacheTest):
    def test_the_limit_holds_without_the_tool(self):
        """Whoever makes a file looks at the others now and then; those of others stay."""
        cache = self.new_cache()
        (cache / "mine").write_text("no translations")
        binary, programs = self.tricks.read_bytes(), []
        for n in range(60):
            programs.append(self.base / f"size-{n}")
            programs[-1].write_bytes(version_of(binary, n))
            programs[-1].chmod(0o755)
        old(programs[-1])
        for program in programs:
            self.run_guest(cache, program, env={"GRUS_CACHE_SIZE": "1M"})
        sizes = [p.stat().st_blocks * 512 for p in self.files(cache) if p.name != "mine"]
        self.assertLess(len(sizes), 45)  # some 60 KiB each; looked at 1 time in 8
        self.assertTrue(sizes)
        self.assertTrue((cache / "mine").exists())


class End(CacheTest):
    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_nothing_is_done_between_exit_and_death(self):
        cache = self.new_cache()
        for _ in range(3):
            for arguments, status in (((self.tricks, "end"), 7), ((self.work, 0, 256), 0)):
                log = self.base / "trace"
                r = self.run_guest(cache, *arguments, before=["strace", "-f", "-o", str(log)])
                self.assertEqual(r.status, status)
                lines = log.read_text().splitlines()
                last = max(i for i, l in enumerate(lines) if re.search(r"(write|close)\(1\b", l))
                after = [l.split(None, 1)[1] for l in lines[last + 1:]]
                # Whatever the guest itself does is here too: publishing needs no system call, identifying files does.
                self.assertLessEqual(len(after), 4, after)
                self.assertTrue(after[-1].startswith("+++ exited"), after)
                self.assertTrue(after[-2].startswith("exit_group("), after)


if __name__ == "__main__":
    harness.main("__main__")
