#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages for a purpose: build, test or demo (each includes the ones before). Does nothing, and needs
# no network, when all are there.
set -eu
case "${1:-build}" in build | test | demo) purpose=${1:-build} ;; *) echo "usage: $0 build|test|demo" >&2; exit 2 ;; esac
packages="g++ cmake ninja-build python3 libcli11-dev nlohmann-json3-dev libgtest-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
if [ "$purpose" != build ]; then
  packages="$packages ccache clang lld g++-aarch64-linux-gnu binutils-aarch64-linux-gnu libvixl-dev libcapstone-dev qemu-user-static
    mmdebstrap uidmap unzip"
fi
if [ "$purpose" = demo ]; then packages="$packages python3-pip"; fi
missing=
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || { echo "packages missing, and there is no apt-get:$missing" >&2; exit 1; }
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
echo "installing$missing"
$sudo apt-get update -q
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing
