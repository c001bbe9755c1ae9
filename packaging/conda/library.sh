# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# library.sh - what conda-build runs for libffi_static, in the source's folder
set -eu
make lib install PREFIX="$PREFIX" CPPFLAGS="${CPPFLAGS:-} -I$PREFIX/include"
