# SPDX-License-Identifier: MIT
"""both - calls a callback of cffi and one of ctypes"""

import ctypes

import cffi

theirs = cffi.FFI().callback("int(int)", lambda n: n + 1)
double = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: 2 * n)
print(theirs(41), double(21))
