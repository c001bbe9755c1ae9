#!/bin/sh
# SPDX-License-Identifier: MIT
# debug_kernel.sh - builds Linux 6.1 from Debian's linux-source with KASAN, lockdep and kmemleak
#
# Debian ships no kernel with any of these checks. The configuration is the smallest that boots an
# initramfs on a serial line and loads a module, so two cores need a quarter of an hour. The kernel,
# and the tree that the module is built against, stay in the build folder. `make test-vm-debug` runs
# this script.
#
#   debug_kernel.sh FOLDER     -> FOLDER/bzImage, FOLDER/tree (for `make -C ... M=`)
set -eu
out=$1
[ ! -e "$out/bzImage" ] || exit 0
missing=
for program in flex:flex bison:bison bc:bc xz:xz-utils gcc:gcc perl:perl; do
    command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program##*:}"
done
printf '#include <libelf.h>\n' | gcc -E -x c - >/dev/null 2>&1 || missing="$missing libelf-dev"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        # shellcheck disable=SC2086 # a list of package names
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
            $missing </dev/null >&2
    else
        echo "to build a kernel something is missing here. As root: apt-get install$missing" >&2
        exit 2
    fi
fi
mkdir -p "$out"
cd "$out"
if [ ! -d tree ]; then
    echo "Getting linux-source-6.1 (140 MB) ..."
    rm -rf unpacked new
    apt-get download -qq linux-source-6.1 || {
        echo "apt-get download linux-source-6.1 failed: is Debian 12 in apt's sources here?" >&2
        exit 2
    }
    dpkg-deb -x linux-source-6.1_*.deb unpacked
    mkdir new
    tar -C new --strip-components=1 -xf unpacked/usr/src/linux-source-6.1.tar.xz
    rm -rf unpacked linux-source-6.1_*.deb
    mv new tree
fi
cat >wanted.config <<'CONFIG'
CONFIG_64BIT=y
CONFIG_SLUB=y
CONFIG_SLUB_DEBUG=y
CONFIG_SMP=y
CONFIG_NR_CPUS=4
CONFIG_PRINTK=y
CONFIG_BUG=y
CONFIG_TTY=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_ACPI=n
CONFIG_X86_MPPARSE=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_GZIP=y
CONFIG_BINFMT_ELF=y
CONFIG_COMPAT_32BIT_TIME=y
CONFIG_IA32_EMULATION=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_DEVTMPFS=y
CONFIG_TMPFS=y
CONFIG_SHMEM=y
CONFIG_MULTIUSER=y
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_POSIX_TIMERS=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_MEMBARRIER=y
CONFIG_CROSS_MEMORY_ATTACH=y
CONFIG_MEMFD_CREATE=y
CONFIG_USERFAULTFD=y
CONFIG_NET=y
CONFIG_UNIX=y
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_CGROUPS=y
CONFIG_MEMCG=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_SYSVIPC=y
CONFIG_KALLSYMS=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DEBUG_FS=y
CONFIG_DEBUG_KMEMLEAK=y
CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE=40000
CONFIG_KASAN=y
CONFIG_KASAN_GENERIC=y
CONFIG_KASAN_VMALLOC=y
CONFIG_PROVE_LOCKING=y
CONFIG_DEBUG_ATOMIC_SLEEP=y
CONFIG_DEBUG_VM=y
CONFIG_DEBUG_VM_PGTABLE=n
CONFIG_DEBUG_LIST=y
CONFIG_DEBUG_PAGEALLOC=n
CONFIG_PAGE_POISONING=y
CONFIG_STACKTRACE=y
CONFIG_MAGIC_SYSRQ=n
CONFIG_WERROR=n
CONFIG
echo "Configuring and building Linux with KASAN, lockdep and kmemleak (log: $out/log) ..."
{
    make -C tree ARCH=x86_64 O="$PWD/obj" tinyconfig
    ./tree/scripts/kconfig/merge_config.sh -m -O obj obj/.config wanted.config
    make -C tree ARCH=x86_64 O="$PWD/obj" olddefconfig
    nice -n "${KERNEL_NICE:-10}" make -C tree ARCH=x86_64 O="$PWD/obj" -j"${KERNEL_JOBS:-$(nproc)}" \
        bzImage modules
} >log 2>&1 </dev/null || {
    tail -n 20 log >&2
    exit 2
}
for option in KASAN_GENERIC PROVE_LOCKING DEBUG_KMEMLEAK IA32_EMULATION SECCOMP_FILTER MEMCG \
    MODULE_UNLOAD; do
    grep -q "^CONFIG_$option=y" obj/.config || {
        echo "the configuration lost CONFIG_$option" >&2
        exit 2
    }
done
cp obj/arch/x86/boot/bzImage bzImage
