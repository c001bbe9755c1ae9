#!/bin/sh
# SPDX-License-Identifier: MIT
# isa.sh - the folder here of the machine that a compiler builds for, whether it exists or not
#
#   sh csrc/arch/isa.sh gcc -m32       prints i686
#   sh csrc/arch/isa.sh --named i586   the same: the folder of a machine of that name
#
# Asked by the Makefile and by csrc/py/extension.py. The compiler's own triple decides; only
# x86's compilers build for more than one of our machines, and tell which by what they predefine.
# Without a compiler it is the machine that runs this.
if [ "${1:-}" = --named ]; then
    isa=$2
    set -- false # no compiler is asked
else
    triple=$("$@" -dumpmachine 2>/dev/null) || triple=$(uname -m)
    isa=${triple%%-*}
fi

defines() { printf '%s\n' "$macros" | grep -q "^#define $1 "; }

case $isa in
i[3-6]86 | x86_64 | amd64)
    macros=$("$@" -dM -E -x c /dev/null 2>/dev/null) || macros=
    if defines __i386__; then
        isa=i686
    elif defines __ILP32__; then
        isa=x32
    elif defines __x86_64__; then
        isa=x86_64
    fi
    ;;
arm | armv[4-8]*) isa=arm ;;
ppc64le | powerpc64le) isa=powerpc64le ;;
ppc64) isa=powerpc64 ;;
ppc) isa=powerpc ;;
esac
case $isa in
i[3-6]86) isa=i686 ;;
amd64) isa=x86_64 ;;
esac
printf '%s\n' "$isa"
