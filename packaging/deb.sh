#!/bin/bash
# SPDX-License-Identifier: MIT
# deb.sh - Debian packages of ffi_static for one suite: built there, looked at by lintian, then used
#
#   deb.sh OUT SUITE VERSION      after source.sh; leaves OUT/deb-SUITE/*.deb and session.txt
#
# ROOTS= is where scratch roots are kept (OUT). USE=no ends after 1.: for who has used the same packages.
#
# 1. dpkg-buildpackage in a root of the suite with the Build-Depends; lintian may find no error and
#    no warning. That no bug of Debian's asks for the package is the one tag that is left out.
# 2. In a fresh root (deb-inside.sh): installed by apt, used by autopkgtest and by a service's kind of
#    Python, upgraded, removed, purged; no file stays behind.
# Fails when a step does; the end of its log is shown.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. "$HERE/../patches/libffi/deb/root.sh"
[ $# = 3 ] || die "usage: deb.sh OUT SUITE VERSION"
OUT=$(cd "$1" && pwd) suite=$2 version=$3
case $suite in bookworm | trixie | sid) ;; *) die "no SUITE '$suite': there are bookworm, trixie, sid" ;; esac
need_tools
mkdir -p "${ROOTS:=$OUT}"
ROOTS=$(cd "$ROOTS" && pwd)
work=$OUT/deb-$suite
rm -rf "$work"
mkdir -p "$work"

# The tree with debian/ where Debian wants it, and the entry of its changelog.
source_package() {
    rm -rf "${work:?}/tree"
    mkdir "$work/tree"
    tar -C "$work/tree" --strip-components=1 -xf "$OUT/ffi_static-$version.tar.gz"
    cp "$OUT/ffi_static-$version.tar.gz" "$work/ffi-static_$version.orig.tar.gz"
    cp -r "$work/tree/packaging/debian" "$work/tree/debian"
    cat >"$work/tree/debian/changelog" <<ENTRY
ffi-static ($version-1) $suite; urgency=medium

  * Package of ffi_static $version.

 -- ${DEBFULLNAME:-The ffi_static authors} <${DEBEMAIL:-ffi-static@packages.example.org}>  $(
        LC_ALL=C date -u -R -r "$OUT/ffi_static-$version.tar.gz")
ENTRY
}

# shellcheck disable=SC2046 # names of packages
make_root "$suite" "$ROOTS/build-root-$suite" build-essential fakeroot lintian $(
    sed -n '/^Build-Depends:/,/^$/ { s/^ \([a-z0-9-]*\).*/\1/; /^[a-z]/p }' "$HERE/debian/control" |
        sed 's/^debhelper-compat$/debhelper/; s/^dh-sequence-dkms$/dh-dkms/; s/^dh-sequence-python3$/dh-python/'
)
build() { # LOG COMMAND...
    local log=$work/$1.log
    shift
    # shellcheck disable=SC2016 # expanded inside
    bash -c '. "$1"; inside "${@:2}"' build "$HERE/../patches/libffi/deb/root.sh" \
        "$ROOTS/build-root-$suite" "$work" "$@" >"$log" 2>&1 || {
        tail -n 25 "$log" >&2
        die "'$*' failed; the end of its log is above, all of it in $log"
    }
}
source_package
echo "dpkg-buildpackage of ffi-static $version-1 in a root of $suite ..."
build build sh -c 'cd /shared/tree && MAKEFLAGS= dpkg-buildpackage -us -uc'
build lintian sh -c 'lintian --allow-root --version && lintian --allow-root --fail-on error,warning -I \
    --suppress-tags initial-upload-closes-no-bugs /shared/*.changes'
echo "lintian: $(grep -cE '^[EW]: ' "$work/lintian.log" || true) errors and warnings," \
    "$(grep -c '^I: ' "$work/lintian.log" || true) of kind information"
# The revision that the first is upgraded to: the same files.
# shellcheck disable=SC2016 # expanded inside
build revision sh -euc 'cd /shared
    for deb in *_"$1"-1_*.deb; do
        dpkg-deb -R "$deb" again
        sed -i "s/$1-1/$1-2/g" again/DEBIAN/control
        dpkg-deb --root-owner-group -b again "$(echo "$deb" | sed "s/_$1-1_/_$1-2_/")"
        rm -r again
    done' sh "$version"
rm -rf "$work/tree"
ls "$work"/*-1_*.deb
[ "${USE:-}" != no ] || exit 0

make_root "$suite" "$ROOTS/use-root-$suite.tar" ca-certificates gcc g++ make libc6-dev pkgconf python3 \
    autopkgtest cmake libffi-dev python3-cffi-backend dkms "linux-headers-$(dpkg --print-architecture)" systemd
rm -rf "$ROOTS/use-root-$suite"
mkdir "$ROOTS/use-root-$suite"
trap 'rm -rf "$ROOTS/use-root-$suite"' EXIT
tar -C "$ROOTS/use-root-$suite" -xf "$ROOTS/use-root-$suite.tar"
for file in /etc/apt/apt.conf.d/*; do # this machine's settings (a proxy, an archive's dates)
    ! grep -qE '^Acquire' "$file" || cp -L "$file" "$ROOTS/use-root-$suite/etc/apt/apt.conf.d/"
done
cp "$HERE/deb-inside.sh" "$work/run"
cp "$HERE/dkms-inside.sh" "$work/"
cp -r "$HERE/../examples/closures" "$work/"
status=0
inside "$ROOTS/use-root-$suite" "$work" bash /shared/run "$version" 2>&1 | tee "$work/session.txt" || status=$?
exit "$status"
