#!/bin/sh
# SPDX-License-Identifier: MIT
# source.sh - gets the pristine libffi source of one suite through an apt root of its own
#
# The series is applied to the sources that the distribution ships. A private apt root under the
# output folder (.ci/apt-root; DEBIAN_MIRROR names another mirror) reaches source packages of suites
# other than the machine's. apt checks the archive's signature and every file's hash. dpkg-source
# checks those of the .dsc once more.
#
#   source.sh bookworm|trixie|newest OUT     leaves OUT/source (unpacked) and OUT/version
#
# `newest` is the version in Debian's unstable. Only its original tarball is taken, which is
# upstream's own release. Fails when no Debian mirror is known or reached (exit 2, with what to do).
set -eu

die() {
    printf 'make libffi: %s\n' "$*" >&2
    exit 2
}

[ $# = 2 ] || die "usage: source.sh bookworm|trixie|newest OUT"
here=$(cd "$(dirname "$0")" && pwd)
suite=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
root=$out/apt
case $suite in
bookworm | trixie) release=$suite ;;
newest) release=sid ;;
*) die "no suite '$suite': there are bookworm, trixie and newest" ;;
esac

echo "Getting libffi's source of $suite (Debian $release) through a private apt root ..."
sh "$here/../../.ci/apt-root" "$root" "$release" deb-src
export APT_CONFIG="$root/apt.conf"
rm -rf "$out/download" "$out/source"
mkdir "$out/download"
cd "$out/download"
only=
[ "$suite" = newest ] && only=--tar-only
apt-get source -qq --download-only $only libffi >"$root/log" 2>&1 || {
    tail -n 5 "$root/log" >&2
    rm -f "$root/updated" # the indexes are perhaps older than the mirror
    die "apt-get source libffi of Debian $release failed: what it said is above." \
        "Try again later, or name another mirror: DEBIAN_MIRROR=http://.../debian"
}
if [ "$suite" = newest ]; then
    mkdir "$out/source"
    tar -xf libffi_*.orig.tar.* -C "$out/source" --strip-components=1
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
