#!/bin/sh
# SPDX-License-Identifier: MIT
# source.sh - gets the pristine libffi source of one suite through an apt root of its own
#
# The series is applied to the sources that the distribution ships. A private apt root under the
# output folder (.ci/apt-root; DEBIAN_MIRROR names another mirror) reaches source packages of suites
# other than the machine's. apt checks the archive's signature and every file's hash. dpkg-source
# checks those of the .dsc once more.
#
#   source.sh el9|bookworm|trixie|newest OUT     leaves OUT/source (unpacked) and OUT/version
#
# `newest` is the version in Debian's unstable. Only its original tarball is taken, which is
# upstream's own release. `el9` is 3.4.2, as Enterprise Linux 9 and Ubuntu 22.04 have it. Debian has
# no such package, but GCC 12 carries its code, headers and tests. GCC's build files want GCC's tree
# around them, so those, and dejagnu's library, are 3.4.4's. Fails when no Debian mirror is known or reached (exit 2, with what to do).
set -eu

die() {
    printf 'make libffi: %s\n' "$*" >&2
    exit 2
}

[ $# = 2 ] || die "usage: source.sh el9|bookworm|trixie|newest OUT"
here=$(cd "$(dirname "$0")" && pwd)
suite=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
root=$out/apt
case $suite in
bookworm | trixie) release=$suite ;;
newest) release=sid ;;
el9) release=bookworm ;;
*) die "no suite '$suite': there are el9, bookworm, trixie and newest" ;;
esac

echo "Getting libffi's source of $suite (Debian $release) through a private apt root ..."
sh "$here/../../.ci/apt-root" "$root" "$release" deb-src
export APT_CONFIG="$root/apt.conf"
rm -rf "$out/download" "$out/source"
mkdir "$out/download"
cd "$out/download"
only= packages=libffi
case $suite in newest | el9) only=--tar-only ;; esac
[ "$suite" != el9 ] || packages="libffi gcc-12"
# shellcheck disable=SC2086 # several words
apt-get source -qq --download-only $only $packages >"$root/log" 2>&1 || {
    tail -n 5 "$root/log" >&2
    rm -f "$root/updated" # the indexes are perhaps older than the mirror
    die "apt-get source $packages of Debian $release failed: what it said is above." \
        "Try again later, or name another mirror: DEBIAN_MIRROR=http://.../debian"
}

# 3.4.2: what GCC has of it over 3.4.4, whose lists of files lose what came later.
before_344() {
    tar -xzOf gcc-12_*.orig.tar.gz --wildcards '*/gcc-*-dfsg.tar.xz' | tar -xJf - --wildcards 'gcc-*/libffi/*'
    gcc=$(echo gcc-*/libffi)
    rm -rf "$out"/source/src "$out"/source/testsuite/libffi.*
    cp -r "$gcc/src" "$out/source/"
    cp -r "$gcc"/testsuite/libffi.* "$out/source/testsuite/"
    cp "$gcc/include/ffi.h.in" "$gcc/include/ffi_common.h" "$gcc/include/tramp.h" "$out/source/include/"
    cp "$gcc/libffi.map.in" "$gcc/libtool-version" "$gcc/configure.host" "$gcc/README.md" "$out/source/"
    later=$(grep -oE 'src/[a-z0-9_]+/[a-zA-Z0-9_.]+' "$out/source/Makefile.am" | sort -u |
        while read -r file; do [ -e "$out/source/$file" ] || echo "$file"; done)
    for file in $later; do file=$file perl -0pi -e 's|[ \t\\\n]+\Q$ENV{file}\E(?=\s)||g' "$out/source/Makefile.am"; done
    sed -i "/^AC_INIT/ s/3\.4\.4/$(sed -n 's/^AC_INIT(\[libffi\], \[\([0-9.]*\)\].*/\1/p' "$gcc/configure.ac")/" \
        "$out/source/configure.ac"
    rm -rf "${gcc%/libffi}"
}

if [ "$suite" = newest ] || [ "$suite" = el9 ]; then
    mkdir "$out/source"
    tar -xf libffi_*.orig.tar.* -C "$out/source" --strip-components=1
    [ "$suite" = newest ] || before_344
else
    dpkg-source -x ./*.dsc "$out/source" >"$root/log" 2>&1 || {
        tail -n 5 "$root/log" >&2
        die "dpkg-source could not unpack what apt got: what it said is above." \
            "Remove $out and try again."
    }
fi
sed -n 's/^AC_INIT([^,]*,[[ ]*\([0-9.]*\).*/\1/p' "$out/source/configure.ac" | head -n 1 >"$out/version"
[ -s "$out/version" ] || die "no version in configure.ac of what apt got: $out/source"
echo "libffi $(cat "$out/version"): $(ls | tr '\n' ' ')"
