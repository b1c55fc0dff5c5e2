#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of `grus doctor`, `install`, `uninstall` and `status`: what is said of emulators and registrations is what they do.

Guarantees: the host's registrations are left alone; where binfmt_misc is changed, it is a private instance in a user namespace.
"""
import argparse
import json
import os
import pathlib
import shutil
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
int main(int argc, char** argv) {
  if (argc > 2 && !strcmp(argv[1], "exit")) return atoi(argv[2]);
  for (int i = 0; i < argc; i++) printf("%s|", argv[i]);
  puts("");
  return 0;
}
"""


def grus(*arguments, timeout=60):
    environment = dict(os.environ, GRUS_ENGINE=OPTIONS.engine)
    return subprocess.run([OPTIONS.grus, *arguments], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL,
                          timeout=timeout)


class DoctorOfAnEngine(unittest.TestCase):
    def checks(self, engine):
        begin = time.monotonic()
        result = grus("doctor", "--json", "--engine", engine)
        self.assertLess(time.monotonic() - begin, 10)
        report = json.loads(result.stdout)
        self.assertEqual(list(report)[:1] + ["supported" in report, "emulators" in report], ["trusted", True, True])
        return result.returncode, report, {c["name"]: c["result"] for c in report["checks"]}

    def test_grus_is_trusted(self):
        os.environ["TMPDIR"] = "/no/such/directory"  # no reason to fail
        self.addCleanup(os.environ.pop, "TMPDIR")
        code, report, checks = self.checks(OPTIONS.engine)
        self.assertEqual((code, report["trusted"], report["verdict"]), (0, True, "right"))
        self.assertEqual(checks["self-execution in other spellings"], "ok")
        self.assertEqual(checks["posix_spawn"], "ok")
        self.assertLess(report["times_native"], 2)

    def test_u7_slow_is_not_wrong(self):
        os.environ["GRUS_INTERPRET"] = "1"
        self.addCleanup(os.environ.pop, "GRUS_INTERPRET")
        code, report, checks = self.checks(OPTIONS.engine)
        self.assertEqual((code, report["trusted"], report["verdict"], checks["speed"]), (0, True, "slow", "warning"))
        self.assertGreater(report["times_native"], 5)
        self.assertIn("Right but slow", report["summary"])

    def test_qemu_is_not(self):
        if not OPTIONS.qemu:
            self.skipTest("no QEMU")
        code, report, checks = self.checks(OPTIONS.qemu)
        self.assertEqual((code, report["trusted"], report["verdict"]), (1, False, "breaks"))
        self.assertEqual(checks["AArch64 probe"], "ok")
        self.assertEqual(checks["instructions"], "ok")
        self.assertEqual(checks["posix_spawn"], "problem")
        self.assertIn("posix_spawn", report["summary"])
        self.assertGreater(report["times_native"], 2)

    def test_an_emulator_with_wrong_instructions_is_not(self):
        # Stands for QEMU 8.2: a program that prints what the probe would print there.
        with tempfile.TemporaryDirectory() as directory:
            fake = pathlib.Path(directory) / "fake"
            fake.write_text("#!/bin/sh\necho 'isa.compare_with_zero=bad word 1 is 0x5a5a'\n"
                            "echo 'isa.shift_then_extend=bad word 0 is 0x3f'\necho probe=ok\n")
            fake.chmod(0o755)
            code, report, checks = self.checks(str(fake))
        self.assertEqual((code, report["verdict"]), (1, "wrong"))
        self.assertEqual(checks["vector compare with zero"], "problem")
        self.assertEqual(checks["shift, then sign extension"], "problem")

    def test_u6_a_sign_extension_left_out_behind_a_shift_by_a_register_is_found(self):
        # What QEMU 8.2.2's optimiser does: LSR by a register, then SXTB, SXTH or SXTW of its result becomes a plain move. The
        # "emulator" makes that of the probe and has it run: finding it needs the shape to be in the probe.
        with tempfile.TemporaryDirectory() as directory:
            fake = pathlib.Path(directory) / "fake"
            fake.write_text(f"#!{sys.executable}\n" + r"""
import os, struct, subprocess, sys
_, option, name, program, *rest = sys.argv
data = bytearray(open(program, "rb").read())
words = struct.unpack(f"<{len(data) // 4}I", data[:len(data) // 4 * 4])
broken = 0
for n, (a, b) in enumerate(zip(words, words[1:])):
    shifts = a & 0x7fe0fc00 == 0x1ac02400
    extends = b & 0x7f80e000 == 0x13000000 and (b >> 10 & 63) in (7, 15, 31) and b >> 16 & 63 == 0 and (b >> 5 & 31) == (a & 31)
    if shifts and extends:
        struct.pack_into("<I", data, 4 * n + 4, (b & 1 << 31) | 0x2a0003e0 | (b >> 5 & 31) << 16 | (b & 31))
        broken += 1
assert broken, "the probe has no such shape"
path = __file__ + ".probe"
open(path, "wb").write(data)
os.chmod(path, 0o755)
sys.exit(subprocess.run([""" + repr(OPTIONS.engine) + r""", option, name, path, *rest]).returncode)
""")
            fake.chmod(0o755)
            code, report, checks = self.checks(str(fake))
        self.assertEqual((code, report["verdict"]), (1, "wrong"), report)
        self.assertEqual(checks["shift, then sign extension"], "problem")
        self.assertEqual(checks["instructions"], "ok")

    def test_a_broken_emulator_is_not(self):
        code, _, checks = self.checks(shutil.which("false"))
        self.assertEqual(code, 1)
        self.assertEqual(checks["AArch64 probe"], "problem")

    def test_an_emulator_that_hangs_is_not(self):
        with tempfile.TemporaryDirectory() as directory:
            fake = pathlib.Path(directory) / "fake"
            fake.write_text("#!/bin/sh\nsleep 100\n")
            fake.chmod(0o755)
            code, _, checks = self.checks(str(fake))
        self.assertEqual((code, checks["AArch64 probe"]), (1, "problem"))


# Runs in a user namespace with a private binfmt_misc; prints one JSON line per step.
REGISTRATION = r"""
import json, os, pathlib, subprocess, sys
grus, engine, probe = sys.argv[1:4]
misc = pathlib.Path("/proc/sys/fs/binfmt_misc")
os.environ["GRUS_ENGINE"] = engine
def state():
    return {p.name: p.read_text() for p in misc.iterdir() if p.name not in ("register", "status")}
def step(name, *command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(json.dumps([name, done.returncode, done.stdout, done.stderr, state()]))
# Another's handler that takes AArch64, one that takes something else.
magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
(misc / "register").write_text(":qemu-aarch64:M::" + magic + "::/bin/false:F")
(misc / "register").write_text(":other:E::other::/bin/true:")
step("before", "true")
step("broken", grus, "install", "arm64", "--engine", "/bin/false")
step("install", grus, "install", "linux/arm64")
step("again", grus, "install", "aarch64-linux")
step("status", grus, "status", "--json")
step("run", probe, "argv", "x")
step("doctor", grus, "doctor")
step("uninstall", grus, "uninstall", "arm64")
step("nothing", grus, "uninstall", "all")
"""


# As above; every step is a doctor and a status, by name.
DOCTOR = r"""
import json, os, pathlib, subprocess, sys
grus, engine, probe, qemu = sys.argv[1:5]
misc = pathlib.Path("/proc/sys/fs/binfmt_misc")
magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
def step(name, **environment):
    env = dict(os.environ, **{"GRUS_ENGINE": "/no/such/engine", **environment})
    done = [subprocess.run([grus, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)
            for words in (["doctor", "--json"], ["doctor"], ["status", "--json"], ["status"])]
    print(json.dumps([name, [d.returncode for d in done], json.loads(done[0].stdout), done[1].stdout, json.loads(done[2].stdout), done[3].stdout]))
def register(interpreter, flags, name="one"):
    (misc / "register").write_text(f":{name}:M::{magic}::{interpreter}:{flags}")
def clear():
    for p in misc.iterdir():
        if p.name not in ("register", "status"):
            p.write_text("-1")
step("none")
step("only grus run", GRUS_ENGINE=engine)
step("an engine that is none", GRUS_ENGINE="/bin/false")
register("/no/such/interpreter", "POC")
step("broken path")
clear()
register("/etc/passwd", "")
step("not executable")
clear()
register("/bin/false", "F")
step("no emulator")
clear()
register(engine, "F")
step("without P")
clear()
register(engine, "POCF")
step("good")
if qemu:
    clear()
    register(qemu, "POCF")
    step("qemu")
    register(engine, "PF", "two")
    step("grus is last")
    clear()
    register(engine, "PF", "two")
    register(qemu, "POCF")
    step("qemu is last")
    clear()
    register(engine, "POCF")
(misc / "one").write_text("0")
step("handler off")
(misc / "one").write_text("1")
(misc / "status").write_text("0")
step("all off")
(misc / "status").write_text("1")
subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
step("no /proc")
"""


# Three at once, many times; what each said, and what is there afterwards.
TOGETHER = r"""
import json, os, pathlib, subprocess, sys
grus, engine, probe = sys.argv[1:4]
misc = pathlib.Path("/proc/sys/fs/binfmt_misc")
magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
def register_other():
    (misc / "register").write_text(":qemu-aarch64:M::" + magic + "::/bin/false:F")
def together(name, *commands):
    env = dict(os.environ, GRUS_ENGINE=engine)
    running = [subprocess.Popen([grus, *c], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
               for c in commands]
    said = [p.communicate()[0] for p in running]
    works = subprocess.run([probe, "exit", "7"]).returncode if (misc / "grus-aarch64").exists() else None
    others = (misc / "qemu-aarch64").read_text().split()[0] if (misc / "qemu-aarch64").exists() else "none"
    print(json.dumps([name, [p.returncode for p in running], said, works, others]))
for n in range(8):
    subprocess.run(["umount", misc], check=True)
    together(f"unmounted {n}", *[["install"]] * 3)
    together(f"removed {n}", *[["uninstall"]] * 3)
register_other()
for n in range(8):
    together(f"install {n}", *[["install"]] * 3)
    together(f"broken {n}", ["install"], ["install", "--engine", "/bin/false"], ["install"])
    together(f"uninstall {n}", *[["uninstall"]] * 3)
"""


class Registration(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "needs root for a mount namespace")
    def test_s6_installs_at_once_take_turns(self):
        for name, (codes, said, works, others) in self.in_private_binfmt(TOGETHER).items():
            if name.startswith("unmounted"):
                self.assertEqual((codes, works), ([0, 0, 0], 7), (name, said))
            elif name.startswith(("uninstall", "removed")):
                other = "enabled" if name.startswith("uninstall") else "none"
                self.assertEqual((codes, works, others), ([0, 0, 0], None, other), (name, said))
                self.assertEqual(sorted(s.splitlines()[-1] for s in said), ["uninstalling: arm64 OK"] +
                                 ["uninstalling: arm64 was not installed"] * 2)
            else:  # who fails undoes what he did, and nothing of what others did
                self.assertEqual((codes, works, others), ([0, 5 if name.startswith("broken") else 0, 0], 7, "disabled"), (name, said))

    def in_private_binfmt(self, script, *arguments, timeout=120):
        with tempfile.TemporaryDirectory() as directory:
            source, program = pathlib.Path(directory) / "p.c", pathlib.Path(directory) / "p"
            source.write_text(PROGRAM)
            subprocess.run([OPTIONS.cc, "-O1", "-static", "-o", program, source], check=True)
            namespace = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c",
                         "mount -t tmpfs run /run && mount -t binfmt_misc b /proc/sys/fs/binfmt_misc || exit 99; exec \"$@\"", "sh"]
            done = subprocess.run(namespace + [sys.executable, "-c", script, OPTIONS.grus, OPTIONS.engine, str(program), *arguments],
                                  capture_output=True, text=True, timeout=timeout)
            if done.returncode == 99:
                self.skipTest("no private binfmt_misc: needs Linux 6.7")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a mount namespace")
    def test_u7_the_doctor_tells_the_truth_of_registrations(self):
        steps = self.in_private_binfmt(DOCTOR, OPTIONS.qemu)
        checks = {}
        for name, (codes, report, text, status, status_text) in steps.items():
            checks[name] = {c["name"]: c for c in report["checks"]}
            self.assertEqual(report["supported"], status["supported"], name)
            self.assertEqual(codes, [0 if report["verdict"] in ("right", "slow") else 1] * 2 +
                             [0 if "linux/arm64" in status["supported"] else 1] * 2, name)
            self.assertEqual(report["trusted"], codes[0] == 0, name)
            self.assertTrue(text.endswith(report["summary"] + "\n"), text)
        verdicts = {name: rest[1]["verdict"] for name, rest in steps.items()}
        summary = {name: rest[1]["summary"] for name, rest in steps.items()}
        self.assertEqual(verdicts, {"none": "nothing", "only grus run": "nothing", "an engine that is none": "nothing",
                                    "broken path": "nothing", "not executable": "nothing", "no emulator": "nothing", "without P": "breaks",
                                    "good": "right", **({"qemu": "breaks", "grus is last": "right", "qemu is last": "breaks"}
                                                               if OPTIONS.qemu else {}), "handler off": "nothing",
                                    "all off": "nothing", "no /proc": "breaks"})
        self.assertEqual(summary["none"], "Nothing runs AArch64 programs here.")
        self.assertIn("With `grus run`: Right and fast", summary["only grus run"])
        self.assertIn("With `grus run`: AArch64 programs do not run", summary["an engine that is none"])
        # What does not run says nothing of its flags.
        for name in ("broken path", "not executable", "no emulator", "handler off", "all off"):
            self.assertFalse([c for c in checks[name] if "flag" in c], name)
            self.assertEqual(checks[name]["handler one"]["result"], "skipped" if "off" in name else "problem", name)
        self.assertIn("/no/such/interpreter, flags POC: the interpreter is not there", checks["broken path"]["handler one"]["detail"])
        self.assertIn("may not be executed", checks["not executable"]["handler one"]["detail"])
        self.assertIn("exit status 1", checks["no emulator"]["handler one"]["detail"])
        self.assertEqual(checks["without P"]["keeps argv[0] (flag P)"]["result"], "problem")
        self.assertEqual(checks["handler off"]["handler for AArch64"]["detail"], "none that is switched on")
        if OPTIONS.qemu:  # what is said of the handler is said of the one that is used
            last = {name: {c: rest["result"] for c, rest in checks[name].items() if "handler" in c or c == "flag C"}
                    for name in ("grus is last", "qemu is last")}
            self.assertEqual(last, {"grus is last": {"handler one": "warning", "handler two": "ok", "flag C": "warning"},
                                    "qemu is last": {"handler one": "ok", "handler two": "warning"}})
        off = checks["all off"]["binfmt_misc"]
        self.assertEqual(off["detail"], "switched off as a whole")
        self.assertIn("echo 1 > /proc/sys/fs/binfmt_misc/status", off["hint"])
        self.assertNotIn("grus install", steps["all off"][2])  # it would refuse
        self.assertIn("switched off as a whole", steps["all off"][4])
        self.assertEqual(checks["no /proc"]["/proc"]["detail"], "not mounted")
        self.assertNotIn("binfmt_misc", checks["no /proc"])  # nothing is known of it
        self.assertIn("cannot be seen: /proc is not mounted", steps["no /proc"][4])

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a mount namespace")
    def test_install_and_uninstall(self):
        steps = self.in_private_binfmt(REGISTRATION)
        before = steps["before"][3]
        self.assertEqual(sorted(before), ["other", "qemu-aarch64"])
        code, _, errors, state = steps["broken"]
        self.assertEqual((code, state), (5, before), errors)
        for name in ("install", "again"):
            code, output, errors, state = steps[name]
            self.assertEqual(code, 0, errors)
            self.assertRegex(output, r"^installing: arm64 OK \(probe: \d+ ms\)\n$")
            self.assertTrue(state["qemu-aarch64"].startswith("disabled"))
            self.assertIn(f"interpreter {OPTIONS.engine}\n", state["grus-aarch64"])
            self.assertIn("flags: POCF", state["grus-aarch64"])
            self.assertEqual(state["other"], before["other"])
        report = json.loads(steps["status"][1])
        self.assertEqual(list(report)[:2], ["supported", "emulators"])
        self.assertIn("linux/arm64", report["supported"])
        self.assertEqual(steps["run"][:2], [0, f"{steps['run'][1].split('|')[0]}|argv|x|\n"])
        self.assertEqual(steps["doctor"][0], 0, steps["doctor"][1])
        self.assertIn("survives a chroot", steps["doctor"][1])
        self.assertEqual((steps["uninstall"][0], steps["uninstall"][3]), (0, before))
        self.assertEqual((steps["nothing"][0], steps["nothing"][3]), (0, before))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("grus", "engine", "cc", "qemu"):
        parser.add_argument(f"--{name}", default="")
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.grus, OPTIONS.engine = os.path.abspath(OPTIONS.grus), os.path.abspath(OPTIONS.engine)
    unittest.main(argv=[sys.argv[0], *rest])
