# SPDX-License-Identifier: MIT
"""test_dropin - install(), uninstall(), installed(): unmodified ctypes and cffi on our closures

Each test runs in an interpreter of its own, because what is tested is done to a process.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import dropin, fresh
from tests.support.process import run
from tests.support.programs import cases, program

BOTH = pytest.mark.parametrize("module", ["_ctypes", "_cffi_backend"])


@cases(dropin)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


def test_a_module_imported_after_install() -> None:
    run(program(fresh.ctypes_imported_after_install))


def test_the_gil_is_not_switched_on() -> None:
    run(program(fresh.the_gil_is_not_switched_on))


def test_install_while_another_thread_imports() -> None:
    for _ in range(5):
        run(program(fresh.install_while_another_thread_imports_ctypes))


@BOTH
def test_under_mdwe(script: Script, module: str) -> None:
    done = script(program(dropin.under_mdwe, module))
    assert done.stdout.splitlines() == (
        ["works"] if module == "_ctypes" else ["stock is refused", "works"]
    )


def test_install_under_mdwe_beside_live_writable_code(script: Script) -> None:
    done = script(program(dropin.install_under_mdwe_beside_live_writable_code))
    assert done.stdout == "works\n"


@BOTH
def test_a_freed_callback_that_c_calls_aborts_with_its_address(script: Script, module: str) -> None:
    calls = program(dropin.a_freed_callback_that_c_calls_aborts_with_its_address, module)
    done = script(calls, status=-signal.SIGABRT)
    last = done.stderr.strip().splitlines()[-1]
    assert done.stdout.strip() in last and "freed" in last, done.stderr


@BOTH
@pytest.mark.parametrize("keep", [False, True])
def test_exit_with_foreign_threads_calling(script: Script, module: str, keep: bool) -> None:
    for _ in range(5):
        done = script(program(dropin.exit_with_foreign_threads_calling, module, keep))
        assert (done.stdout, done.stderr) == ("leaving\n", "")


@BOTH
def test_a_call_by_the_finalizing_thread_still_works(script: Script, module: str) -> None:
    done = script(program(dropin.a_call_by_the_finalizing_thread_still_works, module))
    assert done.stdout == "21\n"
