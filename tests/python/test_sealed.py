# SPDX-License-Identifier: MIT
"""test_sealed - FFI_STATIC_HARDEN=1: Python's callbacks, ctypes' and cffi's through the drop-in"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.python.conftest import Script
from tests.python.programs import callback, dropin, sealed, threads
from tests.support.programs import cases, program


@cases(sealed)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given), FFI_STATIC_HARDEN="1")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_store_to_a_closure_ends_the_process(script: Script, which: int) -> None:
    write = program(sealed.writes_to, which)
    assert script(write, FFI_STATIC_HARDEN="0").stdout == "before\nafter\n"
    done = script(write, status=-signal.SIGSEGV, FFI_STATIC_HARDEN="1")
    assert done.stdout == "before\n"


def test_a_freed_cffi_callback_is_named(script: Script) -> None:
    named = program(sealed.a_freed_cffi_callback_is_named)
    for harden in ("0", "1"):
        done = script(named, status=-signal.SIGABRT, FFI_STATIC_HARDEN=harden)
        assert "was called after it was freed" in done.stderr


@cases(dropin)
def test_dropin(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given), FFI_STATIC_HARDEN="1")


@cases(threads)
def test_threads(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given), FFI_STATIC_HARDEN="1")


@cases(callback)
def test_callback(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given), FFI_STATIC_HARDEN="1")


def test_a_hardening_that_means_nothing_makes_no_callback(script: Script) -> None:
    done = script(program(sealed.only_ours), status=1, FFI_STATIC_HARDEN="yes")
    assert 'FFI_STATIC_HARDEN="yes"' in done.stderr.splitlines()[-1]


def test_the_drop_in_says_why_a_hardening_makes_none(script: Script) -> None:
    done = script(program(sealed.installs), status=1, FFI_STATIC_HARDEN="yes")
    assert 'FFI_STATIC_HARDEN="yes"' in done.stderr.splitlines()[-1]
