#!/bin/bash
# SPDX-License-Identifier: MIT
# compare.sh - the packages against stock's, built by the same compiler: lintian, ABI, contents
#
#   compare.sh LIBFFI OUT     after build.sh; the tools run in its root
#
# Everything is compared with stock, so a finding that stock has as well does not count.
#   lintian          tags on source and binaries that stock does not have: shown, and any fails
#   dpkg-gensymbols  against the package's own debian/libffi8.symbols, -c4: any difference fails
#   abidiff          with both debug packages: any change of a symbol or type fails
#   soname, NEEDED, dependencies, list of files, headers: any difference fails
# All output is in OUT/compare. Exit status 1: something differs, and is above.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/root.sh"
[ $# = 2 ] || die "usage: compare.sh LIBFFI OUT"
LIBFFI=$(cd "$1" && pwd)
OUT=$(cd "$2" && pwd)
need_tools
for tree in stock static; do
    set -- "$OUT/$tree"/*.changes
    [ -f "$1" ] || die "no packages in $OUT/$tree: build them first (make deb SUITE=...)"
done
cp "$LIBFFI"/download/* "$OUT/stock/"
rm -rf "$OUT/compare"
mkdir "$OUT/compare"
cp "$HERE/compare-inside.sh" "$OUT/compare/run"
echo "Comparing the packages with stock's ($(basename "$LIBFFI")) ..."
status=0
inside "$OUT/build-root" "$OUT" bash /shared/compare/run || status=$?
[ "$status" -le 1 ] || die "the comparison could not be made; what was said is above"
exit "$status"
