# SPDX-License-Identifier: MIT
"""fuzz - random C signatures, called by compiled C through our closures and checked bit for bit.

It exists because examples prove only what their author thought of. `model` knows C types and
their layout, `signature` draws random signatures, `emit` writes the C callers, `build` compiles
and runs them, and `rt.c` with the shim of tests/core/abi does the checking.
"""
