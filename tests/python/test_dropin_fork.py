# SPDX-License-Identifier: MIT
"""test_dropin_fork - after fork() both sides own what they had: a thousand times, also under MDWE

Stock libffi under MDWE maps a shared file a second time: there a child overwrites the callbacks of
its parent. cffi's stock callbacks do not exist at all under it.
"""

from __future__ import annotations

from typing import Any

import pytest

ROUNDS = 1000

PRELUDE = """
import multiprocessing
from dropin_tools import *
from ffi_static import _strict
def end(pid):
    status = os.waitpid(pid, 0)[1]
    assert status == 0, (round, status)
def child(ok):
    os._exit(0 if ok else 1)
"""

MDWE = """
try:
    _strict.deny_write_execute()
except OSError as error:
    print("no MDWE here:", error)
    sys.exit()
"""

BOTH = pytest.mark.parametrize("module", ["_ctypes", "_cffi_backend"])
POLICIES = pytest.mark.parametrize("policy", ["plain", "mdwe"])
pytestmark = pytest.mark.slow


@pytest.fixture
def run(script: Any) -> Any:
    """Run code in a fresh interpreter under a policy, with the drop-in installed."""

    def start(module: str, policy: str, code: str) -> None:
        policy_code = MDWE if policy == "mdwe" else ""
        install = f"ffi_static.install()\nmake = MAKERS[{module!r}]\n"
        done = script(PRELUDE + policy_code + install + code + "\nprint('done')\n")
        if done.stdout.startswith("no MDWE"):
            pytest.skip(done.stdout.strip())
        assert done.stdout == "done\n"

    return start


@BOTH
@POLICIES
def test_child_frees_parent_calls(run: Any, module: str, policy: str) -> None:
    run(
        module,
        policy,
        f"""
for round in range({ROUNDS}):
    made = some(make, round)
    pid = os.fork()
    if pid == 0:
        ok = right(caller, made, round)
        del made[:]
        new = some(make, 7777, 8)
        child(ok and right(caller, new, 7777))
    end(pid)
    assert right(caller, made, round), round
""",
    )


@BOTH
@POLICIES
def test_parent_frees_child_calls(run: Any, module: str, policy: str) -> None:
    run(
        module,
        policy,
        f"""
for round in range({ROUNDS}):
    made = some(make, round)
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(receive, 1)
        child(right(caller, made, round))
    del made[:]
    new = some(make, 7777, 8)
    os.write(send, b"x")
    end(pid)
    os.close(receive)
    os.close(send)
    assert right(caller, new, 7777)
""",
    )


@BOTH
@POLICIES
def test_fork_inside_a_callback(run: Any, module: str, policy: str) -> None:
    run(
        module,
        policy,
        f"""
def forks(x):
    global pid
    pid = os.fork()
    return x + (100 if pid == 0 else 1)
f, address = make(forks)
for round in range({ROUNDS}):
    made = some(make, round)
    got = caller.call(address, 1)
    if pid == 0:
        new = some(make, 7777)
        child(got == 101 and right(caller, made, round) and right(caller, new, 7777))
    assert got == 2
    del made[2:]
    end(pid)
    assert right(caller, made, round)
""",
    )


@BOTH
@POLICIES
def test_multiprocessing(run: Any, module: str, policy: str) -> None:
    run(
        module,
        policy,
        f"""
context = multiprocessing.get_context("fork")
def work(made, base, queue):
    ok = right(caller, made, base)
    del made[:]
    queue.put(ok and right(caller, some(make, 7777, 8), 7777))
queue = context.SimpleQueue()
for round in range({ROUNDS} // 4):
    made = some(make, round)
    workers = [context.Process(target=work, args=(made, round, queue)) for _ in range(4)]
    for worker in workers: worker.start()
    keep = made[:]
    del made[:]
    assert [queue.get() for _ in workers] == [True] * 4
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert right(caller, keep, round)
""",
    )


@BOTH
def test_fork_while_other_threads_make_and_free(run: Any, module: str) -> None:
    run(
        module,
        "plain",
        f"""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
stop = False
def churn():
    while not stop:
        some(make, 1, 50)
threads = [threading.Thread(target=churn) for _ in range(2)]
for t in threads: t.start()
for round in range({ROUNDS} // 2):
    pid = os.fork()
    if pid == 0:
        child(right(caller, some(make, 7777, 100), 7777))
    end(pid)
stop = True
for t in threads: t.join()
""",
    )
