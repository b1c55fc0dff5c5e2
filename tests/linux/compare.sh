#!/bin/sh
# SPDX-License-Identifier: MIT
# compare.sh ENGINE NATIVE GUEST: the guest program prints under the engine what its native twin prints.
engine=$1 native=$2 guest=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$native" >"$work/native" 2>&1
echo "exit status $?" >>"$work/native"
timeout 60 "$engine" "$guest" >"$work/guest" 2>&1
echo "exit status $?" >>"$work/guest"
diff -u "$work/native" "$work/guest"
