#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# together.sh - eight programs with callbacks at the same time, for the witness to look at
python="/usr/bin/python3 -B /verified/callbacks.py"
patched="env LD_LIBRARY_PATH=/verified/patched"
installed="env FFI_STATIC_INSTALL=require"
running=
start() {
    "$@" >/dev/null &
    running="$running $!"
}
start $python api
start $installed $python ctypes
start $installed $python cffi
start $patched $python ctypes
start $patched /verified/closures-libffi
start /verified/nested
start env FFI_STATIC_PROVIDER=text /verified/closures
start env FFI_STATIC_PROVIDER=trampfd /verified/closures
right=0
for pid in $running; do
    ! wait "$pid" || right=$((right + 1))
done
echo "$right of 8 programs right"
[ $right = 8 ]
