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
    import ffi_static._lib as _extension
except ModuleNotFoundError as _error:
    if _error.name != "ffi_static._lib":
        raise
    raise ImportError(
        f"ffi_static's extension module _lib is not built for this Python "
        f"({sys.implementation.cache_tag}) in {__path__[0]}; run `pip install .` where "
        "setup.py is, and import ffi_static from another folder (or use `pip install -e .`)"
    ) from None

from ffi_static._dropin import install, installed, uninstall
from ffi_static._dropin.serving import Served
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
_numbers = (_extension.lib.FFI_STATIC_VERSION_MAJOR, _extension.lib.FFI_STATIC_VERSION_MINOR)
__version__ = "{}.{}.{}".format(*_numbers, _extension.lib.FFI_STATIC_VERSION_PATCH)

TYPE_CHECKING = False  # as typing's, without its import
if TYPE_CHECKING:
    from ffi_static._callback import Callback, callback


def __getattr__(name: str) -> object:
    """Load what makes callbacks when it is first asked for.

    install() at the start of a program (_startup.py) must not load modules of the standard library:
    the program's own modules may have their names. The drop-in itself is loaded above, because a
    child that is forked while another thread loads it would wait for that thread for ever.
    """
    if name not in ("Callback", "callback"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ffi_static import _callback

    globals().update(Callback=_callback.Callback, callback=_callback.callback)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
