#!/bin/bash
# SPDX-License-Identifier: MIT
# clean_root.sh - both commands, in a Debian that has nothing but `make` and `git`
#
# The claim of the README is that a newcomer types `make test` and `make bench` on a fresh machine
# and nothing else. So: debootstrap a minimal root, put a clone of the *committed* tree into it, and
# run both there, in their own mount and pid namespaces, with no file of this checkout in reach.
# Mirror and proxies are what this machine is configured with, read at run time. Needs root,
# debootstrap and a Debian-like host; takes about as long as both commands plus five minutes.
#
#   tests/house/clean_root.sh [TARGET ...]        default: test bench. The log: build/clean-root/log.txt
set -eu -o pipefail
cd "$(dirname "$0")/../.."
top=$PWD/build/clean-root
root=$top/root
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(test bench)

die() { echo "clean_root: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "debootstrap and chroot need root: sudo make test-clean-root"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
mkdir -p "$top"

suite=${SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")}
mirror=$(sh .ci/mirror) || die "debootstrap of $suite needs a mirror"

if [ ! -s "$top/base-$suite.tar" ]; then
    echo "clean_root: debootstrap of a minimal $suite ..."
    rm -rf "$root"
    debootstrap --variant=minbase --include=make,git,ca-certificates "$suite" "$root" "$mirror" \
        >"$top/debootstrap.log" 2>&1 || { tail -n 5 "$top/debootstrap.log" >&2; die "debootstrap"; }
    tar -C "$root" -cf "$top/base-$suite.tar.new" .
    mv "$top/base-$suite.tar.new" "$top/base-$suite.tar"
fi
rm -rf "$root" && mkdir -p "$root"
tar -C "$root" -xf "$top/base-$suite.tar"

# What a machine's administrator sets up: name resolution, certificates, where apt and pip go.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ -e "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
for file in /etc/apt/apt.conf.d/*; do
    grep -qE '^Acquire' "$file" && cp -L "$file" "$root/etc/apt/apt.conf.d/"
done
rm -f "$root"/etc/apt/sources.list.d/*
echo "deb $mirror $suite main" >"$root/etc/apt/sources.list"

git clone -q --no-hardlinks . "$root/src/ffi_static"
commit=$(git rev-parse --short HEAD)

pass=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CI=true)
while IFS='=' read -r name value; do
    case $name in PIP_FIND_LINKS) ;; PIP_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY)
        pass+=("$name=$value") ;;
    esac
done < <(env)

# shellcheck disable=SC2016 # expanded inside
inside='
mount --bind "$1" "$1" # so that the root is a mount point, as on a machine or in a container
mount -t proc proc "$1/proc"
mkdir -p "$1/dev/shm" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
cd "$1" && mkdir -p .old && shift
pivot_root . .old # not only chroot: paths in /proc/self/maps are then those of the new root
exec chroot . /bin/sh -c "umount -l /.old && rmdir /.old && exec env -i \"\$@\"" sh "$@"'
status=0
{
    echo "clean_root: commit $commit in a minimal $suite, $(date -u +%FT%TZ)"
    for target in "${targets[@]}"; do
        echo "clean_root: make $target"
        started=$SECONDS
        unshare --mount --pid --fork bash -c "$inside" clean_root "$root" "${pass[@]}" \
            make -C /src/ffi_static "$target" </dev/null 2>&1 || status=$?
        echo "clean_root: make $target ended with $status after $((SECONDS - started)) s"
        [ "$status" = 0 ] || break
    done
} | tee "$top/log.txt"
exit "$(awk '/ended with/ { s = $6 } END { print s + 0 }' "$top/log.txt")"
