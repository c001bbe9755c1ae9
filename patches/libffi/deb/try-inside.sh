# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# try-inside.sh - what try.sh runs in the scratch root, where /shared has our packages
set -eu -o pipefail
failed=0

version() { dpkg-query -W -f '${Version}' libffi8; }
fail() {
    echo "    FAILED: $*"
    failed=1
}

# apt_do WHAT ARGUMENTS...: quietly. On failure, print apt's output and exit
apt_do() {
    echo "--- $1"
    shift
    apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >/shared/apt.log 2>&1 || {
        tail -n 15 /shared/apt.log
        echo "apt-get $* failed"
        exit 1
    }
    echo "    libffi8 is now $(version)"
}

# run JUDGED|SHOWN COMMAND...: a failure of a JUDGED command fails the session
run() {
    local judged=$1 status=0
    shift
    "$@" >/shared/run.log 2>&1 || status=$?
    sed 's/^/    /' /shared/run.log
    [ "$status" = 0 ] || echo "    ($* ended with $status)"
    [ "$status" = 0 ] || [ "$judged" = SHOWN ] || fail "$*"
}

use() { # JUDGED|SHOWN
    run "$1" python3 /shared/use.py
    run "$1" python3 /shared/use.py --mdwe
}

# libffi-dev: a program linked with the shared library, and one with the static library.
develop() {
    local link
    for link in "-lffi" "-static -lffi"; do
        # shellcheck disable=SC2086 # several words
        run JUDGED gcc -O2 -Wall -o /shared/dev /shared/dev.c $link
        run JUDGED /shared/dev "gcc $link"
    done
}

verify() { # every file as it was packed
    run JUDGED dpkg -V libffi8 libffi-dev
    echo "    dpkg -V libffi8 libffi-dev: $([ -s /shared/run.log ] && echo differs || echo as packed)"
    [ ! -s /shared/run.log ] || fail "dpkg -V"
}

stock=$(version)
echo "--- stock: libffi8 $stock, $(python3 --version), Debian $(cat /etc/debian_version)"
use SHOWN
apt_do "apt-get update" update
apt_do "upgrade to ours" install --no-install-recommends /shared/*.deb
ours=$(version)
dpkg --compare-versions "$ours" gt "$stock" || fail "$ours is not newer than $stock"
use JUDGED
develop
verify
apt_do "downgrade to stock" install --allow-downgrades "libffi8=$stock" "libffi-dev=$stock"
[ "$(version)" = "$stock" ] || fail "the version is $(version)"
run JUDGED python3 -c 'import ctypes
print("ctypes on stock again:", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)(-3))'
apt_do "upgrade again" install --no-install-recommends /shared/*.deb
[ "$(version)" = "$ours" ] || fail "the version is $(version)"
use JUDGED
verify
apt-get -s -q upgrade >/shared/run.log 2>&1 || true
! grep -q '^Inst libffi' /shared/run.log || fail "apt would replace ours by itself"
[ "$failed" = 0 ] && echo "--- all of it as it should be"
exit "$failed"
