#!/bin/sh
# SPDX-License-Identifier: MIT
# compare.sh ENGINE NATIVE GUEST: the guest program prints under the engine what its native twin prints. Both run under one
# name, from directories of equally long names: programs print their own.
engine=$1 native=$2 guest=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/n" "$work/g" && cp "$native" "$work/n/program" && cp "$guest" "$work/g/program" || exit 1
"$work/n/program" >"$work/native" 2>&1
echo "exit status $?" >>"$work/native"
timeout -k 5 60 "$engine" "$work/g/program" >"$work/guest" 2>&1
echo "exit status $?" >>"$work/guest"
diff -u "$work/native" "$work/guest"
