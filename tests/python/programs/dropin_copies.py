# SPDX-License-Identifier: MIT
"""dropin_copies - copies of ctypes and cffi inside of packages, and other users of libffi"""

from __future__ import annotations

import _ctypes
import _imp
import ctypes
import functools
import importlib
import importlib.util
import shutil
import sys
import tempfile
import traceback
import warnings
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from itertools import product
from pathlib import Path
from typing import Any, Callable

import _cffi_backend

import ffi_static
from ffi_static import _lib
from ffi_static._dropin import probe
from tests.python.programs.tools import BOTH, Made, ours
from tests.support.programs import case

BACKENDS: dict[str, Any] = {"_ctypes": _ctypes, "_cffi_backend": _cffi_backend}


@functools.cache
def folder() -> Path:
    """Make the folder of the packages, in which imports look."""
    made = tempfile.mkdtemp()
    sys.path.insert(0, made)
    return Path(made)


def vendor(package: str, module: str, file: str | None = None) -> str:
    """Make a package that carries a copy; give the name of the module, not imported yet."""
    inside = folder() / package
    inside.mkdir(exist_ok=True)
    (inside / "__init__.py").write_text("")
    source = Path(BACKENDS[module].__file__)
    shutil.copy(source, inside / (file or source.name))
    return f"{package}.{module}"


def with_copy(copy: Any, function: Callable[[int], int]) -> Made:
    """Make a callback int(short, double, void *), as the probe does."""
    kind = probe.kind_of(copy)
    make, address = (probe._ctypes_maker if kind == "ctypes" else probe._cffi_maker)(copy)
    made = make(lambda a, _b, _c: function(a))
    return made, address(made)


def call(address: int, value: int) -> int:
    return _lib.dropin_call(address, value, 0.5, 1)


def works(copy: Any, served: bool) -> None:
    made = [with_copy(copy, lambda x, k=k: x + k) for k in range(100)]  # type: ignore[misc]
    assert {ours(address) for _, address in made} == {served}
    assert [call(address, 7) for _, address in made] == [7 + k for k in range(100)]


def state_of(name: str) -> ffi_static.Served:
    (found,) = [s for s in ffi_static.installed() if s.module == name]
    return found


def states() -> list[str]:
    return [s.state for s in ffi_static.installed()]


# ---- copies


@case(*product(BACKENDS, ["before", "after"]))
def a_copy_in_a_package_is_served(module: str, loaded: str) -> None:
    name = vendor("carrier", module)
    if loaded == "after":
        ffi_static.install()
    copy = importlib.import_module(name)
    if loaded == "before":
        works(copy, False)
    ffi_static.install()
    works(copy, True)
    found = state_of("carrier." + module)
    assert (found.state, found.made) == ("served", 100) and found.how, found
    assert found.file == copy.__file__, found
    assert state_of(module).made == 0, "each has a record of its own"
    works(BACKENDS[module], True)
    ffi_static.uninstall()
    works(copy, False)
    works(BACKENDS[module], False)
    ffi_static.install()
    works(copy, True)


@BOTH
def a_copy_of_any_file_and_module_name(module: str) -> None:
    vendor("carrier", module, "a_name.bin")
    vendor("carrier", module, "another.bin")

    def load(file: str) -> Any:
        name = "a.very" + "_" * 300 + "long.name." + module
        path = str(folder() / "carrier" / file)
        loader = ExtensionFileLoader(name, path)
        made = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=path))
        loader.exec_module(made)
        return made

    first = load("a_name.bin")
    sys.modules["alias"] = first
    ffi_static.install()
    second = load("another.bin")
    works(first, True)
    works(second, True)
    assert len([s for s in ffi_static.installed() if s.state == "served"]) == 4


@case()
def several_copies_at_once_each_with_its_own_memory() -> None:
    names = [vendor(f"carrier{n}", "_cffi_backend") for n in range(4)]
    copies = [importlib.import_module(name) for name in names[:2]]
    old = [with_copy(copy, lambda x: x - 1) for copy in copies]
    ffi_static.install()
    copies += [importlib.import_module(name) for name in names[2:]]
    for copy in copies:
        works(copy, True)
    assert [state_of(name).leftover for name in names] == [1, 1, 0, 0]
    assert [call(address, 3) for _, address in old] == [2, 2]
    for _ in range(5):
        ffi_static.uninstall()
        for copy in copies:
            works(copy, False)
        ffi_static.install()
        for copy in copies:
            works(copy, True)


@case()
def a_copy_that_cannot_be_served_is_named_and_the_others_are_served() -> None:
    name = vendor("carrier", "_cffi_backend")
    importlib.import_module(name)
    real = probe._cffi_maker

    def other(module: Any) -> Any:
        make, address = real(module)
        return make, (lambda made: 4096) if module.__name__ == name else address

    probe._cffi_maker = other
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ffi_static.install()
    (found,) = [w for w in seen if w.category is ffi_static.InstallWarning]
    assert "cannot serve carrier._cffi_backend" in str(found.message)
    refusal = state_of(name)
    assert refusal.state == "refused" and "address" in refusal.reason, refusal
    probe._cffi_maker = real
    works(sys.modules[name], False)
    works(_cffi_backend, True)
    ffi_static.install()
    assert state_of(name).state == "served"
    works(sys.modules[name], True)


@case()
def a_copy_is_left_alone_when_its_kind_was_not_asked_for() -> None:
    copies = [importlib.import_module(vendor("carrier", module)) for module in BACKENDS]
    ffi_static.install(ctypes=False)
    assert [s.module for s in ffi_static.installed()] == ["_cffi_backend", "carrier._cffi_backend"]
    works(copies[0], False)
    works(copies[1], True)


@case()
def modules_that_load_when_asked_are_not_loaded() -> None:
    (folder() / "lazy.py").write_text("raise SystemExit('loaded')")
    spec: Any = importlib.util.find_spec("lazy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    sys.modules["lazy"] = lazy
    spec.loader.exec_module(lazy)

    class Proxy:
        def __getattr__(self, name: Any) -> Any:
            raise SystemExit(name)

    sys.modules["proxy"] = Proxy()  # type: ignore[assignment]
    ffi_static.install()
    ffi_static.installed()


@case()
def imports_are_as_they_were_after_uninstall() -> None:
    before = _imp.exec_dynamic
    ffi_static.install()
    ffi_static.install()
    assert _imp.exec_dynamic is not before
    ffi_static.uninstall()
    assert _imp.exec_dynamic is before
    ffi_static.install()
    now = _imp.exec_dynamic
    _imp.exec_dynamic = lambda m: now(m)
    ffi_static.uninstall()  # another one stands before ours: both stay, and ours does nothing
    copy = importlib.import_module(vendor("carrier", "_cffi_backend"))
    works(copy, False)


def an_extension_that_fails_has_the_traceback_of_stock(extensions: str) -> None:
    sys.path.insert(0, extensions)

    def lines() -> list[str]:
        try:
            import failing  # type: ignore[import-not-found]  # noqa: F401
        except ZeroDivisionError:
            return [line for line in traceback.format_exc().splitlines() if "File" in line]
        raise AssertionError("imported")

    stock = lines()
    ffi_static.install()
    assert lines() == stock and len(stock) == 1, (lines(), stock)


# ---- other users of libffi


def an_extension_that_uses_libffi_itself_is_named(extensions: str, made: str, loaded: str) -> None:
    sys.path.insert(0, extensions)
    if loaded == "before":
        importlib.import_module("user")
    ffi_static.install()
    user = importlib.import_module("user")
    found = state_of("user")
    assert (found.state, found.file) == ("unserved", made), found
    assert "ffi_closure_alloc, ffi_prep_closure_loc" in found.reason, found
    assert user.call() == 42, "and it works as ever"
    ffi_static.uninstall()
    assert "unserved" not in states()


def a_library_that_uses_libffi_is_named_while_it_is_loaded(made: str) -> None:
    ffi_static.install()
    assert "unserved" not in states()
    library = ctypes.CDLL(made)
    found = state_of("library.so")
    assert (found.state, found.file) == ("unserved", made), found
    assert library.use() == 42
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
    still = made in Path("/proc/self/maps").read_text()  # musl's dlclose() does nothing
    assert ("unserved" in states()) == still


@case()
def libffi_and_this_package_are_not_named() -> None:
    ffi_static.install()
    assert "libffi" in Path("/proc/self/maps").read_text()
    assert set(states()) == {"served"}, ffi_static.installed()
