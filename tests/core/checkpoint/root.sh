#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - make the guest's Debian (trixie's CRIU) and its image: bash tests/core/checkpoint/root.sh BUILD
#
# Fails (2) when not root, or when the root or the image cannot be made.
set -eu
cd "$(dirname "$0")/../../.."
out=$1/checkpoint
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

[ "$(id -u)" = 0 ] || die "the root is made by root only (sudo make test-checkpoint)"
sh .ci/need "make test-checkpoint" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch root
mkfs.ext4|e2fsprogs|makes the guest's image
LIST
mkdir -p "$out"
make_root trixie "$PWD/$out/root" criu libffi8 busybox-static
rm -rf "$out/tree"
cp -a "$out/root" "$out/tree"
rm -rf "$out"/tree/usr/share/{doc,locale,man} "$out"/tree/var/cache/apt "$out"/tree/var/lib/apt
mkdir "$out/tree/checkpoint"
cp "$out/restored" "$1/lib/libffi_static.so.0" "$out/tree/checkpoint"
install -m 755 tests/core/checkpoint/checkpoint.sh "$out/tree/checkpoint/checkpoint"
cp "$1/vm/bin/x86_64/init" "$1/kmod/6.12-x86_64/trampfd.ko" "$out/tree"
touch "$out/tree/jobs"
rm -f "$out/image"
mkfs.ext4 -q -d "$out/tree" "$out/image" 500M
