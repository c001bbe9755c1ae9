#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - the tests of architectures that this machine's Debian has no cross compiler for
#
#   bash tests/arch/root.sh BUILD
#
# Such an architecture's isa.mk names a suite that has one (ARCH_ROOT_<isa>). A scratch root of that
# suite is made once, below BUILD/arch, and test_arch.py and closures.py run in it on this checkout
# (as /shared), for those architectures only. Nothing is done where the compiler is installed.
# Fails (2) when not root, or when the root cannot be made; 1 when a test fails.
set -eu
cd "$(dirname "$0")/../.."
build=$1
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

says() { # key, isa: what its isa.mk says
    sed -n "s/^ARCH_$1_$2 *:= *//p" "tests/arch/$2/isa.mk"
}

for folder in tests/arch/*/isa.mk; do
    isa=$(basename "$(dirname "$folder")")
    suite=$(says ROOT "$isa")
    triple=$(says TRIPLE "$isa")
    [ -n "$suite" ] && ! command -v "$triple-gcc" >/dev/null || continue
    [ "$(id -u)" = 0 ] || die "$isa's compiler is Debian $suite's, and a root of that suite is made" \
        "and entered by root only (sudo make test-arch)"
    sh .ci/need "make test-arch" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch root
unshare|util-linux|mounts that end with the command
LIST
    root=$PWD/$build/arch/root-$suite-$isa
    mkdir -p "${root%/*}"
    # shellcheck disable=SC2046 # a list of packages
    make_root "$suite" "$root" $(sh tests/arch/packages.sh --root "$triple")
    qemu=qemu-$(says QEMU "$isa") # is static, but no longer called so
    ln -sf "$qemu" "$root/usr/bin/$qemu-static"
    # shellcheck disable=SC2016 # expanded inside
    inside "$root" "$PWD" sh -euc '
        cd /shared
        python3 -m pytest -q -c /dev/null --rootdir=. -p no:cacheprovider tests/arch/test_arch.py -k "$1"
        python3 -m tests.arch.closures --build "$2" --arch "$1"
    ' sh "$isa" "$build" || exit 1
done
