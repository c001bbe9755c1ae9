# SPDX-License-Identifier: MIT
"""test_ending - calls that no Python can answer get what the user chose, or no answer at all

Of ffi_static.callback and of both modules that the drop-in serves. What C got is printed by
handlers of caller.c that exit() runs when Python has gone.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import ending
from tests.python.programs.fresh import has_gil
from tests.support.programs import cases, program

EACH = pytest.mark.parametrize("maker", ["api", "ctypes", "ctypes kept", "cffi"])
WITH_ERROR = pytest.mark.parametrize("maker", ["api", "cffi"])
#: Is the callback's object there when C calls, or has finalization freed it?
LEFT = pytest.mark.parametrize("left", [True, False])
ABORTED = -signal.SIGABRT


def gone(
    maker: str, where: str, *, left: bool = True, kind: str = "i", at_exit: str = "", **error: Any
) -> list[str]:
    """Give the program in which C calls a callback when Python is gone.

    kind, where: as call_when_gone() of caller.c takes them; error: error= and onerror=.
    """
    return program(ending.called_when_gone, maker, where, left, kind, at_exit, error)


@cases(ending)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


# ---- other threads


@EACH
def test_threads_that_call_on_get_no_wrong_answer(script: Script, maker: str) -> None:
    done = script(program(ending.threads_call_on, maker))
    assert (done.stdout, done.stderr) == ("0 answers were wrong\n", "")


@EACH
def test_daemon_threads_that_call_on_get_no_wrong_answer(script: Script, maker: str) -> None:
    done = script(program(ending.daemon_threads_call_on, maker))
    assert (done.stdout, done.stderr) == ("0 answers were wrong\n", "")


@EACH
def test_threads_get_no_wrong_answer_up_to_os_exit(script: Script, maker: str) -> None:
    script(program(ending.threads_call_up_to_os_exit, maker), status=7)


@EACH
@LEFT
def test_another_thread_stops(script: Script, maker: str, left: bool) -> None:
    done = script(gone(maker, "t", left=left))
    assert (done.stdout, done.stderr) == ("thread stopped\n", "")


@EACH
def test_a_stopped_thread_can_be_cancelled_and_joined(script: Script, maker: str) -> None:
    assert script(gone(maker, "c")).stdout == "thread stopped\njoined, cancelled: 1\n"


@EACH
@LEFT
@pytest.mark.parametrize(("where", "who"), [("t", "thread"), ("m", "main"), ("f", "child")])
def test_void_returns(script: Script, maker: str, left: bool, where: str, who: str) -> None:
    assert f"{who} returned\n" in script(gone(maker, where, left=left, kind="v")).stdout


# ---- the user's error result


@WITH_ERROR
@LEFT
@pytest.mark.parametrize("onerror", ["", "print"])
@pytest.mark.parametrize(
    ("where", "who"), [("t", "thread"), ("m", "main"), ("f", "child"), ("g", "child")]
)
def test_error_holds_to_the_end(
    script: Script, maker: str, left: bool, onerror: str, where: str, who: str
) -> None:
    more = {"onerror": onerror} if onerror else {}
    done = script(gone(maker, where, left=left, error=8, **more))
    assert f"{who} got 8\n" in done.stdout
    assert done.stderr == ""


@WITH_ERROR
@LEFT
def test_error_of_a_large_result_holds_to_the_end(script: Script, maker: str, left: bool) -> None:
    done = script(gone(maker, "m", left=left, kind="s", error=[[1, 2, 3]]))
    assert done.stdout == "main got 123\n"


@WITH_ERROR
@pytest.mark.parametrize(("error", "got"), [(0, "got 0"), (None, "stopped")])
def test_error_zero_is_an_error_result(
    script: Script, maker: str, error: int | None, got: str
) -> None:
    assert script(gone(maker, "t", error=error)).stdout == f"thread {got}\n"


@pytest.mark.parametrize(
    ("error", "got"), [({"error": 0}, "got 0"), ({"onerror": "print"}, "stopped")], ids=str
)
@pytest.mark.parametrize("how", ["ffi", "other.ffi", "decorator"])
def test_each_way_to_make_a_cffi_callback(
    script: Script, how: str, error: dict[str, Any], got: str
) -> None:
    # cffi's class in Python, the one of its extension, and the latter as a decorator
    done = script(program(ending.each_way_to_make_a_cffi_callback, how, error))
    assert done.stdout == f"thread {got}\n"


def test_a_callback_made_while_an_error_result_is_converted(script: Script) -> None:
    done = script(program(ending.a_callback_made_while_an_error_result_is_converted))
    assert done.stdout == "thread stopped\n"


@WITH_ERROR
def test_error_of_one_callback_is_not_the_next_one_s(script: Script, maker: str) -> None:
    done = script(program(ending.error_of_one_callback_is_not_the_next_one_s, maker))
    assert done.stdout == "thread stopped\n"


# ---- zeros, for who asks for them


@EACH
@pytest.mark.parametrize(("where", "who"), [("t", "thread"), ("m", "main"), ("g", "child")])
def test_zero_when_the_environment_asks(script: Script, maker: str, where: str, who: str) -> None:
    done = script(gone(maker, where), FFI_STATIC_AT_EXIT="zero")
    assert f"{who} got 0\n" in done.stdout


@EACH
def test_zero_when_install_asks(script: Script, maker: str) -> None:
    assert script(gone(maker, "t", at_exit="zero")).stdout == "thread got 0\n"


def test_install_has_the_last_word(script: Script) -> None:
    done = script(gone("ctypes", "t", at_exit="stop"), FFI_STATIC_AT_EXIT="zero")
    assert done.stdout == "thread stopped\n"


def test_uninstall_gives_the_word_back(script: Script) -> None:
    assert script(program(ending.uninstall_gives_the_word_back)).stdout == "thread stopped\n"


def test_another_word_in_the_environment_is_named(script: Script) -> None:
    done = script(gone("api", "t"), FFI_STATIC_AT_EXIT="eight")
    assert "FFI_STATIC_AT_EXIT is 'eight', which is neither 'stop' nor 'zero'" in done.stderr
    assert done.stdout == "thread stopped\n"


# ---- the thread that ends Python, its children, interpreters that end


@EACH
@LEFT
def test_the_thread_that_ended_python_dies_with_a_sentence(
    script: Script, maker: str, left: bool
) -> None:
    done = script(gone(maker, "m", left=left), status=ABORTED)
    assert done.stderr.startswith("ffi_static: C called the callback at 0x")
    assert "in the thread that ended it: no answer can be had" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@EACH
def test_a_child_of_the_thread_that_ended_python_dies(script: Script, maker: str) -> None:
    done = script(gone(maker, "f"))
    assert done.stdout == "child died by signal 6\n"
    assert "in the thread that ended it" in done.stderr


@EACH
def test_a_child_of_another_thread_dies_and_does_not_stop(script: Script, maker: str) -> None:
    done = script(gone(maker, "g"))
    assert done.stdout == "child died by signal 6\n"
    assert "in a child that was forked while or after Python ended" in done.stderr


@EACH
def test_the_finalizing_thread_dies_when_the_object_has_gone(script: Script, maker: str) -> None:
    calls = program(ending.the_finalizing_thread_calls_when_the_object_has_gone, maker)
    if not has_gil():  # the garbage collector, which is at work then, holds the object
        assert script(calls).stdout == "21\nnot reached\n"
        return
    done = script(calls, status=ABORTED)
    assert done.stdout == "21\n"
    assert done.stderr.startswith("ffi_static: ")


@pytest.mark.parametrize("where", ["here", "thread"])
def test_the_callback_of_an_ended_interpreter_dies_with_a_sentence(
    script: Script, where: str
) -> None:
    done = script(program(ending.the_callback_of_an_ended_interpreter, where), status=ABORTED)
    assert "of an interpreter that has ended" in done.stderr
    assert done.stderr.startswith("ffi_static: C called the callback at 0x")


def test_an_ended_interpreter_is_not_taken_for_the_end_of_python(script: Script) -> None:
    done = script(program(ending.an_ended_interpreter_is_not_taken_for_the_end_of_python))
    assert done.stdout == "2\n"


# ---- a handler that writes no result


@EACH
@pytest.mark.parametrize("thread", [False, True])
def test_a_result_that_is_not_written_reads_as_zero(
    script: Script, maker: str, thread: bool
) -> None:
    done = script(program(ending.a_result_that_is_not_written, maker, thread))
    assert done.stdout == "[0, 0, 0, 0, 0]\n"
