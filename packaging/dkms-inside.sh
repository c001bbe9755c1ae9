# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# dkms-inside.sh - what the scratch roots of deb.sh and rpm.sh ask of dkms, whoever called it there
#
# A file to source. VERSION is the package's, KERNEL the one whose headers the root has; /shared gets the logs.

# module VERSION KERNEL: the module is installed there, and was compiled without a warning.
module() {
    said=$(dkms status -m trampfd -v "$1" -k "$2")
    echo "    $said"
    case $said in *": installed"*) ;; *) echo "dkms did not install it"; return 1 ;; esac
    modinfo "$(find "/lib/modules/$2/updates" -name 'trampfd.ko*')" | grep -E '^(vermagic|license):' | sed 's/^/    /'
    find "/var/lib/dkms/trampfd/$1" -path "*/$2/*" -name make.log -exec cat {} + >/shared/make.log
    grep -q 'trampfd\.o' /shared/make.log || { echo "dkms kept no log"; return 1; }
    ! grep -i 'warning:' /shared/make.log || { echo "these are warnings"; return 1; }
}

# planted VERSION KERNEL: dkms' build of a copy with an error in it ends at the error.
planted() {
    mkdir -p /tmp/dkms/source /tmp/dkms/tree
    cp -r "/usr/src/trampfd-$1" /tmp/dkms/source/
    echo '#error planted' >>"/tmp/dkms/source/trampfd-$1/device.c"
    ! dkms build --sourcetree /tmp/dkms/source --dkmstree /tmp/dkms/tree -m trampfd -v "$1" -k "$2" \
        >/shared/step.log 2>&1 || { echo "dkms did not notice the planted error"; return 1; }
    grep -h -o 'error: #error planted' "/tmp/dkms/tree/trampfd/$1/build/make.log" | sed 's/^/    /'
    rm -r /tmp/dkms
}

# What of a list of files is a package's: depmod's lists and dkms' key are of none.
of_packages() { grep -vE '/modules/[^/]*/modules\.|/var/lib/dkms/mok\.'; }
