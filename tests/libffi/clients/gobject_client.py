# SPDX-License-Identifier: MIT
"""gobject_client - thousands of callbacks through PyGObject and gobject-introspection.

gobject-introspection puts libffi's closure at the head of a larger struct of its own, and
implements the virtual functions of Python classes by closures: both are used here. Run by run.py
with the system's Python. See README.md for what a client has to do.
"""

# mypy: disable-error-code="import-not-found, misc, no-any-return"
# (gi is the system Python's, not the environment's)
from __future__ import annotations

import gc
import os
import random
from pathlib import Path

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib, GObject  # noqa: E402 - as PyGObject wants it

LIVE = 3000
calls = 0


def maps(moment: str) -> None:
    text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    Path(f"{os.environ['CLIENT_MAPS']}.{moment}").write_text(text, errors="surrogateescape")


def check(got: object, expected: object, what: str) -> None:
    if got != expected:
        raise SystemExit(f"{what}: got {got!r}, not {expected!r}")


class Item(GObject.Object):
    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = value


class Numbers(GObject.Object, Gio.ListModel):
    """A list model whose three virtual functions are closures."""

    def do_get_item_type(self) -> object:
        return Item.__gtype__

    def do_get_n_items(self) -> int:
        return LIVE

    def do_get_item(self, position: int) -> Item:
        global calls  # noqa: PLW0603 - what the report counts
        calls += 1
        return Item(position * 3)


def sort() -> None:
    """Closures that live for one call."""

    def compare(a: Item, b: Item, _data: object) -> int:
        global calls  # noqa: PLW0603
        calls += 1
        return (a.value > b.value) - (a.value < b.value)

    numbers = [random.randrange(1 << 30) for _ in range(1000)]
    store = Gio.ListStore.new(Item)
    for number in numbers:
        store.append(Item(number))
    store.sort(compare, None)
    got = [store.get_item(i).value for i in range(store.get_n_items())]
    check(got, sorted(numbers), "Gio.ListStore.sort")


def idle(count: int, *, peak: bool) -> None:
    """Closures that are live together, each called by the main loop and freed by its destroy."""
    loop = GLib.MainLoop()
    seen = []

    def called(key: int) -> bool:
        global calls  # noqa: PLW0603
        calls += 1
        seen.append(key)
        if len(seen) == count:
            loop.quit()
        return GLib.SOURCE_REMOVE

    keys = list(range(count))
    for key in keys:
        # A function object each, hence a closure each.
        GLib.idle_add(lambda key=key: called(key))
    if peak:
        maps("peak")
    child = os.fork()
    if child == 0:
        for key in keys:  # writes over what a writable alias shares with the parent
            GLib.idle_add(lambda key=key: called(key + 1))
        os._exit(0)
    check(os.waitpid(child, 0)[1], 0, "the forked child, which made its own")
    loop.run()
    check(seen, keys, "idle callbacks")


def vfuncs() -> None:
    """Have C call the virtual functions: by the interface, not by Python's method."""
    model = Numbers()
    for position in random.sample(range(LIVE), 1000):
        item = Gio.ListModel.get_item(model, position)
        check(item.value, position * 3, "virtual function get_item")


def main() -> None:
    random.seed(1)
    maps("start")
    sort()
    idle(LIVE, peak=True)
    for _ in range(20):
        idle(100, peak=False)
        gc.collect()
    vfuncs()
    sort()
    gc.collect()
    maps("end")
    print(f"callbacks={calls} live={LIVE}")


main()
