#!/bin/sh
# SPDX-License-Identifier: MIT
# needs - the system libraries and the server that the packages of tests/peers/packages work with
set -eu
cd "$(dirname "$0")/../.."
lib=/usr/lib/$(gcc -print-multiarch)
exec .ci/need "make test-peers" <<LIST
/usr/lib/postgresql|postgresql|the server that psycopg talks to
fusermount|fuse|mounts fusepy's file system
$lib/libcairo.so.2|libcairo2|cairocffi
$lib/libvips.so.42|libvips42|pyvips
$lib/libenchant-2.so.2|libenchant-2-2|pyenchant
/usr/share/hunspell/en_US.dic|hunspell-en-us|pyenchant's dictionary
LIST
