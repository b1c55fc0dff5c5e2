#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""M14: scripts that the engine is started for from the command line end, whatever their interpreters are, and as the kernel's
exec_binprm says: ELOOP behind five interpreters, or where a script would interpret itself."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

LOOP = "Too many levels of symbolic links"


def main():
    engine, program = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="grus-scripts-") as base:
        base = pathlib.Path(base)
        copy, guest = base / "engine", base / "guest"
        shutil.copy(engine, copy)
        shutil.copy(program, guest)

        def script(name, interpreter):
            path = base / name
            path.write_text(f"#!{interpreter}\n")
            os.chmod(path, 0o755)
            return path

        def run(path, **how):
            r = subprocess.run([engine, str(path)], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **how)
            return r.returncode, r.stderr

        def loops(path, **how):
            status, errors = run(path, **how)
            assert status == 126 and errors == f"grus: {path}: {LOOP}\n", (path, status, errors)

        loops(script("self", "/proc/self/exe"))
        loops(script("self-argument", "/proc/self/exe -x"))
        loops(script("thread", "/proc/thread-self/exe"))
        loops(script("engine-by-name", engine))
        os.symlink(engine, base / "link")
        loops(script("engine-by-link", base / "link"))
        loops(script("indirect", base / "self"))
        loops(script("itself", base / "itself"))
        # An engine of the same kind at another place is given the script, and finds itself.
        status, errors = run(script("other-engine", copy))
        assert status == 126 and LOOP in errors, (status, errors)
        # A descriptor that the caller left open under the number of the hidden one is nobody's identity.
        keep = os.open(guest, os.O_RDONLY)
        os.dup2(keep, 1025)
        loops(base / "self", pass_fds=[1025])
        # Five interpreters are followed, not six.
        last = guest
        for n in range(5):
            last = script(f"chain{n}", last)
        status, errors = run(last)
        assert status == 0, (status, errors)
        loops(script("chain5", last))
    return 0


if __name__ == "__main__":
    sys.exit(main())
