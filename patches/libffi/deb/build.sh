#!/bin/bash
# SPDX-License-Identifier: MIT
# build.sh - the packages of one suite, by dpkg-buildpackage in a scratch root of that suite
#
#   build.sh LIBFFI OUT       CHECK=1 runs upstream's testsuite in the build, as Debian's rules do
#
# Leaves OUT/static/*.deb (ours, version +static1) and OUT/stock/*.deb, the unchanged package by the
# same compiler, which the comparison needs (compare.sh). The build runs in a root of the suite, and
# not on this machine, because a package has the dependencies and the compiler of its suite. Stock
# is built once. Fails when dpkg-buildpackage fails: the end of the log is shown.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/root.sh"
[ $# = 2 ] || die "usage: build.sh LIBFFI OUT"
LIBFFI=$(cd "$1" && pwd)
suite=$(basename "$LIBFFI")
mkdir -p "$2"
OUT=$(cd "$2" && pwd)
CHECK=${CHECK:-}
need_tools

rm -rf "$OUT/kept"
mkdir "$OUT/kept"
for file in "$OUT"/stock/*.*deb "$OUT"/stock/*.changes "$OUT"/stock/*.buildinfo; do
    [ ! -f "$file" ] || mv "$file" "$OUT/kept/"
done
"$HERE/source.sh" "$LIBFFI" "$OUT"
for file in "$OUT"/kept/*; do
    [ ! -f "$file" ] || mv "$file" "$OUT/stock/"
done
rmdir "$OUT/kept"

# The source package's Build-Depends, and the tools that compare.sh runs in the root.
make_root "$suite" "$OUT/build-root" build-essential fakeroot debhelper libltdl-dev dejagnu \
    texinfo lintian abigail-tools

package() { # TREE OPTIONS
    local log=$OUT/$1.build.log
    echo "dpkg-buildpackage -b in a root of $suite: $1 ($2) ..."
    # shellcheck disable=SC2016 # expanded inside
    nice -n 10 bash -c '. "$1/root.sh"; inside "$2" "$3" "${@:4}"' build "$HERE" \
        "$OUT/build-root" "$OUT/$1" DEB_BUILD_OPTIONS="$2" sh -c \
        'cd /shared/libffi-* && MAKEFLAGS= dpkg-buildpackage -b -us -uc' >"$log" 2>&1 || {
        tail -n 25 "$log" >&2
        die "dpkg-buildpackage of $1 failed; the end of its log is above, all of it in $log"
    }
}
options=parallel=2
[ "$CHECK" = 1 ] || options+=" nocheck"
set -- "$OUT"/stock/*.changes
[ -f "$1" ] || package stock "parallel=2 nocheck"
package static "$options"
if [ "$CHECK" = 1 ]; then # Debian's rules send the tests through tee, so that none fails the build
    set -- "$OUT/static/libffi-"*/build/check.log
    sed -n '/=== libffi Summary ===/,$ s/^# of /    /p' "$1"
    grep -q '^# of expected passes' "$1" || die "upstream's testsuite did not run: $1"
    ! grep -E '^(FAIL|XPASS|UNRESOLVED|ERROR): ' "$1" || die "of upstream's testsuite, these fail: above"
fi
ls "$OUT"/static/*.deb
