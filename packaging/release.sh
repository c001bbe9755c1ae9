#!/bin/bash
# SPDX-License-Identifier: MIT
# release.sh - a release's artefacts, made twice in different places and compared: `make release`
#
#   release.sh OUT [part ...]      parts: sdist wheels deb; without words, all of them
#
# The last commit is built, twice, each time in a clone of its own below build/release. OUT gets the
# first one's artefacts, sbom.cdx.json (the wheel's parts, by cyclonedx-py), and SHA256SUMS. ONLY= and
# SUITE= choose wheels and Debian's suite, as with `make wheels` and `make package-deb`.
# Fails: when something is not committed, a version is not the CHANGELOG's or changes there are of none,
# a build or a check fails, or the two builds differ; the files that differ are named.
set -eu
cd "$(dirname "$0")/.."
die() {
    echo "release: $*" >&2
    exit 1
}
out=$(realpath -m "$1")
shift
[ $# -gt 0 ] || set -- sdist wheels deb
tools=$PWD/build/wheels/tools
work=$PWD/build/release

[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed: git status"
version=$(sed -n 's/^#define FFI_STATIC_VERSION_[A-Z]* //p' csrc/include/ffi_static.h | paste -sd.)
grep -q "^## \[$version\]" CHANGELOG.md || [ "${DRAFT:-}" = yes ] ||
    die "CHANGELOG.md has no part [$version]: move what is Unreleased there (DRAFT=yes tries without)"
[ "${DRAFT:-}" = yes ] || ! sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^- ' ||
    die "CHANGELOG.md has changes that are Unreleased: move them under a version (DRAFT=yes tries without)"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Debian's packages are built twice, and used once: the second ones have to be the same bytes. USE=no is for
# who has just run `make package-deb`.
export ROOTS=$PWD/build/packaging USE=${USE:-}

rm -rf "$work"
mkdir -p "$work" "$out"
for n in one another; do
    git clone -q --no-hardlinks . "$work/$n"
    ln -s "$PWD/.venv" "$work/$n/.venv"
    mkdir -p "$work/$n/build"
    touch "$work/$n/build/.system"
    # A clone has tools of its own: a root where a wheel is made sees nothing else of this machine.
    for part; do
        case $part in
            sdist) target=dist ;;
            wheels) target=wheels ;;
            deb) target=package-deb ;;
            *) die "$part: parts are sdist, wheels and deb" ;;
        esac
        echo "$n: $part ..."
        make -s -C "$work/$n" "$target" DIST=dist LIBFFI="$PWD/build/libffi" READY= \
            ${ONLY:+"ONLY=$ONLY"} ${SUITE:+"SUITE=$SUITE"}
    done
    USE=no
    sh packaging/artefacts.sh "$work/$n" "$work/$n/all" "$version"
done

differ=0
for file in "$work"/one/all/*; do
    cmp -s "$file" "$work/another/all/${file##*/}" || {
        echo "differs: ${file##*/}" >&2
        differ=1
    }
done
[ "$(ls "$work/one/all")" = "$(ls "$work/another/all")" ] || die "the two builds have not the same files"
[ $differ = 0 ] || die "not reproducible; both are in $work"
cp "$work"/one/all/* "$out"

python3 -m venv "$work/sbom"
sdist=$work/one/all/ffi_static-$version.tar.gz
[ -e "$sdist" ] || sdist=.
"$work/sbom/bin/pip" -q --disable-pip-version-check install --no-deps cffi pycparser "$sdist"
"$tools/bin/cyclonedx-py" environment --output-reproducible --of JSON -o "$out/sbom.cdx.json" "$work/sbom"
# Of what this run made alone: OUT may have an earlier version's.
(cd "$work/one/all" && sha256sum -- *) >"$out/SHA256SUMS"
(cd "$out" && sha256sum sbom.cdx.json >>SHA256SUMS && sha256sum -c --quiet SHA256SUMS && cat SHA256SUMS)
echo "release $version: $(ls "$work/one/all" | wc -l) files in $out, each made twice with the same bytes"
