# grep, sed, awk, diff, tar, gzip, bzip2, find, xargs, file.
seq 1 2000 > n
grep -c 7 n; grep -E '^(1|2)[05]+$' n; grep -oP '\d(?=99$)' n | sort | uniq -c
sed -n '5,8p;$p' n; sed -E 's/([0-9])([0-9])$/\2\1/' n | md5sum; sed -i '1~2d' n; wc -l n
awk '{s+=$1; a[$1%7]++} END {print s; for (i=0;i<7;i++) printf "%d ", a[i]; print ""; print sin(1), exp(1), sqrt(2), 2^0.5, int(-3.7)}' n
gawk 'BEGIN {printf "%.17g %.17g %.17g %d\n", log(3), atan2(1,2), cos(3)*1e10, 2^53+1}'
mawk 'BEGIN {srand(3); x=rand(); print length(sprintf("%.3f", x)), toupper("abc"), substr("hello",2,3)}'
diff <(seq 5) <(seq 2 6); mkdir d; cp n d/a; seq 50000 > d/b
tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner d | tee d.tar | sha256sum
gzip -nk d.tar; sha256sum d.tar.gz; bzip2 -k d.tar; sha256sum d.tar.bz2; mkdir x; tar -xzf d.tar.gz -C x; diff -r d x/d && echo same
bunzip2 -c d.tar.bz2 | cmp - d.tar && echo same; find d -type f -print0 | sort -z | xargs -0 -n1 -P2 wc -l | sort; file -b d/b d.tar.gz
gzip -dc < n; echo $?; tar -xf n; echo $?
