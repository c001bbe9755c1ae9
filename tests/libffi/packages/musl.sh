#!/bin/bash
# SPDX-License-Identifier: MIT
# musl.sh - stock and patched libffi by musl-gcc: upstream's closure tests, and dev.c
#
#   musl.sh LIBFFI OUT      LIBFFI: what patches/libffi/source.sh left (source/, version)
#
# musl is the C library of Alpine and Void; Debian's musl-gcc compiles against it, and its loader
# runs the programs here. What must hold: the patched library runs the same tests as stock and fails
# none that stock passes (musl-gcc compiles no C++, so upstream's two C++ tests fail for both); so
# too under PR_SET_MDWE; and dev.c, dynamic and static, gets closures without executable memory
# that is writable or shared. All of csrc that libffi does not take compiles too, without a warning,
# and its C tests pass.
# Fails when: musl-gcc or dejagnu are missing and cannot be installed (2), or anything differs (1).
set -eu -o pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../../.." && pwd)

die() {
    printf 'musl.sh: %s\n' "$*" >&2
    exit 2
}

[ $# = 2 ] || die "usage: musl.sh LIBFFI OUT"
LIBFFI=$(cd "$1" && pwd)
rm -rf "$2"
mkdir -p "$2"
OUT=$(cd "$2" && pwd)
version=$(cat "$LIBFFI/version")
echo "musl-gcc|musl-tools|compiles against musl" | sh "$TOP/.ci/need" "make test-musl"
sh "$TOP/patches/libffi/packages.sh"
# Linux's headers, which a musl system has from a package of its own, apart from glibc's. libffi is
# built without them, as in a root that has no such package; the provider trampfd is then left out.
mkdir "$OUT/linux"
for kind in linux asm-generic; do ln -s /usr/include/$kind "$OUT/linux/$kind"; done
ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$OUT/linux/asm"
gcc -std=gnu11 -O2 -o "$OUT/deny" "$TOP/tests/libffi/deny.c"

run() { # LOG COMMAND...
    local log=$OUT/$1.log
    shift
    nice -n 10 "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        die "'$*' failed: the end of its log is above, all of it in $log"
    }
}

# results NAME COMMAND...: the closure tests; one line each into NAME.results
results() {
    local name=$1
    shift
    (cd "$OUT/${name%%.*}/b" && nice -n 10 "$@" make check RUNTESTFLAGS=closure.exp) \
        >"$OUT/$name.check" 2>&1 </dev/null || true # its status is that of the C++ tests
    grep -E '^(PASS|FAIL|XFAIL|XPASS|UNRESOLVED|UNSUPPORTED|UNTESTED|ERROR): ' \
        "$OUT/${name%%.*}/b/testsuite/libffi.log" | sort >"$OUT/$name.results"
    [ "$(grep -c ^PASS "$OUT/$name.results")" -gt 300 ] ||
        die "$name: hardly a test passed, so nothing was tested: see $OUT/$name.check"
    printf '    %-14s %s pass, %s do not (in C++: %s)\n' "$name" \
        "$(grep -c ^PASS "$OUT/$name.results")" "$(grep -vc ^PASS "$OUT/$name.results")" \
        "$(grep -v ^PASS "$OUT/$name.results" | grep -c '\.cc ')"
}

for with in stock static; do
    echo "Building libffi $version with musl-gcc, $with ..."
    cp -r "$LIBFFI/source" "$OUT/$with"
    cd "$OUT/$with"
    if [ $with = static ]; then
        export QUILT_PATCHES=$TOP/patches/libffi QUILT_PC=.pc-ffi-static \
            QUILT_SERIES=$TOP/patches/libffi/series.$version
        run $with.quilt quilt --quiltrc - push -a --fuzz=0
    fi
    run $with.autoreconf autoreconf -fi
    mkdir b
    cd b
    run $with.configure ../configure CC=musl-gcc CXX=false --prefix="$OUT/$with/to" \
        --without-gcc-arch --disable-multi-os-directory --disable-dependency-tracking \
        --disable-exec-static-tramp
    run $with.make make -j2
    run $with.install make install
    readelf -dW "$OUT/$with/to/lib/libffi.so.8" | grep -q 'NEEDED.*\[libc\.so\]' ||
        die "$with: libffi.so.8 is not linked with musl"
    results $with
done
"$OUT/deny" mdwe -- true || die "this system has no PR_SET_MDWE (Linux 6.3 and later)"
results static.mdwe "$OUT/deny" mdwe --
results stock.mdwe "$OUT/deny" mdwe -- # what stock does, to look at

bad=0
for name in static static.mdwe; do
    new=$(comm -13 <(grep -v ^PASS "$OUT/stock.results") <(grep -v ^PASS "$OUT/$name.results"))
    tests() { sed 's/^[A-Z]*: //' "$1" | sort; }
    lost=$(comm -23 <(tests "$OUT/stock.results") <(tests "$OUT/$name.results"))
    [ -z "$new$lost" ] || {
        bad=1
        printf '    %s fails, stock does not:\n%s\n    %s does not run:\n%s\n' "$name" "$new" "$name" "$lost"
    }
done

to=$OUT/static/to
run dev musl-gcc -O2 -Wall -I"$to/include" -o "$OUT/dev" "$HERE/dev.c" -L"$to/lib" -lffi \
    "-Wl,-rpath,$to/lib"
run dev-static musl-gcc -static -O2 -Wall -I"$to/include" -o "$OUT/dev-static" "$HERE/dev.c" \
    -L"$to/lib" -lffi
for program in dev dev-static; do
    "$OUT/$program" "    $program" || bad=1
    "$OUT/deny" mdwe -- "$OUT/$program" "    $program under PR_SET_MDWE" || bad=1
done

# The whole library, with the room that libffi does not take: its own functions.
# shellcheck disable=SC2016 # make's variable: the files that the library is made of
sources=$(make -s -C "$TOP" --no-print-directory --eval='sources: ; @echo $(SRCS)' sources)
for source in $sources; do
    run csrc musl-gcc -std=gnu11 -Wall -Wextra -Werror -fPIC -O2 -I"$TOP/csrc" -I"$OUT/linux" \
        -I"$TOP/csrc/include" -I"$TOP/csrc/arch/x86_64" -I"$to/include" -c "$TOP/$source" \
        -o "$OUT/$(basename "$source").o"
done
musl-gcc -shared -o "$OUT/libffi_static.so" "$OUT"/*.o -Wl,--unresolved-symbols=report-all \
    -L"$to/lib" -lffi
readelf -p .rodata "$OUT/libffi_static.so" | grep -q /dev/trampfd ||
    die "the provider trampfd was left out of csrc, though Linux's headers are there"
echo "    csrc           compiles and links without a warning"

# Its own C tests, but for device, tables, life and fork, which ask glibc: ioctl()'s prototype,
# mallinfo2(), backtrace(). A program without arguments prints its cases; 77 is "not here".
programs=
for program in c/{api,alloc,hop,stamp} abi/{layout,silent,variadic} \
    bad_days/{input,limits,signatures,stamps,stamps_later,threads}; do
    programs="$programs build/musl/core/$program"
done
cd "$TOP"
# shellcheck disable=SC2086 # a list of programs
run csrc-tests make -s -j2 VARIANTS=musl VARIANT_CC_musl=musl-gcc \
    VARIANT_FLAGS_musl="-isystem $to/include -idirafter $OUT/linux" \
    VARIANT_LINK_musl="-L$to/lib -Wl,-rpath,$to/lib" $programs
passed=0 skipped=0
for program in $programs; do
    for case in $("$program"); do
        status=0
        "$program" "$case" >"$OUT/case.log" 2>&1 || status=$?
        case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *) bad=1 && echo "    $program $case: $status" && tail -n 3 "$OUT/case.log" ;;
        esac
    done
done
printf '    %-14s %s cases pass, %s do not run here\n' "csrc's tests" $passed $skipped
[ $passed -gt 150 ] || die "hardly a case passed, so nothing was tested"
exit $bad
