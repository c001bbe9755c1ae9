# SPDX-License-Identifier: MIT
"""callbench - the rivals, the workloads and the stopwatch behind ``pytest bench/python``."""
