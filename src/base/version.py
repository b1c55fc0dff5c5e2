#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""version.py OUT ROOT VERSION: writes the definition of kVersion (version.h) to OUT, only when it differs from what is there.

Guarantees: the commit is that of ROOT's own repository; when ROOT merely lies in another one - an unpacked archive in a
package's build tree - it is "unknown".
"""
import os
import subprocess
import sys


def git(root, *arguments):
    # Variables of a hook's repository must not answer for ROOT; `sudo make install` may look at a tree that is a user's.
    trusted = "safe.directory=" + os.path.realpath(root)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(["git", "-c", trusted, "-C", root, *arguments], capture_output=True, text=True, env=environment)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit(root):
    top = git(root, "rev-parse", "--show-toplevel")
    if not top or os.path.realpath(top) != os.path.realpath(root):
        return "unknown"
    name = git(root, "rev-parse", "--short=12", "HEAD")
    if not name:
        return "unknown"
    return name + (", changed" if git(root, "status", "--porcelain", "--untracked-files=no") else "")


def main():
    out, root, version = sys.argv[1:]
    text = ('#include "base/version.h"\n\nnamespace grus {\n'
            f'const char kVersion[] = "{version} ({commit(root)})";\n}}  // namespace grus\n')
    try:
        with open(out, encoding="utf-8") as file:
            same = file.read() == text
    except OSError:
        same = False
    if not same:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text)


main()
