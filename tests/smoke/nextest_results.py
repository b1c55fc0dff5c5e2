#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns nextest's junit.xml into one line per test (`binary test outcome`), or compares it with such a file.

Guarantees: names, failure kinds, exit codes and signals of every attempt are part of a line; times, thread
ids and messages are not. Deliberately knows no test by name.

  nextest_results.py JUNIT                 print the lines
  nextest_results.py JUNIT EXPECTED        print the differences; exit 1 if there are any
"""
import re
import sys
import xml.etree.ElementTree as tree


def attempt(element):
    text = element.get("type", "")
    if text == "test abort":
        signal = re.search(r"SIG[A-Z0-9]+", element.get("message") or element.text or "")
        return signal.group() if signal else "abort"
    return text.replace("test failure with ", "").replace("test ", "").replace(" ", "-") or "failure"


def outcome(case):
    attempts = [attempt(e) for e in case if e.tag in ("failure", "error", "rerunFailure", "flakyFailure")]
    if any(e.tag == "flakyFailure" for e in case):
        return "flaky:" + ",".join(attempts)
    if any(e.tag == "skipped" for e in case):
        return "skipped"
    return "fail:" + ",".join(attempts) if attempts else "pass"


def lines(path):
    return sorted(f'{case.get("classname")} {case.get("name")} {outcome(case)}'
                  for case in tree.parse(path).getroot().iter("testcase"))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    got = lines(sys.argv[1])
    if len(sys.argv) == 2:
        print("\n".join(got))
        return
    with open(sys.argv[2], encoding="utf-8") as file:
        expected = sorted(line.strip() for line in file if line.strip() and not line.startswith("#"))
    missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    for line in missing:
        print(f"expected: {line}")
    for line in extra:
        print(f"got:      {line}")
    print(f"{len(set(got) & set(expected))} of {len(expected)} results as expected")
    sys.exit(1 if missing or extra or not expected else 0)


main()
