#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""S5: the variables that the engine listens to do not reach a program that gained privileges, nor its children: a set-user-ID
guest, started by a private binfmt_misc with flag C."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "smoke"))
import sandbox  # noqa: E402

OWN = {"QEMU_LD_PREFIX": "/tmp/evil", "GRUS_CACHE": "/tmp/evil", "GRUS_STRACE": "1", "GRUS_CACHE_FD": "3", "GRUS_ANYTHING": "x",
       "GRUS_HOST": "sse42", "GRUS_STATS": "1"}
OTHERS = {"GRUS": "kept", "XGRUS_CACHE": "kept", "QEMU_LD_PREFIXES": "kept", "A": "b"}


def main():
    engine, program = sys.argv[1:]
    if os.geteuid() != 0 or not sandbox.private_binfmt_works():
        print("needs root and private instances of binfmt_misc (Linux 6.7)")
        return 77
    with tempfile.TemporaryDirectory(prefix="grus-secure-") as base:
        os.chmod(base, 0o755)
        owned = pathlib.Path(base) / "program"
        shutil.copy(program, owned)
        plain = pathlib.Path(base) / "plain"
        shutil.copy(program, plain)
        os.chmod(plain, 0o755)
        copy = pathlib.Path(base) / "engine"
        shutil.copy(engine, copy)
        sandbox.enter(copy)
        os.chmod(owned, 0o4755)

        def run(*arguments):
            r = subprocess.run(arguments, env={**OWN, **OTHERS}, user=sandbox.USER, group=sandbox.USER, extra_groups=[],
                               capture_output=True, text=True, timeout=60)
            assert r.returncode == 0, r
            first, *variables = r.stdout.splitlines()
            return first, sorted(variables), r.stderr

        kept = sorted(f"{k}={v}" for k, v in OTHERS.items())
        assert run(owned) == (f"uid {sandbox.USER} euid 0 secure 1", kept, ""), run(owned)
        assert run(owned, "child") == ("uid 0 euid 0 secure 0", kept, ""), run(owned, "child")
        # Who gained nothing keeps them, but for the tool's, which the engine takes for itself.
        first, variables, _ = run(plain)
        assert first == f"uid {sandbox.USER} euid {sandbox.USER} secure 0", first
        wanted = sorted(kept + [f"{k}={v}" for k, v in OWN.items() if k != "GRUS_CACHE_FD"])
        assert variables == wanted, variables
    return 0


if __name__ == "__main__":
    sys.exit(main())
