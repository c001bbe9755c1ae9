#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - the table of docs/results/sealed.md: bench/sealed/sealed.c in each state; $1 is the program
set -eu
echo "| sealed by | provider | alloc, ns | prep, ns | free, ns | call, ns |"
echo "| --- | --- | ---: | ---: | ---: | ---: |"
for harden in 0 1 keys; do
    for provider in resident text memfd trampfd; do
        if [ $provider = trampfd ] && [ ! -e /dev/trampfd ]; then continue; fi
        if [ $harden = keys ] && ! grep -q ' pku ' /proc/cpuinfo; then continue; fi
        FFI_STATIC_HARDEN=$harden FFI_STATIC_PROVIDER=$provider "$1"
    done
done
