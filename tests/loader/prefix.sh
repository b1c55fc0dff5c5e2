#!/bin/sh
# SPDX-License-Identifier: MIT
# U1: prefix.sh ENGINE PROGRAM. -L PREFIX, QEMU_LD_PREFIX and a relative PREFIX; the cross compiler's sysroot where there is one.
engine=$1
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/prefix/grus-prefix/real" "$work/prefix/dev" "$work/prefix/proc" && cd "$work" || exit 99
echo "of the prefix" > prefix/grus-prefix/file
cp prefix/grus-prefix/file prefix/grus-prefix/real/file
ln -s /grus-prefix/file prefix/grus-prefix/absolute
ln -s /grus-prefix/real prefix/grus-prefix/directory
cp "$2" prefix/grus-prefix/prog
printf '#!/grus-prefix/prog\n' > prefix/grus-prefix/script
chmod +x prefix/grus-prefix/script
touch prefix/dev/null prefix/proc/only-below
failed=0
same() {
  [ "$1" = "$2" ] && return
  printf 'FAILED: %s\n   not: %s\n' "$1" "$2"
  failed=1
}
expected='renamed in the prefix
script /grus-prefix/script
0'
here=$work/prefix/grus-prefix/file
same "$("$engine" -L "$work/prefix" ./prefix/grus-prefix/prog "" "$here"; echo $?)" "$expected"
same "$("$engine" -L "$work/prefix//" /grus-prefix/prog "" "$here"; echo $?)" "$expected"
same "$(QEMU_LD_PREFIX=$work/prefix "$engine" /grus-prefix/prog "" "$here"; echo $?)" "$expected"
same "$(cd prefix/grus-prefix; "$engine" -L .. ./prog "" "$here"; echo $?)" "$expected"
# One descriptor to be had: the name is put together as QEMU does.
same "$(sh -c 'exec 3>&-; ulimit -S -n 4; exec "$0" -L "$1" /grus-prefix/prog child' "$engine" "$work/prefix")" "/grus-prefix/prog in the prefix"
# A prefix that is none, or nothing: as if there were no option.
for none in / "" /no/such/prefix; do
  same "$("$engine" -L "$none" ./prefix/grus-prefix/prog child; echo $?)" './prefix/grus-prefix/prog in FAILED
0'
done
exit $failed
