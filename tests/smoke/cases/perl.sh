# Interpreter, regular expressions, hashes, sorting, fork, signals, eval, modules with C parts.
perl -e 'my %h; $h{$_ % 97} .= chr(65 + $_ % 26) for 1..5000; print join(",", map {"$_=" . length $h{$_}} sort {$a <=> $b} keys %h), "\n"'
perl -e 'printf "%.15g %.15g %.15g %s %s\n", 1/3, 2**0.5, sin(10), 1e308*10, -(9**9**9)/(9**9**9); print 18446744073709551615 + 0, " ", -7 % 3, " ", 7.9 <=> "8", "\n"'
perl -e '$_ = "the quick brown fox " x 200; my $n = () = /\b(\w)(\w+)\b/g; s/(\w+)/\u$1/g; print "$n ", substr($_, 0, 40), "\n"; print join("|", split /\s*,\s*/, "a , b,c ,d"), "\n"'
perl -e '$| = 1; my $p = fork; if (!$p) { print "child\n"; exit 9 } waitpid $p, 0; print $? >> 8, "\n"; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 30; }; print $@'
perl -MDigest::SHA=sha256_hex -MList::Util=sum,shuffle,reduce -MPOSIX=floor,strftime -MTime::HiRes=time -MData::Dumper -e 'print sha256_hex("abc" x 1000), " ", sum(1..100), " ", floor(-2.5), " ", strftime("%F", gmtime 86400*365), "\n"; local $Data::Dumper::Sortkeys = 1; print Dumper({a => [1, 2], b => {c => undef}})'
perl -MSocket -e 'socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, 0; syswrite $a, "hello"; sysread $b, my $x, 100; print "$x\n"; kill SEGV => $$'; echo $?
perl -e 'use threads; print join(",", map { $_->join } map { my $n = $_; threads->create(sub { my $s = 0; $s += $_ for 1..$n*1000; $s }) } 1..4), "\n"'
perl -e 'die { code => 3 } if 0; exit 200'; echo $?; perl -e 'print unpack("H*", pack("d>f<q>n", 3.5, -0.1, -2, 513)), "\n"'
