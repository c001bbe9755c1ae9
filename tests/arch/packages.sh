#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - what the tests of other architectures need: checks, and installs as root
#
# gcc-multilib, where it is installed, conflicts with the cross compilers: apt then refuses, and
# says so. Fails when something is missing afterwards: .ci/need says what, and how to get it.
set -eu

sh "$(dirname "$0")/../../.ci/need" "make test-arch" <<'LIST'
aarch64-linux-gnu-gcc|gcc-aarch64-linux-gnu|cross compiler; brings libc6-dev-arm64-cross
aarch64-linux-gnu-g++|g++-aarch64-linux-gnu|upstream's tests in C++
riscv64-linux-gnu-gcc|gcc-riscv64-linux-gnu|cross compiler; brings libc6-dev-riscv64-cross
riscv64-linux-gnu-g++|g++-riscv64-linux-gnu|upstream's tests in C++
qemu-aarch64-static|qemu-user-static|runs AArch64 programs
qemu-riscv64-static|qemu-user-static|runs RISC-V programs
qemu-system-aarch64|qemu-system-arm|boots an AArch64 kernel
qemu-system-riscv64|qemu-system-misc|boots a RISC-V kernel
cpio|cpio|packs the guest's programs
quilt|quilt|applies the series
autoreconf|autoconf|the series touches configure.ac
automake|automake|the series touches Makefile.am
libtoolize|libtool|libffi's build
/usr/share/aclocal/ltdl.m4|libltdl-dev|a macro that libffi asks of libtool
runtest|dejagnu|upstream's testsuite
LIST
