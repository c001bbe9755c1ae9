#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - what the tests of other architectures need: checks, and installs as root
#
# The same habit as .ci/packages: what is there is not touched; root with apt gets the rest, anyone
# else is told the command. Fails when something is missing afterwards. gcc-multilib, where it is
# installed, conflicts with the cross compilers: apt then refuses, and says so.
set -eu

wanted() { # command|Debian package|why
    cat <<'LIST'
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
runtest|dejagnu|upstream's testsuite
LIST
}

missing() { wanted | while IFS='|' read -r program package why; do
    command -v "$program" >/dev/null 2>&1 || printf '%s|%s\n' "$package" "$why"
done; }

lacking=$(missing)
[ -n "$lacking" ] || exit 0
names=$(printf '%s\n' "$lacking" | cut -d'|' -f1 | sort -u | tr '\n' ' ')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing with apt-get, because they are missing here:"
    printf '%s\n' "$lacking" | sed 's/^/    /; s/|/: /'
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of package names
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $names; } </dev/null >"$log" 2>&1 ||
        tail -n 20 "$log" >&2
    rm -f "$log"
    lacking=$(missing)
    [ -n "$lacking" ] || exit 0
fi
echo "make test-arch: these programs are missing:" >&2
printf '%s\n' "$lacking" | sed 's/^/    /; s/|/: /' >&2
echo "As root: apt-get install --no-install-recommends $names" >&2
exit 2
