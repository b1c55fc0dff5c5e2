# SPDX-License-Identifier: MIT
# Integers, hashes, strings and a regular expression, in Perl's interpreter.
use strict;
use warnings;
my (%count, $hash, $matches) = ();
$hash = 0;
$matches = 0;
for my $i (1 .. 1_500_000) {
  $hash = ($hash * 31 + $i) % 1_000_003;
  my $key = "k" . ($hash % 997);
  $count{$key} += $i;
  $matches++ if $key =~ /^k(\d)\1/;
}
my $sum = 0;
$sum += $count{$_} for sort keys %count;
print "$hash $matches $sum\n";
