#!/bin/bash
# SPDX-License-Identifier: MIT
# make demo: an AArch64 Debian with a Rust toolchain on this x86-64 machine; builds and tests examples/workspace in it with
# cargo and cargo-nextest, and compares every test's result with the native one.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
grus=$top/build/grus
log=$top/build/demo-log
mkdir -p "$log"
declare -a summary

step() {  # NAME COMMAND...: runs it, shows it, keeps the time
  local name=$1 begin end status=0
  shift
  printf '\n== %s\n' "$name"
  begin=$(date +%s.%N)
  "$@" || status=$?
  end=$(date +%s.%N)
  summary+=("$(printf '%-34s %8.1f s   %s' "$name" "$(echo "$end $begin" | awk '{print $1-$2}')" "$([ $status = 0 ] && echo ok || echo "FAILED ($status)")")")
  return $status
}
finish() {
  printf '\n== What was done\n'
  printf '%s\n' "${summary[@]}"
}
trap finish EXIT

in_root() { "$grus" run --root demo -- "$@"; }

step "AArch64 root (Debian, Rust)" scripts/demo-root.sh
cd examples/workspace
export CARGO_TARGET_DIR=$top/build/demo-target
in_root uname -m
in_root rustc --version
in_root cargo nextest --version | head -1
step "cargo build" in_root cargo build --locked
step "cargo test" bash -c '"$0" run --root demo -- cargo test --locked 2>&1 | tee "$1"; exit ${PIPESTATUS[0]}' "$grus" "$log/cargo-test"
results() {
  # Some tests of the workspace fail by design: nextest then ends with 100, and the comparison below decides.
  rm -f target/nextest/default/junit.xml
  local status=0
  in_root cargo nextest run --locked 2>&1 | tee "$log/nextest" || status=$?
  [ $status = 0 ] || [ $status = 100 ]
}
step "cargo nextest run" results
step "results as on native x86-64" python3 "$top/tests/smoke/nextest_results.py" target/nextest/default/junit.xml expected-results.txt
awk '/^test result/ { passed += $4; failed += $6 } END { print "cargo test: " passed " passed, " failed " failed" }' "$log/cargo-test"
grep -a 'Summary \[' "$log/nextest" | sed 's/^ *Summary/cargo nextest run:/'
