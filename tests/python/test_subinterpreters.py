# SPDX-License-Identifier: MIT
"""test_subinterpreters - a callback belongs to the interpreter that made it"""

from __future__ import annotations

import sys
from typing import Any

import pytest

SUBINTERPRETER = """
try:
    import _xxsubinterpreters as sub
except ImportError:
    import _interpreters as sub
if sys.version_info >= (3, 13):
    new = lambda: sub.create("legacy")
elif sys.version_info >= (3, 10):
    new = lambda: sub.create(isolated=False)
else:
    new = sub.create
inner = f'''
import sys
sys.path[:] = {sys.path!r}
import ctypes, ffi_static
import conftest
caller = conftest.declare(ctypes.CDLL({caller._name!r}))
holder = conftest.declare(ctypes.PyDLL({caller._name!r}))
cb = ffi_static.callback("int(int)", lambda x: x + len(marker))
marker = "sub"
assert caller.call(cb.address, 1) == 4
assert holder.call(cb.address, 1) == 4
assert caller.in_threads(cb.address, 10, 2) == 45 * 2 + 60
'''
def run(code):
    failed = sub.run_string(interp, code)
    assert failed is None, failed
interp = new()
"""


def test_subinterpreter_runs_its_own_callbacks(script: Any) -> None:
    script(
        SUBINTERPRETER
        + """
run(inner)
marker = "the main one"
mine = ffi_static.callback("int(int)", lambda x: x + len(marker))
assert caller.call(mine.address, 1) == 13
run(f"assert caller.call({mine.address}, 1) == 13; assert holder.call({mine.address}, 1) == 13")
run("cb.close()")
sub.destroy(interp)
assert caller.call(mine.address, 1) == 13
"""
    )


def test_ended_subinterpreter_leaves_the_others_working(script: Any) -> None:
    script(
        SUBINTERPRETER
        + """
cb = ffi_static.callback("int(int)", lambda x: x)
thread = caller.start(cb.address)
run(inner)
assert caller.step(thread) == 1
sub.destroy(interp)
assert caller.step(thread) == 1
caller.stop(thread)
interp = new()
run(inner)
sub.destroy(interp)
"""
    )


def test_ctypes_types_in_a_subinterpreter(script: Any) -> None:
    script(
        SUBINTERPRETER
        + """
code = f'''
import sys
sys.path[:] = {sys.path!r}
import ctypes, ffi_static
class Box(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int)]
kind = ctypes.CFUNCTYPE(ctypes.c_bool, Box, ctypes.c_wchar, use_errno=True)
cb = ffi_static.callback(kind, lambda box, char: box.x == 5 and char == "c")
assert cb.as_ctypes()(Box(5), "c") is True
cb.close()
'''
exec(code)
run(code)
sub.destroy(interp)
exec(code)
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="own-GIL interpreters came with 3.12")
def test_interpreter_with_its_own_gil_is_refused_clearly(script: Any) -> None:
    script(
        SUBINTERPRETER
        + """
interp = sub.create("isolated") if sys.version_info >= (3, 13) else sub.create(isolated=True)
code = f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import ffi_static
except ImportError as error:
    assert "subinterpreters" in str(error), error
else:
    raise SystemExit("imported")
'''
run(code)
"""
    )
