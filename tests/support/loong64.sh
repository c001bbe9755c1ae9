#!/bin/bash
# SPDX-License-Identifier: MIT
# loong64.sh - what a LoongArch machine takes and older Debians lack: QEMU 10, its firmware, a compiler
#
#   bash tests/support/loong64.sh BUILD
#
# QEMU and the UEFI firmware of Debian trixie are unpacked below BUILD/vm once, and run from there by
# their own loader, so nothing is installed. BUILD/loongarch64/bin gets a wrapper for QEMU, and, where
# Debian here has no compiler for LoongArch, those of tests/arch/tools.sh.
# Fails (2) when a package cannot be had; without root also where a compiler's root is to be made.
set -eu
cd "$(dirname "$0")/../.."
build=$1
# shellcheck source=patches/libffi/deb/root.sh disable=SC1091
. patches/libffi/deb/root.sh

bash tests/arch/tools.sh loongarch64 "$build"
sh .ci/need "a LoongArch machine" <<'LIST'
mmdebstrap|mmdebstrap|unpacks QEMU
LIST
root=$PWD/$build/vm/qemu-trixie
if [ ! -e "$root/.whole" ]; then
    echo "Unpacking QEMU and LoongArch's firmware of Debian trixie ..."
    rm -rf "$root"
    mkdir -p "${root%/*}" "$build/loongarch64/bin"
    nice -n 10 mmdebstrap --variant=extract --include=qemu-system-misc,qemu-efi-loongarch64 \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        trixie "$root" "deb $(mirror) trixie main" >"$root.log" 2>&1 || {
        tail -n 5 "$root.log" >&2
        die "mmdebstrap of trixie failed: the end of what it said is above, the rest in $root.log"
    }
    touch "$root/.whole"
fi
# The loader has a name of its own on each machine that this runs on.
loader=$(echo "$root"/usr/lib*/ld-linux*.so.*)
libraries=$(dirname "$(echo "$root"/usr/lib/*/libc.so.6)")
cat >"$build/loongarch64/bin/qemu-system-loongarch64" <<WRAPPER
#!/bin/sh
# QEMU of trixie, with LoongArch's firmware: written by tests/support/loong64.sh
export QEMU_MODULE_DIR="$libraries/qemu"
exec "$loader" --library-path "$libraries" "$root/usr/bin/qemu-system-loongarch64" \\
    -L "$root/usr/share/qemu" -bios "$root/usr/share/qemu-efi-loongarch64/QEMU_EFI.fd" "\$@"
WRAPPER
chmod +x "$build/loongarch64/bin/qemu-system-loongarch64"
