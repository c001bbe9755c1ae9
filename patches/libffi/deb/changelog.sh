#!/bin/sh
# SPDX-License-Identifier: MIT
# changelog.sh - the entry in debian/changelog, on standard output
#
#   changelog.sh STOCK-VERSION DISTRIBUTION SECONDS
#
# STOCK-VERSION gets the suffix +static1. So the package is newer than stock and its rebuilds (+b1),
# and older than the distribution's next revision: an upgrade of the distribution replaces it, on
# purpose. SECONDS since 1970 is the entry's date. dch would ask questions or need an editor.
set -eu
[ $# = 3 ] || {
    echo "usage: changelog.sh STOCK-VERSION DISTRIBUTION SECONDS" >&2
    exit 2
}
cat <<ENTRY
libffi ($1+static1) $2; urgency=medium

  * Local package.
  * Add ffi-static-body.patch, ffi-static-hooks-*.patch: closures are served
    from static tables on the architectures under src/static/arch. No memory
    is writable and executable, or has a writable alias; closures survive
    fork(), and work where memory may not become executable.
  * debian/rules: configure with --enable-ffi-static, and fail if configure
    does not find it where the architecture has it. Upstream's own static
    trampolines stay off (--disable-exec-static-tramp) on all others.
  * debian/copyright: add src/static.

 -- ${DEBFULLNAME:-ffi_static packages} <${DEBEMAIL:-ffi-static@packages.example.org}>  $(LC_ALL=C date -u -R -d "@$3")

ENTRY
