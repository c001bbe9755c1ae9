#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - make the guest's Debian and a root with what makes the image, and make the image there
#
#   bash tests/verified/root.sh BUILD
#
# Both roots are Debian trixie's: its GCC 14 has two kinds of nested functions. Made once, below
# BUILD/verified. verified.mk says what must have been made of this tree before.
# Fails (2) when not root, or when a root or the image cannot be made.
set -eu
cd "$(dirname "$0")/../.."
build=$1
out=$build/verified
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

[ "$(id -u)" = 0 ] || die "the roots are made and entered by root only (sudo make test-verified)"
sh .ci/need "make test-verified" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch roots
unshare|util-linux|mounts that end with the command
LIST
mkdir -p "$out/given"
make_root trixie "$PWD/$out/root-build" gcc libc6-dev make python3-dev python3-cffi python3-setuptools \
    libffi-dev ima-evm-utils keyutils openssl e2fsprogs
make_root trixie "$PWD/$out/root-guest" python3 python3-cffi-backend python3-cffi libffi8 keyutils busybox-static

cp "$build/vm/bin/x86_64/init" "$build/kmod/6.12-x86_64/trampfd.ko" "$out/given"
mkdir -p "$out/given/patched"
cp -L "$build/libffi/trixie/lib/libffi.so.8" "$out/given/patched"
inside "$PWD/$out/root-build" "$PWD" \
    sh -c 'cd /shared && exec python3 -B -m tests.verified.image "$1"' sh "$out"
