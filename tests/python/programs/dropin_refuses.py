# SPDX-License-Identifier: MIT
"""dropin_refuses - modules that install() does not know, and import tables of every make"""

from __future__ import annotations

import _ctypes
import contextlib
import ctypes
import gc
import importlib
import math
import os
import platform
import shutil
import struct
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _cffi_backend

import ffi_static
from ffi_static import _lib
from ffi_static._dropin import probe as real_probe
from tests.python.programs.caller import caller
from tests.python.programs.fresh import has_gil, skip
from tests.python.programs.tools import INT, mapped, ours, with_cffi, with_ctypes
from tests.support.process import emulated
from tests.support.programs import case

probe: Any = real_probe
FOREIGN: Any = _cffi_backend  # no stubs have what is asked of it here


def maps() -> list[list[str]]:
    return mapped("_ctypes") + mapped("_cffi_b")


def refused(name: str, module: Any) -> str:
    """Give the reason for which a module is refused, which changes nothing."""
    before = maps()
    try:
        probe.serve(name, module)
    except ffi_static.InstallError as error:
        assert maps() == before
        assert ffi_static.installed() == (), ffi_static.installed()
        return str(error)
    raise AssertionError("served " + name)


def stock(make: Any) -> None:
    made = [make(lambda x: x + 1) for _ in range(200)]
    assert not any(ours(address) for _, address in made)
    assert {caller.call(address, 1) for _, address in made} == {2}


class Proxy:
    def __init__(self, module: Any, **other: Any) -> None:
        self.__dict__.update(module.__dict__)
        self.__dict__.update(other)


def not_the_address() -> Any:
    """Give cffi as a module whose callbacks seem to have another address."""
    return Proxy(_cffi_backend, cast=lambda _type, _made: 4096)


#: What is changed in cffi, and a word of the refusal.
CHANGES: dict[str, dict[str, Any]] = {
    "sign": {"new_function_type": lambda a, r, v: FOREIGN.new_function_type(a[:2], r, v)},
    "types": {"new_primitive_type": lambda n: FOREIGN.new_primitive_type("int")},
    "address": {"cast": lambda t, made: 4096},
    "trial": {"new_void_type": None},
}


@case()
def a_module_with_libffi_inside_is_refused_with_the_reason() -> None:
    said = refused("_ctypes", SimpleNamespace(dlopen=math.sin, __file__=None))
    assert "imports neither ffi_closure_alloc" in said and "statically" in said, said


@case()
def a_module_without_the_function_is_refused() -> None:
    assert "_ctypes" in refused("_ctypes", SimpleNamespace())
    assert "_cffi_backend" in refused("_cffi_backend", SimpleNamespace(callback=lambda *a: None))


@case(*CHANGES)
def a_cffi_whose_trial_goes_wrong_is_refused_and_put_back(why: str) -> None:
    old = [with_cffi(lambda x: x - 1) for _ in range(100)]
    if why == "trial":
        ok = probe._cffi_arguments  # the drain needs it, the trial shall fail
        probe._cffi_arguments = lambda m: ok(_cffi_backend)
        probe._cffi_maker = len  # of a module: TypeError, of no signal handler's making
    said = refused("_cffi_backend", Proxy(_cffi_backend, **CHANGES[why]))
    assert why in said, said
    stock(with_cffi)
    assert {caller.call(address, 1) for _, address in old} == {0}
    del old
    gc.collect()
    stock(with_cffi)


@case()
def a_ctypes_whose_trial_goes_wrong_is_refused_and_put_back() -> None:
    old = with_ctypes(lambda x: x - 1)
    real = probe._ctypes_maker

    def other(module: Any) -> Any:
        make, address = real(module)
        return (lambda f: INT(f)), address

    probe._ctypes_maker = other
    said = refused("_ctypes", _ctypes)
    assert "describes signatures" in said, said
    probe._ctypes_maker = lambda m: (real(m)[0], lambda made: 4096)
    assert "address" in refused("_ctypes", _ctypes)
    stock(with_ctypes)
    assert caller.call(old[1], 1) == 0
    probe._ctypes_maker = real
    ffi_static.install()
    f, address = with_ctypes(abs)
    assert ours(address)


@case()
def when_one_is_refused_the_other_is_put_back() -> None:
    sys.modules["_cffi_backend"] = not_the_address()
    try:
        ffi_static.install()
    except ffi_static.InstallError as error:
        assert "_cffi_backend" in str(error)
    else:
        raise AssertionError
    assert {s.state for s in ffi_static.installed()} <= {"restored"}
    stock(with_ctypes)
    sys.modules["_cffi_backend"] = _cffi_backend
    ffi_static.install()
    f, address = with_ctypes(abs)
    assert ours(address)


@case()
def a_module_that_was_served_before_stays_so_when_another_is_refused() -> None:
    ffi_static.install(cffi=False)
    sys.modules["_cffi_backend"] = not_the_address()
    with contextlib.suppress(ffi_static.InstallError):
        ffi_static.install()
    f, address = with_ctypes(abs)
    assert ours(address)


@case()
def an_unknown_module_imported_after_install_is_warned_of() -> None:
    ffi_static.install()
    folder = tempfile.mkdtemp()
    Path(folder, "_cffi_backend.py").write_text("__version__ = '99'")
    sys.path.insert(0, folder)
    del sys.modules["_cffi_backend"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        other: Any = importlib.import_module("_cffi_backend")
    assert other.__version__ == "99"
    (found,) = [w for w in seen if w.category is ffi_static.InstallWarning]
    assert "cannot serve _cffi_backend" in str(found.message)
    (refusal,) = [s for s in ffi_static.installed() if s.state == "refused"]
    assert (refusal.module, refusal.version) == ("_cffi_backend", "99") and refusal.reason
    assert refusal.file == str(Path(folder, "_cffi_backend.py"))


@case()
def more_copies_than_there_are_records_are_refused() -> None:
    ffi_static.install()
    warnings.simplefilter("ignore")
    path = str(_ctypes.__file__)
    keep = []
    for _ in range(12):
        folder = tempfile.mkdtemp()
        shutil.copy(path, folder)
        sys.path.insert(0, folder)
        keep.append(sys.modules.pop("_ctypes"))
        importlib.import_module("_ctypes")
        shutil.rmtree(folder)
    states = [s.state for s in ffi_static.installed()]
    assert states.count("served") == 8 and states.count("refused") == 6, states
    refusals = [s for s in ffi_static.installed() if s.state == "refused"]
    assert len({s.file for s in refusals}) == 6, "each by its file"
    assert all("too many copies" in s.reason for s in refusals), refusals


def a_read_only_table_that_must_stay_so_is_left_alone(folder: str) -> None:
    sys.path.insert(0, folder)
    tables = importlib.import_module("tables")
    if emulated():
        skip("qemu-user has no seccomp filters")
    machine = platform.machine() if sys.maxsize > 2**32 else "32-bit"
    mprotect = {"x86_64": 10, "32-bit": 125, "ppc64le": 125, "s390x": 125}.get(machine, 226)
    code = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, mprotect),
        (6, 0, 0, 0x50000 + 13),
        (6, 0, 0, 0x7FFF0000),
    ]  # its number? then EACCES, else allow
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in code))
    program = struct.pack("@HP", len(code), ctypes.addressof(text))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(38, 1, 0, 0, 0) == 0
    assert prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
    try:
        _lib.dropin_bind("_ctypes", "", tables.dlopen)
    except RuntimeError as error:
        assert "read-only" in str(error) and "denied" in str(error) and "policy" in str(error), (
            error
        )
    else:
        raise AssertionError
    _closure, made = tables.make()
    assert not ours(made)


def every_make_of_import_table(folder: str, called_before: bool) -> None:
    if not has_gil():
        skip("its closures are of no object, and without the GIL the drop-in looks at the object")
    sys.path.insert(0, folder)
    tables = importlib.import_module("tables")

    def table() -> list[str]:
        modes = [rights[:3] for _, rights in mapped("tables.so")]
        assert not any("w" in mode and "x" in mode for mode in modes)
        return modes

    if called_before:
        closure, code = tables.make()
        tables.drop(closure)
    before = table()
    old, _ = tables.make() if called_before else (0, 0)
    record, kind, served = _lib.dropin_bind("_ctypes", "", tables.dlopen)
    assert kind == "libffi" and not served
    assert table() == before, (table(), before)
    closure, code = tables.make()
    assert ours(code), hex(code)
    assert tables.prepare(closure, code) == 0 and ours(code)
    if called_before:
        tables.drop(old)  # libffi made it, so libffi frees it
    tables.drop(closure)
    _lib.dropin_restore(record, False)
    assert table() == before
    closure, code = tables.make()
    assert closure and not ours(code)
    tables.drop(closure)


def table_is(path: str) -> None:
    """Print where each mapping of tables.so begins, and its rights."""
    ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    for where, rights in mapped("tables.so"):
        print(where.split("-")[0], rights[:2])
