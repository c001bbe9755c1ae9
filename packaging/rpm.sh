#!/bin/bash
# SPDX-License-Identifier: MIT
# rpm.sh - RPM packages of ffi_static: built by Debian's rpm, then installed, used, upgraded, removed
#
#   rpm.sh OUT VERSION      after source.sh and `make package-recipes`; leaves OUT/rpm/*.rpm and session.txt
#
# Roots of Debian trixie stand for a distribution with RPM, of which none can be had by apt: so rpm's
# database is empty (--nodeps), and paths of libraries and of Python's packages are Debian's. dkms and the
# kernel's headers are Debian's as well: the scriptlets have dkms compile the module after each step.
# Fails when a step does; the end of its log is shown.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. "$HERE/../patches/libffi/deb/root.sh"
[ $# = 2 ] || die "usage: rpm.sh OUT VERSION"
OUT=$(cd "$1" && pwd) version=$2 suite=trixie
need_tools
work=$OUT/rpm
rm -rf "$work"
mkdir -p "$work"
cp "$OUT/ffi_static-$version.tar.gz" "$OUT/ffi_static.spec" "$work/"
make_root $suite "$OUT/build-root-rpm" build-essential rpm rpmlint libffi-dev python3-dev python3-cffi \
    python3-pip python3-setuptools python3-wheel
echo "rpmbuild of ffi_static $version, two releases ..."
cat >"$work/run" <<'RUN'
set -eu
cd /shared
export DEB_PYTHON_INSTALL_LAYOUT=deb
# As a distribution with RPM does after %install: Python's files are compiled, for -O as well.
compile='python3 -m compileall -q -f -o 0 -o 1 -s %{buildroot} -p / %{buildroot}%{_prefix}/lib/python3'
rpmlint ffi_static.spec || true
for release in 1 2; do
    sed "s/^Release: .*/Release: $release/" ffi_static.spec >"release-$release.spec"
    rpmbuild --nodeps --define "_topdir /shared/top" --define "_sourcedir /shared" --define "_rpmdir /shared" \
        --define "_dbpath /shared/db" --define "__os_install_post $compile" --define "debug_package %{nil}" --define "_libdir /usr/lib/$(gcc -print-multiarch)" -bb "release-$release.spec"
done
mv ./*/*.rpm .
RUN
inside "$OUT/build-root-rpm" "$work" sh /shared/run >"$work/build.log" 2>&1 || {
    tail -n 25 "$work/build.log" >&2
    die "rpmbuild failed; the end of its log is above, all of it in $work/build.log"
}
grep -E '[0-9]+ errors' "$work/build.log" || true
ls "$work"/*-1.*.rpm

make_root $suite "$OUT/use-root-rpm.tar" rpm gcc libc6-dev libffi-dev pkg-config python3 python3-cffi-backend \
    dkms "linux-headers-$(dpkg --print-architecture)"
rm -rf "$OUT/use-root-rpm"
mkdir "$OUT/use-root-rpm"
trap 'rm -rf "$OUT/use-root-rpm"' EXIT
tar -C "$OUT/use-root-rpm" -xf "$OUT/use-root-rpm.tar"
rm -rf "$work/top"
mkdir "$work/source"
tar -C "$work/source" --strip-components=1 -xf "$work/ffi_static-$version.tar.gz"
cp "$HERE/dkms-inside.sh" "$work/"
cat >"$work/run" <<'RUN'
set -eu
cd /shared
. ./dkms-inside.sh
version=$1 kernel=$(ls /lib/modules)
names="ffi_static ffi_static-devel ffi_static-static ffi_static-nested python3-ffi_static trampfd-dkms"
everything() { find /usr /etc /var/lib/dkms -xdev -name __pycache__ -prune -o -print | sort | of_packages; }
quietly() { # COMMAND...: on failure the end of what it said, which goes to rpm.log
    "$@" >>rpm.log 2>&1 || { tail -n 25 rpm.log; echo "$* failed"; exit 1; }
}
use() {
    cd source
    sh packaging/debian/tests/program $(pkg-config --cflags --libs libffi_static)
    sh packaging/debian/tests/nested $(pkg-config --libs libffi_static-nested)
    python3 packaging/debian/tests/dropin.py
    cd ..
    ffi-static --version
    rpm -V --nodeps $names
    module "$version" "$kernel"
}
mkdir -p /usr/share/licenses # as a distribution with RPM has it
everything >before
echo "--- rpm -i"
quietly rpm -i --nodeps ./*-1.*.rpm
use
echo "--- rpm -U"
quietly rpm -U --nodeps ./*-2.*.rpm
[ "$(rpm -q --qf '%{RELEASE} ' $names)" = "2 2 2 2 2 2 " ]
use
planted "$version" "$kernel"
echo "--- rpm -e"
quietly rpm -e --nodeps $names
everything >after
diff before after || { echo "these files came or went"; exit 1; }
echo "--- nothing is left behind"
RUN
status=0
inside "$OUT/use-root-rpm" "$work" sh /shared/run "$version" 2>&1 | tee "$work/session.txt" || status=$?
exit "$status"
