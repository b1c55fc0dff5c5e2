#!/bin/sh
# SPDX-License-Identifier: MIT
# command_line.sh ENGINE STATIC-PROGRAM DYNAMIC-PROGRAM DENY_PRCTL: the engine's options, and its message and exit status for
# everything that cannot be run.
engine=$1 static=$2 dynamic=$3 deny_prctl=$4
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cp "$static" prog
failed=0

# expect STATUS OUTPUT COMMAND...
expect() {
  want_status=$1 want=$2
  shift 2
  got=$("$@" 2>&1 </dev/null)
  status=$?
  if [ "$status" != "$want_status" ] || [ "$got" != "$want" ]; then
    echo "FAILED: $*"
    echo "  want $want_status <$want>"
    echo "  got  $status <$got>"
    failed=1
  fi
}
unset QEMU_LD_PREFIX GRUS_STRACE GRUS_STATS GRUS_DUMP GRUS_INTERPRET

expect 0 "<./prog><a><b c><> execfn ./prog" "$engine" ./prog a "b c" ""
expect 0 "<./prog><-L><--strace> execfn ./prog" "$engine" ./prog -L --strace
expect 0 "<./prog> execfn ./prog" "$engine" -- ./prog
expect 0 "<other><x> execfn ./prog" "$engine" -0 other ./prog x
expect 7 "<./prog> execfn ./prog" env STATUS=7 "$engine" ./prog
expect 0 "<./prog> T_A=1 T_B=2 execfn ./prog" env T_A=1 "$engine" -E T_B=2 ./prog
expect 0 "<./prog> T_A=3 execfn ./prog" env T_A=1 "$engine" -E T_A=3 ./prog
expect 0 "<./prog> T_AB=2 execfn ./prog" env T_A=1 T_AB=2 "$engine" -U T_A ./prog
expect 0 "<./prog> execfn ./prog" "$engine" --interpret ./prog
expect 0 "<./prog> execfn ./prog" env GRUS_INTERPRET=1 "$engine" ./prog
# U11: the engine's own failures have a status that no program has by itself; what was asked for is no error output.
expect 125 "grus: -L needs a value" "$engine" -L
expect 125 "grus: -E needs NAME=VALUE" "$engine" -E X ./prog
expect 125 "grus: unknown option --frobnicate (--help lists them)" "$engine" --frobnicate ./prog
"$engine" >out 2>err
[ $? = 125 ] && [ ! -s out ] && grep -q '^usage: grus-aarch64 ' err || { echo "FAILED: no program at all"; failed=1; }
for option in --help --version; do
  "$engine" $option >out 2>err && [ -s out ] && [ ! -s err ] || { echo "FAILED: $option goes to standard output"; failed=1; }
done
grep -qE '^grus-aarch64 [0-9.]+ \(([0-9a-f]{12}(, changed)?|unknown)\)$' out || { echo "FAILED: version: $(cat out)"; failed=1; }

# A hand-over is only believed from an engine that executed itself.
expect 0 "<./prog> GRUS_HANDOVER=1;4;5;0;0;0;0;x execfn ./prog" env "GRUS_HANDOVER=1;4;5;0;0;0;0;x" "$engine" ./prog

# What /proc says; also where the kernel does not let us tell it.
about="<./prog><a b> T_PROC=1 execfn ./prog
./prog|a b| environ 1 auxv 1 heap 1 stack 1 vdso 1"
expect 0 "$about" env T_PROC=1 "$engine" ./prog "a b"
expect 0 "$about" env T_PROC=1 "$deny_prctl" "$engine" ./prog "a b"

# Scripts and programs of the host.
printf '#!./prog opt\n' > script
chmod +x script
expect 0 "<./prog><opt><./script><y> execfn ./script" "$engine" ./script y
expect 0 "native z" "$engine" /bin/sh -c 'echo native "$0"' z

# What cannot be run.
expect 127 "grus: ./nothing: No such file or directory" "$engine" ./nothing
expect 126 "grus: .: Permission denied" "$engine" .
expect 126 "grus: ./prog/x: Not a directory" "$engine" ./prog/x
cp prog plain
chmod 644 plain
expect 126 "grus: ./plain: Permission denied" "$engine" ./plain
: > empty
echo text > text
head -c 64 prog > header
head -c 20 prog > short
chmod +x empty text header short
for f in empty text header short; do
  expect 126 "grus: ./$f: Exec format error" "$engine" "./$f"
done
head -c 100000 prog > truncated
chmod +x truncated
expect 126 "grus: ./truncated: the file is shorter than its program headers say" "$engine" ./truncated
mkfifo fifo
expect 126 "grus: ./fifo: Permission denied" "$engine" ./fifo
ln -s loop loop
expect 126 "grus: ./loop: Too many levels of symbolic links" "$engine" ./loop
printf '#!./nothing\n' > bad
chmod +x bad
expect 127 "grus: ./bad: No such file or directory" "$engine" ./bad

# The interpreter: missing, below a prefix, not an ELF file.
if [ -f "$dynamic" ] && [ ! -e /lib/ld-linux-aarch64.so.1 ]; then
  cp "$dynamic" dyn
  message="(-L PREFIX looks for it elsewhere)"
  expect 127 "grus: ./dyn: its interpreter /lib/ld-linux-aarch64.so.1: No such file or directory $message" "$engine" ./dyn
  mkdir -p bad-prefix/lib
  cp text bad-prefix/lib/ld-linux-aarch64.so.1
  expect 126 "grus: ./dyn: Input/output error" "$engine" -L bad-prefix ./dyn
  head -c 4096 /bin/sh > bad-prefix/lib/ld-linux-aarch64.so.1
  expect 126 "grus: ./dyn: Accessing a corrupted shared library" "$engine" -L "$work/bad-prefix" ./dyn
  prefix=/usr/aarch64-linux-gnu
  if [ -e $prefix/lib/ld-linux-aarch64.so.1 ]; then
    expect 0 "<./dyn> execfn ./dyn" "$engine" -L $prefix ./dyn  # U1: its libraries as well
    expect 0 "<./dyn> execfn ./dyn" env QEMU_LD_PREFIX=$prefix "$engine" ./dyn
  fi
fi

# Narrow places: little address space, few descriptors, a small stack, no randomisation, the legacy layout.
expect 0 "<./prog> execfn ./prog" sh -c 'ulimit -v 200000; exec "$0" ./prog' "$engine"
expect 0 "<./prog> execfn ./prog" sh -c 'exec 3>&- 4>&-; ulimit -n 5; exec "$0" ./prog' "$engine"
# Self-execution is of the program, never of the engine: for want of descriptors it fails.
again="<again> execfn /proc/self/exe"
expect 0 "$again" env AGAIN=1 "$engine" ./prog
for n in 5 6 7 8 9 10 11 12; do
  got=$(AGAIN=1 sh -c 'exec 3>&- 4>&-; ulimit -n $1; exec "$0" ./prog' "$engine" $n 2>&1)
  case $?$got in "0$again" | 24) ;; *) echo "FAILED: self-execution with $n descriptors: $got"; failed=1 ;; esac
done
if [ "$(id -u)" = 0 ]; then  # a set-user-ID program that did not gain its user
  cp prog setuid
  chmod 4755 setuid
  chmod 755 .
  as="setpriv --reuid 65534 --regid 65534 --clear-groups"
  if $as test -x "$engine"; then expect 0 "$again" $as env AGAIN=1 "$engine" ./setuid; fi
fi
expect 0 "<./prog> execfn ./prog" sh -c 'ulimit -s 100; exec "$0" ./prog' "$engine"
expect 0 "<./prog> execfn ./prog" sh -c 'ulimit -s unlimited; exec "$0" ./prog' "$engine"
if setarch -R true 2>/dev/null; then
  expect 0 "<./prog> execfn ./prog" setarch -R "$engine" ./prog
  expect 0 "<./prog> execfn ./prog" setarch -L "$engine" ./prog
fi
i=0
while [ $i -lt 200 ]; do  # wherever the kernel puts us
  "$engine" ./prog > out || { echo "FAILED: start $i"; failed=1; break; }
  i=$((i + 1))
done
exit $failed
