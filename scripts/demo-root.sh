#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the AArch64 root "demo" if it is not there: Debian with Rust, C and cargo-nextest. The maintainer scripts of the
# packages run under Grus. Prints nothing on standard output.
set -eu
cd "$(dirname "$0")/.."
grus=${GRUS:-build/grus}
root=${XDG_CACHE_HOME:-$HOME/.cache}/grus/roots/demo
if [ ! -d "$root" ]; then
  "$grus" root create demo --include=ca-certificates,gcc,g++,libc6-dev,make,git,rustc-web,cargo-web,python3-minimal,xz-utils,openssl,sqlite3,perl,bc >&2
fi
if ! "$grus" run --root demo --as-root -- cargo-nextest nextest --version >/dev/null 2>&1; then
  if program=$(scripts/nextest.sh aarch64); then
    "$grus" run --root demo --as-root --bind "$program:/tmp/cargo-nextest.new" -- true 2>/dev/null || true
    install -m 755 "$program" "$root/usr/local/bin/cargo-nextest"
  else
    echo "no published binary of cargo-nextest: building it from the crate registry, under Grus (this takes long)" >&2
    "$grus" run --root demo --as-root -- cargo install --locked --root /usr/local cargo-nextest >&2
  fi
fi
