#!/bin/bash
# SPDX-License-Identifier: MIT
# musl.sh - a command with a CPython whose C library is musl, as on Alpine
#
#   tests/python/musl.sh COMMAND [ARGUMENT ...]
#
# Nobody packages such a CPython for Debian. It is made once, below build/py/musl, from Debian's
# source packages by Debian's musl-gcc: CPython, and the zlib and libffi that pip and ctypes need.
# The command runs in this checkout, with that CPython in PATH, and musl-gcc as CC. OpenSSL is left
# out, so its pip reaches no index: the tests' packages are fetched by the Python in .venv.
# Fails: 2 when that CPython cannot be made; otherwise as the command does.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
SUITE=trixie VERSION=3.13
out=$PWD/build/py/musl
to=$out/prefix

die() {
    printf 'musl.sh: %s\n' "$*" >&2
    exit 2
}

run() { # LOG COMMAND...
    local log=$out/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "'$*' failed: the end of its log is above, all of it in $log"
    }
}

source_of() { # NAME: its upstream's source, unpacked in $out/NAME
    mkdir "$out/$1"
    (cd "$out" && run "$1-source" apt-get source -q --download-only --tar-only "$1")
    tar -xf "$out/$1"_*.orig.tar.?z -C "$out/$1" --strip-components=1
    if [ "$1" = libffi ]; then (cd "$out/$1" && NOCONFIGURE=1 run "$1-autogen" ./autogen.sh); fi
}

make_python() {
    rm -rf "$out"
    mkdir -p "$out/linux" "$to"
    sh .ci/need "a CPython with musl" <<'LIST'
musl-gcc|musl-tools|compiles against musl
make|make|runs CPython's recipes
autoreconf|autoconf|makes libffi's configure
libtoolize|libtool|makes libffi's configure
LIST
    # Linux's headers, which a musl system has from a package of its own.
    for kind in linux asm-generic; do ln -s /usr/include/$kind "$out/linux/$kind"; done
    ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$out/linux/asm"
    echo "Building CPython $VERSION of Debian $SUITE with musl-gcc (once, some minutes) ..."
    sh .ci/apt-root "$out/apt" "$SUITE" deb-src
    export APT_CONFIG=$out/apt/apt.conf
    for name in zlib libffi "python$VERSION"; do source_of "$name"; done
    unset APT_CONFIG
    (
        cd "$out/zlib"
        CC=musl-gcc CFLAGS="-O2 -fPIC" run zlib ./configure --static --prefix="$to"
        run zlib make -j2 install
        cd "$out/libffi"
        run libffi ./configure CC=musl-gcc CXX=false CFLAGS="-O2 -fPIC" --prefix="$to" \
            --disable-static --disable-docs --disable-multi-os-directory --disable-exec-static-tramp
        run libffi make -j2 install
        cd "$out/python$VERSION"
        # gcc below musl-gcc calls this machine by its other name. A musl system has libffi where
        # its compiler looks.
        triple=$(gcc -print-multiarch | sed 's/-gnu/-musl/')
        printf '#!/bin/sh\n[ "$1" != --print-multiarch ] || exec echo %s\nexec musl-gcc "$@" -idirafter %s -idirafter %s -L%s -Wl,-rpath,%s\n' \
            "$triple" "$out/linux" "$to/include" "$to/lib" "$to/lib" >"$out/cc"
        chmod +x "$out/cc"
        run python ./configure CC="$out/cc" CXX=false \
            --prefix="$to" --disable-test-modules --with-ensurepip=install \
            PKG_CONFIG_LIBDIR="$to/lib/pkgconfig"
        run python make -j2 install
    )
    rm -rf "$out/zlib" "$out/libffi" "$out/python$VERSION" "$out"/*.tar.*
    "$to/bin/python$VERSION" -c 'import ctypes, zlib' || die "CPython lacks ctypes or zlib"
    run packages .venv/bin/python -m pip --disable-pip-version-check install -r requirements/any.txt \
        --platform "musllinux_1_2_$(uname -m)" --python-version "$VERSION" --only-binary=:all: \
        --target "$to/lib/python$VERSION/site-packages"
    ln -s "python$VERSION" "$to/bin/python"
}

[ -x "$to/bin/python" ] || make_python
export PATH="$to/bin:$PATH" CC="$out/cc"
exec "$@"
