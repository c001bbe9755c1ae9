# SPDX-License-Identifier: MIT
"""fresh - what runs in interpreters in which nothing has imported ctypes, cffi or ffi_static yet

Such are the processes of tests on imports, and other interpreters inside of a process. So each
function imports for itself what it needs, in the order that is its subject.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable, NoReturn


def skip(reason: object) -> NoReturn:
    """End this program: its test is skipped with the reason."""
    assert threading.current_thread() is threading.main_thread(), "it would end this thread alone"
    print(f"skip: {reason}")
    sys.exit()


def needs(version: tuple[int, int], reason: str) -> None:
    if sys.version_info < version:
        skip(reason)


def has_gil() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def run_with_the_gil() -> None:
    """Begin this program again with the GIL where Python has none: threads are to wait for it."""
    if sys.version_info >= (3, 13) and not has_gil():
        import os

        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHON_GIL": "1"})
    # For the first thread besides its own, 3.13t stops all, and who holds the GIL gives it away.
    first = threading.Thread(target=int)
    first.start()
    first.join()


def the_gil_is_not_switched_on() -> None:
    before = has_gil()
    import _ctypes

    import _cffi_backend

    import ffi_static

    made = ffi_static.callback("int(int)", lambda x: x + 1)
    states = {s.module: s.state for s in ffi_static.install()}
    assert states == {m.__name__: "served" for m in (_ctypes, _cffi_backend)}, states
    assert made.cdata(1) == 2
    assert has_gil() == before


def new_interpreter() -> tuple[Any, int]:
    """Make another interpreter in this process that shares its GIL: (the module, the number)."""
    from sysconfig import get_config_var

    if get_config_var("Py_GIL_DISABLED"):
        skip("free-threaded Python refuses cffi and its modules in subinterpreters")
    return new_interpreter_for_ctypes()


def new_interpreter_for_ctypes() -> tuple[Any, int]:
    """Make one in which nothing imports cffi: free-threaded Python allows such."""
    sub = interpreters()
    if sys.version_info >= (3, 13):
        return sub, sub.create("legacy")
    return sub, sub.create(isolated=False) if sys.version_info >= (3, 10) else sub.create()


def new_interpreter_with_its_own_gil() -> tuple[Any, int]:
    needs((3, 12), "own-GIL interpreters came with 3.12")
    sub = interpreters()
    return sub, sub.create("isolated") if sys.version_info >= (3, 13) else sub.create(isolated=True)


def interpreters() -> Any:
    """Give CPython's own module of other interpreters, which has no public name before 3.14."""
    from importlib import import_module

    try:
        return import_module("_xxsubinterpreters")
    except ImportError:
        return import_module("_interpreters")


def call_in(interpreter: tuple[Any, int], function: Callable[..., Any], *given: object) -> None:
    """Call a function of a module of this folder in another interpreter."""
    sub, number = interpreter
    code = (
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        f"from {function.__module__} import {function.__name__}\n"
        f"{function.__name__}(*{given!r})\n"
    )
    failed = sub.run_string(number, code)
    assert failed is None, failed


def ctypes_imported_after_install() -> None:
    import ffi_static

    assert "_ctypes" not in sys.modules, "nothing to wait for"
    assert ("_ctypes", "waiting") in [(s.module, s.state) for s in ffi_static.install()]
    import _ctypes
    import ctypes

    served = {s.module: s for s in ffi_static.installed()}
    assert served["_ctypes"].state == "served", served
    f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
    assert f(1) == 2
    assert {s.module: s.made for s in ffi_static.installed()}["_ctypes"] == 1
    # and nothing of the hook stays in the module
    spec: Any = _ctypes.__spec__
    assert type(spec.loader) is type(_ctypes.__loader__), spec
    shown = repr(spec).replace(spec.origin, "")  # Python itself may be in a folder of that name
    assert "ffi_static" not in shown, spec


def install_while_another_thread_imports_ctypes() -> None:
    import ffi_static

    assert "_ctypes" not in sys.modules

    def install(wait: float) -> None:
        time.sleep(wait)
        ffi_static.install()

    threads = [threading.Thread(target=install, args=(n / 1000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    import ctypes  # noqa: F401

    for thread in threads:
        thread.join()
    assert {s.module: s.state for s in ffi_static.installed()}["_ctypes"] == "served"


def is_served_here_too() -> None:
    """In an interpreter that shares what another one has installed."""
    import ctypes

    import ffi_static

    f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)
    assert [s.state for s in ffi_static.installed()] == ["served", "served"]
    assert {s.module: s.live for s in ffi_static.install()}["_ctypes"] == 1
    del f


def make_and_call() -> None:
    """In interpreters with a GIL of their own, at once."""
    import ctypes

    kind = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int)
    for _ in range(300):
        made = [kind(lambda x, k=k: x + k) for k in range(40)]
        for k, f in enumerate(made):
            if f(1000) != 1000 + k:
                raise SystemExit("wrong function")
        del made[::2]


def call_with_structs() -> None:
    """In an interpreter of its own: arguments that are instances, and a function that raises."""
    import ctypes
    import sys

    class Pair(ctypes.Structure):
        _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))

    told: list[str] = []
    sys.unraisablehook = lambda hooked: told.append(str(hooked.exc_value))
    kind = ctypes.PYFUNCTYPE(ctypes.c_int, Pair, ctypes.POINTER(ctypes.c_int))
    number = ctypes.c_int(5)
    for n in range(200):
        made = kind(lambda p, q: int(p.x + p.y) + q[0])
        if [made(Pair(n, 1), ctypes.byref(number)) for _ in range(3)] != [n + 6] * 3:
            raise SystemExit("wrong answer")
        kind(lambda _p, _q: 1 // 0)(Pair(), None)
    if told != ["integer division or modulo by zero"] * 200 and len(set(told)) != 1:
        raise SystemExit(f"wrong reports: {told[:3]}")


def import_is_refused() -> None:
    try:
        import ffi_static  # noqa: F401
    except ImportError as error:
        assert "subinterpreters" in str(error), error
    else:
        raise SystemExit("imported")


# ---- when Python starts


def modules_of_ours() -> None:
    print([name for name in sys.modules if name.partition(".")[0] == "ffi_static"])


def served() -> None:
    import _ctypes  # noqa: F401

    import _cffi_backend  # noqa: F401

    import ffi_static

    print(sorted(each.module for each in ffi_static.installed() if each.state == "served"))


def start_with_an_unknown_ctypes(install: str) -> None:
    import os
    import types

    sys.modules["_ctypes"] = types.ModuleType("_ctypes")
    os.environ["FFI_STATIC_INSTALL"] = install
    import ffi_static._startup  # noqa: F401

    print("ran")


def say_without_a_stderr() -> None:
    import os

    from ffi_static import _startup

    os.close(2)
    _startup.say("a sentence")
    sys.stderr.flush()
    print("nothing")


def say_into_another_stderr() -> None:
    import io

    from ffi_static import _startup

    other = sys.stderr = io.StringIO()
    _startup.say("a  sentence")
    print(other.getvalue(), end="")


def doctor_under_mdwe(*options: str) -> None:
    import runpy

    from ffi_static._strict import deny_write_execute

    deny_write_execute()
    sys.argv = ["ffi_static", "doctor", *options]
    runpy.run_module("ffi_static", run_name="__main__")


# ---- where FFI_STATIC_INSTALL=require has all served


def user_fails_its_import_each_time() -> None:
    from importlib import import_module

    for _ in range(2):
        try:
            import_module("user")
        except Exception as error:
            print(type(error).__name__, error)
    assert "user" not in sys.modules
    import _ctypes  # noqa: F401 - others are not made to fail by it
    import mmap  # noqa: F401
    import select  # noqa: F401

    print("on")


def user_calls() -> None:
    from importlib import import_module

    print(import_module("user").call())


def require_when_user_is_there() -> None:
    import os
    from importlib import import_module

    import_module("user")
    os.environ["FFI_STATIC_INSTALL"] = "require"
    import ffi_static._startup  # noqa: F401

    print("ran")


def import_a_copy_that_cannot_be_served(folder: str) -> None:
    import shutil
    from importlib import import_module
    from pathlib import Path

    import _cffi_backend

    from ffi_static._dropin import probe as real_probe

    probe: Any = real_probe
    probe._cffi_maker = lambda m: (m.callback, lambda _made: 4096)
    Path(folder, "carrier").mkdir()
    shutil.copy(str(_cffi_backend.__file__), Path(folder, "carrier"))
    sys.path.insert(0, folder)
    try:
        import_module("carrier._cffi_backend")
    except Exception as error:
        print(type(error).__name__, error)


def use_a_library(path: str) -> None:
    import ctypes
    from importlib import import_module

    library = ctypes.CDLL(path)
    for each in ("mmap", "select", "_json", "_csv", "_socket", "_bisect"):
        import_module(each)
    print(library.use())
