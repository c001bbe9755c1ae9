#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - pointers to nested functions: stack trampolines, libgcc's heap ones, and ours, in one run
#
#   bash bench/nested/run.sh BUILD
#
# In the root of Debian trixie that `make test-nested` makes, whose GCC 14 has libgcc's. Writes
# BUILD/bench/nested.md. Fails (2) when not root, or when the root cannot be made.
set -eu
cd "$(dirname "$0")/../.."
build=$1
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

[ "$(id -u)" = 0 ] || die "GCC 14 is in a root of Debian trixie, which is made and entered by root only" \
    "(sudo make bench-nested)"
bash tests/nested/gcc/root.sh "$build" --only-roots
mkdir -p "$build/bench"
# shellcheck disable=SC2016 # expanded inside
inside "$PWD/$build/nested/root-trixie" "$PWD" bash -euc '
cd /shared
own=$1/nested/lib/x86_64-linux-gnu
mkdir -p "$own"
touch "$own/.compiler"
make -s nested CC=x86_64-linux-gnu-gcc BUILD="$own"
work=$(mktemp -d)
common="-O2 -falign-functions=64 -fPIC -shared bench/nested/variant.c"
gcc $common -w -Wl,-z,execstack -o "$work/stack.so"
gcc $common -ftrampoline-impl=heap -shared-libgcc -o "$work/libgcc.so"
gcc $common -ftrampoline-impl=heap -o "$work/shared.so" "-L$own/lib" -l:libffi_static-nested.so.0 "-Wl,-rpath,/shared/$own/lib"
gcc $common -ftrampoline-impl=heap -o "$work/archive.so" "-L$own/lib" -l:libffi_static-nested.a
laps="gcc -O2 -Wall -Werror bench/nested/laps.c -pthread"
$laps -o "$work/laps" -Wl,-z,execstack
$laps -o "$work/memory"
"$work/laps" "libgcc heap=$work/libgcc.so" "stack trampoline=$work/stack.so" \
    "ours, shared=$work/shared.so" "ours, archive=$work/archive.so"
printf "%s\n" "| 200,000 alive | bytes each | mappings W+X |" "|---|---:|---:|"
"$work/memory" -m "libgcc heap=$work/libgcc.so"
"$work/laps" -m "stack trampoline=$work/stack.so"
"$work/memory" -m "ours, shared=$work/shared.so"
"$work/memory" -m "ours, archive=$work/archive.so"
rm -rf "$work"
' run "$build" | tee "$build/bench/nested.md"
