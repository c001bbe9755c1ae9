#!/bin/bash
# SPDX-License-Identifier: MIT
# source.sh - the distribution's source package of libffi, and the same one with our series
#
#   source.sh LIBFFI OUT     LIBFFI: what ../source.sh left (LIBFFI/download, LIBFFI/version)
#
# Leaves OUT/stock/libffi-V, unpacked as it came, and OUT/static/libffi-V with everything that a
# maintainer would commit: the series at the end of debian/patches, debian.patch (rules, copyright),
# and one changelog entry. dpkg-source makes the new source package (.dsc) beside it, which also
# shows that the patches apply without fuzz. No question is asked: the entry's author is DEBFULLNAME
# <DEBEMAIL> or a placeholder, and its date is SOURCE_DATE_EPOCH or that of the series' last commit.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
SERIES=$(dirname "$HERE")
. "$HERE/root.sh"
[ $# = 2 ] || die "usage: source.sh LIBFFI OUT"
LIBFFI=$(cd "$1" && pwd)
mkdir -p "$2"
OUT=$(cd "$2" && pwd)
version=$(cat "$LIBFFI/version")
[ -f "$SERIES/series.$version" ] || die "there is no series for libffi $version"

set -- "$LIBFFI"/download/*.dsc
[ -f "$1" ] || die "no .dsc in $LIBFFI/download: only suites of Debian have a package (bookworm, trixie)"
dsc=$1

for tree in stock static; do
    rm -rf "${OUT:?}/$tree"
    mkdir "$OUT/$tree"
    dpkg-source --no-copy -x "$dsc" "$OUT/$tree/libffi-$version" >"$OUT/$tree.log" 2>&1 || {
        tail -n 5 "$OUT/$tree.log" >&2
        die "dpkg-source could not unpack $dsc; what it said is above"
    }
done
cp "$LIBFFI"/download/*.orig.tar.* "$OUT/static/"

cd "$OUT/static/libffi-$version"
while read -r name; do
    cp "$SERIES/$name" debian/patches/
    echo "$name" >>debian/patches/series
done <"$SERIES/series.$version"
patch -p1 --fuzz=0 --no-backup-if-mismatch --quiet <"$HERE/debian.patch" || die "debian.patch does" \
    "not apply to this package: the hunk is above. Make it again for this suite."

seconds=${SOURCE_DATE_EPOCH:-$(git -C "$SERIES" log -1 --format=%ct -- . 2>/dev/null || true)}
"$HERE/changelog.sh" "$(dpkg-parsechangelog -S Version)" "$(dpkg-parsechangelog -S Distribution)" \
    "${seconds:-$(date +%s)}" >debian/changelog.new
cat debian/changelog >>debian/changelog.new
mv debian/changelog.new debian/changelog

cd ..
# -b applies the whole series (quilt, no fuzz) to the pristine tarball, and then compares.
(cd "libffi-$version" && dpkg-source --before-build . && dpkg-source -b .) >"$OUT/static.log" 2>&1 || {
    tail -n 20 "$OUT/static.log" >&2
    die "dpkg-source could not make the source package; what it said is above, all in $OUT/static.log"
}
ls ./*.dsc | sed "s|^\./|Source package: $OUT/static/|"
