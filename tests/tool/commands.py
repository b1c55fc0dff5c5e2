#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the program `grus`: what a user types, and what must come back.

Guarantees: exit codes are those of the documentation, a guest's status passes through, what an uninstall leaves is what was
there before the install. Deliberately no network and no package: roots here hold a static program or two.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = None
PROGRAM = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/utsname.h>
int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "exit")) return atoi(argv[2]);
  if (!strcmp(what, "kill")) { raise(atoi(argv[2])); return 99; }
  if (!strcmp(what, "argv")) { for (int i = 0; i < argc; i++) printf("%s|", argv[i]); puts(""); return 0; }
  if (!strcmp(what, "env")) { puts(getenv(argv[2]) ? getenv(argv[2]) : "(unset)"); return 0; }
  if (!strcmp(what, "where")) { char b[4096]; puts(getcwd(b, sizeof b)); return 0; }
  if (!strcmp(what, "ids")) { printf("%d %d\n", getuid(), getgid()); return 0; }
  if (!strcmp(what, "machine")) { struct utsname n; uname(&n); puts(n.machine); return 0; }
  if (!strcmp(what, "read")) { char b[256]; FILE* f = fopen(argv[2], "r"); if (!f) { puts(strerror(errno)); return 1; } puts(fgets(b, 256, f)); return 0; }
  if (!strcmp(what, "write")) { FILE* f = fopen(argv[2], "w"); if (!f) { puts(strerror(errno)); return 1; } fputs("written", f); return fclose(f); }
  if (!strcmp(what, "cmdline")) { int c; FILE* f = fopen("/proc/self/cmdline", "r"); while ((c = getc(f)) != EOF) putchar(c ? c : '|');
    printf("%s\n", (char*)getauxval(AT_EXECFN)); return 0; }
  if (!strcmp(what, "numbers")) { printf("%d %d\n", getpid(), getppid()); return 0; }
  if (!strcmp(what, "sleep")) { sleep(60); return 0; }
  if (!strcmp(what, "leave")) {  // a child that nobody waits for, in a session of its own
    if (!fork()) { setsid(); execl("/proc/self/exe", "p", "sleep", argv[2], (char*)0); }
    if (argc > 3) sleep(60);
    usleep(200000); return 8; }
  if (!strcmp(what, "count")) {  // signals that arrive, until SIGTERM has come
    int seen[65] = {0}; sigset_t all; siginfo_t i; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, 0); puts("ready"); fflush(stdout);
    while (!seen[SIGTERM]) { seen[sigwaitinfo(&all, &i)]++; if (i.si_code == SI_QUEUE) printf("value %d\n", i.si_value.sival_int); }
    usleep(300000); sigset_t left; sigpending(&left); for (int n = 1; n < 32; n++) if (seen[n] + (sigismember(&left, n) > 0)) printf("%d:%d ", n, seen[n] + (sigismember(&left, n) > 0));
    puts(""); return 0; }
  if (!strcmp(what, "stop")) { raise(SIGTSTP); puts("continued"); return 4; }
  if (!strcmp(what, "copy")) { char b[4096]; FILE* f = fopen(argv[2], "r"); if (!f) { puts(strerror(errno)); return 1; } size_t n = fread(b, 1, sizeof b, f); fwrite(b, 1, n, stdout); return 0; }
  if (!strcmp(what, "chown")) { if (chown(argv[2], atoi(argv[3]), atoi(argv[3])) || setgroups(1, (gid_t[]){5}) || setgid(7) || setuid(7)) { puts(strerror(errno)); return 1; } printf("%d\n", getuid()); return 0; }
  if (!strcmp(what, "again")) { execl("/proc/self/exe", "renamed", "argv", "x", (char*)0); return errno; }
  return 5;
}
"""


def grus(*arguments, env=None, cwd=None, user=None, timeout=60):
    environment = dict(os.environ, GRUS_ENGINE=OPTIONS.engine, **(env or {}))
    return subprocess.run([OPTIONS.grus, *arguments], capture_output=True, text=True, env=environment, cwd=cwd,
                          stdin=subprocess.DEVNULL, timeout=timeout,
                          **({"user": user, "group": user, "extra_groups": []} if user is not None else {}))


class CommandLine(unittest.TestCase):
    def test_usage_errors_are_2(self):
        for arguments in ([], ["nonsense"], ["root"], ["root", "create"], ["doctor", "--no-such"]):
            self.assertEqual(grus(*arguments).returncode, 2, arguments)

    def test_u11_failures_of_run_itself_are_125(self):
        # As env, timeout and docker: no status that a program has is taken for grus's own.
        for arguments in (["run"], ["run", "--no-such", "--", "true"], ["shell"], ["run", "--root", "no-such-root", "--", "true"],
                          ["run", "--engine-option", "--no-such", "--", sys.executable], ["run", "--platform", "vax", "--", "true"]):
            self.assertEqual(grus(*arguments).returncode, 125, arguments)
        self.assertEqual(grus("run", "--", "no-such-program").returncode, 127)
        self.assertEqual(grus("run", "--", "/etc/passwd").returncode, 126)

    def test_u11_what_is_wrong_is_named(self):
        for arguments, words in ((["rum"], "did you mean `grus run`?"), (["cache", "inof"], "did you mean `grus cache info`?"),
                                 (["matrix", "--help"], "there is no command `grus matrix`"), (["doctor", "--x"], "there is no option --x"),
                                 (["run", "--bogus", "--", "true"], "there is no option --bogus"), (["cache"], "`grus cache --help`")):
            result = grus(*arguments)
            self.assertIn(words, result.stderr, arguments)
            self.assertEqual((result.stdout, result.stderr.count("\n")), ("", 1), arguments)
        self.assertNotIn("did you mean", grus("zzzzzz").stderr)

    def test_u11_every_command_has_a_help_of_its_own(self):
        def walk(*path):
            text = grus(*path, "--help").stdout
            self.assertIn(" ".join(("Usage: grus", *path, "[OPTIONS]")), text)
            options = text.partition("Options:")[2].partition("Subcommands:")[0].split("\n")
            for option, following in zip(options, options[1:] + [""]):  # each says what it does, in its line or the next
                if option.startswith("  -"):
                    self.assertTrue(option[30:].strip() or following.startswith(" " * 30), (path, option))
            for line in text.partition("Subcommands:")[2].split("\n"):
                if line.startswith("  ") and line[2:3].isalpha():
                    walk(*path, line.split()[0])
        walk()

    def test_u11_one_version_with_the_commit(self):
        text = grus("--version").stdout
        self.assertRegex(text, r"^grus \d+\.\d+\.\d+ \(([0-9a-f]{12}(, changed)?|unknown)\)\n$")
        own, engine = grus("version").stdout.splitlines()
        self.assertEqual(own + "\n", text)
        self.assertTrue(engine.endswith(": grus-aarch64 " + own[len("grus "):]), engine)
        source = pathlib.Path(__file__).resolve().parents[2]
        with tempfile.TemporaryDirectory() as directory:  # an unpacked archive, in another's repository at that
            copy = pathlib.Path(directory) / "archive"
            copy.mkdir()
            subprocess.run(["git", "init", "-q", directory], check=True)
            subprocess.run(["git", "-C", directory, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"], check=True)
            subprocess.run([sys.executable, source / "src/base/version.py", copy / "v.cpp", copy, "1.2.3"], check=True)
            self.assertIn('"1.2.3 (unknown)"', (copy / "v.cpp").read_text())

    def test_help_and_version_are_0(self):
        for arguments in (["--help"], ["--version"], ["run", "--help"], ["version"]):
            self.assertEqual(grus(*arguments).returncode, 0, arguments)

    def test_native_and_unknown_platforms_are_refused(self):
        self.assertEqual(grus("install", "amd64").returncode, 2)
        self.assertIn("runs linux/amd64 itself", grus("install", "linux/amd64").stderr)
        self.assertEqual(grus("install", "vax").returncode, 2)

    def test_a_missing_engine_is_named(self):
        result = grus("run", "--engine", "/no/such/engine", "--", "true")
        self.assertEqual(result.returncode, 125)
        self.assertIn("/no/such/engine", result.stderr)


class Roots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="grus-tool-"))
        os.chmod(cls.base, 0o755)
        (cls.base / "p.c").write_text(PROGRAM)
        cls.root = cls.base / "root"
        for directory in ("bin", "proc", "sys", "dev", "tmp", "usr/bin", "etc", "root"):
            (cls.root / directory).mkdir(parents=True)
        subprocess.run([OPTIONS.cc, "-O1", "-static", "-o", cls.root / "bin/p", cls.base / "p.c"], check=True)
        (cls.root / "etc/text").write_text("of the root\n")
        (cls.root / "bin/data").write_text("not a program")
        cls.work = cls.base / "work"
        cls.work.mkdir()
        os.chmod(cls.work, 0o777)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def run_in(self, *command, options=(), **keywords):
        keywords.setdefault("cwd", self.work)
        return grus("run", "--root", str(self.root), *options, "--", *command, **keywords)

    def test_the_status_passes_through(self):
        for status in (0, 1, 2, 77, 255):
            self.assertEqual(self.run_in("p", "exit", str(status)).returncode, status)

    def test_a_signal_passes_through(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
            self.assertEqual(self.run_in("p", "kill", str(int(number))).returncode, -number)

    def test_missing_programs_are_127_and_others_126(self):
        self.assertEqual(self.run_in("no-such-program").returncode, 127)
        self.assertEqual(self.run_in("data").returncode, 126)

    def test_arguments_arrive(self):
        self.assertEqual(self.run_in("p", "argv", "", "a b", "--x").stdout, "p|argv||a b|--x|\n")

    def test_the_machine(self):
        self.assertEqual(self.run_in("p", "machine").stdout, "aarch64\n")

    def test_self_execution_without_registration(self):
        self.assertEqual(self.run_in("p", "again").stdout, "renamed|argv|x|\n")

    def test_the_current_directory_is_bound_in(self):
        self.assertEqual(self.run_in("p", "where").stdout, f"{self.work}\n")
        (self.work / "input").write_text("of the host\n")
        self.assertEqual(self.run_in("p", "read", "input").stdout, "of the host\n\n")
        self.assertEqual(self.run_in("p", "write", "output").returncode, 0)
        self.assertEqual((self.work / "output").read_text(), "written")

    def test_the_host_is_not_seen(self):
        self.assertEqual(self.run_in("p", "read", "/etc/text").stdout, "of the root\n\n")
        self.assertEqual(self.run_in("p", "read", "/etc/passwd").returncode, 1)

    def test_u3_a_directory_of_the_roots_system_is_not_replaced(self):
        # Neither by the host's, nor silently by another: the command would run somewhere else than where it was called.
        for directory in ("/usr/bin", "/etc"):
            result = self.run_in("p", "where", cwd=directory)
            self.assertEqual((result.returncode, result.stdout), (125, ""))
            self.assertIn(f"-w {directory} ", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertEqual(self.run_in("p", "where", cwd=directory, options=["-w", directory]).stdout, f"{directory}\n")
        self.assertEqual(self.run_in("p", "where", cwd="/").stdout, "/\n")
        self.assertEqual(self.run_in("p", "where", cwd="/proc/sys").stdout, "/proc/sys\n")
        self.assertEqual(self.run_in("p", "where", cwd=self.root / "usr/bin").stdout, "/usr/bin\n")

    @unittest.skipUnless(os.geteuid() == 0, "makes a directory in /var/lib")
    def test_u3_a_directory_that_only_the_host_has_is_shown(self):
        with tempfile.TemporaryDirectory(dir="/var/lib", prefix="grus-test-") as directory:  # where CI services keep theirs
            (pathlib.Path(directory) / "f").write_text("of a service\n")
            result = self.run_in("p", "read", "f", cwd=directory)
            self.assertEqual((result.stdout, result.stderr), ("of a service\n\n", ""))
        shutil.rmtree(self.root / "var", ignore_errors=True)

    def test_u3_what_encloses_the_work_is_shown(self):
        top = self.base / "enclosing"
        for place in ("cargo/member", "cargo/b", "git/deep/er", "git/.git", "plain/member", "both/.git", "both/in/ner"):
            (top / place).mkdir(parents=True)
        (top / "both/in/Cargo.toml").write_text("[workspace]\n")
        (top / "cargo/Cargo.toml").write_text('[workspace]\nmembers = ["member", "b"]\n')
        for place in ("cargo/b", "git", "plain", "both"):
            (top / place / "f").write_text(place + "\n")
        os.chmod(top, 0o777)  # the search ends at what everybody may write: /tmp/.git would be an attacker's
        (top / ".git").mkdir()
        for where, file, expected in (("cargo/member", "../b/f", "cargo/b"), ("git/deep/er", "../../f", "git"), ("both/in/ner", "../../f", "both")):
            self.assertEqual(self.run_in("p", "read", file, cwd=top / where).stdout, expected + "\n\n")
        self.assertEqual(self.run_in("p", "read", "../f", cwd=top / "plain/member").returncode, 1)
        # A home under version control is not shown for a directory in it.
        result = self.run_in("p", "read", "../../f", cwd=top / "git/deep/er", env={"HOME": str(top / "git")})
        self.assertEqual(result.returncode, 1)

    def test_u3_a_work_tree_of_git_has_its_repository(self):
        top = self.base / "trees"
        (top / "tree").mkdir(parents=True)
        git = ["git", "-C", top, "-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["init", "-q", "main"], ["-C", "main", "commit", "-q", "--allow-empty", "-m", "x"], ["-C", "main", "worktree", "add", "-q", "../tree/w"]):
            subprocess.run([*git, *command], check=True, capture_output=True)
        result = self.run_in("p", "read", top / "main/.git/HEAD", cwd=top / "tree/w")
        self.assertTrue(result.stdout.startswith("ref: "), result)

    def test_binds_and_working_directory(self):
        (self.work / "bound").mkdir(exist_ok=True)
        (self.work / "bound/f").write_text("bound\n")
        result = self.run_in("p", "read", "f", options=["--bind", f"{self.work}/bound:/new/place", "--workdir", "/new/place"])
        self.assertEqual(result.stdout, "bound\n\n")
        self.assertNotEqual(self.run_in("p", "exit", "0", options=["--bind", "/no/such/source"]).returncode, 0)

    def test_environment(self):
        self.assertEqual(self.run_in("p", "env", "A", options=["--env", "A=b c"]).stdout, "b c\n")
        self.assertEqual(self.run_in("p", "env", "A", env={"A": "host"}).stdout, "host\n")
        self.assertEqual(self.run_in("p", "env", "A", env={"A": "host"}, options=["--clean-env"]).stdout, "(unset)\n")
        self.assertEqual(self.run_in("p", "exit", "0", options=["--env", "broken"]).returncode, 125)
        self.assertNotIn("cargo", self.run_in("p", "env", "PATH", env={"PATH": "/x/cargo/bin"}).stdout)

    def test_u4_variables_of_the_hosts_tools_pass_only_when_asked_for(self):
        host = {name: "/host/place" for name in ("JAVA_HOME", "GOROOT", "PYTHONHOME", "PYTHONPATH", "NODE_PATH", "PERL5LIB", "LD_LIBRARY_PATH",
                                                 "RUBYLIB", "CARGO_HOME", "VIRTUAL_ENV", "PKG_CONFIG_PATH", "CC", "SHELL")}
        host["LD_PRELOAD"] = ""
        for name in host:
            self.assertEqual(self.run_in("p", "env", name, env=host).stdout, "(unset)\n", name)
            self.assertEqual(self.run_in("p", "env", name, env=host, options=["-e", name + "=x"]).stdout, "x\n", name)
        self.assertEqual(self.run_in("p", "env", "JAVA_HOME", env=host, options=["-e", "JAVA_HOME"]).stdout, "/host/place\n")
        # What a root has as well, and what names no file.
        self.assertEqual(self.run_in("p", "env", "CC", env={"CC": "clang -O2"}).stdout, "clang -O2\n")
        self.assertEqual(self.run_in("p", "env", "SHELL", env={"SHELL": "/bin/p"}).stdout, "/bin/p\n")
        for name in ("RUSTFLAGS", "CFLAGS", "MAKEFLAGS", "CI", "NODE_OPTIONS", "LANG"):
            self.assertEqual(self.run_in("p", "env", name, env={name: "-v"}).stdout, "-v\n", name)

    def test_u4_the_list_is_the_documented_one(self):
        source = pathlib.Path(__file__).resolve().parents[2]
        code = (source / "src/tool/guest_environment.cpp").read_text()
        text = (source / "docs/roots.md").read_text()
        for array in ("kOfTheHost", "kCommands"):
            names = re.findall(r'"(\w+)"', code.partition(array + "[] = {")[2].partition("};")[0])
            self.assertGreater(len(names), 30)
            self.assertEqual([n for n in names if f"`{n}`" not in text], [])

    def test_u5_the_command_line_is_the_guests(self):
        self.assertEqual(self.run_in("p", "cmdline", "", "x y").stdout, "p|cmdline||x y|/bin/p\n")
        self.assertEqual(self.run_in("/bin/p", "cmdline").stdout, "/bin/p|cmdline|/bin/p\n")
        engine = subprocess.run([OPTIONS.engine, "-0", "other", "-E", "A=from -E", "-L", "/x", self.root / "bin/p", "cmdline", "z"], capture_output=True, text=True)
        self.assertEqual(engine.stdout, f"other|cmdline|z|{self.root}/bin/p\n")
        engine = subprocess.run([OPTIONS.engine, "-0", "", "-E", "A=from -E", self.root / "bin/p", "env", "A"], capture_output=True, text=True)
        self.assertEqual(engine.stdout, "from -E\n")

    def test_u10_read_only_binds(self):
        (self.work / "shown").mkdir(exist_ok=True)
        (self.work / "shown/f").write_text("shown\n")
        source = f"{self.work}/shown:/mnt/shown"
        for options, expected in ((":ro", "Read-only file system\n"), (":rw", ""), ("", "")):
            self.assertEqual(self.run_in("p", "read", "/mnt/shown/f", options=["-b", source + options]).stdout, "shown\n\n")
            self.assertEqual(self.run_in("p", "write", "/mnt/shown/g", options=["-b", source + options]).stdout, expected, options)
        self.assertEqual([p.name for p in (self.root / "mnt").iterdir()], ["shown"])
        for wrong in ("x", "ro:rw", "ro,x"):
            result = self.run_in("p", "exit", "0", options=["-b", f"{source}:{wrong}"])
            self.assertEqual((result.returncode, result.stderr.count("\n")), (125, 1), wrong)

    def test_u10_a_root_of_another_machine_is_refused(self):
        native = self.base / "native"
        (native / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("true"), native / "bin/sh")
        result = grus("run", "-r", str(native), "--", "/bin/sh")
        self.assertEqual((result.returncode, result.stderr.count("\n")), (125, 1))
        self.assertIn("no AArch64 root: its /bin/sh is for x86-64", result.stderr)

    def alive(self, mark):
        return subprocess.run(["pgrep", "-f", f"^p sleep {mark}"], capture_output=True, text=True).stdout.split()

    def test_u14_nothing_outlives_the_command(self):
        mark = f"mark-{os.getpid()}"
        self.assertEqual(self.run_in("p", "leave", mark).returncode, 8)
        self.assertEqual(self.alive(mark), [])
        line = [OPTIONS.grus, "run", "--root", self.root, "--", "p", "leave", mark, "wait"]
        environment = dict(os.environ, GRUS_ENGINE=OPTIONS.engine)
        for options in ([], ["--foreground"], ["-s", "KILL"]):
            done = subprocess.run(["timeout", *options, "1", *line], env=environment, cwd=self.work)
            self.assertIn(done.returncode, (124, 137, -9))
            self.assertEqual(self.alive(mark), [], options)
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = subprocess.Popen(line, env=environment, cwd=self.work)
            time.sleep(0.7)
            self.assertEqual(len(self.alive(mark)), 1)
            process.send_signal(number)
            self.assertEqual(process.wait(10), -number)
            for _ in range(100):  # SIGKILL leaves the rest to the kernel
                if not self.alive(mark):
                    break
                time.sleep(0.02)
            self.assertEqual(self.alive(mark), [])

    def test_u14_signals_arrive_once(self):
        def start():
            process = subprocess.Popen([OPTIONS.grus, "run", "--root", self.root, "--", "p", "count"], env=dict(os.environ, GRUS_ENGINE=OPTIONS.engine),
                                       cwd=self.work, stdout=subprocess.PIPE, text=True, start_new_session=True)
            self.assertEqual(process.stdout.readline(), "ready\n")
            return process
        for kill in (os.kill, os.killpg):  # to us alone, and to all of a job as a terminal does
            process = start()
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCONT, signal.SIGTERM):
                time.sleep(0.1)
                kill(process.pid, number)
            seen = dict(pair.split(":") for pair in process.communicate(timeout=20)[0].split())
            continued = seen.pop(str(int(signal.SIGCONT)), None)
            self.assertIn(continued, ("1", "2"))  # twice does what once does
            self.assertEqual(seen, {str(int(n)): "1" for n in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGTERM)}, kill)
        alarmed = subprocess.run([sys.executable, "-c", "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])", OPTIONS.grus,
                                  "run", "--root", self.root, "--", "p", "sleep"], env=dict(os.environ, GRUS_ENGINE=OPTIONS.engine), cwd=self.work, timeout=30)
        self.assertEqual(alarmed.returncode, -signal.SIGALRM)

    def test_u14_a_shell_sees_its_job_stop(self):
        process = subprocess.Popen([OPTIONS.grus, "run", "--root", self.root, "--", "p", "stop"], env=dict(os.environ, GRUS_ENGINE=OPTIONS.engine),
                                   cwd=self.work, stdout=subprocess.PIPE, text=True, process_group=0)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        self.assertEqual(os.WSTOPSIG(status), signal.SIGTSTP)
        os.killpg(process.pid, signal.SIGCONT)
        self.assertEqual((process.communicate(timeout=20)[0], process.returncode), ("continued\n", 4))

    def test_u14_a_pipe_ends_when_the_command_closes_it(self):
        process = subprocess.Popen([OPTIONS.grus, "run", "--root", self.root, "--", "p", "sleep"], env=dict(os.environ, GRUS_ENGINE=OPTIONS.engine),
                                   cwd=self.work, stdout=subprocess.PIPE)
        time.sleep(0.5)
        holders = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid() and self.holds(pid, f"pipe:[{os.fstat(process.stdout.fileno()).st_ino}]")]
        process.kill()
        process.wait()
        process.stdout.close()
        self.assertEqual(len(holders), 1)  # the program itself

    @staticmethod
    def holds(pid, what):
        try:
            return any(os.readlink(f"/proc/{pid}/fd/{fd}") == what for fd in os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return False

    def test_u14_numbers_and_tmp_are_the_roots_own(self):
        self.assertEqual(self.run_in("p", "numbers").stdout, "2 0\n")
        with tempfile.NamedTemporaryFile(dir="/tmp") as file:
            self.assertEqual(self.run_in("p", "read", file.name).returncode, 1)
            self.assertEqual(self.run_in("p", "exit", "3", options=["-b", "/tmp"]).returncode, 3)
            self.assertEqual(self.run_in("p", "copy", file.name, options=["-b", "/tmp"]).returncode, 0)
        self.assertEqual(self.run_in("p", "write", "/tmp/of-the-root").returncode, 0)
        self.assertEqual((self.root / "tmp/of-the-root").read_text(), "written")
        (self.root / "tmp/of-the-root").unlink()

    def test_a_home_that_is_missing_is_not_made(self):
        missing = self.base / "homeless-shelter"
        environment = {"HOME": str(missing), "XDG_CACHE_HOME": "", "GRUS_CACHE": ""}
        self.assertEqual(self.run_in("p", "exit", "4", env=environment).returncode, 4)
        self.assertEqual(grus("run", "--", str(self.root / "bin/p"), "exit", "4", env=environment).returncode, 4)
        self.assertFalse(missing.exists())

    def test_a_directory_that_is_gone(self):
        gone = self.base / "gone"
        gone.mkdir()
        script = 'cd "$0" && rmdir "$0" && exec "$@"'
        done = subprocess.run(["sh", "-c", script, gone, OPTIONS.grus, "run", "--root", self.root, "--", "p", "where"],
                              capture_output=True, text=True, env=dict(os.environ, GRUS_ENGINE=OPTIONS.engine))
        self.assertEqual((done.returncode, done.stdout), (0, "/\n"))

    def test_platforms(self):
        self.assertEqual(self.run_in("p", "exit", "6", options=["--platform", "linux/arm64"]).returncode, 6)
        self.assertEqual(self.run_in("p", "exit", "6", options=["--platform", "linux/s390x"]).returncode, 125)
        self.assertEqual(self.run_in("p", "exit", "6", options=["--platform", "linux/amd64"]).returncode, 125)

    def test_missing_roots_are_named(self):
        result = grus("run", "--root", "no-such-root", "--", "p")
        self.assertEqual(result.returncode, 125)
        self.assertIn("no-such-root", result.stderr)

    def test_without_a_root_in_place(self):
        program = str(self.root / "bin/p")
        self.assertEqual(grus("run", "--", program, "argv", "x").stdout, f"{program}|argv|x|\n")
        self.assertEqual(grus("run", "--", "./bin/p", "exit", "9", cwd=self.root).returncode, 9)

    @unittest.skipUnless(os.geteuid() == 0, "changes the user")
    def test_an_unprivileged_user(self):
        nobody, home = 65534, self.base / "home"
        home.mkdir(exist_ok=True)
        os.chown(home, nobody, nobody)
        programs = self.base / "programs"
        programs.mkdir(exist_ok=True)
        shutil.copy(OPTIONS.engine, programs / "grus-aarch64")
        shutil.copy(OPTIONS.grus, programs / "grus")
        environment = {"HOME": str(home), "GRUS_ENGINE": str(programs / "grus-aarch64"), "USER": "nobody"}
        def as_nobody(*arguments):
            return subprocess.run([programs / "grus", *arguments], capture_output=True, text=True, cwd=self.work,
                                  env=dict(os.environ, **environment), user=nobody, group=nobody, extra_groups=[],
                                  stdin=subprocess.DEVNULL, timeout=60)
        def run(*command, options=()):
            return as_nobody("run", "--root", str(self.root), *options, "--", *command)
        # The root's directories belong to another user: the mount points come from a tmpfs, the root stays as it was.
        before = sorted(str(p) for p in self.root.rglob("*"))
        self.assertEqual(run("p", "ids").stdout, f"{nobody} {nobody}\n")
        self.assertEqual(run("p", "ids", options=["--as-root"]).stdout, "0 0\n")
        self.assertEqual(run("p", "where", options=["--bind", f"{self.work}:/quite/new", "-w", "/quite/new"]).stdout, "/quite/new\n")
        self.assertEqual(run("p", "write", str(home / "f")).stdout, "")
        self.assertEqual(run("p", "write", "/etc/text").stdout, "Permission denied\n")
        self.assertEqual(sorted(str(p) for p in self.root.rglob("*")), before)
        # Its /tmp is not to be written by this user: an empty one is there instead.
        self.assertEqual(run("p", "write", "/tmp/f").stdout, "")
        # U10: the user has a name.
        (self.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
        self.assertEqual(run("p", "copy", "/etc/passwd").stdout,
                         f"root:x:0:0:root:/root:/bin/bash\nnobody:x:{nobody}:{nobody}:nobody:{home}:/bin/sh\n")
        self.assertEqual((self.root / "etc/passwd").read_text(), "root:x:0:0:root:/root:/bin/bash\n")
        (self.root / "etc/passwd").unlink()
        (home / ".gitconfig").write_text('[core]\n\tname = no\n[user]\n\tname = "A B"\n\temail = a@b\n[alias]\n\temail = no\n')
        self.assertEqual(run("p", "copy", str(home / ".gitconfig")).stdout, '[user]\n\tname = "A B"\n\temail = a@b\n')
        # U2: one id is said to be one; the name is the user database's.
        environment["USER"] = "root"
        result = run("p", "ids", options=["--as-root"])
        self.assertEqual((result.stdout, result.stderr.count("\n")), ("0 0\n", 1))
        self.assertRegex(result.stderr, "newuidmap is missing|has no range for nobody: add one .* nobody")
        environment["USER"] = "nobody"
        # Homes that are none: the program runs, and nothing is made for them.
        for other in ({"HOME": "/homeless-shelter"}, {"HOME": "/"}, {"HOME": "relative"}, {"HOME": ""}, {"HOME": "/root"}):
            environment.update(other)
            self.assertEqual(run("p", "ids").stdout, f"{nobody} {nobody}\n", other)
        self.assertEqual(as_nobody("root", "create", "x").returncode, 3)
        environment["HOME"] = str(home)
        self.assertEqual(as_nobody("install", "arm64").returncode, 3)
        self.assertEqual(as_nobody("doctor", "--engine", environment["GRUS_ENGINE"]).returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("newuidmap") and os.path.exists("/etc/subuid"), "changes the user; needs newuidmap")
    def test_u2_as_root_has_other_users(self):
        user, place = 65534, self.base / "extended"
        shutil.copytree(self.root, place / "root", symlinks=True)
        (place / "subuid").write_text("nobody:200000:65536\n")
        for name in ("grus", "engine"):
            shutil.copy(getattr(OPTIONS, name), place / name)
        for path in (place, *place.rglob("*")):
            os.chown(path, user, user)
        script = (f"mount --make-rprivate / && mount --bind {place}/subuid /etc/subuid && mount --bind {place}/subuid /etc/subgid && cd {place} && "
                  f'exec setpriv --reuid={user} --regid={user} --clear-groups env HOME={place} "$@"')
        def run(*command):
            return subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", place / "grus", "run", "--engine", place / "engine", "-r", place / "root",
                                   "--as-root", "--", *command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        result = run("p", "chown", "/etc/text", "5")  # and setgroups, setgid, setuid: what apt and su do
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("7\n", "", 0))
        self.assertEqual(os.stat(place / "root/etc/text").st_uid, 200004)
        self.assertEqual(run("p", "ids").stdout, "0 0\n")

    MMDEBSTRAP = r"""#!/bin/sh
[ "$1" = --version ] && exit 0
for target; do :; done  # the last but one is the suite's, the last a mirror's file or the target
case $target in *.partial) ;; *) for word; do case $word in *.partial) target=$word ;; esac; done ;; esac
mkdir -p "$target/etc" "$target/tmp/deep" && chown 1:1 "$target/tmp/deep" && chmod 0 "$target/tmp/deep"
for word; do echo "$word"; done > "$target/etc/words"
echo "mount: $target/sys: permission denied." >&2
echo "I: running apt-get update..." >&2
echo "Setting up libc6:arm64 (2.36) ..."
case $FAKE in
  fail) echo "E: Unable to locate package nonsuch" >&2; exit 25 ;;
  hang) setsid sh -c 'exec -a "$0" sleep 1000' "$MARK" & sleep 1000 ;;
esac
exit 0
"""

    def fake_mmdebstrap(self, what, mark=""):
        programs, cache = self.base / "fake", self.base / "fake-cache"
        programs.mkdir(exist_ok=True)
        (programs / "mmdebstrap").write_text(self.MMDEBSTRAP.replace("setsid sh -c", "setsid bash -c"))
        (programs / "mmdebstrap").chmod(0o755)
        self.roots = cache / "grus/roots"
        return dict(PATH=f"{programs}:{os.environ['PATH']}", XDG_CACHE_HOME=str(cache), FAKE=what, MARK=mark)

    @unittest.skipUnless(os.geteuid() == 0, "maps ids")
    def test_u9_a_root_is_made(self):
        result = grus("root", "create", "made", "--suite", "trixie", "--include", "gcc,g++", "--include", "make", env=self.fake_mmdebstrap("work"))
        self.assertEqual((result.returncode, result.stdout), (0, f"{self.roots}/made\n"), result.stderr)
        self.assertRegex(result.stderr, r"^\[\d+ s\] running apt-get update\n$")  # and no "permission denied"
        words = (self.roots / "made/etc/words").read_text().splitlines()
        self.assertIn("--dpkgopt=force-unsafe-io", words)
        self.assertIn("trixie", words)
        hook = [word for word in words if word.startswith("--setup-hook=")]
        self.assertEqual(len(hook), 1)
        self.assertIn("--simulate install 'gcc' 'g++' 'make'", hook[0])
        self.assertEqual(sorted(os.listdir(self.roots)), ["made"])
        self.assertEqual(grus("root", "remove", "made", env=self.fake_mmdebstrap("")).returncode, 0)
        self.assertEqual(os.listdir(self.roots), [])

    @unittest.skipUnless(os.geteuid() == 0, "maps ids")
    def test_u9_a_root_that_fails_leaves_nothing(self):
        result = grus("root", "create", "failed", env=self.fake_mmdebstrap("fail"))
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("\n  E: Unable to locate package nonsuch\n", result.stderr)
        self.assertNotIn("permission denied", result.stderr)
        self.assertEqual(os.listdir(self.roots), [])

    @unittest.skipUnless(os.geteuid() == 0, "maps ids")
    def test_u9_a_root_that_is_interrupted_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            mark = f"grus-mark-{os.getpid()}-{int(number)}"
            environment = dict(os.environ, GRUS_ENGINE=OPTIONS.engine, **self.fake_mmdebstrap("hang", mark))
            process = subprocess.Popen([OPTIONS.grus, "root", "create", "cut"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            alive = lambda: subprocess.run(["pgrep", "-fx", mark + " 1000"], capture_output=True, text=True).stdout.split()
            for _ in range(200):
                if alive():
                    break
                time.sleep(0.05)
            self.assertEqual(len(alive()), 1)
            process.send_signal(number)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, -number)
            for _ in range(100):
                if not alive():
                    break
                time.sleep(0.05)
            self.assertEqual(alive(), [])
            if number == signal.SIGKILL:  # nobody is left to do it: `root remove` does
                self.assertIn(".cut.partial", os.listdir(self.roots))
                self.assertEqual(grus("root", "remove", "cut", env=self.fake_mmdebstrap("")).returncode, 0)
            self.assertEqual(os.listdir(self.roots), [])
        self.assertEqual(grus("root", "remove", "cut", env=self.fake_mmdebstrap("")).returncode, 2)

    @unittest.skipUnless(os.geteuid() == 0, "changes the user")
    def test_u9_what_belongs_to_others_is_named(self):
        cache = self.base / "foreign-cache"
        root = cache / "grus/roots/mixed"
        for place in ("a", "b", "c/own"):
            (root / place).mkdir(parents=True)
            (root / place / "f").write_text("x")
        for path in (cache, *cache.rglob("*")):
            os.chown(path, 65534, 65534)
        for place in ("a", "b"):  # of another user, who may be alone to write there
            os.chown(root / place, 0, 0)
        result = grus("root", "remove", "mixed", env={"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}, user=65534) if self.reachable() else None
        if result:
            self.assertEqual(result.returncode, 1)
            for place in ("a/f", "b/f"):
                self.assertIn(f"\n  {root}/{place}: Permission denied\n", result.stderr)
            self.assertIn(f"sudo rm -rf {root}", result.stderr)
            self.assertEqual(sorted(os.listdir(root)), ["a", "b"])
            self.assertIn("mixed", grus("root", "list", env={"XDG_CACHE_HOME": str(cache)}).stdout)

    @staticmethod
    def reachable():  # by any user: not below a home
        return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", OPTIONS.grus]).returncode == 0

    def test_listing_and_removing(self):
        cache = self.base / "cache"
        (cache / "grus/roots/one/etc").mkdir(parents=True)
        (cache / "grus/roots/one/etc/os-release").write_text('PRETTY_NAME="Some Linux"\n')
        (cache / "grus/roots/.two.partial").mkdir()
        environment = {"XDG_CACHE_HOME": str(cache)}
        roots = json.loads(grus("root", "list", "--json", env=environment).stdout)
        self.assertEqual([(r["name"], r["release"]) for r in roots], [("one", "Some Linux")])
        self.assertEqual(grus("root", "create", "one", env=environment).returncode, 2)
        self.assertEqual(grus("root", "create", "../x", env=environment).returncode, 2)
        self.assertEqual(grus("root", "remove", "../roots/one", env=environment).returncode, 2)
        self.assertEqual(grus("root", "remove", "one", env=environment).returncode, 0)
        self.assertEqual(grus("root", "remove", "one", env=environment).returncode, 2)
        self.assertEqual(json.loads(grus("root", "list", "--json", env=environment).stdout), [])


class Installation(unittest.TestCase):
    def check(self, top, program):
        files = sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file())
        source = pathlib.Path(__file__).resolve().parents[2]
        documents = ["share/doc/grus/README.md", "share/doc/grus/LICENSE"]
        documents += [f"share/doc/grus/docs/{p.name}" for p in (source / "docs").iterdir()]
        self.assertEqual(files, sorted(["bin/grus", "bin/grus-aarch64", *documents]))
        def installed(*arguments):
            environment = {k: v for k, v in os.environ.items() if k != "GRUS_ENGINE"}
            return subprocess.run([top / "bin/grus", *arguments], capture_output=True, text=True, env=environment, timeout=60)
        self.assertIn(f"{top}/bin/grus-aarch64: grus-aarch64 ", installed("version").stdout)
        self.assertEqual(installed("run", "--", program, "exit", "7").returncode, 7)

    def test_u12_what_is_installed_runs(self):
        build, source = pathlib.Path(OPTIONS.grus).parent, pathlib.Path(__file__).resolve().parents[2]
        with tempfile.TemporaryDirectory() as directory:
            top = pathlib.Path(directory).resolve()
            (top / "p.c").write_text(PROGRAM)
            program = str(top / "p")
            subprocess.run([OPTIONS.cc, "-O1", "-static", "-o", program, top / "p.c"], check=True)
            def run(*command, **environment):
                subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, **environment))
            run("cmake", "--install", build, "--prefix", top / "one")
            self.check(top / "one", program)
            run("cmake", "--install", build, "--prefix", "/usr", "--strip", DESTDIR=str(top / "two"))
            self.check(top / "two/usr", program)
            # Without building, which is ninja's, not this test's.
            run("make", "-C", source, "-o", "build", "install", f"BUILD={build}", f"DESTDIR={top / 'three'}", "PREFIX=/opt/grus")
            self.check(top / "three/opt/grus", program)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("grus", "engine", "cc", "qemu"):
        parser.add_argument(f"--{name}", default="")
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.grus, OPTIONS.engine = os.path.abspath(OPTIONS.grus), os.path.abspath(OPTIONS.engine)
    unittest.main(argv=[sys.argv[0], *rest])
