# SPDX-License-Identifier: MIT
"""soak - closures of every kind, made, called and freed by threads for an hour."""
