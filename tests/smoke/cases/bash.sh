# The shell itself: expansion, control, subshells, pipes, traps, jobs.
set -u
declare -A map=([one]=1 [two]=2); for k in one two; do echo "$k=${map[$k]}"; done
fib() { local n=$1; ((n < 2)) && { echo "$n"; return; }; echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); }
fib 9
s="Hello, World"; echo "${s,,} ${s^^} ${s/World/shell} ${#s} ${s:7:3} ${s%%,*}"
echo {a..e}{1..3} $((2#1011 + 0x1f + 7**5)) $((-7 / 2)) $((-7 % 3))
printf '%08.3f|%-6s|%x|%q\n' 3.14159 left 255 "it's"
read -r first rest <<< "alpha beta gamma"; echo "$rest/$first"
cat <(echo sub) <(echo stitution) | tr a-z A-Z
trap 'echo on exit' EXIT; trap 'echo usr1' USR1; kill -USR1 $$
(exit 3); echo $?; false | true; echo "${PIPESTATUS[@]}"
sh -c 'kill -TERM $$' & wait $!; echo $?
for i in 1 2 3 4; do (echo "child $i" > "out$i") & done; wait; cat out?
bash -c 'kill -SEGV $$' 2>/dev/null; echo $?
no_such_command_here; echo $?
/no/such/file; echo $?
[[ "2024-05-17" =~ ^([0-9]+)-([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
ulimit -n 123; ulimit -n
exec 5<>pipe; echo through >&5; cat pipe
coproc tr a-z A-Z; echo coproc >&"${COPROC[1]}"; eval "exec ${COPROC[1]}>&-"; cat <&"${COPROC[0]}"
