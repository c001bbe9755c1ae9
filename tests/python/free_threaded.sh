#!/bin/bash
# SPDX-License-Identifier: MIT
# free_threaded.sh - a CPython without the GIL, built from Debian's source package
#
#   tests/python/free_threaded.sh VERSION [CONFIGURE OPTION ...]      VERSION: 3.13
#
# Prints the path of the interpreter, which is built once (5 minutes) and kept in
# $XDG_CACHE_HOME/ffi_static, because no distribution here packages it. Options of configure, such as
# --with-thread-sanitizer, make a build of their own. The source is upstream's own, without Debian's
# patches, from the first of SUITES whose mirror has it. yield.so beside bin/ is yield.c, with which
# it is built and run.
# Fails (2): no mirror has the source, or something to build with is missing.
set -eu
cd "$(dirname "$0")/../.."
version=$1
shift

SUITES="sid forky trixie"
name=python${version}t$(printf '%s' "$@" | tr -c 'a-z0-9' '-')
work=$PWD/build/py/$name
kept=${XDG_CACHE_HOME:-$HOME/.cache}/ffi_static/$name
python=$kept/bin/python${version}t

die() {
    printf 'free_threaded.sh: %s\n' "$*" >&2
    exit 2
}

if [ -e "$kept/.whole" ] && [ "$kept/yield.so" -nt tests/python/yield.c ]; then
    echo "$python"
    exit 0
fi
sh .ci/need "a CPython without the GIL" >&2 <<'LIST'
gcc|gcc|builds CPython
header:ffi.h|libffi-dev|ctypes
header:zlib.h|zlib1g-dev|pip needs zlib
header:openssl/ssl.h|libssl-dev|pip needs ssl
header:sqlite3.h|libsqlite3-dev|pytest-xdist and coverage tools need sqlite3|optional
LIST

mkdir -p "$work/source" "$kept"
gcc -O2 -fPIC -shared tests/python/yield.c -o "$kept/yield.so"
if [ -e "$kept/.whole" ]; then
    echo "$python"
    exit 0
fi
suites=()
for suite in $SUITES; do suites+=("$suite" deb-src); done
sh .ci/apt-root "$work/apt" "${suites[@]}" >&2
export APT_CONFIG=$work/apt/apt.conf
found=
for release in $(apt-cache showsrc "python$version" | sed -n 's/^Version: //p' |
    sort -rV); do
    if (cd "$work/source" && apt-get source -qq --download-only --tar-only "python$version=$release") >&2; then
        found=$work/source/python${version}_${release%-*}.orig.tar.xz
        break
    fi
done
[ -n "$found" ] || die "no source of CPython $version: the mirror has the index of it and not the" \
    "files. Put a CPython ${version}t in PATH or into pyenv instead."
tar -xJf "$found" -C "$work" --one-top-level=python --strip-components=1
mkdir -p "$work/build"
{
    cd "$work/build"
    ../python/configure -q --prefix="$kept" --disable-gil --with-ensurepip=install "$@"
    export LD_PRELOAD=$kept/yield.so
    make -s -j2
    make -s install
} >"$work/log" 2>&1 || die "the build of CPython ${version}t failed: $work/log"
touch "$kept/.whole"
rm -rf "$work/build" "$work/python"
echo "$python"
