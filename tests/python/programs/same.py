# SPDX-License-Identifier: MIT
"""same - what test_dropin_turbo.py compares: all that a program can see of its callbacks

Each function whose name begins with a module's adds what it sees to a list. The list is printed as
JSON, for one of three ways: stock, the drop-in with the modules' own handlers, or the drop-in with
this package's dispatch ("turbo"). Addresses are left out.
"""

from __future__ import annotations

import io
import json
import re
import sys
import traceback
import warnings
from typing import Any, Callable

Row = tuple[str, object]


def plain(value: object) -> str:
    """Give what is seen of a value: its class and its repr, without addresses."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"repr raises {error!r}"
    return f"{type(value).__name__} {re.sub('0x[0-9a-fA-F]+', '0x', text)}"


class Seen:
    """What was seen: rows of a name and a value, and what went to hooks and to stderr."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.functions: list[tuple[Any, str]] = []  # kept: another object may get a dead one's id
        sys.unraisablehook = self.unraisable
        warnings.showwarning = self.warning  # type: ignore[assignment]
        warnings.simplefilter("always")

    def add(self, name: str, *values: object) -> None:
        """Add a row."""
        self.rows.append((name, [plain(value) for value in values]))

    def unraisable(self, hooked: Any) -> None:
        """Be sys.unraisablehook."""
        frames = traceback.extract_tb(hooked.exc_traceback)
        lines = [f"{each.name}: {each.line}" for each in frames]
        names = [name for each, name in self.functions if each is hooked.object]
        known = names[0] if names else plain(hooked.object)
        value = hooked.exc_value
        chain = [plain(value.__context__), plain(value.__cause__)] if value else []
        self.rows.append(("unraisable", [plain(hooked.err_msg), known, plain(value), lines, chain]))

    def warning(self, message: object, category: type, filename: str, line: int, *_: Any) -> None:
        """Be warnings.showwarning."""
        self.rows.append(("warning", [plain(message), category.__name__, filename, line]))

    def call(self, name: str, call: Callable[..., Any], *args: Any, result: bool = True) -> None:
        """Call, and add the result or the exception, and what went to stderr."""
        stderr, sys.stderr = sys.stderr, io.StringIO()
        try:
            given: object = call(*args)
            if not result:
                given = "not looked at"
        except BaseException as error:
            given = error
        finally:
            said, sys.stderr = sys.stderr.getvalue(), stderr
        self.rows.append((name, [plain(given), re.sub("0x[0-9a-f]+", "0x", said)]))


class Counting:
    """An object with all the methods by which it may become a number; tells which are called."""

    def __init__(self, seen: Seen, value: object = 5) -> None:
        self.seen = seen
        self.value: Any = value

    def _give(self, name: str) -> Any:
        self.seen.add(name)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    def __index__(self) -> int:
        return int(self._give("__index__"))

    def __int__(self) -> int:
        return int(self._give("__int__"))

    def __float__(self) -> float:
        return float(self._give("__float__"))

    def __bool__(self) -> bool:
        return bool(self._give("__bool__"))

    def __len__(self) -> int:
        return int(self._give("__len__"))


class Unspeakable:
    """A callable whose repr raises."""

    def __call__(self, *_: object) -> object:
        raise LookupError("from an object")

    def __repr__(self) -> str:
        raise OSError("no repr")


class Number(int):
    """A subclass of int."""


class Real(float):
    """A subclass of float."""


def results(seen: Seen) -> list[object]:
    """Give what callbacks may return, wrong or right."""
    return [
        *(0, 1, -1, 5, 127, 128, 255, 256, -128, -129, 65535, 2**31 - 1, 2**31, -(2**31) - 1),
        *(2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30, True, False),
        *(0.0, -0.0, 1.5, 1e300, float("inf"), Number(7), Real(2.5), None, b"", b"x", b"xy", "x"),
        *("", "\u20ac", "\U0001f600", "xy", (), [], [1, 2], {}, object, 1j, Ellipsis),
        *(Counting(seen), Counting(seen, ValueError("not a number")), Counting(seen, 2**40)),
    ]


def run(how: str, module: str) -> None:
    """Print what is seen, and how many callbacks this package's dispatch ran."""
    import ffi_static
    from tests.python.programs import same_cffi, same_ctypes

    if how != "stock":
        ffi_static.install(turbo=how == "turbo")
    seen = Seen()
    part: Any = same_ctypes if module == "_ctypes" else same_cffi
    for name, function in list(vars(part).items()):
        if name.startswith("see_"):
            seen.rows.append((name, None))
            function(seen)
    turbo = sum(each.turbo for each in ffi_static.installed() if each.module == module)
    made = sum(each.made for each in ffi_static.installed() if each.module == module)
    print(json.dumps({"rows": seen.rows, "turbo": turbo, "made": made}))
