#!/bin/sh
# SPDX-License-Identifier: MIT
# runs.sh - whether closures run on a machine; if not, one sentence on stdout and status 1
#
#   sh csrc/arch/runs.sh aarch64
#
# A folder here with table.S has trampolines, and one with libffi.m4 serves a patched libffi. Closures
# of this library need entry.S (how C enters) and abi.c (where its arguments lie) as well. Folders are
# looked at and no list is kept, so that a new architecture is a new folder.
isa=$1
here=$(dirname "$0")

lacks() { # of folder $1, among the rest
    folder=$1
    shift
    for file in "$@"; do [ -e "$here/$folder/$file" ] || printf ' and %s' "$file"; done
}

with() { # names of the folders that have all of these files
    for each in "$here"/*/; do
        name=$(basename "$each")
        [ -n "$(lacks "$name" "$@")" ] || printf ', %s' "$name"
    done
}

missing=$(lacks "$isa" entry.S abi.c)
[ -n "$missing" ] || exit 0
run=$(with entry.S abi.c)
if [ -e "$here/$isa/table.S" ]; then
    patched=
    [ ! -e "$here/$isa/libffi.m4" ] || patched=" For $isa use the patched libffi \
(patches/libffi/README.md), which has these trampolines and serves ctypes and others."
    echo "ffi_static cannot be built for $isa yet: csrc/arch/$isa has its trampolines (table.S)" \
        "but lacks${missing# and}; closures run on ${run#, }.$patched"
else
    tables= # of folders that have trampolines for the patched libffi, and no closures
    for each in "$here"/*/table.S; do
        name=$(basename "$(dirname "$each")")
        [ -n "$(lacks "$name" libffi.m4)" ] || [ -z "$(lacks "$name" entry.S abi.c)" ] ||
            tables="$tables, $name"
    done
    echo "ffi_static cannot be built for $isa: csrc/arch has no folder for it; closures run on" \
        "${run#, }, and trampolines for the patched libffi (patches/libffi/README.md) exist for" \
        "those${tables:+ and for ${tables#, }}. For another machine name its compiler: CC=..."
fi
exit 1
