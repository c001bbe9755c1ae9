# SPDX-License-Identifier: MIT
"""pool - ``pool.py METHOD``: what children of multiprocessing are served with"""

import ctypes
import multiprocessing
import sys


class Task:
    def __init__(self, n: int) -> None:
        self.n = n


def work(task: Task) -> tuple[str, int, bool]:
    import ffi_static

    double = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: 2 * n)
    served = {each.module for each in ffi_static.installed() if each.state == "served"}
    return type(task).__module__, double(task.n), "_ctypes" in served


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        print(pool.map(work, [Task(1), Task(2)]))
