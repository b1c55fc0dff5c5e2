#!/bin/sh
# SPDX-License-Identifier: MIT
# strace.sh ENGINE CALLS: what --strace shows of calls.c, which calls it shows, and where.
engine=$1 calls=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cp "$calls" calls
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
unset GRUS_STRACE GRUS_LOG
failed=0
fail() { # fail WHAT FILE
  echo "FAILED: $1"
  head -60 "$2"
  failed=1
}
# Numbers of processes and addresses become PID and ADDRESS.
plain() { sed -E "s/^[0-9]+ //; s/0x[0-9a-f]{6,}/ADDRESS/g; s/\b$1\b/PID/g"; }

# U13: flags, commands, structures, what calls have filled, results.
"$engine" --strace ./calls 2>all || fail "status $?" all
pid=$(sed -n 's/^\([0-9]*\) getpid() = .*/\1/p' all | head -1)
child=$(sed -n 's/^.* clone(.* = //p' all)
grep "^$pid " all | sed -n '/ getpid()/,$p' | plain "$pid" | sed "s/\b$child\b/CHILD/g" >got
cat >want <<'END'
getpid() = PID
openat(AT_FDCWD, "./file", O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0640) = 3
write(3, "a \"b\"\n\001", 7) = 7
lseek(3, 2, SEEK_SET) = 2
read(3, "\"b\"\n\001", 60) = 5
newfstatat(3, "", {S_IFREG|0640, size 7}, AT_EMPTY_PATH) = 0
fcntl(3, F_DUPFD_CLOEXEC, 0x64) = 100
fcntl(3, F_GETFL) = 131074 (O_RDWR|O_LARGEFILE)
flock(3, LOCK_EX|LOCK_NB) = 0
mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = ADDRESS
mprotect(ADDRESS, 4096, PROT_NONE) = 0
madvise(ADDRESS, 4096, MADV_DONTNEED) = 0
openat(3, "x", O_RDONLY|O_DIRECTORY) = -1 ENOTDIR
unlinkat(AT_FDCWD, "./nothing", AT_REMOVEDIR) = -1 ENOENT
faccessat2(AT_FDCWD, "/", R_OK|X_OK, 0) = 0
pipe2([4, 5], O_NONBLOCK) = 0
socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 6
connect(6, {AF_UNIX, "./socket"}, 11) = -1 ENOENT
socket(AF_INET, SOCK_DGRAM, 0) = 7
connect(7, {AF_INET, 127.0.0.1:8080}, 16) = 0
getsockopt(7, 99, 99, ADDRESS, ADDRESS) = -1 EOPNOTSUPP
rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0
rt_sigaction(SIGUSR1, {SIG_IGN, [USR1], SA_RESTART}, {SIG_DFL, [], 0}, 8) = 0
getpid() = PID
kill(PID, SIGUSR1) = 0
prlimit64(0, RLIMIT_CORE, NULL, {LIMITS}) = 0
clone(SIGCHLD, 0, NULL, NULL, NULL) = CHILD
wait4(CHILD, [exit 3], WSTOPPED, NULL) = CHILD
getpid() = PID
exit_group(0) ...
END
sed -i 's/RLIMIT_CORE, NULL, {[^}]*}/RLIMIT_CORE, NULL, {LIMITS}/' got
diff want got >differences || fail "lines" differences
grep "^$child " all | grep -q 'execve("./calls", \["calls", "again"\], NULL) \.\.\.$' || fail "the child's exec" all
grep -q 'clone(.*) = 0$' all && fail "clone is printed by the parent alone" all

# A filter goes on through exec, nothing mixes with the program's own output, and the file has all processes.
"$engine" --strace=exit_group,network,"$work/log,1" ./calls >out 2>err || fail "status with a file" err
[ ! -s err ] && [ ! -s out ] || fail "nothing on standard error" err
[ "$(grep -c 'exit_group' log,1)" = 2 ] && [ "$(grep -c 'socket\|connect\|getsockopt' log,1)" = 5 ] && [ "$(wc -l <log,1)" = 7 ] ||
  fail "those that were named, of both processes" log,1
GRUS_STRACE=exit_group,./log "$engine" ./calls 2>err && GRUS_STRACE=exit_group,./log "$engine" ./calls 2>>err
[ ! -s err ] && [ "$(wc -l <log)" = 4 ] || fail "by the variable; a file is appended to" log
"$engine" --strace=times,getpid ./calls 2>times
[ "$(grep -cE '^[0-9]+ [0-9]+\.[0-9]{6} getpid\(\) = [0-9]+ <0\.[0-9]{6}>$' times)" = 3 ] && [ "$(wc -l <times)" = 3 ] || fail "times" times
GRUS_STRACE=1 "$engine" ./calls 2>one
[ "$(wc -l <one)" = "$(wc -l <all)" ] || fail "GRUS_STRACE=1 is everything" one
for off in "" 0; do
  GRUS_STRACE=$off "$engine" ./calls 2>err || fail "GRUS_STRACE=$off" err
  [ ! -s err ] || fail "GRUS_STRACE=$off is nothing" err
done
for wrong in opne, process,frobnicate /no/such/directory/log; do
  "$engine" --strace=$wrong ./calls >out 2>err
  [ $? = 125 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "--strace=$wrong is refused" err
done
exit $failed
