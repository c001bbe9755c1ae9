# SPDX-License-Identifier: MIT
"""dropin - what test_dropin.py does to whole processes"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import ffi_static
from ffi_static import _lib
from ffi_static._dropin import probe
from ffi_static.doctor.maps import audit_maps
from tests.python.programs import fresh
from tests.python.programs.caller import caller, deny_write_execute, holder, keep
from tests.python.programs.tools import BOTH, MAKERS, kind, ours, record, with_cffi, with_ctypes
from tests.support.programs import case

# ---- install


@BOTH
def installed_callbacks_lie_in_read_only_code(module: str) -> None:
    served = ffi_static.install()
    assert [s.state for s in served] == ["served", "served"], served
    make = MAKERS[module]
    for n in (1, 300, 5000):
        made = [make(lambda x, k=k: x + k) for k in range(n)]
        assert all(ours(address) for _, address in made)
        assert kind(made[0][1]) == kind(made[-1][1]) == "static"
        assert [caller.call(address, 1) for _, address in made] == list(range(1, n + 1))
        assert [f(2) for f, _ in made] == list(range(2, n + 2))


@BOTH
def callbacks_made_before_go_on_and_are_freed_by_whom_they_came_from(module: str) -> None:
    make = MAKERS[module]
    old = [make(lambda x: x + 1) for _ in range(100)]
    assert not any(ours(address) for _, address in old)
    ffi_static.install()
    new = [make(lambda x: x + 2) for _ in range(100)]
    assert {caller.call(address, 1) for _, address in old} == {2}
    assert {caller.call(address, 1) for _, address in new} == {3}
    del old
    gc.collect()
    more = [make(lambda x: x + 3) for _ in range(400)]
    assert all(ours(address) for _, address in more)
    assert {caller.call(address, 1) for _, address in new} == {3}
    assert record(module).live == 500


@case()
def install_twice_changes_nothing() -> None:
    first = ffi_static.install()
    assert ffi_static.install() == first == ffi_static.installed()
    made = with_ctypes(abs)
    assert ffi_static.install()[0].made == 1
    del made


@case(("ctypes", "cffi"), ("cffi", "ctypes"))
def one_of_them_alone(chosen: str, left: str) -> None:
    modules = {"ctypes": "_ctypes", "cffi": "_cffi_backend"}
    only: dict[str, Any] = {left: False}
    ffi_static.install(**only)
    assert [s.module for s in ffi_static.installed()] == [modules[chosen]]
    new = MAKERS[modules[chosen]](abs)
    assert ours(new[1])
    stock = MAKERS[modules[left]](abs)
    assert not ours(stock[1]) and caller.call(stock[1], -3) == 3
    ffi_static.install()
    new = MAKERS[modules[left]](abs)
    assert ours(new[1])
    assert caller.call(stock[1], -4) == 4


@case()
def counters() -> None:
    ffi_static.install()
    for module, make in MAKERS.items():
        made = [make(abs) for _ in range(10)]
        del made[:4]
        found = record(module)
        assert (found.made, found.live, found.freed, found.leftover) == (10, 6, 4, 0), found
        assert found.version and found.how and not found.reason
        assert Path(found.file).exists(), found


# ---- when the modules are imported later, again, or twice


@case()
def install_in_a_child_of_a_process_that_was_installing() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
    stop = False

    def switch() -> None:
        while not stop:
            ffi_static.install()
            ffi_static.uninstall()

    thread = threading.Thread(target=switch)
    thread.start()

    def child() -> None:
        try:
            ffi_static.install()
            f, address = with_ctypes(lambda x: x + 1)
            g, other = with_cffi(lambda x: x + 2)
            assert ours(address) and ours(other)
            assert (caller.call(address, 1), caller.call(other, 1)) == (2, 3)
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)

    statuses = []
    for _ in range(100):
        pid = os.fork()
        if pid == 0:
            child()
        statuses.append(os.waitpid(pid, 0)[1])
    stop = True
    thread.join()
    assert set(statuses) == {0}, statuses


@BOTH
def a_module_that_is_reloaded_or_imported_again(module: str) -> None:
    ffi_static.install()
    make = MAKERS[module]
    before = make(lambda x: x + 1)
    importlib.reload(sys.modules[module])
    after = make(lambda x: x + 2)
    assert ours(after[1])
    old = sys.modules.pop(module)
    new = importlib.import_module(module)
    assert [s.module for s in ffi_static.installed()].count(module) == 1
    assert (caller.call(before[1], 1), caller.call(after[1], 1)) == (2, 3)
    last = make(abs)
    assert ours(last[1])


@BOTH
def a_second_copy_of_a_module(module: str) -> None:
    # another file is another shared object, with imports of its own
    ffi_static.install()
    first: Any = sys.modules.pop(module)
    folder = tempfile.mkdtemp()
    shutil.copy(first.__file__, folder)
    sys.path.insert(0, folder)
    second: Any = importlib.import_module(module)
    assert second is not first and second.__file__.startswith(folder)
    both = [s for s in ffi_static.installed() if s.module == module]
    assert [s.state for s in both] == ["served", "served"], both
    assert len({s.file for s in both}) == 2
    shutil.rmtree(folder)
    made = []
    for copy in (first, second):
        maker = probe._ctypes_maker if module == "_ctypes" else probe._cffi_maker
        make, address = maker(copy)
        f = make(lambda a, b, c: a + int(b))
        assert ours(address(f))
        assert _lib.dropin_call(address(f), 1, 2.0, 0) == 3
        made.append(f)
    assert sorted(s.live for s in ffi_static.installed() if s.module == module) == [1, 1]
    ffi_static.uninstall()


@case()
def subinterpreters_share_what_is_installed() -> None:
    interpreter = sub, number = fresh.new_interpreter()
    ffi_static.install()
    fresh.call_in(interpreter, fresh.is_served_here_too)
    sub.destroy(number)
    assert record("_ctypes").live == 0
    f, address = with_ctypes(lambda x: x + 1)
    assert caller.call(address, 1) == 2


# ---- uninstall


@BOTH
def uninstall_restores_and_leaves_the_living_alone(module: str) -> None:
    make = MAKERS[module]
    f, address = make(abs)
    stock = kind(address)
    del f
    ffi_static.install()
    living = [make(lambda x: x + 1) for _ in range(300)]
    ffi_static.uninstall()
    again = [make(lambda x: x + 2) for _ in range(300)]
    assert not any(ours(address) for _, address in again)
    assert kind(again[0][1]) == stock
    assert {caller.call(address, 1) for _, address in living} == {2}
    assert {caller.call(address, 1) for _, address in again} == {3}
    assert record(module, "restored").live == 300
    del living, again
    gc.collect()
    assert record(module, "restored").live == 0
    # cffi may hand out our blocks again: such callbacks must work, too
    more = [make(lambda x: x + 4) for _ in range(1000)]
    assert {caller.call(address, 1) for _, address in more} == {5}
    assert all(ours(a) or kind(a) == stock for _, a in more)
    del more
    ffi_static.install()
    more = [make(lambda x: x + 5) for _ in range(2000)]
    assert all(ours(address) for _, address in more)
    assert {caller.call(address, 1) for _, address in more} == {6}


@case()
def install_and_uninstall_a_thousand_times() -> None:
    kept: list[tuple[Any, int]] = []
    for i in range(1000):
        ffi_static.install()
        kept += [with_ctypes(lambda x, i=i: x + i), with_cffi(lambda x, i=i: x + i)]
        ffi_static.uninstall()
        if i % 3 == 0:
            del kept[:3]
    for _, address in reversed(kept):
        assert ours(address)
    assert caller.call(kept[-1][1], 1) == caller.call(kept[-2][1], 1) == 1000
    assert len(Path("/proc/self/maps").read_text().splitlines()) < 1000
    more = [with_cffi(abs) for _ in range(5000)]  # cffi's own: it still grows in steps
    assert not any(ours(address) for _, address in more[-1000:])
    ffi_static.install()
    more += [with_cffi(abs) for _ in range(5000)]
    assert all(ours(address) for _, address in more[-5000:])


@case()
def uninstall_before_install_does_nothing() -> None:
    ffi_static.uninstall()
    assert ffi_static.installed() == ()
    f, address = with_ctypes(abs)
    assert not ours(address)


@case()
def import_table_is_as_it_was_after_uninstall() -> None:
    def rights() -> Any:
        names = ("_ctypes", "_cffi_backend")
        lines = Path("/proc/self/maps").read_text().splitlines()
        return [line.split()[0:2] for line in lines if any(n in line for n in names)]

    before = rights()
    assert not any("w" in mode and "x" in mode for _, mode in before)
    ffi_static.install()
    assert rights() == before, "a table was left writable, or split"
    ffi_static.uninstall()
    assert rights() == before


# ---- cffi's own memory


@case()
def cffi_that_had_no_callback_alive_leaves_no_writable_code() -> None:
    before = audit_maps()
    made = [with_cffi(abs) for _ in range(3000)]
    assert len(audit_maps()) > len(before), "cffi's memory is not what it was"
    del made
    ffi_static.install()
    assert audit_maps() == before, audit_maps()
    assert record("_cffi_backend").leftover == 0
    made = [with_cffi(lambda x: x + 1) for _ in range(3000)]
    assert {caller.call(address, 1) for _, address in made} == {2}
    assert audit_maps() == before


@case()
def cffi_callbacks_alive_at_install_are_counted() -> None:
    old = [with_cffi(lambda x: x + 1) for _ in range(777)]
    del old[::2]
    ffi_static.install()
    assert record("_cffi_backend").leftover == len(old)
    assert {caller.call(address, 1) for _, address in old} == {2}
    assert all(kind(address) == "writable-executable" for _, address in old)
    new = [with_cffi(abs) for _ in range(2000)]
    assert all(kind(address) == "static" for _, address in new[::100])


# ---- policies


def under_mdwe(module: str) -> None:
    deny_write_execute()
    if module == "_cffi_backend":
        try:
            with_cffi(abs)
        except MemoryError:
            print("stock is refused")
    ffi_static.install()
    made = [MAKERS[module](lambda x, k=k: x + k) for k in range(3000)]
    assert [caller.call(address, 1) for _, address in made] == list(range(1, 3001))
    assert record(module).leftover == 0
    print("works")


def install_under_mdwe_beside_live_writable_code() -> None:
    old = [make(lambda x: x + 1) for make in MAKERS.values()]
    where = [kind(address) for _, address in old]  # of ctypes' it depends on its libffi
    assert where[-1] == "writable-executable"
    deny_write_execute()
    ffi_static.install()
    for make, (f, address), stock in zip(  # noqa: B007 - the last one is held by `f`
        MAKERS.values(), old, where
    ):
        assert kind(address) == stock
        assert caller.call(address, 1) == 2
        new = make(lambda x: x + 2)
        assert kind(new[1]) == "static" and caller.call(new[1], 1) == 3
    assert record("_cffi_backend").leftover == 1
    del old, f
    gc.collect()
    print("works")


# ---- lifetime


def a_freed_callback_that_c_calls_aborts_with_its_address(module: str) -> None:
    ffi_static.install()
    f, address = MAKERS[module](abs)
    print(hex(address), flush=True)
    del f
    caller.call(address, 1)


@BOTH
def a_callback_may_drop_itself(module: str) -> None:
    ffi_static.install()
    make = MAKERS[module]
    for _ in range(100):
        box: list[Any] = []

        def drop(x: int, box: list[Any] = box) -> int:
            del box[:]
            gc.collect()
            make(abs)
            return x + 1

        box.append(make(drop))
        address = box[0][1]
        assert caller.call(address, 1) == 2
        del drop
    assert record(module).live == 0


@BOTH
def garbage_cycles_through_callbacks(module: str) -> None:
    ffi_static.install()
    make = MAKERS[module]

    class Node:
        def __init__(self) -> None:
            self.made = make(self.call)

        def call(self, x: Any) -> Any:
            return x + 1

    gc.collect()
    nodes = [Node() for _ in range(1000)]
    assert record(module).live == 1000
    assert caller.call(nodes[7].made[1], 1) == 2
    del nodes
    gc.collect()
    assert record(module).live == 0


@BOTH
def gc_at_every_allocation(module: str) -> None:
    gc.set_threshold(1)
    ffi_static.install()
    make = MAKERS[module]
    kept: list[tuple[Any, int]] = []
    for i in range(300):
        kept.append(make(lambda x, i=i: [x, i] and x + i))
        if i % 2:
            del kept[0]
        assert caller.call(kept[-1][1], 1) == 1 + i
    gc.set_threshold(700)
    ffi_static.uninstall()


@BOTH
def freed_while_threads_wait_for_the_gil_inside_it(module: str) -> None:
    fresh.run_with_the_gil()
    ffi_static.install()
    sys.setswitchinterval(1000)  # this thread keeps the GIL until it gives it up
    make = MAKERS[module]
    for _ in range(5):
        box = [make(lambda x: x + 1)]
        assert holder.park(box[0][1], 20) == 3
        del box[:]
        box = [make(lambda x: x + 1000) for _ in range(50)]
        results = (ctypes.c_int * 3)()
        caller.unpark(results)
        assert list(results) == [0, 0, 0], list(results)


@BOTH
def calls_from_foreign_threads(module: str) -> None:
    ffi_static.install()
    f, address = MAKERS[module](lambda x: x)
    assert caller.in_threads(address, 300, 8) == 8 * 44850


# ---- kept thread states


@case()
def thread_state_is_kept_when_asked_for() -> None:
    local = threading.local()

    def count(x: Any) -> Any:
        local.n = getattr(local, "n", 0) + x
        return local.n

    def three_steps(address: Any) -> Any:
        thread = caller.start(address)
        try:
            return [caller.step(thread) for _ in range(3)]
        finally:
            caller.stop(thread)

    ffi_static.install()
    f, address = with_ctypes(count)
    assert three_steps(address) == [1, 1, 1]
    ffi_static.install(keep_thread_state=True)
    assert three_steps(address) == [1, 2, 3]
    assert three_steps(address) == [1, 2, 3]
    ffi_static.install()
    assert three_steps(address) == [1, 2, 3], "it stays until uninstall()"
    ffi_static.uninstall()
    assert three_steps(address) == [1, 1, 1]
    deadline = time.monotonic() + 60
    while _lib.thread_counts() != (0, 0) and time.monotonic() < deadline:
        ffi_static.callback("int(int)", abs).close()
    assert _lib.thread_counts() == (0, 0)


@case()
def kept_state_and_a_call_from_the_threads_last_destructor() -> None:
    ffi_static.install(keep_thread_state=True)
    f, address = with_ctypes(lambda x: x + 1)
    for _ in range(200):
        # 0 when the state had been deleted by the time of the call
        assert caller.call_in_destructor(address) in (8, 0)


@case()
def python_threads_are_not_kept() -> None:
    ffi_static.install(keep_thread_state=True)
    f, address = with_ctypes(lambda x: x)
    threads = [threading.Thread(target=caller.loop, args=(address, 500)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert _lib.thread_counts() == (0, 0)


@case()
def cffi_keeps_the_state_of_a_foreign_thread_as_it_does_without_us() -> None:
    ffi_static.install()
    local = threading.local()

    def count(x: Any) -> Any:
        local.n = getattr(local, "n", 0) + x
        return local.n

    f, address = with_cffi(count)
    thread = caller.start(address)
    assert [caller.step(thread) for _ in range(3)] == [1, 2, 3]
    caller.stop(thread)


@case()
def states_of_exited_threads_go_while_the_main_thread_is_in_c() -> None:
    ffi_static.install(keep_thread_state=True)
    seen: list[tuple[int, int]] = []

    def look(x: int) -> int:
        seen.append(_lib.thread_counts())
        return x

    f, address = with_ctypes(look)

    def come_and_go() -> None:
        for _ in range(500):
            caller.in_threads(address, 1, 1)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    thread.join()  # pending calls wait for this thread
    assert max(gone for _, gone in seen) < 50, max(seen)


@case()
def interrupted_install_leaves_nothing() -> None:
    real = probe._probe

    def interrupted(record: Any, make: Any, address: Any) -> Any:
        _kept = make(lambda a, b, c: 0)
        raise KeyboardInterrupt

    for name in ("_ctypes", "_cffi_backend"):
        probe._probe = interrupted
        try:
            ffi_static.install(ctypes=name == "_ctypes", cffi=name != "_ctypes")
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError
        assert ffi_static.installed() == (), ffi_static.installed()
        f, address = MAKERS[name](lambda x: x + 1)
        assert not ours(address) and caller.call(address, 1) == 2
    probe._probe = real
    ffi_static.install()


@case()
def interpreters_with_a_gil_of_their_own_make_callbacks_at_once() -> None:
    fresh.needs((3, 13), "ctypes there needs the main interpreter's")
    ffi_static.install()
    failed: list[BaseException] = []

    def work() -> None:
        sub, number = interpreter = fresh.new_interpreter_with_its_own_gil()
        try:
            fresh.call_in(interpreter, fresh.make_and_call)
        except BaseException as error:
            failed.append(error)
        sub.destroy(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed
    assert record("_ctypes").live == 0


# ---- the end of Python


def exit_with_foreign_threads_calling(module: str, keep_state: bool) -> None:
    ffi_static.install(keep_thread_state=keep_state)
    f, address = MAKERS[module](lambda x: x)
    keep(f)
    for _ in range(4):
        assert caller.spin(address) == 0
    time.sleep(0.05)
    print("leaving", flush=True)


def a_call_by_the_finalizing_thread_still_works(module: str) -> None:
    ffi_static.install()

    class Late:
        made: tuple[Any, int]
        me: Any

        def __del__(self, call: Any = caller.call, write: Any = os.write) -> None:
            write(1, b"%d\n" % call(self.made[1], 20))

    late = Late()
    late.made = MAKERS[module](lambda x: x + 1)
    late.me = late  # a cycle: collected while the interpreter is finalized
    keep(late)


# ---- many at once


@case()
def threads_that_install_make_and_uninstall_at_once() -> None:
    stop = time.monotonic() + 5
    failed: list[BaseException] = []

    def switch() -> None:
        while time.monotonic() < stop:
            ffi_static.install()
            ffi_static.uninstall()

    def use(make: Any) -> None:
        try:
            while time.monotonic() < stop:
                made = [make(lambda x, k=k: x + k) for k in range(20)]
                got = [caller.call(address, 1) for _, address in made]
                assert got == list(range(1, 21)), got
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=switch) for _ in range(2)]
    threads += [threading.Thread(target=use, args=(m,)) for m in MAKERS.values() for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed
