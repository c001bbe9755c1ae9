#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - make roots with GCC 14 and flang, and run there what run.py and flang.sh run
#
#   bash tests/nested/gcc/root.sh BUILD [word...]
#
# Debian trixie's root has GCC 14 for C, Ada and Fortran, cross compilers, qemu-user, and the
# sources of GCC, whose tests are run. Debian sid's has flang. Both are made once, below BUILD/nested.
# Words choose what of run.py is run; with the word `flang` alone, only flang is tried. `--libgcc`: runs
# libgcc.py, after patches/gcc/build.sh.
# Fails (2) when not root, or when a root cannot be made; 1 when something did not go as it should.
set -eu
cd "$(dirname "$0")/../../.."
build=$1
shift
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

[ "$(id -u)" = 0 ] || die "GCC 14 is in a root of Debian trixie, which is made and entered by root only" \
    "(sudo make test-nested)"
sh .ci/need "make test-nested" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch roots
unshare|util-linux|mounts that end with the command
LIST
mkdir -p "$build/nested"
status=0

if [ "$*" != flang ]; then
    packages="gcc g++ gnat gfortran libc6-dev gcc-14-source xz-utils make python3 qemu-user-static \
        patch gawk flex bison libgmp-dev libmpfr-dev libmpc-dev" # the last line: to build libgcc
    for pair in aarch64-linux-gnu:arm64 riscv64-linux-gnu:riscv64 arm-linux-gnueabihf:armhf \
        i686-linux-gnu:i386 powerpc64le-linux-gnu:ppc64el s390x-linux-gnu:s390x \
        loongarch64-linux-gnu:loong64; do
        packages="$packages gcc-${pair%:*} libc6-dev-${pair#*:}-cross gfortran-${pair%:*} gnat-14-${pair%:*}"
    done
    # shellcheck disable=SC2086 # a list of packages
    make_root trixie "$PWD/$build/nested/root-trixie" $packages
    [ "$*" != --only-roots ] || exit 0 # for bench/nested and patches/gcc
    what=run
    [ "$*" != --libgcc ] || { what=libgcc && shift; }
    inside "$PWD/$build/nested/root-trixie" "$PWD" \
        sh -c 'cd /shared && what=$1 && shift && exec python3 -B -m "tests.nested.gcc.$what" "$@"' sh \
        $what "$build/nested" "$@" || status=1
    [ $what = run ] || exit $status
fi
case " $* " in
"  " | *" flang "*)
    make_root sid "$PWD/$build/nested/root-sid" flang-23 gcc libc6-dev binutils make python3
    inside "$PWD/$build/nested/root-sid" "$PWD" sh /shared/tests/nested/gcc/flang.sh "$build/nested" ||
        status=1
    ;;
esac
exit $status
