#!/bin/bash
# SPDX-License-Identifier: MIT
# try.sh - installs the packages in a fresh root of their suite, and uses them there
#
#   try.sh LIBFFI OUT         after build.sh; the session is kept in OUT/session.txt
#
# A minimal root with the suite's own python3, which knows nothing of us. apt upgrades libffi8 to
# ours; ctypes makes callbacks by the thousand (tests/libffi/packages/use.py), with and without
# PR_SET_MDWE; `dpkg -V` finds every file as packed; apt downgrades to stock and upgrades again.
# The same runs with stock are shown and not judged. Fails when anything fails with our packages.
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TESTS=$HERE/../../../tests/libffi/packages
. "$HERE/root.sh"
[ $# = 2 ] || die "usage: try.sh LIBFFI OUT"
suite=$(basename "$(cd "$1" && pwd)")
OUT=$(cd "$2" && pwd)
need_tools
set -- "$OUT"/static/libffi8_*.deb
[ -f "$1" ] || die "no packages in $OUT/static: build them first (make deb SUITE=$suite)"

make_root "$suite" "$OUT/use-root.tar" python3 ca-certificates libffi-dev gcc libc6-dev
rm -rf "$OUT/use-root" "$OUT/use"
mkdir "$OUT/use-root" "$OUT/use"
trap 'rm -rf "$OUT/use-root"' EXIT
tar -C "$OUT/use-root" -xf "$OUT/use-root.tar"
# The root's apt gets this machine's settings (a proxy, an archive's dates).
for file in /etc/apt/apt.conf.d/*; do
    ! grep -qE '^Acquire' "$file" || cp -L "$file" "$OUT/use-root/etc/apt/apt.conf.d/"
done
cp "$OUT"/static/libffi8_*.deb "$OUT"/static/libffi-dev_*.deb "$TESTS/use.py" "$TESTS/dev.c" "$OUT/use/"
cp "$HERE/try-inside.sh" "$OUT/use/run"
status=0
inside "$OUT/use-root" "$OUT/use" bash /shared/run 2>&1 | tee "$OUT/session.txt" || status=$?
exit "$status"
