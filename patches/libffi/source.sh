#!/bin/sh
# SPDX-License-Identifier: MIT
# source.sh - gets the pristine libffi source of one suite through an apt root of its own
#
# The series is applied to what the distribution ships, so that is what we build from. A private
# apt root (its own sources list, state and cache under the output folder) reaches the source
# packages of other suites than the machine's and leaves the machine's own lists alone. The mirror
# is the machine's: asked of apt at run time, or given as LIBFFI_MIRROR. apt checks the archive's
# signature and every file's hash, dpkg-source those of the .dsc once more.
#
#   source.sh bookworm|trixie|newest OUT     leaves OUT/source (unpacked) and OUT/version
#
# `newest` is what Debian's unstable carries; of it only the original tarball is taken, which is
# upstream's own release. Fails when: no Debian mirror is known or reached (exit 2, what to do).
set -eu

die() {
    printf 'make libffi: %s\n' "$*" >&2
    exit 2
}

[ $# = 2 ] || die "usage: source.sh bookworm|trixie|newest OUT"
suite=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
root=$out/apt
case $suite in
bookworm | trixie) release=$suite ;;
newest) release=sid ;;
*) die "no suite '$suite': there are bookworm, trixie and newest" ;;
esac

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "$keyring is missing, with which apt checks Debian's signature." \
    "Install debian-archive-keyring."

# The machine's own mirror of Debian: the first that apt is configured with.
mirror=${LIBFFI_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null |
    grep -E '/debian/?$' | head -n 1)}
[ -n "$mirror" ] || die "this machine's apt knows no Debian mirror." \
    "Name one: make libffi LIBFFI_MIRROR=http://.../debian"

mkdir -p "$root/lists.d" "$root/state/lists/partial" "$root/cache/archives/partial"
: >"$root/status"
echo "deb-src [signed-by=$keyring] $mirror $release main" >"$root/sources.list"
cat >"$root/apt.conf" <<CONF
Dir::Etc::SourceList "$root/sources.list";
Dir::Etc::SourceParts "$root/lists.d";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$root/lists.d";
Dir::State "$root/state";
Dir::State::status "$root/status";
Dir::Cache "$root/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
CONF
export APT_CONFIG="$root/apt.conf"

echo "Getting libffi's source of $suite (Debian $release) through a private apt root ..."
apt-get update -qq >"$root/log" 2>&1 || {
    tail -n 5 "$root/log" >&2
    die "apt-get update of Debian $release failed: what it said is above." \
        "Check the network, or name another mirror: LIBFFI_MIRROR=http://.../debian"
}
rm -rf "$out/download" "$out/source"
mkdir "$out/download"
cd "$out/download"
only=
[ "$suite" = newest ] && only=--tar-only
apt-get source -qq --download-only $only libffi >"$root/log" 2>&1 || {
    tail -n 5 "$root/log" >&2
    die "apt-get source libffi of Debian $release failed: what it said is above." \
        "Try again later, or name another mirror: LIBFFI_MIRROR=http://.../debian"
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
