#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh - sparse and the kernel's checkpatch over the module
#
# sparse runs in the module's own build against the 6.1 headers. checkpatch.pl comes from Debian's
# linux-source, of which only scripts/ is unpacked. These kinds of findings are switched off:
# LINUX_VERSION_CODE, because one source is for several kernels (only compat.h asks for a version);
# and in the header for programs BIT_MACRO, because programs do not have that macro, and
# MACRO_ARG_REUSE, because a macro for programs cannot avoid using an argument twice.
# Fails when sparse or checkpatch reports anything.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
"$top/.ci/need" "make lint-kmod" <<'LIST'
sparse|sparse|finds address spaces and locks mixed up
perl|perl|runs checkpatch.pl
xz|xz-utils|Debian's tarball of the kernel's source
LIST
status=0

for arch in x86_64 arm64; do
    KMOD_PACKAGES=$top/build/kmod/packages KMOD_OUT=$top/build/kmod/sparse \
        sh "$here/build.sh" 6.1 "$arch" C=2 || status=1
    if grep -E '(warning|error):' "$top/build/kmod/sparse/6.1-$arch/log"; then
        status=1
    fi
done
[ $status != 0 ] || echo "sparse: nothing to say (6.1, x86_64 and arm64)"

found=$(sh "$here/packages.sh" source 6.1)
scripts=$top/build/kmod/checkpatch
if [ ! -e "$scripts/scripts/checkpatch.pl" ]; then
    mkdir -p "$scripts"
    tar -xf "${found% *}"/usr/src/linux-source-*.tar.xz -C "$scripts" --strip-components=1 \
        --wildcards '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
fi
perl "$scripts/scripts/checkpatch.pl" --no-tree --strict --terse --show-types --max-line-length=100 \
    --ignore LINUX_VERSION_CODE,BIT_MACRO,MACRO_ARG_REUSE --file \
    "$here"/*.c "$here"/*.h "$here"/include/uapi/linux/trampfd.h "$here/Kconfig" || status=1
[ $status = 0 ] && echo "checkpatch: nothing to say"
exit $status
