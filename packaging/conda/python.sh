# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# python.sh - what conda-build runs for the Python package, in the source's folder
set -eu
"$PYTHON" -m pip install --no-deps --no-build-isolation .
