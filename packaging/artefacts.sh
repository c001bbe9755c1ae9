#!/bin/sh
# SPDX-License-Identifier: MIT
# artefacts.sh - what a release has of a clone in which its parts were made, all in one folder
#
#   artefacts.sh CLONE OUT VERSION
#
# The sdist and wheels of dist/; Debian's source package and its first revision, not the second, which
# deb.sh makes to try an upgrade. A .changes and a .buildinfo tell of the machine: they stay behind.
# Fails when two of them have one name, or there is none.
set -eu
[ $# = 3 ] || { echo "usage: artefacts.sh CLONE OUT VERSION" >&2; exit 2; }
mkdir -p "$2"
for file in "$1/dist/ffi_static-$3"*.tar.gz "$1/dist/ffi_static-$3"-*.whl \
    "$1"/build/packaging/deb-*/*_"$3"-1_*.deb "$1"/build/packaging/deb-*/ffi-static_"$3"*.dsc \
    "$1"/build/packaging/deb-*/ffi-static_"$3"*.tar.?z; do
    [ -e "$file" ] || continue
    [ ! -e "$2/${file##*/}" ] || { echo "artefacts: two of the name ${file##*/}" >&2; exit 1; }
    cp "$file" "$2/"
done
[ -n "$(ls "$2")" ] || { echo "artefacts: $1 has none of version $3" >&2; exit 1; }
