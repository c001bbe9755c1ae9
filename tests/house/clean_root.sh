#!/bin/bash
# SPDX-License-Identifier: MIT
# clean_root.sh - targets of the Makefile, in a Debian that has nothing but `make` and `git`
#
# The claim of the README is that a newcomer types `make test` and `make bench` on a fresh machine
# and nothing else. So: unpack a minimal root, put a clone of the *committed* tree into it, and run
# each target there, in mount and pid namespaces of its own, with no file of this checkout in reach.
# Mirror and proxies are what this machine is configured with, read at run time. Needs root and a
# Debian-like host; both commands take about as long as elsewhere plus five minutes.
#
#   tests/house/clean_root.sh [--user] [TARGET | 'TARGET ARGUMENT ...'] ...      default: test bench
#
# --user: as a user who may not install anything, each target in a clean checkout, the next one after
# a failure as well. SUITE= chooses Debian's suite, WHERE= the folder (build/clean-root), which keeps
# log.txt. AFTER=setup begins in a copy of a root in which `make setup` has ended, which is made when
# setup's files change: for targets that begin with setup. Its seconds and packages are counted in.
# Exit status: the last target's, 2 when there is no root.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh
top=$PWD/${WHERE:-build/clean-root}
root=$top/root
owner=0
if [ "${1:-}" = --user ]; then
    owner=1000
    shift
fi
[ $# -gt 0 ] || set -- test bench

[ "$(id -u)" = 0 ] || die "a root is unpacked and entered by root only: sudo make test-clean-root"
sh .ci/need "make test-clean-root" <<'LIST'
mmdebstrap|mmdebstrap|unpacks the root
unshare|util-linux|namespaces that end with the command
LIST
mkdir -p "$top" build/clean-root
rm -f "$top/log.txt" # or the last run's would be read for one that could not begin
suite=${SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")}
base=$PWD/build/clean-root/base-$suite.tar
make_root "$suite" "$base" make git ca-certificates
packages() { chroot "$root" dpkg-query -W -f '${Package}\n' | wc -l; }

# What setup is made of, and a root in which it ended; beside it its seconds and packages.
after_seconds=0 after_packages=0
if [ -n "${AFTER:-}" ]; then
    after=$PWD/build/clean-root/$suite-after-$AFTER
    key=$(git rev-parse HEAD:Makefile HEAD:.ci HEAD:requirements | tr '\n' ' ')
    if [ "$(sed -n 1p "$after.told" 2>/dev/null)" != "$key" ]; then
        rm -rf "$after" "$after.told"
        env AFTER= SUITE="$suite" WHERE="build/clean-root/$suite-after" bash tests/house/clean_root.sh "$AFTER"
        mv "$PWD/build/clean-root/$suite-after/root" "$after"
        {
            echo "$key"
            sed -n 's/.* ended with 0 after \([0-9]*\) s, \([0-9]*\) packages more$/\1 \2/p' \
                "$PWD/build/clean-root/$suite-after/log.txt"
        } >"$after.told"
    fi
    read -r after_seconds after_packages < <(sed -n 2p "$after.told")
fi

rm -rf "$root"
if [ -n "${AFTER:-}" ]; then
    cp -a "$after" "$root"
    git -c safe.directory='*' -C "$root/src/ffi_static" fetch -q "$PWD" HEAD
    git -c safe.directory='*' -C "$root/src/ffi_static" checkout -q --detach FETCH_HEAD
else
    mkdir -p "$root"
    tar -C "$root" -xf "$base"
fi

# What a machine's administrator sets up: name resolution, certificates, where apt and pip go.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ -e "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
for file in /etc/apt/apt.conf.d/*; do
    if grep -qE '^Acquire' "$file"; then cp -L "$file" "$root/etc/apt/apt.conf.d/"; fi
done
rm -f "$root"/etc/apt/sources.list.d/*
echo "deb $(mirror) $suite main" >"$root/etc/apt/sources.list"
if [ -z "${AFTER:-}" ]; then
    chroot "$root" useradd --uid 1000 somebody
    git clone -q --no-hardlinks . "$root/src/ffi_static"
fi
chown -R "$owner:$owner" "$root/src"
commit=$(git rev-parse --short HEAD)

pass=(LANG=C.UTF-8 HOME=/src PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CI=true)
while IFS='=' read -r name value; do
    case $name in PIP_FIND_LINKS) ;; PIP_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY)
        pass+=("$name=$value") ;;
    esac
done < <(env)

# shellcheck disable=SC2016 # expanded inside
enter='
mount --bind "$1" "$1" # so that the root is a mount point, as on a machine or in a container
mount -t proc proc "$1/proc"
mkdir -p "$1/dev/shm" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
mkdir -p "$1/dev/pts" && mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$1/dev/pts"
ln -sf pts/ptmx "$1/dev/ptmx" # dejagnu runs each compiler in a terminal
owner=$2
cd "$1" && mkdir -p .old && shift 2
pivot_root . .old # not only chroot: paths in /proc/self/maps are then those of the new root
exec chroot . /bin/sh -c "umount -l /.old && rmdir /.old && exec setpriv --reuid=$owner \
    --regid=$owner --clear-groups env -i \"\$@\"" sh "$@"'
status=0
{
    echo "clean_root: commit $commit in a minimal $suite${AFTER:+ after make $AFTER}, $(date -u +%FT%TZ)"
    for target in "$@"; do
        echo "clean_root: make $target"
        started=$SECONDS
        before=$(packages)
        # shellcheck disable=SC2086 # a target and its arguments
        unshare --mount --pid --fork --kill-child bash -c "$enter" clean_root "$root" "$owner" "${pass[@]}" \
            make -C /src/ffi_static $target </dev/null 2>&1 || status=$?
        echo "clean_root: make $target ended with $status after $((SECONDS - started + after_seconds)) s," \
            "$(($(packages) - before + after_packages)) packages more"
        [ "$status" = 0 ] || [ "$owner" != 0 ] || break
        [ "$owner" = 0 ] || git -c safe.directory='*' -C "$root/src/ffi_static" clean -qfdx
        status=0
    done
} | tee "$top/log.txt"
exit "$(sed -n 's/.* ended with \([0-9]*\) after .*/\1/p' "$top/log.txt" | tail -n 1)"
