# SPDX-License-Identifier: MIT
"""rthooks - what a frozen program runs before its own code; rthooks.dat says when"""
