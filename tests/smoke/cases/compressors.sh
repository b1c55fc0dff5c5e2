# xz and zstd: the same bytes on every machine.
seq 200000 > n; head -c 300000 /dev/zero >> n
for l in 0 6 9; do xz -$l -T1 -c n | tee n.xz | sha256sum; xz -dc n.xz | cmp - n && echo same; done
xz -T4 --block-size=200000 -c n | xz -dc | sha256sum; xz -l n.xz | tail -1 | awk '{print $1, $2, $NF}'; xz -t n; echo $?
for l in 1 3 19; do zstd -q -$l --single-thread -c n | tee n.zst | sha256sum; zstd -qdc n.zst | cmp - n && echo same; done
zstd -q -T4 -c n | zstd -qdc | sha256sum; zstd -qt n; echo $?; head -c 1000 n.xz | xz -dc > /dev/null; echo $?
