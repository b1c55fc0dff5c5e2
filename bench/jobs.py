# SPDX-License-Identifier: MIT
"""The rows of bench/run and the files that they work on.

A job is one bash command in /tmp of a root. What is started often in real life is repeated inside the job, and what computes
does so for 0.3 s or more natively: neither the start of the shell nor the clock's grain may hide a ratio.
"""
import functools
import hashlib
import inspect
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "grus")


class Job:
    """`target` is CPU time over native that must hold with a warm cache. `prepare` once and `before` each run are not
    measured; `reps` is a limit for what takes long. `direct` is a program instead of a command: started that often, the median
    counts, and `extra_ms` over native is the target."""

    def __init__(self, name, target, command, prepare="", before="", reps=99, cwd="/tmp", direct=0, extra_ms=None):
        self.name, self.target, self.command, self.prepare, self.before = name, target, command, prepare, before
        self.reps, self.cwd, self.direct, self.extra_ms = reps, cwd, direct, extra_ms


def repeat(n, command):
    return f"for ((i = 0; i < {n}; i++)); do {command} || exit; done"


def compiled(name, target, program, flags="-O2"):
    return Job(name, target, f"./{program}", prepare=f"gcc {flags} {program}.c -o {program} -lm -pthread")


def cargo(name, command, **more):
    return Job(name, 2.5, command, cwd="/tmp/workspace", reps=1, **more)


# The names of what nextest reports, without times and counters; some tests are meant to fail there.
NEXTEST = ("cargo nextest run --offline > log 2>&1; echo $?; "
           r"sed -nE 's/^ +(TRY [0-9]+ )?([A-Z]+) \[[^]]*\] *(\([^)]*\) )?/\1\2 /p' log | sort -u")
CARGO_TEST = "cargo test --offline --quiet --no-fail-fast > log 2>&1; grep '^test result' log | sed 's/; finished.*//' | sort"
GIT = ("export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org "
       "GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat; "
       "cp -r files repository && cd repository && git init -q -b main . && git add . && git commit -qm one && git status --short && "
       "for i in *7; do echo more >> $i; done && git status --short && git diff | tail -n 40 && git add -u && git commit -qm two && "
       "git log --stat -p | sha256sum && git diff HEAD~ --stat && git log --oneline")
PERL_START = "perl -MPOSIX -MData::Dumper -MFile::Temp -e 'print POSIX::floor(2.5), \"\\n\"' > /dev/null"
PYTHON_START = "python3 -c 'import json, re, subprocess'"

JOBS = [
    Job("/bin/true once", None, "/bin/true", direct=40, extra_ms=1.5),
    Job("300 x /bin/true", 3, repeat(300, "/bin/true")),
    Job("fork vfork spawn", 3, "./spawn 100", prepare="gcc -O2 spawn.c -o spawn"),
    Job("bash expr sed", 3, "i=0; while [ $i -lt 100 ]; do i=$(expr $i + 1); echo $i | sed s/0/zero/; done"),
    Job("perl start", 3, repeat(10, PERL_START)),
    Job("./configure", 3, "./configure", reps=3),
    Job("cmake configure", 3, "cmake -S cmake -B cmake-build > log && cat cmake-build/config.h", before="rm -rf cmake-build", reps=3),
    Job("python start", 2.5, repeat(10, PYTHON_START)),
    Job("git on 200 files", 2.5, repeat(3, f"({GIT} && rm -rf ../repository)")),
    Job("gcc -O2 hello", 2.5, repeat(5, "gcc -O2 hello.c -o hello && ./hello")),
    Job("gcc -O2 10000 lines", 2, "gcc -O2 big.c -o big && ./big", reps=2),
    Job("g++ -O2 STL", 2, "g++ -std=c++17 -O2 stl.cpp -o stl && ./stl", reps=2),
    Job("rustc -O hello", 2.5, repeat(2, "rustc -O hello.rs -o hello-rs && ./hello-rs"), reps=3),
    cargo("cargo build", "cargo build --offline --quiet", before="rm -rf target"),
    cargo("cargo test", CARGO_TEST, before="rm -rf target"),
    cargo("cargo nextest run", NEXTEST, prepare="cargo test --offline --quiet --no-run"),
    Job("go build hello", 2.5, "go build -o hello-go hello.go && ./hello-go", before="rm -rf .cache/go-build hello-go", reps=3),
    Job("javac hello", 3, "javac -d classes Hello.java && java -cp classes Hello", before="rm -rf classes", reps=3),
    compiled("integer loop", 1.6, "integer_loop"),
    Job("xz -6", 1.6, "xz -6 -k -c text | sha256sum"),
    Job("zstd -19", 1.6, "zstd -19 -q -c text | sha256sum"),
    Job("sqlite inserts", 2, "sqlite3 :memory: < inserts.sql"),
    compiled("indirect branches", 2, "indirect"),
    Job("python nbody", 2, "python3 -S nbody.py"),
    Job("python fannkuch", 2, "python3 -S fannkuch.py"),
    Job("perl loop", 2, "perl loop.pl"),
    compiled("double nbody", 1.3, "nbody", "-O2 -ffp-contract=off"),
    compiled("vectorised matrix", 1.6, "matrix", "-O3 -ffp-contract=off"),
    Job("sha256", 1.5, "openssl dgst -sha256 data data data data"),
    Job("aes-128-cbc", 1.5, "openssl enc -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv 0 -in data 2> /dev/null | "
        "openssl enc -d -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv 0 2> /dev/null | cmp - data"),
    compiled("4 threads on atomics", 1.3, "atomics"),
    compiled("system calls", 1.3, "syscalls"),
    Job("node start and loop", 3, "node loop.js"),
    Job("java start and compute", 3, "java -cp classes Compute", prepare="javac -d classes Compute.java"),
]

# What --stats and getrusage are asked about: one process each, the last one of its command.
CC1PLUS = "exec $(gcc -print-prog-name=cc1plus) -quiet -imultiarch $(gcc -print-multiarch) -D_GNU_SOURCE -std=c++17 -O2 stl.cpp -o stl.s"
PROGRAMS = {"rustc": "exec rustc -O --emit=obj hello.rs -o hello-rs.o", "cc1plus": CC1PLUS,
            "perl": "exec perl loop.pl", "python": "exec " + PYTHON_START}

HELLO_C = '#include <stdio.h>\nint main(void) { printf("hello %d\\n", 42); return 0; }\n'
HELLO_RS = 'fn main() { let v: Vec<u64> = (0..1000).map(|x| x * x).collect(); println!("{}", v.iter().sum::<u64>()); }\n'


@functools.cache
def generated(seed):
    generate = [sys.executable, os.path.join(HERE, "generate_c.py"), str(seed)]
    return subprocess.run(generate, capture_output=True, text=True, check=True).stdout


def fill(directory, tool):
    """Everything that the jobs read, into an empty directory. `tool` runs cargo where the host has none."""
    shutil.copytree(os.path.join(HERE, "programs"), directory, dirs_exist_ok=True)
    write = lambda name, text: open(os.path.join(directory, name), "w").write(text)
    write("hello.c", HELLO_C)
    write("hello.rs", HELLO_RS)
    write("static.c", "int main(void) { return 0; }\n")
    big = generated(20240501)
    write("big.c", big)
    write("text", big + "".join(generated(seed) for seed in range(3)))
    rows = "\n".join(f"insert into t values({i}, 'name{i * 7919 % 10007}', {i * 31 % 1000 / 8});" for i in range(90000))
    write("inserts.sql", "create table t(id integer primary key, name text, value real);\ncreate index byname on t(name);\n"
          f"begin;\n{rows}\ncommit;\nselect count(*), sum(value), max(name) from t;\n")
    os.makedirs(os.path.join(directory, "files"))
    lines = big.split("\n")
    for i in range(200):
        write(f"files/file{i}", "\n".join(lines[i * 40:i * 40 + 60]) + "\n")
    with open(os.path.join(directory, "data"), "wb") as f:
        block = b"".join(hashlib.sha256(bytes([i & 255, i >> 8])).digest() for i in range(2048))
        for _ in range(2048):
            f.write(block)
    # The vendored crates beside the workspace, so that no run needs the network.
    workspace = os.path.join(directory, "workspace")
    shutil.copytree(os.path.join(SOURCE, "examples", "workspace"), workspace, ignore=shutil.ignore_patterns("target"))
    shutil.copytree(vendored(workspace, tool), os.path.join(workspace, "vendor"))
    os.makedirs(os.path.join(workspace, ".cargo"))
    with open(os.path.join(workspace, ".cargo", "config.toml"), "w") as f:
        f.write('[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n')


def vendored(workspace, tool):
    """The directory of what Cargo.lock names, fetched once."""
    with open(os.path.join(workspace, "Cargo.lock"), "rb") as f:
        done = os.path.join(CACHE, "bench", "vendor-" + hashlib.sha256(f.read()).hexdigest()[:16])
    if not os.path.exists(done):
        part = f"{done}.{os.getpid()}"
        vendor = ["cargo", "vendor", "--quiet", "--locked", part]
        if not shutil.which("cargo"):
            vendor = [tool, "run", "--root", "test", "--"] + vendor
        subprocess.run(vendor, cwd=workspace, check=True, stdout=subprocess.DEVNULL)
        os.rename(part, done)
    return done


def fingerprint():
    """Of the inputs: results of other ones cannot be compared."""
    h = hashlib.sha256(inspect.getsource(fill).encode())
    files = [os.path.join(d, n) for d, _, names in os.walk(os.path.join(HERE, "programs")) for n in names]
    for path in [os.path.join(HERE, "generate_c.py"), *sorted(files)]:
        with open(path, "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]
