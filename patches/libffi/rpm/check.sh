#!/bin/bash
# SPDX-License-Identifier: MIT check.sh - builds a small libffi.spec that contains the fragment, to
# show that the fragment is right
#
#   check.sh LIBFFI OUT     LIBFFI: what ../source.sh left (download/, version)
#
# rpmspec -P parses it, rpmlint reads it, rpmbuild -bb applies the patches (fuzz 0) and builds an
# RPM, whose library must hold our tables and export what a build without the fragment exports.
# Debian's rpm does this on any Debian, with --nodeps, because rpm's database is empty there. The
# spec is our own skeleton with the fragment in it. No distribution's spec is tried here. Fails when
# a tool is missing and cannot be installed (exit 2), or a step fails (its log is shown).
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
SERIES=$(dirname "$HERE")

die() {
    printf 'rpm/check.sh: %s\n' "$*" >&2
    exit 2
}

[ $# = 2 ] || die "usage: check.sh LIBFFI OUT"
LIBFFI=$(cd "$1" && pwd)
rm -rf "$2"
mkdir -p "$2"
OUT=$(cd "$2" && pwd)
version=$(cat "$LIBFFI/version")

sh "$SERIES/../../.ci/need" "make test-rpm" <<'LIST'
rpmbuild|rpm|builds the package
rpmspec|rpm|parses the spec
rpm2cpio|rpm2cpio|unpacks the package
rpmlint|rpmlint|reads the spec
cpio|cpio|unpacks the package
autoreconf|autoconf|the series touches configure.ac
LIST

part() { sed -n "/^#== $1\$/,/^#== /p" "$HERE/ffi-static.spec.in" | sed '/^#== /d; /^$/d'; }

# spec NAME: the skeleton, with the fragment when NAME is `static`. Comments are left out where they
# would break a command's continuation lines.
spec() {
    local with=$1 preamble= prep='autoreconf -fi' configure= build= changelog='- As it comes'
    if [ "$with" = static ]; then
        preamble=$(part preamble) prep=$(part prep) build=$(part build) changelog=$(part changelog)
        configure=$(part configure | sed '/^ *#/d')
    fi
    cat <<SPEC
Name:           libffi
Version:        $version
Release:        1${1:+.$1}
Summary:        A portable foreign function interface library
License:        MIT
URL:            https://github.com/libffi/libffi
Source0:        libffi-%{version}.tar.gz
BuildRequires:  gcc make texinfo
$preamble

%description
The spec in which the fragment of ffi_static is tried.

%prep
%setup -q
$prep

%build
./configure --prefix=/usr --libdir=%{_libdir} --without-gcc-arch \\
    --disable-multi-os-directory --disable-builddir --disable-exec-static-tramp $configure
make -j2
$build

%install
make install DESTDIR=%{buildroot}

%files
%{_libdir}/*
/usr/include/*
/usr/share/*

%changelog
* Sun Nov 01 2026 The ffi_static authors <ffi-static@packages.example.org> - $version-1${1:+.$1}
$changelog
SPEC
}

run() { # LOG COMMAND...
    local log=$OUT/$1.log
    shift
    nice -n 10 "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "'$1 ${2:-}' failed: the end of its log is above, all of it in $log"
    }
}

for with in stock static; do
    top=$OUT/$with
    mkdir -p "$top"/{SOURCES,SPECS,BUILD,RPMS,SRPMS}
    # 3.4.2 has no tarball of its own (../source.sh): it is what was unpacked.
    cp "$LIBFFI/download/libffi_$version.orig.tar.gz" "$top/SOURCES/libffi-$version.tar.gz" 2>/dev/null ||
        tar -C "$LIBFFI" --transform "s|^source|libffi-$version|" -czf "$top/SOURCES/libffi-$version.tar.gz" source
    cp "$SERIES/ffi-static-body.patch" "$SERIES/ffi-static-hooks-$version.patch" "$top/SOURCES/"
    spec $with >"$top/SPECS/libffi.spec"
    # An old database location would be made in the home folder: it gets one here.
    options=(--define "_topdir $top" --define "_dbpath $OUT/db" --define "_libdir /usr/lib64"
        --define "debug_package %{nil}" --define "_default_patch_fuzz 0")
    run "$with.rpmspec" rpmspec "${options[@]}" -P "$top/SPECS/libffi.spec"
    rpmlint "$top/SPECS/libffi.spec" >"$OUT/$with.rpmlint.log" 2>&1 || true
    grep -qE '[0-9]+ errors?' "$OUT/$with.rpmlint.log" || die "rpmlint said nothing: $OUT/$with.rpmlint.log"
    echo "rpmbuild -bb of libffi $version, $with ..."
    run "$with.rpmbuild" rpmbuild "${options[@]}" --nodeps -bb "$top/SPECS/libffi.spec"
    mkdir -p "$top/unpacked"
    (cd "$top/unpacked" && for rpm in ../RPMS/*/*.rpm; do rpm2cpio "$rpm" | cpio -id --quiet; done)
    lib=$(echo "$top"/unpacked/usr/lib64/libffi.so.8.*)
    readelf -W --dyn-syms "$lib" | awk '$5 == "GLOBAL" && $7 != "UND" { print $4, $8 }' | grep -v FFI_STATIC_1.0 | sort \
        >"$OUT/$with.exports"
    sed -E "s/(spec:)[0-9]+:/\1/; s/1\.(stock|static)/1/; s|$top/||g" "$OUT/$with.rpmlint.log" |
        grep -E ': (W|E): ' | sort -u >"$OUT/$with.tags" || true
done
echo "    rpmspec -P    parses; Patch lines: $(grep -c '^Patch90' "$OUT/static.rpmspec.log")"
new=$(comm -13 "$OUT/stock.tags" "$OUT/static.tags")
echo "    rpmlint       new tags: ${new:-none}"
[ -z "$new" ] || exit 1
diff "$OUT/stock.exports" "$OUT/static.exports" || die "the exported symbols differ: above"
echo "    exports       same ($(wc -l <"$OUT/static.exports") symbols)"
# What the field meets: a fork after a callback under PR_SET_MDWE, a descriptor that a program inherits.
field() {
    LD_LIBRARY_PATH=$OUT/$1/unpacked/usr/lib64 /usr/bin/python3 "$SERIES/../../tests/libffi/packages/use.py" --mdwe
}
echo "    stock, to look at:"
field stock 2>&1 | sed 's/^/        /' || true
echo "    with the fragment:"
field static | sed 's/^/        /' || die "callbacks of ctypes with the fragment's library: what failed is above"
ours() { grep -q FFI_STATIC_PROVIDER "$OUT/$1"/unpacked/usr/lib64/libffi.so.8.*; } # in its text
ours static || die "the library built with the fragment has no static tables"
! ours stock || die "the library built without the fragment has static tables: nothing is shown"
echo "    library       has the static tables; the one without the fragment has not"
