# SPDX-License-Identifier: MIT
"""dropin_fork - fork() with callbacks of the drop-in alive on both sides"""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from itertools import product
from typing import Any

import ffi_static
from tests.python.programs import fresh
from tests.python.programs.caller import caller, deny_write_execute
from tests.python.programs.tools import BOTH, MAKERS, Made, right, some
from tests.support.programs import case

ROUNDS = 1000
POLICIES = case(*product(MAKERS, ["plain", "mdwe"]))


def installed(module: str, policy: str = "plain") -> Any:
    """Install under a policy; give the maker of callbacks."""
    if policy == "mdwe":
        deny_write_execute()
    ffi_static.install()
    return MAKERS[module]


def end(pid: int) -> None:
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status


def child(ok: object) -> None:
    os._exit(0 if ok else 1)


@POLICIES
def child_frees_parent_calls(module: str, policy: str) -> None:
    make = installed(module, policy)
    for n in range(ROUNDS):
        made = some(make, n)
        pid = os.fork()
        if pid == 0:
            ok = right(caller, made, n)
            del made[:]
            new = some(make, 7777, 8)
            child(ok and right(caller, new, 7777))
        end(pid)
        assert right(caller, made, n), n


@POLICIES
def parent_frees_child_calls(module: str, policy: str) -> None:
    make = installed(module, policy)
    for n in range(ROUNDS):
        made = some(make, n)
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(receive, 1)
            child(right(caller, made, n))
        del made[:]
        new = some(make, 7777, 8)
        os.write(send, b"x")
        end(pid)
        os.close(receive)
        os.close(send)
        assert right(caller, new, 7777)


@POLICIES
def fork_inside_a_callback(module: str, policy: str) -> None:
    make = installed(module, policy)
    pid = 0

    def forks(x: int) -> int:
        nonlocal pid
        pid = os.fork()
        return x + (100 if pid == 0 else 1)

    f, address = make(forks)
    for n in range(ROUNDS):
        made = some(make, n)
        got = caller.call(address, 1)
        if pid == 0:
            new = some(make, 7777)
            child(got == 101 and right(caller, made, n) and right(caller, new, 7777))
        assert got == 2
        del made[2:]
        end(pid)
        assert right(caller, made, n)


@POLICIES
def workers_of_multiprocessing(module: str, policy: str) -> None:
    make = installed(module, policy)
    context = multiprocessing.get_context("fork")

    def work(made: list[Made], base: int, queue: Any) -> None:
        ok = right(caller, made, base)
        del made[:]
        queue.put(ok and right(caller, some(make, 7777, 8), 7777))

    queue = context.SimpleQueue()
    for n in range(ROUNDS // 4):
        made = some(make, n)
        workers = [context.Process(target=work, args=(made, n, queue)) for _ in range(4)]
        for worker in workers:
            worker.start()
        keep = made[:]
        del made[:]
        assert [queue.get() for _ in workers] == [True] * 4
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 4
        assert right(caller, keep, n)


@BOTH
def fork_while_other_threads_make_and_free(module: str) -> None:
    if not fresh.has_gil():
        # Locks that other threads hold stay taken in the child. Of cffi, the one under which it
        # makes callbacks; with stock ctypes 3 of 8 runs did not end either.
        fresh.skip("children of such forks hang there, with libffi as well")
    make = installed(module)
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
    stop = False

    def churn() -> Any:
        while not stop:
            some(make, 1, 50)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for t in threads:
        t.start()
    for _ in range(ROUNDS // 2):
        pid = os.fork()
        if pid == 0:
            child(right(caller, some(make, 7777, 100), 7777))
        end(pid)
    stop = True
    for t in threads:
        t.join()
