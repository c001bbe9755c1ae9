#!/bin/bash
# SPDX-License-Identifier: MIT
# build.sh - builds one variant of libffi from the source that source.sh left
#
#   build.sh OUT VARIANT [TRIPLE FOLDER]
#
#   patched    the series applied; into OUT/lib and OUT/include
#   stock      what the distribution has: no series, static trampolines switched off
#   upstream   no series, upstream's own configuration: static trampolines switched on
#   asan, clang, cet   patched: under the address sanitizer, by clang, with -fcf-protection=full
#
# All but `patched` are installed into OUT/VARIANT. The trees stay in OUT/work/VARIANT for the
# testsuite. With TRIPLE, its cross compiler builds for another machine, and everything is put into
# FOLDER/VARIANT and FOLDER/work/VARIANT. Debian's suites are built with Debian's hardening flags,
# `newest` and `upstream` with upstream's own.
# Fails when: the series does not apply (the hunk is shown), or configure or make fail (the end of
# the log is shown, and where all of it is).
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
OUT=$(cd "$1" && pwd)
VARIANT=$2
TRIPLE=${3:-}
TO=$OUT
[ -z "$TRIPLE" ] || { mkdir -p "$4" && TO=$(cd "$4" && pwd); }
TREE=$TO/work/$VARIANT
VERSION=$(cat "$OUT/version")

die() {
    printf 'make libffi: %s\n' "$*" >&2
    exit 2
}

run() { # LOG COMMAND...: quietly; on failure the end of what it said
    local log=$TO/work/$VARIANT.$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "$VARIANT: '$*' failed; the end of its log is above, all of it in $log"
    }
}

plain=(--without-gcc-arch --disable-multi-os-directory --disable-dependency-tracking)
prefix=$TO/$VARIANT
flags=()
if [ -n "$TRIPLE" ]; then
    # libtool asks the compiler for the linker's path, which a wrapper of the compiler does not
    # know.
    plain+=("--host=$TRIPLE" "LD=$TRIPLE-ld")
    # dpkg-buildflags gives the flags of this architecture. For an unknown name it gives general
    # ones.
    export DEB_HOST_ARCH="$(dpkg-architecture -t"$TRIPLE" -qDEB_HOST_ARCH 2>/dev/null || echo "${TRIPLE%%-*}")"
fi
options=("${plain[@]}")
if [ -d "$OUT/source/debian" ]; then
    options+=(--enable-pax_emutramp)
    flags=("CFLAGS=$(dpkg-buildflags --get CFLAGS)" "CPPFLAGS=$(dpkg-buildflags --get CPPFLAGS)"
        "LDFLAGS=-Wl,-z,defs $(dpkg-buildflags --get LDFLAGS)")
fi
series=series.$VERSION
case $VARIANT in
patched) [ -n "$TRIPLE" ] || prefix=$OUT; options+=(--disable-exec-static-tramp) ;;
stock) series= options+=(--disable-exec-static-tramp) ;;
upstream) series= flags=() options=("${plain[@]}") ;;
# The checks of alloca are off: ffi_call makes the callee's frame with alloca and leaves it by
# moving the stack pointer. So redzones stay behind, and the next function that uses the stack meets
# them.
asan) flags=("CFLAGS=-O1 -g -fsanitize=address --param asan-instrument-allocas=0") ;;
clang) flags=(CC=clang CXX=clang++) ;;
cet) flags=("CFLAGS=-O2 -g -fcf-protection=full") ;;
*) die "no variant '$VARIANT'" ;;
esac

[ -z "$series" ] || [ -f "$HERE/$series" ] || die "there is no series for libffi $VERSION:" \
    "$(cd "$HERE" && echo series.*). patches/libffi/README.md says how a base is added."

# The tree is not replaced while the testsuite runs in it (suite.py holds the lock).
mkdir -p "$TO/work"
exec 9>"$TREE.lock"
flock -n 9 || {
    echo "Waiting for a build or a test in $TREE ..."
    flock 9
}
echo "Building libffi $VERSION, $VARIANT${TRIPLE:+, for $TRIPLE} ..."
rm -rf "$TREE"
cp -r "$OUT/source" "$TREE"
cd "$TREE"
if [ -n "$series" ]; then
    # A .pc of its own: the distribution's stays as dpkg-source left it.
    export QUILT_PATCHES=$HERE QUILT_SERIES=$HERE/$series QUILT_PC=.pc-ffi-static
    run quilt quilt --quiltrc - push -a --fuzz=0
fi
run autoreconf autoreconf -fi
mkdir b
cd b
run configure ../configure --prefix="$prefix" "${options[@]}" "${flags[@]}"
run make make -j2
run install make install
echo "-> $prefix/lib/libffi.so.8"
