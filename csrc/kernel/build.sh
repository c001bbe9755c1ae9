#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh - compiles the module against one Debian kernel's headers: build/kmod/K-A/trampfd.ko
#
#   build.sh KERNEL ARCH [make arguments]     see packages.sh for both; C=2 runs sparse
#
# Kbuild writes beside the sources, so a copy is compiled. The newest kernel's headers come with
# programs for a newer C library than this machine may have: those run in a root of their suite
# (packages.sh root), which needs root; so do the compilers for all but x86_64 and arm64. Fails when: headers or compiler are missing, or there is a
# warning: W=1 and -Werror are on, whatever the kernel's own configuration says.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
[ $# -ge 2 ] || {
    echo "usage: build.sh 6.1|6.12|newest x86_64|arm64|arm64-16k|ppc64el|riscv64|s390x|loong64 [make arguments]" >&2
    exit 2
}
kernel=$1 arch=$2
shift 2
out=${KMOD_OUT:-$top/build/kmod}/$kernel-$arch

found=$(sh "$here/packages.sh" headers "$kernel" "$arch")
headers=${found% *} release=${found##* }
cross= inside=
case $arch in
x86_64) kbuild=x86_64 ;;
arm64*) kbuild=arm64 cross=aarch64-linux-gnu- ;;
ppc64el) kbuild=powerpc cross=powerpc64le-linux-gnu- inside=yes ;;
riscv64) kbuild=riscv cross=$arch-linux-gnu- inside=yes ;;
s390x) kbuild=s390 cross=$arch-linux-gnu- inside=yes ;;
loong64) kbuild=loongarch cross=loongarch64-linux-gnu- inside=yes ;;
esac
[ "$kernel" != newest ] || inside=yes
if [ -n "$inside" ]; then
    found=$(sh "$here/packages.sh" root "$kernel" "$arch")
    root=${found% *}
elif [ "$arch" != x86_64 ]; then
    echo "${cross}gcc-12|gcc-12-${cross%-}|Debian's kernel for $arch is compiled with it" | "$top/.ci/need" "make kmod"
else
    "$top/.ci/need" "make kmod" <<'LIST'
gcc-12|gcc-12|Debian's kernel is compiled with it
/usr/lib/x86_64-linux-gnu/libelf.so.1|libelf1|objtool of the kernel's headers is linked with it
LIST
fi

rm -rf "$out/src"
mkdir -p "$out/src"
cp -r "$here"/*.c "$here"/*.h "$here/Kbuild" "$here/include" "$out/src/"

# Inside a root everything has the same path as outside. Mounts end with the command.
run() {
    [ -n "$inside" ] || { "$@" && return || return; }
    mkdir -p "$root$top"
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount sh -euc 'root=$1 top=$2
        shift 2
        mount --bind "$top" "$root$top"
        mount -t proc proc "$root/proc"
        exec chroot "$root" "$@"' sh "$root" "$top" "$@" </dev/null
}
run nice -n 10 make -s -C "$headers" M="$out/src" ARCH="$kbuild" CROSS_COMPILE="$cross" W=1 \
    KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules >"$out/log" 2>&1 || {
    cat "$out/log" >&2
    echo "build.sh: compiling for $release failed; the log is $out/log" >&2
    exit 1
}
cat "$out/log"
cp "$out/src/trampfd.ko" "$out/trampfd.ko.new"
mv "$out/trampfd.ko.new" "$out/trampfd.ko"
echo "$release" >"$out/release"
echo "trampfd.ko for $release ($arch): $out/trampfd.ko"
