# SPDX-License-Identifier: MIT
"""same_ctypes - what a program can see of ctypes' callbacks (see same.py)"""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
import threading
import warnings
import weakref
from typing import Any, Callable

from tests.python.programs.caller import caller, holder
from tests.python.programs.same import Counting, Seen, Unspeakable, results

INT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
INTEGERS = [getattr(ctypes, f"c_{u}{n}") for n in ("short", "int", "long") for u in ("", "u")]
INTEGERS += [ctypes.c_byte, ctypes.c_ubyte, ctypes.c_longlong, ctypes.c_ulonglong, ctypes.c_size_t]
FLOATS = [ctypes.c_float, ctypes.c_double, ctypes.c_longdouble]
OTHERS = [ctypes.c_bool, ctypes.c_char, ctypes.c_wchar]
SCALARS: list[Any] = [*INTEGERS, *FLOATS, *OTHERS]


class Pair(ctypes.Structure):
    """Two doubles."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


class Mixed(ctypes.Structure):
    """An int, a pointer and a double: in memory."""

    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_char_p), ("c", ctypes.c_double))


class Small(ctypes.BigEndianStructure):
    """Four bytes, swapped."""

    _fields_ = (("a", ctypes.c_short), ("b", ctypes.c_short))


class Either(ctypes.Union):
    """An int or a float."""

    _fields_ = (("i", ctypes.c_int), ("f", ctypes.c_float))


class Int(ctypes.c_int):
    """A subclass, which arrives as an instance."""


class Said(ctypes.c_int):
    """A subclass that tells of its making."""

    seen: Seen

    def __init__(self, *args: Any) -> None:
        ctypes.c_int.__init__(self, *args)
        self.seen.add("__init__", args)


class Refusing(Pair):
    """A struct that does not let itself be made."""

    seen: Seen

    def __init__(self, *args: Any) -> None:
        self.seen.add("refuses", args)
        if not args:
            raise LookupError("not without arguments")
        Pair.__init__(self, *args)


class Mortal(Pair):
    """A struct that tells of its end."""

    seen: Seen

    def __del__(self) -> None:
        self.seen.add("__del__", self.x)


class Meta(type(Pair)):  # type: ignore[misc]
    """A metaclass that tells of calls."""

    seen: Seen

    def __call__(cls, *args: Any) -> Any:
        Meta.seen.add("metaclass", args)
        return type(Pair).__call__(cls, *args)


def function(seen: Seen, name: str, result: object = None) -> Callable[..., Any]:
    """Give a function that tells what it gets, and returns or raises `result`."""

    def called(*args: Any) -> Any:
        seen.add(name, *args)
        if isinstance(result, BaseException):
            raise result
        return result

    seen.functions.append((called, f"function of {name}"))
    return called


def twice(seen: Seen, name: str, callback: Any, *args: Any, result: bool = True) -> None:
    """Call a callback twice: its first call decides who runs it."""
    for _ in range(2):
        seen.call(name, callback, *args, result=result)


def see_arguments(seen: Seen) -> None:
    values: dict[Any, list[object]] = {
        ctypes.c_char: [b"\0", b"x", b"\xff"],
        ctypes.c_wchar: ["x", "\u20ac", "\U0001f600"],
        ctypes.c_bool: [True, False],
    }
    for cls in SCALARS:
        get = ctypes.CFUNCTYPE(None, cls)(function(seen, f"argument {cls.__name__}"))
        default = [0.5, -0.0, 1e30] if cls in FLOATS else [0, 1, -1, 127, -128, 2**31, 2**64 - 1]
        for value in values.get(cls, default):
            seen.call("void", get, value)
    texts: list[tuple[Any, list[Any]]] = [
        (ctypes.c_char_p, [None, b"", b"text"]),
        (ctypes.c_wchar_p, [None, "", "te\u20act"]),
        (ctypes.c_void_p, [None, 0, 1, 2**64 - 1]),
        (ctypes.py_object, [None, [1], "same"]),
        (ctypes.POINTER(ctypes.c_int), [None, ctypes.pointer(ctypes.c_int(4))]),
        (ctypes.POINTER(Pair), [ctypes.pointer(Pair(1, 2))]),
    ]
    for cls, given in texts:
        get = ctypes.CFUNCTYPE(None, cls)(function(seen, f"argument {cls.__name__}"))
        for value in given:
            seen.call("void", get, value)
    swapped: Any = ctypes.c_int.__ctype_be__  # type: ignore[attr-defined]
    raw = ctypes.CFUNCTYPE(None, ctypes.c_int)
    get = ctypes.CFUNCTYPE(swapped, swapped)(function(seen, "swapped", 1))
    twice(seen, "swapped", ctypes.cast(get, INT), 0x01020304)
    twice(seen, "swapped", ctypes.cast(get, raw), 1)


def see_counts_of_arguments(seen: Seen) -> None:
    for count in (0, 1, 2, 6, 15, 16, 23, 24, 25, 40):
        prototype = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * count)
        twice(seen, str(count), prototype(function(seen, "many", count)), *range(count))
    mixed = [ctypes.c_int, ctypes.c_double, ctypes.c_char, ctypes.c_void_p, Pair, Int, Mixed]
    taken = ctypes.CFUNCTYPE(ctypes.c_double, *mixed)(
        lambda a, b, c, d, e, f, g: (
            seen.add("mixed", a, b, c, d, e.x, e.y, type(f), f.value, g.a, g.b, g.c) or a + b  # type: ignore[func-returns-value]
        )
    )
    twice(seen, "mixed", taken, 1, 2.5, b"c", 4, Pair(5, 6), Int(7), Mixed(8, b"nine", 10))


def see_instances(seen: Seen) -> None:
    Said.seen = Mortal.seen = Refusing.seen = Meta.seen = seen
    called = Meta("Called", (ctypes.Structure,), {"_fields_": [("n", ctypes.c_int)]})
    cases: list[tuple[Any, Any, Callable[[Any], Any]]] = [
        (Pair, Pair(1, 2), lambda p: (p.x, p.y, p._objects, p._b_needsfree_)),
        (Small, Small(3, 4), lambda p: (p.a, p.b)),
        (Either, Either(i=5), lambda p: p.i),
        (Int, Int(6), lambda p: (type(p).__name__, p.value)),
        (ctypes.POINTER(Pair), ctypes.pointer(Pair(7, 8)), lambda p: (p.contents.x, bool(p))),
        (INT, INT(abs), lambda f: f(-9)),
        (ctypes.c_int * 2, None, lambda p: len(p)),
        (Said, Said(10), lambda p: p.value),
        (Mortal, Mortal(11, 12), lambda p: p.y),
        (Refusing, Refusing(13, 14), lambda p: p.y),
        (called, called(15), lambda p: p.n),
    ]
    for cls, value, look in cases:
        get = ctypes.CFUNCTYPE(ctypes.c_int, cls)(lambda p, look=look: seen.add("is", look(p)) or 1)  # type: ignore[func-returns-value]
        if value is None:
            get = ctypes.cast(get, ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int)))
        given = ctypes.pointer(ctypes.c_int(1)) if value is None else value
        twice(seen, cls.__name__, get, given, result=cls is not Refusing)


def see_a_class_that_changes(seen: Seen) -> None:
    class Changing(Pair):
        pass

    get = ctypes.CFUNCTYPE(ctypes.c_int, Changing)(function(seen, "changing", 1))
    twice(seen, "before", get, Changing(1, 2))

    def init(self: Any, *args: Any) -> None:
        seen.add("late __init__", args)

    value = Changing(3, 4)
    Changing.__init__ = init  # type: ignore[method-assign]
    twice(seen, "after", get, value)
    del Changing.__init__
    Changing.__del__ = lambda self: seen.add("late __del__")  # type: ignore[attr-defined]
    twice(seen, "after", get, value)


def see_results(seen: Seen) -> None:
    kinds = [*SCALARS, Int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_wchar_p, ctypes.py_object]
    for cls in kinds:
        for given in results(seen):
            fails = cls in (ctypes.c_char_p, ctypes.c_wchar_p, ctypes.py_object)
            back = ctypes.CFUNCTYPE(cls, ctypes.c_int)(function(seen, cls.__name__, given))
            read: Any = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int) if fails else None
            called = ctypes.cast(back, read) if read else back
            before = len(seen.rows)
            seen.call("result", called, 1, result=not read)
            failed = any(row[0] == "unraisable" for row in seen.rows[before:])
            if failed:  # stock gives what was on the stack
                seen.rows[-1] = ("result", None)
    nothing = ctypes.CFUNCTYPE(None, ctypes.c_int)
    for given in (None, 1, "text", Counting(seen)):
        twice(seen, "nothing", nothing(function(seen, "nothing", given)), 1)


def see_a_leak_that_is_an_error(seen: Seen) -> None:
    back = ctypes.CFUNCTYPE(ctypes.c_char_p)(function(seen, "leak", b"kept for ever"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twice(seen, "leak", back, result=False)
    twice(seen, "leak", back)


def see_exceptions(seen: Seen) -> None:
    errors: list[BaseException] = [ValueError("text"), KeyboardInterrupt(), SystemExit(3)]
    errors += [RecursionError(), MemoryError("none"), StopIteration(1), GeneratorExit()]
    for error in errors:
        for prototype in (INT, ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int)):
            twice(seen, "raises", prototype(function(seen, "raising", error)), 1, result=False)

    def deep(n: int) -> int:
        return deep(n - 1) if n else 1 // n

    def chained(n: int) -> int:
        try:
            return deep(n)
        except ZeroDivisionError as error:
            raise OSError("chained") from error

    for raising in (deep, chained, Unspeakable(), int, len, functools.partial(deep, 2)):
        twice(seen, "raises", INT(raising), 2, result=False)
    twice(seen, "too few", INT(lambda: 1), 1, result=False)
    twice(seen, "too many", INT(lambda a, b: 1), 1, result=False)
    null = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.py_object)(
        function(seen, "never called", 1)
    )
    read = ctypes.cast(null, ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p))
    twice(seen, "NULL object", read, 1, None, result=False)


#: What these return is no int, or they raise; then stock gives C what was on the stack.
FAILING = (max, min, str, float, functools.reduce)


class Bound:
    """Its methods are callbacks."""

    def method(self, n: int) -> int:
        return n + 1

    @classmethod
    def of_class(cls, n: int) -> int:
        return n + 2

    def __call__(self, n: int) -> int:
        return n + 3


def see_callables(seen: Seen) -> None:
    callables: list[Any] = [
        Bound().method,
        Bound.of_class,
        Bound(),
        abs,
        int,
        bool,
        float,
        max,
        min,
        str,
    ]
    callables += [functools.partial(pow, 3), {1: 2}.get, [4, 5].__getitem__, functools.reduce]
    for each in callables:
        twice(seen, "callable", INT(each), 1, result=each not in FAILING)


def see_references(seen: Seen) -> None:
    def count(value: Any) -> int:
        seen.add("inside", sys.getrefcount(value), sys.getrefcount(count))
        return 1

    objects = [object(), [1], Pair, 300.5]
    back = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.py_object)(count)
    pair = ctypes.CFUNCTYPE(ctypes.c_int, Pair)(count)
    for each in objects:
        before = sys.getrefcount(each)
        for _ in range(20):
            back(each)
        seen.add("after", sys.getrefcount(each) - before)
    counts = [sys.getrefcount(each) for each in (Pair, count)]
    for _ in range(20):
        pair(Pair(1, 2))
    seen.add("after", sys.getrefcount(Pair) - counts[0], sys.getrefcount(count) - counts[1])
    many, quiet = sys.getrefcount(None), INT(lambda n: n)
    for _ in range(2000):
        quiet(1)
    seen.add("None, which converters return", sys.getrefcount(None) - many > 1000)
    raising = INT(function(seen, "raising", ValueError("kept?")))
    kept = weakref.ref(raising)
    raising(1)
    del raising
    gc.collect()
    seen.add("dead", kept() is None)


def see_the_end_of_arguments(seen: Seen) -> None:
    def count(*args: Any) -> Any:
        for i, each in enumerate(args):
            weakref.finalize(each, seen.add, "ends", i)
        kind = kinds.pop()
        if kind is ValueError:
            raise ValueError
        return kind

    kinds: Any = ["text", ValueError, 2, 1]
    made = ctypes.CFUNCTYPE(None, Pair, Pair, Pair)(count)
    for _ in range(4):
        seen.call("ends", made, Pair(1, 2), Pair(3, 4), Pair(5, 6))


def see_the_end_of_a_callback_inside_of_it(seen: Seen) -> None:
    held: list[Any] = []

    def drop(n: int) -> int:
        held.clear()
        gc.collect()
        more = [INT(abs) for _ in range(50)]
        del more
        return n + 1

    for _ in range(3):
        held.append(INT(drop))
        address = ctypes.cast(held[0], ctypes.c_void_p).value
        seen.call("dropped", caller.call, address, 4)


def see_errno(seen: Seen) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    private = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, use_errno=True)

    def swaps(n: int) -> int:
        seen.add("errno", ctypes.get_errno())
        ctypes.set_errno(n)
        return n

    def closes(n: int) -> int:
        libc.close(-1)
        return n

    for made in (INT(swaps), private(swaps), INT(closes), private(closes)):
        address = ctypes.cast(made, ctypes.c_void_p).value
        for before in (0, 7):
            ctypes.set_errno(11)
            seen.call("after", caller.call_errno, address, before)
            seen.add("private", ctypes.get_errno())


def see_threads(seen: Seen) -> None:
    local = threading.local()
    idents = set()

    def count(n: int) -> int:
        local.n = getattr(local, "n", 0) + 1
        idents.add(threading.current_thread().name.split("-")[0])
        return local.n if threading.current_thread() is threading.main_thread() else n

    made = INT(count)
    address = ctypes.cast(made, ctypes.c_void_p).value
    for _ in range(3):
        seen.call("here", caller.call, address, 1)
        seen.call("with the GIL", holder.call, address, 1)
    seen.call("threads", caller.in_threads, address, 100, 3)
    seen.add("names", sorted(idents))


def see_nesting(seen: Seen) -> None:
    def nest(n: int) -> int:
        return n if n == 0 else 1 + int(made(n - 1))

    made = INT(nest)
    seen.call("nested", made, 30)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    before = len(seen.rows)
    seen.call("too deep", made, 10**6, result=False)
    sys.setrecursionlimit(limit)
    told = [row for row in seen.rows[before:] if row[0] == "unraisable"]
    del seen.rows[before:]
    seen.add("too deep", len(told) > 0, str(told[-1][1])[:200] if told else "")


def see_events(seen: Seen) -> None:
    events: list[object] = []
    made, pair = INT(lambda n: n), ctypes.CFUNCTYPE(ctypes.c_int, Pair)(lambda _: 2)
    watched = True
    sys.addaudithook(lambda name, args: events.append((name, len(args))) if watched else None)
    value = Pair(1, 2)
    made(1), pair(value)
    events.clear()
    address = ctypes.cast(made, ctypes.c_void_p).value
    call = caller.call
    sys.setprofile(lambda frame, kind, _: events.append((kind, frame.f_code.co_name)))
    call(address, 1)
    made(1)
    pair(value)
    sys.setprofile(None)
    watched = False
    seen.add("events", events)
