#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - gets a Debian kernel's headers, image or source, without installing anything
#
# A private apt root (.ci/apt-root) reaches the suite that has the kernel; the packages are unpacked
# with dpkg -x where they lie.
#
#   packages.sh headers KERNEL ARCH   the folder for `make -C`, its absolute path made right
#   packages.sh image   KERNEL ARCH   a folder with boot/vmlinuz-RELEASE, lib/modules/RELEASE
#   packages.sh source  KERNEL        a folder with linux-source-*.tar.xz
#   packages.sh root    KERNEL ARCH   a root of its suite with compilers (needs root), for `newest`
#                                     and for architectures beside x86_64 and arm64
#   packages.sh release KERNEL ARCH   only the release
#
# KERNEL is 6.1 (bookworm), 6.12 (bookworm-backports) or newest (unstable), ARCH is x86_64, arm64 or
# (newest) arm64-16k, whose pages have 16 KiB. For ppc64el, riscv64 and s390x KERNEL is 6.12 (of
# trixie) or newest, for loong64 newest, and the compilers are those of the same suite.
# Prints `FOLDER RELEASE`; all else goes to stderr. What is there is used again: remove
# build/kmod/packages for newer ones. Fails when: the mirror does not answer, or no longer has the
# package that its list names (exit 2, what to do).
set -eu

die() {
    printf 'packages.sh: %s\n' "$*" >&2
    exit 2
}
say() { printf '%s\n' "$*" >&2; }

[ $# -ge 2 ] || die "usage: packages.sh headers|image|source|root|release" \
    "6.1|6.12|newest x86_64|arm64"
what=$1 kernel=$2 arch=${3:-x86_64}
here=$(cd "$(dirname "$0")/../.." && pwd)
out=${KMOD_PACKAGES:-${KMOD_OUT:-$here/build/kmod}/packages}
case $kernel in
6.1) suite=bookworm line=bookworm ;;
6.12) suite=bookworm-backports line=bookworm ;;
newest) suite=sid line=sid ;;
*) die "no kernel '$kernel': there are 6.1, 6.12 and newest" ;;
esac
compilers=gcc-aarch64-linux-gnu
case $arch in
x86_64) debian=amd64 flavour=amd64 ;;
arm64) debian=arm64 flavour=arm64 ;;
arm64-16k) debian=arm64 flavour=arm64-16k ;;
ppc64el | riscv64 | s390x)
    debian=$arch flavour=$arch
    [ "$arch" != ppc64el ] || flavour=powerpc64le
    compilers="gcc-powerpc64le-linux-gnu gcc-riscv64-linux-gnu gcc-s390x-linux-gnu"
    case $kernel in
    6.12) suite=trixie line=trixie ;;
    6.1) die "no kernel 6.1 for $arch: there are 6.12 (of trixie) and newest" ;;
    esac
    ;;
loong64)
    debian=$arch flavour=$arch compilers=gcc-loongarch64-linux-gnu
    [ "$kernel" = newest ] || die "no kernel $kernel for $arch: there is newest"
    ;;
*) die "no architecture '$arch': there are x86_64, arm64, arm64-16k, ppc64el, riscv64, s390x and loong64" ;;
esac
case $what in headers | image | source | root | release) ;; *) die "cannot get '$what'" ;; esac

# Two runs at the same time would unpack over each other.
mkdir -p "$out"
exec 9>"$out/.lock-$kernel"
command -v flock >/dev/null && flock 9

# ---- the private apt root of one suite

arches=amd64,arm64
case $arch in ppc64el | riscv64 | s390x | loong64) arches=amd64,$arch ;; esac
apt_root=$out/apt-$suite-${arches#*,}
open_apt() {
    say "Reading the package lists of Debian $suite ..."
    if [ "$suite" = "$line" ]; then
        sh "$here/.ci/apt-root" "$apt_root" "$suite:$arches" deb
    else
        sh "$here/.ci/apt-root" "$apt_root" "$suite:$arches" deb "$line:$arches" deb
    fi || exit 2
    export APT_CONFIG="$apt_root/apt.conf"
}

# depends PACKAGE PATTERN: what the package depends on, by name
depends() {
    apt-cache -o "APT::Default-Release=$suite" depends "$1" | sed -n 's/[<>]//g; s/^ *Depends: //p' | sed 's/:.*//' | grep -E "$2" | head -n 1
}

# unpack FOLDER PACKAGE...: downloaded and unpacked there
unpack() {
    folder=$1
    shift
    mkdir -p "$folder.debs"
    for package in "$@"; do
        say "Getting $package ($suite) ..."
        (cd "$folder.debs" && apt-get download -qq -t "$suite" "$package" >"$apt_root/log" 2>&1) || {
            tail -n 5 "$apt_root/log" >&2
            rm -f "$apt_root/updated"
            die "apt-get download $package failed: what it said is above. Try again, or name" \
                "another mirror: DEBIAN_MIRROR=http://.../debian; or an older kernel of the suite," \
                "as its packages end: KMOD_RELEASE=6.12.107+deb13-s390x"
        }
    done
    for deb in "$folder.debs"/*.deb; do
        dpkg -x "$deb" "$folder"
    done
    rm -rf "$folder.debs"
}

release_of() { # the release that the suite's newest meta package leads to, or KMOD_RELEASE
    [ -z "${KMOD_RELEASE:-}" ] || { printf '%s\n' "$KMOD_RELEASE" && return; }
    found=$(depends "linux-image-$flavour:$debian" '^linux-image-[0-9]')
    [ -n "$found" ] || die "Debian $suite has no linux-image-$flavour"
    printf '%s\n' "${found#linux-image-}"
}

# ---- the commands

get_headers() {
    open_apt
    release=$(release_of)
    full=linux-headers-$release
    common=$(depends "$full:$debian" '^linux-headers-.*-common$')
    kbuild=$(depends "$full:$debian" '^linux-kbuild-')
    [ -n "$common" ] && [ -n "$kbuild" ] || die "$full names no common headers: $common $kbuild"
    # Kbuild's programs run here, whatever the target is.
    unpack "$folder" "$full:$debian" "$common" "$kbuild:amd64"
    # The packages name paths under /usr/src and /usr/lib.
    grep -rlE '(^|[ =])/usr/(src|lib)/linux-' "$folder/usr/src" --include=Makefile |
        xargs -r sed -i -E "s,(^|[ =])/usr/(src|lib)/linux-,\1$folder/usr/\2/linux-,g"
    for link in "$folder"/usr/src/linux-headers-*/scripts "$folder"/usr/src/linux-headers-*/tools; do
        [ ! -L "$link" ] || [ -e "$link" ] || ln -sfn "$folder/usr/lib/$kbuild/${link##*/}" "$link"
    done
}
get_image() {
    open_apt
    release=$(release_of)
    image=linux-image-$release:$debian
    # Since 7.x the kernel and its modules are packages of their own.
    binary=$(depends "$image" '^linux-binary-') modules=$(depends "$image" '^linux-modules-')
    # shellcheck disable=SC2086 # absent or one word each
    unpack "$folder" "$image" ${binary:+"$binary:$debian"} ${modules:+"$modules:$debian"}
    # Merged-/usr packages have their modules below /usr.
    [ -e "$folder/lib/modules" ] || { mkdir -p "$folder/lib" && ln -s ../usr/lib/modules "$folder/lib/modules"; }
    if [ -e "$folder/lib/modules/$release/vmlinuz" ]; then # since 7.x; the old place is made
        mkdir -p "$folder/boot"
        ln -sf "../lib/modules/$release/vmlinuz" "$folder/boot/vmlinuz-$release"
    fi
    [ ! -e "$folder/boot/vmlinux-$release" ] || # not compressed
        ln -sf "vmlinux-$release" "$folder/boot/vmlinuz-$release"
    [ -e "$folder/boot/vmlinuz-$release" ] || die "linux-image-$release has no boot/vmlinuz-$release"
}
get_source() {
    open_apt
    found=$(depends linux-source '^linux-source-[0-9]')
    [ -n "$found" ] || die "Debian $suite has no linux-source"
    release=${found#linux-source-}
    unpack "$folder" "$found"
}
get_root() {
    [ "$(id -u)" = 0 ] || die "a root of Debian $suite is made with mmdebstrap, as root"
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
    mirror=$(sh "$here/.ci/mirror")
    release=$suite
    say "Making a root of Debian $suite with compilers (a few minutes) ..."
    nice -n 10 mmdebstrap --variant=apt --include="gcc $compilers make sparse libelf1t64 perl" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        "$suite" "$folder" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder.log" 2>&1 || {
        tail -n 5 "$folder.log" >&2
        die "mmdebstrap of $suite failed: the end of what it said is above, the rest in $folder.log"
    }
}

case $what in
source) final=$out/$kernel-$what ;;
root) final=$out/$suite-root-${compilers%% *} ;;
*) final=$out/$kernel-$arch-$what ;;
esac
if [ "$what" = release ]; then
    open_apt
    release_of
    exit 0
fi
if [ ! -e "$final.release" ]; then
    # The folder has its final name from the start, because headers contain its path.
    folder=$final
    rm -rf "$folder" "$folder.debs"
    "get_$what"
    printf '%s\n' "$release" >"$final.release"
fi
release=$(cat "$final.release")
case $what in headers) final=$final/usr/src/linux-headers-$release ;; esac
echo "$final $release"
