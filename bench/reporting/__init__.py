# SPDX-License-Identifier: MIT
"""reporting - what bench/report.py is made of: the machine, the targets, the tables, the chart."""
