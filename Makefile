# SPDX-License-Identifier: MIT
# The commands of every day; CMake and Ninja do the work. `make` needs the packages of scripts/packages.txt, section
# [build]; `make demo` and `make test` install what they need (root or sudo).
BUILD ?= build
CONFIGURE ?=
BENCH ?=
PREFIX ?= /usr/local

.PHONY: all build install demo test test-units test-smoke test-project test-suites test-clang test-sanitize bench packages clean
all: build

build:
	@scripts/packages check build
	@test -f $(BUILD)/build.ninja || cmake -G Ninja -B $(BUILD) -S . $(CONFIGURE)
	@cmake --build $(BUILD) --target grus --target grus-aarch64

# bin/grus, bin/grus-aarch64 and the documentation below PREFIX; DESTDIR is put before it for packages. Nothing is
# registered with the kernel: that is `grus install`.
install: build
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)"

packages:
	@scripts/packages install build roots test

# An AArch64 Debian root, and in it cargo build, cargo test and cargo nextest run of examples/workspace.
demo:
	@scripts/packages install build roots
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) scripts/demo

# Everything; ends with one line of counts. The other test targets are its parts.
test:
	@BUILD=$(BUILD) scripts/test units clang sanitize programs main-job project generated trixie sid

test-units:
	@BUILD=$(BUILD) scripts/test units
test-smoke:
	@BUILD=$(BUILD) scripts/test programs main-job
test-project:
	@BUILD=$(BUILD) scripts/test project
test-suites:
	@BUILD=$(BUILD) scripts/test generated trixie sid
test-clang:
	@BUILD=$(BUILD) scripts/test clang
test-sanitize:
	@BUILD=$(BUILD) scripts/test sanitize

# The table of docs/performance.md, and the same as JSON and as a picture; BENCH="--only gcc --quick" are its options.
bench: build
	@BUILD=$(BUILD) bench/run --json $(BUILD)/bench.json --svg $(BUILD)/bench.svg $(BENCH)

clean:
	rm -rf $(BUILD) $(BUILD)-clang $(BUILD)-sanitize
