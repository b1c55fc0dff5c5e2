#!/bin/sh
# SPDX-License-Identifier: MIT
# lockstep.sh ENGINE NATIVE GUEST N: the guest prints what its native twin prints, with every N instructions compared, and the
# engine says that it compared some, and NZCV.
engine=$1 native=$2 guest=$3 length=$4
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$native" >"$work/native"
echo "exit status $?" >>"$work/native"
timeout 300 "$engine" --lockstep="$length" --stats "$guest" >"$work/guest" 2>"$work/report"
echo "exit status $?" >>"$work/guest"
if ! diff -u "$work/native" "$work/guest"; then
  cat "$work/report"
  exit 1
fi
# A region of one instruction keeps NZCV nearly always, whole ones mostly do not: there the comparison is that nobody reads them.
flags='kept at the end of [0-9]\{5,\}'
[ "$length" = 1 ] || flags="$flags runs of regions, not at that of [0-9]\{5,\}"
grep -q "lockstep compared [0-9]\{6,\} instructions.*NZCV $flags" "$work/report" || {
  cat "$work/report"
  exit 1
}
