# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# root.sh - a scratch Debian of one suite: made by mmdebstrap, entered in namespaces of its own
#
# The scripts beside it source this file. A package is built and used in its own suite, whatever
# this machine runs, so everything happens in a root of that suite, below build/. The mirror is the
# one that this machine's apt uses (.ci/mirror finds it at run time). Mounts live in a mount
# namespace that ends with the command, so none is left behind. Fails when not run as root, when a
# tool is missing and cannot be installed, or when the mirror does not answer.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

need_tools() { # what is needed is checked; root gets the missing ones installed
    [ "$(id -u)" = 0 ] || die "chroot and mounts need root: run it as root (sudo make deb)"
    sh "$(dirname "${BASH_SOURCE[0]}")/../../../.ci/need" "make deb" <<'LIST'
mmdebstrap|mmdebstrap|makes the scratch root
dpkg-source|dpkg-dev|unpacks and makes source packages
xz|xz-utils|Debian's tarballs
patch|patch|changes the packaging
unshare|util-linux|mounts that end with the command
LIST
}

mirror() { # the Debian mirror that apt here is configured with
    sh "$(dirname "${BASH_SOURCE[0]}")/../../../.ci/mirror" || die "no mirror"
}

# make_root SUITE TARGET PACKAGE...: a minimal root with these packages, unless TARGET is there.
# TARGET ending in .tar is an archive, else a folder. The list of packages is kept beside it.
make_root() {
    local suite=$1 target=$2
    shift 2
    [ ! -e "$target" ] || [ "$(cat "$target.packages" 2>/dev/null)" != "$*" ] || return 0
    echo "Making a root of Debian $suite: ${target##*/} ($# packages named) ..."
    local kind=.new
    case $target in *.tar) kind=.new.tar ;; esac
    rm -rf "$target" "$target$kind"
    nice -n 10 mmdebstrap --variant=minbase --include="$(printf '%s,' "$@" | sed 's/,$//')" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        "$suite" "$target$kind" "deb $(mirror) $suite main" >"$target.log" 2>&1 || {
        tail -n 5 "$target.log" >&2
        rm -rf "$target$kind"
        die "mmdebstrap of $suite failed: the end of what it said is above, the rest in $target.log"
    }
    mv "$target$kind" "$target"
    echo "$*" >"$target.packages"
}

# inside ROOT SHARED COMMAND...: run it in ROOT, with the folder SHARED as /shared, own /proc.
# pivot_root, because after a mere chroot /proc/self/maps would show paths outside of the root.
inside() {
    local root=$1 shared=$2
    shift 2
    mkdir -p "$root/shared"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --pid --fork --kill-child bash -eu -c '
        mount --bind "$1" "$1"
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        mount --bind "$2" "$1/shared"
        cd "$1"
        mkdir -p .old
        shift 2
        pivot_root . .old
        exec chroot . /bin/sh -c "umount -l /.old && rmdir /.old && exec \"\$@\"" sh "$@"
    ' inside "$root" "$shared" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@" </dev/null
}
