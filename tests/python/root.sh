#!/bin/bash
# SPDX-License-Identifier: MIT
# root.sh - a command with a CPython that only Debian's unstable has
#
#   tests/python/root.sh VERSION COMMAND [ARGUMENT ...]      VERSION: 3.14
#
# A scratch root of that suite is made once, below build/py, with the CPythons named in PACKAGES. The
# command runs in it, in this checkout (as /shared), with an environment of its own in PATH. Where pip
# finds packages is what this machine is configured with, read at run time.
# Fails: 2 when not root, or when the root cannot be made; otherwise as the command does.
set -eu
cd "$(dirname "$0")/../.."
version=$1
shift
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

SUITE=sid
PACKAGES="python3.14-venv python3.14-dev python3.15-venv python3.15-dev gcc g++ libc6-dev libffi-dev
    make git ca-certificates binutils pkg-config gdb libsqlite3-0 libexpat1 procps"
root=$PWD/build/py/$SUITE

[ "$(id -u)" = 0 ] || die "a scratch Debian is made and entered by root only (sudo make test-py-all)"
sh .ci/need "make test-py-all" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch root with the newest CPythons
unshare|util-linux|mounts that end with the command
LIST
mkdir -p "${root%/*}"
# shellcheck disable=SC2086 # a list of packages
make_root "$SUITE" "$root" $PACKAGES
[ -x "$root/usr/bin/python$version" ] || die "Debian $SUITE has no CPython $version (any more?)"

for file in /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp -L "$file" "$root$file"
done
pass=()
while IFS='=' read -r name value; do
    case $name in
    PIP_FIND_LINKS | PIP_CONFIG_FILE) ;; # folders of this machine
    PIP_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY)
        pass+=("$name=$value") ;;
    esac
done < <(env)

# shellcheck disable=SC2016 # expanded inside
inside "$root" "$PWD" env "${pass[@]}" sh -euc '
    cd /shared
    venv=build/py/root-$1
    [ -x "$venv/bin/python" ] || "python$1" -m venv "$venv"
    shift
    export PATH="$PWD/$venv/bin:$PATH"
    exec "$@"
' sh "$version" "$@"
