#!/bin/bash
# SPDX-License-Identifier: MIT
# py_all.sh - the Python tests on every CPython from 3.9 to 3.14 that this machine has
#
# Looks in PATH for python3.N and in pyenv, if there is one. Each gets an environment of its own in
# build/py/3.N with the newest tools that it can run (requirements/any.txt). Fails when one fails, and
# when none was found.
#
#   tests/python/py_all.sh [pytest arguments]      default: tests/python tests/house/test_examples.py
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
arguments=("$@")
[ ${#arguments[@]} -gt 0 ] || arguments=(tests/python tests/house/test_examples.py)
pyenv=$(command -v pyenv >/dev/null && pyenv root || true)

python_of() { # the newest interpreter of one minor version that really is one
    local found
    for found in $(ls -d "${pyenv:-/nowhere}/versions/3.$1."*/bin/python3 2>/dev/null | sort -rV) \
        "$(command -v "python3.$1")"; do
        [ -x "$found" ] && "$found" -c "import sys, venv, ctypes
raise SystemExit(sys.version_info[:2] != (3, $1))" 2>/dev/null && echo "$found" && return
    done
    return 1
}

one() { # minor version, interpreter
    local venv=build/py/3.$1 log=build/py/3.$1.log
    mkdir -p build/py
    {
        [ -x "$venv/bin/python" ] || "$2" -m venv "$venv" || return 1
        "$venv/bin/python" -m pip --disable-pip-version-check install -q -r requirements/any.txt \
            && "$venv/bin/python" -m pip --disable-pip-version-check install -q \
                --no-build-isolation --no-deps -e . \
            && "$venv/bin/python" -m pytest -q "${arguments[@]}"
    } >"$log" 2>&1
}

result=0 count=0
for minor in 9 10 11 12 13 14; do
    if ! python=$(python_of "$minor"); then
        echo "3.$minor   not on this machine"
        continue
    fi
    count=$((count + 1))
    if one "$minor" "$python"; then
        echo "3.$minor   $(tail -n 1 "build/py/3.$minor.log")"
    else
        result=1
        grep -E '^(FAILED|ERROR|E  )' "build/py/3.$minor.log" | head -n 20
        echo "3.$minor   FAILED: $(tail -n 1 "build/py/3.$minor.log") (build/py/3.$minor.log)"
    fi
done
[ "$count" -gt 0 ] || { echo "py_all: found no CPython from 3.9 to 3.14" >&2; exit 1; }
exit $result
