# SPDX-License-Identifier: MIT
"""programs - a function of a module as a program of its own

A test that does something to a whole process calls a function in a fresh interpreter. The function
stands in a file beside the tests (`tests/python/programs/`), where ruff and mypy see it; mypy also
sees that its arguments fit. Its module must be importable without pytest and on every Python, and
importing it must do nothing: the test imports the module too, in order to name the function.

A function that only has to end well is a test by itself: case() says with which arguments, and the
test file has one test for all of them (cases()).

This file is also the far side: ``python programs.py MODULE FUNCTION ARGUMENTS`` calls the function
with the arguments, a list in JSON. It imports nothing before that but json and importlib.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, TypeVar

if TYPE_CHECKING:
    import pytest
    from typing_extensions import ParamSpec

    Arguments = ParamSpec("Arguments")
Function = TypeVar("Function", bound=Callable[..., Any])


def program(
    function: Callable[Arguments, Any], *arguments: Arguments.args, **named: Arguments.kwargs
) -> list[str]:
    """Give the command that calls `function` in a fresh interpreter; for run() of process.py.

    The arguments are what JSON has: text, numbers, True, False, None, lists and dicts of them.
    """
    if named:
        raise TypeError(f"{function.__name__}: arguments go to a program by position")
    return [sys.executable, *words(function, *arguments)]


def case(*each: object) -> Callable[[Function], Function]:
    """Have a function be a test: once, or once with each argument (a tuple: several) of `each`."""

    def mark(function: Function) -> Function:
        given = [one if isinstance(one, tuple) else (one,) for one in each]
        vars(function)["cases"] = given or [()]
        return function

    return mark


def cases(module: ModuleType) -> pytest.MarkDecorator:
    """Give the decorator of the test that gets a module's cases as `function` and `given`."""
    import pytest

    found = [
        pytest.param(function, given, id="-".join([name, *map(str, given)]))
        for name, function in vars(module).items()
        for given in getattr(function, "cases", ())
    ]
    return pytest.mark.parametrize(("function", "given"), found)


def words(function: Callable[..., Any], *arguments: object) -> list[str]:
    """Give the same without the interpreter."""
    return [__file__, function.__module__, function.__qualname__, json.dumps(arguments)]


def call(module: str, function: str, arguments: str) -> None:
    """Be the far side."""
    getattr(import_module(module), function)(*json.loads(arguments))


if __name__ == "__main__":
    here, checkout = __file__.rsplit("/", 1)[0], __file__.rsplit("/", 3)[0]
    sys.path[:] = [checkout, *(path for path in sys.path if path != here)]
    given = sys.argv[1:]
    del sys.argv[1:]
    call(*given)
