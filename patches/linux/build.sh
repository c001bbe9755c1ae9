#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh - applies patches/linux to Debian's linux-source and compiles the driver there
#
# Only the driver's folder is prepared and compiled, as a module and built in, with warnings as
# errors. The source is Debian's 6.1, unpacked again below build/kmod each time. Fails when the
# patches do not apply without fuzz, or the kernel's own build fails.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
"$top/.ci/need" "make test-linux-patch" <<'LIST'
patch|patch|applies the patches
gcc|gcc|compiles the kernel's own programs, and the driver
header:stdio.h|libc6-dev|the kernel's own programs
bc|bc|the kernel's build
bison|bison|the kernel's configuration
flex|flex|the kernel's configuration
xz|xz-utils|Debian's tarball
/usr/include/libelf.h|libelf-dev|the kernel's build
LIST

found=$(sh "$top/csrc/kernel/packages.sh" source 6.1)
tree=$top/build/kmod/linux-source-6.1
echo "Unpacking ${found##* } ..."
rm -rf "$tree"
mkdir -p "$tree"
nice -n 10 tar -xf "${found% *}"/usr/src/linux-source-*.tar.xz -C "$tree" --strip-components=1
cd "$tree"
for patch in "$here"/0*.patch; do
    echo "Applying ${patch##*/} ..."
    patch -p1 --fuzz=0 --quiet <"$patch"
done
log=$top/build/kmod/linux-patch.log
run() { nice -n 10 make -s "$@" >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "build.sh: make $* failed; the log is $log" >&2
    exit 1
}; }
: >"$log"
echo "Preparing (a minute or two) ..."
run x86_64_defconfig
for how in module enable; do
    ./scripts/config --disable WERROR --$how TRAMPFD
    run olddefconfig
    run -j2 prepare
    run drivers/misc/trampfd/ W=1 KCFLAGS=-Werror
    echo "drivers/misc/trampfd compiled ($how):" drivers/misc/trampfd/*.o
done
grep -q '^CONFIG_TRAMPFD=y' .config && [ -e drivers/misc/trampfd/device.o ]
sparse= # the kernel's own, where it is installed
command -v sparse >/dev/null && sparse=C=2
[ -z "$sparse" ] || run drivers/misc/trampfd/ $sparse
cat >&2 <"$log"
