#!/bin/sh
# SPDX-License-Identifier: MIT
# checkpoint.sh - in the guest: restored.c is dumped by CRIU, which ends it, restored, and goes on
#
# Prints what the program says. Exit status: the program's; 3 where CRIU refused to dump, and the
# program went on right without; 4 where it could not restore.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
images=/tmp/images said=/tmp/said
rm -rf $images $said
mkdir -p $images
/bin/busybox ip link set lo up # CRIU looks what the kernel's sockets can do

wait_for() { # a word in what the program said
    n=0
    until grep -q "$1" $said; do
        n=$((n + 1))
        [ $n -lt 300 ] && kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.2
    done
}

setsid /checkpoint/restored </dev/null >$said 2>&1 &
pid=$!
if ! wait_for ready; then
    cat $said
    exit 1
fi
status=0
if ! criu dump -t $pid -D $images -o dump.log -v4; then
    grep Error $images/dump.log | tail -n 2
    status=3
else
    wait $pid
    if ! criu restore -d -D $images -o restore.log -v4; then
        grep Error $images/restore.log | tail -n 2
        exit 4
    fi
fi
kill -USR1 $pid
wait_for again || status=1
cat $said
grep -q "restored: 6000 of 6000 right" $said || status=1
grep -q "made again: 6000 of 6000 right; in a child as well" $said || status=1
exit $status
