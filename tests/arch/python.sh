#!/bin/bash
# SPDX-License-Identifier: MIT
# python.sh - the Python package built and tested in a Debian root of another architecture, emulated
#
#   python.sh ISA BUILD [argument of pytest ...]      JOBS=2: tests at a time
#
# The root is Debian's suite with the architecture's Python and libffi, unpacked below BUILD/arch
# once; a copy of this checkout goes into it. Its gcc is the suite's cross compiler for this machine,
# because an emulated one takes 20 minutes for the package. qemu-user runs all else: binfmt_misc
# belongs to a user namespace, so the emulator is registered in one of its own, which ends with the
# command, and the machine knows nothing of it (Linux 6.7; where a machine has registered the
# emulator itself, as qemu-user-binfmt does, older kernels do). An x86-64 kernel runs i386's
# programs itself, so nothing is emulated for that one. The package is built by pip, and
# tests/python runs. AArch64's python.txt names the tests that the emulator cannot run, and why; an
# architecture without such a file has the short form.
# Fails: 2 when the root or the namespace cannot be made, otherwise as what ran in it.
set -eu
cd "$(dirname "$0")/../.."
isa=$1
build=$2
shift 2
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

says() { # key: what isa.mk says
    sed -n "s/^ARCH_$1_$isa *:= *//p" "tests/arch/$isa/isa.mk"
}

debian=$(says DEBIAN)
suites=$(says SUITE)
suites=${suites:-trixie sid} # a mirror may lack some files of an architecture
[ -n "$debian" ] || die "Debian has no port to $isa (ARCH_DEBIAN_$isa in its isa.mk)"
[ "$(id -u)" = 0 ] || die "a root is unpacked and entered by root only (sudo make test-arch ...)"
sh .ci/need "make test-arch" <<'LIST'
mmdebstrap|mmdebstrap|unpacks the root
unshare|util-linux|namespaces that end with the command
LIST

PACKAGES="base-files base-passwd bash ca-certificates coreutils dash debianutils diffutils
    findutils gdb grep gzip hostname libc-bin libc6-dev libffi-dev make mawk mount mypy passwd
    pkgconf procps python3 python3-cffi python3-dev python3-hypothesis python3-pip python3-pytest
    python3-pytest-timeout python3-pytest-xdist python3-setuptools python3-venv python3-wheel sed
    tar util-linux"
# shellcheck disable=SC2086 # a list of packages
PACKAGES=$(echo $PACKAGES)
triple=$(says TRIPLE)
package=$(echo "$triple" | tr _ -)
TOOLS="gcc-$package g++-$package qemu-user" # these programs run on this machine
root=$PWD/$build/arch/python-$isa
# bookworm's (7.2) tells memory that is writable and executable as merely writable, in /proc/self/maps.
qemu=$root/usr/bin/qemu-$(says QEMU)

unpack() { # suite, Debian's architecture, where to, packages
    nice -n 10 mmdebstrap --variant=extract --architectures="$2" --include="${4// /,}" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        "$1" "$3" "deb $(mirror) $1 main" >"$root.log" 2>&1 || {
        tail -n 5 "$root.log" >&2
        echo "mmdebstrap of $1 for $2 failed: the end of what it said is above, the rest in $root.log" >&2
        return 1
    }
}

if [ "$(cat "$root.packages" 2>/dev/null)" != "$PACKAGES $TOOLS" ]; then
    mkdir -p "${root%/*}"
    for suite in $suites none; do
        rm -rf "$root" "$root.new" "$root.tar"
        [ "$suite" != none ] || die "no root for $debian"
        echo "Unpacking a root of Debian $suite for $debian ($(echo "$PACKAGES $TOOLS" | wc -w) packages named) ..."
        unpack "$suite" "$debian" "$root.new" "$PACKAGES" || continue
        unpack "$suite" "$(dpkg --print-architecture)" "$root.tar" "$TOOLS" && break
    done
    tar -x --skip-old-files -f "$root.tar" -C "$root.new"
    find "$root.new/usr/bin" -name 'qemu-*' ! -name "${qemu##*/}" -delete
    rm "$root.tar"
    for tool in "$root.new/usr/bin/$triple"-*; do
        name=${tool#"$root.new/usr/bin/$triple"-}
        case $name in *-[0-9]*) ;; *) ln -sf "${tool##*/}" "$root.new/usr/bin/$name" ;; esac
    done
    ln -sf gcc "$root.new/usr/bin/cc"
    # What the packages' own scripts would do, as far as it is needed.
    for link in bin sbin lib lib64; do
        [ -e "$root.new/$link" ] || [ ! -e "$root.new/usr/$link" ] || ln -s "usr/$link" "$root.new/$link"
    done
    cat "$root.new"/usr/share/ca-certificates/*/*.crt >"$root.new/etc/ssl/certs/ca-certificates.crt"
    ln -sf mawk "$root.new/usr/bin/awk"
    cp "$root.new/usr/share/base-passwd/passwd.master" "$root.new/etc/passwd"
    cp "$root.new/usr/share/base-passwd/group.master" "$root.new/etc/group"
    mkdir -p "$root.new/tmp" "$root.new/proc" "$root.new/dev" "$root.new/root"
    mv "$root.new" "$root"
    echo "$PACKAGES $TOOLS" >"$root.packages"
fi

rm -rf "$root/src"
mkdir "$root/src"
git ls-files -z | xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh |
    tar -c --null -T - | tar -x -C "$root/src"
cp -L /etc/hosts "$root/etc/hosts"

# The emulator's magic is the head of any program of the root: all but the ABI's name and the bit
# that tells a program that is linked to an address from one that is not.
head=$(od -An -v -tx1 -N20 "$root/usr/bin/true")
type=17 # its low byte, counted from 1
[ "$(echo $head | cut -d' ' -f6)" = 01 ] || type=18
magic=$(echo $head | awk '{ for (i = 1; i <= 20; i++) printf "\\x%s", $i }')
mask=$(awk -v type="$type" 'BEGIN { for (i = 1; i <= 20; i++) printf "\\x%s", i == 8 ? "00" : i == type ? "fe" : "ff" }')

# An emulator would be asked first.
emulated=1
case $(uname -m):$isa in
x86_64:i686) ! chroot "$root" /usr/bin/true 2>/dev/null || emulated='' ;;
esac

# shellcheck disable=SC2016 # expanded inside
enter='
root=$0 name=$1 magic=$2 mask=$3 qemu=$4 emulated=$5
shift 5
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ -n "$emulated" ] && mount -t binfmt_misc binfmt_misc "$root/proc/sys/fs/binfmt_misc" 2>/dev/null &&
    [ -w "$root/proc/sys/fs/binfmt_misc/register" ]; then
    printf "%s" ":$name:M::$magic:$mask:$qemu:FOC" >"$root/proc/sys/fs/binfmt_misc/register"
fi
cd "$root"
exec chroot . "$@"
'
inside_it() {
    unshare --user --map-root-user --mount --pid --fork --kill-child bash -eu -c "$enter" \
        "$root" "fs-$isa" "$magic" "$mask" "$qemu" "$emulated" /usr/bin/env -i \
        PATH=/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8 \
        ${emulated:+FS_TEST_EMULATED=1} "$@" </dev/null
}

inside_it /usr/bin/true 2>"$root.log" || {
    cat "$root.log" >&2
    die "a program for $debian does not run in a user namespace with binfmt_misc of its own: that needs" \
        "Linux 6.7 with user namespaces, or qemu-user-binfmt installed on the machine"
}

echo "Building the package on ${emulated:+an emulated }$debian ..."
# shellcheck disable=SC2016 # expanded inside
inside_it sh -euc 'cd /src; ldconfig; python3 -m pip install -q --no-build-isolation --no-deps \
    --no-index --break-system-packages --root-user-action=ignore -e . && mkdir -p build && touch build/.compiler build/.system'
echo "Testing it ..."
cannot=()
if [ -n "$emulated" ]; then # what it cannot do is the same on each architecture
    listed=tests/arch/aarch64/python.txt
    while IFS='|' read -r test _; do cannot+=("--deselect=$test"); done < <(grep -v '^#' "$listed")
    grep -v '^#' "$listed" | sed 's/|/: /; s/^/Not run: /'
fi
[ $# -gt 0 ] || [ ! -e "tests/arch/$isa/python.txt" ] || set -- tests/python
[ $# -gt 0 ] || set -- tests/python/test_{callback,signature,by_value,dropin}.py
inside_it sh -euc 'cd /src; exec python3 -m pytest -q -p no:cacheprovider \
    -p no:unraisableexception -p no:threadexception -n "$0" "$@"' "${JOBS:-2}" "${cannot[@]}" "$@"
