#!/bin/sh
# SPDX-License-Identifier: MIT
# inside.sh ENGINE GUEST DERAIL RELINK
engine=$1 guest=$2 derail=$3 relink=$4
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { # fail WHAT [FILE]
  echo "FAILED: $1"
  [ -z "$2" ] || head -50 "$2"
  failed=1
}

"$engine" --dump=decode,host "$guest" >/dev/null 2>"$work/all" || fail "exit status with --dump" "$work/all"
grep -q '^region 0x[0-9a-f]*: [0-9]* instructions, [0-9]* bytes at 0x' "$work/all" || fail "a region's line" "$work/all"
line=$(grep -m1 -A1 'add x[0-9]*, x[0-9]*, #0x123$' "$work/all")
echo "$line" | grep -q '^    +0: [0-9a-f][0-9a-f] ' || fail "host bytes of the known instruction: $line"
pc=$(echo "$line" | sed -n 's/^  \([0-9a-f]*\): .*/\1/p')

GRUS_DUMP="decode:$pc-0x$(printf %x $((0x$pc + 4)))" "$engine" "$guest" >/dev/null 2>"$work/range"
[ "$(grep -c '^region' "$work/range")" = 1 ] && grep -q "^  $pc: " "$work/range" || fail "one region for one address" "$work/range"
grep -q '^    +0' "$work/range" && fail "decode alone shows no host code" "$work/range"

"$engine" --dump=nonsense "$guest" >/dev/null 2>"$work/bad" && fail "nonsense is refused"
grep -q 'nothing to dump' "$work/bad" || fail "nonsense is named" "$work/bad"

for off in "" 0; do  # as for every other variable
  GRUS_DUMP=$off "$engine" "$guest" >/dev/null 2>"$work/off" || fail "GRUS_DUMP=$off: status $?" "$work/off"
  [ ! -s "$work/off" ] || fail "GRUS_DUMP=$off shows nothing" "$work/off"
done

"$engine" --stats --interpret "$guest" >/dev/null 2>"$work/rows"
grep -q '^grus: pid [0-9]*: by semantics LDR_uimm [0-9]*$' "$work/rows" || fail "what was executed, by row" "$work/rows"
"$engine" --strace --stats "$guest" fault >/dev/null 2>"$work/fault"
[ $? = 139 ] || fail "a fault ends the guest" "$work/fault"
grep -q '^[0-9]* --- SIGSEGV code 1 address 0x8 at pc 0x[0-9a-f]* ---$' "$work/fault" || fail "a signal in --strace" "$work/fault"
grep -q '^grus: pid [0-9]*: .* times to checked floating point$' "$work/fault" || fail "counters at a death by fault" "$work/fault"

# U8: the line about a guest that died: asked for or on a terminal, never in a build's log.
unset GRUS_LOG
for mode in fault jump abort; do
  "$engine" "$guest" $mode >/dev/null 2>"$work/died"  # the shell has its say there too
  [ $? -ge 128 ] && ! grep -q grus "$work/died" || fail "unasked, $mode says nothing" "$work/died"
done
GRUS_LOG=1 "$engine" "$guest" fault >/dev/null 2>"$work/died"
[ $? = 139 ] && [ "$(grep -c grus "$work/died")" = 1 ] || fail "one line about a fault" "$work/died"
place='+0x[0-9a-f]* (spin.guest+0x[0-9a-f]*)'
grep -q "^grus: spin.guest\[[0-9]*\] died of SIGSEGV at address 0x8: pc 0x[0-9a-f]* is store$place, called from caller$place, main$place, " "$work/died" ||
  fail "pc, function, module, callers" "$work/died"
address=$(sed -n 's/.* is store+0x[0-9a-f]* (spin.guest+\(0x[0-9a-f]*\)).*/\1/p' "$work/died")
aarch64-linux-gnu-addr2line -fe "$guest" "$address" 2>/dev/null | grep -q '^store$' || fail "addr2line finds $address" "$work/died"
GRUS_LOG=1 "$engine" "$guest" jump >/dev/null 2>"$work/died"
grep -q ' pc 0x123450 is in no file, called from main+0x' "$work/died" || fail "a jump to nowhere has a caller" "$work/died"
GRUS_LOG=1 "$engine" "$guest" abort >/dev/null 2>"$work/died"
[ $? = 134 ] && grep -q 'died of SIGABRT: .* abort+0x[0-9a-f]* .* main+0x' "$work/died" || fail "abort(), with standard error closed" "$work/died"
script -qec "$engine $guest fault" "$work/terminal" >/dev/null </dev/null
grep -q 'died of SIGSEGV' "$work/terminal" || fail "on a terminal" "$work/terminal"
GRUS_LOG=0 script -qec "$engine $guest fault" "$work/terminal" >/dev/null </dev/null
grep -q 'died of SIGSEGV' "$work/terminal" && fail "GRUS_LOG=0 says no" "$work/terminal"

"$engine" --perf-map "$guest" for-ever >"$work/up" &
pid=$!
for i in $(seq 100); do grep -q up "$work/up" && break; sleep 0.1; done
cp "/tmp/perf-$pid.map" "$work/map" || fail "a perf map"
kill $pid
wait $pid 2>/dev/null
rm -f "/tmp/perf-$pid.map"
grep -qvE '^[0-9a-f]+ [0-9a-f]+ (guest_0x[0-9a-f]+|.* \[spin.guest\]|spin.guest\+0x[0-9a-f]+)$' "$work/map" && fail "lines of the perf map" "$work/map"
grep -q ' known \[spin.guest\]$' "$work/map" || fail "U13: the guest's functions in the perf map" "$work/map"
[ "$(wc -l <"$work/map")" -gt 20 ] || fail "every region is in the perf map" "$work/map"

"$derail" "$engine" "$guest" 2>"$work/report" || fail "the engine's own fault ends it (derail: $?)" "$work/report"
own='^grus: engine fault: signal 11 .* host pc 0x10 .* guest pc 0x[0-9a-f]* instruction .*; grus [0-9.]* (.*); report it with this line to the Grus issue tracker$'
for what in "$own" 'x00=' 'sp=' 'host rax='; do
  grep -q "$what" "$work/report" || fail "the report says: $what" "$work/report"
done
"$engine" --stats "$relink" >"$work/relinked" 2>"$work/counts" || fail "rewritten code: status $?" "$work/relinked"
lookups=$(sed -n 's/^grus: .*: \([0-9]*\) entries looked up.*/\1/p' "$work/counts")
[ "${lookups:-99999}" -lt 2000 ] || fail "a branch to rewritten code is linked once: $lookups lookups" "$work/counts"
exit $failed
