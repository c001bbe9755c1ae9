#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - what building and testing libffi from source needs: checks, and installs as root
#
# The same habit as .ci/packages, which has what the rest of the project needs: what is there is
# not touched; root with apt gets the rest installed, named with the reason; anyone else is told
# the command. Fails when something is missing afterwards.
set -eu

wanted() { # command|Debian package|why
    cat <<'LIST'
gcc|gcc|compiles libffi
g++|g++|compiles the testsuite's C++
make|make|libffi's build
quilt|quilt|applies the series
autoreconf|autoconf|the series touches configure.ac
automake|automake|the series touches Makefile.am
libtoolize|libtool|libffi's build
makeinfo|texinfo|libffi's documentation, which its build makes
dpkg-source|dpkg-dev|unpacks Debian's source package and checks it
runtest|dejagnu|upstream's testsuite
xz|xz-utils|Debian's tarballs
LIST
}

missing() { wanted | while IFS='|' read -r program package why; do
    command -v "$program" >/dev/null 2>&1 || printf '%s|%s\n' "$package" "$why"
done; }

lacking=$(missing)
[ -n "$lacking" ] || exit 0
names=$(printf '%s\n' "$lacking" | cut -d'|' -f1 | tr '\n' ' ')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing with apt-get, because they are missing here:"
    printf '%s\n' "$lacking" | sed 's/^/    /; s/|/: /'
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of package names
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $names; } </dev/null >"$log" 2>&1 ||
        tail -n 20 "$log" >&2
    rm -f "$log"
    lacking=$(missing)
    [ -n "$lacking" ] || exit 0
fi
echo "make libffi: these programs are missing:" >&2
printf '%s\n' "$lacking" | sed 's/^/    /; s/|/: /' >&2
echo "As root: apt-get install --no-install-recommends $names" >&2
exit 2
