#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - what the tests of other architectures need: checks, and installs as root
#
#   packages.sh               what `make test-arch` needs for all of them
#   packages.sh ISA           what building and running one needs
#   packages.sh --root TRIPLE prints the packages of a scratch root, where this Debian lacks the
#                             compiler (tools.sh, root.sh)
#
# gcc-multilib, where it is installed, conflicts with the cross compilers: apt then refuses, and
# says so. Fails when something is missing afterwards: .ci/need says what, and how to get it.
set -eu

here=$(dirname "$0")

says() { # key, file: what an isa.mk says
    sed -n "s/^ARCH_$1_[a-z0-9_]* *:= *//p" "$2"
}

of_isa() { # what one architecture needs
    triple=$(says TRIPLE "$1") qemu=$(says QEMU "$1")
    package=$(printf '%s' "$triple" | tr _ -)
    cat <<LIST
$triple-gcc|gcc-$package|cross compiler; brings its libc6-dev
$triple-g++|g++-$package|upstream's tests in C++
gdb-multiarch|gdb-multiarch|steps through its entries (tests/unwind)|optional
LIST
    [ -z "$qemu" ] || echo "qemu-$qemu-static|qemu-user-static|runs its programs"
}

case ${1:-} in
--root)
    echo gcc libc6-dev make "gcc-$2" "g++-$2" qemu-user python3 python3-pytest quilt autoconf automake \
        libtool libltdl-dev dejagnu patch
    exit
    ;;
?*)
    of_isa "$here/$1/isa.mk" | sh "$here/../../.ci/need" "ISA=$1"
    exit
    ;;
esac

{
    for isa in "$here"/*/isa.mk; do
        case $isa:$(says ROOT "$isa") in
        */"$(uname -m)"/isa.mk:*) ;; # this machine is one
        *:?*) ;;                     # root.sh's
        *) of_isa "$isa" ;;
        esac
    done
    cat <<'LIST'
qemu-system-aarch64|qemu-system-arm|boots an AArch64 kernel
qemu-system-riscv64|qemu-system-misc|boots a RISC-V kernel
qemu-system-s390x|qemu-system-misc|boots an s390x kernel
qemu-system-ppc64|qemu-system-ppc|boots a ppc64le kernel
qemu-system-x86_64|qemu-system-x86|boots a kernel that runs x32 programs
cpio|cpio|packs the guest's programs
quilt|quilt|applies the series
autoreconf|autoconf|the series touches configure.ac
automake|automake|the series touches Makefile.am
libtoolize|libtool|libffi's build
/usr/share/aclocal/ltdl.m4|libltdl-dev|a macro that libffi asks of libtool
runtest|dejagnu|upstream's testsuite
LIST
} | sh "$here/../../.ci/need" "make test-arch"
