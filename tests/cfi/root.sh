#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - make roots with Bochs and with the newest QEMU and cross compilers, and run run.py there
#
#   bash tests/cfi/root.sh BUILD x86_64|aarch64|riscv64 ...
#
# Debian trixie's root has Bochs 3 and GCC 14, sid's has QEMU 11 and GCC 16. Both are made once, below
# BUILD/cfi. cfi.mk says what must have been made of this tree before.
# Fails (2) when not root, or when a root or a guest cannot be made; 1 when something did not go as it
# should.
set -eu
cd "$(dirname "$0")/../.."
build=$1
shift
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

[ "$(id -u)" = 0 ] || die "the roots are made and entered by root only (sudo make ...)"
sh .ci/need "make test-cet" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch roots
unshare|util-linux|mounts that end with the command
LIST
mkdir -p "$build/cfi"

TRIXIE="bochs grub-pc-bin grub-common xorriso mtools gcc g++ libc6-dev make python3 python3-dev \
    python3-cffi python3-setuptools libffi-dev cpio xz-utils"
SID="qemu-user qemu-system-riscv gcc-riscv64-linux-gnu g++-riscv64-linux-gnu libc6-dev-riscv64-cross \
    gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross gcc libc6-dev make python3 cpio \
    xz-utils autoconf automake libtool libltdl-dev patch quilt"

# What make would install in sid's root is there, and libffi's source is this machine's.
prepare() { # isa
    local here=$build/cfi/sid
    mkdir -p "$here/$1" "$here/libffi"
    touch "$here/.system" "$here/libffi/.packages" "$here/$1/.tools"
    [ "$here/libffi/newest/version" -nt "$build/libffi/newest/version" ] || {
        rm -rf "$here/libffi/newest"
        mkdir -p "$here/libffi/newest"
        cp -a "$build/libffi/newest/source" "$here/libffi/newest"
        cp "$build/libffi/newest/version" "$here/libffi/newest"
    }
}

status=0
for isa; do
    case $isa in
    x86_64)
        suite=trixie packages=$TRIXIE
        mkdir -p "$build/cfi/x86_64" && touch "$build/cfi/x86_64/.system"
        ;;
    *)
        suite=sid packages=$SID
        prepare "$isa"
        ;;
    esac
    # shellcheck disable=SC2086 # a list of packages
    make_root $suite "$PWD/$build/cfi/root-$suite" $packages
    inside "$PWD/$build/cfi/root-$suite" "$PWD" \
        sh -c 'cd /shared && exec python3 -B -m tests.cfi.run "$@"' sh "$build" "$isa" || status=1
done
exit $status
