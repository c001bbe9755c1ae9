#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh - what building and testing libffi from source needs: checks, and installs as root
#
# Fails when something is missing and cannot be installed: .ci/need says what, and how to get it.
set -eu

sh "$(dirname "$0")/../../.ci/need" "make libffi" <<'LIST'
gcc|gcc|compiles libffi
g++|g++|compiles the testsuite's C++
make|make|libffi's build
quilt|quilt|applies the series
autoreconf|autoconf|the series touches configure.ac
automake|automake|the series touches Makefile.am
libtoolize|libtool|libffi's build
/usr/share/aclocal/ltdl.m4|libltdl-dev|a macro that libffi asks of libtool
makeinfo|texinfo|libffi's documentation, which its build makes
dpkg-source|dpkg-dev|unpacks Debian's source package and checks it
runtest|dejagnu|upstream's testsuite
xz|xz-utils|Debian's tarballs
LIST
