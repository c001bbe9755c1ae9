# SPDX-License-Identifier: MIT
"""caller - caller.c in the programs of this folder: C code that calls what they make

The path of the shared library comes in the environment, by the fixture `script`. Where it is not
there, as when a test imports a program's module to name its function, both libraries are None.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from tests.python.programs.fresh import skip

PATH = "FS_TEST_CALLER"


def declare(library: Any) -> Any:
    """Give caller.c's functions their types."""
    pointer = ctypes.c_void_p
    for name, restype, argtypes in (
        ("call", ctypes.c_int, [pointer, ctypes.c_int]),
        ("loop", ctypes.c_longlong, [pointer, ctypes.c_int]),
        ("call_after", ctypes.c_int, [pointer, pointer, ctypes.c_char_p, pointer]),
        ("call_double", ctypes.c_double, [pointer, ctypes.c_double, ctypes.c_float]),
        ("call_char", ctypes.c_int, [pointer]),
        ("call_wide", ctypes.c_longlong, [pointer]),
        ("call_errno", ctypes.c_int, [pointer, ctypes.c_int]),
        ("in_threads", ctypes.c_longlong, [pointer, ctypes.c_int, ctypes.c_int]),
        ("start", pointer, [pointer]),
        ("step", ctypes.c_int, [pointer]),
        ("stop", None, [pointer]),
        ("park", ctypes.c_int, [pointer, ctypes.c_int]),
        ("unpark", None, [pointer]),
        ("spin", ctypes.c_int, [pointer]),
        ("call_at_exit", None, [pointer]),
        ("call_in_destructor", ctypes.c_int, [pointer]),
        ("call_when_gone", ctypes.c_int, [pointer, ctypes.c_char, ctypes.c_char]),
        ("call_to_the_end", ctypes.c_int, [pointer, ctypes.c_int]),
        ("call_without_end", None, [pointer]),
        ("call_strictly", ctypes.c_int, [pointer, ctypes.c_int]),
        ("start_slowly", ctypes.c_int, [pointer]),
        ("has_got_its_state", ctypes.c_int, []),
        ("end_slowly", ctypes.c_int, []),
        ("dirty_pointer", pointer, [pointer]),
        ("dirty_double", ctypes.c_double, [pointer]),
        ("dirty_wide", ctypes.c_longlong, [pointer]),
        ("take_mixed", ctypes.c_double, [pointer, ctypes.c_int, ctypes.c_char_p, ctypes.c_double]),
        ("take_large", ctypes.c_long, [pointer, ctypes.c_long, ctypes.c_int]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = restype, argtypes
    return library


def load(kind: Any) -> Any:
    """Load caller.c as ctypes.CDLL or ctypes.PyDLL, on the far side only."""
    return declare(kind(os.environ[PATH])) if PATH in os.environ else None


#: Called with the GIL released, and with the GIL held.
caller: Any = load(ctypes.CDLL)
holder: Any = load(ctypes.PyDLL)

_kept: list[Any] = []


def keep(*made: Any) -> None:
    """Keep objects until finalization clears this module, as it does with a program's globals."""
    _kept.extend(made)


def leave(made: Any) -> None:
    """Have an object live when Python has gone."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))


def deny_write_execute() -> None:
    """Put this process under PR_SET_MDWE, or skip the test where the kernel has none."""
    from ffi_static._strict import deny_write_execute

    try:
        deny_write_execute()
    except OSError as error:
        skip(error)
