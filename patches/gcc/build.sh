#!/bin/bash
# SPDX-License-Identifier: MIT
# build.sh - builds libgcc, and nothing else of GCC, with and without the series
#
#   bash patches/gcc/build.sh BUILD
#
# Leaves BUILD/nested/libgcc/stock and .../patched: libgcc_s.so.1, libgcc_eh.a, libgcc.a. GCC 14 of
# Debian trixie is the compiler and the source (package gcc-14-source), in the root that
# tests/nested/gcc/root.sh makes. libgcc needs a few headers that GCC's own build writes; the
# compiler itself is not built. Takes some four minutes the first time.
# Fails (2) when not root, when the root cannot be made, when the series does not apply (the hunk is
# shown), or when a build fails (the end of its log is shown, and where all of it is).
set -eu
cd "$(dirname "$0")/../.."
build=$1
bash tests/nested/gcc/root.sh "$build" --only-roots
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh
out=$build/nested/libgcc
mkdir -p "$out"

# What decides that both are to be built again: the patches, and how they are built.
stamp=$(cat patches/gcc/*.patch patches/gcc/*.sh patches/gcc/series.14 | sha256sum)
[ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -f "$out/stamp"
inside "$PWD/$build/nested/root-trixie" "$PWD" bash /shared/patches/gcc/build-inside.sh "/shared/$out"
echo "$stamp" >"$out/stamp"
