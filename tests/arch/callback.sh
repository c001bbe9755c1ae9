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

debian=$(sed -n "s/^ARCH_DEBIAN_$isa *:= *//p" "tests/arch/$isa/isa.mk")
suite=$(sed -n "s/^ARCH_SUITE_$isa *:= *//p" "tests/arch/$isa/isa.mk")
[ -n "$debian" ] || { echo "callback.sh: Debian has no port to $isa" >&2; exit 2; }
PACKAGES="python3 libpython3-dev python3-cffi libffi-dev"

# unpack SUITE: its Python into $out/root. A mirror may lack some architecture's files of a suite.
unpack() {
    echo "Unpacking Debian $1's Python for $debian ..."
    sh .ci/apt-root "$out/apt" "$1:$debian" deb || return
    rm -rf "$out/root" "$out"/apt/cache/archives/*.deb
    # shellcheck disable=SC2086 # a list of packages
    APT_CONFIG="$out/apt/apt.conf" apt-get -qq -y --no-install-recommends --download-only \
        -o Debug::NoLocking=1 install $PACKAGES >"$out/log" 2>&1 || { tail -n 5 "$out/log" >&2; return 1; }
    for package in "$out"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$out/root"; done
    rm -f "$out"/apt/cache/archives/*.deb
    [ -e "$out/root/lib" ] || ln -s usr/lib "$out/root/lib"
    # A loader that is a link names the root of the file system it was packed for.
    for link in "$out"/root/lib*/ld*.so*; do
        case $(readlink "$link") in /*) ln -sf "..$(readlink "$link")" "$link" ;; esac
    done
}

mkdir -p "$out"
if [ "$(cat "$out/packages" 2>/dev/null)" != "$PACKAGES" ]; then
    unpack "${suite:-trixie}" || unpack bookworm || {
        echo "callback.sh: apt-get could not get all of it: what it said is above" >&2
        exit 2
    }
    echo "$PACKAGES" >"$out/packages"
fi

rm -rf "$out/ffi_static" "$out/obj"
cp -r ffi_static "$out/ffi_static"
rm -f "$out"/ffi_static/*.so
mkdir -p "$out/obj" "$out/ffi"
cp "$out"/root/usr/include/*/ffi*.h "$out/ffi" # of the libffi that it runs with
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
    command += [f"-I{folder}" for folder in (f"{out}/../ffi", "csrc", "csrc/include", arch, include)]
    # Debian's pyconfig.h is below the architecture's name there; libc's headers are the compiler's.
    command += ["-idirafter", f"{include}/.."]
    command += ["-c", source, "-o", f"{out}/{source.replace('/', '_')}.o"]
    print(shlex.join(command))
PYTHON
"$@" -shared -pthread -o "$out/ffi_static/_lib.so" "$out"/obj/*.o \
    "$(ls "$out"/root/usr/lib/*/libffi.so.8)"
