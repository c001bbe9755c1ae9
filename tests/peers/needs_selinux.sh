#!/bin/sh
# SPDX-License-Identifier: MIT
# needs_selinux - what tests/peers/selinux.py packs and boots its guest with
set -eu
cd "$(dirname "$0")/../.."
exec .ci/need "make test-peers-selinux" <<LIST
qemu-system-x86_64|qemu-system-x86|the emulated machine
/bin/busybox|busybox-static|the guest's first programs
checkpolicy|checkpolicy|compiles the policy
cpio|cpio|packs the guest's programs
LIST
