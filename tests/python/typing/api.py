# SPDX-License-Identifier: MIT
"""api - uses of the public API that mypy (strict) must accept, and one of each it must refuse

Not run; checked by tests/python/test_typing.py.
"""

from __future__ import annotations

import ctypes

import ffi_static


@ffi_static.callback("int(int, double)")
def decorated(a: int, b: float) -> int:
    return a + int(b)


made: ffi_static.Callback = decorated
plain: ffi_static.Callback = ffi_static.callback("int(int)", abs)
with_error = ffi_static.callback("int(int)", abs, error=-1)
with_onerror = ffi_static.callback("int(int)", abs, onerror=lambda kind, value, traceback: 0)
from_ctypes = ffi_static.callback(ctypes.CFUNCTYPE(ctypes.c_int), lambda: 1)

address: int = made.address
number: int = int(made)
closed: bool = made.closed
text: str = made.signature.text

with ffi_static.callback("void(void)", lambda: None) as scoped:
    scoped.close()

try:
    ffi_static.callback("int(", abs)
except ffi_static.SignatureError as error:
    as_type_error: TypeError = error
    as_value_error: ValueError = error
except ffi_static.NoProviderError as error:
    reasons: dict[str, str] = error.reasons
    as_memory_error: MemoryError = error

ffi_static.callback(42, abs)  # type: ignore[call-overload]
ffi_static.callback("int(int)", 42)  # type: ignore[call-overload]
ffi_static.callback("int(int)", abs, onerror=1)  # type: ignore[call-overload]
ffi_static.callback("int(int)", abs, wrong=1)  # type: ignore[call-overload]
made.address = 5  # type: ignore[misc]
wrong: str = made.address  # type: ignore[assignment]
decorated(1, 2.0)  # type: ignore[operator]

for each in ffi_static.installed():
    served: bool = each.state == "served"
    misspelt = each.state == "serve"  # type: ignore[comparison-overlap]
