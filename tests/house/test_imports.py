# SPDX-License-Identifier: MIT
"""test_imports - Python files import each other in no circle, and rooms only those above them

docs/design/python.md has the table of the package's rooms, which this reads. Imports inside
functions count, because a circle that only bites at run time is still one. Imports for the type
checker alone do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/design/python.md"
ROW = re.compile(r"^\| `(\w+)` \|([`\w ]*)\|", re.MULTILINE)


def modules(root: Path, top: str) -> dict[str, Path]:
    """Give the Python files under a folder by their dotted names; a package by its folder's."""
    found = {}
    for path in sorted((root / top).rglob("*.py*")):
        if path.suffix in (".py", ".pyi"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, without what stands under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and re.fullmatch(
            r"(\w+\.)?TYPE_CHECKING", ast.unparse(node.test)
        ):
            for other in node.orelse:
                yield other
                yield from statements(other)
        else:
            yield node
            yield from statements(node)


def named(tree: ast.AST, package: str) -> Iterator[str]:
    """Give the dotted names that a file of `package` imports, `from x import y` as "x.y"."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value)


def imports(known: dict[str, Path]) -> dict[str, set[str]]:
    """Give for each file the files that it imports. A script also finds its neighbours' names."""
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        folders = [package.rsplit(".", n)[0] + "." for n in range(package.count(".") + 1)]
        for wanted in named(ast.parse(path.read_text(encoding="utf-8")), package):
            words = wanted.split(".")
            prefixes = [".".join(words[:n]) for n in range(len(words), 0, -1)]
            found = (f + p for f in ["", *folders] for p in prefixes if f + p in known)
            graph[name].add(next(found, name))
        graph[name].discard(name)
    return graph


def circle(root: Path, top: str) -> list[str]:
    """Give a circle of imports, its first file also at the end; [] when there is none."""
    try:
        TopologicalSorter(imports(modules(root, top))).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def wrong_levels(root: Path) -> list[str]:
    """List what the table of rooms forbids, and what it allows that nothing needs."""
    page = (root / PAGE).read_text(encoding="utf-8")
    rows = {room: re.findall(r"\w+", may) for room, may in ROW.findall(page)}
    room_of = {
        name: "__init__" if name == "ffi_static" else name.split(".")[1]
        for name in modules(root, "ffi_static")
    }
    used: dict[str, set[str]] = {room: set() for room in rows}
    wrong = [f"{room} is in no row of {PAGE}" for room in {*room_of.values()} - {*rows}]
    for name, wanted in imports(modules(root, "ffi_static")).items():
        room = room_of[name]
        used.setdefault(room, set()).update(room_of[each] for each in wanted)
        wrong += [
            f"{name} imports {each}, which the row of {room} does not name"
            for each in sorted(wanted)
            if room_of[each] not in (room, *rows.get(room, ()))
        ]
    order = list(rows)
    for room, may in rows.items():
        above = order[: order.index(room)]
        wrong += [f"the row of {room} names {each}, no row above" for each in {*may} - {*above}]
        wrong += [f"the row of {room} names {each}, unused" for each in {*may} - used[room]]
    return sorted(wrong)


@pytest.mark.parametrize("top", ["ffi_static", "tests/support", "bench"])
def test_no_circle_of_imports(top: str) -> None:
    assert sum(map(len, imports(modules(ROOT, top)).values())) > 0, "no import was found"
    assert circle(ROOT, top) == []


def test_rooms_import_what_their_row_names() -> None:
    assert wrong_levels(ROOT) == []


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import top.b\n", "import top.a\n"),
        ("from top import b\n", "from top.a import x\n"),
        ("from . import b\n", "def f():\n    from .a import x\n"),
        ("from .b import x\n", "class A:\n    import top.a as x\n"),
        ("import b\n", "from a import x\n"),  # scripts, found through their own folder
        ("import importlib\nimportlib.import_module('b')\n", "__import__('top.a')\n"),
        ("if x:\n    import top.b\n", "try:\n    pass\nfinally:\n    import top.a\n"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import top.b\n", "import top.a\n"),
    ],
)
def test_planted_circle_is_found(one: str, other: str, tmp_path: Path) -> None:
    plant(tmp_path, {"top/a.py": one, "top/b.py": other})
    assert set(circle(tmp_path, "top")) == {"top.a", "top.b"}


def test_circle_through_folders_is_found_and_one_for_the_type_checker_is_none(
    tmp_path: Path,
) -> None:
    plant(tmp_path, {
        "top/__init__.py": "from top.low import x\n",
        "top/low/__init__.py": "from . import deep\n",
        "top/low/deep.py": "from .. import name\n",
        "fine/a.py": "if TYPE_CHECKING:\n    from fine import b\n",
        "fine/b.py": "from fine import a\n",
    })  # fmt: skip
    assert set(circle(tmp_path, "top")) == {"top", "top.low", "top.low.deep"}
    assert circle(tmp_path, "fine") == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"low.py": "import ffi_static.high\n"}, "ffi_static.low imports ffi_static.high, which"),
        ({"high.py": ""}, "the row of high names low, unused"),
        ({"more/a.py": ""}, "more is in no row"),
        ({"low.py": "from ffi_static import x\n"}, "ffi_static.low imports ffi_static, which"),
    ],
)
def test_planted_level_is_found(files: dict[str, str], found: str, tmp_path: Path) -> None:
    table = "| `low` | | x |\n| `high` | `low` | x |\n| `__init__` | `high` | x |\n"
    tree = {"low.py": "", "high.py": "import ffi_static.low", "__init__.py": "from . import high"}
    plant(tmp_path, {PAGE: table, **{f"ffi_static/{k}": v for k, v in {**tree, **files}.items()}})
    assert [line for line in wrong_levels(tmp_path) if line.startswith(found)]
    plant(tmp_path, {f"ffi_static/{k}": v for k, v in tree.items()})
    (tmp_path / "ffi_static/more/a.py").unlink(missing_ok=True)
    assert wrong_levels(tmp_path) == []
