# SPDX-License-Identifier: MIT
"""same_cffi - what a program can see of cffi's callbacks (see same.py)"""

from __future__ import annotations

import functools
import gc
import sys
import threading
import warnings
import weakref
from typing import Any, Callable

import cffi

from tests.python.programs.caller import caller, holder
from tests.python.programs.same import Counting, Seen, Unspeakable, results

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct { double x, y; } pair;
    typedef struct { int a; char *b; double c; } mixed;
    typedef union { int i; float f; } either;
    typedef enum { NONE, ONE, TWO } number;
    typedef struct opaque opaque;
    typedef int (*function)(int);
    """
)
ANY: Any = ffi
INTEGERS = ["signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int"]
INTEGERS += ["long", "unsigned long", "long long", "unsigned long long", "int8_t", "uint64_t"]
INTEGERS += ["size_t", "ssize_t", "intptr_t", "uint_least16_t", "int_fast32_t"]
OTHERS = ["float", "double", "_Bool", "char", "wchar_t", "char16_t", "char32_t", "long double"]
POINTERS = ["void *", "int *", "char *", "pair *", "opaque *", "function", "number"]


def address_of(made: object) -> int:
    """Give the address that C calls."""
    return int(ANY.cast("uintptr_t", made))


def function(seen: Seen, name: str, result: object = None) -> Callable[..., Any]:
    """Give a function that tells what it gets, and returns or raises `result`."""

    def called(*args: Any) -> Any:
        seen.add(name, *args)
        if isinstance(result, BaseException):
            raise result
        return result

    return called


def twice(seen: Seen, name: str, callback: Any, *args: Any) -> None:
    """Call a callback twice: its first call decides who runs it."""
    for _ in range(2):
        seen.call(name, callback, *args)


def see_arguments(seen: Seen) -> None:
    values: dict[str, list[Any]] = {
        "char": [b"\0", b"x", b"\xff"],
        "wchar_t": ["x", "\u20ac", "\U0001f600"],
        "char16_t": ["x", "\u20ac"],
        "char32_t": ["x", "\U0001f600"],
        "_Bool": [0, 1],
    }
    for name in INTEGERS + OTHERS:
        get = ANY.callback(f"void({name})", function(seen, f"argument {name}"))
        default: list[Any] = [0.5, -0.0, 1e30] if name in ("float", "double") else [0, 1, 127]
        if name not in OTHERS and name[0] != "u" and name != "size_t":
            default = [*default, -1, -128]
        for value in values.get(name, default):
            seen.call("void", get, value)
    wrong = ANY.callback("int(_Bool, int)", function(seen, "a _Bool of 2", 1), error=-5)
    raw = ANY.cast("int(*)(unsigned char, int)", wrong)
    twice(seen, "a _Bool of 2", raw, 2, 3)
    twice(seen, "a _Bool of 1", raw, 1, 3)
    wide = ANY.callback("void(wchar_t)", function(seen, "wide"))
    twice(seen, "not a character", ANY.cast("void(*)(int)", wide), 0x7FFFFFFF)


def see_pointers(seen: Seen) -> None:
    number = ffi.new("int *", 3)
    given: list[Any] = [ANY.cast("void *", 0), number, ffi.new("char[]", b"text")]
    given += [ffi.new("pair *", [1, 2]), ANY.cast("opaque *", 5), ANY.callback("int(int)", abs), 1]
    for name, value in zip(POINTERS, given):
        get = ANY.callback(f"void({name})", function(seen, f"argument {name}"))
        twice(seen, "void", get, value)
        back = ANY.callback(f"{name}(int)", function(seen, name, value))
        twice(seen, name, back, 1)
        for other in (None, 0, 1, b"bytes", "text", [1], number, ANY.cast("char *", number)):
            back = ANY.callback(f"{name}(int)", function(seen, name, other))
            twice(seen, name, back, 1)


def see_structs(seen: Seen) -> None:
    def look(each: Any) -> Any:
        seen.add("struct", each, ffi.sizeof(each), getattr(each, "x", None))
        return 1

    kinds: list[Any] = [("pair", [1, 2]), ("mixed", [3, ffi.NULL, 4])]
    for name, init in kinds:
        value = ffi.new(f"{name} *", init)[0]
        twice(seen, name, ANY.callback(f"int({name})", look), value)
        answers: list[Any] = [value, init, {}, None, 1, [1, 2, 3, 4, 5]]
        for given in answers:
            back = ANY.callback(f"{name}(int)", function(seen, name, given))
            twice(seen, name, back, 1)
    mixed = "double(int, double, char, void *, pair, long double, number)"

    def all_of(a: int, b: float, c: bytes, d: Any, e: Any, f: Any, g: int) -> float:
        seen.add("mixed", a, b, c, d, e.x, float(f), g)
        return a + b

    pair = ffi.new("pair *", [5, 6])[0]
    twice(seen, "mixed", ANY.callback(mixed, all_of), 1, 2.5, b"c", ffi.NULL, pair, 7.5, 1)
    for count in (0, 1, 6, 15, 16, 23, 24, 25, 40):
        made = ANY.callback(f"long({', '.join(['long'] * count)})", function(seen, "many", count))
        twice(seen, str(count), made, *range(count))


def see_results(seen: Seen) -> None:
    for name in [*INTEGERS, *OTHERS, "number", "void", "pair", "int *"]:
        cast: list[Any] = [] if name in ("void", "pair") else [ANY.cast(name, 1)]
        cast += [ANY.cast("int", 3), ANY.cast("double", 2.5), ANY.cast("char", 65)]
        cast += [ffi.new("int *", 4), ANY.cast("long double", 1.5), ANY.cast("_Bool", 1)]
        for given in [*results(seen), *cast]:
            twice(seen, name, ANY.callback(f"{name}(int)", function(seen, name, given)), 1)


def see_errors(seen: Seen) -> None:
    given: list[Any] = [None, -1, 2**40, "x", ValueError("from onerror"), KeyboardInterrupt()]
    for result in (ValueError("raised"), 2**40, "wrong", Counting(seen, ValueError("no"))):
        for error in ({}, {"error": 42}, {"error": 0}):
            make: Any = functools.partial(ANY.callback, "int(int)", **error)
            twice(seen, "error=", make(function(seen, "fails", result)), 1)
            for answer in given:
                onerror = function(seen, "onerror", answer)
                twice(seen, "onerror=", make(function(seen, "f", result), onerror=onerror), 1)
    traced: list[Any] = []

    def keep(kind: Any, value: Any, trace: Any) -> None:
        traced.append((kind, value, trace.tb_frame.f_code.co_name, trace.tb_next))

    twice(seen, "trace", ANY.callback("int(int)", lambda n: 1 // 0, onerror=keep), 1)
    seen.add("traced", traced)
    unspeakable: Any = Unspeakable()
    twice(seen, "no repr", ANY.callback("int(int)", unspeakable), 1)
    twice(seen, "no repr", ANY.callback("short(int)", unspeakable, error=7), 1)
    twice(seen, "no repr", ANY.callback("int(int)", unspeakable, onerror=lambda *a: 3), 1)
    twice(seen, "no repr", ANY.callback("int(int)", unspeakable, onerror=lambda *a: 1 // 0), 1)


def see_exceptions(seen: Seen) -> None:
    errors: list[BaseException] = [ValueError("text"), KeyboardInterrupt(), SystemExit(3)]
    errors += [RecursionError(), MemoryError("none"), StopIteration(1), GeneratorExit()]
    for error in errors:
        twice(seen, "raises", ANY.callback("int(int)", function(seen, "raising", error)), 1)
        twice(seen, "raises", ANY.callback("void(int)", function(seen, "raising", error)), 1)

    def deep(n: int) -> int:
        return deep(n - 1) if n else 1 // n

    def chained(n: int) -> int:
        try:
            return deep(n)
        except ZeroDivisionError as error:
            raise OSError("chained") from error

    for raising in (deep, chained, int, len, functools.partial(deep, 2)):
        twice(seen, "raises", ANY.callback("int(int)", raising), 2)
    twice(seen, "too few", ANY.callback("int(int)", lambda: 1), 1)
    twice(seen, "too many", ANY.callback("int(int)", lambda a, b: 1), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = ANY.callback("char *(int)", lambda n: ffi.new("int *", 1))
        twice(seen, "a warning that is an error", back, 1)


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
    callables: list[Any] = [Bound().method, Bound.of_class, Bound(), abs, int, bool, float, str]
    callables += [functools.partial(pow, 3), {1: 2}.get, [4, 5].__getitem__, max, functools.reduce]
    for each in callables:
        twice(seen, "callable", ANY.callback("int(int)", each), 1)
        twice(seen, "callable", ANY.callback("void(int)", each), 1)


def see_references(seen: Seen) -> None:
    def count(value: Any) -> int:
        seen.add("inside", sys.getrefcount(value), sys.getrefcount(count))
        return 1000

    kinds: Any = [ffi.typeof("pair"), ffi.typeof("int(*)(pair)")]
    made = ANY.callback("int(pair)", count)
    value = ffi.new("pair *")[0]
    before = [sys.getrefcount(each) for each in (count, 1000, *kinds)]
    for _ in range(20):
        made(value)
    after = [sys.getrefcount(each) for each in (count, 1000, *kinds)]
    seen.add("after", [b - a for a, b in zip(before, after)])
    many, quiet = sys.getrefcount(None), ANY.callback("void(int)", lambda n: None)
    for _ in range(2000):
        quiet(1)
    seen.add("None, which functions return", sys.getrefcount(None) - many > 1000)
    error, result = ValueError("kept?"), object()
    failing = ANY.callback("int(int)", lambda n: (_ for _ in ()).throw(error) if n else result)
    before = [sys.getrefcount(result), sys.getrefcount(failing)]
    for n in (0, 1, 0, 1, 0, 1):
        seen.call("failing", failing, n)
        error.__traceback__ = None
    gc.collect()
    seen.add("after", sys.getrefcount(result) - before[0], sys.getrefcount(failing) - before[1])
    kept = weakref.ref(failing)
    del failing
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
    value = ffi.new("pair *")[0]
    made = ANY.callback("int(pair, void *, pair)", count)
    for _ in range(4):
        seen.call("ends", made, value, ANY.NULL, value)


def see_the_end_of_a_callback_inside_of_it(seen: Seen) -> None:
    held: list[Any] = []

    def drop(n: int) -> object:
        held.clear()
        gc.collect()
        more = [ANY.callback("int(int)", abs) for _ in range(50)]
        del more
        return n + 1 if n < 10 else "wrong"

    for given in (4, 5, 11):
        held.append(ANY.callback("int(int)", drop, error=-3))
        seen.call("dropped", caller.call, address_of(held[0]), given)


def see_errno(seen: Seen) -> None:
    def sets(n: int) -> object:
        seen.add("errno", ffi.errno)
        ffi.errno = 33
        return n

    def leaves(n: int) -> object:
        seen.add("errno", ffi.errno)
        return n

    def fails(n: int) -> object:
        ffi.errno = 44
        raise ValueError(n)

    def wrong(n: int) -> object:
        ffi.errno = 55
        return "wrong"

    told: Any = lambda *args: seen.add("errno in onerror", ffi.errno)  # noqa: E731
    for run in (sets, leaves, fails, wrong):
        for more in ({}, {"onerror": told}):
            made: Any = ANY.callback("int(int)", run, **more)
            for before in (0, 7):
                ffi.errno = 11
                seen.call("after", caller.call_errno, address_of(made), before)
                seen.add("ffi.errno", ffi.errno)


def see_threads(seen: Seen) -> None:
    local = threading.local()
    names = set()

    def count(n: int) -> int:
        local.n = getattr(local, "n", 0) + 1
        names.add(threading.current_thread().name.split("-")[0])
        return local.n if threading.current_thread() is threading.main_thread() else n

    made = ANY.callback("int(int)", count)
    for _ in range(3):
        seen.call("here", caller.call, address_of(made), 1)
        seen.call("with the GIL", holder.call, address_of(made), 1)
    seen.call("threads", caller.in_threads, address_of(made), 100, 3)
    seen.add("names", sorted(names))


def see_nesting(seen: Seen) -> None:
    def nest(n: int) -> object:
        if n == 0:
            return "wrong"
        return 1 + int(made(n - 1))

    def again(*_: object) -> int:
        return int(made(1)) if len(seen.rows) < before + 20 else 5

    made = ANY.callback("int(int)", nest, error=-1)
    seen.call("nested", made, 30)
    before = len(seen.rows)
    made = ANY.callback("int(int)", lambda n: 1 // 0, onerror=again)
    seen.call("nested onerror", made, 3)


def see_events(seen: Seen) -> None:
    events: list[object] = []
    made = ANY.callback("int(int)", lambda n: n)
    failing = ANY.callback("int(int)", lambda n: None, onerror=lambda *args: 1)
    watched = True
    sys.addaudithook(lambda name, args: events.append((name, len(args))) if watched else None)
    made(1), failing(1)
    events.clear()
    sys.setprofile(lambda frame, kind, _: events.append((kind, frame.f_code.co_name)))
    made(1)
    failing(1)
    sys.setprofile(None)
    watched = False
    seen.add("events", events)
