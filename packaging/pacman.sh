#!/bin/bash
# SPDX-License-Identifier: MIT
# pacman.sh - Arch's packages of ffi_static: built by Debian's makepkg, then installed, used, removed
#
#   pacman.sh OUT VERSION      after source.sh and `make package-recipes`; leaves OUT/pacman/*.pkg.tar.*, session.txt
#
# Roots of Debian trixie stand for Arch Linux, which cannot be had by apt: so pacman's database is
# empty (-d, -dd), and Python's packages lie where Debian's Python looks. dkms and the kernel's headers
# are Debian's as well; Arch's dkms has hooks of pacman, whose calls the session makes. Fails when a
# step does; the end of its log is shown.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. "$HERE/../patches/libffi/deb/root.sh"
[ $# = 2 ] || die "usage: pacman.sh OUT VERSION"
OUT=$(cd "$1" && pwd) version=$2 suite=trixie
need_tools
work=$OUT/pacman
rm -rf "$work"
mkdir -p "$work"
cp "$OUT/ffi_static-$version.tar.gz" "$OUT/PKGBUILD" "$work/"
make_root $suite "$OUT/build-root-pacman" build-essential makepkg pacman-package-manager file libarchive-tools zstd libffi-dev python3-dev \
    python3-build python3-cffi python3-installer python3-setuptools python3-wheel python-is-python3
chown -R 1000:1000 "$work" # makepkg refuses to run as root
echo "makepkg of ffi_static $version ..."
inside "$OUT/build-root-pacman" "$work" setpriv --reuid=1000 --regid=1000 --clear-groups sh -euc '
    export HOME=/shared DEB_PYTHON_INSTALL_LAYOUT=deb
    cd /shared
    makepkg --nodeps --skipinteg --noconfirm' >"$work/build.log" 2>&1 || {
    tail -n 25 "$work/build.log" >&2
    die "makepkg failed; the end of its log is above, all of it in $work/build.log"
}
ls "$work"/*.pkg.tar.*

make_root $suite "$OUT/use-root-pacman.tar" pacman-package-manager zstd gcc libc6-dev libffi-dev pkg-config python3 \
    python3-cffi-backend python-is-python3 dkms "linux-headers-$(dpkg --print-architecture)" # Arch's Python is called python, too
rm -rf "$OUT/use-root-pacman"
mkdir "$OUT/use-root-pacman"
trap 'rm -rf "$OUT/use-root-pacman"' EXIT
tar -C "$OUT/use-root-pacman" -xf "$OUT/use-root-pacman.tar"
mkdir "$work/source"
tar -C "$work/source" --strip-components=1 -xf "$work/ffi_static-$version.tar.gz"
cp "$HERE/dkms-inside.sh" "$work/"
cat >"$work/run" <<'RUN'
set -eu
cd /shared
. ./dkms-inside.sh
version=$1 kernel=$(ls /lib/modules)
names="ffi_static ffi_static-nested python-ffi_static trampfd-dkms"
# Without folders: pacman removes those that are left empty.
everything() { find /usr /etc /var/lib/dkms -xdev -name __pycache__ -prune -o ! -type d -print | sort | of_packages; }
ln -sf /proc/self/mounts /etc/mtab # pacman looks for room there
everything >before
echo "--- pacman -U"
pacman --noconfirm -Udd ./*.pkg.tar.*
ldconfig
(
    cd source
    sh packaging/debian/tests/program $(pkg-config --cflags --libs libffi_static)
    sh packaging/debian/tests/nested $(pkg-config --libs libffi_static-nested)
    python3 packaging/debian/tests/dropin.py
)
ffi-static --version
pacman -Qkk $names
echo "--- dkms, as Arch's hooks call it after an installation, and before a removal"
dkms install -m trampfd -v "$version" -k "$kernel" >dkms.log 2>&1 || { cat dkms.log; exit 1; }
module "$version" "$kernel"
planted "$version" "$kernel"
dkms remove -m trampfd -v "$version" --all >>dkms.log 2>&1 || { cat dkms.log; exit 1; }
echo "--- pacman -R"
pacman --noconfirm -Rdd $names
everything >after
diff before after || { echo "these files came or went"; exit 1; }
echo "--- nothing is left behind"
RUN
status=0
inside "$OUT/use-root-pacman" "$work" sh /shared/run "$version" 2>&1 | tee "$work/session.txt" || status=$?
exit "$status"
