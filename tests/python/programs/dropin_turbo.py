# SPDX-License-Identifier: MIT
"""dropin_turbo - what test_dropin_turbo.py does to whole processes"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import sys
import tempfile
import threading
import warnings
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Callable

import ffi_static
from ffi_static import _lib
from ffi_static._dropin import probe
from tests.python.programs import fresh
from tests.python.programs.caller import caller
from tests.python.programs.tools import BOTH, FUNCTION, MAKERS, ffi, place_of, record
from tests.support.programs import case

ANY: Any = ffi


def turbo(module: str) -> int:
    """Tell how many callbacks of a module run by this package's dispatch."""
    return record(module).turbo


def ways(module: str, make: Callable[[], Any], *args: Any) -> int:
    """Call a callback once; tell whether this package's dispatch runs it."""
    before = turbo(module)
    made = make()
    made(*args)
    return turbo(module) - before


# ---- the switch


@BOTH
def a_callback_is_counted_at_its_first_call(module: str) -> None:
    ffi_static.install()
    make = MAKERS[module]
    made = [make(abs) for _ in range(5)]
    assert (turbo(module), record(module).no_turbo) == (0, "")
    for expected in (1, 2):
        for _ in range(3):
            assert caller.call(made[expected][1], -7) == 7
        assert turbo(module) == expected


@BOTH
def off_is_off_until_uninstall(module: str) -> None:
    make = MAKERS[module]
    ffi_static.install(turbo=False)
    ffi_static.install()
    made, address = make(abs)
    assert caller.call(address, -7) == 7
    assert (turbo(module), record(module).no_turbo) == (0, "turbo=False")
    ffi_static.uninstall()
    ffi_static.install()
    assert record(module).no_turbo == ""
    other, address = make(abs)
    assert caller.call(address, -7) == 7
    assert turbo(module) == 1
    assert made and other


@BOTH
def callbacks_from_before_the_switch_go_on(module: str) -> None:
    make = MAKERS[module]
    ffi_static.install()
    made, address = make(abs)
    assert caller.call(address, -7) == 7
    ffi_static.install(turbo=False)
    assert caller.call(address, -8) == 8
    ffi_static.uninstall()
    gc.collect()
    assert caller.call(address, -9) == 9
    assert made


# ---- which callbacks


class Pair(ctypes.Structure):
    """A struct."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


@case()
def which_ctypes_callbacks_are_ours() -> None:
    ffi_static.install()

    class Told(Pair):
        def __init__(self, *args: Any) -> None:
            Pair.__init__(self, *args)

    def given(result: Any, *args: Any, **more: Any) -> Callable[[], Any]:
        return lambda: ctypes.CFUNCTYPE(result, *args, **more)(lambda *_: 1)

    integer, pointer = ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    ours: list[Any] = [
        (given(integer, integer), 1),
        (given(None),),
        (given(ctypes.c_double, ctypes.c_float, ctypes.c_char_p, ctypes.c_bool), 1, b"x", True),
        (given(integer, pointer, ctypes.c_void_p), None, None),
        (given(integer, Pair), Pair(1, 2)),
        (given(integer, ctypes.py_object), object()),
        (given(integer, *[integer] * 24), *range(24)),
    ]
    theirs: list[Any] = [
        (given(integer, integer, use_errno=True), 1),
        (given(integer, Told), Told(1, 2)),
        (given(ctypes.py_object, integer), 1),
        (given(integer, *[integer] * 25), *range(25)),
    ]
    for make, *args in ours:
        assert ways("_ctypes", make, *args) == 1, args
    for make, *args in theirs:
        assert ways("_ctypes", make, *args) == 0, args


@case()
def which_cffi_callbacks_are_ours() -> None:
    ffi_static.install()

    def given(text: str, answer: object = 1) -> Callable[[], Any]:
        return lambda: ANY.callback(text, lambda *_: answer)

    for make, *args in (
        (given("int(int)"), 1),
        (given("void(void *)", None), ffi.NULL),
        (given("double(float, char, _Bool)"), 1, b"x", True),
        (given(f"long({', '.join(['long'] * 24)})"), *range(24)),
    ):
        assert ways("_cffi_backend", make, *args) == 1, args
    for make, *args in (
        (given("int *(int)", ffi.NULL), 1),
        (given(f"long({', '.join(['long'] * 25)})"), *range(25)),
    ):
        assert ways("_cffi_backend", make, *args) == 0, args


# ---- threads, interpreters, children


@BOTH
def many_threads_call_while_callbacks_come_and_go(module: str) -> None:
    make = MAKERS[module]
    ffi_static.install()
    made, address = make(lambda n: n)
    stop = False

    def churn() -> None:
        while not stop:
            some = [make(lambda n, k=k: n + k) for k in range(50)]
            assert [caller.call(at, 1) for _, at in some] == list(range(1, 51))

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for each in threads:
        each.start()
    for _ in range(20):
        assert caller.in_threads(address, 200, 4) == 4 * sum(range(200))
    stop = True
    for each in threads:
        each.join()
    assert made and turbo(module) > 1


@BOTH
def a_child_calls_what_its_parent_has_called(module: str) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
    make = MAKERS[module]
    ffi_static.install()
    called, uncalled = make(abs), make(abs)
    assert caller.call(called[1], -1) == 1
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            right = [caller.call(at, -3) for _, at in (called, uncalled, make(abs))] == [3, 3, 3]
            os._exit(0 if right and turbo(module) == 3 else 1)
        assert os.waitpid(pid, 0)[1] == 0


@case()
def another_rebinding_of_the_call_leaves_cffi_its_handler() -> None:
    """A profiler may put its own function where ours is. Then nothing could be handed on."""
    ffi_static.install()
    place = place_of("PyObject_Call")
    ours, seen = place.value, []

    def answers(n: int) -> object:
        seen.append(n)
        return "wrong"

    real = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value
    place.value = real
    wrong: Any = ANY.callback(FUNCTION, answers, error=-3)
    assert (wrong(1), seen) == (-3, [1])
    assert turbo("_cffi_backend") == 0
    place.value = ours
    made: Any = ANY.callback(FUNCTION, abs)
    assert made(-4) == 4
    assert turbo("_cffi_backend") == 1

    def rebinds(n: int) -> object:
        place.value = real
        return answers(n)

    told: list[Any] = []
    sys.unraisablehook = lambda hooked: told.append((hooked.object, str(hooked.exc_value)))
    lost: Any = ANY.callback(FUNCTION, rebinds, error=-3)
    assert (lost(2), seen) == (-3, [1, 2]), "not called twice"
    ((culprit, said),) = told
    assert culprit is rebinds and "PyObject_Call was rebound" in said


@case("its own", "the same")
def another_interpreter_has_turbo_too(gil: str) -> None:
    fresh.needs((3, 13), "ctypes there needs the main interpreter's")
    ffi_static.install()
    same = fresh.new_interpreter_for_ctypes
    new = fresh.new_interpreter_with_its_own_gil if gil == "its own" else same
    failed: list[BaseException] = []

    def work() -> None:
        sub, number = interpreter = new()
        try:
            fresh.call_in(interpreter, fresh.call_with_structs)
        except BaseException as error:
            failed.append(error)
        sub.destroy(number)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed, failed
    assert turbo("_ctypes") == 3 * 400
    assert record("_ctypes").live == 0


@case()
def a_callback_in_a_cycle_is_collected_while_its_like_are_called() -> None:
    ffi_static.install()

    class Node:
        def __init__(self, kind: str) -> None:
            self.call: Any = MAKERS[kind](self.answer)[0]

        def answer(self, n: int) -> int:
            if n % 50 == 0:
                gc.collect()
            return n + 1

    for kind in MAKERS:
        before = record(kind).live
        for n in range(500):
            node = Node(kind)
            assert [node.call(n), node.call(n)] == [n + 1, n + 1]
        del node
        gc.collect()
        assert record(kind).live == before


# ---- what is not as the probe expects


def copied(name: str, old: bytes = b"", new: bytes = b"") -> Any:
    """Load a changed copy of an extension module, and give the record of it."""
    folder = tempfile.mkdtemp()
    path = Path(folder) / "copied.so"
    file = getattr(sys.modules[name], "__file__", None) or ""
    data = Path(file).read_bytes()
    assert len(old) == len(new) and old in data
    path.write_bytes(data.replace(old, new))
    loader = ExtensionFileLoader(f"copies.{name}", str(path))
    spec: Any = spec_from_file_location(loader.name, str(path), loader=loader)
    try:
        module = module_from_spec(spec)
        loader.exec_module(module)
        LOADED.append(module)
        (found,) = [each for each in ffi_static.installed() if each.file == str(path)]
    finally:
        shutil.rmtree(folder)
    return module, found


LOADED: list[Any] = []


@case()
def a_copy_of_cffi_keeps_its_own_handler() -> None:
    ffi_static.install()
    module, found = copied("_cffi_backend")
    assert found.state == "served", found
    assert "another cffi" in found.no_turbo, found
    number = module.new_primitive_type("int")
    made = module.callback(module.new_function_type((number,), number, False), abs)
    assert made(-5) == 5
    assert turbo("_cffi_backend") == 0


@case()
def a_ctypes_that_words_its_reports_otherwise_keeps_its_own_handler() -> None:
    ffi_static.install()
    _, same = copied("_ctypes", b"ctypes callback function", b"ctypes callback function")
    assert (same.state, same.no_turbo) == ("served", ""), same
    _, other = copied("_ctypes", b"ctypes callback function", b"CTYPES callback function")
    assert other.state == "served", other
    assert "words" in other.no_turbo, other


@case()
def another_layout_keeps_ctypes_handler() -> None:
    """The probe's callback has flags that it must not have, as another layout would show."""
    original = probe._ctypes_maker

    def changed(module: Any) -> Any:
        prototype, address = original(module)
        words = {"_flags_": module.FUNCFLAG_CDECL | module.FUNCFLAG_USE_ERRNO}
        words |= {"_restype_": prototype._restype_, "_argtypes_": prototype._argtypes_}
        return type(prototype)("changed", (module.CFuncPtr,), words), address

    probe._ctypes_maker = changed
    ffi_static.install()
    assert record("_ctypes").no_turbo == "its thunks have another layout"
    made, address = MAKERS["_ctypes"](abs)
    assert made and caller.call(address, -6) == 6
    assert turbo("_ctypes") == 0


@BOTH
def a_wrong_answer_of_the_probe_keeps_the_modules_handler(module: str) -> None:
    call = _lib.dropin_call
    calls: list[int] = []

    def second_is_wrong(*args: Any) -> int:
        calls.append(1)
        return call(*args) + len(calls) % 2 - 1

    _lib.dropin_call = second_is_wrong
    ffi_static.install()
    assert "wrong answer" in record(module).no_turbo
    made, address = MAKERS[module](abs)
    assert made and caller.call(address, -6) == 6
    assert turbo(module) == 0
