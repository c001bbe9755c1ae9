# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# deb-inside.sh - what deb.sh runs in the scratch root, where /shared has the packages; $1: the version
set -eu -o pipefail
cd /shared
# shellcheck source=packaging/dkms-inside.sh disable=SC1091
. ./dkms-inside.sh
NAMES="libffi-static0 libffi-static-nested0 libffi-static-dev python3-ffi-static trampfd-dkms"

quietly() { # WHAT COMMAND...: on failure the end of what it said
    echo "--- $1"
    shift
    "$@" >/shared/step.log 2>&1 || {
        tail -n 25 /shared/step.log
        echo "$* failed"
        exit 1
    }
}
packages() { for name in $NAMES; do ls "${name}_$version-$1"_*.deb; done | sed 's|^|./|'; }
install() { # shellcheck disable=SC2046 # names of files
    quietly "apt-get install, revision $1" apt-get -q -y --no-install-recommends install $(packages "$1")
}
everything() { find / -xdev \( -path /shared -o -path /proc -o -path /tmp -o -path /var/cache -o -path /var/log \
    -o -path /var/lib/apt -o -path /var/lib/dpkg -o -name __pycache__ \) -prune -o -print | sort | of_packages; }
# unit LINE...: a service with MemoryDenyWriteExecute=, run by systemd as the first process of namespaces
# and a control group of its own. What it prints is shown; its end is that of the service.
unit() {
    printf '%s\n' '[Unit]' DefaultDependencies=no SuccessAction=exit-force FailureAction=exit-force \
        '[Service]' Type=oneshot MemoryDenyWriteExecute=yes StandardOutput=file:/shared/unit.log \
        StandardError=file:/shared/unit.log "$@" >/etc/systemd/system/one.service
    local status=0
    rm -f unit.log
    mkdir -p /mnt/cgroup
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount sh -uc '
        mount -t cgroup2 cgroup2 /mnt/cgroup || exit 2
        own=/mnt/cgroup/ffi-static-unit
        mkdir -p $own
        (
            sh -c "echo \$PPID" >$own/cgroup.procs
            exec timeout -s KILL 300 unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup sh -euc "
                mount -t proc proc /proc
                mount -t sysfs -o ro sysfs /sys
                mount -t cgroup2 cgroup2 /sys/fs/cgroup
                mount -t tmpfs tmpfs /run
                mount -t tmpfs tmpfs /dev
                mknod -m 666 /dev/null c 1 3
                mknod -m 666 /dev/urandom c 1 9
                exec env -i container=scratch PATH=/usr/bin:/bin /lib/systemd/systemd --unit=one.service \
                    --log-target=null --show-status=no"
        )
        status=$?
        sleep 1
        find $own -depth -type d -exec rmdir {} \;
        exit $status' || status=$?
    sed 's/^/    /' unit.log
    rm /etc/systemd/system/one.service
    rmdir /mnt/cgroup
    return "$status"
}
use() {
    (cd source && sh debian/tests/program $(pkg-config --cflags --libs libffi_static))
    (cd source && sh debian/tests/nested $(pkg-config --libs libffi_static-nested))
    python3 source/debian/tests/dropin.py
    ffi-static --version
    # shellcheck disable=SC2086 # names
    dpkg -V $NAMES
}

version=$1 kernel=$(ls /lib/modules)
echo "--- Debian $(cat /etc/debian_version), $(python3 --version), gcc $(gcc -dumpversion)"
quietly "apt-get update" apt-get -q update
everything >before
install 1
mkdir source
tar -C source --strip-components=1 -xf "ffi-static_$version.orig.tar.gz"
tar -C source -xf "ffi-static_$version-1.debian.tar.xz"
use
echo "--- a unit of systemd with MemoryDenyWriteExecute=yes"
unit Environment=FFI_STATIC_INSTALL=require "ExecStart=/usr/bin/python3 /shared/source/debian/tests/dropin.py"
! unit "ExecStart=/usr/bin/python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'" # so it is in force
quietly "CMake finds it" sh -c 'cmake -S closures -B /tmp/b && cmake --build /tmp/b && /tmp/b/sort && /tmp/b/lambda'
quietly "autopkgtest" autopkgtest --no-built-binaries --apt-upgrade "ffi-static_$version-1.dsc" -- null
grep -aE ' (PASS|FAIL|SKIP)' step.log | sort -u
install 2
use
echo "--- dkms"
module "$version" "$kernel"
planted "$version" "$kernel"
# shellcheck disable=SC2086 # names
quietly "apt-get remove" apt-get -q -y remove $NAMES
! python3 -c 'import ffi_static' 2>/dev/null
python3 -c 'import ctypes; print("ctypes alone:", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)(-3))'
# shellcheck disable=SC2086 # names
quietly "dpkg --purge" dpkg --purge $NAMES
everything >after
diff before after >left || { cat left; echo "these files came or went"; exit 1; }
echo "--- nothing is left behind"
