# SPDX-License-Identifier: MIT
"""Two Debian roots of the same packages, side by side: AArch64 by binfmt_misc and the engine, x86-64 natively.

Guarantees: both commands of a pair see the same paths, environment, user and files; the registration (POCF) is private
where the kernel has private ones (Linux 6.7), else it is removed at exit; mounts end with the process. Needs root.
"""
import atexit
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
BINFMT = pathlib.Path("/proc/sys/fs/binfmt_misc")
# e_ident of a 64-bit little-endian ELF file with any OS ABI, ET_EXEC or ET_DYN, EM_AARCH64.
MAGIC = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
USER = 61000  # an ordinary user whom neither root nor the host knows

libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def enter_user_namespace():
    """All ids of this namespace mean the same in the new one; a child that stays outside writes the maps."""
    ready, go = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        for name in ("uid_map", "gid_map"):
            lines = pathlib.Path(f"/proc/self/{name}").read_text().split("\n")
            fields = [line.split() for line in lines if line]
            pathlib.Path(f"/proc/{parent}/{name}").write_text(
                "".join(f"{first} {first} {count}\n" for first, _, count in fields))
        os._exit(0)
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    os.write(go, b"x")
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError("the id maps could not be written")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def private_binfmt_works():
    child = os.fork()
    if child == 0:
        try:
            enter_user_namespace()
            mount("--make-rprivate", "/")
            subprocess.run(["mount", "-t", "binfmt_misc", "none", BINFMT], check=True, stderr=subprocess.DEVNULL)
            os._exit(0)
        except (OSError, subprocess.CalledProcessError):
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def register(engine):
    def text(data):
        return "".join(f"\\x{byte:02x}" for byte in data)

    name = f"grus-test-{os.getpid()}"
    (BINFMT / "register").write_text(f":{name}:M::{text(MAGIC)}:{text(MASK)}:{engine}:POCF")
    return BINFMT / name


def enter(engine):
    """This process and its children from now on execute AArch64 programs by the engine."""
    if os.geteuid() != 0:
        sys.exit("this needs root: sudo " + " ".join(sys.argv))
    engine = pathlib.Path(engine).resolve()
    if private_binfmt_works():
        enter_user_namespace()
        mount("--make-rprivate", "/")
        mount("-t", "binfmt_misc", "none", BINFMT)
        register(engine)
        return "a private binfmt_misc"
    unshare(CLONE_NEWNS)
    mount("--make-rprivate", "/")
    if not (BINFMT / "register").exists():
        mount("-t", "binfmt_misc", "none", BINFMT)
    entry = register(engine)
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and entry.write_text("-1"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return "the host's binfmt_misc"


class Root:
    """A root prepared for chroot: /proc, /dev, an empty /tmp, and `work` of the host as /work."""

    def __init__(self, path, work):
        self.path, self.work = pathlib.Path(path), pathlib.Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        (self.path / "work").mkdir(exist_ok=True)
        mount("--rbind", "/proc", self.path / "proc")
        mount("--rbind", "/dev", self.path / "dev")
        mount("-t", "tmpfs", "-o", "mode=1777", "none", self.path / "tmp")
        mount("--bind", self.work, self.path / "work")
        # Translations are kept from case to case, as they are for users; each run of the tests begins without any.
        for old in self.work.glob("translations-*"):
            shutil.rmtree(old)
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "HOME": "/work/home", "LANG": "C.UTF-8", "TERM": "dumb", "CI": "true"}
        # What the crate registry needs: names, and the certificates that this host trusts.
        self.show("/etc/resolv.conf")
        if "SSL_CERT_FILE" in os.environ:
            self.show(os.environ["SSL_CERT_FILE"])
            self.environment["SSL_CERT_FILE"] = os.environ["SSL_CERT_FILE"]

    def show(self, file):
        inside = self.path / file.lstrip("/")
        if os.path.exists(file):
            inside.parent.mkdir(parents=True, exist_ok=True)
            if not inside.exists():
                inside.touch()
            mount("--bind", os.path.realpath(file), inside)

    def run(self, directory, command, user=0, timeout=1800, **options):
        """Runs it in /work/<directory>; returns the CompletedProcess with bytes."""
        where = self.work / directory
        for path in (where, self.work / "home"):
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, user, user)
        translations = self.work / f"translations-{user}"
        translations.mkdir(mode=0o700, exist_ok=True)
        os.chown(translations, user, user)
        environment = {**self.environment, "GRUS_CACHE": f"/work/{translations.name}"}
        line = ["chroot", f"--userspec={user}:{user}", self.path, "/usr/bin/env", "-i", "--chdir=/work/" + directory]
        line += [f"{name}={value}" for name, value in environment.items()]
        # A session of its own, so that a hung case can be ended with all its children.
        process = subprocess.Popen([*map(str, line), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            err += b"\nended: it did not finish\n"
        return subprocess.CompletedProcess(command, process.returncode, out, err)
