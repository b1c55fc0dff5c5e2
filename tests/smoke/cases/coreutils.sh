# What every script uses.
seq 1 1000 | sort -R --random-source=<(yes) | sort -n | sha256sum
seq 100000 | md5sum; seq 100000 | sha1sum; seq 100000 | sha512sum; seq 100000 | b2sum; seq 100000 | cksum
seq 20 | tac | paste -sd, ; seq 20 | shuf --random-source=<(yes 1) | tr '\n' ' '; echo
factor 1234567890123 18446744073709551557; numfmt --to=iec 123456789; expr 17 '*' 23
echo "$(printf 'b 2\na 1\nc 3\n' | sort | join - <(printf 'a x\nc y\n'))"
mkdir -p d/e/f; touch -d '2001-02-03 04:05:06 UTC' d/e/file; ln -s ../e d/link; ln d/e/file d/hard; touch -d '2001-02-03 04:05:06 UTC' d/e/f
stat -c '%n %F %a %s %h' d/e/file d/link d/e; TZ=UTC ls -l --time-style=long-iso d/e | tail -n +2 | cut -c1-11,30-
cp -a d copy; diff -r d copy && echo same; mv copy moved; rm -r moved; ls d
find d -newermt 2002-01-01 -type d | sort; du --apparent-size -b d/e/file; test -L d/link; echo $?
head -c 100000 /dev/zero | wc -c; dd if=/dev/zero bs=1k count=7 status=none | wc -c; split -l 300 <(seq 1000) part; wc -l part*
date -u -d @1234567890 +%F_%T; timeout 0.2 sleep 10; echo $?; env -i A=b env; nice -n 5 nice; basename /a/b.c .c
echo one two | tee t1 | cut -d' ' -f2; comm -12 <(seq 5) <(seq 3 8); od -An -tx1 -N8 t1; base64 t1; chmod 640 t1; stat -c %A t1
mkfifo fifo; (echo fifo > fifo) & cat fifo; truncate -s 1M sparse; stat -c '%s %b' sparse; cat /no/such; echo $?
uniq -c <(printf 'a\na\nb\n'); nl t1; fold -w4 t1; fmt -w 20 <<< "a few words that become more than one line"; readlink -f d/link/.; echo $?
