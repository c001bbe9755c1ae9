# SPDX-License-Identifier: MIT
"""test_ending - calls that no Python can answer get what the user chose, or no answer at all

Of ffi_static.callback and of both modules that the drop-in serves. What C got is printed by
handlers of caller.c that exit() runs when Python has gone.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

PRELUDE = """
from dropin_tools import *
ffi.cdef("struct three { long v[3]; };")
STRUCT = "struct three(int)"
def with_api(declaration, function, **error):
    made = ffi_static.callback(declaration, function, ffi=ffi, **error)
    return made, made.address
def with_ctypes(declaration, function):
    result = {"int(int)": ctypes.c_int, "void(int)": None}[declaration]
    made = ctypes.CFUNCTYPE(result, ctypes.c_int)(function)
    return made, address_of(made)
def address_of(made):  # not ctypes.cast(), which makes a cycle of its argument
    return int.from_bytes(bytes(memoryview(made)), sys.byteorder)
def with_cffi(declaration, function, **error):
    made = ffi.callback(declaration, function, **error)
    return made, int(ffi.cast("intptr_t", made))
def leave(made):
    "Have it live when Python has gone."
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
"""
#: {what makes the callbacks: its preparation}
MAKERS = {
    "api": "make = with_api",
    "ctypes": "ffi_static.install()\nmake = with_ctypes",
    "ctypes kept": "ffi_static.install(keep_thread_state=True)\nmake = with_ctypes",
    "cffi": "ffi_static.install()\nmake = with_cffi",
}
EACH = pytest.mark.parametrize("maker", MAKERS)
WITH_ERROR = pytest.mark.parametrize("maker", ["api", "cffi"])
#: Is the callback's object there when C calls, or has finalization freed it?
LEFT = pytest.mark.parametrize("left", [True, False])
ABORTED = -6


@pytest.fixture
def run(script: Any) -> Any:
    """Run code in a fresh interpreter with `make` of one maker."""

    def start(maker: str, code: str, **options: Any) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = script(
            f"{PRELUDE}\n{MAKERS[maker]}\n{code}", **options
        )
        return done

    return start


def called_when_gone(
    made: str, where: str, *, left: bool = True, kind: str = "i", before: str = ""
) -> str:
    """Give the code that makes a callback by an expression, and has C call it when Python is gone.

    kind, where: as call_when_gone() of caller.c takes them.
    """
    return f"""
{before}
made, address = {made}
if {left}: leave(made)
assert caller.call_when_gone(address, {kind.encode()!r}, {where.encode()!r}) == 0
"""


# ---- other threads


@EACH
def test_threads_that_call_on_get_no_wrong_answer(run: Any, maker: str) -> None:
    done = run(
        maker,
        """
made, address = make("int(int)", lambda x: x + 1)
assert caller.call_to_the_end(address, 4) == 0
time.sleep(0.05)
sys.exit(0)
""",
    )
    assert (done.stdout, done.stderr) == ("0 answers were wrong\n", "")


@EACH
def test_daemon_threads_that_call_on_get_no_wrong_answer(run: Any, maker: str) -> None:
    done = run(
        maker,
        """
made, address = make("int(int)", lambda x: x + 1)
assert caller.call_to_the_end(address, 0) == 0
for _ in range(3):
    threading.Thread(target=caller.call_without_end, args=(address,), daemon=True).start()
time.sleep(0.05)
""",
    )
    assert (done.stdout, done.stderr) == ("0 answers were wrong\n", "")


@EACH
def test_threads_get_no_wrong_answer_up_to_os_exit(run: Any, maker: str) -> None:
    run(
        maker,
        """
made, address = make("int(int)", lambda x: x + 1)
assert caller.call_strictly(address, 4) == 0
time.sleep(0.05)
os._exit(7)
""",
        status=7,
    )


@EACH
@LEFT
def test_another_thread_stops(run: Any, maker: str, left: bool) -> None:
    done = run(maker, called_when_gone('make("int(int)", abs)', "t", left=left))
    assert (done.stdout, done.stderr) == ("thread stopped\n", "")


@EACH
def test_a_stopped_thread_can_be_cancelled_and_joined(run: Any, maker: str) -> None:
    done = run(maker, called_when_gone('make("int(int)", abs)', "c"))
    assert done.stdout == "thread stopped\njoined, cancelled: 1\n"


@EACH
@LEFT
@pytest.mark.parametrize(("where", "who"), [("t", "thread"), ("m", "main"), ("f", "child")])
def test_void_returns(run: Any, maker: str, left: bool, where: str, who: str) -> None:
    code = called_when_gone('make("void(int)", abs)', where, left=left, kind="v")
    assert f"{who} returned\n" in run(maker, code).stdout


# ---- the user's error result


@WITH_ERROR
@LEFT
@pytest.mark.parametrize("onerror", ["", ", onerror=print"])
@pytest.mark.parametrize(
    ("where", "who"), [("t", "thread"), ("m", "main"), ("f", "child"), ("g", "child")]
)
def test_error_holds_to_the_end(
    run: Any, maker: str, left: bool, onerror: str, where: str, who: str
) -> None:
    made = f'make("int(int)", abs, error=8{onerror})'
    done = run(maker, called_when_gone(made, where, left=left))
    assert f"{who} got 8\n" in done.stdout
    assert done.stderr == ""


@WITH_ERROR
@LEFT
def test_error_of_a_large_result_holds_to_the_end(run: Any, maker: str, left: bool) -> None:
    made = 'make(STRUCT, abs, error=ffi.new("struct three *", [[1, 2, 3]])[0])'
    done = run(maker, called_when_gone(made, "m", left=left, kind="s"))
    assert done.stdout == "main got 123\n"


@WITH_ERROR
@pytest.mark.parametrize(("error", "got"), [("error=0", "got 0"), ("error=None", "stopped")])
def test_error_zero_is_an_error_result(run: Any, maker: str, error: str, got: str) -> None:
    done = run(maker, called_when_gone(f'make("int(int)", abs, {error})', "t"))
    assert done.stdout == f"thread {got}\n"


@pytest.mark.parametrize(("error", "got"), [("error=0", "got 0"), ("onerror=print", "stopped")])
@pytest.mark.parametrize("how", ["ffi", "other.ffi", "decorator"])
def test_each_way_to_make_a_cffi_callback(run: Any, how: str, error: str, got: str) -> None:
    # cffi's class in Python, the one of its extension, and either as a decorator
    before = """
import _cffi_backend
class other: ffi = _cffi_backend.FFI()
"""
    made = f'{how}.callback("int(int)", abs, {error})'
    if how == "decorator":
        made = f'other.ffi.callback("int(int)", {error})(abs)'
    code = called_when_gone(f"(lambda f: (f, int(ffi.cast('intptr_t', f))))({made})", "t")
    assert run("cffi", before + code).stdout == f"thread {got}\n"


def test_a_callback_made_while_an_error_result_is_converted(run: Any) -> None:
    before = """
class Error:
    def __int__(self):
        global other
        other = make("int(int)", abs)
        return 0
    __index__ = __int__
first = make("int(int)", len, error=Error())
"""
    code = called_when_gone("other", "t", before=before)
    assert run("cffi", code).stdout == "thread stopped\n"


@WITH_ERROR
def test_error_of_one_callback_is_not_the_next_one_s(run: Any, maker: str) -> None:
    before = """
for _ in range(200):
    made, address = make("int(int)", abs, error=8)
    del made
"""
    code = called_when_gone('make("int(int)", abs)', "t", before=before)
    assert run(maker, code).stdout == "thread stopped\n"


@WITH_ERROR
def test_error_holds_for_who_waits_while_the_callback_is_freed(run: Any, maker: str) -> None:
    run(
        maker,
        """
made, address = make("int(int)", lambda x: x, error=8)
sys.setswitchinterval(1000)  # what waits for the GIL gets it in unpark()
assert holder.park(address, 5) == 3
del made
results = (ctypes.c_int * 3)()
caller.unpark.argtypes = [ctypes.c_void_p]
caller.unpark(results)
assert list(results) == [8, 8, 8], list(results)
""",
    )


# ---- zeros, for who asks for them


@EACH
@pytest.mark.parametrize(("where", "who"), [("t", "thread"), ("m", "main"), ("g", "child")])
def test_zero_when_the_environment_asks(run: Any, maker: str, where: str, who: str) -> None:
    code = called_when_gone('make("int(int)", abs)', where)
    assert f"{who} got 0\n" in run(maker, code, FFI_STATIC_AT_EXIT="zero").stdout


@EACH
def test_zero_when_install_asks(run: Any, maker: str) -> None:
    before = 'ffi_static.install(at_exit="zero")'
    code = called_when_gone('make("int(int)", abs)', "t", before=before)
    assert run(maker, code).stdout == "thread got 0\n"


def test_install_has_the_last_word(run: Any) -> None:
    before = 'ffi_static.install(at_exit="stop")'
    code = called_when_gone('make("int(int)", abs)', "t", before=before)
    assert run("ctypes", code, FFI_STATIC_AT_EXIT="zero").stdout == "thread stopped\n"


def test_uninstall_gives_the_word_back(run: Any) -> None:
    before = 'ffi_static.install(at_exit="zero")\nffi_static.uninstall()'
    code = called_when_gone('make("int(int)", abs)', "t", before=before)
    assert run("api", code).stdout == "thread stopped\n"


def test_another_word_is_refused(run: Any) -> None:
    run(
        "api",
        """
try:
    ffi_static.install(at_exit="eight")
except ValueError as error:
    assert str(error) == "at_exit is 'stop' or 'zero', not 'eight'"
else:
    raise SystemExit("taken")
assert ffi_static.installed() == ()
""",
    )


def test_another_word_in_the_environment_is_named(run: Any) -> None:
    code = called_when_gone('make("int(int)", abs)', "t")
    done = run("api", code, FFI_STATIC_AT_EXIT="eight")
    assert "FFI_STATIC_AT_EXIT is 'eight', which is neither 'stop' nor 'zero'" in done.stderr
    assert done.stdout == "thread stopped\n"


# ---- the thread that ends Python, its children, interpreters that end


@EACH
@LEFT
def test_the_thread_that_ended_python_dies_with_a_sentence(
    run: Any, maker: str, left: bool
) -> None:
    done = run(maker, called_when_gone('make("int(int)", abs)', "m", left=left), status=ABORTED)
    assert done.stderr.startswith("ffi_static: C called the callback at 0x")
    assert "in the thread that ended it: no answer can be had" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@EACH
def test_a_child_of_the_thread_that_ended_python_dies(run: Any, maker: str) -> None:
    done = run(maker, called_when_gone('make("int(int)", abs)', "f"))
    assert done.stdout == "child died by signal 6\n"
    assert "in the thread that ended it" in done.stderr


@EACH
def test_a_child_of_another_thread_dies_and_does_not_stop(run: Any, maker: str) -> None:
    done = run(maker, called_when_gone('make("int(int)", abs)', "g"))
    assert done.stdout == "child died by signal 6\n"
    assert "in a child that was forked while or after Python ended" in done.stderr


@EACH
def test_the_finalizing_thread_dies_when_the_object_has_gone(run: Any, maker: str) -> None:
    done = run(
        maker,
        """
class Late:
    def __init__(self):
        self.made, self.address = make("int(int)", lambda x: x + 1)
    def __del__(self, call=caller.call, write=os.write):
        write(1, b"%d\\n" % call(self.address, 20))
        del self.made
        call(self.address, 20)
        write(1, b"not reached\\n")
late = Late()
late.me = late
""",
        status=ABORTED,
    )
    assert done.stdout == "21\n"
    assert done.stderr.startswith("ffi_static: ")


SUBINTERPRETER = """
try:
    import _xxsubinterpreters as sub
except ImportError:
    import _interpreters as sub
if sys.version_info >= (3, 13):
    interp = sub.create("legacy")
elif sys.version_info >= (3, 10):
    interp = sub.create(isolated=False)
else:
    interp = sub.create()
read, write = os.pipe()
failed = sub.run_string(interp, f'''
import sys
sys.path[:] = {{sys.path!r}}
import ctypes, os, ffi_static
cb = ffi_static.callback({made})
ctypes.pythonapi.Py_IncRef(ctypes.py_object(cb))
os.write({{write}}, str(cb.address).encode())
''')
assert failed is None, failed
address = int(os.read(read, 100))
sub.destroy(interp)
"""


@pytest.mark.parametrize("where", ["here", "thread"])
def test_the_callback_of_an_ended_interpreter_dies_with_a_sentence(run: Any, where: str) -> None:
    call = "caller.call(address, 1)" if where == "here" else "caller.in_threads(address, 1, 1)"
    code = SUBINTERPRETER.format(made='"int(int)", abs') + call
    done = run("api", code, status=ABORTED)
    assert "of an interpreter that has ended" in done.stderr
    assert done.stderr.startswith("ffi_static: C called the callback at 0x")


def test_the_callback_of_an_ended_interpreter_gives_its_error(run: Any) -> None:
    code = SUBINTERPRETER.format(made='"int(int)", abs, error=8')
    run("api", code + "assert caller.call(address, 1) == 8")


def test_an_ended_interpreter_is_not_taken_for_the_end_of_python(run: Any) -> None:
    code = SUBINTERPRETER.format(made='"int(int)", abs, error=8')
    assert (
        run(
            "api",
            code
            + """
thread = threading.Thread(target=lambda: print(caller.call(mine.address, 1)))
mine = ffi_static.callback("int(int)", lambda x: x + 1)
thread.start()
thread.join()
""",
        ).stdout
        == "2\n"
    )


# ---- a handler that writes no result


@EACH
@pytest.mark.parametrize("thread", [False, True])
def test_a_result_that_is_not_written_reads_as_zero(run: Any, maker: str, thread: bool) -> None:
    done = run(
        maker,
        f"""
c = ctypes
if make is with_cffi:
    signatures = "void *(void *)", "double(double, float)", "int(int)", "char(int)", "short(int)"
    make = lambda signature, function: with_cffi(signature, function)
else:
    signatures = [c.CFUNCTYPE(*types) for types in (
        [c.c_void_p, c.c_void_p], [c.c_double, c.c_double, c.c_float], [c.c_int, c.c_int],
        [c.c_char, c.c_int], [c.c_short, c.c_int])]
if make is with_ctypes:
    make = lambda signature, function: (made := signature(function), address_of(made))
sys.unraisablehook = lambda args: None
def fails(*args):
    raise ValueError
callers = [caller.dirty_pointer, caller.dirty_double] + [caller.dirty_wide] * 3
def check():
    made = [make(signature, fails) for signature in signatures]
    print([call(address) or 0 for call, (_, address) in zip(callers, made)])
if {thread}:
    work = threading.Thread(target=check)
    work.start()
    work.join()
else:
    check()
""",
    )
    assert done.stdout == "[0, 0, 0, 0, 0]\n"
