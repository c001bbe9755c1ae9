#!/bin/bash
# SPDX-License-Identifier: MIT
# tools.sh - compiler and emulator of one architecture, whatever this machine's Debian has
#
#   tools.sh ISA BUILD
#
# What Debian here has is installed (packages.sh). For an architecture whose isa.mk names a suite
# (ARCH_ROOT_<isa>) and whose compiler is not here, a scratch root of that suite is made, and
# BUILD/<isa>/bin gets a wrapper for each of its tools: it enters the root, in which this checkout
# and /tmp are at their own paths, and runs the tool there. So a recipe need not know.
# Fails (2) when not root, or when a package or the root cannot be had.
set -eu
cd "$(dirname "$0")/../.."
isa=$1
build=$2
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

says() { # key: what isa.mk says
    sed -n "s/^ARCH_$1_$isa *:= *//p" "tests/arch/$isa/isa.mk"
}

suite=$(says ROOT)
triple=$(says TRIPLE)
qemu=qemu-$(says QEMU)
if [ -z "$suite" ] || command -v "$triple-gcc" >/dev/null; then
    exec sh tests/arch/packages.sh "$isa"
fi

[ "$(id -u)" = 0 ] || die "$isa's compiler is Debian $suite's, and a root of that suite is made and" \
    "entered by root only (sudo make ...)"
sh .ci/need "ISA=$isa" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch root
unshare|util-linux|mounts that end with the command
LIST
mkdir -p "$build/arch" "$build/$isa/bin"
root=$PWD/$build/arch/root-$suite-$isa
# The packages of root.sh, which runs the tests in the same root.
# shellcheck disable=SC2046 # a list of packages
make_root "$suite" "$root" $(sh tests/arch/packages.sh --root "$triple")
ln -sf "$qemu" "$root/usr/bin/$qemu-static" # is static, but no longer called so

for tool in "$root/usr/bin/$triple"-* "$root/usr/bin/$qemu-static"; do
    name=${tool##*/}
    cat >"$build/$isa/bin/$name.new" <<WRAPPER
#!/bin/sh
# $name - of the root of $suite, which it is run in: written by tests/arch/tools.sh
exec unshare --mount sh -c '
    here=\$(pwd) root=\$0
    mkdir -p "\$root$PWD" && mount --bind "$PWD" "\$root$PWD"
    mount --bind /tmp "\$root/tmp"
    mount --bind /proc "\$root/proc"
    mount --rbind /dev "\$root/dev"
    exec chroot "\$root" env PATH=/usr/bin:/bin sh -c "cd \"\\\$0\" && exec \"\\\$@\"" "\$here" "\$@"
' "$root" "/usr/bin/$name" "\$@"
WRAPPER
    chmod +x "$build/$isa/bin/$name.new"
    mv "$build/$isa/bin/$name.new" "$build/$isa/bin/$name"
done
