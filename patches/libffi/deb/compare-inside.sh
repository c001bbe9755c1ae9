# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# compare-inside.sh - what compare.sh runs in the build root, where /shared has stock and static
#
# One line for each check: its name, same or DIFFERS, and what differs below.
set -eu -o pipefail
cd /shared/compare
differs=0

same() { # NAME FILE FILE: the two hold the same text
    if diff -u "$2" "$3" >"$1.diff"; then
        printf '    %-18s same (%s lines)\n' "$1" "$(wc -l <"$2")"
    else
        differs=1
        printf '    %-18s DIFFERS\n' "$1"
        sed 's/^/        /' "$1.diff"
    fi
}

for tree in stock static; do
    # Exit status 2 of lintian: there are tags of the worst kind. They are compared below.
    lintian --allow-root --tag-display-limit 0 -E -I --pedantic --fail-on none \
        ../$tree/*.dsc ../$tree/*.changes 2>lintian.$tree.log |
        grep -v '^N:' | sed 's/+static1//g; s/:[0-9]*\]/]/; s/[0-9]\{4\} vs [0-9]\{4\}/YEAR vs YEAR/' |
        sort -u >lintian.$tree # without line numbers, which an insertion moves
    mkdir -p root.$tree
    for deb in ../$tree/*.*deb; do
        case $deb in *-udeb*) ;; *) dpkg-deb -x "$deb" root.$tree ;; esac
        dpkg-deb -c "$deb" | awk '{ print $1, $2, $6, $7, $8 }' |
            sed "s|^|${deb##*/} |; s/_[^ ]*deb / /; s/+static1//; s|\.build-id/.*|.build-id/|" >>files.$tree
        dpkg-deb -f "$deb" Package Depends Pre-Depends Provides Breaks Replaces Conflicts \
            Multi-Arch | sed 's/+static1//' >>control.$tree
    done
    lib=$(echo root.$tree/usr/lib/*/libffi.so.8.*)
    readelf -dW "$lib" | grep -E 'SONAME|NEEDED' | sed 's/^[^(]*//' >dynamic.$tree
    readelf -lW "$lib" | awk '/GNU_STACK/ { print $1, $(NF - 1) }' >stack.$tree
    # The one name that the series adds, and its version.
    readelf -W --dyn-syms "$lib" | awk '$5 == "GLOBAL" && $7 != "UND" { print $4, $8 }' |
        grep -v '@@FFI_STATIC_1.0$\|^OBJECT FFI_STATIC_1.0' | sort >exports.$tree
    (cd root.$tree/usr/include && find . -type f -exec sha256sum {} +) | sort >headers.$tree
done

new=$(comm -13 lintian.stock lintian.static)
gone=$(comm -23 lintian.stock lintian.static | wc -l)
[ -s lintian.stock ] || { cat lintian.stock.log >&2; echo "lintian said nothing on stock" >&2; exit 2; }
printf '    %-18s stock %s tags, static %s; new:%s\n' lintian "$(wc -l <lintian.stock)" \
    "$(wc -l <lintian.static)" "${new:+ see below} ${new:-none}, gone: $gone" | sed '2,$ s/^/        /'
[ -z "$new" ] || differs=1

for kind in files control dynamic stack exports headers; do
    same $kind $kind.stock $kind.static
done

# Compare with the list of symbols in the package itself, as dh_makeshlibs does in the build. -c4:
# any difference fails. Both packages get stock's version, so the output must be the same text for
# both, except the name of a temporary file, and the one name that the series adds, with its version.
version=$(cd /shared/stock/libffi-*/ && dpkg-parsechangelog -S Version)
for tree in stock static; do
    lib=$(echo "$PWD"/root.$tree/usr/lib/*/libffi.so.8.*)
    status=0
    (cd /shared/$tree/libffi-*/ && dpkg-gensymbols -plibffi8 -c4 -v"$version" -e"$lib" -O) \
        >symbols.log 2>&1 || status=$?
    echo "exit status $status" >>symbols.log
    grep -v '^+++ \| \(FFI_STATIC_1\.0\|ffi_static_survives_fork\)@FFI_STATIC_1\.0 ' symbols.log >symbols.$tree
done
same dpkg-gensymbols symbols.stock symbols.static
if ! grep -qx 'exit status 0' symbols.static; then
    differs=1
    sed 's/^/        /' symbols.static
fi

old=$(echo root.stock/usr/lib/*/libffi.so.8.*)
status=0
lib=$(echo root.static/usr/lib/*/libffi.so.8.*)
abidiff --no-added-syms --d1 root.stock/usr/lib/debug --d2 root.static/usr/lib/debug "$old" "$lib" \
    >abidiff.log 2>&1 || status=$?
abidw --debug-info-dir root.static/usr/lib/debug "$lib" >abi.xml
types=$(grep -c '<function-decl ' abi.xml)
[ "$types" -gt 20 ] || { echo "abidw sees $types functions: is there debug information?" >&2; exit 2; }
none='^((Functions|Variables) changes summary: 0 Removed, 0 Changed, 0 Added( \([0-9]+ filtered out\))? \w+|)$'
if [ "$status" = 0 ] && ! grep -qvE "$none" abidiff.log; then
    printf '    %-18s no change (%s functions with their types)\n' abidiff "$types"
else
    differs=1
    printf '    %-18s DIFFERS (status %s)\n' abidiff "$status"
    sed 's/^/        /' abidiff.log
fi
exit $differs
