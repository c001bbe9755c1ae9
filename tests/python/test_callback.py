# SPDX-License-Identifier: MIT
"""test_callback - the object that ffi_static.callback makes, and who can call it"""

from __future__ import annotations

import ctypes
import gc
import operator
import pickle
import sys
import weakref
from pathlib import Path
from typing import Any

import cffi
import pytest

import ffi_static
from ffi_static import _lib
from tests.python.conftest import Script
from tests.python.programs import callback as programs
from tests.support.process import output
from tests.support.programs import cases, program

INT_INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def test_decorator_gives_the_callback(caller: Any) -> None:
    @ffi_static.callback("int(int)")
    def twice(x: int) -> int:
        return 2 * x

    assert isinstance(twice, ffi_static.Callback)
    assert caller.call(twice.address, 21) == 42


def test_function_form(caller: Any) -> None:
    callback = ffi_static.callback("int(int)", abs)
    assert caller.call(callback.address, -3) == 3


def test_decorator_refuses_a_bad_signature_at_once() -> None:
    with pytest.raises(ffi_static.SignatureError):
        ffi_static.callback("nonsense(")


@pytest.mark.parametrize("signature", ["char(void)", ctypes.CFUNCTYPE(ctypes.c_char)])
def test_result_char_has_the_sign_that_it_has_in_c(caller: Any, signature: Any) -> None:
    """It is unsigned on most architectures other than x86. The callee extends it there."""
    assert caller.call_char(ffi_static.callback(signature, lambda: b"\xff")) == 1


def test_as_parameter_of_ctypes_function_with_declared_argtypes(caller: Any) -> None:
    assert caller.call(ffi_static.callback("int(int)", lambda x: x + 1), 1) == 2


def test_as_parameter_of_ctypes_function_without_argtypes(caller_path: str) -> None:
    assert ctypes.CDLL(caller_path).call(ffi_static.callback("int(int)", lambda x: x + 1), 1) == 2


def test_as_parameter_where_ctypes_wants_a_function_type(caller_path: str) -> None:
    call = ctypes.CDLL(caller_path).call
    call.argtypes = [INT_INT, ctypes.c_int]
    assert call(ffi_static.callback(INT_INT, lambda x: x + 1), 1) == 2
    assert call(ffi_static.callback("int(int)", lambda x: x + 2).as_ctypes(INT_INT), 1) == 3


def test_as_ctypes_keeps_the_callback_alive() -> None:
    pointer = ffi_static.callback("int(int)", lambda x: x + 1).as_ctypes(INT_INT)
    gc.collect()
    assert pointer(1) == 2


def test_as_ctypes_of_a_declaration_needs_the_type() -> None:
    with pytest.raises(TypeError, match="give the type"):
        ffi_static.callback("int(int)", abs).as_ctypes()


def test_cdata_is_callable_and_keeps_the_callback_alive() -> None:
    pointer = ffi_static.callback("int(int)", lambda x: x + 1).cdata
    gc.collect()
    assert pointer(1) == 2


def test_cdata_has_the_function_type() -> None:
    ffi = cffi.FFI()
    callback = ffi_static.callback("int(int)", abs)
    assert ffi.typeof(callback.cdata) is ffi.typeof("int(*)(int)")
    assert int(ffi.cast("uintptr_t", callback.cdata)) == callback.address


def test_cdata_can_be_stored_in_a_struct() -> None:
    ffi: Any = cffi.FFI()
    ffi.cdef("struct ops { int (*run)(int); };")
    pointer = ffi_static.callback("int(int)", lambda x: x + 5).cdata
    ops = ffi.new("struct ops *", {"run": pointer})
    assert ops.run(1) == 6


def test_int_and_index_are_the_address() -> None:
    callback = ffi_static.callback("int(int)", abs)
    assert int(callback) == operator.index(callback) == callback.address != 0


def test_repr_names_function_signature_and_address() -> None:
    def named(x: int, _y: float) -> int:
        return x

    callback = ffi_static.callback("int(int, double)", named)
    text = repr(callback)
    assert "'int(int, double)'" in text and repr(named) in text
    assert f"{callback.address:#x}" in text
    callback.close()
    assert "closed" in repr(callback)


def test_equality_is_identity() -> None:
    one, other = ffi_static.callback("int(int)", abs), ffi_static.callback("int(int)", abs)
    assert one == one and one != other  # noqa: PLR0124
    assert len({one, other}) == 2


def test_not_picklable() -> None:
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(ffi_static.callback("int(int)", abs))


def test_not_subclassable() -> None:
    with pytest.raises(TypeError, match="subclass"):
        type("Sub", (ffi_static.Callback,), {})


def test_weak_reference() -> None:
    callback = ffi_static.callback("int(int)", abs)
    reference = weakref.ref(callback)
    assert reference() is callback
    del callback
    gc.collect()
    assert reference() is None


def test_attributes() -> None:
    callback = ffi_static.callback("int(int)", abs, onerror=print)
    assert callback.function is abs
    assert callback.onerror is print
    assert callback.signature.text == "int(int)"


def test_not_a_callable() -> None:
    with pytest.raises(TypeError, match="expected a callable object, not int"):
        ffi_static.callback("int(int)", 42)  # type: ignore[call-overload]


def test_onerror_not_a_callable() -> None:
    with pytest.raises(TypeError, match="onerror"):
        ffi_static.callback("int(int)", abs, onerror=1)  # type: ignore[call-overload]


def test_recursion_through_c(caller: Any) -> None:
    @ffi_static.callback("int(int)")
    def factorial(n: int) -> int:
        return 1 if n < 2 else n * int(caller.call(factorial.address, n - 1))

    assert caller.call(factorial.address, 10) == 3628800


def test_callback_made_and_called_inside_a_callback(caller: Any) -> None:
    @ffi_static.callback("int(int)")
    def outer(n: int) -> int:
        with ffi_static.callback("int(int)", lambda x: x * 10) as inner:
            return int(caller.call(inner.address, n))

    assert caller.call(outer.address, 4) == 40


def test_gil_held_by_the_caller(holder: Any) -> None:
    callback = ffi_static.callback("int(int)", lambda x: x)
    assert holder.loop(callback.address, 100) == 4950


def test_exception_that_a_caller_with_the_gil_has_set_survives(holder: Any) -> None:
    seen = []

    @ffi_static.callback("int(int)")
    def run(x: int) -> int:
        seen.append(x)
        return x

    set_string = ctypes.cast(ctypes.pythonapi.PyErr_SetString, ctypes.c_void_p)
    with pytest.raises(KeyError, match="kept"):
        holder.call_after(set_string, id(KeyError), b"kept", run.address)
    assert seen == [1]


@pytest.mark.parametrize("count", [0, 1, 6, 15, 16, 17, 40, 200])
def test_any_number_of_arguments(count: int) -> None:
    declaration = f"long({', '.join(['long'] * count) or 'void'})"
    callback = ffi_static.callback(declaration, lambda *given: sum(given) * 100 + len(given))
    assert callback.cdata(*range(count)) == sum(range(count)) * 100 + count


def test_too_many_arguments() -> None:
    with pytest.raises(TypeError):
        _lib.shape("i", ("i",) * 65536)


@cases(programs)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


def test_unknown_provider_lists_the_legal_names(script: Script) -> None:
    text = script(program(programs.unknown_provider), FFI_STATIC_PROVIDER="no-such-provider").stdout
    assert "no-such-provider" in text and "resident" in text


def test_example_of_the_package_runs() -> None:
    text = ffi_static.__doc__ or ""
    example = [line[4:] for line in text.splitlines() if line.startswith("    ") or not line]
    assert "callback" in "".join(example)
    assert output([sys.executable, "-c", "\n".join(example)]) == "[1, 2, 3, 4, 5]\n"


def test_example_of_the_documentation_runs(root: Path) -> None:
    text = (root / "docs" / "use" / "python.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    assert output([sys.executable, "-c", example]) == "[1, 2, 3, 4, 5]\n"
