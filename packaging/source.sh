#!/bin/bash
# SPDX-License-Identifier: MIT
# source.sh - the source tarball that packages are built from: what git has of this tree, as it is now
#
#   source.sh TARBALL      .../ffi_static-VERSION.tar.gz
#
# The same files give the same bytes: names in order, no owner, the date of the last commit
# (SOURCE_DATE_EPOCH). Where there is no git, as in an unpacked sdist, it is every file but built ones.
set -eu -o pipefail
mkdir -p "$(dirname "$1")"
target=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
name=$(basename "$target" .tar.gz)
cd "$(dirname "$0")/.."
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
files() {
    if [ -e .git ]; then
        git ls-files -z
    else
        find . -type d \( -name build -o -name .venv -o -name __pycache__ -o -name '*.egg-info' \) -prune -o \
            -type f ! -name '*.so' -printf '%P\0'
    fi
}
files | LC_ALL=C sort -z | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --null --no-recursion -T - --transform "s|^|$name/|S" --owner=0 --group=0 --numeric-owner \
        --mode=u+rw,go+r-w,a-s --mtime="@$date" -cf - | gzip -9n >"$target.new"
touch -d "@$date" "$target.new" # packages' changelogs have that date
mv "$target.new" "$target"
