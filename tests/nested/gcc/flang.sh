#!/bin/sh
# SPDX-License-Identifier: MIT
# flang.sh - contained.f90 and many.f90 with flang's pool of trampolines, and with ours linked before it
#
#   flang.sh BUILD        in a root with flang (root.sh), which has this checkout at /shared
#
# Prints a line for each way. Fails when ours does, and when flang's own no longer does what
# docs/use/nested.md says: end by a fault under PR_SET_MDWE, and with more than 1,024 pointers.
set -eu
cd /shared
here=tests/nested/gcc
lib=/shared/$1/lib/flang/lib
mkdir -p "$1/lib/flang"
touch "$1/lib/flang/.compiler"
make -s nested BUILD="$1/lib/flang"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

expect() { # fail|pass, name, command...
    wanted=$1 name=$2
    shift 2
    if "$@" >"$work/out" 2>&1 && [ "$(cat "$work/out")" = right ]; then seen=pass; else seen=fail; fi
    echo "$seen  $name"
    [ "$seen" = "$wanted" ] || { echo "      WRONG: $(tail -n 3 "$work/out")"; bad=1; }
}
mdwe="python3 -I tests/support/policies.py mdwe"

for program in contained many; do
    for level in -O0 -O2; do
        set -- flang-23 $level -fsafe-trampoline "-J$work" "$here/$program.f90"
        "$@" -o "$work/theirs"
        "$@" -o "$work/archive" "-L$lib" -l:libffi_static-nested.a
        "$@" -o "$work/shared" "-L$lib" -l:libffi_static-nested.so.0 "-Wl,-rpath,$lib"
        [ $program = many ] && enough=fail || enough=pass
        expect $enough "$program $level flang's pool" "$work/theirs"
        expect fail "$program $level flang's pool, MDWE" $mdwe "$work/theirs"
        for how in archive shared; do
            expect pass "$program $level ours, $how" "$work/$how"
            expect pass "$program $level ours, $how, MDWE" $mdwe "$work/$how"
        done
    done
done
exit $bad
