#!/bin/sh
# SPDX-License-Identifier: MIT
# selinux.sh - boots a kernel under SELinux and asks whether a table needs execmem (it must not)
#
#   selinux.sh [KERNEL]     6.1 (default), 6.12 or newest, x86-64, emulated
#
# The policy is the dummy one that the kernel's own scripts/selinux/mdp makes, which allows all,
# less execmem and with a type for the module's file system. selinux.c is the guest's init.
# Fails when: what is asked for is refused, or what must be refused is not.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
kernel=${1:-6.1}
out=$top/build/kmod/selinux-$kernel
"$top/.ci/need" "make test-kmod-selinux" <<'LIST'
qemu-system-x86_64|qemu-system-x86|the emulated machine
checkpolicy|checkpolicy|compiles the policies
cpio|cpio|packs the guest's programs
gcc|gcc|compiles the guest's init
LIST

mkdir -p "$out/root"
source=$(sh "$top/csrc/kernel/packages.sh" source 6.1)
image=$(sh "$top/csrc/kernel/packages.sh" image "$kernel" x86_64)
make -s -C "$top" kmod KERNEL="$kernel" ARCH=x86_64
mdp=$top/build/kmod/mdp
if [ ! -x "$mdp/mdp" ]; then
    mkdir -p "$mdp"
    tar -xf "${source% *}"/usr/src/linux-source-*.tar.xz -C "$mdp" --strip-components=1 --wildcards \
        '*/scripts/selinux/mdp/mdp.c' '*/security/selinux/include/*' '*/include/uapi/*' \
        '*/include/linux/*'
    mkdir -p "$mdp/include/generated"
    : >"$mdp/include/generated/autoconf.h"
    gcc -w -I"$mdp/include/uapi" -I"$mdp/include" -I"$mdp/security/selinux/include" \
        "$mdp/scripts/selinux/mdp/mdp.c" -o "$mdp/mdp"
fi
(cd "$out" && "$mdp/mdp" policy.conf file_contexts)

# policy NAME RIGHTS: without execmem; base_t has these rights to files of type trampfd_t
policy() {
    sed -e '0,/^type base_t/s//type trampfd_t;\ntype base_t/' \
        -e 's/^allow base_t base_t:process \*;/allow base_t base_t:process ~{ execmem };/' \
        -e "s/^allow base_t base_t:file \\*;/&\\nallow base_t trampfd_t:file { $2 };/" \
        "$out/policy.conf" >"$out/$1.conf"
    echo 'genfscon trampfd / user_u:object_r:trampfd_t' >>"$out/$1.conf"
    grep -q '~{ execmem }' "$out/$1.conf"
    grep -q 'trampfd_t:file' "$out/$1.conf"
    checkpolicy -c 33 -o "$out/root/$1.policy" "$out/$1.conf" >"$out/checkpolicy.log" 2>&1 || {
        cat "$out/checkpolicy.log" >&2
        exit 1
    }
}
policy execute "read map getattr execute"
policy nothing "read map getattr"
gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -static \
    -I"$top/csrc/kernel/include/uapi" "$here/selinux.c" -o "$out/root/init"
cp "$top/build/kmod/$kernel-x86_64/trampfd.ko" "$out/root/"
(cd "$out/root" && find . | cpio -oHnewc --quiet | gzip -1) >"$out/initramfs.gz"
timeout 300 nice qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 512 -smp 2 -nographic \
    -no-reboot -kernel "${image% *}/boot/vmlinuz-${image##* }" -initrd "$out/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1 panic_on_warn=1 security=selinux selinux=1" \
    </dev/null >"$out/log" 2>&1 || :
tr -d '\r' <"$out/log" | grep -aE '^(wrong:|not ok)' >&2 || :
tr -d '\r' <"$out/log" | grep -aqx ok || {
    echo "selinux.sh: not as it should be; the guest's log is $out/log" >&2
    exit 1
}
echo "Under SELinux without execmem ($kernel): anonymous memory refused, tables as their type says"
