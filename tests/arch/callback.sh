#!/bin/bash
# SPDX-License-Identifier: MIT
# callback.sh - the Python extension cross-compiled for another architecture, and a Python to try it
#
#   callback.sh ISA BUILD CC...
#
# The short form of python.sh, for `make test`: a minute, no root, no namespaces. Debian's Python of
# the architecture is unpacked into BUILD/<isa>/python/root by a private apt root, and the extension
# is compiled by the cross compiler CC against its headers. qemu-user's -L finds everything else in
# that root. tests/python/test_elsewhere.py runs it.
# Fails (2) when a package cannot be had; otherwise as the compiler.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
isa=$1
out=$PWD/$2/$1/python
shift 2

SUITE=trixie
debian=$(sed -n "s/^ARCH_DEBIAN_$isa *:= *//p" "tests/arch/$isa/isa.mk")
[ -n "$debian" ] || { echo "callback.sh: Debian's $SUITE has no port to $isa" >&2; exit 2; }
PACKAGES="python3 libpython3-dev python3-cffi libffi-dev"

mkdir -p "$out"
if [ "$(cat "$out/packages" 2>/dev/null)" != "$SUITE $PACKAGES" ]; then
    echo "Unpacking Debian $SUITE's Python for $debian ..."
    sh .ci/apt-root "$out/apt" "$SUITE:$debian" deb
    rm -rf "$out/root" "$out"/apt/cache/archives/*.deb
    # shellcheck disable=SC2086 # a list of packages
    APT_CONFIG="$out/apt/apt.conf" apt-get -qq -y --no-install-recommends --download-only \
        -o Debug::NoLocking=1 install $PACKAGES >"$out/log" 2>&1 || {
        tail -n 5 "$out/log" >&2
        echo "callback.sh: apt-get could not get all of it: what it said is above" >&2
        exit 2
    }
    for package in "$out"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$out/root"; done
    rm -f "$out"/apt/cache/archives/*.deb
    [ -e "$out/root/lib" ] || ln -s usr/lib "$out/root/lib"
    echo "$SUITE $PACKAGES" >"$out/packages"
fi

rm -rf "$out/ffi_static" "$out/obj"
cp -r ffi_static "$out/ffi_static"
rm -f "$out"/ffi_static/*.so
mkdir "$out/obj"
include=$(dirname "$(ls "$out"/root/usr/include/python3.*/Python.h)")
PYTHON=${PYTHON:-.venv/bin/python}
CC="$*" $PYTHON - "$out/obj" "$include" <<'PYTHON' | xargs -P 2 -L 1 sh -c 'exec "$@"' sh
"""Write the extension's cffi file, and print a command for each of its sources."""
import contextlib
import runpy
import shlex
import sys

out, include = sys.argv[1:]
made = runpy.run_path("csrc/py/extension.py")
with contextlib.redirect_stdout(sys.stderr):  # it tells what it does
    made["ffibuilder"].emit_c_code(f"{out}/_lib.c")
_, _, _, options = made["ffibuilder"]._assigned_source
for source in [f"{out}/_lib.c", *options["sources"]]:
    command = [*made["compiler"](), "-fPIC", *options["extra_compile_args"]]
    for name, value in options["define_macros"]:
        command.append(f"-D{name}" if value is None else f"-D{name}={value}")
    arch = f"csrc/arch/{made['isa']()}"
    command += [f"-I{folder}" for folder in ("csrc", "csrc/include", arch, include)]
    # Debian's pyconfig.h is below the architecture's name there; libc's headers are the compiler's.
    command += ["-idirafter", f"{include}/.."]
    command += ["-c", source, "-o", f"{out}/{source.replace('/', '_')}.o"]
    print(shlex.join(command))
PYTHON
"$@" -shared -pthread -o "$out/ffi_static/_lib.so" "$out"/obj/*.o \
    "$(ls "$out"/root/usr/lib/*/libffi.so.8)"
