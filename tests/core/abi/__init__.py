# SPDX-License-Identifier: MIT
"""abi - every type at every place where its passing changes, and the closure's life."""
