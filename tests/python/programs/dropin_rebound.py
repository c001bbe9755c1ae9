# SPDX-License-Identifier: MIT
"""dropin_rebound - another tool, or another copy of this package, at the same imports"""

from __future__ import annotations

import ctypes
import importlib
import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import ffi_static
from tests.python.programs.caller import caller
from tests.python.programs.tools import BOTH, MAKERS, place_of, record
from tests.support.programs import case


def limit_memory() -> None:
    """See to it that a process that takes more and more memory ends soon."""
    size = 4 << 30
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


@case()
def another_tool_at_mmap_leaves_uninstall_able_to_end() -> None:
    """A memory profiler sees mmap() instead of us. Then cffi's memory cannot be drained."""
    limit_memory()
    ffi_static.install()
    make = MAKERS["_cffi_backend"]
    made, address = make(abs)
    place = place_of("mmap", "mmap64")  # the latter: cffi from source
    ours = place.value
    place.value = ctypes.cast(ctypes.CDLL(None).mmap, ctypes.c_void_p).value
    ffi_static.uninstall()
    more = [make(abs) for _ in range(300)]
    assert [caller.call(at, -7) for _, at in [(made, address), *more]] == [7] * 301
    try:
        ffi_static.install()
    except ffi_static.InstallError as error:
        assert "another tool has rebound its import mmap" in str(error)
    else:
        raise AssertionError("served, and cffi's memory goes unseen")
    place.value = ours
    ffi_static.install()
    assert record("_cffi_backend").state == "served"
    _kept, address = make(abs)
    assert caller.call(address, -8) == 8


def import_another_copy() -> ModuleType:
    """Import the package a second time, from another folder; the first copy lives on."""
    folder = tempfile.mkdtemp()
    package = Path(ffi_static.__file__).parent
    shutil.copytree(package, Path(folder) / "ffi_static")
    for name in [each for each in sys.modules if each.partition(".")[0] == "ffi_static"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    copy = importlib.import_module("ffi_static")
    shutil.rmtree(folder)
    return copy


@BOTH
def another_copy_of_the_package_refuses_what_is_served(module: str) -> None:
    limit_memory()
    ffi_static.install()
    make = MAKERS[module]
    copy = import_another_copy()
    try:
        copy.install()
    except copy.InstallError as error:
        assert "another copy of ffi_static serves it in this process" in str(error)
    else:
        raise AssertionError("two copies serve one module")
    made, address = make(abs)
    assert caller.call(address, -3) == 3
    assert record(module).made == 1
    ffi_static.uninstall()
    copy.uninstall()
    assert caller.call(address, -4) == 4
    stock, address = make(abs)
    assert caller.call(address, -5) == 5
    del made, stock


@case()
def an_import_ends_that_two_copies_wait_for() -> None:
    """Each copy's finder asks the other finders, and so the other copy's."""
    names = [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]
    kept = {name: sys.modules.pop(name) for name in names}
    ffi_static.install()
    copy = import_another_copy()
    copy.install(cffi=False)
    told: list[str] = []
    warnings.showwarning = lambda message, *_: told.append(str(message))
    again = importlib.import_module("ctypes")
    assert again.CFUNCTYPE(again.c_int, again.c_int)(abs)(-6) == 6
    assert len(told) == 1
    assert "another copy of ffi_static serves it" in told[0]
    sys.modules.update(kept)


class Asking:
    """A finder of another tool, which asks all others."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not cls else None
            if spec is not None:
                return spec
        return None


@case("first", "last")
def a_finder_that_asks_all_finders_ends(where: str) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] in ("ctypes", "_ctypes")]:
        del sys.modules[name]
    ffi_static.install()
    asking: Any = Asking
    sys.meta_path.insert(0 if where == "first" else 1, asking)
    again = importlib.import_module("ctypes")
    assert again.CFUNCTYPE(again.c_int, again.c_int)(abs)(-6) == 6
    assert record("_ctypes").made == 1
