# SPDX-License-Identifier: MIT
"""ffi_static - C function pointers that run Python, without writable and executable memory

    import ctypes
    import ffi_static

    libc = ctypes.CDLL(None)
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)

    @ffi_static.callback("int(int *, int *)")
    def compare(a, b):
        return a[0] - b[0]

    libc.qsort(numbers, ctypes.c_size_t(5), ctypes.c_size_t(4), compare)
    print(list(numbers))  # [1, 2, 3, 4, 5]

docs/use/python.md says what holds for threads, fork, closing and errors.
"""

from __future__ import annotations

import sys

try:
    import ffi_static._lib as _extension  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "ffi_static._lib":
        raise
    raise ImportError(
        f"ffi_static's extension module _lib is not built for this Python "
        f"({sys.implementation.cache_tag}) in {__path__[0]}; run `pip install .` where "
        "setup.py is, and import ffi_static from another folder (or use `pip install -e .`)"
    ) from None

from ffi_static._errors import (
    ClosedError,
    Error,
    InstallError,
    InstallWarning,
    NoProviderError,
    SignatureError,
)

__all__ = [
    "Callback",
    "ClosedError",
    "Error",
    "InstallError",
    "InstallWarning",
    "NoProviderError",
    "Served",
    "SignatureError",
    "callback",
    "install",
    "installed",
    "uninstall",
]
__version__ = "0.1.0"

TYPE_CHECKING = False  # as typing's, without its import
if TYPE_CHECKING:
    from ffi_static._callback import Callback, callback
    from ffi_static._dropin import Served, install, installed, uninstall


def __getattr__(name: str) -> object:
    """Load the package that makes callbacks, or the drop-in, when one of its names is asked for.

    The drop-in must not bring what makes callbacks: that loads modules of the standard library, and
    a program's own modules may have their names.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Callback", "callback"):
        from ffi_static._callback import Callback, callback

        globals().update(Callback=Callback, callback=callback)
    else:
        from ffi_static import _dropin

        globals().update({each: getattr(_dropin, each) for each in _dropin.__all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
