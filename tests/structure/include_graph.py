#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the source tree to its layering: which directory of src/ may include which, and how long a file may be.

Guarantees: every quoted #include of src/ resolves to a file of src/ or to a generated one, and is allowed below; every lock of
static storage is registered.
Deliberately looks at includes only: a declaration copied by hand would not be noticed.

  include_graph.py SOURCE_ROOT
"""
import pathlib
import re
import sys

# directory -> the directories that it may include besides itself. gen/ is what generate.py makes of the table.
ALLOWED = {
    "base": set(),
    "softfloat": {"base"},
    "guest": {"base", "softfloat", "gen"},
    "host": {"base"},
    "cache": {"base"},  # bytes and offsets, not instructions
    "translate": {"base", "guest", "host", "cache", "run", "gen"},
    "run": {"base", "guest", "host", "cache", "translate", "gen"},
    "linux": {"base", "run", "engine"},  # never emits
    "engine": {"base", "host", "linux", "run"},
    "tool": {"base", "cache"},
}
# Narrower than the directory: (directory, directory it includes) -> the only headers it may take from there.
ONLY = {
    ("translate", "run"): {"run/offsets.h", "run/thread_state.h", "run/execute.h", "run/code_map.h"},
    ("run", "guest"): {"guest/aarch64/registers.h", "guest/aarch64/disasm.h"},  # run/ never decodes by itself
    ("run", "host"): {"host/x86_64/features.h"},  # nor emits
    ("linux", "engine"): {"engine/options.h", "engine/statistics.h"},
    ("tool", "base"): {"base/types.h", "base/version.h"},
    ("tool", "cache"): {"cache/format.h"},  # it reads headers, nothing else
    ("guest", "base"): {"base/types.h", "base/guest_memory.h", "base/clock.h"},
}
# Whoever may not call the kernel may not include the header that can.
NO_KERNEL = {"translate", "guest", "softfloat", "host"}
KERNEL_HEADER = "base/host_syscall.h"
LONGEST_FILE = 1000
# A lock of static storage: fork and the death of a vfork child have to know it.
LOCK = re.compile(r'^(?:static )?Lock (\w+);', re.M)
REGISTERED = re.compile(r'register_lock\(LockOrder::\w+, (?:\w+::)*(\w+)\)')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def resolve(src, file, name):
    for base in (src, file.parent):
        if (base / name).is_file():
            return (base / name).resolve().relative_to(src.resolve()).as_posix()
    return "gen/" + name


def problems_of(src, file):
    path = file.relative_to(src).as_posix()
    directory = path.split("/")[0]
    text = file.read_text(encoding="utf-8")
    if text.count("\n") > LONGEST_FILE:
        yield f"{path}: longer than {LONGEST_FILE} lines"
    for name in INCLUDE.findall(text):
        target = resolve(src, file, name)
        other = target.split("/")[0]
        if other != directory and other not in ALLOWED[directory]:
            yield f"{path}: {directory}/ may not include {target}"
        elif target not in ONLY.get((directory, other), {target}):
            yield f"{path}: {directory}/ may not include {target} of {other}/"
        if target == KERNEL_HEADER and directory in NO_KERNEL:
            yield f"{path}: {directory}/ never calls the kernel"


def main():
    src = pathlib.Path(sys.argv[1]) / "src"
    files = [f for f in sorted(src.rglob("*")) if f.suffix in (".h", ".cpp", ".c", ".S") and "probe" not in f.parts]
    unknown = {f.relative_to(src).parts[0] for f in files} - set(ALLOWED)
    problems = [f"src/{d}: not in the list of directories" for d in sorted(unknown)]
    for file in files:
        if file.relative_to(src).parts[0] in ALLOWED:
            problems += problems_of(src, file)
    text = {file: file.read_text(encoding="utf-8") for file in files}
    registered = {name for t in text.values() for name in REGISTERED.findall(t)}
    problems += [f"{file.relative_to(src)}: {name} is not registered (LockOrder in base/lock.h)"
                 for file, t in text.items() if file.suffix == ".cpp" for name in LOCK.findall(t) if name not in registered]
    print("\n".join(problems + [f"{len(files)} files, {len(problems)} problems"]))
    sys.exit(1 if problems or not files else 0)


main()
