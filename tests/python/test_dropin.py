# SPDX-License-Identifier: MIT
"""test_dropin - install(), uninstall(), installed(): unmodified ctypes and cffi on our closures

Each test runs in an interpreter of its own, because what is tested is done to a process.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

PRELUDE = "import warnings\nfrom dropin_tools import *\n"

BOTH = pytest.mark.parametrize("module", ["_ctypes", "_cffi_backend"])


@pytest.fixture
def run(script: Any) -> Any:
    """Run code after PRELUDE in a fresh interpreter."""

    def start(code: str, **options: Any) -> Any:
        return script(PRELUDE + code, **options)

    return start


# ---- install


@BOTH
def test_installed_callbacks_lie_in_read_only_code(run: Any, module: str) -> None:
    run(f"""
served = ffi_static.install()
assert [s.state for s in served] == ["served", "served"], served
make = MAKERS[{module!r}]
for n in (1, 300, 5000):
    made = [make(lambda x, k=k: x + k) for k in range(n)]
    assert all(ours(address) for _, address in made)
    assert kind(made[0][1]) == kind(made[-1][1]) == "static"
    assert [caller.call(address, 1) for _, address in made] == list(range(1, n + 1))
    assert [f(2) for f, _ in made] == list(range(2, n + 2))
""")


@BOTH
def test_callbacks_made_before_go_on_and_are_freed_by_whom_they_came_from(
    run: Any, module: str
) -> None:
    run(f"""
make = MAKERS[{module!r}]
old = [make(lambda x: x + 1) for _ in range(100)]
assert not any(ours(address) for _, address in old)
ffi_static.install()
new = [make(lambda x: x + 2) for _ in range(100)]
assert {{caller.call(address, 1) for _, address in old}} == {{2}}
assert {{caller.call(address, 1) for _, address in new}} == {{3}}
del old
gc.collect()
more = [make(lambda x: x + 3) for _ in range(400)]
assert all(ours(address) for _, address in more)
assert {{caller.call(address, 1) for _, address in new}} == {{3}}
assert record({module!r}).live == 500
""")


def test_install_twice_changes_nothing(run: Any) -> None:
    run("""
first = ffi_static.install()
assert ffi_static.install() == first == ffi_static.installed()
f, address = with_ctypes(abs)
assert ffi_static.install()[0].made == 1
""")


@pytest.mark.parametrize(("chosen", "left"), [("ctypes", "cffi"), ("cffi", "ctypes")])
def test_one_of_them_alone(run: Any, chosen: str, left: str) -> None:
    modules = {"ctypes": "_ctypes", "cffi": "_cffi_backend"}
    run(f"""
ffi_static.install({left}=False)
assert [s.module for s in ffi_static.installed()] == [{modules[chosen]!r}]
new = MAKERS[{modules[chosen]!r}](abs)
assert ours(new[1])
stock = MAKERS[{modules[left]!r}](abs)
assert not ours(stock[1]) and caller.call(stock[1], -3) == 3
ffi_static.install()
new = MAKERS[{modules[left]!r}](abs)
assert ours(new[1])
assert caller.call(stock[1], -4) == 4
""")


def test_counters(run: Any) -> None:
    run("""
ffi_static.install()
for module, make in MAKERS.items():
    made = [make(abs) for _ in range(10)]
    del made[:4]
    found = record(module)
    assert (found.made, found.live, found.freed, found.leftover) == (10, 6, 4, 0), found
    assert found.version and found.how and not found.reason
    assert os.path.exists(found.file), found
""")


# ---- when the modules are imported later, again, or twice


def test_a_module_imported_after_install(script: Any) -> None:
    # a fresh interpreter in which nothing has imported ctypes
    script("""
import subprocess
code = '''
import sys
import ffi_static
assert "_ctypes" not in sys.modules, "nothing to wait for"
assert ("_ctypes", "waiting") in [(s.module, s.state) for s in ffi_static.install()]
import ctypes, _ctypes
served = {s.module: s for s in ffi_static.installed()}
assert served["_ctypes"].state == "served", served
f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
assert f(1) == 2
assert {s.module: s.made for s in ffi_static.installed()}["_ctypes"] == 1
# and nothing of the hook stays in the module
assert type(_ctypes.__spec__.loader) is type(_ctypes.__loader__), _ctypes.__spec__
assert "ffi_static" not in repr(_ctypes.__spec__)
'''
subprocess.run([sys.executable, "-c", code], check=True)
""")


def test_install_while_another_thread_imports(script: Any) -> None:
    script("""
import subprocess
code = '''
import sys, threading, time
import ffi_static
assert "_ctypes" not in sys.modules
def install(wait):
    time.sleep(wait)
    ffi_static.install()
threads = [threading.Thread(target=install, args=(n / 1000,)) for n in range(8)]
for t in threads: t.start()
import ctypes
for t in threads: t.join()
assert {s.module: s.state for s in ffi_static.installed()}["_ctypes"] == "served"
'''
for _ in range(5):
    subprocess.run([sys.executable, "-c", code], check=True)
""")


def test_install_in_a_child_of_a_process_that_was_installing(run: Any) -> None:
    run("""
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: fork() beside threads
stop = False
def switch():
    while not stop:
        ffi_static.install()
        ffi_static.uninstall()
thread = threading.Thread(target=switch)
thread.start()
def child():
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
""")


@BOTH
def test_a_module_that_is_reloaded_or_imported_again(run: Any, module: str) -> None:
    run(f"""
import importlib
ffi_static.install()
make = MAKERS[{module!r}]
before = make(lambda x: x + 1)
importlib.reload(sys.modules[{module!r}])
after = make(lambda x: x + 2)
assert ours(after[1])
old = sys.modules.pop({module!r})
new = importlib.import_module({module!r})
assert [s.module for s in ffi_static.installed()].count({module!r}) == 1
assert (caller.call(before[1], 1), caller.call(after[1], 1)) == (2, 3)
last = make(abs)
assert ours(last[1])
""")


@BOTH
def test_a_second_copy_of_a_module(run: Any, module: str) -> None:
    # another file is another shared object, with imports of its own
    run(f"""
import importlib, shutil, tempfile
ffi_static.install()
first = sys.modules.pop({module!r})
folder = tempfile.mkdtemp()
shutil.copy(first.__file__, folder)
sys.path.insert(0, folder)
second = importlib.import_module({module!r})
assert second is not first and second.__file__.startswith(folder)
both = [s for s in ffi_static.installed() if s.module == {module!r}]
assert [s.state for s in both] == ["served", "served"], both
assert len({{s.file for s in both}}) == 2
shutil.rmtree(folder)
from ffi_static._dropin import probe
made = []
for copy in (first, second):
    maker = probe._ctypes_maker if {module!r} == "_ctypes" else probe._cffi_maker
    make, address = maker(copy)
    f = make(lambda a, b, c: a + int(b))
    assert ours(address(f))
    assert ffi_static._lib.dropin_call(address(f), 1, 2.0, 0) == 3
    made.append(f)
assert sorted(s.live for s in ffi_static.installed() if s.module == {module!r}) == [1, 1]
ffi_static.uninstall()
""")


def test_subinterpreters_share_what_is_installed(run: Any) -> None:
    run("""
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
ffi_static.install()
failed = sub.run_string(interp, f'''
import sys
sys.path[:] = {sys.path!r}
import ctypes
f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)
import ffi_static
assert [s.state for s in ffi_static.installed()] == ["served", "served"]
assert {{s.module: s.live for s in ffi_static.install()}}["_ctypes"] == 1
''')
assert failed is None, failed
sub.destroy(interp)
assert record("_ctypes").live == 0
f, address = with_ctypes(lambda x: x + 1)
assert caller.call(address, 1) == 2
""")


# ---- uninstall


@BOTH
def test_uninstall_restores_and_leaves_the_living_alone(run: Any, module: str) -> None:
    run(f"""
make = MAKERS[{module!r}]
f, address = make(abs)
stock = kind(address)
del f
ffi_static.install()
living = [make(lambda x: x + 1) for _ in range(300)]
ffi_static.uninstall()
again = [make(lambda x: x + 2) for _ in range(300)]
assert not any(ours(address) for _, address in again)
assert kind(again[0][1]) == stock
assert {{caller.call(address, 1) for _, address in living}} == {{2}}
assert {{caller.call(address, 1) for _, address in again}} == {{3}}
assert record({module!r}, "restored").live == 300
del living, again
gc.collect()
assert record({module!r}, "restored").live == 0
# cffi may recycle what it has of ours: it must work all the same
more = [make(lambda x: x + 4) for _ in range(1000)]
assert {{caller.call(address, 1) for _, address in more}} == {{5}}
assert all(ours(a) or kind(a) == stock for _, a in more)
del more
ffi_static.install()
more = [make(lambda x: x + 5) for _ in range(2000)]
assert all(ours(address) for _, address in more)
assert {{caller.call(address, 1) for _, address in more}} == {{6}}
""")


def test_install_and_uninstall_a_thousand_times(run: Any) -> None:
    run("""
kept = []
for i in range(1000):
    ffi_static.install()
    kept += [with_ctypes(lambda x, i=i: x + i), with_cffi(lambda x, i=i: x + i)]
    ffi_static.uninstall()
    if i % 3 == 0:
        del kept[:3]
n = 1000
for _, address in reversed(kept):
    assert ours(address)
assert caller.call(kept[-1][1], 1) == caller.call(kept[-2][1], 1) == 1000
assert len(open("/proc/self/maps").readlines()) < 1000
more = [with_cffi(abs) for _ in range(5000)]  # cffi's own: it still grows in steps
assert not any(ours(address) for _, address in more[-1000:])
ffi_static.install()
more += [with_cffi(abs) for _ in range(5000)]
assert all(ours(address) for _, address in more[-5000:])
""")


def test_uninstall_before_install_does_nothing(run: Any) -> None:
    run("""
ffi_static.uninstall()
assert ffi_static.installed() == ()
f, address = with_ctypes(abs)
assert not ours(address)
""")


def test_import_table_is_as_it_was_after_uninstall(run: Any) -> None:
    run("""
import re
from pathlib import Path
def rights():
    names = ("_ctypes", "_cffi_backend")
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [l.split()[0:2] for l in lines if any(n in l for n in names)]
before = rights()
assert not any("w" in mode and "x" in mode for _, mode in before)
ffi_static.install()
assert rights() == before, "a table was left writable, or split"
ffi_static.uninstall()
assert rights() == before
""")


# ---- cffi's own memory


def test_cffi_that_had_no_callback_alive_leaves_no_writable_code(run: Any) -> None:
    run("""
from ffi_static.doctor.maps import audit_maps
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
""")


def test_cffi_callbacks_alive_at_install_are_counted(run: Any) -> None:
    run("""
old = [with_cffi(lambda x: x + 1) for _ in range(777)]
del old[::2]
ffi_static.install()
assert record("_cffi_backend").leftover == len(old)
assert {caller.call(address, 1) for _, address in old} == {2}
assert all(kind(address) == "writable-executable" for _, address in old)
new = [with_cffi(abs) for _ in range(2000)]
assert all(kind(address) == "static" for _, address in new[::100])
""")


# ---- policies


def under_mdwe(body: str) -> str:
    return (
        "from ffi_static._strict import deny_write_execute\n"
        "import _ctypes\n"
        "try:\n"
        "    deny_write_execute()\n"
        "except OSError as error:\n"
        "    print('no MDWE here:', error)\n"
        "    sys.exit()\n" + body
    )


@BOTH
def test_under_mdwe(run: Any, module: str) -> None:
    done = run(
        under_mdwe(f"""
if {module!r} == "_cffi_backend":
    try:
        with_cffi(abs)
    except MemoryError:
        print("stock is refused")
ffi_static.install()
made = [MAKERS[{module!r}](lambda x, k=k: x + k) for k in range(3000)]
assert [caller.call(address, 1) for _, address in made] == list(range(1, 3001))
assert record({module!r}).leftover == 0
print("works")
""")
    )
    if done.stdout.startswith("no MDWE"):
        pytest.skip(done.stdout.strip())
    assert done.stdout.splitlines() == (
        ["works"] if module == "_ctypes" else ["stock is refused", "works"]
    )


def test_install_under_mdwe_beside_live_writable_code(run: Any) -> None:
    done = run(
        PRELUDE_OLD
        + under_mdwe("""
ffi_static.install()
for make, (f, address) in zip(MAKERS.values(), old):
    assert kind(address) == "writable-executable"
    assert caller.call(address, 1) == 2
    new = make(lambda x: x + 2)
    assert kind(new[1]) == "static" and caller.call(new[1], 1) == 3
assert record("_cffi_backend").leftover == 1
del old, f
gc.collect()
print("works")
""")
    )
    if done.stdout.startswith("no MDWE"):
        pytest.skip(done.stdout.strip())
    assert done.stdout == "works\n"


PRELUDE_OLD = "old = [make(lambda x: x + 1) for make in MAKERS.values()]\n"


# ---- lifetime


@BOTH
def test_a_freed_callback_that_c_calls_aborts_with_its_address(run: Any, module: str) -> None:
    done = run(
        f"""
ffi_static.install()
f, address = MAKERS[{module!r}](abs)
print(hex(address), flush=True)
del f
caller.call(address, 1)
""",
        status=-6,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.stdout.strip() in last and "freed" in last, done.stderr


@BOTH
def test_a_callback_may_drop_itself(run: Any, module: str) -> None:
    run(f"""
ffi_static.install()
make = MAKERS[{module!r}]
for round in range(100):
    def drop(x):
        del box[:]
        gc.collect()
        other = make(abs)
        return x + 1
    box = [make(drop)]
    address = box[0][1]
    assert caller.call(address, 1) == 2
    del drop
assert record({module!r}).live == 0
""")


@BOTH
def test_garbage_cycles_through_callbacks(run: Any, module: str) -> None:
    run(f"""
ffi_static.install()
make = MAKERS[{module!r}]
class Node:
    def __init__(self):
        self.made = make(self.call)
    def call(self, x):
        return x + 1
gc.collect()
nodes = [Node() for _ in range(1000)]
assert record({module!r}).live == 1000
assert caller.call(nodes[7].made[1], 1) == 2
del nodes
gc.collect()
assert record({module!r}).live == 0
""")


@BOTH
def test_gc_at_every_allocation(run: Any, module: str) -> None:
    run(f"""
gc.set_threshold(1)
ffi_static.install()
make = MAKERS[{module!r}]
kept = []
for i in range(300):
    kept.append(make(lambda x, i=i: [x, i] and x + i))
    if i % 2:
        del kept[0]
    assert caller.call(kept[-1][1], 1) == 1 + i
gc.set_threshold(700)
ffi_static.uninstall()
""")


@BOTH
def test_freed_while_threads_wait_for_the_gil_inside_it(run: Any, module: str) -> None:
    run(f"""
ffi_static.install()
sys.setswitchinterval(1000)  # this thread keeps the GIL until it gives it up
make = MAKERS[{module!r}]
for round in range(5):
    box = [make(lambda x: x + 1)]
    assert holder.park(box[0][1], 20) == 3
    del box[:]
    box = [make(lambda x: x + 1000) for _ in range(50)]
    results = (ctypes.c_int * 3)()
    caller.unpark(results)
    assert list(results) == [0, 0, 0], list(results)
""")


@BOTH
def test_calls_from_foreign_threads(run: Any, module: str) -> None:
    run(f"""
ffi_static.install()
f, address = MAKERS[{module!r}](lambda x: x)
assert caller.in_threads(address, 300, 8) == 8 * 44850
""")


# ---- kept thread states


def test_thread_state_is_kept_when_asked_for(run: Any) -> None:
    run("""
local = threading.local()
def count(x):
    local.n = getattr(local, "n", 0) + x
    return local.n
def three_steps(address):
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
while ffi_static._lib.thread_counts() != (0, 0) and time.monotonic() < deadline:
    ffi_static.callback("int(int)", abs).close()
assert ffi_static._lib.thread_counts() == (0, 0)
""")


def test_kept_state_and_a_call_from_the_threads_last_destructor(run: Any) -> None:
    run("""
ffi_static.install(keep_thread_state=True)
f, address = with_ctypes(lambda x: x + 1)
for _ in range(200):
    # 0 when the state had been deleted by the time of the call
    assert caller.call_in_destructor(address) in (8, 0)
""")


def test_python_threads_are_not_kept(run: Any) -> None:
    run("""
ffi_static.install(keep_thread_state=True)
f, address = with_ctypes(lambda x: x)
threads = [threading.Thread(target=caller.loop, args=(address, 500)) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert ffi_static._lib.thread_counts() == (0, 0)
""")


def test_cffi_keeps_the_state_of_a_foreign_thread_as_it_does_without_us(run: Any) -> None:
    run("""
ffi_static.install()
local = threading.local()
def count(x):
    local.n = getattr(local, "n", 0) + x
    return local.n
f, address = with_cffi(count)
thread = caller.start(address)
assert [caller.step(thread) for _ in range(3)] == [1, 2, 3]
caller.stop(thread)
""")


def test_states_of_exited_threads_go_while_the_main_thread_is_in_c(run: Any) -> None:
    run("""
ffi_static.install(keep_thread_state=True)
seen = []
f, address = with_ctypes(lambda x: seen.append(ffi_static._lib.thread_counts()) or x)
def come_and_go():
    for _ in range(500):
        caller.in_threads(address, 1, 1)
thread = threading.Thread(target=come_and_go)
thread.start()
thread.join()  # pending calls wait for this thread
assert max(gone for _, gone in seen) < 50, max(seen)
""")


def test_interrupted_install_leaves_nothing(run: Any) -> None:
    run("""
from ffi_static._dropin import probe
real = probe._probe
def interrupted(record, make, address):
    kept = make(lambda a, b, c: 0)
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
""")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="ctypes there needs the main interpreter's")
def test_interpreters_with_a_gil_of_their_own_make_callbacks_at_once(run: Any) -> None:
    run("""
import _interpreters as sub
ffi_static.install()
code = '''
import ctypes
F = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int)
for round in range(300):
    made = [F(lambda x, k=k: x + k) for k in range(40)]
    for k, f in enumerate(made):
        if f(1000) != 1000 + k:
            raise SystemExit("wrong function")
    del made[::2]
'''
failed = []
def work():
    interp = sub.create("isolated")
    answer = sub.exec(interp, code)
    if answer is not None:
        failed.append(answer)
    sub.destroy(interp)
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert not failed, failed
assert record("_ctypes").live == 0
""")


# ---- the end of Python


@BOTH
@pytest.mark.parametrize("keep", [False, True])
def test_exit_with_foreign_threads_calling(run: Any, module: str, keep: bool) -> None:
    for _ in range(5):
        done = run(f"""
ffi_static.install(keep_thread_state={keep})
f, address = MAKERS[{module!r}](lambda x: x)
for _ in range(4):
    assert caller.spin(address) == 0
time.sleep(0.05)
print("leaving", flush=True)
""")
        assert (done.stdout, done.stderr) == ("leaving\n", "")


@BOTH
def test_a_call_by_the_finalizing_thread_still_works(run: Any, module: str) -> None:
    done = run(f"""
ffi_static.install()
class Late:
    def __del__(self, call=caller.call, write=os.write):
        write(1, b"%d\\n" % call(self.made[1], 20))
late = Late()
late.made = MAKERS[{module!r}](lambda x: x + 1)
late.me = late  # a cycle: collected while the interpreter is finalized
""")
    assert done.stdout == "21\n"


# ---- many at once


def test_threads_that_install_make_and_uninstall_at_once(run: Any) -> None:
    run("""
stop = time.monotonic() + 5
failed = []
def switch():
    while time.monotonic() < stop:
        ffi_static.install()
        ffi_static.uninstall()
def use(make):
    try:
        while time.monotonic() < stop:
            made = [make(lambda x, k=k: x + k) for k in range(20)]
            got = [caller.call(address, 1) for _, address in made]
            assert got == list(range(1, 21)), got
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=switch) for _ in range(2)]
threads += [threading.Thread(target=use, args=(m,)) for m in MAKERS.values() for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
assert not failed, failed
""")
