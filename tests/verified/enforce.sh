#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# enforce.sh - the first job of the guest: from its end on, only verified code runs
B=/bin/busybox
$B mount -t securityfs securityfs /sys/kernel/security
$B mount -t selinuxfs selinuxfs /sys/fs/selinux
echo 0 >/proc/sys/kernel/printk_ratelimit # each refusal is told

# The key that signed the image. Nobody adds another.
ring=$(keyctl newring _ima @u)
keyctl padd asymmetric verified "$ring" </verified/verified.der >/dev/null || exit 1
keyctl restrict_keyring "$ring" || exit 1

# SELinux takes a policy whole, in one write. IMA's is in force from here on, so the module is checked.
$B dd if=/verified/selinux.policy of=/sys/fs/selinux/load bs=1000000 count=1 2>/dev/null || exit 1
$B cat /verified/ima.policy >/sys/kernel/security/ima/policy || exit 1
$B insmod /verified/trampfd.ko || exit 1
echo 1 >/sys/fs/selinux/enforce
read -r enforcing </sys/fs/selinux/enforce
echo "SELinux enforces: $enforcing"
