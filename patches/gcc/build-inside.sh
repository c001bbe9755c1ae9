#!/bin/bash
# SPDX-License-Identifier: MIT
# build-inside.sh - build.sh's part in the root with GCC 14
#
#   bash patches/gcc/build-inside.sh OUT
set -eu
patches=$(cd "$(dirname "$0")" && pwd)
cd "$1"
out=$PWD
export CC=gcc-14 CXX=g++-14

run() { # LOG COMMAND...: quietly; on failure the end of what it said
    local log=$out/$1.log
    shift
    nice -n 10 "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        echo "make libgcc: '$*' failed; the end of its log is above, all of it in $log" >&2
        exit 2
    }
}

if [ ! -e source/.unpacked ]; then
    echo "Unpacking GCC's source ..."
    rm -rf source
    mkdir source
    tar -xJf /usr/src/gcc-14/gcc-14*.tar.xz -C source --strip-components=1 --no-same-owner \
        --exclude='*/gcc/testsuite'
    mv source/libgcc source/libgcc.stock
    touch source/.unpacked
fi

# GCC's headers that libgcc includes. xgcc and specs are what make believes them to be made with.
if [ ! -e work/gcc/.headers ]; then
    echo "Making the headers of GCC that libgcc needs ..."
    rm -rf work
    mkdir work
    cp -a source/libgcc.stock source/libgcc
    cd work
    run configure ../source/configure --disable-bootstrap --enable-languages=c --disable-multilib \
        --disable-libsanitizer
    run configure-gcc make configure-gcc
    run tools make -j2 all-build-libiberty all-libcpp
    cd gcc
    run headers make -o xgcc -o specs version.h libgcc.mvars tconfig.h tm.h options.h \
        insn-constants.h insn-modes.h multilib.h GCC_FOR_TARGET="$CC"
    mkdir -p include
    touch .headers
    cd ../..
fi

host=$(gcc-14 -dumpmachine)
for variant in stock patched; do
    echo "Building libgcc, $variant ..."
    rm -rf source/libgcc "work/$host" "$variant"
    cp -a source/libgcc.stock source/libgcc
    if [ $variant = patched ]; then
        while read -r name; do
            patch --directory=source --strip=1 --fuzz=0 --silent <"$patches/$name"
        done <"$patches/series.14"
    fi
    mkdir -p "work/$host/libgcc" "$variant"
    cd "work/$host/libgcc"
    run "$variant.configure" ../../../source/libgcc/configure --disable-multilib --enable-shared \
        --enable-languages=c --build="$host" --host="$host"
    run "$variant" make -j2 CC="$CC" AR=ar RANLIB=ranlib NM=nm STRIP=strip
    cd "$out"
    cp "work/$host/libgcc"/{libgcc_s.so.1,libgcc_eh.a,libgcc.a} "$variant/"
done
